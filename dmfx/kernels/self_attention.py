"""The mean-field map of self-attention, for many sweep points at once.

State of a point: the last L tokens, each as its key and value overlaps, which never change as the token ages. They
stand in a ring of L slots; token t has slot ``t mod L``, and so has the attention value A(t) that it computes. One
step makes one token, whatever L is.

Source: [PLA24] Poc-López & Aguilera, arXiv:2406.07247 (2024), eqs. 14-18 in the limit of many spins.
"""

from __future__ import annotations

from typing import NamedTuple

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
    spread,
    store,
    tanh,
    workspace,
)
from dmfx.kernels.settings import INNER, OPTIONS

__all__ = [
    "BUFFERED",
    "RECORDABLE",
    "Points",
    "Rows",
    "attend",
    "context",
    "copy_out",
    "fill",
    "layout",
    "make_token",
    "needs_output",
    "places",
    "record_step",
    "run",
]

#: What `run` can record at each step, in the order of its workspace rows.
RECORDABLE = ("m_o_semantic", "m_o", "m_v", "m_q", "m_k", "attention")

# Steps recorded before they are copied out. Writing each step straight into (point, step, pattern) touches WIDTH
# distant cache lines a step, which collide in the cache when the number of steps is a power of two.
BUFFERED = 64


class Points(NamedTuple):
    """What distinguishes the sweep points of one call.

    Attributes
    ----------
    beta, gamma, epsilon
        Inverse temperature, attention strength and weight of the position, shape (point,).
    realisation
        Number of the point's realisation of the weights among those given, shape (point,).
    field
        Output weights w^o of the local field, shape (realisation, pattern, column).
    overlap
        p_j w^α, shape (realisation, matrix, pattern, column), matrices in the order o, v, q, k.
    drive
        Position term P^α(φ) at every phase φ, without ε, shape (realisation, phase, matrix, pattern).
    attention
        Attention values of the starting context, shape (point, lag, pattern), lag 0 newest.
    phase
        Phase of the next token, shape (point,).
    token
        None to start from a full context. Otherwise the overlaps of one token that no attention made, shape
        (point, matrix, pattern), from which the context grows; ``attention`` then counts at lag 0 only.
    """

    beta: np.ndarray
    gamma: np.ndarray
    epsilon: np.ndarray
    realisation: np.ndarray
    field: np.ndarray
    overlap: np.ndarray
    drive: np.ndarray
    attention: np.ndarray
    phase: np.ndarray
    token: np.ndarray | None


class Rows(NamedTuple):
    """First row of each quantity in the workspace of one block."""

    beta: int
    gamma: int
    retained: int  # 1 - ε
    drive: int  # ε P: (slot, matrix, pattern)
    field: int  # w^o: (column, pattern)
    overlap: int  # p w^α: (pattern, column, matrix)
    spins: int  # s: (column)
    semantic: int  # m^o without position: (pattern)
    output: int  # m^o: (pattern)
    query: int  # m^q: (pattern)
    key: int  # m^k: (slot, pattern)
    value: int  # m^v: (slot, pattern)
    attention: int  # A: (slot, pattern)
    weight: int  # softmax weights: (slot)
    buffer: int  # recorded: (variable, step, pattern)
    end: int


def layout(n_patterns: int, context_size: int, n_columns: int, n_recorded: int) -> Rows:
    """Lay out the workspace of one block."""
    m, lags, j = n_patterns, context_size, n_columns
    sizes = (1, 1, 1, lags * 4 * m, j * m, m * j * 4, j, m, m, m, lags * m, lags * m, lags * m, lags)
    starts = np.concatenate([[0], np.cumsum((*sizes, BUFFERED * n_recorded * m))])
    return Rows(*(int(s) for s in starts))


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
def overlaps(work, rows, n_patterns, n_columns, slot):
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
        store(work, rows.value + at, fma(retained, v, load(work, drive + n_patterns)))
        store(work, rows.query + a, fma(retained, q, load(work, drive + 2 * n_patterns)))
        store(work, rows.key + at, fma(retained, k, load(work, drive + 3 * n_patterns)))


@njit(**INNER)
def output_overlap(work, rows, n_patterns, n_columns, slot):
    """m^o with and without the position term; the dynamics does not need it, only the record does."""
    retained = load(work, rows.retained)
    for a in range(n_patterns):
        weights = rows.overlap + a * n_columns * 4
        o = load(work, weights) * load(work, rows.spins)
        for j in range(1, n_columns):
            o = fma(load(work, weights + 4 * j), load(work, rows.spins + j), o)
        store(work, rows.semantic + a, retained * o)
        store(work, rows.output + a, fma(retained, o, load(work, rows.drive + slot * 4 * n_patterns + a)))


