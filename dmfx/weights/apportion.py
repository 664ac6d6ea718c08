"""Whole numbers of spins for column types of given fractions."""

from __future__ import annotations

import numpy as np

__all__ = ["apportion"]

#: A number of spins this close to a whole one, relative to it, differs from that by rounding of the fractions.
ROUNDING = 1e-12
#: Remainders that agree to so many digits are equal.
DIGITS = 9


def apportion(fraction: np.ndarray, size: int) -> np.ndarray:
    """Number of spins of each column type, with the sum N: by largest remainders.

    Each type gets p_j N rounded down; the spins that are left go one each to the types with the largest remainders, of
    equal ones to the first. A type of fraction 0 gets none.

    Parameters
    ----------
    fraction
        p_j, shape (column,), sum 1.
    size
        N, a whole number of at least 1.

    Returns
    -------
    np.ndarray
        n_j, whole numbers as floats, which is what kernels take; shape (column,).
    """
    size = int(size)
    fraction = np.maximum(fraction, 0.0)  # of zero there may be a rounding error
    ideal = fraction / fraction.sum() * size
    nearest = np.rint(ideal)
    whole = np.where(np.abs(ideal - nearest) <= ROUNDING * np.maximum(nearest, 1), nearest, np.floor(ideal))
    spins = whole.astype(np.int64)
    remainder = np.where(fraction > 0, np.round(ideal - whole, DIGITS), -np.inf)
    order = np.argsort(-remainder, kind="stable")[: np.count_nonzero(fraction > 0)]
    left = size - int(spins.sum())
    if left >= 0:
        each, some = divmod(left, len(order))
        spins[order] += each
        spins[order[:some]] += 1
    else:  # rounding of fractions at N near 2^53 gave a few too many, which the largest types will not miss
        largest = np.argsort(-spins, kind="stable")
        each, some = divmod(-left, len(order))
        spins[largest[: len(order)]] -= each
        spins[largest[:some]] -= 1
    return spins.astype(float)
