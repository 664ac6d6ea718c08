r"""The network of vector spins: attention between N unit vectors, sixteen runs at once.

One step is :math:`x_i' = \mathrm{normalise}(Σ_{j≠i} α_{i←j} u_{ij} + γ x_i)` with :math:`u_{ij} = J_{ij} x_j` and
:math:`α_{i←j} = \mathrm{softmax}_{j≠i}(β x_i · u_{ij})`, all tokens at once. The softmax is summed as it goes: when a
score exceeds all before it, what was summed is scaled down, so that no u_ij has to be kept. Its local energy,
:math:`e_i = -β^{-1} \log Σ_j \exp(β x_i · u_{ij}) - γ/2`, comes for nothing.

Low-rank couplings J_ij = left_i right_jᵀ never form u_ij: the scores are (left_iᵀ x_i) · (right_jᵀ x_j), and left_i is
applied to the weighted sum.

Source: [DN24] D'Amico & Negri, arXiv:2409.16112 (2024).
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numba import njit

from dmfx.kernels.lanes import (
    WIDTH,
    blocks,
    choose,
    exp,
    fma,
    lanes_of,
    load,
    log,
    maximum,
    splat,
    spread,
    sqrt,
    store,
    workspace,
)
from dmfx.kernels.products import multiply, multiply_dot, squares
from dmfx.kernels.settings import INLINED, INNER, OPTIONS

__all__ = ["Recorded", "run"]


class Rows(NamedTuple):
    """First row of each part of the workspace of one block."""

    beta: int
    gamma: int
    undefined: int  # above 0 where a field vanished
    free: int  # one row a token, 0 where it is held
    tokens: int  # the state, and behind it the next one
    target: int
    share: int  # weight of each token in the overlap with the target
    field: int
    values: int
    keys: int
    query: int
    overlap: int
    total: int


class Recorded(NamedTuple):
    """What a run leaves, one entry of the first axis for each run; what was not asked for has no steps."""

    overlap: np.ndarray  # (run, step, pattern)
    target_overlap: np.ndarray  # (run, step)
    tokens: np.ndarray  # (run, step, token, component)
    energy: np.ndarray  # (run, step)
    change: np.ndarray  # (run, step), NaN at a start
    final: np.ndarray  # (run, token, component)
    undefined: np.ndarray  # (run,): whether a field vanished


@njit(**INLINED)
def _absorb(work, score, best, total, values, field, n):
    """Add one token's values to a softmax average; returns the highest score and the sum of weights so far."""
    highest = maximum(best, score)
    scale = exp(best - highest)
    weight = exp(score - highest)
    for a in range(n):
        store(work, field + a, fma(weight, load(work, values + a), scale * load(work, field + a)))
    return highest, fma(total, scale, weight)


@njit(**INLINED)
def _turn(work, rows, i, d, state, following, inverse, log_total):
    """Normalise field / total + γ x_i into the next state; returns the local energy of token i."""
    x, out = state + i * d, following + i * d
    gamma = load(work, rows.gamma)
    for a in range(d):
        store(work, out + a, fma(load(work, rows.field + a), inverse, gamma * load(work, x + a)))
    square = squares(work, out, d)
    zero, one = splat(0.0), splat(1.0)
    # Where squares leave the range of numbers, a power of two brings them back; elsewhere it is 1: nothing changes.
    factor = choose(square, splat(1e300), splat(2.0**-600), choose(splat(1e-280), square, splat(2.0**600), one))
    for a in range(d):
        store(work, out + a, factor * load(work, out + a))
    square = squares(work, out, d)
    length = sqrt(square)
    vanished = choose(splat(5e-324), square, one, zero)  # not where it is NaN
    free = load(work, rows.free + i)
    store(work, rows.undefined, maximum(load(work, rows.undefined), vanished * free))
    for a in range(d):
        store(work, out + a, choose(free, zero, load(work, out + a) / length, load(work, x + a)))
    beta = load(work, rows.beta)
    return fma(splat(-0.5), gamma, zero - log_total / beta)


