"""The map of self-attention, of infinitely many spins or of finitely many, for many sweep points at once.

State of a point: the last L tokens, each as its key and value overlaps, which never change as the token ages. They
stand in a ring of L slots; token t has slot ``t mod L``, and so has the attention value A(t) that it computes. One
step makes one token, whatever L is.

The tokens in a starting context are made from its attention values; with the noise of their own times, so that a finite
network goes on from a context and a clock as if it had never stopped.

Source: [PLA24] Poc-López & Aguilera, arXiv:2406.07247 (2024), eqs. 14-18; in the limit of many spins, or eqs. 4-8.
"""

from __future__ import annotations

import numpy as np
from numba import njit

from dmfx.kernels.lanes import (
    WIDTH,
    blocks,
    exp,
    fma,
    lanes_of,
    load,
    maximum,
    splat,
    store,
    tanh,
    workspace,
)
from dmfx.kernels.settings import INNER, OPTIONS
from dmfx.kernels.state import BUFFERED, Points, context, fill, layout, places
from dmfx.kernels.thermal_noise import fill_noise, limited, noise_rows, noisy_spins

__all__ = ["attend", "copy_out", "make_token", "needs_output", "record_step", "run"]


@njit(**INNER)
def mean_spins(work, rows, n_patterns, n_columns, newest):
    """s_j = tanh(β Σ_a w^o_{a,j} A_a) from the attention value in slot ``newest``."""
    beta = load(work, rows.beta)
    attention = rows.attention + newest * n_patterns
    for j in range(n_columns):
        weights = rows.field + j * n_patterns
        h = load(work, weights) * load(work, attention)
        for a in range(1, n_patterns):
            h = fma(load(work, weights + a), load(work, attention + a), h)
        store(work, rows.spins + j, tanh(beta * h))


@njit(**INNER)
def overlaps(work, rows, noise, n_patterns, n_columns, slot):
    """m^α_a = (1-ε) Σ_j p_j w^α_{a,j} s_j + ε P^α_a for α = v, q, k, into the token's slot."""
    retained = load(work, rows.retained)
    for a in range(n_patterns):
        weights = rows.overlap + a * n_columns * 4
        s = load(work, rows.spins)
        v = load(work, weights + 1) * s
        q = load(work, weights + 2) * s
        k = load(work, weights + 3) * s
        for j in range(1, n_columns):
            s = load(work, rows.spins + j)
            weights += 4
            v = fma(load(work, weights + 1), s, v)
            q = fma(load(work, weights + 2), s, q)
            k = fma(load(work, weights + 3), s, k)
        drive = rows.drive + slot * 4 * n_patterns + a
        at = slot * n_patterns + a
        store(work, rows.value + at, limited(work, noise, fma(retained, v, load(work, drive + n_patterns))))
        store(work, rows.query + a, limited(work, noise, fma(retained, q, load(work, drive + 2 * n_patterns))))
        store(work, rows.key + at, limited(work, noise, fma(retained, k, load(work, drive + 3 * n_patterns))))


@njit(**INNER)
def output_overlap(work, rows, noise, n_patterns, n_columns, slot):
    """m^o with and without the position term; the dynamics does not need it, only the record does."""
    retained = load(work, rows.retained)
    for a in range(n_patterns):
        weights = rows.overlap + a * n_columns * 4
        o = load(work, weights) * load(work, rows.spins)
        for j in range(1, n_columns):
            o = fma(load(work, weights + 4 * j), load(work, rows.spins + j), o)
        store(work, rows.semantic + a, limited(work, noise, retained * o))
        drive = load(work, rows.drive + slot * 4 * n_patterns + a)
        store(work, rows.output + a, limited(work, noise, fma(retained, o, drive)))


@njit(**INNER)
def attend(work, rows, noise, n_patterns, context_size, slot, tokens):
    """A' = Σ_d softmax_d(γ/√M m^q·m^k(d)) m^v(d) over the newest ``tokens`` slots, into the slot's attention."""
    gamma = load(work, rows.gamma)
    top = splat(-np.inf)
    for d in range(tokens):
        i = slot - d if slot >= d else slot - d + context_size
        key = rows.key + i * n_patterns
        z = load(work, rows.query) * load(work, key)
        for a in range(1, n_patterns):
            z = fma(load(work, rows.query + a), load(work, key + a), z)
        z = gamma * z
        top = maximum(z, top)
        store(work, rows.weight + d, z)
    total = splat(0.0)
    for d in range(tokens):
        c = exp(load(work, rows.weight + d) - top)
        total = total + c
        store(work, rows.weight + d, c)
    scale = splat(1.0) / total
    for a in range(n_patterns):
        x = load(work, rows.weight) * load(work, rows.value + slot * n_patterns + a)
        for d in range(1, tokens):
            i = slot - d if slot >= d else slot - d + context_size
            x = fma(load(work, rows.weight + d), load(work, rows.value + i * n_patterns + a), x)
        store(work, rows.attention + slot * n_patterns + a, limited(work, noise, x * scale))


