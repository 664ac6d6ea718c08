"""What ``initial=`` means for networks of vector spins."""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

import dask.array as da
import numpy as np
import xarray as xr

from dmfx.models.vector_attention import VectorAttention
from dmfx.starts import align_arrays, chunked_along
from dmfx.tokens.sphere import check_tokens
from dmfx.validation import Problems, real_numbers
from dmfx.variables import VARIABLES
from dmfx.vectors.starts import FromTokens, RandomStates, Start

__all__ = ["Initial", "parse_initial"]

#: Names that the Dataset of a sweep has for other things.
RESERVED = {
    "step",
    "pattern",
    "token",
    "component",
    "from_token",
    "from_component",
    "offset",
    "rank",
    "target",
    *VARIABLES,
}
STATE_DIMS = ("token", "component")
MOST_STARTS = 10**6


class Initial(NamedTuple):
    """Where the runs of a sweep start.

    Attributes
    ----------
    start
        States by label; None if they come from another run.
    states
        Final tokens and status of another run, with its own dims; None otherwise.
    added
        Dims that the starts bring along, with their labels.
    target
        Labels of the stored patterns that the starts are, if they are.
    text
        What they are, in words.
    """

    start: Start | None
    states: tuple[xr.DataArray, ...] | None
    added: dict[str, np.ndarray]
    target: np.ndarray | None
    text: str

    def aligned(
        self, problems: Problems, axes: Mapping[str, np.ndarray], chunks: Mapping[str, tuple[int, ...]] | None = None
    ) -> tuple[da.Array, ...]:
        """The states of another run along the dims of the sweep, in its blocks; none without another run."""
        if self.states is None:
            return ()
        arrays = align_arrays(problems, self.states, axes, STATE_DIMS)
        return () if arrays is None or chunks is None else chunked_along(arrays, chunks)


def parse_initial(
    problems: Problems, initial: object, starts: object, model: VectorAttention, axes: Mapping[str, np.ndarray]
) -> Initial:
    """Normalise ``initial``; what is wrong with it is recorded."""
    n, d = model.n_tokens, model.n_components
    fallback = Initial(RandomStates(n, d), None, {"initial": np.arange(1)}, None, "")
    if starts is not None and not (isinstance(initial, str) and initial == "random"):
        problems.say("starts goes with initial='random' only")
    if initial is None:
        initial = 0 if model.n_patterns else None
    if initial is None:
        return Initial(FromTokens(RandomStates(n, d).states(_FIRST)), None, {}, None, "a random state")
    if isinstance(initial, str):
        return _named(problems, initial, starts, model, fallback)
    if isinstance(initial, xr.Dataset):
        return _from_run(problems, initial, model, axes, fallback)
    array = real_numbers(initial)
    if array is not None and array.ndim <= 1 and array.dtype.kind in "iu":
        return _patterns(problems, array, model, fallback)
    tokens = check_tokens(problems, "initial", initial, n, d)
    if tokens is None:
        return fallback
    added = {} if np.ndim(initial) == 2 else {"initial": np.arange(len(tokens))}
    # A copy: the tasks read them later, when the caller may have changed them.
    return Initial(FromTokens(tokens.copy()), None, added, None, "given configurations")


_FIRST = {"seed": np.zeros(1, dtype=int), "initial": np.zeros(1, dtype=int)}


def _named(problems: Problems, initial: str, starts: object, model: VectorAttention, fallback: Initial) -> Initial:
    kind = problems.choice("initial", initial, ("random", "patterns"))
    if initial == "random":
        if starts is None:
            problems.say("initial='random' needs starts=, the number of random starts")
        number = problems.count("starts", 1 if starts is None else starts, maximum=MOST_STARTS)
        return fallback._replace(added={"initial": np.arange(number)}, text="random states")
    if kind == initial:
        return _patterns(problems, np.arange(model.n_patterns), model, fallback)
    return fallback


def _patterns(problems: Problems, numbers: np.ndarray, model: VectorAttention, fallback: Initial) -> Initial:
    if model.n_patterns == 0:
        problems.say("initial: the model has no stored patterns to start from; model.with_patterns(...) gives it some")
        return fallback
    if numbers.size == 0 or (numbers < 0).any() or (numbers >= model.n_patterns).any():
        problems.add("initial", f"numbers of stored patterns from 0 to {model.n_patterns - 1}", numbers.tolist())
        return fallback
    added = {} if numbers.ndim == 0 else {"initial": np.arange(numbers.size)}
    tokens = model.patterns[np.atleast_1d(numbers)]
    return Initial(FromTokens(tokens), None, added, numbers, "stored patterns")


def _from_run(
    problems: Problems, ds: xr.Dataset, model: VectorAttention, axes: Mapping[str, np.ndarray], fallback: Initial
) -> Initial:
    if "final_tokens" not in ds:
        problems.say("initial must be a Dataset with final_tokens (..., token, component), but has none")
        return fallback
    final = ds["final_tokens"]
    if not set(STATE_DIMS) <= set(final.dims) or final.dtype.kind != "f":
        problems.say("initial: final_tokens must be real numbers with the dims (..., token, component)")
        return fallback
    shape = tuple(final.sizes[dim] for dim in STATE_DIMS)
    if shape != (model.n_tokens, model.n_components):
        problems.say(
            f"initial: final_tokens must have {model.n_tokens} tokens of {model.n_components} components, as the "
            f"couplings do, not {shape[0]} of {shape[1]}"
        )
    final = final.transpose(..., *STATE_DIMS)
    added = {}
    for dim, size in final.sizes.items():
        if dim in STATE_DIMS or dim in axes:
            continue
        if dim in RESERVED:
            if size > 1:
                problems.say(f"initial has the dim {dim}, which means something else here: rename or select it")
        else:
            added[dim] = final[dim].to_numpy()
    status = ds["status"] if "status" in ds else xr.zeros_like(final.isel(token=0, component=0, drop=True))
    status = status.astype(np.int8).broadcast_like(final.isel(token=0, component=0, drop=True))
    target = ds["target"].to_numpy() if "target" in ds.coords and ds["target"].dims in ((), ("initial",)) else None
    if target is not None and target.ndim == 1 and "initial" not in added:
        target = None
    return Initial(None, (final, status), added, target, "states of another Dataset")
