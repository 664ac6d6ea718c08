"""Recall by a network of vector spins: runs from many images, beside the plain implementation and the floor."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial

import dask
import numpy as np

import dmfx
from benchmarks import training
from benchmarks.measure import Result, interleave, progress

__all__ = ["measure"]

#: Images of MNIST in patches: how many run, how many are stored, patches of an image, components of a token.
RUNS, STORED, TOKENS, COMPONENTS, STEPS = 1000, 1000, 49, 17, 50
#: Steps of the plain implementation, which takes about a second for each.
PLAIN_STEPS = 2
GOAL_SECONDS = 20


def plain(matrices: np.ndarray, patterns: np.ndarray, tokens: np.ndarray, beta: float, steps: int) -> np.ndarray:
    """The equations as they stand, with NumPy's einsum: overlaps (run, step, pattern)."""
    n = tokens.shape[1]
    overlaps = []
    for _ in range(steps):
        fields = np.einsum("ijab,rjb->rija", matrices, tokens)
        scores = beta * np.einsum("ria,rija->rij", tokens, fields)
        scores[:, np.arange(n), np.arange(n)] = -np.inf
        weights = np.exp(scores - scores.max(axis=2, keepdims=True))
        weights /= weights.sum(axis=2, keepdims=True)
        tokens = np.einsum("rij,rija->ria", weights, fields)
        tokens /= np.linalg.norm(tokens, axis=2, keepdims=True)
        overlaps.append(np.einsum("ria,mia->rm", tokens, patterns, optimize=True) / n)
    return np.stack(overlaps, axis=1)


def measure(quick: bool = False) -> Iterator[Result]:
    """Through the public interface: every image, 50 steps, overlaps with all stored ones; in memory."""
    runs, repeats = (200, 1) if quick else (RUNS, 3)
    progress(f"recall, {runs} images, {STEPS} steps, the plain implementation too")
    tokens = dmfx.tokens.random(runs, TOKENS, COMPONENTS, seed=1)
    couplings = dmfx.couplings.random(TOKENS, COMPONENTS).draw(0)
    patterns = dmfx.tokens.random(STORED, TOKENS, COMPONENTS, seed=2)
    net = dmfx.VectorAttention(couplings, patterns)

    def recall(workers: int, stored: int, steps: int = STEPS) -> np.ndarray:
        some = net.with_patterns(patterns[:stored])
        ds = dmfx.simulate(some, beta=1.0, gamma=0.0, initial=tokens, steps=steps)
        with dask.config.set(scheduler="threads", num_workers=workers):
            return ds["overlap"].to_numpy()[0, 0, 0]

    off = np.abs(recall(2, STORED, PLAIN_STEPS) - plain(couplings.dense(), patterns, tokens, 1.0, PLAIN_STEPS)).max()
    if off > 1e-12:
        raise AssertionError(f"the two implementations differ by {off:.1e}")
    training.floor(1, 1, 1, bessel=False)
    tasks = {"plain": partial(plain, couplings.dense(), patterns, tokens, 1.0, PLAIN_STEPS)}
    cases = ((1, 1), (2, 1), (2, STORED))
    for workers, stored in cases:
        tasks[f"recall {workers} {stored}"] = partial(recall, workers, stored)
    # As many multiplications as the fields of all pairs have: an epoch's are twice as many.
    for workers in (1, 2):
        tasks[f"floor {workers}"] = partial(training.floor, runs, STEPS, workers, products=1, bessel=False)
    seconds = interleave(tasks, repeats, warm_up=False)
    per_plain = seconds["plain"] * STEPS / PLAIN_STEPS
    for workers, stored in cases:
        name = f"recall, {runs} images, {STEPS} steps, {stored} stored, {workers} threads"
        ran = seconds[f"recall {workers} {stored}"]
        goal = {"goal": GOAL_SECONDS, "goal_of": "measured"} if workers == 2 else {}
        yield Result(name, "s", ran, per_plain, "einsum", faster=True, **goal)
        yield Result(name, "s", ran, seconds[f"floor {workers}"], "large matrix products of its fields, exp")