@njit(**INNER)
def make_token(work, rows, noise, n_patterns, context_size, n_columns, slot, time):
    """The token of a slot, from the attention value of the slot before it.

    ``noise`` is None for the mean field, for which Numba compiles the other branch away.
    """
    newest = slot - 1 if slot > 0 else context_size - 1
    if noise is None:
        mean_spins(work, rows, n_patterns, n_columns, newest)
    else:
        noisy_spins(work, rows, noise, n_patterns, n_columns, newest, time)
    overlaps(work, rows, noise, n_patterns, n_columns, slot)


@njit(**INNER)
def record_step(work, rows, noise, n_patterns, n_columns, slot, recorded, needs_output, buffered):
    """Copy what is recorded of the step in this slot into row group ``buffered`` of the buffer."""
    if needs_output:
        output_overlap(work, rows, noise, n_patterns, n_columns, slot)
    for v in range(len(recorded)):
        source = recorded[v, 0] + slot * recorded[v, 1]
        target = rows.buffer + (v * BUFFERED + buffered) * n_patterns
        for a in range(n_patterns):
            store(work, target + a, load(work, source + a))


@njit(**INNER)
def needs_output(rows, recorded):
    """Whether the output overlap, which the dynamics does not need, is recorded."""
    needed = False
    for v in range(len(recorded)):
        needed |= recorded[v, 0] == rows.semantic or recorded[v, 0] == rows.output
    return needed


@njit(**INNER)
def copy_out(work, rows, n_patterns, n_recorded, n_steps, out, first_point, first_step):
    """Write the buffered steps into (variable, point, step and pattern)."""
    lanes = min(WIDTH, out.shape[1] - first_point)
    first = first_step * n_patterns
    for v in range(n_recorded):
        source = (rows.buffer + v * BUFFERED * n_patterns) * WIDTH
        for lane in range(lanes):
            target = out[v, first_point + lane]
            for i in range(n_steps * n_patterns):
                target[first + i] = work[source + i * WIDTH + lane]


@njit(**OPTIONS)
def _advance(
    work, rows, noise, n_patterns, context_size, n_columns, from_token, transient, steps, recorded, out, first_point
):
    """Run one block: ``transient`` steps unrecorded, then ``steps`` into ``out``.

    ``recorded`` has, for every recorded variable, its first row and the rows from one slot to the next (0 for what
    stands in one place only).
    """
    tokens = 1
    if not from_token:
        # The tokens at lags 1 ... L-1, made from the attention values before the newest.
        for d in range(context_size - 1, 0, -1):
            make_token(work, rows, noise, n_patterns, context_size, n_columns, context_size - d, -d)
        tokens = context_size - 1
    n_recorded = len(recorded)
    with_output = needs_output(rows, recorded)
    buffered = 0
    slot = -1
    for t in range(transient + steps):
        slot = slot + 1 if slot + 1 < context_size else 0
        make_token(work, rows, noise, n_patterns, context_size, n_columns, slot, t)
        tokens = min(tokens + 1, context_size)
        attend(work, rows, noise, n_patterns, context_size, slot, tokens)
        if t < transient or n_recorded == 0:
            continue
        record_step(work, rows, noise, n_patterns, n_columns, slot, recorded, with_output, buffered)
        buffered += 1
        if buffered == BUFFERED or t == transient + steps - 1:
            first_step = t + 1 - transient - buffered
            copy_out(work, rows, n_patterns, n_recorded, buffered, out, first_point, first_step)
            buffered = 0
    return slot


def run(
    points: Points, *, transient: int, steps: int, record: tuple[str, ...] = ()
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Advance sweep points and record what is asked for.

    Parameters
    ----------
    points
        Parameters, weights and start of every point.
    transient, steps
        Steps to discard, then steps to record.
    record
        Names out of `RECORDABLE`.

    Returns
    -------
    recorded : np.ndarray
        Shape (variable, point, step, pattern).
    final_attention : np.ndarray
        Shape (point, lag, pattern); NaN at lags that a growing context did not reach.
    final_phase : np.ndarray
        Phase of the token after the last, shape (point,).
    """
    n_points, context_size, n_patterns = points.attention.shape
    n_columns = points.field.shape[-1]
    rows = layout(n_patterns, context_size, n_columns, len(record))
    recorded = places(rows, n_patterns, record)
    out = np.empty((len(record), n_points, steps, n_patterns))
    flat_out = out.reshape(len(record), n_points, steps * n_patterns)
    final_attention = np.empty((n_points, context_size, n_patterns))
    noise = noise_rows(rows.end, points)
    work = workspace(rows.end if noise is None else noise.end)
    for block in range(blocks(n_points)):
        lanes = lanes_of(block, n_points)
        fill(work, rows, points, lanes)
        if noise is not None:
            fill_noise(work, noise, points, lanes)
        first = block * WIDTH
        slot = _advance(
            work.reshape(-1),
            rows,
            noise,
            n_patterns,
            context_size,
            n_columns,
            points.token is not None,
            transient,
            steps,
            recorded,
            flat_out,
            first,
        )
        final_attention[first : first + WIDTH] = context(work, rows, n_patterns, slot)[: n_points - first]
    final_phase = (points.phase + transient + steps) % context_size
    return out, final_attention, final_phase
