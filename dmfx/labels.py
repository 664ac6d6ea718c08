"""Finding the labels of one sweep in another."""

from __future__ import annotations

import numpy as np

__all__ = ["positions"]

#: Numbers that differ by less, relative to the larger of them and 1, are the same label.
ROUNDING = 1e-12


def positions(have: np.ndarray, want: np.ndarray) -> np.ndarray:
    """Position of each wanted label, -1 where there is none; floats that differ by rounding are the same label.

    Examples
    --------
    >>> positions(np.array([0.3, 100.0, np.inf]), np.array([np.inf, 0.1 + 0.2, 5.0]))
    array([ 2,  0, -1])
    """
    if have.dtype.kind not in "iuf" or want.dtype.kind not in "iuf":
        known = {label: position for position, label in enumerate(have.tolist())}
        return np.array([known.get(label, -1) for label in want.tolist()])
    if have.size == 0:
        return np.full(want.shape, -1)
    order = np.argsort(have)
    ordered = have[order]
    after = np.clip(np.searchsorted(ordered, want), 1, len(have) - 1)
    # Infinity, the size of the mean field, is equal to itself and near nothing else; halves do not overflow.
    largest = np.finfo(float).max
    halves, wanted = (np.clip(each, -largest, largest) / 2 for each in (ordered, want))
    nearest = np.where(np.abs(halves[after - 1] - wanted) <= np.abs(halves[after] - wanted), after - 1, after)
    tolerance = ROUNDING * np.clip(np.abs(want), 1, 1e16) if have.dtype.kind == "f" else 0
    return np.where(np.abs(halves[nearest] - wanted) <= tolerance / 2, order[nearest], -1)
