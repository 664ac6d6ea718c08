"""Whether arrays fit into memory, asked before they are made."""

from __future__ import annotations

from dmfx.validation import Problems

__all__ = ["available", "check_memory", "readable"]

#: Part of the free memory that one array, or the arrays of one call, may take.
SHARE = 0.8


def available() -> int:
    """Bytes that are free, or what the limit of the container leaves if that is less."""
    import psutil
    from distributed.system import MEMORY_LIMIT

    free = psutil.virtual_memory().available
    return max(min(free, MEMORY_LIMIT - psutil.Process().memory_info().rss), 0)


def readable(n_bytes: float) -> str:
    """A number of bytes in words."""
    for unit, size in (("GB", 1e9), ("MB", 1e6), ("kB", 1e3)):
        if n_bytes >= size:
            return f"{n_bytes / size:.3g} {unit}"
    return f"{n_bytes:.0f} bytes"


def check_memory(problems: Problems, what: str, n_bytes: float, remedy: str) -> bool:
    """Whether something fits; a problem is recorded if it does not.

    Parameters
    ----------
    problems
        Where it is recorded.
    what
        What needs the memory, as the start of a sentence.
    n_bytes
        How much it needs.
    remedy
        What to do instead.
    """
    free = available()
    if n_bytes <= SHARE * free:
        return True
    problems.say(
        f"{what} would take {readable(n_bytes)}, at most {SHARE:.0%} of the free {readable(free)} may be used: {remedy}"
    )
    return False
