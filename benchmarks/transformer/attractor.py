"""dmfx.VectorAttention: trained by its local gradients, run by the tasks of its public interface."""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np

import dmfx
from benchmarks.transformer.iterated import MOST_STEPS
from benchmarks.transformer.tasks import Case

__all__ = ["Attractor", "train_attractor"]

BETA = 1.0


@dataclass(frozen=True)
class Attractor:
    """The network after some epoch, and the grid that its tokens fill."""

    net: dmfx.VectorAttention
    grid: tuple[int, int]
    betas = (0.03, 0.1, 0.3, 1.0)

    @property
    def n_parameters(self) -> int:
        """Numbers in J without J_ii."""
        return self.net.couplings.n_parameters

    def likelihood(self, tokens: np.ndarray) -> float:
        """Mean log P(x_i | rest) per token."""
        return float(self.net.log_likelihood(tokens, BETA).mean())

    def iterate(self, case: Case, beta: float, gamma: float) -> Iterator[np.ndarray]:
        """Tokens after each step, of all replicas of the examples of a case."""
        arguments = {
            "beta": beta,
            "gamma": gamma,
            "replica": np.arange(case.n_replicas),
            "steps": MOST_STEPS,
            "variables": "tokens",
        }
        if case.task == "masks":
            grid = {"grid": self.grid} if case.kind == "block" else {}
            ds = dmfx.masked_prediction(
                self.net, case.examples, hidden=case.kind, fraction=case.strength, fill="mean", **grid, **arguments
            )
            if not np.array_equal(ds.hidden.to_numpy().reshape(case.hidden.shape), case.hidden):
                raise AssertionError(f"{case.label}: the masks are not those of the other contestants")
        else:
            ds = dmfx.denoising(self.net, case.examples, noise=case.strength, **arguments)
        tokens = ds.tokens.squeeze(["beta", "gamma", "seed"]).transpose(
            "step", "replica", "initial", "token", "component"
        )
        tokens = tokens.to_numpy().reshape(MOST_STEPS + 1, *case.clean.shape)
        if case.task == "noise" and np.abs(tokens[0] - case.given).max() > 1e-12:
            raise AssertionError(f"{case.label}: the noise is not that of the other contestants")
        yield from tokens[1:]


def train_attractor(
    tokens: np.ndarray,
    grid: tuple[int, int],
    *,
    checks: Sequence[int],
    learning_rate: float,
    batch_size: int = 50,
    workers: int = 1,
    seed: int = 0,
) -> Iterator[tuple[Attractor, int, float]]:
    """Train by the pseudo-likelihood; yield network, epoch and seconds so far at some epochs."""
    net = dmfx.VectorAttention(dmfx.couplings.zeros(*tokens.shape[1:]))
    seconds, done = 0.0, 0
    for epoch in checks:
        started = time.perf_counter()
        net = net.fit(
            tokens,
            beta=BETA,
            epochs=epoch - done,
            batch_size=batch_size,
            learning_rate=learning_rate,
            seed=seed,
            resume=done > 0,
            workers=workers,
            progress=False,
        )
        seconds += time.perf_counter() - started
        done = epoch
        yield Attractor(net, grid), epoch, seconds
