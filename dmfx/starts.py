"""The starting points of a sweep, given in any of the ways that ``initial=`` takes, as arrays along its dims."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

import dask.array as da
import numpy as np
import xarray as xr

from dmfx.finite_size import selected_labels
from dmfx.labels import positions
from dmfx.models.self_attention import SelfAttention
from dmfx.models.start import STATE_DIMS, Context, Token, context_of, parse_start
from dmfx.validation import Problems
from dmfx.variables import VARIABLES
from dmfx.weights.streams import START_STREAM, generator

__all__ = [
    "FromRun",
    "RandomContexts",
    "RandomTokens",
    "Start",
    "align",
    "align_arrays",
    "chunked_along",
    "parse_initial",
    "random_context",
]


@dataclass(frozen=True)
class RandomContexts:
    """Contexts of independent attention values uniform in [-1, 1], numbered along the dim ``initial``."""

    number: int


@dataclass(frozen=True)
class RandomTokens:
    """Tokens of independent random spins, numbered along the dim ``initial``."""

    number: int


@dataclass(frozen=True, eq=False)
class FromRun:
    """Contexts by sweep point, from another run.

    Attributes
    ----------
    attention
        Dims: every sweep dim, of full size or of size 1, then context and pattern.
    phase, clock
        The same sweep dims: phase of the next token, and the number of its noise.
    selected
        Where one point was selected along dims that the sweep lacks: their labels.
    """

    attention: xr.DataArray
    phase: xr.DataArray
    clock: xr.DataArray
    selected: dict[str, object] = field(default_factory=dict)

    def chunked(self, chunks: Mapping[str, tuple[int, ...]]) -> tuple[da.Array, ...]:
        """Dask arrays whose blocks line up with those of the sweep."""
        return chunked_along((self.attention, self.phase, self.clock), chunks)


#: Names that the Dataset of a sweep has for other things.
RESERVED = {"step", "context", "pattern", "column", "matrix", "bit", *VARIABLES}
#: Dims of a sweep that stand for arguments of `dmfx.simulate`, beside those that it always has.
OWN = ("epsilon", "size", "replica")
MOST_STARTS = 10**6

Start = Token | Context | RandomContexts | RandomTokens | FromRun


def random_context(seed: int, number: int, context_size: int, n_patterns: int) -> np.ndarray:
    """The random context with this number, shape (context, pattern); it depends on its own coordinates alone."""
    return generator(seed, START_STREAM, number).uniform(-1, 1, (context_size, n_patterns))


def parse_initial(
    problems: Problems,
    initial: object,
    starts: int | None,
    model: SelfAttention,
    axes: Mapping[str, np.ndarray],
    finite: bool = False,
) -> tuple[Start, dict[str, np.ndarray]]:
    """Normalise ``initial`` and say which dims it adds to the sweep; ``finite``: whether networks of finite size run.

    Returns
    -------
    start : Start
        For a Dataset whose dims are not yet known to fit, call `align` once the sweep's axes are complete.
    added : dict
        Dims that the starts bring along, with their labels.
    """
    if isinstance(initial, str):
        kinds = {"random": RandomContexts, "random_token": RandomTokens}
        if problems.choice("initial", initial, kinds) == initial and starts is None:
            problems.say(f"initial={initial!r} needs starts=, the number of random starts")
        if initial == "random_token" and not finite:
            problems.say(
                "initial='random_token' needs a finite size=: random spins, if infinitely many, overlap with no pattern"
            )
        number = problems.count("starts", 1 if starts is None else starts, maximum=MOST_STARTS)
        return kinds.get(initial, RandomContexts)(number), {"initial": np.arange(number)}
    if starts is not None:
        problems.say("starts goes with initial='random' and initial='random_token' only")
    if initial is None:
        return model.start, {}
    if isinstance(initial, xr.Dataset):
        state = context_of(problems, "initial", initial, model.n_patterns, model.context_size)
        if state is None:
            return model.start, {}
        added = {}
        for dim, size in state.sizes.items():
            if dim in STATE_DIMS or dim in axes or (size == 1 and dim in (*OWN, *RESERVED)):
                continue
            if dim in OWN:
                problems.say(
                    f"initial has the dim {dim}: give {dim}= as an array, select one value of it, or rename it to keep "
                    f"where the runs started apart: ds.rename({dim}='start_{dim}')"
                )
            elif dim in RESERVED:
                problems.say(f"initial has the dim {dim}, which means something else here: rename or select it")
            else:
                added[dim] = state[dim].to_numpy()
        selected = selected_labels(state["final_attention"])
        selected = {name: label for name, label in selected.items() if name not in axes}
        return FromRun(state["final_attention"], state["final_phase"], state["noise_step"], selected), added
    return parse_start(problems, "initial", initial, model.n_patterns, model.context_size, model.weights.n_spins), {}


def align(problems: Problems, start: FromRun, axes: Mapping[str, np.ndarray]) -> FromRun:
    """Match the dims of another run to those of the sweep, by label, or broadcast where they have size 1."""
    arrays = align_arrays(problems, (start.attention, start.phase, start.clock), axes, STATE_DIMS)
    return start if arrays is None else FromRun(*arrays, start.selected)


def align_arrays(
    problems: Problems, arrays: tuple[xr.DataArray, ...], axes: Mapping[str, np.ndarray], tail: tuple[str, ...]
) -> list[xr.DataArray] | None:
    """The arrays of another run, the first of which has all its dims, with the dims of a sweep and then ``tail``."""
    first = arrays[0]
    at = {}
    for dim, labels in axes.items():
        if first.sizes.get(dim, 1) == 1:
            continue
        have = first[dim].to_numpy()
        if np.array_equal(have, labels):
            continue
        if np.unique(have).size != have.size:
            problems.say(f"initial has repeated labels along {dim}")
            continue
        at[dim] = positions(have, labels)
        missing = labels[at[dim] < 0]
        if missing.size:
            shown = ", ".join(f"{label:g}" if label.dtype.kind in "iuf" else str(label) for label in missing[:3]) + (
                ", ..." if len(missing) > 3 else ""
            )
            problems.say(f"initial has no {dim} = {shown} ({len(missing)} of {len(labels)} labels are missing)")
    if problems.messages:
        return None
    aligned = []
    for array in arrays:
        array = array.isel({dim: places for dim, places in at.items() if array.sizes.get(dim, 1) > 1})
        array = array.drop_vars(list(array.coords))
        array = array.squeeze([dim for dim in array.dims if dim not in axes and dim not in tail])
        array = array.expand_dims([dim for dim in axes if dim not in array.dims])
        aligned.append(array.transpose(*axes, *(dim for dim in tail if dim in array.dims)))
    return aligned


def chunked_along(
    arrays: tuple[xr.DataArray, ...] | list[xr.DataArray], chunks: Mapping[str, tuple[int, ...]]
) -> tuple[da.Array, ...]:
    """Dask arrays whose blocks line up with those of a sweep."""
    lazy = []
    for array in arrays:
        along = {dim: chunks[dim] if array.sizes[dim] > 1 else 1 for dim in array.dims if dim in chunks}
        whole = {dim: -1 for dim in array.dims if dim not in chunks}
        lazy.append(array.chunk(along | whole).data)
    return tuple(lazy)
