"""Orthonormal frames of tangent vectors: the QR step of Lyapunov exponents, for all lanes at once.

Gram-Schmidt, three vectors at a time (which halves the loads), done a second time where it cancelled much: what is left
is then orthogonal to rounding, as with Householder's reflections. Without the second pass the seventh of twelve
exponents of an orbit whose exponents reach from 0 to -7.8 was off by 2e-3. With it, and at every step, nine agree with
multiple precision within 2e-4; every second step, six to nine, by where the steps fall on the orbit, and the others are
NaN.

Sources: Benettin, Galgani, Giorgilli & Strelcyn, Meccanica 15, 9 (1980); Giraud, Langou & Rozložník, Numer. Math.
101, 87 (2005), "twice is enough".
"""

from __future__ import annotations

import numpy as np
from numba import njit

from dmfx.kernels.lanes import any_above, choose, fma, load, log, maximum, splat, sqrt, store
from dmfx.kernels.settings import INNER

__all__ = ["add_logs", "orthonormalise"]

#: What is left of a vector below this part of its length, or of the length of the first vector, to which rounding
#: errors have grown, may be rounding error: its direction and stretch are lost. Orbits whose exponents are known to
#: multiple precision resolved what was left above 1e-10, and nothing of what was below 3e-12.
RESOLVED = 1e-11
#: Below this part, a second pass makes what is left orthogonal; at 0.01 it cost 6 % less, and left 2e-12.
CANCELLED = 0.1


@njit(**INNER)
def _first_row(first, vector, groups, group_size, newest, back):
    """First row of the group that lies ``back`` behind the newest in the ring of one vector."""
    group = newest - back if newest >= back else newest - back + groups
    return first + (vector * groups + group) * group_size


@njit(**INNER)
def _square(work, first, i, groups, group_size, newest):
    total = splat(0.0)
    for back in range(groups):
        row = _first_row(first, i, groups, group_size, newest, back)
        for a in range(group_size):
            x = load(work, row + a)
            total = fma(x, x, total)
    return total


@njit(**INNER)
def _subtract_one(work, first, i, j, groups, group_size, newest, needed, enough):
    """Take from vector i its part along the unit vector j, in lanes where ``needed > enough``."""
    size = groups * group_size
    dot = splat(0.0)
    for back in range(groups):
        row = _first_row(first, i, groups, group_size, newest, back)
        other = row + (j - i) * size
        for a in range(group_size):
            dot = fma(load(work, row + a), load(work, other + a), dot)
    dot = splat(0.0) - dot
    for k in range(size):
        row = first + i * size + k
        x = load(work, row)
        less = fma(dot, load(work, row + (j - i) * size), x)
        store(work, row, choose(needed, enough, less, x))


@njit(**INNER)
def _subtract_three(work, first, i, j, groups, group_size, newest, needed, enough):
    """Take from vector i its parts along the unit vectors j, j + 1 and j + 2, in lanes where ``needed > enough``."""
    size = groups * group_size
    p, q, r = splat(0.0), splat(0.0), splat(0.0)
    for back in range(groups):
        row = _first_row(first, i, groups, group_size, newest, back)
        other = row + (j - i) * size
        for a in range(group_size):
            x = load(work, row + a)
            p = fma(x, load(work, other + a), p)
            q = fma(x, load(work, other + size + a), q)
            r = fma(x, load(work, other + 2 * size + a), r)
    p, q, r = splat(0.0) - p, splat(0.0) - q, splat(0.0) - r
    for k in range(size):
        row = first + i * size + k
        other = row + (j - i) * size
        x = load(work, row)
        less = fma(p, load(work, other), x)
        less = fma(q, load(work, other + size), less)
        less = fma(r, load(work, other + 2 * size), less)
        store(work, row, choose(needed, enough, less, x))


@njit(**INNER)
def _subtract(work, first, i, groups, group_size, newest, needed, enough):
    """Take from vector i its parts along all those before it, in lanes where ``needed > enough``."""
    for j in range(0, i - i % 3, 3):
        _subtract_three(work, first, i, j, groups, group_size, newest, needed, enough)
    for j in range(i - i % 3, i):
        _subtract_one(work, first, i, j, groups, group_size, newest, needed, enough)


@njit(**INNER)
def orthonormalise(work, first, n_vectors, groups, group_size, newest, lengths):
    """Make vectors orthonormal in turn, in place.

    Vector i has ``groups * group_size`` rows of the workspace from ``first`` on, a ring of groups whose newest is
    number ``newest``; sums run from the newest back, so that they round the same wherever the ring stands. The
    length of each vector beside those before it, the diagonal of R, goes into the rows from ``lengths`` on. A
    vector of which only rounding errors are left becomes NaN, and so do those after it.
    """
    largest = splat(0.0)
    for i in range(n_vectors):
        whole = _square(work, first, i, groups, group_size, newest)
        left = whole
        if i == 0:
            largest = whole
        else:
            _subtract(work, first, i, groups, group_size, newest, splat(1.0), splat(0.0))
            left = _square(work, first, i, groups, group_size, newest)
            small = splat(CANCELLED * CANCELLED) * whole
            if any_above(small, left):
                _subtract(work, first, i, groups, group_size, newest, small, left)
                left = _square(work, first, i, groups, group_size, newest)
        left = choose(left, splat(RESOLVED * RESOLVED) * maximum(whole, largest), left, splat(np.nan))
        length = sqrt(left)
        store(work, lengths + i, length)
        scale = splat(1.0) / length
        for k in range(groups * group_size):
            row = first + i * groups * group_size + k
            store(work, row, scale * load(work, row))


@njit(**INNER)
def add_logs(work, lengths, n_vectors, sums, weighted, weight):
    """Add log(length) of every vector to the rows from ``sums``, and ``weight`` times it to those from ``weighted``."""
    for i in range(n_vectors):
        change = log(load(work, lengths + i))
        store(work, sums + i, load(work, sums + i) + change)
        store(work, weighted + i, fma(splat(weight), change, load(work, weighted + i)))
