"""Couplings from arrays of the user's own, and those that training starts from."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np

from dmfx.couplings.couplings import Couplings
from dmfx.couplings.offsets import offset_bytes
from dmfx.couplings.shape import parse_arrays, parse_form, parse_grid
from dmfx.memory import check_memory
from dmfx.validation import Problems
from dmfx.weights.streams import WEIGHT_STREAM, generator

__all__ = ["full", "low_rank", "parse_full", "relative", "zeros"]

#: Size of the entries of the factors that training starts from: at 0 the gradient of both would vanish.
FIRST_FACTORS = 0.1


def full(matrices: object) -> Couplings:
    """Couplings with a matrix for every pair of tokens.

    Parameters
    ----------
    matrices
        J, shape (N, N, d, d): ``J[i, j]`` is what token i feels of token j. ``J[i, i]`` must be 0.

    Raises
    ------
    ValueError, TypeError
        If the shape is another, numbers are not finite, or a token would feel itself.

    Examples
    --------
    >>> J = np.zeros((3, 3, 2, 2))
    >>> J[0, 1] = [[0, 1], [1, 0]]
    >>> dmfx.couplings.full(J)
    Couplings(full, n_tokens=3, n_components=2, 24 parameters, 288 bytes)
    """
    problems = Problems("couplings.full")
    couplings = parse_full(problems, "matrices", matrices)
    problems.raise_any()
    return couplings


def parse_full(problems: Problems, argument: str, matrices: object) -> Couplings | None:
    """Full couplings from their matrices, or None when a problem was recorded."""
    axes = "token, from_token, component, from_component"
    parsed = parse_arrays(problems, {argument: matrices}, 4, axes, "use relative or low_rank couplings")
    if parsed is None:
        return None
    array = parsed[argument]
    n, m, d, e = array.shape
    if n != m or d != e or n < 2 or d < 2:
        problems.say(f"{argument} must have a shape (N, N, d, d) with N and d at least 2, not {array.shape}")
    elif array[np.arange(n), np.arange(n)].any():
        problems.say(f"{argument} must be 0 for every token and itself: {argument}[i, i] = 0")
    else:
        return Couplings("full", n, d, {"matrices": array})
    return None


def relative(matrices: object, grid: Sequence[int] | int) -> Couplings:
    """Couplings that pairs of tokens share which lie in the same way to each other on a grid.

    Parameters
    ----------
    matrices
        Shape (K, d, d), K = (2 R - 1)(2 C - 1) for a grid of R rows and C columns. The matrix of the offset
        (r, c) from token j to token i stands at (r + R - 1)(2 C - 1) + c + C - 1; the one in the middle must be 0.
    grid
        Shape of the grid that the tokens fill row by row: ``(rows, columns)``, or a length.

    Raises
    ------
    ValueError, TypeError
        If shapes do not fit or numbers are not finite.

    Examples
    --------
    >>> dmfx.couplings.relative(np.zeros((13 * 13, 17, 17)), grid=(7, 7)).n_tokens
    49
    """
    problems = Problems("couplings.relative")
    grid = parse_grid(problems, grid)
    remedy = "take fewer tokens or components"
    parsed = parse_arrays(problems, {"matrices": matrices}, 3, "offset, component, from_component", remedy)
    problems.raise_any()
    array = parsed["matrices"]
    n_offsets = math.prod(2 * n - 1 for n in grid)
    if len(array) != n_offsets or array.shape[1] != array.shape[2] or array.shape[1] < 2:
        problems.say(
            f"matrices must have a shape ({n_offsets}, d, d) for the grid {grid}, d at least 2, not {array.shape}"
        )
    elif array[n_offsets // 2].any():
        problems.say(f"matrices[{n_offsets // 2}], of a token and itself, must be 0")
    problems.raise_any()
    n_tokens = math.prod(grid)
    check_memory(problems, f"the offsets of the pairs of {n_tokens} tokens", offset_bytes(grid), "take fewer tokens")
    problems.raise_any()
    return Couplings("relative", n_tokens, array.shape[1], parsed, grid)


def low_rank(left: object, right: object) -> Couplings:
    """Couplings J_ij = left_i right_jᵀ: each token asks and answers in r numbers, as the heads of a transformer do.

    Parameters
    ----------
    left, right
        Shape (N, d, r).

    Raises
    ------
    ValueError, TypeError
        If shapes do not fit or numbers are not finite.

    Examples
    --------
    >>> rng = np.random.default_rng(0)
    >>> dmfx.couplings.low_rank(rng.normal(size=(784, 17, 8)), rng.normal(size=(784, 17, 8)))
    Couplings(low_rank, n_tokens=784, n_components=17, rank=8, 213248 parameters, 1.71 MB)
    """
    problems = Problems("couplings.low_rank")
    arrays = {"left": left, "right": right}
    parsed = parse_arrays(problems, arrays, 3, "token, component, rank", "take a smaller rank")
    problems.raise_any()
    shape = parsed["left"].shape
    if parsed["right"].shape != shape or shape[0] < 2 or shape[1] < 2 or shape[2] < 1:
        problems.say(
            "left and right must have one shape (N, d, r) with N and d at least 2, r at least 1, "
            f"not {shape} and {parsed['right'].shape}"
        )
    problems.raise_any()
    return Couplings("low_rank", shape[0], shape[1], parsed)


def zeros(
    n_tokens: int,
    n_components: int,
    kind: str = "full",
    *,
    rank: int | None = None,
    grid: Sequence[int] | int | None = None,
    seed: int = 0,
) -> Couplings:
    """Couplings to start training from: 0, or small random factors of low rank.

    Parameters
    ----------
    n_tokens, n_components
        N and d, at least 2.
    kind
        ``"full"``: N² d² numbers, ``"relative"``: about 4 N d², ``"low_rank"``: 2 N d r.
    rank
        r of low rank.
    grid
        Of relative couplings: shape of the grid that the tokens fill row by row.
    seed
        Of the factors of low rank, whose product would stay 0 if they were.

    Raises
    ------
    ValueError, TypeError
        If something is out of range or memory does not hold it; all problems at once, nothing is allocated before.

    Examples
    --------
    >>> dmfx.couplings.zeros(49, 17)
    Couplings(full, n_tokens=49, n_components=17, 679728 parameters, 5.55 MB)
    >>> dmfx.couplings.zeros(784, 17, "relative", grid=(28, 28)).n_parameters
    873936
    """
    problems = Problems("couplings.zeros")
    seed = problems.count("seed", seed, minimum=0)
    shapes = parse_form(problems, n_tokens, n_components, kind, rank, grid)
    grid = parse_grid(problems, grid, n_tokens) if kind == "relative" else None
    if kind == "low_rank":
        rng = generator(seed, WEIGHT_STREAM)
        arrays = {name: FIRST_FACTORS * rng.standard_normal(shape) for name, shape in shapes.items()}
    else:
        arrays = {name: np.zeros(shape) for name, shape in shapes.items()}
    return Couplings(kind, int(n_tokens), int(n_components), arrays, grid)
