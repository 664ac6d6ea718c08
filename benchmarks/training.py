"""Training beside the plain implementation, and beside its floor."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial

import numpy as np
from numba import njit

import dmfx
from benchmarks import plain_training
from benchmarks.measure import Result, interleave, progress
from dmfx.kernels.lanes import WIDTH, exp, load, store
from dmfx.kernels.settings import OPTIONS
from dmfx.kernels.von_mises_fisher import normaliser, normaliser_table
from dmfx.training.threads import Workers, one_thread_each
from dmfx.weights.streams import BATCH_STREAM, generator

__all__ = ["measure"]

#: Images of MNIST in patches: how many, patches of an image, components of a token, images of a batch.
EXAMPLES, TOKENS, COMPONENTS, BATCH, EPOCHS = 1000, 49, 17, 50, 6
RATE = 0.05
GOAL = 5
#: Side of the square matrices whose product tells the rate of BLAS, and number of pairs in one piece of the floor.
SIDE, PIECE = 512, 2**13


@njit(**OPTIONS)
def exponentials(work, rows):
    """An exponential of each number."""
    for row in range(rows):
        store(work, rows + row, exp(load(work, row)))


@njit(**OPTIONS)
def transcendental(work, table, rows):
    """A Bessel function of each number, and two exponentials."""
    for row in range(rows):
        exponent, factor, mean = normaliser(load(work, row), table)
        store(work, rows + row, factor * exp(exponent) + exp(mean))


def floor(n_examples: int, epochs: int, n_threads: int, *, products: int = 2, bessel: bool = True) -> None:
    """The arithmetic that epochs cannot do without, at its fastest: large matrix products, and full lanes.

    ``products`` matrix products for each pair of tokens, and Bessel functions or only exponentials.
    """
    pairs = epochs * n_examples * TOKENS * (TOKENS - 1)
    n_products = max(round(products * pairs * COMPONENTS**2 / SIDE**3), 1)
    pieces = -(-pairs // PIECE)
    matrices = np.ones((n_threads, 3, SIDE, SIDE))
    work = np.ones((n_threads, 2 * PIECE))
    table = normaliser_table(COMPONENTS)

    def one_thread(thread: int) -> None:
        a, b, c = matrices[thread]
        for _ in range(thread, n_products, n_threads):
            np.matmul(a, b, out=c)
        for _ in range(thread, pieces, n_threads):
            if bessel:
                transcendental(work[thread], table, PIECE // WIDTH)
            else:
                exponentials(work[thread], PIECE // WIDTH)

    with one_thread_each(), Workers(n_threads) as workers:
        workers.each(one_thread, n_threads)


def measure(quick: bool = False) -> Iterator[Result]:
    """From couplings of 0, through the public interface, with Adam; seconds are those of an epoch."""
    n, epochs, repeats = (200, 2, 1) if quick else (EXAMPLES, EPOCHS, 3)
    progress(f"training, {n} images, {epochs} epochs, the plain implementation too")
    tokens = dmfx.tokens.random(n, TOKENS, COMPONENTS, seed=1)
    net = dmfx.VectorAttention(dmfx.couplings.zeros(TOKENS, COMPONENTS))
    orders = [generator(0, BATCH_STREAM, epoch + 1).permutation(n) for epoch in range(epochs)]
    zeros = np.zeros((TOKENS, TOKENS, COMPONENTS, COMPONENTS))

    def train(workers: int) -> np.ndarray:
        arguments = {
            "learning_rate": RATE,
            "batch_size": BATCH,
            "epochs": epochs,
            "workers": workers,
            "progress": False,
        }
        return net.fit(tokens, **arguments).couplings.dense()

    def plain() -> np.ndarray:
        return plain_training.train(zeros, tokens, 1.0, orders, BATCH, plain_training.Adam(RATE))

    # Adam makes steps of one size of the smallest gradients too, so that the effect of rounding grows.
    off = np.abs(train(2) - plain()).max()
    if off > 1e-6:
        raise AssertionError(f"the two implementations differ by {off:.1e}")
    floor(1, 1, 1)
    tasks = {"plain": plain}
    for workers in (1, 2):
        tasks[f"train {workers}"] = partial(train, workers)
        tasks[f"floor {workers}"] = partial(floor, n, epochs, workers)
    seconds = {name: taken / epochs for name, taken in interleave(tasks, repeats, warm_up=False).items()}
    for workers in (1, 2):
        name, ran = f"training epoch, {n} images, {workers} threads", seconds[f"train {workers}"]
        yield Result(name, "s", ran, seconds["plain"], "einsum, SciPy", faster=True, goal=GOAL)
        yield Result(name, "s", ran, seconds[f"floor {workers}"], "large matrix products, Bessel, exp")
