"""Periodic orbits as sets: their shortest period, whether two are the same up to a shift, where they begin.

An orbit is the attention values after each step of one period, shape (step, pattern); the state before step t is the
context of the L steps before it. Shifts are multiples of the period of the position drive, ``stride``.
"""

from __future__ import annotations

import numpy as np

from dmfx.dynamics.newton import SAME

__all__ = ["canonical", "contexts", "cut", "same_cycle", "shortest_period", "starts_of"]


#: Steps in a piece, if the drive is faster. At β from 1.28 to 1.3, orbits of up to 100 steps found and seconds for it:
#: 483 in 15.9 with pieces of 4, 478 in 6.6 with 12, 437 in 5.2 with 20, 172 in 3.1 without cutting.
_LONGEST = 12


def cut(period: int, stride: int) -> np.ndarray:
    """Lengths of the pieces of an orbit: multiples of the period of the drive, as equal as possible."""
    units = period // stride
    pieces = -(-units // max(1, _LONGEST // stride))
    return stride * np.array([units // pieces + (k < units % pieces) for k in range(pieces)])


def starts_of(lengths: np.ndarray) -> np.ndarray:
    """The first step of each piece."""
    return np.cumsum(lengths) - lengths


def contexts(orbit: np.ndarray, lags: int, steps: np.ndarray) -> np.ndarray:
    """The contexts before given steps, newest first, each as one vector, shape (step, lag * pattern)."""
    return orbit[(steps[:, None] - 1 - np.arange(lags)) % len(orbit)].reshape(len(steps), -1)


def shortest_period(orbit: np.ndarray, stride: int) -> int:
    """The shortest period of an orbit that repeats after its length."""
    length = len(orbit)
    for period in range(stride, length, stride):
        if length % period == 0 and np.abs(orbit - np.roll(orbit, -period, axis=0)).max() < SAME:
            return period
    return length


def same_cycle(one: np.ndarray, other: np.ndarray, stride: int) -> bool:
    """Whether two orbits of equal length are the same up to a shift."""
    shifts = np.arange(0, len(one), stride)
    steps = np.arange(len(one))
    shifted = one[(shifts[:, None] + steps) % len(one)]
    return bool((np.abs(shifted - other).max(axis=(1, 2)) < SAME).any())


def canonical(orbit: np.ndarray, lags: int, stride: int) -> np.ndarray:
    """The orbit from the context on whose newest attention value is smallest.

    Where that of pattern 0 is the same at several steps, pattern 1 decides, and so on, then the next lag.
    """
    states = contexts(orbit, lags, np.arange(0, len(orbit), stride))
    left = np.arange(len(states))
    for component in states.T:
        values = component[left]
        left = left[values <= values.min() + SAME]
    return np.roll(orbit, -left[0] * stride, axis=0)
