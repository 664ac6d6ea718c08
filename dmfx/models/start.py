"""Where a run starts: from a context of attention values, or from one token."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import xarray as xr

from dmfx.validation import Problems, real_numbers

__all__ = ["STATE_DIMS", "Context", "Token", "context_of", "parse_start", "start_from_spec"]


@dataclass(frozen=True)
class Token:
    """Start from one token; the context grows from it.

    Attributes
    ----------
    pattern
        The token is this output pattern, x_0 = w^o_a; or None if ``spins`` are given.
    spins
        One spin (or mean spin) for each column of given weights.
    """

    pattern: int | None = None
    spins: tuple[float, ...] | None = None

    def spec(self) -> dict[str, object]:
        """JSON form."""
        if self.spins is None:
            return {"pattern": self.pattern}
        return {"spins": list(self.spins)}


@dataclass(frozen=True)
class Context:
    """Start from a full context.

    Attributes
    ----------
    attention
        Attention values by lag and pattern, lag 0 newest.
    phase
        Phase of the next token.
    """

    attention: tuple[tuple[float, ...], ...]
    phase: int

    def spec(self) -> dict[str, object]:
        """JSON form."""
        return {"attention": [list(row) for row in self.attention], "phase": self.phase}


def start_from_spec(spec: dict[str, object]) -> Token | Context:
    """Inverse of ``spec``."""
    if "attention" in spec:
        return Context(tuple(tuple(row) for row in spec["attention"]), int(spec["phase"]))
    if "spins" in spec:
        return Token(spins=tuple(spec["spins"]))
    return Token(pattern=int(spec["pattern"]))


def parse_start(
    problems: Problems, argument: str, value: object, n_patterns: int, context_size: int, n_spins: int | None
) -> Token | Context:
    """Normalise a start that is the same for every sweep point.

    Parameters
    ----------
    problems
        Where problems are recorded.
    argument
        Name of the argument in messages.
    value
        Number of a pattern; a 1-D array of spins by column; or a Dataset with ``final_attention`` (context, pattern)
        and ``final_phase``.
    n_patterns, context_size
        M and L of the model.
    n_spins
        Number of columns of given weights; None if weights are drawn, where columns have no fixed meaning.
    """
    if isinstance(value, (Token, Context)):
        return value
    if isinstance(value, xr.Dataset):
        state = context_of(problems, argument, value, n_patterns, context_size)
        if state is None:
            return Token(pattern=0)
        extra = [dim for dim in state["final_attention"].dims if dim not in STATE_DIMS and state.sizes[dim] > 1]
        if extra:
            problems.say(
                f"{argument} must be one context, but final_attention has the dims {', '.join(map(str, extra))}: "
                "select one point, or give the Dataset to simulate(..., initial=)"
            )
            return Token(pattern=0)
        state = state.squeeze([dim for dim in state.dims if dim not in STATE_DIMS]).compute()
        attention = state["final_attention"].transpose(*STATE_DIMS).to_numpy()
        if not np.isfinite(attention).all():
            problems.say(f"{argument}: final_attention has NaN or infinite values")
        return Context(tuple(tuple(float(x) for x in row) for row in attention), int(state["final_phase"]))
    if isinstance(value, (int, np.integer)) and not isinstance(value, bool):
        if not 0 <= value < n_patterns:
            problems.add(argument, f"a pattern from 0 to {n_patterns - 1}", value)
        return Token(pattern=int(value))
    if isinstance(value, (list, tuple, np.ndarray)):
        spins = real_numbers(value)
        if n_spins is None:
            problems.say(f"{argument}: spins by column need weights given as arrays; name a pattern by its number")
        elif spins is None or spins.shape != (n_spins,):
            problems.add(argument, f"{n_spins} spins, one for each column of the weights", value)
        elif not (np.abs(spins) <= 1).all():
            problems.say(f"{argument} must be spins or mean spins, within [-1, 1]")
        else:
            return Token(spins=tuple(float(s) for s in spins))
        return Token(pattern=0)
    problems.add(
        argument,
        "the number of a pattern, an array of spins by column, or a Dataset with final_attention and final_phase",
        value,
        is_type=True,
    )
    return Token(pattern=0)


#: Dims of one context.
STATE_DIMS = ("context", "pattern")


def context_of(
    problems: Problems, argument: str, ds: xr.Dataset, n_patterns: int, context_size: int
) -> xr.Dataset | None:
    """The state that a Dataset holds, ordered by its labels, or None when a problem was recorded.

    Returns
    -------
    xr.Dataset
        ``final_attention`` (..., context, pattern), lag 0 and pattern 0 first; ``final_phase`` and ``noise_step``, 0 if
        it has none.
    """
    if "final_attention" not in ds:
        problems.say(
            f"{argument} must be a Dataset with final_attention (context, pattern) and final_phase, not one with "
            f"{', '.join(map(str, ds.data_vars)) or 'no variables'}"
        )
        return None
    known = len(problems.messages)
    attention = ds["final_attention"]
    order = {}
    for dim, size in zip(STATE_DIMS, (context_size, n_patterns), strict=True):
        found = attention.sizes.get(dim)
        if found != size:
            problems.say(f"{argument}: final_attention must have dim {dim} of size {size}, not {found or 'none'}")
        elif dim in attention.coords:
            labels = attention[dim].to_numpy()
            if set(labels.tolist()) != set(range(size)):
                problems.say(f"{argument}: the labels of {dim} must be 0 to {size - 1}, not {labels.tolist()}")
            else:
                order[dim] = np.argsort(labels)
    if attention.dtype.kind not in "iuf":
        problems.say(f"{argument}: final_attention must be real numbers, not of dtype {attention.dtype}")
    numbers = {}
    for name in ("final_phase", "noise_step"):
        numbers[name] = ds[name] if name in ds else xr.DataArray(0)
        if numbers[name].dtype.kind not in "iu":
            problems.say(f"{argument}: {name} must be whole numbers, not of dtype {numbers[name].dtype}")
        if set(numbers[name].dims) - (set(attention.dims) - set(STATE_DIMS)):
            problems.say(f"{argument}: {name} has dims that final_attention lacks")
    if len(problems.messages) > known:
        return None
    return xr.Dataset({"final_attention": attention.isel(order)} | numbers)
