"""One step of the tangent map of self-attention, for many sweep points at once.

A tangent vector moves the attention values of the context, L lags of M patterns. It stands in a ring like they do,
with the changes of the key and value overlaps that it makes, so that a step costs one new token and one pass over the
context for each vector.

Measured at 3 patterns, context 4, 3 column types and 12 vectors, in units of the plain step: rows as named tuples
through five levels of calls 22; as numbers 15; inlined by force 11 (the calls cost more than the arithmetic).

Source: [PLA24] Poc-López & Aguilera, arXiv:2406.07247 (2024), the derivative of eqs. 14-18.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numba import njit

from dmfx.kernels.gram_schmidt import orthonormalise
from dmfx.kernels.lanes import fma, load, log, splat, store
from dmfx.kernels.settings import INLINED, INNER

__all__ = ["TangentRows", "add_determinant", "shares", "slopes", "step", "tangent_layout", "tokens"]


class TangentRows(NamedTuple):
    """First row of what the tangent vectors need in the workspace of one block, behind the `Rows` of the map."""

    share: int  # normalised softmax weights c: (lag)
    pull: int  # γ/√M c_d (m^v(d) - A'): (lag, pattern)
    slope: int  # (1 - ε) β (1 - s²): (slot, column)
    spins: int  # change of the mean spins, without what is in the overlap weights: (column)
    query: int  # change of m^q: (vector, pattern)
    logit: int  # change of m^q·m^k: (lag)
    frame: int  # change of A: (vector, slot, pattern)
    value: int  # change of m^v: (vector, slot, pattern)
    key: int  # change of m^k: (vector, slot, pattern)
    lengths: int  # (vector), or (pattern) for the determinant
    columns: int  # derivative of A' by the oldest A: (pattern, pattern)
    sums: int  # Σ log length by window, then the two smooth averages, then what is not measured: (window + 3, vector)
    determinant: int  # Σ log |det|
    end: int


def tangent_layout(first: int, m: int, lags: int, columns: int, vectors: int, windows: int) -> TangentRows:
    """Lay out what the tangent vectors of one block need, from row ``first`` on."""
    frame = vectors * lags * m
    sizes = (lags, lags * m, lags * columns, columns, vectors * m, lags, frame, frame, frame)
    sizes += (max(vectors, m), m * m, (windows + 3) * vectors, 1)
    return TangentRows(*(int(row) for row in first + np.concatenate([[0], np.cumsum(sizes)])))


@njit(**INNER)
def slopes(work, rows, tangent, noise, n_columns, slot):
    """The derivative of the mean spins in a token, times 1 - ε, by its local fields.

    In a finite network it is that of the quantile of the same uniform number. A spin moves by β (1 - t s) δh where t is
    the mean and s what was drawn: the Gaussian part of the noise has the width √(1 - t²), which changes with t; what
    is left out is of order 1/n_j.
    """
    beta = load(work, rows.retained) * load(work, rows.beta)
    for j in range(n_columns):
        s = load(work, rows.spins + j)
        t = s
        if noise is not None:
            t = load(work, noise.mean + j)
        store(work, tangent.slope + slot * n_columns + j, beta * (splat(1.0) - t * s))


@njit(**INNER)
def shares(work, rows, tangent, n_patterns, context_size, slot):
    """Softmax weights c_d and γ/√M c_d (m^v(d) - A'), what all tangent vectors share in a step."""
    total = splat(0.0)
    for d in range(context_size):
        total = total + load(work, rows.weight + d)
    scale = splat(1.0) / total
    for d in range(context_size):
        i = slot - d if slot >= d else slot - d + context_size
        c = scale * load(work, rows.weight + d)
        store(work, tangent.share + d, c)
        c = load(work, rows.gamma) * c
        for a in range(n_patterns):
            away = load(work, rows.value + i * n_patterns + a) - load(work, rows.attention + slot * n_patterns + a)
            store(work, tangent.pull + d * n_patterns + a, c * away)


@njit(**INLINED)
def _change_of_spins(work, field, slope, attention, spins, n_patterns, n_columns):
    """Change of the mean spins of a token, for a change of the attention value it is made from."""
    for j in range(n_columns):
        h = load(work, field) * load(work, attention)
        for a in range(1, n_patterns):
            h = fma(load(work, field + a), load(work, attention + a), h)
        field += n_patterns
        store(work, spins + j, h * load(work, slope + j))


@njit(**INLINED)
def _change_of_overlap(work, weights, spins, n_columns):
    """Change of one overlap of the token whose spins changed; ``weights``: of the first column."""
    x = load(work, weights) * load(work, spins)
    for j in range(1, n_columns):
        x = fma(load(work, weights + 4 * j), load(work, spins + j), x)
    return x


@njit(**INNER)
def tokens(work, rows, tangent, n_patterns, context_size, n_columns, n_vectors, slot, newest):
    """Change of value and key, and of the query if it is the newest, of the token in a slot, by every vector."""
    before = slot - 1 if slot > 0 else context_size - 1
    slope = tangent.slope + slot * n_columns
    for vector in range(n_vectors):
        attention = tangent.frame + (vector * context_size + before) * n_patterns
        _change_of_spins(work, rows.field, slope, attention, tangent.spins, n_patterns, n_columns)
        at = (vector * context_size + slot) * n_patterns
        for matrix in range(1, 4):
            if matrix == 1:
                out = tangent.value + at
            elif matrix == 3:
                out = tangent.key + at
            elif newest:
                out = tangent.query + vector * n_patterns
            else:
                continue
            for a in range(n_patterns):
                weights = rows.overlap + a * n_columns * 4 + matrix
                store(work, out + a, _change_of_overlap(work, weights, tangent.spins, n_columns))


@njit(**INLINED)
def _logits(work, query, key, changed_query, changed_key, logit, n_patterns, context_size, slot):
    """Change of m^q·m^k for every lag."""
    for d in range(context_size):
        i = (slot - d if slot >= d else slot - d + context_size) * n_patterns
        z = load(work, query) * load(work, changed_key + i)
        z = fma(load(work, key + i), load(work, changed_query), z)
        for a in range(1, n_patterns):
            z = fma(load(work, query + a), load(work, changed_key + i + a), z)
            z = fma(load(work, key + i + a), load(work, changed_query + a), z)
        store(work, logit + d, z)


@njit(**INLINED)
def _change_of_attention(work, share, pull, logit, changed_value, out, n_patterns, context_size, slot):
    """Σ_d c_d δm^v(d) + γ/√M c_d (m^v(d) - A') δ(m^q·m^k(d))."""
    for a in range(n_patterns):
        x = splat(0.0)
        for d in range(context_size):
            i = (slot - d if slot >= d else slot - d + context_size) * n_patterns
            x = fma(load(work, share + d), load(work, changed_value + i + a), x)
            x = fma(load(work, pull + d * n_patterns + a), load(work, logit + d), x)
        store(work, out + a, x)


@njit(**INNER)
def step(work, rows, tangent, n_patterns, context_size, n_columns, n_vectors, slot):
    """Advance every tangent vector by the token in the slot."""
    tokens(work, rows, tangent, n_patterns, context_size, n_columns, n_vectors, slot, True)
    for vector in range(n_vectors):
        ring = vector * context_size * n_patterns
        _logits(
            work,
            rows.query,
            rows.key,
            tangent.query + vector * n_patterns,
            tangent.key + ring,
            tangent.logit,
            n_patterns,
            context_size,
            slot,
        )
        _change_of_attention(
            work,
            tangent.share,
            tangent.pull,
            tangent.logit,
            tangent.value + ring,
            tangent.frame + ring + slot * n_patterns,
            n_patterns,
            context_size,
            slot,
        )


@njit(**INNER)
def add_determinant(work, rows, tangent, n_patterns, context_size, n_columns, slot, one):
    """Add log |det| of this step: that of the derivative of A' by the oldest A, since the rest only shifts.

    In a context of one token, which is also the newest, the softmax is constant and `away` is 0.
    """
    oldest = context_size - 1
    i = slot + 1 if slot + 1 < context_size else 0
    for b in range(n_patterns):
        # The change of the oldest attention value is a unit vector.
        for j in range(n_columns):
            slope = load(work, tangent.slope + i * n_columns + j)
            store(work, tangent.spins + j, slope * load(work, rows.field + j * n_patterns + b))
        z = load(work, rows.query) * _change_of_overlap(work, rows.overlap + 3, tangent.spins, n_columns)
        for a in range(1, n_patterns):
            key = _change_of_overlap(work, rows.overlap + a * n_columns * 4 + 3, tangent.spins, n_columns)
            z = fma(load(work, rows.query + a), key, z)
        z = load(work, rows.gamma) * z
        for a in range(n_patterns):
            value = load(work, rows.value + i * n_patterns + a)
            away = value - load(work, rows.attention + slot * n_patterns + a)
            x = _change_of_overlap(work, rows.overlap + a * n_columns * 4 + 1, tangent.spins, n_columns)
            store(work, tangent.columns + b * n_patterns + a, fma(away, z, x))
    orthonormalise(work, tangent.columns, n_patterns, one, n_patterns, one - 1, tangent.lengths)
    # The softmax weight of the oldest, which all columns have as a factor, may be as small as 1e-308.
    factor = log(load(work, tangent.share + oldest))
    total = load(work, tangent.determinant)
    for a in range(n_patterns):
        total = total + (factor + log(load(work, tangent.lengths + a)))
    store(work, tangent.determinant, total)
