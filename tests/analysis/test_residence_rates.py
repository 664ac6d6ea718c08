"""Residence times and rates of processes whose laws are known exactly."""

import numpy as np
import pytest
from scipy.stats import gamma, norm

import dmfx
from dmfx.analysis.residence import residence
from dmfx.dynamics.residence import escape_rate, escapes, stays_of

from .residence_cases import chain, fixed_points, runs_of


def test_rates_of_a_chain(tmp_path):
    leave = (0.01, 0.03)
    states = chain(leave, 3000, 40)
    result = residence(runs_of(states), fixed_points([0.0, 1.0]), window=1, every=1)
    np.testing.assert_array_equal(result.residence_label, states)
    stays = stays_of(states)
    left, total = escapes(stays, 2), np.bincount(stays.label, stays.length)
    np.testing.assert_array_equal(result.escapes, left)
    rate = escape_rate(left.sum(axis=1), total)
    for name, values in zip(("escape_rate", "escape_rate_low", "escape_rate_high"), rate, strict=True):
        np.testing.assert_array_equal(result[name], values)
    np.testing.assert_allclose(result.residence_time, total / left.sum(axis=1))
    # The interval of the time is that of a Gamma law, the sum of exponential times.
    np.testing.assert_allclose(result.residence_time_high, total / gamma.ppf(0.025, left.sum(axis=1)))
    np.testing.assert_allclose(result.residence_time_low, total / gamma.ppf(0.975, left.sum(axis=1) + 1))
    assert (result.escape_rate_low < leave).all()
    assert (result.escape_rate_high > leave).all()
    np.testing.assert_allclose(result.occupation, [(states == a).mean() for a in (0, 1)])
    assert (result.core_fraction == 1).all()
    assert dict(result.escape_rate.sizes) == {"attractor": 2}
    path = result.dmft.save(tmp_path / "residence.nc")
    assert dmfx.open(path).load().equals(result)
    assert dmfx.open(path).residence_time.attrs["units"] == "step"


def test_intervals_hold_the_truth():
    """Chains along a sweep dim, few runs each: the intervals of 95 % of them, or a few more, hold the rate."""
    leave = (0.01, 0.02)
    states = chain(leave, 400, 4 * 500, seed=3).reshape(500, 4, 400)
    ds = runs_of(states, ("gamma", "replica", "step"), gamma=np.arange(500.0))
    result = residence(ds, fixed_points([0.0, 1.0]), window=1, every=1, max_stays=1)
    held = (result.escape_rate_low <= leave) & (leave <= result.escape_rate_high)
    share = held.mean("gamma").values
    assert (share > 0.95 - 4 * np.sqrt(0.95 * 0.05 / 500)).all()
    assert (share < 1).all()


def test_noise_in_a_double_well():
    """The time to leave is known from the transition probabilities on a fine grid."""
    rng, slope, sigma, core = np.random.default_rng(0), 0.25, 0.2, 0.1
    grid = np.linspace(-2.5, 2.5, 1001)
    mean = grid + slope * (grid - grid**3)
    moves = norm.pdf(grid, mean[:, None], sigma)
    moves /= moves.sum(axis=1, keepdims=True)
    free = np.abs(grid - 1) > core
    time = np.linalg.solve(np.eye(free.sum()) - moves[np.ix_(free, free)], np.ones(free.sum()))
    expected = time[np.abs(grid[free] + 1) <= core].mean()
    x = rng.choice([-1.0, 1.0], 400)
    values = np.empty((400, 4000))
    for t in range(4000):
        values[:, t] = x
        x = x + slope * (x - x**3) + sigma * rng.normal(size=400)
    result = residence(runs_of(values, noise=0), fixed_points([-1.0, 1.0]), window=1, every=1, radius=core)
    assert int(result.escapes.sum()) > 1000
    for a in (0, 1):
        error = expected / np.sqrt(int(result.escapes[a].sum()))
        assert float(result.residence_time[a]) == pytest.approx(expected, abs=4 * error)
    # Whoever counts sign changes instead of cores finds far shorter times.
    flips = (np.diff(np.sign(values), axis=1) != 0).sum()
    assert values.size / flips < 0.8 * expected


