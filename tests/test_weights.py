"""Ensembles against their definition: brute-force columns, sums over subsets, sampled spins."""

import itertools

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dmfx import weights
from dmfx.weights import ensemble_from_spec
from dmfx.weights.columns import group_columns
from dmfx.weights.signs import sign_vectors
from dmfx.weights.streams import WEIGHT_STREAM, generator

ENSEMBLES = {
    "segments": weights.segments(3, 5),
    "random": weights.random(2, 300),
    "cycle": weights.cycle(4),
    "cycle of columns": weights.cycle(3, 40),
    "gaussian": weights.correlated(n_patterns=3, distribution="gaussian", scale=0.5),
    "uniform": weights.correlated(n_patterns=4, distribution="uniform"),
    "given": weights.given(*np.random.default_rng(0).choice([-1, 1], (4, 3, 6)), fraction=np.arange(1, 7) / 21),
    "pairs": weights.correlated(
        [np.eye(3), 0.3 * np.ones((3, 3)), -0.2 * np.eye(3), np.zeros((3, 3))],
        higher={(0, 1, 2): np.full((4, 3), 0.1)},
    ),
}


@pytest.mark.parametrize("name", ENSEMBLES)
class TestEveryEnsemble:
    def test_a_seed_is_a_realisation(self, name):
        ensemble = ENSEMBLES[name]
        first, again = ensemble.draw(3), ensemble.draw(3)
        for a, b in zip(vars(first).values(), vars(again).values(), strict=True):
            assert a.tobytes() == b.tobytes()
        drawn = name not in ("given", "pairs", "cycle")
        assert drawn == (not np.array_equal(first.overlap, ensemble.draw(4).overlap))

    def test_shapes(self, name):
        ensemble = ENSEMBLES[name]
        for seed in range(3):
            types = ensemble.draw(seed)
            m, j = ensemble.n_patterns, ensemble.n_columns
            assert types.field.shape == (m, j)
            assert types.overlap.shape == (4, m, j)
            assert types.fraction.sum() == pytest.approx(1)

    def test_overlaps_cannot_exceed_one(self, name):
        if name == "pairs":
            return  # given correlations need not belong to any weights
        assert np.abs(ENSEMBLES[name].draw(1).overlap).sum(axis=-1).max() <= 1 + 1e-12

    def test_rebuilt_from_its_spec(self, name):
        ensemble = ENSEMBLES[name]
        rebuilt = ensemble_from_spec(ensemble.spec())
        assert rebuilt == ensemble
        assert hash(rebuilt) == hash(ensemble)
        assert rebuilt.draw(2).overlap.tobytes() == ensemble.draw(2).overlap.tobytes()


def test_streams_of_large_seeds_are_their_own():
    seeds = [0, 7, 2**32, 2**32 + 7, 2**33 + 7, 2**62]
    drawn = {generator(seed, stream).bytes(16) for seed in seeds for stream in range(3)}
    drawn |= {generator(seed, 2, start).bytes(16) for seed in seeds for start in range(3)}
    assert len(drawn) == 6 * len(seeds)


def overlap_of_columns(w, fraction, attention):
    """Overlaps by the sum over all columns; any odd function stands for the tanh."""
    s = np.tanh(1.3 * attention @ w[0])
    return (fraction * w * s).sum(axis=-1)


def overlap_of_types(types, attention):
    return (types.overlap * np.tanh(1.3 * attention @ types.field)).sum(axis=-1)


@given(st.integers(1, 3), st.integers(1, 60), st.integers(0, 2**32 - 1))
@settings(deadline=None, max_examples=60)
def test_merging_columns_changes_nothing(n_patterns, n_columns, seed):
    rng = np.random.default_rng(seed)
    w = rng.choice([-1.0, 0.0, 1.0], (4, n_patterns, n_columns), p=[0.45, 0.1, 0.45])
    fraction = rng.dirichlet(np.ones(n_columns))
    attention = rng.uniform(-1, 1, n_patterns)
    types = weights.given(*w, fraction=fraction).draw(0)
    np.testing.assert_allclose(
        overlap_of_types(types, attention), overlap_of_columns(w, fraction, attention), rtol=0, atol=1e-14
    )
    merged, column, sign, p = group_columns(w, fraction)
    np.testing.assert_array_equal(merged[..., column] * sign + 0.0, w + 0.0)
    assert len({merged[..., j].tobytes() for j in range(len(p))}) == len(p)