@njit(**INNER)
def _step_of_matrices(work, rows, couplings, n, d, state, following):
    """One step where every pair has a matrix; returns the mean local energy of the state."""
    matrices, which = couplings
    energy = splat(0.0)
    beta = load(work, rows.beta)
    for i in range(n):
        for a in range(d):
            store(work, rows.field + a, splat(0.0))
        best, total = splat(-np.inf), splat(0.0)
        for j in range(n):
            if j != i:
                matrix = matrices[which[i, j]]
                score = beta * multiply_dot(matrix, work, state + j * d, rows.values, state + i * d)
                best, total = _absorb(work, score, best, total, rows.values, rows.field, d)
        energy = energy + _turn(work, rows, i, d, state, following, splat(1.0) / total, best + log(total))
    return energy / splat(float(n))


@njit(**INNER)
def _step_of_factors(work, rows, couplings, n, d, state, following):
    """One step of low-rank couplings; returns the mean local energy of the state."""
    left, left_by_rank, right_by_rank = couplings
    r = left.shape[2]
    energy = splat(0.0)
    beta = load(work, rows.beta)
    for j in range(n):
        multiply(right_by_rank[j], work, state + j * d, rows.keys + j * r)
    for i in range(n):
        multiply(left_by_rank[i], work, state + i * d, rows.query)
        for a in range(r):
            store(work, rows.values + a, splat(0.0))
        best, total = splat(-np.inf), splat(0.0)
        for j in range(n):
            if j != i:
                key = rows.keys + j * r
                score = splat(0.0)
                for a in range(r):
                    score = fma(load(work, rows.query + a), load(work, key + a), score)
                best, total = _absorb(work, beta * score, best, total, key, rows.values, r)
        multiply(left[i], work, rows.values, rows.field)
        energy = energy + _turn(work, rows, i, d, state, following, splat(1.0) / total, best + log(total))
    return energy / splat(float(n))


@njit(**INNER)
def _copy_lanes(work, row, out):
    for lane in range(len(out)):
        out[lane] = work[row * WIDTH + lane]


@njit(**INNER)
def _record_state(work, rows, patterns, n, d, state, index, overlap, target_overlap, tokens):
    """Overlaps and tokens of a state, at an index where that was asked for."""
    size = n * d
    if 0 <= index < overlap.shape[1]:
        share = splat(1.0 / n)
        n_patterns = patterns.shape[0]
        multiply(patterns, work, state, rows.overlap)
        for mu in range(n_patterns):
            store(work, rows.overlap + mu, share * load(work, rows.overlap + mu))
        for lane in range(overlap.shape[0]):
            for mu in range(n_patterns):
                overlap[lane, index, mu] = work[(rows.overlap + mu) * WIDTH + lane]
    if 0 <= index < target_overlap.shape[1]:
        total = splat(0.0)
        for i in range(n):
            dot = splat(0.0)
            for k in range(i * d, (i + 1) * d):
                dot = fma(load(work, state + k), load(work, rows.target + k), dot)
            total = fma(load(work, rows.share + i), dot, total)
        store(work, rows.total, total)
        _copy_lanes(work, rows.total, target_overlap[:, index])
    if 0 <= index < tokens.shape[1]:
        for lane in range(tokens.shape[0]):
            for k in range(size):
                tokens[lane, index, k] = work[(state + k) * WIDTH + lane]


def _runner(one_step):
    """The loop over time for one form of couplings."""

    @njit(**OPTIONS)
    def follow(
        work, rows, couplings, patterns, n, d, first, n_updates, overlap, target_overlap, tokens, energy, change
    ):
        # State s is the one after s updates; it is recorded at the index s - first.
        size = n * d
        state, following = rows.tokens, rows.tokens + size
        _record_state(work, rows, patterns, n, d, state, -first, overlap, target_overlap, tokens)
        if first == 0:
            change[:, :1] = np.nan
        for s in range(1, n_updates + 1):
            mean_energy = one_step(work, rows, couplings, n, d, state, following)
            if 0 <= s - 1 - first < energy.shape[1]:
                store(work, rows.total, mean_energy)
                _copy_lanes(work, rows.total, energy[:, s - 1 - first])
            if 0 <= s - first < change.shape[1]:
                moved = splat(0.0)
                for k in range(size):
                    each = load(work, following + k) - load(work, state + k)
                    moved = fma(each, each, moved)
                store(work, rows.total, sqrt(moved * splat(1.0 / n)))
                _copy_lanes(work, rows.total, change[:, s - first])
            state, following = following, state
            _record_state(work, rows, patterns, n, d, state, s - first, overlap, target_overlap, tokens)
        if energy.shape[1] > 0:
            store(work, rows.total, one_step(work, rows, couplings, n, d, state, following))
            _copy_lanes(work, rows.total, energy[:, n_updates - first])
        return state

    return follow


