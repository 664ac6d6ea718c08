"""The pseudo-likelihood of a batch and its gradient, token by token."""

from __future__ import annotations

import queue
from collections.abc import Mapping

import numpy as np

from dmfx.couplings import Couplings
from dmfx.kernels.lanes import WIDTH
from dmfx.training.forms import FORMS
from dmfx.training.threads import Workers

__all__ = ["GROUPS", "Objective", "n_bytes"]

#: Tokens are dealt to threads in this many groups, whatever the number of threads: a group adds up by itself.
GROUPS = 16

#: Numbers in the probabilities of the vectors of a vocabulary that are held at once: what fits into a cache.
PROBABILITIES = 2**18

#: Bytes of what a token feels of all others, in the examples that are taken together. Larger batches are taken in
#: parts: measured at 784 tokens of rank 8, 64 examples took 3.0 s at once and 1.8 s in two parts.
FIELDS = 2**21


def in_lanes(n_examples: int) -> int:
    """Number of lanes that examples fill, in whole blocks."""
    return -(-n_examples // WIDTH) * WIDTH


def at_once(couplings: Couplings, n_examples: int) -> int:
    """How many of a batch of examples are taken together: those whose fields fit into a cache, but not too few."""
    one_lane = 8 * couplings.n_tokens * couplings.n_components
    lanes = max(FIELDS // one_lane // WIDTH * WIDTH, FORMS[couplings.kind].least)
    return min(n_examples, lanes)


def n_bytes(couplings: Couplings, n_examples: int, n_vectors: int, workers: int) -> float:
    """What an `Objective` takes, without the arrays of the couplings."""
    part = at_once(couplings, n_examples)
    width, d = in_lanes(part), couplings.n_components
    one_batch = 8.0 * couplings.n_tokens * d * width
    vocabulary = one_batch + 8.0 * max(PROBABILITIES, n_vectors * width) if n_vectors else 0.0
    groups = min(GROUPS, couplings.n_tokens)
    form = FORMS[couplings.kind].n_bytes(couplings, groups, width) + (couplings.nbytes if part < n_examples else 0)
    return 2 * one_batch + workers * (one_batch + vocabulary) + form


class Objective:
    r"""Σ_i log P(x_i | rest) of examples, as a function of the arrays of couplings.

    Parameters
    ----------
    couplings
        Form and shapes; the numbers in its arrays are not used.
    beta
        β.
    vocabulary
        Vectors v that tokens are out of, shape (V, d); None for tokens anywhere on the sphere.
    n_examples
        The most examples of a batch.
    workers
        Threads.
    """

    def __init__(
        self, couplings: Couplings, beta: float, vocabulary: np.ndarray | None, n_examples: int, workers: Workers
    ):
        from dmfx.kernels.von_mises_fisher import normaliser_table

        self.n_tokens, self.n_components, self.beta = couplings.n_tokens, couplings.n_components, beta
        self.vocabulary, self.workers = vocabulary, workers
        self.at_once = at_once(couplings, n_examples)
        self.groups = np.array_split(np.arange(self.n_tokens), min(GROUPS, self.n_tokens))
        self.form = FORMS[couplings.kind](couplings, len(self.groups))
        self.table = normaliser_table(self.n_components)
        self._spaces: queue.SimpleQueue = queue.SimpleQueue()
        for _ in range(workers.count):
            self._spaces.put(_Space(self.n_tokens, self.n_components, in_lanes(self.at_once), vocabulary))

    def log_likelihood(self, arrays: Mapping[str, np.ndarray], tokens: np.ndarray) -> np.ndarray:
        """Find log P(x_i | rest) of examples (B, N, d), shape (B, N)."""
        return np.concatenate([self._run(arrays, part, derive=False) for part in self._parts(tokens)])

    def gradient(
        self, arrays: Mapping[str, np.ndarray], tokens: np.ndarray
    ) -> tuple[np.ndarray, dict[str, np.ndarray]]:
        """The same, and the gradient of its sum over the tokens and mean over the examples, by every array.

        The arrays of the gradient are those of the next call, too.
        """
        log_p, gradient = [], {}
        for part in self._parts(tokens):
            if len(log_p) == 1:  # the next part writes over it
                gradient = {name: array.copy() for name, array in gradient.items()}
            log_p.append(self._run(arrays, part, derive=True))
            found = self.form.finish()
            if not gradient:
                gradient = found
                continue
            for name, array in gradient.items():
                array += found[name]
        for array in gradient.values():
            array /= len(tokens)
        return np.concatenate(log_p), gradient

    def _parts(self, tokens: np.ndarray) -> list[np.ndarray]:
        return [tokens[start : start + self.at_once] for start in range(0, len(tokens), self.at_once)]

    def _run(self, arrays: Mapping[str, np.ndarray], tokens: np.ndarray, derive: bool) -> np.ndarray:
        n = len(tokens)
        width = in_lanes(n)
        x = np.zeros((self.n_tokens, self.n_components, width))
        x[:, :, :n] = tokens.transpose(1, 2, 0)
        log_p = np.empty((self.n_tokens, width))
        self.form.begin(arrays, x, np.ascontiguousarray(tokens.transpose(1, 0, 2)))
        if derive:
            self.form.clear()
        one_token = self._on_sphere if self.vocabulary is None else self._in_vocabulary

        def one_group(group: int) -> None:
            space = self._spaces.get()
            try:
                felt = space.felt[: x.size]
                for token in self.groups[group].tolist():
                    by_felt = felt.reshape(x.shape)
                    self.form.felt(token, by_felt)
                    one_token(token, felt, x, log_p[token], space, derive)
                    if derive:
                        self.form.collect(group, token, by_felt[:, :, :n])
            finally:
                self._spaces.put(space)

        self.workers.each(one_group, len(self.groups))
        return log_p[:, :n].T.copy()

    def _on_sphere(
        self, token: int, felt: np.ndarray, x: np.ndarray, log_p: np.ndarray, space: _Space, derive: bool
    ) -> None:
        from dmfx.kernels.pseudo_likelihood import sphere_token

        sizes = self.n_tokens, self.n_components, x.shape[-1]
        sphere_token(token, felt, x.reshape(-1), *sizes, self.beta, self.table, log_p, space.scratch, derive)

    def _in_vocabulary(
        self, token: int, felt: np.ndarray, x: np.ndarray, log_p: np.ndarray, space: _Space, derive: bool
    ) -> None:
        from dmfx.kernels.pseudo_likelihood import discrete_token, vocabulary_means

        width = x.shape[-1]
        n_vectors = len(self.vocabulary)
        means = space.means[: x.size]
        log_sizes = space.log_sizes[: self.n_tokens * width]
        at_once = max(PROBABILITIES // (n_vectors * width), 1)
        for start in range(0, self.n_tokens, at_once):
            some = slice(start, min(start + at_once, self.n_tokens))
            count = some.stop - some.start
            flat = space.products[: count * n_vectors * width]
            products = flat.reshape(count, n_vectors, width)
            np.matmul(self.vocabulary, felt.reshape(x.shape)[some], out=products)
            sizes = log_sizes[some.start * width : some.stop * width]
            vocabulary_means(flat, count, n_vectors, width, self.beta, sizes)
            np.matmul(self.vocabulary.T, products, out=means.reshape(x.shape)[some])
        sizes = self.n_tokens, self.n_components, width
        discrete_token(token, felt, x.reshape(-1), means, log_sizes, *sizes, self.beta, log_p, space.scratch, derive)


class _Space:
    """Where one thread works."""

    def __init__(self, n_tokens: int, n_components: int, width: int, vocabulary: np.ndarray | None):
        from dmfx.kernels.pseudo_likelihood import scratch_rows

        size = n_tokens * n_components * width
        self.felt = np.empty(size)
        self.scratch = np.empty(scratch_rows(n_tokens) * WIDTH)
        if vocabulary is not None:
            self.means = np.empty(size)
            self.log_sizes = np.empty(n_tokens * width)
            self.products = np.empty(max(PROBABILITIES, len(vocabulary) * width))
