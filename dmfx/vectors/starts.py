"""The states that runs of vector spins start from, by the coordinates of a point."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Protocol

import numpy as np

from dmfx.tokens.sphere import project
from dmfx.weights.streams import START_STREAM, generator

__all__ = ["FromTokens", "RandomStates", "Start", "by_labels", "random_state"]


class Start(Protocol):
    """What a task asks for the states that its points start from."""

    def states(self, labels: Mapping[str, np.ndarray]) -> np.ndarray:
        """Unit vectors, shape (point, token, component), for coordinates of shape (point,)."""


@dataclass(frozen=True, eq=False)
class FromTokens:
    """Configurations that were given, along the dim ``initial``, or the only one.

    Attributes
    ----------
    tokens
        Shape (initial, token, component).
    """

    tokens: np.ndarray

    def states(self, labels: Mapping[str, np.ndarray]) -> np.ndarray:
        """The configuration of each point."""
        if len(self.tokens) == 1:
            return np.repeat(self.tokens, len(labels["seed"]), axis=0)
        return self.tokens[labels["initial"]]

    def __dask_tokenize__(self) -> tuple[str, np.ndarray]:
        return ("FromTokens", self.tokens)


@dataclass(frozen=True)
class RandomStates:
    """Tokens uniform on the sphere, numbered along the dim ``initial``."""

    n_tokens: int
    n_components: int

    def states(self, labels: Mapping[str, np.ndarray]) -> np.ndarray:
        """A state for each seed and number."""
        shape = (self.n_tokens, self.n_components)
        return by_labels(lambda seed, number: random_state(seed, number, shape), labels["seed"], labels["initial"])


def random_state(seed: int, number: int, shape: tuple[int, int]) -> np.ndarray:
    """The random configuration with this number, the same as in `dmfx.tokens.random`."""
    return project(generator(seed, START_STREAM, number).standard_normal(shape))


def by_labels(function, *labels: np.ndarray) -> np.ndarray:
    """Values of a function of labels for many points, called once for each combination that occurs."""
    known, codes = zip(*(np.unique(each, return_inverse=True) for each in labels), strict=True)
    distinct, places = np.unique(np.stack(codes, axis=1), axis=0, return_inverse=True)
    values = [function(*(each[i].item() for each, i in zip(known, row, strict=True))) for row in distinct]
    return np.stack(values)[places.reshape(-1)]
