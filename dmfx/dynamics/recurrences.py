"""States of a trajectory that nearly come back: where to look for periodic orbits."""

from __future__ import annotations

import numpy as np

__all__ = ["first_return", "guesses", "strobes"]

#: A state that has come back this close is on a periodic orbit, for Newton's method to settle.
_RETURNED = 1e-6
#: Closest returns that are looked at for each that is kept.
_POOL = 8
#: Returns closer than this part of the extent of the trajectory are one.
_RADIUS = 0.01


def strobes(attention: np.ndarray, lags: int, stride: int, phase: int) -> np.ndarray:
    """The contexts at equal phase of the drive, before the tokens of phase 0, newest first.

    Parameters
    ----------
    attention
        A trajectory that begins with the context it started from, shape (lag + step, pattern).
    lags
        Context size L.
    stride
        Period of the drive.
    phase
        Phase of the first token after the starting context.

    Returns
    -------
    np.ndarray
        Shape (strobe, lag * pattern).
    """
    last = np.arange(lags + -phase % stride, len(attention) + 1, stride)
    return attention[last[:, None] - 1 - np.arange(lags)].reshape(len(last), -1)


def first_return(states: np.ndarray) -> int:
    """After how many strobes the first state is there again, 0 if never."""
    with np.errstate(invalid="ignore"):
        back = np.flatnonzero(np.abs(states[1:] - states[:1]).max(axis=1) < _RETURNED)
    return int(back[0]) + 1 if back.size else 0


def guesses(states: np.ndarray, apart: int, most: int) -> np.ndarray:
    """Starts for Newton's method for orbits that repeat after ``apart`` strobes, shape (guess, strobe, component).

    The ``most`` closest returns, each farther than others from the loops that those before it describe; and the mean
    over every ``apart``-th state, which is near the unstable orbit that a torus or a longer orbit surrounds.
    """
    if len(states) <= apart:
        return np.empty((0, apart, states.shape[1]))
    mean = np.stack([states[first::apart].mean(axis=0) for first in range(apart)])
    distance = np.abs(states[apart:] - states[:-apart]).max(axis=1)
    pool = np.argsort(distance, kind="stable")[: _POOL * most]
    radius = max(_RADIUS * np.ptp(states, axis=0).max(), 1e-6)
    kept = []
    while pool.size and len(kept) < most:
        first = pool[0]
        kept.append(first)
        loop = states[first : first + apart]
        near = np.abs(states[pool, None] - loop).max(axis=2).min(axis=1) <= radius
        near[0] = True
        pool = pool[~near]
    return np.stack([*(states[first : first + apart] for first in kept), mean])
