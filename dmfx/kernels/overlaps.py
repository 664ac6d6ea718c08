"""Overlaps of states with many patterns at once.

Sixteen patterns side by side, four states at a time, every sum in the order of the components: the bits of an overlap
do not depend on how many states there are, as they do with BLAS, which also splits its work among threads. 5000 states
of 833 components and 1000 patterns take 0.24 s on one core; BLAS took 0.29 s.
"""

from __future__ import annotations

import numpy as np
from numba import njit

from dmfx.kernels.lanes import WIDTH, fma, load, splat, store, workspace
from dmfx.kernels.settings import OPTIONS

__all__ = ["overlaps", "packed"]


def packed(patterns: np.ndarray) -> np.ndarray:
    """Patterns (pattern, component) as rows of a flat workspace: all components of the first sixteen, then the next."""
    count, components = patterns.shape
    blocks = -(-count // WIDTH)
    work = workspace(blocks * components).reshape(-1)
    rows = work.reshape(blocks, components, WIDTH)
    rows[:] = 0.0
    for block in range(blocks):
        part = patterns[block * WIDTH : (block + 1) * WIDTH]
        rows[block, :, : len(part)] = part.T
    return work


@njit(**OPTIONS)
def overlaps(states, work, scratch, divisor, out):
    """Put the sums over components of state times pattern, over the divisor, into ``out`` (state, pattern).

    ``states`` is (state, component), ``work`` the patterns as `packed`, ``scratch`` a flat workspace of four rows.
    """
    count, components = states.shape
    patterns = out.shape[1]
    for first in range(0, count, 4):
        # The last group repeats the last state.
        a, b = states[first], states[min(first + 1, count - 1)]
        c, d = states[min(first + 2, count - 1)], states[min(first + 3, count - 1)]
        for block in range(-(-patterns // WIDTH)):
            row = block * components
            sum_a = sum_b = sum_c = sum_d = splat(0.0)
            for component in range(components):
                pattern = load(work, row + component)
                sum_a = fma(splat(a[component]), pattern, sum_a)
                sum_b = fma(splat(b[component]), pattern, sum_b)
                sum_c = fma(splat(c[component]), pattern, sum_c)
                sum_d = fma(splat(d[component]), pattern, sum_d)
            store(scratch, 0, sum_a)
            store(scratch, 1, sum_b)
            store(scratch, 2, sum_c)
            store(scratch, 3, sum_d)
            for number in range(min(4, count - first)):
                for lane in range(min(WIDTH, patterns - block * WIDTH)):
                    out[first + number, block * WIDTH + lane] = scratch[number * WIDTH + lane] / divisor
