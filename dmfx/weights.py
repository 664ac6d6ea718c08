"""Ensembles of quenched weights, each reduced to its column types.

A spin sees only its column of the four weight matrices, so spins with equal columns behave alike: what a simulation
needs of any ensemble is, for every column type j, the output weights w^o_{a,j} of the local field and the products
p_j w^α_{a,j} (p_j the fraction of spins of the type) that turn mean spins into overlaps. This is exact for any
number of patterns.

Sources: [PLA24] Poc-López & Aguilera, arXiv:2406.07247 (2024), eqs. 14-16 and 29.
"""

from __future__ import annotations

import itertools
from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from typing import ClassVar

import numpy as np

from dmfx.validation import Problems, real_numbers

__all__ = [
    "MATRICES",
    "ColumnTypes",
    "Ensemble",
    "correlated",
    "cycle",
    "ensemble_from_spec",
    "given",
    "random",
    "segments",
]

#: Order of the four weight matrices: output, value, query, key.
MATRICES = ("o", "v", "q", "k")

#: Ensembles over all sign vectors have 2^(M-1) column types; beyond this M they would not fit in a cache.
MOST_PATTERNS_OF_ALL_SIGNS = 16
#: Columns drawn one by one are in memory at once, before equal ones are merged.
MOST_COLUMNS = 10**7


@dataclass(frozen=True)
class ColumnTypes:
    """One realisation of the weights, by column type.

    Attributes
    ----------
    field
        w^o_{a,j} of the local field, shape (pattern, column).
    overlap
        p_j w^α_{a,j}, shape (matrix, pattern, column), matrices in the order o, v, q, k.
    fraction
        p_j, shape (column,).
    """

    field: np.ndarray
    overlap: np.ndarray
    fraction: np.ndarray


class Ensemble(ABC):
    """A law of quenched weights. Its realisations are numbered by ``seed``.

    Attributes
    ----------
    n_patterns : int
        Number of patterns M.
    n_columns : int
        Number of column types J that every realisation is stored with.
    is_drawn : bool
        Whether realisations differ.
    """

    kind: ClassVar[str]
    is_drawn: ClassVar[bool] = True
    n_patterns: int

    @property
    @abstractmethod
    def n_columns(self) -> int:
        """Number of column types J."""

    @abstractmethod
    def draw(self, seed: int) -> ColumnTypes:
        """Return the realisation with this number."""

    def spec(self) -> dict[str, object]:
        """Return what `ensemble_from_spec` needs to build an equal ensemble: JSON types only."""
        values = {f.name: getattr(self, f.name) for f in fields(self) if f.init}
        return {"kind": self.kind} | {name: _pack(value) for name, value in values.items()}

    def __eq__(self, other: object) -> bool:
        return type(self) is type(other) and self.spec() == other.spec()

    def __hash__(self) -> int:
        return hash(repr(self.spec()))


def generator(seed: int, stream: int, *more: int) -> np.random.Generator:
    """Random numbers of one realisation; each purpose has a stream of its own."""
    return np.random.default_rng(np.random.SeedSequence(int(seed), spawn_key=(stream, *(int(n) for n in more))))


WEIGHT_STREAM, POSITION_STREAM, START_STREAM = 0, 1, 2


@dataclass(frozen=True, eq=False)
class _Segments(Ensemble):
    kind: ClassVar[str] = "segments"
    n_patterns: int
    n_segments: int

    @property
    def n_columns(self) -> int:
        return self.n_segments

    def draw(self, seed: int) -> ColumnTypes:
        weights = _signs(generator(seed, WEIGHT_STREAM), (4, self.n_patterns, self.n_segments))
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
        weights = _signs(generator(seed, WEIGHT_STREAM), (4, self.n_patterns, self.size))
        types, _, _, fraction = group_columns(weights, np.full(self.size, 1 / self.size))
        return _padded(ColumnTypes(types[0], fraction * types, fraction), self.n_columns)


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
            patterns = _signs(generator(seed, WEIGHT_STREAM), (self.n_patterns, self.size))
        # The value of pattern a-1 is the output pattern a: attending to one pattern recalls the next.
        weights = np.stack([patterns, np.roll(patterns, 1, axis=0), patterns, patterns])
        n = patterns.shape[1]
        types, _, _, fraction = group_columns(weights, np.full(n, 1 / n))
        return _padded(ColumnTypes(types[0], fraction * types, fraction), self.n_columns)


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

    def spins_by_type(self, spins: np.ndarray) -> np.ndarray:
        """Mean spin of each column type, from one spin (or mean spin) for each column of the arrays given."""
        _, column, sign, fraction = self._types
        return np.bincount(column, self.fraction * sign * spins, minlength=len(fraction)) / fraction


