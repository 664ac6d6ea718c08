import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.special import gammaln
from scipy.stats import wasserstein_distance

from dmfx.dynamics.wasserstein import distance_of_sorted, pair_quantiles, project, spread_directions

values = st.lists(st.floats(-1.0, 1.0, width=32), min_size=1, max_size=30)


@given(values, values)
def test_against_scipy(x, y):
    found = distance_of_sorted(np.sort(x), np.sort(y), pair_quantiles(len(x), len(y)))
    assert found == pytest.approx(wasserstein_distance(x, y), abs=1e-12)


@pytest.mark.parametrize(("n", "m"), [(1, 1), (1, 7), (7, 7), (6, 9), (1000, 999), (20_000, 12_345)])
def test_every_part_of_the_probability_is_paired_once(n, m):
    pairing = pair_quantiles(n, m)
    if n == m:
        assert pairing is None
        return
    np.testing.assert_allclose(np.bincount(pairing.first, pairing.weight), np.full(n, 1 / n), rtol=1e-9)
    np.testing.assert_allclose(np.bincount(pairing.second, pairing.weight), np.full(m, 1 / m), rtol=1e-9)
    assert len(pairing.weight) == n + m - math.gcd(n, m)


def test_rows_and_what_is_not_finite():
    x = np.sort(np.random.default_rng(0).normal(size=(4, 3, 10)))
    x[1, 0, -1], x[2, 1, -1] = np.nan, np.inf
    found = distance_of_sorted(x, np.zeros(10))
    assert found.shape == (4, 3)
    assert np.argwhere(np.isnan(found)).tolist() == [[1, 0], [2, 1]]
    np.testing.assert_allclose(found[0, 0], np.abs(x[0, 0]).mean())
    unequal = distance_of_sorted(x, np.zeros(4), pair_quantiles(10, 4))
    np.testing.assert_allclose(unequal, found)


def test_projections():
    rng = np.random.default_rng(1)
    states, directions = rng.normal(size=(3, 50)), rng.normal(size=(5, 3))
    np.testing.assert_allclose(project(states, directions), directions @ states, rtol=1e-12, atol=1e-14)
    for row in range(5):
        assert (project(states, directions[[row]]) == project(states, directions)[row]).all()


@pytest.mark.parametrize("dimension", [1, 2, 3, 4, 7])
@pytest.mark.parametrize("count", [1, 2, 32, 33])
def test_directions_are_unit_vectors_always_the_same(dimension, count):
    found = spread_directions(dimension, count)
    assert found.shape == ((1, 1) if dimension == 1 else (count, dimension))
    np.testing.assert_allclose(np.linalg.norm(found, axis=1), 1.0, rtol=1e-12)
    assert (found == spread_directions(dimension, count)).all()


@pytest.mark.parametrize(
    ("dimension", "count", "within"), [(2, 32, 0.002), (3, 32, 0.03), (3, 300, 0.004), (4, 32, 0.2), (10, 500, 0.15)]
)
def test_directions_are_spread_evenly(dimension, count, within):
    """The mean of the absolute cosine with any vector is what it is for all directions."""
    vectors = np.random.default_rng(2).normal(size=(500, dimension))
    vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
    mean = np.exp(gammaln(dimension / 2) - gammaln((dimension + 1) / 2)) / np.sqrt(np.pi)
    found = np.abs(vectors @ spread_directions(dimension, count).T).mean(axis=1) / mean
    assert np.abs(found - 1).max() < within