def test_all_stays_end_or_none_do():
    states = np.array([[0, 0, 0, 0, 0, 0], [0, 0, 1, 1, 0, 0]])
    result = residence(runs_of(states[:1]), fixed_points([0.0, 1.0]), window=1)
    assert result.escape_rate.values.tolist() == [0, pytest.approx(np.nan, nan_ok=True)]
    assert result.residence_time[0] == np.inf
    assert result.residence_time_high[0] == np.inf
    assert float(result.residence_time_low[0]) == pytest.approx(5 / -np.log(0.025))
    assert result.occupation.values.tolist() == [1, 0]
    result = residence(runs_of(states[1:]), fixed_points([0.0, 1.0]), window=1)
    np.testing.assert_array_equal(result.stay_length[:, :3], [[2, 1, np.nan], [2, np.nan, np.nan]])
    assert result.stay_ended.values[:, :2].tolist() == [[1, 0], [1, 0]]


def test_times_are_in_steps():
    states = chain((0.02, 0.02), 2000, 10)
    ds = runs_of(states, step=100 + np.arange(2000))
    one, five = (residence(ds, fixed_points([0.0, 1.0]), window=1, every=every) for every in (1, 5))
    np.testing.assert_array_equal(five.residence_label, one.residence_label.isel(step=slice(0, None, 5)))
    np.testing.assert_array_equal(five.step, 100 + np.arange(0, 2000, 5))
    assert set(np.unique(five.stay_length.where(five.stay_ended == 1).values % 5)[:1]) == {0}
    np.testing.assert_allclose(five.residence_time, one.residence_time, rtol=0.25)
    assert one.residence_label.attrs["every"] == 1
    # A window of four ends at the fourth step, and looks are as far apart as it is long where nothing else is said.
    four = residence(ds, fixed_points([0.0, 1.0]), window=4)
    np.testing.assert_array_equal(four.step, 100 + np.arange(3, 2000, 4))


def test_before_any_core_and_after_divergence():
    states = np.array([[0.4, 0.5, 0.0, 0.5, 1.0, 1.0], [0.4, 0.6, 0.6, 0.4, 0.5, 0.5], [0, np.nan, 0, 0.5, 1, 1]])
    states = np.concatenate([states, [[1.0, 1.0, np.nan, np.nan, np.nan, np.nan], [np.nan] * 6]])
    result = residence(runs_of(states), fixed_points([0.0, 1.0]), window=1, pool=())
    assert result.residence_label.values.tolist() == [
        [-1, -1, 0, 0, 1, 1],
        [-1, -1, -1, -1, -1, -1],
        [0, -2, 0, 0, 1, 1],
        [1, 1, -2, -2, -2, -2],
        [-2, -2, -2, -2, -2, -2],
    ]
    assert result.residence_count.values.tolist() == [[1, 1], [0, 0], [2, 1], [0, 1], [0, 0]]
    np.testing.assert_allclose(result.occupation.sum("attractor", skipna=False), [4 / 6, 0, 1, 1, np.nan])
    np.testing.assert_allclose(result.core_fraction[:3], [[1 / 2, 1], [np.nan, np.nan], [2 / 3, 1]])
    assert np.isnan(result.escape_rate[1]).all()
    assert result.escapes.values[:, 0, 1].tolist() == [1, 0, 1, 0, 0]
    pooled = residence(runs_of(states), fixed_points([0.0, 1.0]), window=1)
    assert pooled.residence_count.values.tolist() == [3, 3]
    np.testing.assert_allclose(pooled.occupation, [5 / 19, 6 / 19])
