"""How tokens on a grid lie to each other."""

from __future__ import annotations

import math

import numpy as np

__all__ = ["offset_bytes", "offset_numbers"]


def offset_bytes(grid: tuple[int, ...]) -> float:
    """Memory that `offset_numbers` takes while it counts."""
    return 8.0 * math.prod(grid) ** 2 * (2 * len(grid) + 2)


def offset_numbers(grid: tuple[int, ...]) -> np.ndarray:
    """Number of the offset from token j to token i, shape (token, from_token).

    Tokens fill the grid row by row. Along each axis of length n the offset runs from -(n - 1) to n - 1; offsets are
    numbered row by row too, so that minus an offset has the number counted from the end.
    """
    places = np.indices(grid).reshape(len(grid), -1)
    apart = places[:, :, None] - places[:, None, :] + (np.array(grid) - 1)[:, None, None]
    return np.ravel_multi_index(tuple(apart), tuple(2 * n - 1 for n in grid))
