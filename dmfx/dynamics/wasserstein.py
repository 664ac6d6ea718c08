"""Wasserstein-1 distances between sets of numbers, and directions to slice sets of states along.

The distance between two distributions on a line is the area between their quantile functions, so sorted values are all
that it takes. Between sets of states in several dimensions the sliced distance is the mean over directions of the
distances between the projections, which is 0 for equal distributions only when all directions are taken.
"""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np
from scipy.special import ndtri

__all__ = ["Pairing", "distance_of_sorted", "pair_quantiles", "project", "spread_directions"]


class Pairing(NamedTuple):
    """Which quantiles of two samples of unequal sizes go together.

    Attributes
    ----------
    first, second
        Positions in the sorted samples.
    weight
        Part of the probability, 1 in all.
    """

    first: np.ndarray
    second: np.ndarray
    weight: np.ndarray


def pair_quantiles(n: int, m: int) -> Pairing | None:
    """Pair the quantiles of samples of ``n`` and ``m`` values; None where they go one by one.

    Examples
    --------
    >>> pairing = pair_quantiles(1, 2)
    >>> pairing.first, pairing.second, pairing.weight
    (array([0, 0]), array([0, 1]), array([0.5, 0.5]))
    """
    if n == m:
        return None
    common = math.lcm(n, m)
    # Both quantile functions are steps; in units of 1/common the ends of the steps are whole numbers.
    ends = np.union1d(np.arange(1, n + 1) * (common // n), np.arange(1, m + 1) * (common // m))
    starts = np.concatenate([[0], ends[:-1]])
    return Pairing(starts // (common // n), starts // (common // m), (ends - starts) / common)


def distance_of_sorted(x: np.ndarray, y: np.ndarray, pairing: Pairing | None = None) -> np.ndarray:
    """Wasserstein-1 distance between the distributions of sorted values.

    Parameters
    ----------
    x, y
        Shapes (..., n) and (..., m), sorted along the last axis, each value with the same weight.
    pairing
        What `pair_quantiles` makes of ``n`` and ``m``.

    Returns
    -------
    np.ndarray
        Shape (...), as `scipy.stats.wasserstein_distance` of each row; NaN where a value is not finite.

    Notes
    -----
    For 20,000 values on either side, sorted, this takes 20 μs where SciPy sorts and merges for 5 ms.

    Examples
    --------
    >>> distance_of_sorted(np.array([0.0, 1.0, 2.0]), np.array([0.5, 1.5, 2.5])).item()
    0.5
    """
    with np.errstate(all="ignore"):
        if pairing is None:
            result = np.abs(x - y).mean(axis=-1)
        else:
            result = (np.abs(x[..., pairing.first] - y[..., pairing.second]) * pairing.weight).sum(axis=-1)
        return np.where(np.isfinite(result), result, np.nan)


def project(states: np.ndarray, directions: np.ndarray) -> np.ndarray:
    """Projections of states (coordinate, step) on directions (direction, coordinate): (direction, step).

    Not by a matrix product, of which BLAS may round a row differently in the company of others.
    """
    result = directions[:, 0, None] * states[0]
    for number in range(1, len(states)):
        result += directions[:, number, None] * states[number]
    return result


def spread_directions(dimension: int, count: int) -> np.ndarray:
    """Unit vectors spread evenly over half of the sphere, always the same.

    A direction and its opposite give the same distance. In one dimension there is one direction, whatever the
    ``count``; in two they have equal angles between them; in three they are a Fibonacci lattice on the half sphere; in
    more they come in groups of mutually orthogonal ones, turned by quasi-random numbers [1]_.

    Returns
    -------
    np.ndarray
        Shape (count, dimension).

    References
    ----------
    .. [1] Roberts, *The unreasonable effectiveness of quasirandom sequences* (2018).

    Examples
    --------
    >>> spread_directions(2, 2).round(3)
    array([[ 0.707,  0.707],
           [-0.707,  0.707]])
    """
    number = np.arange(count)
    if dimension == 1:
        return np.ones((1, 1))
    if dimension == 2:
        angle = np.pi * (number + 0.5) / count
        return np.stack([np.cos(angle), np.sin(angle)], axis=1)
    if dimension == 3:
        height = (number + 0.5) / count
        radius, angle = np.sqrt(1 - height**2), np.pi * (3 - math.sqrt(5)) * number
        return np.stack([radius * np.cos(angle), radius * np.sin(angle), height], axis=1)
    groups = -(-count // dimension)
    normal = ndtri(_quasi_random(groups, dimension**2)).reshape(groups, dimension, dimension)
    turned = np.linalg.qr(normal)[0].transpose(0, 2, 1)
    return turned.reshape(-1, dimension)[:count]


def _quasi_random(count: int, dimension: int) -> np.ndarray:
    """Additive recurrence by the generalised golden ratio g, g^(dimension + 1) = g + 1: (count, dimension)."""
    ratio = 2.0
    for _ in range(64):
        ratio = (1 + ratio) ** (1 / (dimension + 1))
    steps = ratio ** -np.arange(1.0, dimension + 1)
    return (0.5 + np.outer(np.arange(1, count + 1), steps)) % 1