def test_types_of_many_random_columns_are_few():
    ensemble = weights.random(1, 100_000)
    assert ensemble.n_columns == 8
    np.testing.assert_allclose(ensemble.draw(0).fraction, 1 / 8, atol=0.01)


def test_all_signs_are_the_limit_of_many_columns():
    """Orthogonal patterns from all sign vectors: ⟨w^o_a w^o_b⟩ = δ_ab, and each pattern calls the next."""
    types = weights.cycle(5).draw(0)
    overlap_with_output = types.overlap @ types.field.T
    np.testing.assert_allclose(overlap_with_output[0], np.eye(5), atol=1e-15)
    # A token that is output pattern b has value overlap 1 with pattern b + 1.
    np.testing.assert_allclose(overlap_with_output[1], np.roll(np.eye(5), 1, axis=0), atol=1e-15)


def sum_over_subsets(m, correlation):
    """2^-(M-1) Σ_S Π σ_b correlation(α, a, S), straight from the equation."""
    sigma = sign_vectors(m)
    out = np.zeros((4, m, sigma.shape[1]))
    for size in range(1, m + 1, 2):
        for subset in itertools.combinations(range(m), size):
            for alpha, a in itertools.product(range(4), range(m)):
                out[alpha, a] += np.prod(sigma[list(subset)], axis=0) * correlation(alpha, a, subset)
    return out / 2 ** (m - 1)


@pytest.mark.parametrize("m", [1, 2, 3, 4])
def test_given_pairs_with_products_for_higher_orders(m):
    rng = np.random.default_rng(m)
    pairs = rng.uniform(-0.5, 0.5, (4, m, m))
    pairs[0] = (pairs[0] + pairs[0].T) / 2
    np.fill_diagonal(pairs[0], 1)
    expected = sum_over_subsets(m, lambda alpha, a, subset: np.prod([pairs[alpha, a, b] for b in subset]))
    np.testing.assert_allclose(weights.correlated(pairs).draw(0).overlap, expected, atol=1e-15)


def test_given_higher_correlations_replace_the_products():
    pairs = np.stack([np.eye(3), *np.full((3, 3, 3), 0.2)])
    fourth = np.arange(12.0).reshape(4, 3) / 20
    expected = sum_over_subsets(
        3, lambda alpha, a, subset: pairs[alpha, a, subset[0]] if len(subset) == 1 else fourth[alpha, a]
    )
    got = weights.correlated(pairs, higher={(2, 0, 1): fourth}).draw(0).overlap
    np.testing.assert_allclose(got, expected, atol=1e-15)


@pytest.mark.parametrize("m", [1, 2, 3, 4])
def test_uniform_means_are_products_over_independent_spins(m):
    ensemble = weights.correlated(n_patterns=m, distribution="uniform")
    means = generator(7, WEIGHT_STREAM).uniform(0, 1, (4, m))

    def correlation(alpha, a, subset):
        if alpha > 0:
            return means[alpha, a] * np.prod([means[0, b] for b in subset])
        return np.prod([means[0, b] for b in set(subset) ^ {a}])  # w^o_a w^o_a = 1

    np.testing.assert_allclose(ensemble.draw(7).overlap, sum_over_subsets(m, correlation), atol=1e-15)


def test_correlations_of_sampled_columns_give_the_overlaps_of_these_columns():
    """The two descriptions of the same weights, by columns and by correlations, agree exactly."""
    m, n = 3, 50
    w = np.random.default_rng(5).choice([-1.0, 1.0], (4, m, n))
    pairs = np.einsum("xan,bn->xab", w, w[0]) / n
    fourth = np.einsum("xan,n->xa", w, w[0].prod(axis=0)) / n
    by_correlations = weights.correlated(pairs, higher={(0, 1, 2): fourth}).draw(0)
    attention = np.array([0.3, -0.8, 0.5])
    np.testing.assert_allclose(
        overlap_of_types(by_correlations, attention), overlap_of_columns(w, np.full(n, 1 / n), attention), atol=1e-14
    )


