"""Matrix products with the numbers of sixteen lanes, each sum in the same order for every lane.

A BLAS may sum in another order for another size or place, so that the same run would get other bits in another chunk.
Four rows of the matrix at a time share each load of the lanes' numbers, and their sums stay in registers.
"""

from __future__ import annotations

from numba import njit

from dmfx.kernels.lanes import fma, load, splat, store
from dmfx.kernels.settings import INLINED, INNER

__all__ = ["multiply", "multiply_dot", "squares"]


@njit(**INLINED)
def _four_rows(matrix, row, n, work, x):
    a, b, c, d = splat(0.0), splat(0.0), splat(0.0), splat(0.0)
    for k in range(n):
        each = load(work, x + k)
        a = fma(splat(matrix[row, k]), each, a)
        b = fma(splat(matrix[row + 1, k]), each, b)
        c = fma(splat(matrix[row + 2, k]), each, c)
        d = fma(splat(matrix[row + 3, k]), each, d)
    return a, b, c, d


@njit(**INLINED)
def _one_row(matrix, row, n, work, x):
    total = splat(0.0)
    for k in range(n):
        total = fma(splat(matrix[row, k]), load(work, x + k), total)
    return total


@njit(**INNER)
def multiply(matrix, work, x, out):
    """Rows ``out`` onwards: the matrix (rows, n) times the n rows from ``x`` on."""
    rows, n = matrix.shape
    whole = rows - rows % 4
    for row in range(0, whole, 4):
        a, b, c, d = _four_rows(matrix, row, n, work, x)
        store(work, out + row, a)
        store(work, out + row + 1, b)
        store(work, out + row + 2, c)
        store(work, out + row + 3, d)
    for row in range(whole, rows):
        store(work, out + row, _one_row(matrix, row, n, work, x))


@njit(**INNER)
def multiply_dot(matrix, work, x, out, other):
    """As `multiply`; returns the scalar product of the result with the rows from ``other`` on."""
    rows, n = matrix.shape
    whole = rows - rows % 4
    dot = splat(0.0)
    for row in range(0, whole, 4):
        a, b, c, d = _four_rows(matrix, row, n, work, x)
        store(work, out + row, a)
        store(work, out + row + 1, b)
        store(work, out + row + 2, c)
        store(work, out + row + 3, d)
        dot = fma(a, load(work, other + row), dot)
        dot = fma(b, load(work, other + row + 1), dot)
        dot = fma(c, load(work, other + row + 2), dot)
        dot = fma(d, load(work, other + row + 3), dot)
    for row in range(whole, rows):
        a = _one_row(matrix, row, n, work, x)
        store(work, out + row, a)
        dot = fma(a, load(work, other + row), dot)
    return dot


@njit(**INNER)
def squares(work, x, n):
    """Σ x² over n rows."""
    total = splat(0.0)
    for k in range(n):
        each = load(work, x + k)
        total = fma(each, each, total)
    return total
