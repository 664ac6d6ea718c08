"""Runs of self-attention with tangent vectors beside the state, for many sweep points at once.

Vectors are made orthonormal every few steps; the logarithms of the lengths they had are summed by windows of time, for
finite-time exponents, and once more with smooth weights.

Source: Benettin, Galgani, Giorgilli & Strelcyn, Meccanica 15, 9 (1980).
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numba import njit

from dmfx.kernels.gram_schmidt import add_logs, orthonormalise
from dmfx.kernels.lanes import WIDTH, blocks, lanes_of, spread, workspace
from dmfx.kernels.schedule import Schedule
from dmfx.kernels.self_attention import attend, copy_out, make_token, needs_output, record_step
from dmfx.kernels.settings import OPTIONS
from dmfx.kernels.state import BUFFERED, Points, context, fill, layout, places
from dmfx.kernels.tangent_map import add_determinant, shares, slopes, step, tangent_layout, tokens
from dmfx.kernels.thermal_noise import fill_noise, noise_rows

__all__ = ["Sums", "advance"]


@njit(**OPTIONS)
def _advance(
    work,
    rows,
    tangent,
    noise,
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
        make_token(work, rows, noise, n_patterns, context_size, n_columns, slot, -d)
        slopes(work, rows, tangent, noise, n_columns, slot)
        tokens(work, rows, tangent, n_patterns, context_size, n_columns, n_vectors, slot, False)
    n_recorded = len(recorded)
    with_output = needs_output(rows, recorded)
    buffered, written, interval = 0, 0, 0
    slot = -1
    for t in range(steps):
        slot = slot + 1 if slot + 1 < context_size else 0
        make_token(work, rows, noise, n_patterns, context_size, n_columns, slot, t)
        attend(work, rows, noise, n_patterns, context_size, slot, context_size)
        slopes(work, rows, tangent, noise, n_columns, slot)
        shares(work, rows, tangent, n_patterns, context_size, slot)
        step(work, rows, tangent, n_patterns, context_size, n_columns, n_vectors, slot)
        if t >= determinant_from:
            add_determinant(work, rows, tangent, n_patterns, context_size, n_columns, slot, one)
        if interval < len(ends) and t == ends[interval]:
            orthonormalise(work, tangent.frame, n_vectors, context_size, n_patterns, slot, tangent.lengths)
            in_window = tangent.sums + windows[interval] * n_vectors
            in_half = tangent.sums + halves[interval] * n_vectors
            add_logs(work, tangent.lengths, n_vectors, in_window, in_half, weights[interval])
            for d in range(context_size - 1):
                i = slot - d if slot >= d else slot - d + context_size
                tokens(work, rows, tangent, n_patterns, context_size, n_columns, n_vectors, i, False)
            interval += 1
        if n_recorded > 0 and (t + 1) % stride == 0:
            record_step(work, rows, noise, n_patterns, n_columns, slot, recorded, with_output, buffered)
            buffered += 1
            if buffered == BUFFERED:
                copy_out(work, rows, n_patterns, n_recorded, buffered, out, first_point, written)
                written += buffered
                buffered = 0
    if buffered > 0:
        copy_out(work, rows, n_patterns, n_recorded, buffered, out, first_point, written)
    return slot


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
    tangent = tangent_layout(rows.end, n_patterns, context_size, n_columns, n, n_sums - 3)
    here = slice(*np.searchsorted(plan.ends, [first, first + steps]))
    full = n == context_size * n_patterns
    out = np.empty((len(record), n_points, steps // stride, n_patterns))
    final_attention = np.empty((n_points, context_size, n_patterns))
    new = Sums(*(np.empty(part.shape) for part in sums))
    noise = noise_rows(tangent.end, points)
    work = workspace(tangent.end if noise is None else noise.end)
    for block in range(blocks(n_points)):
        lanes = lanes_of(block, n_points)
        kept = slice(block * WIDTH, min((block + 1) * WIDTH, n_points))
        count = kept.stop - kept.start
        fill(work, rows, points, lanes)
        if noise is not None:
            fill_noise(work, noise, points, lanes)
        # The start ends at t = -1: lag d stands in slot L-1-d.
        work[tangent.frame : tangent.value] = spread(sums.frame[lanes, :, ::-1])
        work[tangent.sums : tangent.determinant] = spread(sums.logs[lanes])
        work[tangent.determinant] = sums.determinant[lanes]
        slot = _advance(
            work.reshape(-1),
            rows,
            tangent,
            noise,
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