@dataclass(frozen=True, eq=False)
class _GivenCorrelations(Ensemble):
    kind: ClassVar[str] = "correlations"
    is_drawn: ClassVar[bool] = False
    pairs: np.ndarray
    higher: tuple[tuple[tuple[int, ...], np.ndarray], ...]
    n_patterns: int = field(init=False)

    def __post_init__(self):
        object.__setattr__(self, "n_patterns", self.pairs.shape[-1])

    @property
    def n_columns(self) -> int:
        return 2 ** (self.n_patterns - 1)

    def draw(self, seed: int) -> ColumnTypes:
        overlap = _odd_part(self.pairs)
        sigma = sign_vectors(self.n_patterns)
        for subset, correlation in self.higher:
            instead = correlation - np.prod(self.pairs[:, :, list(subset)], axis=-1)
            overlap += instead[:, :, None] * np.prod(sigma[list(subset)], axis=0) / self.n_columns
        return _all_signs(overlap)


@dataclass(frozen=True, eq=False)
class _GaussianCorrelations(Ensemble):
    kind: ClassVar[str] = "gaussian correlations"
    n_patterns: int
    scale: float

    @property
    def n_columns(self) -> int:
        return 2 ** (self.n_patterns - 1)

    def draw(self, seed: int) -> ColumnTypes:
        m = self.n_patterns
        pairs = generator(seed, WEIGHT_STREAM).normal(0, self.scale, (4, m, m))
        upper = np.triu(pairs[0], 1)  # ⟨w^o_a w^o_b⟩ is symmetric
        pairs[0] = upper + upper.T + np.eye(m)
        return _all_signs(_odd_part(np.clip(pairs, -1, 1)))


@dataclass(frozen=True, eq=False)
class _UniformMeans(Ensemble):
    kind: ClassVar[str] = "uniform means"
    n_patterns: int

    @property
    def n_columns(self) -> int:
        return 2 ** (self.n_patterns - 1)

    def draw(self, seed: int) -> ColumnTypes:
        means = generator(seed, WEIGHT_STREAM).uniform(0, 1, (4, self.n_patterns))
        # Independent spins of the patterns: a correlation is the product of the means, w^o_a w^o_a = 1.
        overlap = means[1:, :, None] * _odd_part(means[0])
        output = [_odd_part(means[0], among_output=a) for a in range(self.n_patterns)]
        return _all_signs(np.concatenate([np.stack(output)[None], overlap]))


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
        _check_all_signs(problems, n_patterns)
    else:
        size = problems.count("size", size, maximum=MOST_COLUMNS)
    problems.raise_any()
    return _Cycle(n_patterns, size)


