"""What the kernels are given: parameters, weights, starts and noise by point."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

import numpy as np

from dmfx.models.self_attention import SelfAttention

if TYPE_CHECKING:
    from dmfx.kernels.state import Points

__all__ = ["by_noise", "distinct", "points_at"]


def points_at(
    model: SelfAttention,
    beta: np.ndarray,
    gamma: np.ndarray,
    seed: np.ndarray,
    epsilon: np.ndarray,
    attention: np.ndarray,
    phase: np.ndarray,
    token: np.ndarray | None = None,
    *,
    size: np.ndarray | None = None,
    key: np.ndarray | None = None,
    clock: np.ndarray | None = None,
) -> Points:
    """What the kernels take: parameters and starts by point, shape (point, ...), with the weights of every seed.

    With ``size``, the number of spins of each point, either all finite, and then with the ``key`` and the ``clock`` of
    their noise, or all infinite.
    """
    from dmfx.kernels.state import Points

    size = np.full(len(seed), np.inf) if size is None else size
    finite = bool(np.isfinite(size).all())
    numbers, realisation = distinct(seed, size)
    drawn = [model.realisation(int(number)).of_size(spins) for number, spins in numbers]
    return Points(
        beta=beta,
        gamma=gamma,
        epsilon=epsilon,
        realisation=realisation,
        field=np.stack([real.field for real in drawn]),
        overlap=np.stack([real.overlap for real in drawn]),
        drive=np.stack([real.drive for real in drawn]),
        attention=attention,
        phase=phase.astype(np.int64) % model.context_size,
        token=token,
        spins=np.stack([real.spins for real in drawn]) if finite else None,
        key=key if finite else None,
        clock=clock.astype(np.int64) if finite else None,
    )


def distinct(*labels: np.ndarray) -> tuple[list[tuple], np.ndarray]:
    """Distinct combinations among the points, and which of them each point has."""
    combinations = list(zip(*(values.tolist() for values in labels), strict=True))
    number = {combination: i for i, combination in enumerate(dict.fromkeys(combinations))}
    return list(number), np.array([number[combination] for combination in combinations])


def by_noise(
    size: np.ndarray | None, function: Callable[[np.ndarray | slice], tuple[np.ndarray, ...]]
) -> tuple[np.ndarray, ...]:
    """Call a function for the points of the mean field and for those of finite networks, which run apart.

    ``function`` gets the numbers of the points and returns arrays (point, ...), which are put together again.
    """
    finite = np.zeros(0, bool) if size is None else np.isfinite(size)
    if not finite.any() or finite.all():
        return function(slice(None))
    groups = [np.flatnonzero(~finite), np.flatnonzero(finite)]
    parts = [function(group) for group in groups]
    order = np.argsort(np.concatenate(groups))
    return tuple(np.concatenate(arrays)[order] for arrays in zip(*parts, strict=True))
