"""What needs no training at all: answers that any network has to beat."""

from __future__ import annotations

import numpy as np

__all__ = ["as_given", "mean_direction", "mean_token", "nearest_image"]


def as_given(tokens: np.ndarray, hidden: np.ndarray) -> np.ndarray:
    """The noisy tokens themselves; of hidden ones it says nothing."""
    return tokens


def mean_token(train: np.ndarray, tokens: np.ndarray, hidden: np.ndarray) -> np.ndarray:
    """The direction of the mean of the training tokens at this position, whatever is given."""
    return np.broadcast_to(mean_direction(train), tokens.shape)


def mean_direction(train: np.ndarray) -> np.ndarray:
    """The mean training token at each position, (N, d), of length 1."""
    mean = train.mean(axis=0)
    return mean / np.linalg.norm(mean, axis=-1, keepdims=True)


def nearest_image(train: np.ndarray, tokens: np.ndarray, hidden: np.ndarray) -> np.ndarray:
    """The training image whose tokens overlap most with those that are visible; hidden ones are given as 0."""
    return train[(tokens.reshape(len(tokens), -1) @ train.reshape(len(train), -1).T).argmax(axis=1)]
