"""Ensembles given by correlations instead of columns, over all sign vectors ([PLA24], eqs. 16 and 29)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import ClassVar

import numpy as np

from dmfx.validation import Problems
from dmfx.weights.ensemble import ColumnTypes, Ensemble, real_array
from dmfx.weights.signs import check_all_signs, sign_vectors
from dmfx.weights.streams import WEIGHT_STREAM, generator

__all__ = ["correlated"]

#: Fractions and mean weights may be off by so much, for rounding.
REAL = 1e-9


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
        In the mean field any correlations will do. Of finitely many spins each has the mean weight w of its type, so
        that the noise of its value, query and key overlaps has w² where that of ±1 weights has 1; give those as arrays.
        Correlations that no spins have are refused, such as Gaussian ones of three patterns, whose fourth order does
        not fit the pairs.
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
        check_all_signs(problems, n_patterns)
        problems.raise_any()
        gaussian = distribution == "gaussian"
        return _GaussianCorrelations(n_patterns, scale) if gaussian else _UniformMeans(n_patterns)
    array = real_array(problems, "pairs", pairs, "shape (4, patterns, patterns)", 3)
    problems.raise_any()
    if array.shape[0] != 4 or array.shape[1] != array.shape[2]:
        problems.add("pairs", "an array of shape (4, patterns, patterns)", array)
        problems.raise_any()
    m = array.shape[1]
    if n_patterns not in (None, m):
        problems.add("n_patterns", f"{m}, the number that pairs have, or left out", n_patterns)
    check_all_signs(problems, m)
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
        values = real_array(problems, f"higher[{subset}]", values, f"shape (4, {m})", 2)
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


class _Correlations(Ensemble):
    """Ensembles that know the weights by their correlations only."""

    def why_not_finite(self, seed: int) -> str | None:
        types = self.draw(seed)
        output = types.field * types.overlap[0]
        if (types.fraction < -REAL).any() or np.ptp(output, axis=0).max() > REAL:
            return "no spins have these correlations among their output weights"
        if (np.abs(types.overlap) > types.fraction + REAL).any():
            return "no spins have these correlations: weights would have to be beyond ±1"
        return None


@dataclass(frozen=True, eq=False)
class _GivenCorrelations(_Correlations):
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
class _GaussianCorrelations(_Correlations):
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
class _UniformMeans(_Correlations):
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
    """Column types of all sign vectors σ, with the fraction p of the spins whose output weights are ±σ.

    What stands for p w^o_a of the type is p σ_a, if there are spins with these correlations at all; the mean over a is
    taken, and `Ensemble.why_not_finite` says whether they agree.
    """
    sigma = sign_vectors(overlap.shape[1])
    return ColumnTypes(sigma, np.ascontiguousarray(overlap), (sigma * overlap[0]).mean(axis=0))