def test_gaussian_pairs():
    drawn = [weights.correlated(n_patterns=2, distribution="gaussian", scale=0.3).draw(s) for s in range(2000)]
    pairs = np.stack([types.overlap @ types.field.T for types in drawn])
    np.testing.assert_allclose(pairs[:, 0, [0, 1], [0, 1]], 1, atol=1e-14)
    np.testing.assert_allclose(pairs[:, 0, 0, 1], pairs[:, 0, 1, 0], atol=1e-14)
    assert pairs[:, 1:].std() == pytest.approx(0.3, rel=0.03)
    assert np.abs(pairs).max() <= 1 + 1e-12


def test_spins_by_type():
    w = np.random.default_rng(1).choice([-1.0, 1.0], (4, 1, 40))
    ensemble = weights.given(*w)
    spins = np.random.default_rng(2).choice([-1.0, 1.0], 40)
    np.testing.assert_allclose((ensemble.draw(0).overlap * ensemble.spins_by_type(spins)).sum(-1), (w * spins).mean(-1))


signs = np.ones((3, 4))


@pytest.mark.parametrize(
    ("make", "error", "message"),
    [
        (lambda: weights.segments(0), ValueError, "n_patterns must be a whole number of at least 1, not 0"),
        (lambda: weights.segments(3, 2.5), ValueError, "n_segments must be a whole number"),
        (lambda: weights.random("3", 4), TypeError, "n_patterns must be a whole number of at least 1, not '3'"),
        (lambda: weights.cycle(40), ValueError, r"40 patterns would need 2\^39 column types"),
        (lambda: weights.correlated(), ValueError, "give either pairs or distribution"),
        (lambda: weights.correlated(n_patterns=3, distribution="normal"), ValueError, "one of 'gaussian', 'uniform'"),
        (lambda: weights.correlated(np.zeros((4, 2, 3))), ValueError, r"shape \(4, patterns, patterns\)"),
        (lambda: weights.correlated(np.zeros((4, 2, 2))), ValueError, "symmetric with a diagonal of 1"),
        (lambda: weights.correlated(np.stack([np.eye(2)] * 4) * 2), ValueError, r"within \[-1, 1\]"),
        (
            lambda: weights.correlated(np.stack([np.eye(3)] * 4), higher={(0, 1): np.ones((4, 3))}),
            ValueError,
            "is not an odd subset",
        ),
        (lambda: weights.random(3, 10**11), ValueError, r"at most 1e\+07"),
        (
            lambda: weights.correlated(
                np.stack([np.eye(3)] * 4), higher={(0, 1, 2): np.ones((4, 3)), (2, 1, 0): np.ones((4, 3))}
            ),
            ValueError,
            r"the subset \(0, 1, 2\) is given twice",
        ),
        (
            lambda: weights.correlated(np.stack([np.eye(3)] * 4), higher={(0, 1, 2): np.full((4, 3), 9)}),
            ValueError,
            r"higher\[\(0, 1, 2\)\] must be correlations",
        ),
        (lambda: weights.correlated(np.stack([np.eye(3)] * 4), higher=[1, 2]), TypeError, "higher must be a mapping"),
        (lambda: weights.given(signs, signs, signs, signs * 1j), TypeError, "k must be an array of real numbers"),
        (lambda: weights.given(signs, signs, signs, [["1", "-1"]]), TypeError, "k must be an array of real numbers"),
        (lambda: weights.given(signs, signs, signs, signs[:2]), ValueError, r"k \(2, 4\)"),
        (lambda: weights.given(signs, signs, signs, signs * np.nan), ValueError, "k must be finite"),
        (lambda: weights.given(signs, signs, "abc", signs), TypeError, "q must be an array of real numbers"),
        (lambda: weights.given(signs, signs, signs, signs, fraction=[1, 1, 1, 1]), ValueError, "sum 1, not with sum 4"),
        (lambda: ensemble_from_spec({"kind": "magic"}), ValueError, "unknown kind of weights 'magic'"),
    ],
)
def test_wrong_input(make, error, message):
    with pytest.raises(error, match=message):
        make()
