import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.optimize import minimize
from scipy.special import log_expit

from dmfx.dynamics.half_point import half_points
from dmfx.variables import HALF_POINTS

KIND = {name: number for number, name in enumerate(HALF_POINTS)}
LEVELS = np.array([0.0, 0.1, 0.2, 0.3, 0.4, 0.5])


def fit(hits, trials=20, levels=LEVELS):
    hits = np.atleast_2d(hits)
    return half_points(levels, hits, np.broadcast_to(trials, hits.shape))


def likelihood(a, b, levels, hits, trials):
    t = a - b * levels
    return (hits * log_expit(t) + (trials - hits) * log_expit(-t)).sum()


def profile(s, levels, hits, trials):
    """The largest log-likelihood of any steepness at the half point s, by looking at many."""
    steep = np.concatenate([[0.0], np.geomspace(1e-4, 1e7, 801)])[:, None]
    t = steep * (s - levels)
    return (hits * log_expit(t) + (trials - hits) * log_expit(-t)).sum(axis=1).max()


@given(st.lists(st.integers(0, 7), min_size=6, max_size=6))
@settings(max_examples=30, deadline=None)
def test_against_the_definition(hits):
    hits, trials = np.array(hits), np.full(6, 7)
    found = fit(hits, trials)
    kind = HALF_POINTS[found.known[0]]
    value, low, high = found.value[0], found.low[0], found.high[0]
    assert not low > high
    best = max(profile(s, LEVELS, hits, trials) for s in np.concatenate([np.linspace(-3, 4, 141), [-1e6, 1e6]]))
    if 0 < hits.sum() < 42:  # the same success at all levels
        best = max(best, likelihood(np.log(hits.sum() / (42 - hits.sum())), 0.0, LEVELS, hits, trials))
    steep = kind in ("separated", "always", "never")
    if steep:  # the best half point may be at a level, which the places above may miss
        mixed = hits[(hits > 0) & (hits < 7)] / 7
        best = 7 * (mixed * np.log(mixed) + (1 - mixed) * np.log(1 - mixed)).sum()
    bracket = ()
    if kind == "separated":
        bracket = LEVELS[2 * hits >= 7].max(), LEVELS[2 * hits < 7].min()
        assert value == pytest.approx(np.mean(bracket))
        assert low <= bracket[0] < bracket[1] <= high
    if kind in ("fitted", "extrapolated"):
        start = np.array([found.steepness[0] * value, found.steepness[0]])
        free = minimize(lambda ab: -likelihood(*ab, LEVELS, hits, trials), start * 0.9, method="BFGS")
        best = max(best, -free.fun)
        assert likelihood(*start, LEVELS, hits, trials) == pytest.approx(best, abs=1e-6)
        assert (kind == "fitted") == (0 <= value <= 0.5)
        assert low < value < high
    for end, inwards in ((low, 1e-4), (high, -1e-4)):
        if np.isfinite(end) and end in bracket:
            assert profile(end - inwards, LEVELS, hits, trials) < best - 1.920729 + 0.02
        elif np.isfinite(end):
            assert profile(end + inwards, LEVELS, hits, trials) > best - 1.920729 - 0.02
            assert profile(end - inwards, LEVELS, hits, trials) < best - 1.920729 + 0.02
    if kind == "always":
        assert (2 * hits >= 7).all()
        assert high == np.inf
    if kind == "never":
        assert (2 * hits < 7).all()
        assert low == -np.inf


def test_a_symmetric_curve():
    found = fit([20, 18, 13, 7, 2, 0])
    assert found.value == pytest.approx(0.25, abs=1e-12)
    assert found.high - found.value == pytest.approx(found.value - found.low, rel=1e-6)
    assert HALF_POINTS[found.known[0]] == "fitted"


def test_separation():
    """Any half point between the two levels is as good."""
    found = fit([20, 20, 20, 0, 0, 0])
    assert found.known == KIND["separated"]
    assert found.value == pytest.approx(0.25)
    assert found.low == pytest.approx(0.2, abs=1e-6)
    assert found.high == pytest.approx(0.3, abs=1e-6)
    few = fit([2, 2, 2, 0, 0, 0], trials=2)
    assert 0.1 < few.low < 0.2
    assert 0.3 < few.high < 0.4
    assert found.steepness == np.inf


