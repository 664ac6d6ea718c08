"""The tasks that all contestants are asked to do, on the same masks and the same noise, and how they are marked.

Masked prediction: a fraction of the tokens is hidden, anywhere or in one block; what is hidden is known. Denoising: a
Gaussian number is added to every component of every token, which is then brought back to the sphere.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np

import dmfx
from dmfx.experiments._hidden import Masks

__all__ = ["FRACTIONS", "KINDS", "NOISES", "Case", "Marks", "Split", "cases", "load", "mark", "mask"]

FRACTIONS = (0.1, 0.3, 0.5, 0.7)
NOISES = (0.1, 0.3, 0.5)
KINDS = ("random", "block")
N_REPLICAS = 3


@dataclass(frozen=True)
class Split:
    """Tokens of images, (n, N, d): to learn from, to choose settings by, to report."""

    encoder: dmfx.tokens.Patches
    train: np.ndarray
    validation: np.ndarray
    test: np.ndarray


def load(folder: Path) -> Split:
    """MNIST's test file: images 0 to 999, 4000 to 4099 and 5000 to 5099 as 49 patches of 4 × 4."""
    encoder = dmfx.tokens.Patches((28, 28), patch=4)
    images = dmfx.tokens.mnist(folder, "test").image.to_numpy()
    return Split(
        encoder, *(encoder.encode(images[part]) for part in (slice(1000), slice(4000, 4100), slice(5000, 5100)))
    )


@dataclass(frozen=True, eq=False)
class Case:
    """One column of the table: the same examples, several times, each time with a mask or noise of its own.

    Attributes
    ----------
    task
        ``"masks"`` or ``"noise"``.
    kind
        How tokens are hidden, of `KINDS`; ``"noise"`` for noise.
    strength
        Fraction hidden, or standard deviation of the noise.
    examples
        Clean tokens (n, N, d).
    n_replicas
        How often they come again: the arrays below start with one axis (replica, example).
    clean, given
        Tokens. Hidden ones are 0 in ``given``.
    hidden, asked
        Which tokens are hidden, and which are marked.
    """

    task: str
    kind: str
    strength: float
    examples: np.ndarray
    n_replicas: int
    clean: np.ndarray
    given: np.ndarray
    hidden: np.ndarray
    asked: np.ndarray

    @property
    def label(self) -> str:
        """Name of the column."""
        return f"{self.kind} {self.strength:g}"


@dataclass(frozen=True)
class Marks:
    """Errors of each example, averaged over the tokens asked for and over replicas.

    Attributes
    ----------
    overlap
        1 - x·ξ.
    pixels
        Mean squared difference of the pixels, which are from 0 to 1.
    """

    overlap: np.ndarray
    pixels: np.ndarray


def mask(kind: str, fraction: float, replica: int, number: int, grid: tuple[int, int]) -> np.ndarray:
    """The tokens that `dmfx.masked_prediction` hides, (N,)."""
    return Masks(grid[0] * grid[1], grid if kind == "block" else None).mask(fraction, replica, number)


def cases(examples: np.ndarray, grid: tuple[int, int], n_replicas: int = N_REPLICAS) -> list[Case]:
    """All columns, for these examples."""
    clean = np.tile(examples, (n_replicas, 1, 1))
    everywhere = np.ones(clean.shape[:2], dtype=bool)
    numbers = [(replica, number) for replica in range(n_replicas) for number in range(len(examples))]
    made = []
    for kind in KINDS:
        for fraction in FRACTIONS:
            hidden = np.stack([mask(kind, fraction, *each, grid) for each in numbers])
            given = np.where(hidden[..., None], 0.0, clean)
            made.append(Case("masks", kind, fraction, examples, n_replicas, clean, given, hidden, hidden))
    for noise in NOISES:
        given = np.concatenate([dmfx.tokens.corrupt(examples, noise, replica) for replica in range(n_replicas)])
        made.append(Case("noise", "noise", noise, examples, n_replicas, clean, given, ~everywhere, everywhere))
    return made


def mark(case: Case, got: np.ndarray, encoder: dmfx.tokens.Patches) -> Marks:
    """Compare answers with the truth where they were asked for."""
    if np.abs(np.linalg.norm(got[case.asked], axis=-1) - 1).max() > 1e-5:
        raise AssertionError(f"{case.label}: an answer is not on the sphere")
    tokens = np.where(case.asked[..., None], got, case.clean)
    difference = encoder.decode(tokens, clip=True) - encoder.decode(case.clean)
    (rows, columns), (height, width) = encoder.grid, encoder.patch
    pixels = (difference**2).reshape(-1, rows, height, columns, width).mean(axis=(2, 4)).reshape(tokens.shape[:2])
    return Marks(_by_example(1 - (tokens * case.clean).sum(axis=-1), case), _by_example(pixels, case))


def _by_example(error: np.ndarray, case: Case) -> np.ndarray:
    means = np.where(case.asked, error, 0.0).sum(axis=1) / case.asked.sum(axis=1)
    return means.reshape(case.n_replicas, -1).mean(axis=0)
