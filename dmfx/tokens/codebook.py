"""A vocabulary of vectors on the sphere, found by k-means."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from dmfx.tokens.sphere import check_tokens, lengths, project, token_order
from dmfx.validation import Problems, real_numbers
from dmfx.weights.streams import CODEBOOK_STREAM, generator

__all__ = ["Codebook"]

#: Tokens compared with the vocabulary at once, so that their scores stay in cache.
ROWS = 1024

#: Passes of spherical k-means after which it has come to rest or is stopped.
MOST_PASSES = 100


@dataclass(frozen=True, init=False, eq=False)
class Codebook:
    """A discrete vocabulary: V unit vectors, each standing for the tokens that are nearest to it.

    Parameters
    ----------
    vectors
        The vocabulary, shape (V, d): unit vectors. `Codebook.fit` finds one.

    Attributes
    ----------
    size : int
        Number of words V.
    n_components : int
        Number of components d of a word.
    digest : str
        Short text that differs between vocabularies.

    Raises
    ------
    TypeError, ValueError
        For vectors that are not unit vectors.

    Examples
    --------
    >>> book = dmfx.tokens.Codebook(np.eye(3))
    >>> words = book.encode(dmfx.tokens.normalise([[[0.9, 0.1, 0.2], [0.1, 0.0, 0.5]]]))
    >>> words, book.decode(words).shape
    (array([[0, 2]]), (1, 2, 3))
    """

    vectors: np.ndarray

    def __init__(self, vectors: object):
        problems = Problems("Codebook")
        given = real_numbers(vectors)
        expected = "unit vectors of shape (words, components)"
        array = None
        if given is None:
            problems.add("vectors", expected, vectors, is_type=True)
        elif given.ndim != 2:
            problems.add("vectors", expected, given)
        else:
            array = check_tokens(problems, "vectors", given)
        problems.raise_any()
        array = array[0].copy()
        array.flags.writeable = False
        object.__setattr__(self, "vectors", array)

    @classmethod
    def fit(cls, tokens: object, size: int = 64, seed: int = 0, *, restarts: int = 1) -> Codebook:
        """Find a vocabulary for tokens by spherical k-means.

        k-means of scikit-learn [1]_ finds the clusters, its centres go to the sphere, and spherical k-means [2]_
        goes on from there until no token changes its cluster: each centre is then the direction of the mean of
        the tokens that have the largest scalar product with it.

        Parameters
        ----------
        tokens
            Unit vectors, shape (n, N, d), or (N, d).
        size
            V, number of words; at most the number of different tokens.
        seed
            Number of the realisation of the starting centres (k-means++).
        restarts
            How many starts; the best is taken.

        Returns
        -------
        Codebook

        Raises
        ------
        TypeError, ValueError
            For wrong arguments, all of them named in one message.

        Notes
        -----
        It finds a local optimum, as k-means does. One thread is used, so that the result does not depend on how many
        there are; other versions of the libraries, and other processors, can differ in the last bits.

        References
        ----------
        .. [1] Pedregosa et al., J. Mach. Learn. Res. 12, 2825 (2011).
        .. [2] Dhillon & Modha, Mach. Learn. 42, 143 (2001).

        Examples
        --------
        >>> tokens = dmfx.tokens.random(20, 10, 3)
        >>> book = dmfx.tokens.Codebook.fit(tokens, size=8)
        >>> book.vectors.shape, float(dmfx.tokens.overlap(tokens, book.decode(book.encode(tokens))).mean().round(1))
        ((8, 3), 0.9)
        """
        problems = Problems("Codebook.fit")
        array = check_tokens(problems, "tokens", tokens)
        size = problems.count("size", size)
        seed = problems.count("seed", seed, minimum=0)
        restarts = problems.count("restarts", restarts)
        if array is not None:
            rows = array.reshape(-1, array.shape[-1])
            different = len(rows) if size == 1 else len(np.unique(rows + 0.0, axis=0))
            if size > different:
                problems.say(f"size must be at most the number of different tokens, {different}, not {size}")
        problems.raise_any()
        return cls(_rest(rows, project(_clusters(rows, size, seed, restarts))))

    @property
    def size(self) -> int:
        """Number of words V."""
        return self.vectors.shape[0]

    @property
    def n_components(self) -> int:
        """Number of components d of a word."""
        return self.vectors.shape[1]

    def encode(self, tokens: object) -> np.ndarray:
        """Number of the word nearest to each token: the one with the largest scalar product, the first of equal ones.

        Parameters
        ----------
        tokens
            Unit vectors, shape (..., N, d), such as ``tokens`` of a simulation, or (N, d) for one example.

        Returns
        -------
        np.ndarray
            Whole numbers from 0 to V-1, shape (..., N); (1, N) for one example.

        Raises
        ------
        TypeError, ValueError
            For tokens that are not unit vectors with the components of the vocabulary.
        """
        problems = Problems("Codebook.encode")
        array = real_numbers(token_order(tokens))
        shape = None if array is None or array.ndim <= 3 else array.shape
        if shape is not None:
            tokens = array.reshape(-1, *shape[-2:]) if array.size else array
        array = check_tokens(problems, "tokens", tokens, n_components=self.n_components)
        problems.raise_any()
        words = _nearest(array.reshape(-1, self.n_components), self.vectors)
        return words.reshape((shape or array.shape)[:-1])

    def decode(self, words: object) -> np.ndarray:
        """The vectors of words.

        Parameters
        ----------
        words
            Whole numbers from 0 to V-1, shape (..., N), or (N,) for one example.

        Returns
        -------
        np.ndarray
            Unit vectors, shape (..., N, d); (1, N, d) for one example.

        Raises
        ------
        TypeError, ValueError
            For numbers that are no words.
        """
        problems = Problems("Codebook.decode")
        expected = f"whole numbers from 0 to {self.size - 1} of shape (..., N), or (N,) for one example"
        array = real_numbers(words)
        if array is None or array.dtype.kind == "f":
            problems.add("words", expected, words, is_type=True)
        elif array.ndim == 0 or array.size == 0:
            problems.add("words", expected, array)
        elif array.min() < 0 or array.max() >= self.size:
            bad = tuple(np.argwhere((array < 0) | (array >= self.size))[0].tolist())
            problems.say(f"words must be {expected}, not {array[bad]} at index {bad}")
        problems.raise_any()
        return self.vectors[np.atleast_2d(array)]

    @property
    def digest(self) -> str:
        """Short text that differs between vocabularies."""
        return hashlib.sha256(repr(self.vectors.shape).encode() + self.vectors.tobytes()).hexdigest()[:16]

    @property
    def parameters(self) -> dict[str, np.ndarray]:
        """The arrays that `from_spec` needs besides the `spec`."""
        return {"vectors": self.vectors}

    def spec(self) -> dict[str, object]:
        """What describes the vocabulary besides its `parameters`, in JSON types."""
        return {"kind": "codebook", "size": self.size, "n_components": self.n_components, "digest": self.digest}

    @classmethod
    def from_spec(cls, spec: Mapping[str, object], parameters: Mapping[str, np.ndarray]) -> Codebook:
        """Rebuild a vocabulary from its `spec` and its `parameters`.

        Raises
        ------
        TypeError, ValueError
            If they are not those of one vocabulary.
        """
        if not isinstance(spec, Mapping) or spec.get("kind") != "codebook":
            raise ValueError("Codebook.from_spec: spec must be what spec() gave, with kind 'codebook'")
        if not isinstance(parameters, Mapping) or set(parameters) != {"vectors"}:
            raise ValueError("Codebook.from_spec: parameters must be what Codebook.parameters gave: vectors")
        book = cls(parameters["vectors"])
        if book.spec() != dict(spec):
            raise ValueError("Codebook.from_spec: the vectors are not those that spec describes")
        return book

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Codebook) and self.digest == other.digest

    def __hash__(self) -> int:
        return hash(self.digest)

    def __repr__(self) -> str:
        return f"Codebook(size={self.size}, n_components={self.n_components}, digest={self.digest!r})"

    def __dask_tokenize__(self) -> tuple[str, str]:
        return ("dmfx.tokens.Codebook", self.digest)


def _clusters(rows: np.ndarray, size: int, seed: int, restarts: int) -> np.ndarray:
    """Centres of k-means, shape (V, d)."""
    from sklearn.cluster import KMeans
    from threadpoolctl import threadpool_limits

    state = int(generator(seed, CODEBOOK_STREAM).integers(2**31))
    means = KMeans(size, init="k-means++", n_init=restarts, random_state=state, algorithm="lloyd")
    with threadpool_limits(1):  # several threads add up in any order
        means.fit(rows)
    centres = means.cluster_centers_
    # The mean of opposite tokens has no direction: one of them has.
    for word in np.flatnonzero(lengths(centres) < 1e-12):
        centres[word] = rows[np.argmax(means.labels_ == word)]
    return centres


def _rest(rows: np.ndarray, vectors: np.ndarray) -> np.ndarray:
    """Spherical k-means from these centres on; a centre that is nearest to no token stays where it is."""
    words = None
    for _ in range(MOST_PASSES):
        before, words = words, _nearest(rows, vectors)
        if before is not None and np.array_equal(before, words):
            break
        sums = np.stack([np.bincount(words, column, minlength=len(vectors)) for column in rows.T], axis=1)
        vectors = np.where(sums.any(axis=1, keepdims=True), project(sums), vectors)
    return vectors


def _nearest(rows: np.ndarray, vectors: np.ndarray) -> np.ndarray:
    """Number of the vector with the largest scalar product; added up one component at a time, in one order."""
    result = np.empty(len(rows), dtype=np.int64)
    for start in range(0, len(rows), ROWS):
        part = rows[start : start + ROWS]
        scores = part[:, :1] * vectors[:, 0]
        for k in range(1, vectors.shape[1]):
            scores += part[:, k : k + 1] * vectors[:, k]
        result[start : start + ROWS] = scores.argmax(axis=1)
    return result
