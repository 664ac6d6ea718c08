"""How two quantities of the same things go together: correlation coefficients with intervals."""

from __future__ import annotations

import numpy as np
from scipy.stats import norm, rankdata

__all__ = ["pearson", "spearman"]

#: Fewer pairs say nothing of the coefficient, and nothing of its interval.
FEWEST, FEWEST_FOR_INTERVAL = 3, 4
QUANTILE = float(norm.ppf(0.975))


def pearson(x: np.ndarray, y: np.ndarray) -> tuple[float, float, float]:
    """Pearson's coefficient of pairs (n), and its 95 % interval by Fisher's transformation.

    NaN for fewer than three pairs, or four for the interval, and where all x or all y are the same.

    Examples
    --------
    >>> from dmfx.dynamics.association import pearson
    >>> [round(each, 3) for each in pearson(np.array([1.0, 2, 3, 4, 5]), np.array([1.0, 3, 2, 5, 4]))]
    [0.8, -0.28, 0.986]
    """
    return _with_interval(x, y, lambda r: 1.0)


def spearman(x: np.ndarray, y: np.ndarray) -> tuple[float, float, float]:
    """Spearman's rank coefficient of pairs (n), equal ones sharing their rank, and its 95 % interval.

    The variance in Fisher's transformation is that of Bonett & Wright, Psychometrika 65, 23 (2000).
    """
    return _with_interval(rankdata(x), rankdata(y), lambda r: 1 + r * r / 2)


def _with_interval(x: np.ndarray, y: np.ndarray, factor: object) -> tuple[float, float, float]:
    count = len(x)
    if count < FEWEST or (x == x[0]).all() or (y == y[0]).all():
        return np.nan, np.nan, np.nan
    x, y = (each - each.mean() for each in (x, y))
    x, y = x / np.abs(x).max(), y / np.abs(y).max()
    r = float(np.clip((x * y).sum() / np.sqrt((x * x).sum() * (y * y).sum()), -1, 1))
    if count < FEWEST_FOR_INTERVAL:
        return r, np.nan, np.nan
    if abs(r) == 1:
        return r, r, r
    middle, half = np.arctanh(r), QUANTILE * np.sqrt(factor(r) / (count - 3))
    return r, float(np.tanh(middle - half)), float(np.tanh(middle + half))
