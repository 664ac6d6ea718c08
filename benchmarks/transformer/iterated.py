"""How networks that are iterated get their settings, by the validation images alone.

They are trained once, on clean tokens, and do both tasks. What is chosen: for each task the epoch whose couplings are
kept; for each column the number of steps, the weight γ of a token's own state in each step, and with attention its β.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np

from benchmarks.transformer.tasks import Case

__all__ = ["MOST_STEPS", "ONE_STEP", "Kept", "Network", "Setting", "answer", "choose", "keep_best"]

#: Of noisy tokens the posterior has the weight 1/σ²: 100, 11 and 4 for the three kinds of noise.
GAMMAS = {"masks": (0.0, 1.0, 10.0), "noise": (0.0, 3.0, 10.0, 30.0, 100.0)}
MOST_STEPS = 8


class Network(Protocol):
    """What is iterated.

    Attributes
    ----------
    betas
        Values of β to choose from; one number, which means nothing, without attention.
    """

    betas: tuple[float, ...]

    def iterate(self, case: Case, beta: float, gamma: float) -> Iterator[np.ndarray]:
        """Tokens after 1, 2, ... `MOST_STEPS` steps."""

    def likelihood(self, tokens: np.ndarray) -> float:
        """Mean log P(x_i | rest) per token."""


@dataclass(frozen=True)
class Setting:
    """β, γ, steps, and the error of tokens on the validation images."""

    beta: float
    gamma: float
    steps: int
    error: float = np.nan


#: What the prototype of the theory did.
ONE_STEP = Setting(beta=1.0, gamma=0.0, steps=1)


def answer(network: Network, case: Case, setting: Setting) -> np.ndarray:
    """Tokens after the steps of a setting."""
    states = network.iterate(case, setting.beta, setting.gamma)
    return [next(states) for _ in range(setting.steps)][-1]


def choose(network: Network, case: Case) -> Setting:
    """The setting with the smallest error in this column."""
    tried = []
    for beta in network.betas:
        for gamma in GAMMAS[case.task]:
            for steps, tokens in enumerate(network.iterate(case, beta, gamma), start=1):
                overlap = (tokens[case.asked] * case.clean[case.asked]).sum(axis=-1)
                tried.append(Setting(beta, gamma, steps, float(1 - overlap.mean())))
    return min(tried, key=lambda setting: setting.error)


@dataclass(frozen=True)
class Kept:
    """A network for one task: after which epoch and how many seconds it was kept, and its settings by column."""

    network: Network
    epoch: int
    seconds: float
    settings: Mapping[str, Setting]

    @property
    def error(self) -> float:
        """Mean over the columns of the task."""
        return float(np.mean([setting.error for setting in self.settings.values()]))


def keep_best(
    training: Iterable[tuple[Network, int, float]],
    cases: Sequence[Case],
    patience: int,
    report: Callable[[str], None] = lambda text: None,
) -> dict[str, Kept]:
    """Follow a training, which yields network, epoch and seconds so far, and keep what is best for each task.

    It ends when neither task has improved for ``patience`` times. A training that yields once is kept as it is.
    """
    kept: dict[str, Kept] = {}
    since = 0
    for network, epoch, seconds in training:
        since += 1
        for task in GAMMAS:
            settings = {case.label: choose(network, case) for case in cases if case.task == task}
            now = Kept(network, epoch, seconds, settings)
            report(f"epoch {epoch}, {task}: {now.error:.4f}")
            if task not in kept or now.error < kept[task].error:
                kept[task], since = now, 0
        if since >= patience:
            break
    return kept
