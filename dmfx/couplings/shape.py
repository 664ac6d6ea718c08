"""Checks that all constructors of couplings share."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np

from dmfx.couplings.couplings import FORMS, shapes_of
from dmfx.couplings.offsets import offset_bytes
from dmfx.memory import check_memory
from dmfx.validation import Problems, real_numbers

__all__ = ["parse_arrays", "parse_form", "parse_grid"]

#: More than this for one axis is a mistake.
MOST_TOKENS, MOST_COMPONENTS, MOST_RANK = 10**6, 10**5, 10**6


def parse_form(
    problems: Problems,
    n_tokens: object,
    n_components: object,
    kind: object,
    rank: object,
    grid: object,
    copies: int = 1,
) -> dict[str, tuple[int, ...]]:
    """Shapes of the arrays of couplings of a form that fits into memory, after raising what is wrong with it.

    ``copies`` is how many arrays of that size there are while the couplings are made.
    """
    kind = problems.choice("kind", kind, FORMS)
    n_tokens = problems.count("n_tokens", n_tokens, minimum=2, maximum=MOST_TOKENS)
    n_components = problems.count("n_components", n_components, minimum=2, maximum=MOST_COMPONENTS)
    if kind == "low_rank":
        rank = problems.count("rank", rank, maximum=MOST_RANK)
    elif rank is not None:
        problems.say(f"rank goes with kind='low_rank', not with {kind!r}")
    if kind == "relative":
        grid = parse_grid(problems, grid, n_tokens)
    elif grid is not None:
        problems.say(f"grid goes with kind='relative', not with {kind!r}")
    problems.raise_any()
    shapes = shapes_of(kind, n_tokens, n_components, rank, grid)
    check_memory(
        problems,
        f"{kind} couplings of {n_tokens} tokens in {n_components} components",
        8.0 * copies * sum(math.prod(shape) for shape in shapes.values())
        + (offset_bytes(grid) if kind == "relative" else 0),
        "kind='relative' with the grid of the tokens, or kind='low_rank' with a rank, need less"
        if kind == "full"
        else "take fewer tokens or components" + (" or a smaller rank" if kind == "low_rank" else ""),
    )
    problems.raise_any()
    return shapes


def parse_grid(problems: Problems, grid: object, n_tokens: int | None = None) -> tuple[int, ...]:
    """The shape of the grid that the tokens fill."""
    sizes = grid if isinstance(grid, Sequence) and not isinstance(grid, str) else (grid,)
    whole = all(isinstance(n, (int, np.integer)) and not isinstance(n, bool) and n > 0 for n in sizes)
    if not sizes or not whole:
        problems.add("grid", "the shape of the grid of tokens, such as (7, 7)", grid, is_type=True)
    elif n_tokens is not None and math.prod(sizes) != n_tokens:
        problems.say(
            f"grid must have {n_tokens} places, one for each token, not {math.prod(sizes)} as {tuple(sizes)} has"
        )
    elif math.prod(sizes) < 2:
        problems.say("grid must have at least two places")
    else:
        return tuple(int(n) for n in sizes)
    return (1, n_tokens or 2)


def parse_arrays(
    problems: Problems, arrays: dict[str, object], ndim: int, axes: str, remedy: str
) -> dict[str, np.ndarray] | None:
    """Finite arrays with a number of axes, of which copies would fit; None when a problem was recorded."""
    before = len(problems.messages)
    parsed = {}
    for name, value in arrays.items():
        array = real_numbers(value)
        if array is None or array.ndim != ndim:
            problems.add(name, f"an array of real numbers with the axes ({axes})", value, is_type=array is None)
            continue
        if not check_memory(problems, f"a copy of {name} of shape {array.shape}", 8.0 * array.size, remedy):
            continue
        array = np.array(array, dtype=np.float64)
        if not np.isfinite(array).all():
            place = tuple(int(n) for n in np.argwhere(~np.isfinite(array))[0])
            problems.say(f"{name} must be finite, but {name}[{', '.join(map(str, place))}] is {array[place]}")
        parsed[name] = array
    return None if len(problems.messages) > before else parsed
