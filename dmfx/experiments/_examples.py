"""The examples of a task: clean, corrupted, and which of them are stored."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from dask.base import normalize_token

from dmfx.experiments._axes import setting
from dmfx.experiments._networks import Networks
from dmfx.tokens.noise import noise_of
from dmfx.tokens.sphere import project
from dmfx.vectors.blocks import Held
from dmfx.vectors.starts import by_labels

__all__ = ["Corrupted", "Likeness", "stored_labels"]


@dataclass(frozen=True, eq=False)
class Corrupted:
    """Starts that are examples with noise, as of `dmfx.tokens.corrupt`.

    Attributes
    ----------
    tokens
        Clean examples, shape (initial, token, component).
    numbers
        The number by which each gets its noise.
    fixed
        Noise and replica where they are no dims.
    """

    tokens: np.ndarray
    numbers: np.ndarray
    fixed: Mapping[str, float | int]

    def states(self, labels: Mapping[str, np.ndarray]) -> np.ndarray:
        """The corrupted example of each point."""
        states = self.tokens[labels["initial"]]
        noise = setting(labels, self.fixed, "noise")
        noisy = noise > 0
        if noisy.any():
            shape = states.shape[1:]
            replica = setting(labels, self.fixed, "replica")[noisy]
            numbers = self.numbers[labels["initial"][noisy]]
            random = by_labels(lambda replica, number: noise_of(replica, number, *shape), replica, numbers)
            states[noisy] = project(states[noisy] + noise[noisy, None, None] * random)
        return states

    def __dask_tokenize__(self) -> object:
        return normalize_token(("Corrupted", self.tokens, self.numbers, sorted(self.fixed.items())))


@dataclass(frozen=True, eq=False)
class Likeness:
    """Compares all tokens of a state with the clean example that the run started from.

    Attributes
    ----------
    tokens
        Clean examples, shape (initial, token, component).
    """

    tokens: np.ndarray

    def __call__(self, labels: Mapping[str, np.ndarray], _states: np.ndarray) -> Held:
        """What the points are compared with; nothing is held."""
        target = self.tokens[labels["initial"]]
        return Held(None, target, np.full(target.shape[:2], 1 / target.shape[1]))

    def __dask_tokenize__(self) -> object:
        return normalize_token(("Likeness", self.tokens))


def stored_labels(tokens: np.ndarray, networks: Networks) -> np.ndarray | None:
    """Labels of the stored patterns that configurations are, -1 for none.

    None if none of them is stored, or if labels mean one pattern for one network and another for the next.
    """
    if networks.odd_one is not None:
        return None
    known: dict[bytes, int] = {}
    for label, pattern in enumerate(networks.patterns):
        known.setdefault(pattern.tobytes(), label)
    labels = np.array([known.get(each.tobytes(), -1) for each in tokens])
    return labels if (labels >= 0).any() else None
