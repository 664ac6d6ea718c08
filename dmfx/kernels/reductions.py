"""Loops over trajectories: histograms, points near a plane, crossings of a plane, periods.

Arrays are (points, steps) or (points, steps, patterns), read in place with any strides; every kernel writes
into an array of the caller's. NaN compares false, so a diverged point is counted nowhere.
"""

from __future__ import annotations

import numpy as np
from numba import njit

from dmfx.kernels.settings import OPTIONS

__all__ = ["crossings", "histogram", "last_on_plane", "near_plane", "periods", "section_histogram"]

EPSILON = np.finfo(np.float64).eps


@njit(**OPTIONS)
def _range(edges):
    """Lowest and highest edge, bins per unit, and how far from an edge, in bins, rounding may matter."""
    low, high = edges[0], edges[-1]
    scale = (edges.size - 1) / (high - low)
    return low, high, scale, 8 * EPSILON * (edges.size + scale * max(abs(low), abs(high)))


@njit(**OPTIONS)
def _bin(value, edges, low, high, scale, margin):
    """Bin of a value, the number of bins for one outside the range, one more for NaN and infinities.

    Only near an edge are the edges read: that, and the unsigned result, which as an index needs no test for
    negative ones, made it twice as fast as comparing always. Adding to the counts in here cost 8 ns per value,
    for the references to arrays that are then counted.
    """
    bins = edges.size - 1
    if not low <= value <= high:
        return np.uint64(bins) if np.isfinite(value) else np.uint64(bins + 1)
    position = (value - low) * scale
    index = np.int64(position)
    if not margin < position - index < 1 - margin:
        index = min(index, bins - 1)
        while value < edges[index]:
            index -= 1
        while index < bins - 1 and value >= edges[index + 1]:
            index += 1
    return np.uint64(index)


@njit(**OPTIONS)
def histogram(values, edges, counts):
    """Count (points, steps) values into (points, bins + 1), what is outside the range in the last column."""
    low, high, scale, margin = _range(edges)
    for point in range(values.shape[0]):
        for step in range(values.shape[1]):
            index = _bin(values[point, step], edges, low, high, scale, margin)
            if index < np.uint64(edges.size):
                counts[point, index] += np.uint32(1)


@njit(**OPTIONS)
def section_histogram(values, heights, height, tolerance, edges, counts):
    """As `histogram`, of the steps whose height is within the tolerance of the plane."""
    low, high, scale, margin = _range(edges)
    for point in range(values.shape[0]):
        for step in range(values.shape[1]):
            if abs(heights[point, step] - height) < tolerance:
                index = _bin(values[point, step], edges, low, high, scale, margin)
                if index < np.uint64(edges.size):
                    counts[point, index] += np.uint32(1)


@njit(**OPTIONS)
def last_on_plane(values, heights, height, tolerance, out):
    """Put the last values on the plane into (points, n), in order of time; the rest of ``out`` stays."""
    size = out.shape[1]
    for point in range(values.shape[0]):
        found = 0
        for step in range(values.shape[1] - 1, -1, -1):
            if found == size:
                break
            if abs(heights[point, step] - height) < tolerance:
                out[point, found] = values[point, step]
                found += 1
        for low in range(found // 2):
            high = found - 1 - low
            out[point, low], out[point, high] = out[point, high], out[point, low]


@njit(**OPTIONS)
def near_plane(states, heights, height, tolerance, times, out_states, out_times, counts):
    """Collect the states whose height is within the tolerance of the plane, the first ones that fit."""
    for point in range(states.shape[0]):
        found = 0
        for step in range(states.shape[1]):
            if abs(heights[point, step] - height) < tolerance:
                if found < out_times.shape[1]:
                    out_times[point, found] = times[step]
                    for pattern in range(states.shape[2]):
                        out_states[point, found, pattern] = states[point, step, pattern]
                found += 1
        counts[point] = found


@njit(**OPTIONS)
def crossings(states, heights, height, up, down, times, out_states, out_times, counts):
    """Collect the states interpolated to the plane wherever the height changes sign, the first ones that fit.

    A height on the plane counts as above it, so that no crossing is found twice.
    """
    for point in range(states.shape[0]):
        found = 0
        for step in range(states.shape[1] - 1):
            before = heights[point, step] - height
            after = heights[point, step + 1] - height
            if (up and before < 0 <= after) or (down and after < 0 <= before):
                if found < out_times.shape[1]:
                    part = before / (before - after)
                    out_times[point, found] = times[step] + part * (times[step + 1] - times[step])
                    for pattern in range(states.shape[2]):
                        start = states[point, step, pattern]
                        end = states[point, step + 1, pattern]
                        out_states[point, found, pattern] = start + part * (end - start)
                found += 1
        counts[point] = found


@njit(**OPTIONS)
def _repeats(orbit, lag, tolerance):
    steps = orbit.shape[0]
    for step in range(steps - 1, steps - 1 - steps // 2, -1):
        for pattern in range(orbit.shape[1]):
            if not abs(orbit[step, pattern] - orbit[step - lag, pattern]) < tolerance:
                return False
    return True


@njit(**OPTIONS)
def periods(states, tolerance, out):
    """Smallest lag at which the second half of each orbit repeats what came a lag earlier, or 0."""
    for point in range(states.shape[0]):
        out[point] = 0
        for lag in range(1, states.shape[1] // 2 + 1):
            if _repeats(states[point], lag, tolerance):
                out[point] = lag
                break