def correlated(
    pairs: object = None,
    *,
    n_patterns: int | None = None,
    distribution: str | None = None,
    scale: float = 1.0,
    higher: Mapping[tuple[int, ...], object] | None = None,
) -> Ensemble:
    """Weights known by their correlations, given or random ([PLA24], eqs. 16 and 29).

    The column types are the 2^(M-1) sign vectors σ with σ_1 = +1, and p_j w^α_{a,j} is replaced by
    2^-(M-1) Σ_S (Π_{b∈S} σ_b) ⟨w^α_a Π_{b∈S} w^o_b⟩, S over the odd subsets of the patterns.

    Parameters
    ----------
    pairs
        Pair correlations ⟨w^α_a w^o_b⟩, shape (4, M, M) in the order (α, a, b), α = o, v, q, k; each within
        [-1, 1], with ones on the diagonal of α = o, which is symmetric.
    n_patterns
        Number of patterns M of random correlations.
    distribution
        ``"gaussian"``: pairs are normal with standard deviation ``scale``, clipped to [-1, 1].
        ``"uniform"``: patterns with independent spins of means r^α_a uniform in [0, 1].
    scale
        Standard deviation of Gaussian pairs.
    higher
        Correlations of higher order for given ``pairs``: odd subset of patterns -> array (4, M). Those that are not
        given are the product of the pairs over the subset, as in the published ensembles.

    Returns
    -------
    Ensemble
    """
    problems = Problems("correlated")
    if (pairs is None) == (distribution is None):
        problems.say("give either pairs or distribution, one of the two")
        problems.raise_any()
    if distribution is not None:
        problems.choice("distribution", distribution, ["gaussian", "uniform"])
        n_patterns = problems.count("n_patterns", n_patterns)
        scale = problems.real("scale", scale, minimum=0)
        if higher:
            problems.say("higher goes with given pairs only")
        _check_all_signs(problems, n_patterns)
        problems.raise_any()
        gaussian = distribution == "gaussian"
        return _GaussianCorrelations(n_patterns, scale) if gaussian else _UniformMeans(n_patterns)
    array = _real_array(problems, "pairs", pairs, "shape (4, patterns, patterns)", 3)
    problems.raise_any()
    if array.shape[0] != 4 or array.shape[1] != array.shape[2]:
        problems.add("pairs", "an array of shape (4, patterns, patterns)", array)
        problems.raise_any()
    m = array.shape[1]
    if n_patterns not in (None, m):
        problems.add("n_patterns", f"{m}, the number that pairs have, or left out", n_patterns)
    _check_all_signs(problems, m)
    if np.abs(array).max() > 1:
        problems.say("pairs must be correlations, within [-1, 1]")
    if not (np.array_equal(array[0], array[0].T) and np.all(np.diag(array[0]) == 1)):
        problems.say("pairs[0], the correlations of the output weights, must be symmetric with a diagonal of 1")
    extra = []
    if higher is not None and not isinstance(higher, Mapping):
        problems.add("higher", "a mapping from odd subsets of the patterns to arrays", higher, is_type=True)
        higher = None
    for subset, values in dict(higher or {}).items():
        subset = tuple(subset) if isinstance(subset, (tuple, list, frozenset, set)) else (subset,)
        distinct = len(set(subset)) == len(subset) and set(subset) <= set(range(m))
        if len(subset) % 2 == 0 or len(subset) < 3 or not distinct:
            problems.say(f"higher: {subset!r} is not an odd subset of three or more of the {m} patterns")
            continue
        values = _real_array(problems, f"higher[{subset}]", values, f"shape (4, {m})", 2)
        if values.size and values.shape != (4, m):
            problems.add(f"higher[{subset}]", f"an array of shape (4, {m})", values)
        elif np.abs(values).max(initial=0) > 1:
            problems.say(f"higher[{subset}] must be correlations, within [-1, 1]")
        key = tuple(sorted(int(b) for b in subset))
        if key in dict(extra):
            problems.say(f"higher: the subset {key} is given twice")
        extra.append((key, values))
    problems.raise_any()
    return _GivenCorrelations(array, tuple(extra))


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
        _real_array(problems, name, value, "shape (patterns, columns)", 2)
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
        p = _real_array(problems, "fraction", fraction, f"shape ({n},)", 1)
        if p.size and p.shape != (n,):
            problems.add("fraction", f"an array of shape ({n},), one for each column", p)
        elif p.size and (np.any(p <= 0) or not np.isclose(p.sum(), 1, rtol=0, atol=1e-9)):
            problems.say(f"fraction must be positive with sum 1, not with sum {p.sum():g}")
    return _Given(np.stack(arrays), p) if len(problems.messages) == known else None


def ensemble_from_spec(spec: Mapping[str, object]) -> Ensemble:
    """Build the ensemble that `Ensemble.spec` described.

    Raises
    ------
    ValueError
        If the kind is unknown.
    """
    kinds = {cls.kind: cls for cls in Ensemble.__subclasses__()}
    values = {name: _unpack(value) for name, value in spec.items() if name != "kind"}
    if spec.get("kind") not in kinds:
        raise ValueError(f"unknown kind of weights {spec.get('kind')!r}: expected one of {', '.join(kinds)}")
    if "higher" in values:
        values["higher"] = tuple((tuple(int(b) for b in subset), array) for subset, array in values["higher"])
    return kinds[spec["kind"]](**values)


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


