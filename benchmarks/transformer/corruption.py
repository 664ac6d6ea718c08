"""What the transformer block is trained on: masks and noise of the table's strengths, drawn anew for each batch."""

from __future__ import annotations

import numpy as np

from benchmarks.transformer.tasks import FRACTIONS, KINDS, NOISES, mask

__all__ = ["with_masks", "with_noise"]

#: The table has replicas from 0 on; those of training are others.
FIRST_REPLICA = 1000


def with_masks(
    tokens: np.ndarray, rng: np.random.Generator, grid: tuple[int, int]
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """What is given, which tokens are hidden, which are asked for; fractions uniform between those of the table."""
    n = len(tokens)
    fractions = rng.uniform(FRACTIONS[0], FRACTIONS[-1], n)
    replicas = FIRST_REPLICA + rng.integers(2**31, size=n)
    kinds = rng.choice(KINDS, n)
    hidden = np.stack([mask(*each, 0, grid) for each in zip(kinds, fractions, replicas.tolist(), strict=True)])
    return tokens, hidden, hidden


def with_noise(
    tokens: np.ndarray, rng: np.random.Generator, grid: tuple[int, int]
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """The same with nothing hidden and everything asked for; σ uniform, from half the smallest of the table."""
    sigma = rng.uniform(NOISES[0] / 2, NOISES[-1], (len(tokens), 1, 1))
    noisy = tokens + sigma * rng.standard_normal(tokens.shape)
    everywhere = np.ones(tokens.shape[:2], dtype=bool)
    return noisy / np.linalg.norm(noisy, axis=-1, keepdims=True), ~everywhere, everywhere
