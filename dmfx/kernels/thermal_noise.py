"""The mean spins of a finite network: one binomial draw per column type and step, whatever the number of spins.

Given the attention value, the n_j spins of type j are independent, and n_j (1 - |s_j|) / 2 of them, on average, stand
against their field. Their number is the binomial quantile of one uniform number, of which the counter is the time and
the column: u where the field is negative and 1 - u where it is not, so that s_j never decreases as the field grows.

Source: [PLA24] Poc-López & Aguilera, arXiv:2406.07247 (2024), eqs. 4-8; system B.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numba import njit

from dmfx.kernels.binomial import SCRATCH, binomial_quantile
from dmfx.kernels.lanes import choose, exp, fma, load, maximum, splat, spread, store
from dmfx.kernels.settings import INNER
from dmfx.kernels.state import Points
from dmfx.kernels.threefry import uniforms

__all__ = ["NoiseRows", "fill_noise", "limited", "noise_rows", "noisy_spins"]


class NoiseRows(NamedTuple):
    """First row of what the noise needs in the workspace of one block, behind the `Rows` of the map."""

    key: int  # two words
    clock: int  # number of the noise at time 0
    spins: int  # n_j: (column)
    share: int  # 2 / n_j, or 0 of none: (column)
    mean: int  # tanh(β h_j): (column)
    limit: int  # largest overlap
    uniform: int  # (column, and one more if their number is odd)
    scratch: int
    end: int


def noise_rows(first: int, points: Points) -> NoiseRows | None:
    """Lay out what the noise of one block needs, from row ``first`` on; None for the mean field, which has none."""
    if points.spins is None:
        return None
    j = points.spins.shape[-1]
    sizes = (2, 1, j, j, j, 1, j + j % 2, SCRATCH)
    return NoiseRows(*(int(row) for row in first + np.concatenate([[0], np.cumsum(sizes)])))


def fill_noise(work: np.ndarray, noise: NoiseRows, points: Points, lanes: np.ndarray) -> None:
    """Write the keys, clocks and numbers of spins of a block's points into its workspace."""
    work[noise.key : noise.clock] = spread(points.key[lanes].view(np.float64))
    work[noise.clock] = points.clock[lanes].view(np.float64)
    realisation = points.realisation[lanes]
    spins = spread(points.spins[realisation])
    work[noise.spins : noise.share] = spins
    work[noise.share : noise.mean] = np.divide(2.0, spins, out=np.zeros_like(spins), where=spins > 0)
    # Overlaps of ±1 weights are at most 1, which the rounding of a sum may miss; other weights set no limit.
    overlaps, drives = np.abs(points.overlap[realisation]).sum(axis=-1), np.abs(points.drive[realisation])
    largest = np.maximum(overlaps.max(axis=(1, 2)), drives.max(axis=(1, 2, 3)))
    work[noise.limit] = np.where(largest <= 1 + 1e-9, 1.0, np.inf)


@njit(**INNER)
def limited(work, noise, x):
    """An overlap, of a finite network within its limit; NaN stays NaN."""
    if noise is None:
        return x
    limit = load(work, noise.limit)
    x = choose(x, limit, limit, x)
    return choose(splat(0.0) - limit, x, splat(0.0) - limit, x)


@njit(**INNER)
def noisy_spins(work, rows, noise, n_patterns, n_columns, newest, time):
    """s_j of n_j spins from the attention value in slot ``newest``, with the noise of this time."""
    first_key, second_key, clock = load(work, noise.key), load(work, noise.key + 1), load(work, noise.clock)
    for draw in range((n_columns + 1) // 2):
        first, second = uniforms(first_key, second_key, clock, time, draw)
        store(work, noise.uniform + 2 * draw, first)
        store(work, noise.uniform + 2 * draw + 1, second)
    zero, one = splat(0.0), splat(1.0)
    beta = load(work, rows.beta)
    attention = rows.attention + newest * n_patterns
    for j in range(n_columns):
        weights = rows.field + j * n_patterns
        h = load(work, weights) * load(work, attention)
        for a in range(1, n_patterns):
            h = fma(load(work, weights + a), load(work, attention + a), h)
        h = beta * h
        odds = exp(splat(-2.0) * maximum(h, zero - h))
        mean = (one - odds) / (one + odds)
        u = load(work, noise.uniform + j)
        u = choose(zero, h, u, one - u)
        against = binomial_quantile(work, noise.scratch, u, load(work, noise.spins + j), odds)
        s = one - load(work, noise.share + j) * against
        s = choose(odds, splat(-1.0), s, odds)  # NaN stays NaN
        store(work, noise.mean + j, choose(zero, h, zero - mean, mean))
        store(work, rows.spins + j, choose(zero, h, zero - s, s))
