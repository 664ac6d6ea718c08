"""The derivative of the map over some steps, for Newton's method."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from dmfx.kernels.schedule import Schedule
from dmfx.kernels.state import Points
from dmfx.kernels.tangent import Sums, advance

__all__ = ["Jacobian", "jacobian"]


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