def sign_vectors(n_patterns: int) -> np.ndarray:
    """All sign vectors with first sign +1, shape (pattern, 2^(M-1))."""
    return np.array([(1.0, *rest) for rest in itertools.product((1.0, -1.0), repeat=n_patterns - 1)]).T


def _odd_part(correlation: np.ndarray, among_output: int | None = None) -> np.ndarray:
    """2^-(M-1) Σ_S Π_{b∈S} σ_b c_b over the odd subsets S, for every σ; shape (..., 2^(M-1)).

    Closed form: [Π_b (1 + σ_b c_b) - Π_b (1 - σ_b c_b)] / 2. With ``among_output`` = a, the sum is that of
    ⟨w^o_a Π_S w^o_b⟩ for independent spins of means c: a factor c_b for every b in S or {a}, but not in both.
    """
    m = correlation.shape[-1]
    sigma = sign_vectors(m)
    terms = correlation[..., None] * sigma
    if among_output is None:
        plus, minus = np.prod(1 + terms, axis=-2), np.prod(1 - terms, axis=-2)
    else:
        # b = a contributes c_a when it is not in S, and σ_a when it is.
        a = among_output
        others = np.delete(terms, a, axis=-2)
        plus = (correlation[..., a, None] + sigma[a]) * np.prod(1 + others, axis=-2)
        minus = (correlation[..., a, None] - sigma[a]) * np.prod(1 - others, axis=-2)
    return (plus - minus) / 2 / 2 ** (m - 1)


def _all_signs(overlap: np.ndarray) -> ColumnTypes:
    n = overlap.shape[-1]
    return ColumnTypes(sign_vectors(overlap.shape[1]), np.ascontiguousarray(overlap), np.full(n, 1 / n))


def _padded(types: ColumnTypes, n_columns: int) -> ColumnTypes:
    """Add types of weight zero, so that every realisation has the same shape."""
    missing = n_columns - len(types.fraction)
    return ColumnTypes(
        np.pad(types.field, ((0, 0), (0, missing))),
        np.pad(types.overlap, ((0, 0), (0, 0), (0, missing))),
        np.pad(types.fraction, (0, missing)),
    )


def _signs(rng: np.random.Generator, shape: tuple[int, ...]) -> np.ndarray:
    return 2.0 * rng.integers(0, 2, shape) - 1.0


def _check_all_signs(problems: Problems, n_patterns: int) -> None:
    if n_patterns > MOST_PATTERNS_OF_ALL_SIGNS:
        problems.say(
            f"{n_patterns} patterns would need 2^{n_patterns - 1} column types; at most "
            f"{MOST_PATTERNS_OF_ALL_SIGNS} are possible here: use dmfx.weights.random or segments instead"
        )


def _real_array(problems: Problems, name: str, value: object, shape: str, ndim: int) -> np.ndarray:
    """A finite float array of its own, or an empty one when a problem was recorded."""
    array = real_numbers(value)
    empty = np.zeros((0,) * ndim)
    if array is None:
        problems.add(name, f"an array of real numbers of {shape}", value, is_type=True)
        return empty
    if array.ndim != ndim or array.size == 0:
        problems.add(name, f"an array of {shape}", array)
        return empty
    array = np.array(array, dtype=float)
    if not np.isfinite(array).all():
        problems.say(f"{name} must be finite: it has {np.count_nonzero(~np.isfinite(array))} NaN or infinite values")
        return empty
    array.flags.writeable = False
    return array


def _pack(value: object) -> object:
    """JSON form of a field; rows of signs become strings such as "+--"."""
    if isinstance(value, tuple):
        return [_pack(v) for v in value]
    if not isinstance(value, np.ndarray):
        return value
    if value.ndim > 1:
        return [_pack(row) for row in value]
    if value.size and np.all(np.abs(value) == 1):
        return "".join("+" if v > 0 else "-" for v in value)
    return value.tolist()


def _unpack(value: object) -> object:
    if isinstance(value, str) and value and set(value) <= {"+", "-"}:
        return np.array([1.0 if sign == "+" else -1.0 for sign in value])
    if not isinstance(value, list):
        return value
    items = [_unpack(v) for v in value]
    try:
        return np.array(items, dtype=float)
    except ValueError:
        return items
