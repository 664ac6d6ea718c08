"""Going on from the final states of a Dataset: what analyses that run the map themselves share."""

from __future__ import annotations

import math
import numbers
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import NamedTuple

import dask.array as da
import numpy as np
import xarray as xr
from dask.base import tokenize

from dmfx.blocks import STATUS
from dmfx.chunking import LANES, chunks_by_cost, parse_chunks
from dmfx.dynamics.exponents import Output
from dmfx.models import SelfAttention, self_attention_of
from dmfx.models.start import STATE_DIMS, context_of
from dmfx.points import points_at
from dmfx.sweep_labels import along, joined, noise_of
from dmfx.tasks import views
from dmfx.validation import Problems
from dmfx.variables import describe_dataset
from dmfx.version import history_line, versions

__all__ = ["Output", "States", "StatesBlock", "drive_period", "go_on", "state_outputs", "states_of"]

#: What distinguishes the points of a sweep besides their states.
PARAMETERS = ("beta", "gamma", "seed", "epsilon")
#: Their values, both ends included.
_LARGEST = float(np.finfo(float).max)
RANGES = {"beta": (0, _LARGEST), "gamma": (-_LARGEST, _LARGEST), "seed": (0, 2**63 - 1), "epsilon": (0, 1)}


@dataclass(frozen=True, eq=False)
class States:
    """The points of a Dataset that runs can go on from.

    Attributes
    ----------
    model
        The model.
    coords
        What is left of the Dataset without its time, contexts and patterns: its sweep dims and their coordinates.
    parameters
        β, γ, seed and ε, each with every sweep dim, of full size or of size 1.
    attention, phase, status
        Dims (sweep..., context, pattern), (sweep...) and (sweep...).
    attrs
        Attributes of the Dataset.
    noise
        Of finite networks: the number of spins, the key of the noise and its clock, each with every sweep dim, of full
        size or of size 1; the key has two words more. Otherwise empty.
    """

    model: SelfAttention
    coords: xr.Dataset
    parameters: dict[str, np.ndarray]
    attention: xr.DataArray
    phase: xr.DataArray
    status: xr.DataArray
    attrs: dict[str, object]
    noise: tuple[np.ndarray | xr.DataArray, ...] = ()

    @property
    def dims(self) -> tuple[str, ...]:
        """Sweep dims, in order."""
        return self.phase.dims

    @property
    def lazy(self) -> bool:
        """Whether the Dataset is."""
        return self.attention.chunks is not None


class StatesBlock(NamedTuple):
    """The points of one task, flattened: every array has shape (point, ...).

    Attributes
    ----------
    model
        The model.
    beta, gamma, seed, epsilon
        Parameters.
    attention, phase
        Contexts, (point, context, pattern), newest first, and the phases of the next tokens.
    status
        What was known of the points; `STATUS`.
    size, key, clock
        Number of spins and noise of finite networks, or None: see `dmfx.points.points_at`.
    """

    model: SelfAttention
    beta: np.ndarray
    gamma: np.ndarray
    seed: np.ndarray
    epsilon: np.ndarray
    attention: np.ndarray
    phase: np.ndarray
    status: np.ndarray
    size: np.ndarray | None = None
    key: np.ndarray | None = None
    clock: np.ndarray | None = None

    def points(self):
        """What the kernels take; mean field or finite networks, not both."""
        return points_at(
            self.model,
            self.beta,
            self.gamma,
            self.seed,
            self.epsilon,
            self.attention,
            self.phase,
            size=self.size,
            key=self.key,
            clock=self.clock,
        )

    def take(self, which: np.ndarray | slice | list[int]) -> StatesBlock:
        """Some of the points."""
        return StatesBlock(self.model, *(None if array is None else array[which] for array in self[1:]))

    def batches(self) -> Iterator[StatesBlock]:
        """The points in groups that a kernel advances together, for work that keeps trajectories."""
        for first in range(0, len(self.phase), LANES):
            yield self.take(slice(first, first + LANES))

    @property
    def failed(self) -> np.ndarray:
        """Points that diverged or had no valid start."""
        return (self.status == STATUS["diverged"]) | (self.status == STATUS["bad_start"])

    def new_status(self, final_attention: np.ndarray) -> np.ndarray:
        """Status after a run that ended in these states; a point that was not ok stays what it was."""
        n_points = len(self.phase)
        started = np.isfinite(self.attention.reshape(n_points, -1)).all(axis=1)
        finished = np.isfinite(final_attention.reshape(n_points, -1)).all(axis=1)
        new = np.where(finished, STATUS["ok"], np.where(started, STATUS["diverged"], STATUS["bad_start"]))
        return np.where(self.failed, self.status, new).astype(np.int8)


