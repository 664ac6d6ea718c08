"""The starting points of a sweep, given in any of the ways that ``initial=`` takes, as arrays along its dims."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import dask.array as da
import numpy as np
import pandas as pd
import xarray as xr

from dmfx.models.self_attention import SelfAttention
from dmfx.models.start import Context, Token, check_context, parse_start
from dmfx.validation import Problems
from dmfx.weights import START_STREAM, generator

__all__ = ["FromRun", "RandomContexts", "Start", "parse_initial", "random_context"]


@dataclass(frozen=True)
class RandomContexts:
    """Contexts of independent attention values uniform in [-1, 1], numbered along the dim ``initial``."""

    number: int


@dataclass(frozen=True, eq=False)
class FromRun:
    """Contexts by sweep point, from another run.

    Attributes
    ----------
    attention
        Dims: every sweep dim, of full size or of size 1, then context and pattern.
    phase
        The same sweep dims.
    """

    attention: xr.DataArray
    phase: xr.DataArray

    def chunked(self, chunks: Mapping[str, tuple[int, ...]]) -> tuple[da.Array, da.Array]:
        """Dask arrays whose blocks line up with those of the sweep."""
        arrays = []
        for array in (self.attention, self.phase):
            along = {dim: chunks[dim] if array.sizes[dim] > 1 else 1 for dim in array.dims if dim in chunks}
            whole = {dim: -1 for dim in array.dims if dim not in chunks}
            arrays.append(array.chunk(along | whole).data)
        return tuple(arrays)


Start = Token | Context | RandomContexts | FromRun


def random_context(seed: int, number: int, context_size: int, n_patterns: int) -> np.ndarray:
    """The random context with this number, shape (context, pattern); it depends on its own coordinates alone."""
    return generator(seed, START_STREAM, number).uniform(-1, 1, (context_size, n_patterns))


def parse_initial(
    problems: Problems,
    initial: object,
    starts: int | None,
    model: SelfAttention,
    axes: Mapping[str, np.ndarray],
) -> tuple[Start, dict[str, np.ndarray]]:
    """Normalise ``initial`` and say which dims it adds to the sweep.

    Returns
    -------
    start : Start
        For a Dataset whose dims are not yet known to fit, call `align` once the sweep's axes are complete.
    added : dict
        Dims that the starts bring along, with their labels.
    """
    if isinstance(initial, str):
        problems.choice("initial", initial, ["random"])
        if starts is None:
            problems.say("initial='random' needs starts=, the number of random starts")
        number = problems.count("starts", 1 if starts is None else starts)
        return RandomContexts(number), {"initial": np.arange(number)}
    if starts is not None:
        problems.say("starts goes with initial='random' only")
    if initial is None:
        return model.start, {}
    if isinstance(initial, xr.Dataset) and "final_attention" in initial:
        check_context(problems, "initial", initial, model.n_patterns, model.context_size)
        attention = initial["final_attention"]
        added = {}
        for dim in attention.dims:
            if dim in ("context", "pattern") or dim in axes or attention.sizes[dim] == 1:
                continue
            if dim == "epsilon":
                problems.say("initial has the dim epsilon: give epsilon= as well, or select one value of it")
            added[dim] = attention[dim].to_numpy()
        phase = (
            initial["final_phase"] if "final_phase" in initial else xr.zeros_like(attention.isel(context=0, pattern=0))
        )
        return FromRun(attention, phase), added
    fraction = getattr(model.weights, "fraction", None)
    n_spins = None if fraction is None else len(fraction)
    return parse_start(problems, "initial", initial, model.n_patterns, model.context_size, n_spins), {}


def align(problems: Problems, start: FromRun, axes: Mapping[str, np.ndarray]) -> FromRun:
    """Match the dims of another run to those of the sweep, by label, or broadcast where they have size 1."""
    aligned = []
    for array in (start.attention, start.phase):
        for dim, labels in axes.items():
            if array.sizes.get(dim, 1) == 1:
                continue
            at = _positions(array[dim].to_numpy(), labels)
            if (at < 0).any():
                missing = labels[at < 0]
                shown = ", ".join(f"{label:g}" for label in missing[:3]) + (", ..." if len(missing) > 3 else "")
                problems.say(f"initial has no {dim} = {shown} ({len(missing)} of {len(labels)} labels are missing)")
                at = np.zeros(len(labels), dtype=int)
            array = array.isel({dim: at})
        array = array.drop_vars([name for name in array.coords])
        array = array.squeeze([d for d in array.dims if d not in axes and array.sizes[d] == 1 and d not in _STATE_DIMS])
        array = array.expand_dims([dim for dim in axes if dim not in array.dims])
        aligned.append(array.transpose(*axes, *(d for d in _STATE_DIMS if d in array.dims)))
    return FromRun(*aligned)


_STATE_DIMS = ("context", "pattern")


def _positions(have: np.ndarray, want: np.ndarray) -> np.ndarray:
    """Position of each wanted label, -1 where there is none; floats that differ by rounding are the same label."""
    index = pd.Index(have)
    if have.dtype.kind != "f":
        return index.get_indexer(want)
    return index.get_indexer(want, method="nearest", tolerance=1e-12 * np.maximum(np.abs(want), 1))
