"""What runs with tangent vectors measure: finite-time exponents, smooth averages, the determinant, strobes."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from dmfx.kernels.schedule import Schedule, schedule
from dmfx.kernels.state import Points, later
from dmfx.kernels.tangent import Sums, advance

__all__ = ["Survey", "exponents", "new_sums", "survey"]


def new_sums(n_points: int, n: int, context_size: int, n_patterns: int, windows: int) -> Sums:
    """The start of a measurement: the same orthonormal vectors in general position for every point."""
    size = context_size * n_patterns
    basis, _ = np.linalg.qr(np.random.default_rng(0).standard_normal((size, size)))
    frame = basis.T[:n].reshape(n, context_size, n_patterns)
    return Sums(
        np.broadcast_to(frame, (n_points, *frame.shape)),
        np.zeros((n_points, windows + 3, n)),
        np.zeros(n_points),
    )


class Survey(NamedTuple):
    """What `survey` measures.

    Attributes
    ----------
    finite_time
        Exponents of each window, nats per step, shape (point, window, vector).
    lengths
        Steps of each window, shape (window,).
    smooth
        Exponents of the first and the second half of the steps, averaged with the weight exp(-1/(u(1-u))) of the
        relative time u within the half, which on a torus converges far faster than a mean; shape (point, 2, vector).
    lost
        Whether an exponent was lost to underflow, shape (point, vector).
    log_determinant
        Mean of log |det| per step, shape (point,); NaN unless there are as many vectors as dimensions.
    strobes
        Attention value after every ``stride``-th measured step, shape (point, steps // stride, pattern).
    final_attention, final_phase
        State after all of them, shapes (point, lag, pattern) and (point,).
    """

    finite_time: np.ndarray
    lengths: np.ndarray
    smooth: np.ndarray
    lost: np.ndarray
    log_determinant: np.ndarray
    strobes: np.ndarray
    final_attention: np.ndarray
    final_phase: np.ndarray


def survey(
    points: Points,
    *,
    n: int,
    transient: int,
    steps: int,
    stride: int | None = None,
    every: int = 4,
    windows: int = 20,
) -> Survey:
    """Follow sweep points with n tangent vectors and say what they did.

    Parameters
    ----------
    points
        Parameters, weights and full contexts of every point.
    n
        Number of exponents, at most L M.
    transient
        Steps before, in which the vectors turn into the directions of the exponents.
    steps
        Steps that are measured.
    stride
        Steps from one strobe to the next; None for no strobes.
    every
        Steps from one orthonormalisation to the next.
    windows
        Number of windows, at least 2 and at most ``steps``.

    References
    ----------
    .. [1] Das, Saiki, Sander & Yorke, Nonlinearity 30, 4111 (2017): smooth averages.
    """
    n_points, context_size, n_patterns = points.attention.shape
    plan = schedule(transient, steps, every, windows)
    sums = new_sums(n_points, n, context_size, n_patterns, windows)
    _, attention, sums = advance(points, sums, plan, first=0, steps=transient)
    points = later(points, attention, transient)
    record = () if stride is None else ("attention",)
    strobes, attention, sums = advance(
        points, sums, plan, first=transient, steps=steps, record=record, stride=stride or 1
    )
    return Survey(
        **exponents(sums, plan),
        lost=np.isfinite(attention[:, 0]).all(axis=-1)[:, None] & np.isnan(sums.logs).any(axis=1),
        strobes=strobes[0] if record else np.empty((n_points, 0, n_patterns)),
        final_attention=attention,
        final_phase=(points.phase + steps) % context_size,
    )


def exponents(sums: Sums, plan: Schedule) -> dict[str, np.ndarray]:
    """What a complete measurement says: the first four fields of a `Survey` but ``lost``."""
    windows = len(plan.lengths)
    full = sums.frame.shape[1] == sums.frame.shape[2] * sums.frame.shape[3]
    return {
        "finite_time": sums.logs[:, :windows] / plan.lengths[:, None],
        "lengths": plan.lengths,
        "smooth": sums.logs[:, windows : windows + 2],
        "log_determinant": sums.determinant / plan.lengths.sum() if full else np.full(len(sums.frame), np.nan),
    }
