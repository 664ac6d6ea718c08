"""The epochs of a training."""

from __future__ import annotations

import math
import time
from typing import TYPE_CHECKING

import numpy as np
import xarray as xr

from dmfx.training.examples import Examples
from dmfx.training.objective import Objective
from dmfx.training.optimisers import OPTIMISERS
from dmfx.training.settings import Settings
from dmfx.training.state import Training
from dmfx.training.symmetry import start_symmetric, symmetric_part
from dmfx.training.threads import Workers
from dmfx.variables import describe_dataset
from dmfx.weights.streams import BATCH_STREAM, generator

if TYPE_CHECKING:
    from dmfx.models.vector_attention import VectorAttention

__all__ = ["HISTORY", "Run", "begin"]

#: Variables of the history, by epoch.
HISTORY = ("log_likelihood", "held_out_log_likelihood", "gradient_norm", "learning_rate", "seconds")


def begin(net: VectorAttention, settings: Settings) -> VectorAttention:
    """The network before its first epoch."""
    couplings = start_symmetric(net.couplings) if settings.symmetric else net.couplings
    shapes = {name: array.shape for name, array in couplings.parameters.items()}
    moments = {
        moment: {name: np.broadcast_to(0.0, shape) for name, shape in shapes.items()}  # takes no memory yet
        for moment in OPTIMISERS[settings.optimiser].moments
    }
    return net.trained(couplings, Training(settings, couplings.kind, 0, None, False, {}, moments, _history([])))


class Run:
    """A training at work.

    Parameters
    ----------
    net
        The network with the state of its training.
    settings
        What decides the result.
    examples, held_out
        To train on, and to watch, or None.
    workers
        Threads.
    """

    def __init__(
        self, net: VectorAttention, settings: Settings, examples: Examples, held_out: Examples | None, workers: Workers
    ):
        state, couplings = net.training, net.couplings
        self.net, self.settings, self.workers = net, settings, workers
        self.examples, self.held_out = examples, held_out
        self.epochs, self.stopped, self.best_epoch = state.epochs, state.stopped, state.best_epoch
        self.best = couplings.parameters if state.best_epoch is not None else None
        self.arrays = {name: array.copy() for name, array in (state.last or couplings.parameters).items()}
        self.moments = {moment: {k: v.copy() for k, v in each.items()} for moment, each in state.moments.items()}
        self.rows = [{name: float(state.history[name][n]) for name in HISTORY} for n in range(state.epochs)]
        self.optimiser = OPTIMISERS[settings.optimiser]
        self.objective = Objective(couplings, settings.beta, examples.vocabulary, settings.batch_size, workers)

    def epoch(self) -> None:
        """Go through all examples once.

        Raises
        ------
        FloatingPointError
            If the couplings have become so large that numbers overflow.
        """
        started = time.perf_counter()
        number, settings = self.epochs + 1, self.settings
        rate = settings.learning_rate * settings.decay ** (number - 1)
        order = generator(settings.seed, BATCH_STREAM, number).permutation(len(self.examples))
        n_batches = -(-len(order) // settings.batch_size)
        total, squares = 0.0, 0.0
        for n in range(n_batches):
            batch = self.examples.take(order[n * settings.batch_size : (n + 1) * settings.batch_size])
            log_p, gradient = self._gradient(batch)
            total += float(log_p.sum())
            squares += sum(float(np.dot(array.reshape(-1), array.reshape(-1))) for array in gradient.values())
            steps = self.epochs * n_batches + n + 1
            self.optimiser.step(self.arrays, gradient, self.moments, steps, rate, self.workers)
        held_out = math.nan if self.held_out is None else self._mean(self.held_out)
        if (
            not math.isfinite(total)
            or math.isinf(squares)
            or (self.held_out is not None and not math.isfinite(held_out))
            or not all(np.isfinite(array).all() for array in self.arrays.values())
        ):
            raise FloatingPointError(
                f"fit: training diverged in epoch {number}: take a smaller learning_rate than {rate:g}"
            )
        row = total / (len(self.examples) * self.net.n_tokens), held_out, math.sqrt(squares / n_batches), rate
        self.epochs = number
        self.rows.append(dict(zip(HISTORY, (*row, time.perf_counter() - started), strict=True)))
        self._watch()

    def result(self) -> VectorAttention:
        """The network as it is now; its arrays are those that the next epoch changes."""
        is_last = self.best is None or self.best_epoch == self.epochs
        couplings = self.net.couplings.replace(**(self.arrays if is_last else self.best))
        training = Training(
            settings=self.settings,
            kind=couplings.kind,
            epochs=self.epochs,
            best_epoch=self.best_epoch,
            stopped=self.stopped,
            last={} if is_last else _read_only(self.arrays),
            moments={moment: _read_only(arrays) for moment, arrays in self.moments.items()},
            history=_history(self.rows),
        )
        return self.net.trained(couplings, training)

    def _gradient(self, batch: np.ndarray) -> tuple[np.ndarray, dict[str, np.ndarray]]:
        """Find log P of a batch, and the gradient of its mean over the examples less the penalty."""
        log_p, gradient = self.objective.gradient(self.arrays, batch)
        if self.settings.symmetric:
            gradient = symmetric_part(self.net.couplings, gradient)
        if self.settings.l2 > 0:
            for name, array in gradient.items():
                array -= self.settings.l2 * self.arrays[name]
        return log_p, gradient

    def _mean(self, examples: Examples) -> float:
        """Mean of log P over tokens and examples."""
        size, total = self.settings.batch_size, 0.0
        for start in range(0, len(examples), size):
            batch = examples.take(slice(start, start + size))
            total += float(self.objective.log_likelihood(self.arrays, batch).sum())
        return total / (len(examples) * self.net.n_tokens)

    def _watch(self) -> None:
        """Keep the best couplings, and stop when they have been the best for long."""
        if self.settings.patience is None:
            return
        likelihoods = [row["held_out_log_likelihood"] for row in self.rows]
        if self.best_epoch is None or likelihoods[-1] > likelihoods[self.best_epoch - 1]:
            self.best_epoch = self.epochs
            self.best = {name: array.copy() for name, array in self.arrays.items()}
        self.stopped = self.epochs - self.best_epoch >= self.settings.patience


def _read_only(arrays: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
    """Views that nobody writes to."""
    views = {name: array.view() for name, array in arrays.items()}
    for view in views.values():
        view.flags.writeable = False
    return views


def _history(rows: list[dict[str, float]]) -> xr.Dataset:
    """What happened, by epoch."""
    variables = {name: ("epoch", np.array([row[name] for row in rows], dtype=float)) for name in HISTORY}
    return describe_dataset(xr.Dataset(variables, {"epoch": np.arange(1, len(rows) + 1)}))