def state_outputs(context_size: int, n_patterns: int, finite: bool = False) -> dict[str, Output]:
    """What every analysis that runs the map returns beside its results; last the clock of finite networks."""
    outputs = {
        "final_attention": Output(("context", "pattern"), (context_size, n_patterns)),
        "final_phase": Output(dtype=np.int64),
        "status": Output(dtype=np.int8),
    }
    return outputs | ({"noise_step": Output(dtype=np.int64)} if finite else {})


def states_of(problems: Problems, ds: object, *, finite: bool = False) -> States | None:
    """The states that a Dataset holds, or None when a problem was recorded.

    Those of finite networks only where the analysis can go on with their noise, as ``finite`` says.
    """
    if not isinstance(ds, xr.Dataset):
        problems.add("ds", "a Dataset from dmfx.simulate", ds, is_type=True)
        return None
    if "dmfx_model" not in ds.attrs:
        problems.say(
            "ds must say its model in the attribute dmfx_model, as Datasets from dmfx.simulate and dmfx.open do"
        )
        return None
    if "branch_point" in ds.dims:
        problems.say(
            "ds is a branch, whose points differ in the variable parameter: start a run at one of them with "
            "dmfx.simulate(initial=) and that value of the parameter"
        )
        return None
    model = self_attention_of(problems, "ds", ds)
    if model is None:
        return None
    if differs := joined(ds):
        problems.say(
            f"ds joins runs of different models, whose {differs} differ: analyse each on its own and join the results"
        )
        return None
    state = context_of(problems, "ds", ds, model.n_patterns, model.context_size)
    if state is None:
        return None
    attention = state["final_attention"]
    sweep = tuple(dim for dim in attention.dims if dim not in STATE_DIMS)
    attention = attention.transpose(*sweep, *STATE_DIMS)
    phase = along(state["final_phase"], attention, sweep)
    status = ds["status"] if "status" in ds else xr.DataArray(np.int8(STATUS["ok"]))
    if not set(status.dims) <= set(sweep) or status.dtype.kind not in "iu":
        problems.say(f"ds: status must be whole numbers along dims of final_attention, {', '.join(sweep) or 'none'}")
        return None
    if empty := [dim for dim in sweep if attention.sizes[dim] == 0]:
        problems.say(f"ds has no points: its dim {empty[0]} is empty")
        return None
    parameters = {}
    for name in PARAMETERS:
        if name not in ds.coords:
            problems.say(f"ds must have the coordinate {name}, which says the {name} of each point")
            continue
        value = ds.coords[name]
        if not set(value.dims) <= set(sweep) or value.dtype.kind not in "iuf":
            problems.say(f"ds: {name} must be a coordinate of numbers along {', '.join(sweep) or 'no dims'}")
            continue
        parameters[name] = along(value, attention, sweep, expand=False).to_numpy()
        low, high = RANGES[name]
        bad = ~((parameters[name] >= low) & (parameters[name] <= high))
        if name == "seed":
            bad |= parameters[name] != np.round(parameters[name])
        if bad.any():
            what = f"{'whole ' if name == 'seed' else ''}numbers from {low:g} to {high:g}"
            problems.say(f"ds: the coordinate {name} must be {what}, not {parameters[name][bad].ravel()[0]}")
    noise = noise_of(problems, ds, state["noise_step"], parameters, attention, sweep)
    if noise and not finite:
        problems.say(
            f"ds is of finite networks, but {problems.call} follows the mean field: select size=np.inf, or go on in "
            "the mean field first, by dmfx.simulate(initial=ds) from one size and replica, or with these dims renamed"
        )
    if len(parameters) < len(PARAMETERS):
        return None
    inner = [name for name, coord in attention.coords.items() if not set(coord.dims) <= set(sweep)]
    coords = attention.drop_vars(inner).coords.to_dataset()
    return States(model, coords, parameters, attention, phase, along(status, attention, sweep), ds.attrs, noise)


def drive_period(model: SelfAttention, epsilon: np.ndarray | float) -> int:
    """Period of the position drive in steps: that of the phase, or 1 where position has no weight."""
    return model.context_size if np.any(np.asarray(epsilon) != 0) else 1


