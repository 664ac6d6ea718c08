"""Ensembles given by columns of signs: segments, random columns, cycles of patterns, arrays of the user's own."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import ClassVar

import numpy as np

from dmfx.validation import Problems
from dmfx.weights.ensemble import MATRICES, ColumnTypes, Ensemble, real_array
from dmfx.weights.signs import check_all_signs, random_signs, sign_vectors
from dmfx.weights.streams import WEIGHT_STREAM, generator

__all__ = ["cycle", "given", "group_columns", "parse_given", "random", "segments"]

#: Columns drawn one by one are in memory at once, before equal ones are merged.
MOST_COLUMNS = 10**7


def segments(n_patterns: int, n_segments: int = 3) -> Ensemble:
    """Weights in segments of constant sign, the ensemble of [PLA24].

    The N spins are cut into equal segments; within one, each row of each matrix has one random sign.

    Parameters
    ----------
    n_patterns
        Number of patterns M.
    n_segments
        Number of segments, which is the number of column types.

    Returns
    -------
    Ensemble

    Examples
    --------
    >>> dmfx.weights.segments(3).draw(seed=0).field.shape
    (3, 3)
    """
    problems = Problems("segments")
    n_patterns = problems.count("n_patterns", n_patterns)
    n_segments = problems.count("n_segments", n_segments, maximum=MOST_COLUMNS)
    problems.raise_any()
    return _Segments(n_patterns, n_segments)


def random(n_patterns: int, size: int) -> Ensemble:
    """Independent random signs in a finite number of columns, each column a type of its own.

    Parameters
    ----------
    n_patterns
        Number of patterns M.
    size
        Number of columns. Equal ones (up to a common sign) are merged, which changes nothing but the cost: a
        step's cost grows with the number of distinct columns, at most 2^(4M-1).

    Returns
    -------
    Ensemble
    """
    problems = Problems("random")
    n_patterns = problems.count("n_patterns", n_patterns)
    size = problems.count("size", size, maximum=MOST_COLUMNS)
    problems.raise_any()
    return _Random(n_patterns, size)


def cycle(n_patterns: int, size: int | None = None) -> Ensemble:
    """Patterns that call each other in a loop: w^q = w^k = w^o, and w^v the same patterns shifted by one.

    A token near pattern a attends to pattern a and puts out pattern a+1 (the last calls the first).

    Parameters
    ----------
    n_patterns
        Number of patterns M.
    size
        Number of random columns; None is the limit of infinitely many, where patterns are uncorrelated and all
        2^(M-1) sign vectors are equally frequent.

    Returns
    -------
    Ensemble
    """
    problems = Problems("cycle")
    n_patterns = problems.count("n_patterns", n_patterns)
    if size is None:
        check_all_signs(problems, n_patterns)
    else:
        size = problems.count("size", size, maximum=MOST_COLUMNS)
    problems.raise_any()
    return _Cycle(n_patterns, size)


def given(o: object, v: object, q: object, k: object, *, fraction: object = None) -> Ensemble:
    """Weights of the user's own.

    Parameters
    ----------
    o, v, q, k
        Output, value, query and key weights, each of shape (patterns, columns). A column is one spin, or one type of
        spin. Signs in the theory of [PLA24]; any finite numbers are accepted.
    fraction
        Fraction of the spins in each column, shape (columns,), sum 1. By default all columns are equally frequent.

    Returns
    -------
    Ensemble
        The same weights for every seed. Equal columns are merged.
    """
    problems = Problems("weights")
    ensemble = parse_given(problems, {"o": o, "v": v, "q": q, "k": k}, fraction)
    problems.raise_any()
    return ensemble


def parse_given(problems: Problems, weights: Mapping[str, object], fraction: object = None) -> Ensemble | None:
    """The ensemble of given arrays, or None when a problem was recorded."""
    unknown = set(weights) - {*MATRICES, "fraction"}
    missing = set(MATRICES) - set(weights)
    if unknown or missing:
        problems.say(f"weights must have the keys o, v, q and k, not {', '.join(map(str, weights)) or 'none'}")
        return None
    fraction = weights.get("fraction", fraction)
    known = len(problems.messages)
    arrays = [
        real_array(problems, name, value, "shape (patterns, columns)", 2)
        for name, value in ((name, weights[name]) for name in MATRICES)
    ]
    if len(problems.messages) > known:
        return None
    if len({array.shape for array in arrays}) > 1:
        shapes = ", ".join(f"{name} {array.shape}" for name, array in zip(MATRICES, arrays, strict=True))
        problems.say(f"o, v, q and k must have one shape (patterns, columns), not {shapes}")
        return None
    n = arrays[0].shape[1]
    if fraction is None:
        p = np.full(n, 1 / max(n, 1))
    else:
        p = real_array(problems, "fraction", fraction, f"shape ({n},)", 1)
        if p.size and p.shape != (n,):
            problems.add("fraction", f"an array of shape ({n},), one for each column", p)
        elif p.size and (np.any(p <= 0) or not np.isclose(p.sum(), 1, rtol=0, atol=1e-9)):
            problems.say(f"fraction must be positive with sum 1, not with sum {p.sum():g}")
    return _Given(np.stack(arrays), p) if len(problems.messages) == known else None


def group_columns(weights: np.ndarray, fraction: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """Merge columns that are equal up to a common sign, which behave alike: h and s change sign, w s does not.

    Parameters
    ----------
    weights
        Shape (4, pattern, column).
    fraction
        Shape (column,).

    Returns
    -------
    types
        Shape (4, pattern, type), in the order in which they come first and with the sign that comes first.
    column
        Type of each column.
    sign
        ±1 of each column relative to its type.
    fraction
        Fraction of each type.
    """
    flat = weights.reshape(-1, weights.shape[-1])
    first_nonzero = np.take_along_axis(flat, np.argmax(flat != 0, axis=0)[None], axis=0)[0]
    sign = np.where(first_nonzero < 0, -1.0, 1.0)
    _, first, column = np.unique(flat * sign + 0.0, axis=1, return_index=True, return_inverse=True)
    order = np.argsort(first)
    rank = np.empty_like(order)
    rank[order] = np.arange(len(order))
    first, column = first[order], rank[column.ravel()]
    return (
        np.ascontiguousarray(weights[..., first]),
        column,
        sign * sign[first][column],
        np.bincount(column, fraction),
    )


@dataclass(frozen=True, eq=False)
class _Segments(Ensemble):
    kind: ClassVar[str] = "segments"
    n_patterns: int
    n_segments: int

    @property
    def n_columns(self) -> int:
        return self.n_segments

    def draw(self, seed: int) -> ColumnTypes:
        weights = random_signs(generator(seed, WEIGHT_STREAM), (4, self.n_patterns, self.n_segments))
        fraction = np.full(self.n_segments, 1 / self.n_segments)
        return ColumnTypes(weights[0], weights / self.n_segments, fraction)


@dataclass(frozen=True, eq=False)
class _Random(Ensemble):
    kind: ClassVar[str] = "random"
    n_patterns: int
    size: int

    @property
    def n_columns(self) -> int:
        # Columns are equal up to a common sign in at most 2^(4M-1) ways.
        return min(self.size, 2 ** min(4 * self.n_patterns - 1, 62))

    def draw(self, seed: int) -> ColumnTypes:
        weights = random_signs(generator(seed, WEIGHT_STREAM), (4, self.n_patterns, self.size))
        types, _, _, fraction = group_columns(weights, np.full(self.size, 1 / self.size))
        return padded(ColumnTypes(types[0], fraction * types, fraction), self.n_columns)


@dataclass(frozen=True, eq=False)
class _Cycle(Ensemble):
    kind: ClassVar[str] = "cycle"
    n_patterns: int
    size: int | None

    @property
    def n_columns(self) -> int:
        return 2 ** (self.n_patterns - 1) if self.size is None else min(self.size, 2 ** (self.n_patterns - 1))

    def draw(self, seed: int) -> ColumnTypes:
        if self.size is None:
            patterns = sign_vectors(self.n_patterns)
        else:
            patterns = random_signs(generator(seed, WEIGHT_STREAM), (self.n_patterns, self.size))
        # The value of pattern a-1 is the output pattern a: attending to one pattern recalls the next.
        weights = np.stack([patterns, np.roll(patterns, 1, axis=0), patterns, patterns])
        n = patterns.shape[1]
        types, _, _, fraction = group_columns(weights, np.full(n, 1 / n))
        return padded(ColumnTypes(types[0], fraction * types, fraction), self.n_columns)


@dataclass(frozen=True, eq=False)
class _Given(Ensemble):
    kind: ClassVar[str] = "given"
    is_drawn: ClassVar[bool] = False
    weights: np.ndarray
    fraction: np.ndarray
    n_patterns: int = field(init=False)
    _types: tuple = field(init=False, repr=False)

    def __post_init__(self):
        object.__setattr__(self, "n_patterns", self.weights.shape[1])
        object.__setattr__(self, "_types", group_columns(self.weights, self.fraction))

    @property
    def n_columns(self) -> int:
        return self._types[0].shape[2]

    def draw(self, seed: int) -> ColumnTypes:
        types, _, _, fraction = self._types
        return ColumnTypes(types[0], fraction * types, fraction)

    @property
    def n_spins(self) -> int:
        return len(self.fraction)

    def spins_by_type(self, spins: np.ndarray) -> np.ndarray:
        """Mean spin of each column type, from one spin (or mean spin) for each column of the arrays given."""
        _, column, sign, fraction = self._types
        return np.bincount(column, self.fraction * sign * spins, minlength=len(fraction)) / fraction


def padded(types: ColumnTypes, n_columns: int) -> ColumnTypes:
    """Add types of weight zero, so that every realisation has the same shape."""
    missing = n_columns - len(types.fraction)
    return ColumnTypes(
        np.pad(types.field, ((0, 0), (0, missing))),
        np.pad(types.overlap, ((0, 0), (0, 0), (0, missing))),
        np.pad(types.fraction, (0, missing)),
    )
