"""Overlaps with stored patterns followed in time: which is nearest, how high, for how long, and what is left.

Runs are (runs, steps, patterns). One row, the overlaps at a step, is read twice while it is in the cache: 1000 runs of
50 steps with 1000 patterns, 400 MB, take 0.12 s on one core. NumPy would need a dozen passes, most of which write as
much as they read.
"""

from __future__ import annotations

import numpy as np
from numba import njit

from dmfx.kernels.settings import INNER, OPTIONS

__all__ = ["CYCLE", "DIVERGED", "FIXED_POINT", "IRREGULAR", "MOVING", "UNKNOWN", "ends", "follow"]

#: What a run ends in, by their places in `dmfx.variables.FINAL_KINDS`.
FIXED_POINT, CYCLE, MOVING, IRREGULAR, DIVERGED, UNKNOWN = range(6)

#: Of an overlap: not at the threshold so far, above it since it first was, or below it again.
BEFORE, ABOVE, AFTER = 0, 1, 2


@njit(**INNER)
def _nearest(row, absolute):
    """Place and value of the largest overlap, the first of equal ones; -1 if one of them is not finite."""
    best, place, finite = -np.inf, -1, True
    for pattern in range(row.size):
        value = abs(row[pattern]) if absolute else row[pattern]
        finite &= abs(value) < np.inf
        if value > best:
            best, place = value, pattern
    return (place, best) if finite else (-1, np.nan)


@njit(**INNER)
def _update(row, step, threshold, absolute, state, peak, peak_step, start, end):
    """Take the overlaps of a step into the peaks and the lifetimes."""
    for pattern in range(row.size):
        value = abs(row[pattern]) if absolute else row[pattern]
        if value > peak[pattern]:
            peak[pattern] = value
            peak_step[pattern] = step
        above = value >= threshold
        if above != (state[pattern] == ABOVE):
            if not above:
                state[pattern], end[pattern] = AFTER, step
            elif state[pattern] == BEFORE:
                state[pattern], start[pattern] = ABOVE, step


@njit(**OPTIONS)
def follow(runs, threshold, absolute, window, nearest, value, peak, peak_step, start, length, ended, final, known):
    """Follow the overlaps of each run up to its first step with one that is not finite.

    Parameters
    ----------
    runs
        Shape (runs, steps, patterns).
    threshold
        An overlap of at least this counts as recall.
    absolute
        Whether signs are dropped.
    window
        Number of the last steps that ``final`` is the mean of.
    nearest, value
        Result, (runs, steps): place of the largest overlap and that overlap; -1 and NaN where not all are finite.
    peak, peak_step
        Result, (runs, patterns): largest overlap and its first step; NaN and -1 without a step.
    start, length, ended
        Result, (runs, patterns): first step at the threshold, -1 without one; number of steps from then on until the
        overlap is below the threshold again; whether it was.
    final
        Result, (runs, patterns): mean over the window; NaN for runs that are not finite to the end.
    known
        Result, (runs): number of steps before the first that is not finite.
    """
    steps, patterns = runs.shape[1:]
    state, end = np.empty(patterns, np.int8), np.empty(patterns, np.int64)
    for run in range(runs.shape[0]):
        state[:] = BEFORE
        start[run], peak_step[run], peak[run] = -1, -1, -np.inf
        nearest[run], value[run] = -1, np.nan
        known[run] = steps
        for step in range(steps):
            row = runs[run, step]
            place, best = _nearest(row, absolute)
            if place < 0:
                known[run] = step
                break
            nearest[run, step], value[run, step] = place, best
            _update(row, step, threshold, absolute, state, peak[run], peak_step[run], start[run], end)
        for pattern in range(patterns):
            ended[run, pattern] = state[pattern] == AFTER
            last = end[pattern] if state[pattern] == AFTER else known[run]
            length[run, pattern] = 0 if state[pattern] == BEFORE else last - start[run, pattern]
        if known[run] == 0:
            peak[run] = np.nan
        if known[run] < steps:
            final[run] = np.nan
            continue
        final[run] = 0.0
        for step in range(steps - window, steps):
            for pattern in range(patterns):
                entry = runs[run, step, pattern]
                final[run, pattern] += abs(entry) if absolute else entry
        for pattern in range(patterns):
            final[run, pattern] /= window


@njit(**INNER)
def _repeats(orbit, lag, tolerance):
    """Whether each state is within the tolerance of the one a lag earlier; NaN are not compared."""
    for step in range(orbit.shape[0] - 1, lag - 1, -1):
        for component in range(orbit.shape[1]):
            if abs(orbit[step, component] - orbit[step - lag, component]) > tolerance:
                return False
    return True


@njit(**INNER)
def _above(changes, tolerance):
    return (changes[1:, 0] > tolerance).any()


@njit(**OPTIONS)
def ends(runs, others, are_changes, window, tolerance, known, kind, period):
    """What each run ends in: the smallest lag at which all of the last ``window`` steps repeat, seen twice at least.

    ``others`` (runs, steps, components) must repeat as well: the states themselves, or how much they change in a step
    (``are_changes``), which must be within the tolerance too where the overlaps are constant; or nothing.
    """
    steps = runs.shape[1]
    for run in range(runs.shape[0]):
        period[run] = 0
        if known[run] < steps or window < 2:
            kind[run] = DIVERGED if known[run] < steps else UNKNOWN
            continue
        overlaps, other = runs[run, steps - window :], others[run, steps - window :]
        kind[run] = IRREGULAR
        for lag in range(1, window // 2 + 1):
            if not _repeats(overlaps, lag, tolerance) or not _repeats(other, lag, tolerance):
                continue
            if lag > 1:
                kind[run], period[run] = CYCLE, lag
            elif are_changes and _above(other, tolerance):
                kind[run] = MOVING
            else:
                kind[run], period[run] = FIXED_POINT, 1
            break