def go_on(
    states: States,
    function: Callable[..., tuple[np.ndarray, ...]],
    outputs: Mapping[str, Output],
    options: Mapping[str, object],
    *,
    problems: Problems,
    cost: float,
    chunks: object = "auto",
    whole: tuple[str, ...] = (),
) -> xr.Dataset:
    """Run a function once on every block of points, and label what it returns.

    Parameters
    ----------
    states
        The points.
    function
        ``function(block, **options)`` of a `StatesBlock`, defined in a module; returns the outputs in their order, each
        (point, ...).
    outputs
        What it returns.
    options
        Its further arguments, plain values.
    problems
        Where wrong chunks are recorded; everything that is wrong with the call is raised from here.
    cost
        Estimated seconds per point, a guide for the size of tasks.
    chunks
        Sizes of the blocks along the sweep dims, as in xarray.
    whole
        Sweep dims that a block always holds whole: its points come with these dims last, and the outputs, (points
        without them, ...), have them only where they say so.

    Returns
    -------
    xr.Dataset
        Lazy if and only if the states are; with the coordinates of the sweep.
    """
    sizes = {dim: states.phase.sizes[dim] for dim in states.dims}
    inner = {dim: size for output in outputs.values() for dim, size in zip(output.dims, output.shape, strict=True)}
    for dim in sizes:
        if dim in inner and dim not in whole:
            problems.say(f"ds has the dim {dim}, which means something else in the result: rename it")
    default = chunks_by_cost(sizes, cost, whole)
    if isinstance(chunks, numbers.Integral) and not isinstance(chunks, bool):
        chunks = {dim: chunks for dim in sizes if dim not in whole}
    cut = parse_chunks(problems, chunks, sizes, None, default)
    for dim in whole:
        if len(cut.get(dim, (0,))) > 1:
            problems.say(f"chunks: {dim} must be in one chunk")
    problems.raise_any()
    sweep_chunks = tuple(cut[dim] for dim in states.dims)
    arrays = [_blocks(array, cut) for array in (states.attention, states.phase, states.status)]
    noise = [_blocks(array, cut) if isinstance(array, xr.DataArray) else array for array in states.noise]
    inputs = [*states.parameters.values(), *arrays, *noise]
    token = tokenize(
        f"{function.__module__}.{function.__qualname__}",
        states.model,
        list(states.parameters.values()),
        [array.name for array in arrays],
        [array.name if isinstance(array, da.Array) else array for array in noise],
        sweep_chunks,
        dict(options),
        list(outputs.items()),
        versions()["dmfx"],
    )
    kept = tuple(dim for dim in states.dims if dim not in whole)
    last = tuple(states.dims.index(dim) for dim in whole)
    computed = views(
        token,
        _call,
        inputs,
        {name: (output.shape, output.dtype) for name, output in outputs.items()},
        sweep_chunks,
        _Call(function, states.model, dict(options), last),
        last,
    )
    history = f"{states.attrs.get('history', '')}\n{history_line(problems.call, options)}".strip()
    # A scalar coordinate that was left by selecting one exponent, say, would clash with the new dim.
    stale = [name for name in states.coords.coords if name in inner and name not in sizes]
    ds = xr.Dataset(
        {name: ((*kept, *output.dims), computed[name]) for name, output in outputs.items()},
        coords=states.coords.drop_vars(stale).coords,
        attrs=states.attrs | {"history": history},
    )
    ds = ds.assign_coords({dim: np.arange(size) for dim, size in inner.items() if dim not in ds.coords})
    ds = ds if states.lazy else ds.compute()
    return describe_dataset(ds)


@dataclass(frozen=True, eq=False)
class _Call:
    """What all tasks of one analysis share."""

    function: Callable[..., tuple[np.ndarray, ...]]
    model: SelfAttention
    options: dict[str, object]
    last: tuple[int, ...]


def _call(shared: _Call, *blocks: np.ndarray) -> tuple[np.ndarray, ...]:
    """Run the function of a task on the points of its block, flattened; dims that are held whole come last."""
    last = shared.last
    shape = np.broadcast_shapes(*(block.shape for block in blocks if block.ndim == len(blocks[0].shape)))
    order = [*(i for i in range(len(shape)) if i not in last), *last]
    n_points = math.prod(shape)
    flat = []
    for block in blocks:
        inner = block.shape[len(shape) :]
        full = np.broadcast_to(block, (*shape, *inner))
        moved = full.transpose(*order, *range(len(shape), full.ndim))
        flat.append(np.ascontiguousarray(moved.reshape(n_points, *inner)))
    kept = tuple(shape[i] for i in order[: len(order) - len(last)])
    results = shared.function(StatesBlock(shared.model, *flat), **shared.options)
    return tuple(result.reshape((*kept, *result.shape[1:])) for result in results)


def _blocks(array: xr.DataArray, cut: Mapping[str, tuple[int, ...]]) -> da.Array:
    """A Dask array whose blocks line up with those of the sweep; what is in memory is cut without copying it whole."""
    return array.variable.chunk({dim: cut.get(dim, -1) for dim in array.dims}).data
