"""What a run of self-attention is given, and where it stands in the workspace of a block of points."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from dmfx.kernels.lanes import WIDTH, spread

__all__ = ["BUFFERED", "RECORDABLE", "Points", "Rows", "context", "fill", "later", "layout", "places"]

#: What runs can record at each step, in the order of its workspace rows.
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
    spins
        None for the mean field. Otherwise the number of spins of each column type, whole numbers as floats, shape
        (realisation, column); ``overlap`` then has their fractions.
    key, clock
        With ``spins``: what the noise of the point is a function of, shape (point, 2), unsigned, and the number of
        the noise of the next token, shape (point,).
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
    spins: np.ndarray | None = None
    key: np.ndarray | None = None
    clock: np.ndarray | None = None


def later(points: Points, attention: np.ndarray, steps: int) -> Points:
    """The points after some steps that ended in these contexts."""
    context_size = points.attention.shape[1]
    clock = None if points.clock is None else points.clock + steps
    return points._replace(attention=attention, phase=(points.phase + steps) % context_size, token=None, clock=clock)


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


def context(work: np.ndarray, rows: Rows, n_patterns: int, slot: int) -> np.ndarray:
    """Attention values of a block's points after the step in this slot, shape (lane, lag, pattern), newest first."""
    ring = work[rows.attention : rows.weight].reshape(-1, n_patterns, WIDTH)
    return np.moveaxis(np.roll(ring, -1 - slot, axis=0)[::-1], -1, 0)
