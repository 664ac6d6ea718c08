"""The finite network as one would write it: a scalar loop over steps, every spin drawn, or numpy's binomial numbers."""

from __future__ import annotations

import math
from functools import partial

import numpy as np
from numba import njit

from dmfx.kernels.settings import OPTIONS
from dmfx.kernels.state import Points

__all__ = ["spin_by_spin", "with_numpy_binomial"]


@njit(**OPTIONS)
def _count_spins(rng, n, p):
    """Number of n spins that point up, drawn one by one."""
    up = 0
    for _ in range(n):
        if rng.random() < p:
            up += 1
    return up


@njit(**OPTIONS)
def _count_binomial(rng, n, p):
    return rng.binomial(n, p)


@njit(**OPTIONS)
def _steps(count, rng, beta, gamma, epsilon, field, overlap, drive, spins, attention, phase, steps, out):
    """Attention values of ``steps`` steps from a context, newest first; the tokens behind it are drawn first."""
    lags, patterns = attention.shape
    columns = len(spins)
    keys, values = np.empty((lags, patterns)), np.empty((lags, patterns))
    query, weight, s = np.empty(patterns), np.empty(lags), np.empty(columns)
    newest = attention[lags - 1].copy()
    for t in range(1 - lags, steps):
        slot, at = t % lags, (phase + t) % lags
        for j in range(columns):
            h = 0.0
            for a in range(patterns):
                h += field[a, j] * newest[a]
            up = count(rng, spins[j], 0.5 * (1 + math.tanh(beta * h)))
            s[j] = (2 * up - spins[j]) / spins[j]
        for a in range(patterns):
            v, q, k = 0.0, 0.0, 0.0
            for j in range(columns):
                v += overlap[1, a, j] * s[j]
                q += overlap[2, a, j] * s[j]
                k += overlap[3, a, j] * s[j]
            values[slot, a] = (1 - epsilon) * v + epsilon * drive[at, 1, a]
            query[a] = (1 - epsilon) * q + epsilon * drive[at, 2, a]
            keys[slot, a] = (1 - epsilon) * k + epsilon * drive[at, 3, a]
        if t < 0:
            newest[:] = attention[-t - 1]
            continue
        top = -np.inf
        for d in range(lags):
            weight[d] = 0.0
            for a in range(patterns):
                weight[d] += gamma / math.sqrt(patterns) * query[a] * keys[d, a]
            top = max(top, weight[d])
        total = 0.0
        for d in range(lags):
            weight[d] = math.exp(weight[d] - top)
            total += weight[d]
        for a in range(patterns):
            newest[a] = 0.0
            for d in range(lags):
                newest[a] += weight[d] / total * values[d, a]
            out[t, a] = newest[a]


def _run(count, points: Points, spins: np.ndarray, steps: int, seed: int = 0) -> np.ndarray:
    """Attention values of the first point, shape (step, pattern)."""
    out = np.empty((steps, points.attention.shape[2]))
    _steps(
        count,
        np.random.default_rng(seed),
        points.beta[0],
        points.gamma[0],
        points.epsilon[0],
        points.field[0],
        points.overlap[0],
        points.drive[0],
        spins,
        points.attention[0].copy(),
        points.phase[0],
        steps,
        out,
    )
    return out


spin_by_spin = partial(_run, _count_spins)
with_numpy_binomial = partial(_run, _count_binomial)
