"""When a measurement of exponents makes its tangent vectors orthonormal, and what each interval counts for."""

from __future__ import annotations

import itertools
from functools import lru_cache
from typing import NamedTuple

import numpy as np

__all__ = ["Schedule", "schedule", "smooth_weight"]


class Schedule(NamedTuple):
    """When tangent vectors are made orthonormal, and where the logarithms of their lengths go.

    Attributes
    ----------
    ends
        Steps after which it is done, counted from 0, ascending.
    window
        Which of the `Sums` the interval before each is added to: that of its window, from 0 on; the last if it is not
        measured.
    half
        Which of the `Sums` it is added to with its weight: with W windows, W in the first half of the measured steps,
        W + 1 in the second; the last if it is not measured.
    weight
        Weight of the interval in the smooth average of its half, per step.
    lengths
        Steps of each window.
    measured_from
        First step that is measured.
    """

    ends: np.ndarray
    window: np.ndarray
    half: np.ndarray
    weight: np.ndarray
    lengths: np.ndarray
    measured_from: int


def smooth_weight(u: np.ndarray) -> np.ndarray:
    """Weight exp(-1/(u(1-u))) of relative times u, 0 < u < 1: averages with it converge fast on a torus.

    References
    ----------
    .. [1] Das, Saiki, Sander & Yorke, *Quantitative quasiperiodicity*, Nonlinearity 30, 4111 (2017).
    """
    return np.exp(-1 / (u * (1 - u)))


@lru_cache(maxsize=4)
def schedule(transient: int, steps: int, every: int, windows: int) -> Schedule:
    """Plan a measurement over ``steps`` steps behind ``transient`` steps that turn the vectors into place."""
    edges = transient + np.round(np.linspace(0, steps, windows + 1)).astype(np.int64)
    bounds = [0, *edges] if transient else list(edges)
    starts = np.concatenate([np.arange(a, b, every) for a, b in itertools.pairwise(bounds)])
    stops = np.append(starts[1:], transient + steps)
    middle = edges[windows // 2]
    window = np.searchsorted(edges, starts, side="right") - 1
    measured = window >= 0
    half = np.where(measured, starts >= middle, 2)
    weight = np.zeros(len(starts))
    for number, (low, high) in enumerate(((transient, middle), (middle, transient + steps))):
        inside = half == number
        u = ((starts[inside] + stops[inside]) / 2 - low) / max(high - low, 1)
        bump = smooth_weight(u)
        weight[inside] = bump / max((bump * (stops[inside] - starts[inside])).sum(), np.finfo(float).tiny)
    unmeasured = windows + 2
    return Schedule(
        ends=stops - 1,
        window=np.where(measured, window, unmeasured),
        half=np.where(measured, windows + half, unmeasured),
        weight=weight,
        lengths=np.diff(edges),
        measured_from=transient,
    )
