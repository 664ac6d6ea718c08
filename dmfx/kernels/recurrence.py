"""Loops over strobes: after how many of them an orbit repeats, and since when.

Strobes are states at equal phase of the drive, shape (point, strobe, pattern), read in place with any strides. NaN
compares false, so a diverged point repeats nowhere.
"""

from __future__ import annotations

from numba import njit

from dmfx.kernels.settings import INNER, OPTIONS

__all__ = ["last_away", "repeats"]

#: Strobes at the end that must repeat, also for shorter periods.
LEAST = 16
#: An orbit that moves on by a distance with every period is taken to repeat only if over all strobes it would not move
#: farther than so many times the tolerance: a torus near a resonance and a slow spiral move on, if by very little.
DRIFT = 100
#: Rounding makes converged orbits jitter by less than this, however strong the drift that it could be.
JITTER = 1e-13
#: Parts of an orbit that differ by more than the tolerance, but less than so many times as much, are those of a spiral
#: around a shorter orbit: the period cannot be told yet.
SPLIT = 1000


@njit(**INNER)
def _returns(orbit, lag, limit, span):
    """Whether each of the last ``span`` strobes is within ``limit`` of the one ``lag`` before."""
    for strobe in range(orbit.shape[0] - 1, orbit.shape[0] - 1 - span, -1):
        for pattern in range(orbit.shape[1]):
            if not abs(orbit[strobe, pattern] - orbit[strobe - lag, pattern]) < limit:
                return False
    return True


@njit(**INNER)
def _shortest(orbit, lag, tolerance):
    """The shortest divisor of ``lag`` after which the orbit repeats, or 0 where that cannot be told yet."""
    span = min(max(lag, LEAST), orbit.shape[0] - lag)
    for part in range(1, lag // 2 + 1):
        if lag % part == 0 and _returns(orbit, part, SPLIT * tolerance, span):
            return part if _returns(orbit, part, tolerance, span) else 0
    return lag


@njit(**OPTIONS)
def repeats(strobes, tolerance, out):
    """Put the smallest number of strobes after which each orbit repeats into ``out``, or 0.

    Every one of the last strobes, as many as that number and at least `LEAST`, must be within the tolerance of the one
    that number before. At most half of the strobes are looked back.
    """
    n = strobes.shape[1]
    for point in range(strobes.shape[0]):
        out[point] = 0
        for lag in range(1, n // 2 + 1):
            limit = min(tolerance, max(DRIFT * tolerance * lag / n, JITTER))
            if _returns(strobes[point], lag, limit, min(max(lag, LEAST), n - lag)):
                out[point] = _shortest(strobes[point], lag, tolerance)
                break


@njit(**OPTIONS)
def last_away(strobes, lags, distance, out):
    """Put the last strobe that is farther than ``distance`` from the orbit that each run ends on into ``out``, or -1.

    The orbit is the last ``lags`` strobes; each strobe is compared with the one at the same phase. A point whose
    ``lags`` is 0 has no orbit: its last strobe is away.
    """
    n = strobes.shape[1]
    for point in range(strobes.shape[0]):
        lag = lags[point]
        out[point] = n - 1 if lag == 0 else -1
        phase = lag
        for strobe in range(n - 1 - lag, -1, -1):
            if lag == 0 or out[point] >= 0:
                break
            phase = phase - 1 if phase > 0 else lag - 1
            for pattern in range(strobes.shape[2]):
                if not abs(strobes[point, strobe, pattern] - strobes[point, n - lag + phase, pattern]) <= distance:
                    out[point] = strobe