@njit(**INNER)
def attend(work, rows, n_patterns, context_size, slot, tokens):
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
        store(work, rows.attention + slot * n_patterns + a, x * scale)


@njit(**INNER)
def make_token(work, rows, n_patterns, context_size, n_columns, slot):
    """The token of a slot, from the attention value of the slot before it."""
    newest = slot - 1 if slot > 0 else context_size - 1
    mean_spins(work, rows, n_patterns, n_columns, newest)
    overlaps(work, rows, n_patterns, n_columns, slot)


@njit(**INNER)
def record_step(work, rows, n_patterns, n_columns, slot, recorded, needs_output, buffered):
    """Copy what is recorded of the step in this slot into row group ``buffered`` of the buffer."""
    if needs_output:
        output_overlap(work, rows, n_patterns, n_columns, slot)
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
def _advance(work, rows, n_patterns, context_size, n_columns, from_token, transient, steps, recorded, out, first_point):
    """Run one block: ``transient`` steps unrecorded, then ``steps`` into ``out``.

    ``recorded`` has, for every recorded variable, its first row and the rows from one slot to the next (0 for what
    stands in one place only).
    """
    tokens = 1
    if not from_token:
        # The tokens at lags 1 ... L-1, made from the attention values before the newest.
        for d in range(context_size - 1, 0, -1):
            make_token(work, rows, n_patterns, context_size, n_columns, context_size - d)
        tokens = context_size - 1
    n_recorded = len(recorded)
    with_output = needs_output(rows, recorded)
    buffered = 0
    slot = -1
    for t in range(transient + steps):
        slot = slot + 1 if slot + 1 < context_size else 0
        make_token(work, rows, n_patterns, context_size, n_columns, slot)
        tokens = min(tokens + 1, context_size)
        attend(work, rows, n_patterns, context_size, slot, tokens)
        if t < transient or n_recorded == 0:
            continue
        record_step(work, rows, n_patterns, n_columns, slot, recorded, with_output, buffered)
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
    work = workspace(rows.end)
    for block in range(blocks(n_points)):
        fill(work, rows, points, lanes_of(block, n_points))
        first = block * WIDTH
        slot = _advance(
            work.reshape(-1),
            rows,
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


def places(rows: Rows, n_patterns: int, record: tuple[str, ...]) -> np.ndarray:
    """First row of every recorded variable, and the rows from one slot to the next."""
    known = {
        "m_o_semantic": (rows.semantic, 0),
        "m_o": (rows.output, 0),
        "m_v": (rows.value, n_patterns),
        "m_q": (rows.query, 0),
        "m_k": (rows.key, n_patterns),
        "attention": (rows.attention, n_patterns),
    }
    return np.array([known[name] for name in record], dtype=np.intp).reshape(-1, 2)


def context(work: np.ndarray, rows: Rows, n_patterns: int, slot: int) -> np.ndarray:
    """Attention values of a block's points after the step in this slot, shape (lane, lag, pattern), newest first."""
    ring = work[rows.attention : rows.weight].reshape(-1, n_patterns, WIDTH)
    return np.moveaxis(np.roll(ring, -1 - slot, axis=0)[::-1], -1, 0)


def fill(work: np.ndarray, rows: Rows, points: Points, lanes: np.ndarray) -> None:
    """Write the parameters, weights and start of a block's points into its workspace."""
    context_size, n_patterns = points.attention.shape[1:]
    realisation = points.realisation[lanes]
    epsilon = points.epsilon[lanes]
    work[:] = np.nan
    work[rows.beta] = points.beta[lanes]
    work[rows.gamma] = points.gamma[lanes] / np.sqrt(n_patterns)
    work[rows.retained] = 1.0 - epsilon
    # The slot of a token is its time mod L, counted from the first step of this call; its phase runs ahead of it.
    phases = (points.phase[lanes, None] + np.arange(context_size)) % context_size
    drive = points.drive[realisation[:, None], phases].reshape(WIDTH, -1)
    work[rows.drive : rows.field] = spread(epsilon[:, None] * drive)
    work[rows.field : rows.overlap] = spread(points.field[realisation].transpose(0, 2, 1))
    work[rows.overlap : rows.spins] = spread(points.overlap[realisation].transpose(0, 2, 3, 1))
    # The start ends at t = -1: lag d stands in slot L-1-d.
    work[rows.attention : rows.weight] = spread(points.attention[lanes, ::-1])
    if points.token is not None:
        token = points.token[lanes]
        last = slice((context_size - 1) * n_patterns, context_size * n_patterns)
        work[rows.value : rows.attention][last] = spread(token[:, 1])
        work[rows.key : rows.value][last] = spread(token[:, 3])
