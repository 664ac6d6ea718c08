import numpy as np
import pytest
import xarray as xr
from hypothesis import given, settings
from hypothesis import strategies as st

from dmfx.analysis import autocorrelation

GOLDEN = (np.sqrt(5) - 1) / 2


def dataset(values):
    """A dataset of an array (step,), (step, pattern) or (beta, step, pattern)."""
    values = np.asarray(values, dtype=float)
    values = values[:, None] if values.ndim == 1 else values
    return xr.Dataset({"m_o_semantic": (("beta", "step", "pattern")[-values.ndim :], values)})


def by_definition(series, max_lag):
    steps = len(series)
    change = series - series.mean()
    sums = [change[: steps - lag] @ change[lag:] / (steps - lag) for lag in range(max_lag + 1)]
    return np.array(sums) / (change @ change / steps)


@settings(max_examples=60, deadline=None)
@given(steps=st.integers(2, 200), data=st.data(), seed=st.integers(0, 99))
def test_against_the_direct_sum(steps, data, seed):
    max_lag = data.draw(st.integers(0, steps - 1))
    values = np.random.default_rng(seed).normal(0.7, size=(11, steps, 2))
    result = autocorrelation(dataset(values), max_lag).autocorrelation
    assert dict(result.sizes) == {"beta": 11, "lag": max_lag + 1, "pattern": 2}
    for beta in range(11):
        for pattern in range(2):
            expected = by_definition(values[beta, :, pattern], max_lag)
            np.testing.assert_allclose(result[beta, :, pattern], expected, atol=1e-12, rtol=1e-10)


@pytest.mark.parametrize("period", [2, 4, 28])
def test_periodic_orbit_is_one_at_its_period(period):
    orbit = np.tile(np.random.default_rng(1).normal(size=period), 20)
    result = autocorrelation(dataset(orbit), 5 * period).autocorrelation.isel(pattern=0)
    np.testing.assert_allclose(result[::period], 1.0, rtol=1e-12)
    assert (result[1:period] < 0.99).all()


def test_rotation():
    orbit = np.cos(2 * np.pi * GOLDEN * np.arange(20_000))
    result = autocorrelation(dataset(orbit), 100).autocorrelation.isel(pattern=0)
    np.testing.assert_allclose(result, np.cos(2 * np.pi * GOLDEN * np.arange(101)), atol=2e-4)


def test_nan_where_nothing_moves_or_diverged():
    time = np.arange(999)
    quiet = [np.full(999, 0.1), 0.1 + 1e-18 * time, np.zeros(999), np.full(999, np.nan), 1 / (time - 5.0 + 1e-300)]
    quiet[4][5] = np.inf
    small = 0.1 + 1e-12 * np.cos(0.3 * time)
    result = autocorrelation(dataset(np.stack([*quiet, small])[..., None]), 9).autocorrelation
    assert np.isnan(result[:5]).all()
    np.testing.assert_allclose(result[5, :, 0], np.cos(0.3 * np.arange(10)), atol=0.02)


def test_defaults_and_one_pattern():
    assert autocorrelation(dataset(np.arange(31.0))).sizes["lag"] == 16
    assert autocorrelation(dataset(np.arange(3001.0))).sizes["lag"] == 1001
    ds = dataset(np.random.default_rng(0).normal(size=(50, 3))).assign_coords(pattern=[7, 8, 9])
    one = autocorrelation(ds, 5, pattern=8)
    xr.testing.assert_identical(one, autocorrelation(ds, 5).sel(pattern=[8]))
    assert one.lag.attrs["units"] == "step"


@pytest.mark.parametrize(
    ("max_lag", "error", "message"),
    [
        (20, ValueError, "max_lag must be less than the number of steps, 20, not 20"),
        (-1, ValueError, "max_lag must be a whole number of at least 0, not -1"),
        (1.5, ValueError, "max_lag must be a whole number"),
        ("all", TypeError, "max_lag must be a whole number"),
    ],
)
def test_wrong_input(max_lag, error, message):
    with pytest.raises(error, match=message):
        autocorrelation(dataset(np.arange(20.0)), max_lag)
