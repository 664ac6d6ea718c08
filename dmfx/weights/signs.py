"""Sign vectors: all of them, or drawn."""

from __future__ import annotations

import itertools

import numpy as np

from dmfx.validation import Problems

__all__ = ["check_all_signs", "random_signs", "sign_vectors"]

#: Ensembles over all sign vectors have 2^(M-1) column types; beyond this M they would not fit in a cache.
MOST_PATTERNS_OF_ALL_SIGNS = 16


def sign_vectors(n_patterns: int) -> np.ndarray:
    """All sign vectors with first sign +1, shape (pattern, 2^(M-1))."""
    return np.array([(1.0, *rest) for rest in itertools.product((1.0, -1.0), repeat=n_patterns - 1)]).T


def random_signs(rng: np.random.Generator, shape: tuple[int, ...]) -> np.ndarray:
    """Independent signs, +1 and -1 equally likely."""
    return 2.0 * rng.integers(0, 2, shape) - 1.0


def check_all_signs(problems: Problems, n_patterns: int) -> None:
    """Record as a problem that all sign vectors of so many patterns would be too many."""
    if n_patterns > MOST_PATTERNS_OF_ALL_SIGNS:
        problems.say(
            f"{n_patterns} patterns would need 2^{n_patterns - 1} column types; at most "
            f"{MOST_PATTERNS_OF_ALL_SIGNS} are possible here: use dmfx.weights.random or segments instead"
        )
