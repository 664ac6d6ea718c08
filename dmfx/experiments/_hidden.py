"""Which tokens are hidden, and what stands in their place."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from dask.base import normalize_token

from dmfx.experiments._axes import setting
from dmfx.tokens.sphere import project
from dmfx.vectors.blocks import Held
from dmfx.vectors.starts import by_labels
from dmfx.weights.streams import MASK_STREAM, generator

__all__ = ["Masked", "Masks", "rectangle"]


@dataclass(frozen=True)
class Masks:
    """Masks by fraction, replica and number of the example; that of a larger fraction contains that of a smaller one.

    Attributes
    ----------
    n_tokens
        N.
    grid
        Rows and columns of the tokens for a rectangle of hidden ones, None for hidden ones anywhere.
    """

    n_tokens: int
    grid: tuple[int, int] | None

    def mask(self, fraction: float, replica: int, number: int) -> np.ndarray:
        """Whether each token is hidden, shape (token,)."""
        rng = generator(replica, MASK_STREAM, number)
        count = min(max(round(fraction * self.n_tokens), 1), self.n_tokens)
        hidden = np.zeros(self.n_tokens, dtype=bool)
        if self.grid is None:
            hidden[rng.permutation(self.n_tokens)[:count]] = True
        else:
            size = rectangle(count, self.grid)
            # One number places all sizes: a rectangle that is a row larger begins in the same row or the one above.
            top, left = (
                int(u * (whole - part + 1)) for u, whole, part in zip(rng.random(2), self.grid, size, strict=True)
            )
            hidden.reshape(self.grid)[top : top + size[0], left : left + size[1]] = True
        return hidden

    def of(self, labels: Mapping[str, np.ndarray], fixed: Mapping[str, float | int]) -> np.ndarray:
        """Masks of many points, shape (point, token)."""
        fraction, replica = setting(labels, fixed, "fraction"), setting(labels, fixed, "replica")
        return by_labels(self.mask, fraction, replica, labels["initial"])


def rectangle(count: int, grid: tuple[int, int]) -> tuple[int, int]:
    """Rows and columns of the rectangle of about as many tokens, in a grid.

    Rectangles grow from a single token by a column or a row at a time, the shorter side first, rows if both are equal,
    the other side where one fills the grid. The one whose number of tokens is nearest is taken, the smaller of two.

    Examples
    --------
    >>> rectangle(24, (7, 7)), rectangle(24, (4, 12))
    ((5, 5), (4, 6))
    """
    rows = columns = 1
    best = 1, 1
    while (rows, columns) != tuple(grid):
        if columns == grid[1] or (rows <= columns and rows < grid[0]):
            rows += 1
        else:
            columns += 1
        if abs(rows * columns - count) < abs(best[0] * best[1] - count):
            best = rows, columns
    return best


@dataclass(frozen=True, eq=False)
class Masked:
    """Starts that are examples of which tokens are hidden; the visible ones are held, the hidden ones compared.

    Attributes
    ----------
    tokens
        Examples, shape (initial, token, component).
    masks
        Which tokens are hidden.
    means
        What stands in the hidden tokens by the number of stored examples, each (token, component); None for tokens
        uniform on the sphere.
    fixed
        Fraction and replica where they are no dims.
    """

    tokens: np.ndarray
    masks: Masks
    means: Mapping[int, np.ndarray] | None
    fixed: Mapping[str, float | int]

    def states(self, labels: Mapping[str, np.ndarray]) -> np.ndarray:
        """The start of each point."""
        shape = self.tokens.shape[1:]
        if self.means is None:
            replica = setting(labels, self.fixed, "replica")
            fill = by_labels(lambda r, number: random_fill(r, number, shape), replica, labels["initial"])
        else:
            fill = by_labels(self.means.__getitem__, setting(labels, {"stored": 0}, "stored"))
        return np.where(self._hidden(labels)[..., None], fill, self.tokens[labels["initial"]])

    def __call__(self, labels: Mapping[str, np.ndarray], _states: np.ndarray) -> Held:
        """What is held, and what the hidden tokens are compared with."""
        hidden = self._hidden(labels)
        share = hidden / np.count_nonzero(hidden, axis=1)[:, None]
        return Held(~hidden, self.tokens[labels["initial"]], share)

    def _hidden(self, labels: Mapping[str, np.ndarray]) -> np.ndarray:
        return self.masks.of(labels, self.fixed)

    def __dask_tokenize__(self) -> object:
        means = None if self.means is None else sorted(self.means.items())
        return normalize_token(("Masked", self.tokens, self.masks, means, sorted(self.fixed.items())))


def random_fill(replica: int, number: int, shape: tuple[int, int]) -> np.ndarray:
    """What stands in the tokens of an example if they are hidden, uniform on the sphere."""
    return project(generator(replica, MASK_STREAM, number, 1).standard_normal(shape))
