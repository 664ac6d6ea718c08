"""Where a run starts: from a context of attention values, or from one token."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import xarray as xr

from dmfx.validation import Problems

__all__ = ["Context", "Token", "parse_start"]


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
        check_context(problems, argument, value, n_patterns, context_size)
        problems.raise_any()
        attention = value["final_attention"].transpose("context", "pattern").to_numpy()
        phase = int(value["final_phase"]) if "final_phase" in value else 0
        return Context(tuple(tuple(float(x) for x in row) for row in attention), phase)
    if isinstance(value, (int, np.integer)) and not isinstance(value, bool):
        if not 0 <= value < n_patterns:
            problems.add(argument, f"a pattern from 0 to {n_patterns - 1}", value)
        return Token(pattern=int(value))
    if isinstance(value, (list, tuple, np.ndarray)):
        spins = np.asarray(value)
        if n_spins is None:
            problems.say(f"{argument}: spins by column need weights given as arrays; name a pattern by its number")
        elif spins.shape != (n_spins,) or spins.dtype.kind not in "iuf":
            problems.add(argument, f"{n_spins} spins, one for each column of the weights", spins)
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


def check_context(problems: Problems, argument: str, ds: xr.Dataset, n_patterns: int, context_size: int) -> None:
    """Record what is wrong with the shape of a Dataset to start from."""
    if "final_attention" not in ds:
        problems.say(
            f"{argument} must be a Dataset with final_attention (context, pattern) and final_phase, not one with "
            f"{', '.join(map(str, ds.data_vars)) or 'no variables'}"
        )
        return
    sizes = ds["final_attention"].sizes
    for dim, expected in (("context", context_size), ("pattern", n_patterns)):
        if sizes.get(dim) != expected:
            found = f"{sizes[dim]}" if dim in sizes else "no such dim"
            problems.say(f"{argument}: final_attention must have dim {dim} of size {expected}, not {found}")
    if "final_phase" in ds and set(ds["final_phase"].dims) - set(ds["final_attention"].dims):
        problems.say(f"{argument}: final_phase has dims that final_attention lacks")
