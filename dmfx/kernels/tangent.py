"""The tangent map of self-attention beside the map itself, for many sweep points at once.

A tangent vector moves the attention values of the context, L lags of M patterns. It stands in a ring like they do,
with the changes of the key and value overlaps that it makes, so that a step costs one new token and one pass over the
context for each vector. Vectors are made orthonormal every few steps; the logarithms of the lengths they had are
summed by windows of time, for finite-time exponents, and once more with smooth weights.

Measured at 3 patterns, context 4, 3 column types and 12 vectors, in units of the plain step: rows as named tuples
through five levels of calls 22; as numbers 15; inlined by force 11 (the calls cost more than the arithmetic).

Source: [PLA24] Poc-López & Aguilera, arXiv:2406.07247 (2024), the derivative of eqs. 14-18; Benettin et al. (1980).
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numba import njit

from dmfx.kernels.gram_schmidt import add_logs, orthonormalise
from dmfx.kernels.lanes import WIDTH, blocks, fma, lanes_of, load, log, splat, spread, store, workspace
from dmfx.kernels.self_attention import (
    BUFFERED,
    Points,
    attend,
    context,
    copy_out,
    fill,
    layout,
    make_token,
    needs_output,
    places,
    record_step,
)
from dmfx.kernels.settings import INLINED, INNER, OPTIONS

__all__ = ["Jacobian", "Schedule", "Sums", "advance", "jacobian"]


class _Rows(NamedTuple):
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


def _layout(first: int, m: int, lags: int, columns: int, vectors: int, windows: int) -> _Rows:
    frame = vectors * lags * m
    sizes = (lags, lags * m, lags * columns, columns, vectors * m, lags, frame, frame, frame)
    sizes += (max(vectors, m), m * m, (windows + 3) * vectors, 1)
    return _Rows(*(int(row) for row in first + np.concatenate([[0], np.cumsum(sizes)])))


@njit(**INNER)
def _slopes(work, rows, tangent, n_columns, slot):
    """The derivative of the mean spins in a token, times 1 - ε, by its local fields."""
    beta = load(work, rows.retained) * load(work, rows.beta)
    for j in range(n_columns):
        s = load(work, rows.spins + j)
        store(work, tangent.slope + slot * n_columns + j, beta * (splat(1.0) - s * s))


@njit(**INNER)
def _shares(work, rows, tangent, n_patterns, context_size, slot):
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
def _tokens(work, rows, tangent, n_patterns, context_size, n_columns, n_vectors, slot, newest):
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
def _step(work, rows, tangent, n_patterns, context_size, n_columns, n_vectors, slot):
    """Advance every tangent vector by the token in the slot."""
    _tokens(work, rows, tangent, n_patterns, context_size, n_columns, n_vectors, slot, True)
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
def _add_determinant(work, rows, tangent, n_patterns, context_size, n_columns, slot, one):
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


@njit(**OPTIONS)
def _advance(
    work,
    rows,
    tangent,
    n_patterns,
    context_size,
    n_columns,
    n_vectors,
    steps,
    ends,
    windows,
    halves,
    weights,
    determinant_from,
    recorded,
    stride,
    out,
    first_point,
    one,
):
    """Run one block for ``steps`` steps.

    After step ``ends[k]`` the vectors are made orthonormal, and the logarithms of their lengths go into the sums of
    number ``windows[k]`` and, times ``weights[k]``, ``halves[k]``. Every ``stride``-th step is recorded.
    ``one`` is 1: for a literal Numba would compile `orthonormalise` a second time.
    """
    for d in range(context_size - 1, 0, -1):
        slot = context_size - d
        make_token(work, rows, n_patterns, context_size, n_columns, slot)
        _slopes(work, rows, tangent, n_columns, slot)
        _tokens(work, rows, tangent, n_patterns, context_size, n_columns, n_vectors, slot, False)
    n_recorded = len(recorded)
    with_output = needs_output(rows, recorded)
    buffered, written, interval = 0, 0, 0
    slot = -1
    for t in range(steps):
        slot = slot + 1 if slot + 1 < context_size else 0
        make_token(work, rows, n_patterns, context_size, n_columns, slot)
        attend(work, rows, n_patterns, context_size, slot, context_size)
        _slopes(work, rows, tangent, n_columns, slot)
        _shares(work, rows, tangent, n_patterns, context_size, slot)
        _step(work, rows, tangent, n_patterns, context_size, n_columns, n_vectors, slot)
        if t >= determinant_from:
            _add_determinant(work, rows, tangent, n_patterns, context_size, n_columns, slot, one)
        if interval < len(ends) and t == ends[interval]:
            orthonormalise(work, tangent.frame, n_vectors, context_size, n_patterns, slot, tangent.lengths)
            add_logs(work, tangent.lengths, n_vectors, 1.0, tangent.sums + windows[interval] * n_vectors)
            add_logs(work, tangent.lengths, n_vectors, weights[interval], tangent.sums + halves[interval] * n_vectors)
            for d in range(context_size - 1):
                i = slot - d if slot >= d else slot - d + context_size
                _tokens(work, rows, tangent, n_patterns, context_size, n_columns, n_vectors, i, False)
            interval += 1
        if n_recorded > 0 and (t + 1) % stride == 0:
            record_step(work, rows, n_patterns, n_columns, slot, recorded, with_output, buffered)
            buffered += 1
            if buffered == BUFFERED:
                copy_out(work, rows, n_patterns, n_recorded, buffered, out, first_point, written)
                written += buffered
                buffered = 0
    if buffered > 0:
        copy_out(work, rows, n_patterns, n_recorded, buffered, out, first_point, written)
    return slot


class Schedule(NamedTuple):
    """When tangent vectors are made orthonormal, and where the logarithms of their lengths go.

    Attributes
    ----------
    ends
        Steps after which it is done, counted from 0, ascending.
    window
        Window that the interval before each belongs to; the number of windows if it is not measured.
    half
        First or second half of the measured steps, 0 or 1; 2 if it is not measured.
    weight
        Weight of the interval in the smooth average of its half, per step.
    lengths
        Steps of each window.
    measured_from
        First step that is measured.
    """

    ends: np.ndarray
    window: np.ndarray
    half: np.ndarray
    weight: np.ndarray
    lengths: np.ndarray
    measured_from: int


class Sums(NamedTuple):
    """State of a measurement, from which it goes on to the last bit.

    Attributes
    ----------
    frame
        Tangent vectors, shape (point, vector, lag, pattern), newest first.
    logs
        Sums of the logarithms, shape (point, window + 3, vector): by window, then of the two smooth averages, then of
        what was not measured.
    determinant
        Sum of log |det|, shape (point,).
    """

    frame: np.ndarray
    logs: np.ndarray
    determinant: np.ndarray


def advance(
    points: Points,
    sums: Sums,
    plan: Schedule,
    *,
    first: int,
    steps: int,
    record: tuple[str, ...] = (),
    stride: int = 1,
) -> tuple[np.ndarray, np.ndarray, Sums]:
    """Advance sweep points and their tangent vectors.

    Parameters
    ----------
    points
        Parameters, weights and full contexts of every point.
    sums
        State of the measurement.
    plan
        The whole measurement, of which this call does part: ``steps`` steps from step ``first`` on.
    record, stride
        Variables out of `self_attention.RECORDABLE`, kept after every ``stride``-th step.

    Returns
    -------
    recorded : np.ndarray
        Shape (variable, point, steps // stride, pattern).
    final_attention : np.ndarray
        Shape (point, lag, pattern), newest first.
    sums : Sums
    """
    n_points, context_size, n_patterns = points.attention.shape
    n_columns = points.field.shape[-1]
    n = sums.frame.shape[1]
    n_sums = sums.logs.shape[1]
    rows = layout(n_patterns, context_size, n_columns, len(record))
    tangent = _layout(rows.end, n_patterns, context_size, n_columns, n, n_sums - 3)
    here = slice(*np.searchsorted(plan.ends, [first, first + steps]))
    full = n == context_size * n_patterns
    out = np.empty((len(record), n_points, steps // stride, n_patterns))
    final_attention = np.empty((n_points, context_size, n_patterns))
    new = Sums(*(np.empty(part.shape) for part in sums))
    work = workspace(tangent.end)
    for block in range(blocks(n_points)):
        lanes = lanes_of(block, n_points)
        kept = slice(block * WIDTH, min((block + 1) * WIDTH, n_points))
        count = kept.stop - kept.start
        fill(work, rows, points, lanes)
        # The start ends at t = -1: lag d stands in slot L-1-d.
        work[tangent.frame : tangent.value] = spread(sums.frame[lanes, :, ::-1])
        work[tangent.sums : tangent.determinant] = spread(sums.logs[lanes])
        work[tangent.determinant] = sums.determinant[lanes]
        slot = _advance(
            work.reshape(-1),
            rows,
            tangent,
            n_patterns,
            context_size,
            n_columns,
            n,
            steps,
            plan.ends[here] - first,
            plan.window[here],
            plan.half[here],
            plan.weight[here],
            max(plan.measured_from - first, 0) if full else steps,
            places(rows, n_patterns, record),
            stride,
            out.reshape(len(record), n_points, steps // stride * n_patterns),
            block * WIDTH,
            1,
        )
        final_attention[kept] = context(work, rows, n_patterns, slot)[:count]
        ring = work[tangent.frame : tangent.value].reshape(n, context_size, n_patterns, WIDTH)
        new.frame[kept] = np.moveaxis(np.roll(ring, -1 - slot, axis=1)[:, ::-1], -1, 0)[:count]
        new.logs[kept] = work[tangent.sums : tangent.determinant].T.reshape(WIDTH, n_sums, n)[:count]
        new.determinant[kept] = work[tangent.determinant][:count]
    return out, final_attention, new


class Jacobian(NamedTuple):
    """Derivative of the map over some steps.

    Attributes
    ----------
    matrix
        Derivative of the state after the steps by the state before, shape (point, L M, L M); rows and columns are
        lags times patterns, newest first.
    orbit
        Attention value after each step, shape (point, step, pattern).
    final_attention, final_phase
        State after the steps, shapes (point, lag, pattern) and (point,).
    """

    matrix: np.ndarray
    orbit: np.ndarray
    final_attention: np.ndarray
    final_phase: np.ndarray


def jacobian(points: Points, *, steps: int) -> Jacobian:
    """The derivative of the state after some steps by the state before, for full contexts."""
    n_points, context_size, n_patterns = points.attention.shape
    size = context_size * n_patterns
    unit = np.eye(size).reshape(size, context_size, n_patterns)
    sums = Sums(
        np.broadcast_to(unit, (n_points, *unit.shape)),
        np.zeros((n_points, 3, size)),
        np.zeros(n_points),
    )
    nothing = np.empty(0, dtype=np.int64)
    plan = Schedule(nothing, nothing, nothing, np.empty(0), nothing, steps)
    orbit, attention, sums = advance(points, sums, plan, first=0, steps=steps, record=("attention",))
    return Jacobian(
        matrix=sums.frame.reshape(n_points, size, size).transpose(0, 2, 1),
        orbit=orbit[0],
        final_attention=attention,
        final_phase=(points.phase + steps) % context_size,
    )