_follow_matrices = _runner(_step_of_matrices)
_follow_factors = _runner(_step_of_factors)


def run(
    kind: str,
    parameters: tuple[np.ndarray, ...],
    patterns: np.ndarray,
    tokens: np.ndarray,
    beta: np.ndarray,
    gamma: np.ndarray,
    *,
    transient: int,
    steps: int,
    record: tuple[str, ...],
    with_start: bool = False,
    held: np.ndarray | None = None,
    target: np.ndarray | None = None,
    share: np.ndarray | None = None,
) -> Recorded:
    """Run networks with the same couplings from given states.

    Parameters
    ----------
    kind
        ``"low_rank"``, or another form.
    parameters
        Of low rank: ``left`` and ``right``, (token, component, rank). Else ``matrices`` (number, component,
        component), and which of them J_ij is, (token, token).
    patterns
        ξ, shape (pattern, token, component).
    tokens
        Start, shape (run, token, component), unit vectors.
    beta, gamma
        β and γ by run.
    transient, steps
        Steps to make before those to record.
    record
        Which of the fields of `Recorded` to record.
    with_start
        Whether to record the start too, before the first of the steps; there is no transient then.
    held
        Tokens that do not move, shape (run, token).
    target, share
        For ``target_overlap``, Σ_i share_i x_i · target_i: shapes (run, token, component) and (run, token).
    """
    n_runs, n, d = tokens.shape
    flat = _read_only(patterns.reshape(len(patterns), n * d))
    if kind == "low_rank":
        left, right = parameters
        follow, rank = _follow_factors, left.shape[2]
        couplings = tuple(map(_read_only, (left, left.transpose(0, 2, 1), right.transpose(0, 2, 1))))
    else:
        follow, rank, couplings = _follow_matrices, 0, tuple(map(_read_only, parameters))
    first = 0 if with_start else transient + 1
    n_updates = transient + steps
    n_records = n_updates + 1 - first

    def empty(name: str, *shape: int) -> np.ndarray:
        return np.empty((n_runs, n_records if name in record else 0, *shape))

    out = Recorded(
        empty("overlap", len(flat)),
        empty("target_overlap"),
        empty("tokens", n * d),
        empty("energy"),
        empty("change"),
        np.empty((n_runs, n, d)),
        np.empty(n_runs, dtype=bool),
    )
    rows, n_rows = _layout(n, d, rank, len(flat) if "overlap" in record else 0)
    work = workspace(n_rows)
    whole = work.reshape(-1)
    for block in range(blocks(n_runs)):
        lanes = lanes_of(block, n_runs)
        part = slice(block * WIDTH, min((block + 1) * WIDTH, n_runs))
        count = part.stop - part.start
        work[rows.beta], work[rows.gamma], work[rows.undefined] = beta[lanes], gamma[lanes], 0.0
        work[rows.free : rows.free + n] = 1.0 if held is None else spread(1.0 - held[lanes])
        work[rows.tokens : rows.tokens + n * d] = spread(tokens[lanes])
        if target is not None:
            work[rows.target : rows.target + n * d] = spread(target[lanes])
            work[rows.share : rows.share + n] = spread(share[lanes])
        records = (array[part] for array in out[:5])
        state = follow(whole, rows, couplings, flat, n, d, first, n_updates, *records)
        out.final[part] = work[state : state + n * d, :count].T.reshape(count, n, d)
        out.undefined[part] = work[rows.undefined, :count] > 0
    return out._replace(tokens=out.tokens.reshape(n_runs, -1, n, d))


def _read_only(array: np.ndarray) -> np.ndarray:
    """A view that cannot be written: to the compiler that is a type of its own, and one type is compiled once."""
    view = np.ascontiguousarray(array).view()
    view.flags.writeable = False
    return view


def _layout(n: int, d: int, rank: int, n_patterns: int) -> tuple[Rows, int]:
    """Where the parts of a workspace begin, and how many rows it has."""
    sizes = (1, 1, 1, n, 2 * n * d, n * d, n, d, max(d, rank), n * rank, rank, n_patterns, 1)
    starts = np.concatenate([[0], np.cumsum(sizes)])
    return Rows(*(int(start) for start in starts[:-1])), int(starts[-1])
