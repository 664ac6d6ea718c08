import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from dmfx.dynamics.association import pearson, spearman


@given(st.lists(st.tuples(st.integers(-5, 5), st.integers(-5, 5)), min_size=4, max_size=20))
@settings(deadline=None)
def test_against_scipy(pairs):
    x, y = np.array(pairs, float).T
    if np.ptp(x) == 0 or np.ptp(y) == 0:
        assert np.isnan([*pearson(x, y), *spearman(x, y)]).all()
        return
    reference = stats.pearsonr(x, y)
    assert pearson(x, y)[0] == pytest.approx(reference.statistic, abs=1e-12)
    if abs(reference.statistic) < 1 - 1e-9:
        assert pearson(x, y)[1:] == pytest.approx(tuple(reference.confidence_interval(0.95)), abs=1e-12)
    assert spearman(x, y)[0] == pytest.approx(stats.spearmanr(x, y).statistic, abs=1e-12)


def test_few_pairs():
    x = np.array([1.0, 2.0, 4.0])
    assert np.isnan(pearson(x[:2], x[:2])).all()
    assert pearson(x, x)[0] == pytest.approx(1)
    assert np.isnan(spearman(x, -x)[1:]).all()
    rising = np.arange(6.0)
    assert spearman(rising, -(rising**3)) == pytest.approx((-1, -1, -1))
    assert np.isnan(spearman(np.empty(0), np.empty(0))[0])


@pytest.mark.parametrize(("function", "power"), [(pearson, 1), (spearman, 3)])
def test_coverage(function, power):
    """Of normal pairs with a correlation of 0.6; ranks do not change under a rising function."""
    rng = np.random.default_rng(power)
    true = 0.6 if function is pearson else 6 / np.pi * np.arcsin(0.3)
    inside = 0
    for _ in range(1000):
        x, noise = rng.normal(size=(2, 40))
        _, low, high = function(x, (0.6 * x + 0.8 * noise) ** power)
        inside += low <= true <= high
    assert 0.93 < inside / 1000 < 0.97