@pytest.mark.parametrize(
    ("hits", "value", "bracket"),
    [
        ([30, 30, 28, 0], 0.75, (0.5, 1.0)),
        ([30, 1, 0, 0], 0.1, (0.0, 0.2)),
        ([30, 30, 16, 0], 0.75, (0.5, 1.0)),
        ([30, 30, 14, 0], 0.35, (0.2, 0.5)),
        ([30, 30, 15, 0], 0.5, (0.5, 0.5)),
        ([30, 30, 0, 0], 0.35, (0.2, 0.5)),
        ([29, 0, 0, 0], 0.1, (0.0, 0.2)),
        ([30, 30, 30, 2], 0.75, (0.5, 1.0)),
    ],
)
def test_one_mixed_level_does_not_tell_where_the_half_is(hits, value, bracket):
    """The fit is infinitely steep at that level; the half is somewhere between two levels."""
    levels = np.array([0.0, 0.2, 0.5, 1.0])
    found = fit(hits, trials=30, levels=levels)
    assert found.known == KIND["separated"]
    assert found.steepness == np.inf
    assert found.value == pytest.approx(value, abs=1e-12)
    assert found.low <= bracket[0] + 1e-12
    assert found.high >= bracket[1] - 1e-12
    # The other way round: failures for successes.
    turned = fit(30 - np.array(hits)[::-1], trials=30, levels=-levels[::-1])
    for name, other in (("value", found.value), ("low", found.high), ("high", found.low)):
        assert getattr(turned, name) == pytest.approx(-other, abs=1e-6)
    # And likely half points are in the interval.
    best = max(profile(s, levels, np.array(hits), 30) for s in np.linspace(0, 1, 2001))
    for s in np.linspace(-0.2, 1.2, 29):
        if profile(s, levels, np.array(hits), 30) > best - 1.9:
            assert found.low <= s + 1e-9
            assert s <= found.high + 1e-9


def test_a_mixed_last_or_first_level_gives_a_bound():
    levels = np.array([0.0, 0.2, 0.5, 1.0])
    found = fit([[30, 30, 30, 25], [7, 0, 0, 0], [30, 30, 30, 30]], trials=30, levels=levels)
    assert found.known.tolist() == [KIND[name] for name in ("always", "never", "always")]
    assert np.isnan(found.value).all()
    assert found.high[[0, 2]].tolist() == [np.inf, np.inf]
    assert found.low[1] == -np.inf
    assert 0.5 < found.low[0] <= 1.0
    assert 0.0 <= found.high[1] < 0.2
    assert fit([30, 30, 28, 25], trials=30, levels=levels).known == KIND["extrapolated"]


def test_censoring():
    found = fit([[20] * 6, [0] * 6, [10, 9, 11, 10, 10, 11], [20, 20, 20, 19, 18, 16]])
    assert found.known.tolist() == [KIND[name] for name in ("always", "never", "no_fall", "extrapolated")]
    assert np.isnan(found.value[:3]).all()
    assert found.low[0] == pytest.approx(0.5, abs=0.01)
    assert (found.high[0], found.low[1], found.low[2], found.high[2]) == (np.inf, -np.inf, -np.inf, np.inf)
    assert found.high[1] == pytest.approx(0.0, abs=0.01)
    assert 0.5 < found.low[3] < found.value[3] < found.high[3]


def test_levels_without_trials():
    hits, trials = np.array([[20, 17, 0, 0, 2, 0]]), np.array([[20, 20, 0, 0, 20, 20]])
    found = half_points(LEVELS, hits, trials)
    some = trials[0] > 0
    for one, other in zip(found, half_points(LEVELS[some], hits[:, some], trials[:, some]), strict=True):
        np.testing.assert_array_equal(one, other)
    none = half_points(LEVELS, 0 * hits, 0 * trials)
    assert none.known == KIND["no_trials"]
    assert np.isnan(none.value)


@pytest.mark.parametrize(("first", "second"), [(5, 3), (10, 0), (10, 4), (0, 3)])
def test_a_level_that_is_there_twice(first, second):
    """Sweeps that were joined have such; it is one level with the trials of both."""
    twice = fit([10, first, second, 0], trials=10, levels=np.array([0.1, 0.3, 0.3, 0.5]))
    once = fit([10, first + second, 0], trials=np.array([[10, 20, 10]]), levels=np.array([0.1, 0.3, 0.5]))
    assert twice.low < twice.high
    for name in twice._fields:
        np.testing.assert_array_equal(getattr(twice, name), getattr(once, name))


def test_order_scale_and_company_do_not_matter():
    rng = np.random.default_rng(0)
    hits = rng.binomial(20, [0.95, 0.9, 0.6, 0.5, 0.2, 0.1], (30, 6))
    found = fit(hits)
    order = rng.permutation(6)
    for moved in (fit(hits[:, order], levels=LEVELS[order]), fit(hits, levels=7 * LEVELS)):
        scale = 7 if moved.value[0] > 0.6 else 1
        for name in ("value", "low", "high"):
            np.testing.assert_allclose(getattr(moved, name), scale * getattr(found, name), rtol=1e-6)
    alone = [fit(row) for row in hits]
    np.testing.assert_array_equal(np.concatenate([each.low for each in alone]), found.low)
    quick = half_points(LEVELS, hits, np.full_like(hits, 20), intervals=False)
    np.testing.assert_array_equal(quick.value, found.value)
    assert np.isinf(quick.high).all()


@pytest.mark.parametrize(("trials", "steepness"), [(5, 10.0), (10, 20.0), (30, 20.0), (20, 200.0)])
def test_coverage(trials, steepness):
    """95 % intervals hold the true value so often, or more where the curve is steeper than the levels are close."""
    rng = np.random.default_rng(trials)
    levels = np.linspace(0, 1, 8)
    hits = rng.binomial(trials, 1 / (1 + np.exp(steepness * (levels - 0.45))), (2000, 8))
    found = half_points(levels, hits, np.full_like(hits, trials))
    covered = ((found.low <= 0.45) & (found.high >= 0.45)).mean()
    assert covered > 0.925
    assert covered < 0.965 or steepness > 100
