"""The sweep points that are measured."""

from __future__ import annotations

import numpy as np

from dmfx.kernels.state import Points
from dmfx.models import SelfAttention
from dmfx.models.published import GAMMA

__all__ = ["paper_points", "random_points"]


def paper_points(beta: np.ndarray) -> Points:
    """The published configuration (M = 3, L = 4, J = 3) at these β."""
    model = SelfAttention.paper()
    real = model.realisation(0)
    attention = np.array(model.start.attention)
    return Points(
        beta=beta,
        gamma=np.full(len(beta), GAMMA),
        epsilon=np.full(len(beta), model.epsilon),
        realisation=np.zeros(len(beta), dtype=np.int64),
        field=real.field[None],
        overlap=real.overlap[None],
        drive=real.drive[None],
        attention=np.broadcast_to(attention, (len(beta), *attention.shape)),
        phase=np.full(len(beta), model.start.phase),
        token=None,
    )


def random_points(n_patterns: int, context_size: int, n_columns: int, n_points: int) -> Points:
    """Random signs as weights, random contexts; β from 0 to 3 as in the paper."""
    rng = np.random.default_rng(0)
    field = rng.choice([-1.0, 1.0], (1, n_patterns, n_columns))
    overlap = rng.choice([-1.0, 1.0], (1, 4, n_patterns, n_columns)) / n_columns
    overlap[:, 0] = field / n_columns
    return Points(
        beta=np.linspace(0, 3, n_points),
        gamma=np.full(n_points, GAMMA),
        epsilon=np.full(n_points, 0.02),
        realisation=np.zeros(n_points, dtype=np.int64),
        field=field,
        overlap=overlap,
        drive=rng.choice([-1.0, 1.0], (1, context_size, 4, n_patterns)),
        attention=rng.uniform(-1, 1, (n_points, context_size, n_patterns)),
        phase=np.zeros(n_points, dtype=np.int64),
        token=None,
    )
