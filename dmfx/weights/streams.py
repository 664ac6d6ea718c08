"""Random numbers by coordinates: each realisation, and each purpose within it, has a stream of its own."""

from __future__ import annotations

import numpy as np

__all__ = [
    "BATCH_STREAM",
    "CODEBOOK_STREAM",
    "MASK_STREAM",
    "NOISE_STREAM",
    "POSITION_STREAM",
    "START_STREAM",
    "TOKEN_STREAM",
    "WEIGHT_STREAM",
    "generator",
]

WEIGHT_STREAM, POSITION_STREAM, START_STREAM, TOKEN_STREAM = 0, 1, 2, 3
#: Of vector tokens: noise on them and masks by (replica, example), the order of examples by epoch, a codebook.
NOISE_STREAM, MASK_STREAM, BATCH_STREAM, CODEBOOK_STREAM = 4, 5, 6, 7


def generator(seed: int, stream: int, *more: int) -> np.random.Generator:
    """Random numbers of one realisation; each purpose has a stream of its own."""
    return np.random.default_rng(np.random.SeedSequence(int(seed), spawn_key=(stream, *(int(n) for n in more))))
