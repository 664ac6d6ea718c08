import numpy as np
import pytest
import scipy.signal
import xarray as xr
from hypothesis import given, settings
from hypothesis import strategies as st

from dmfx.analysis import autocorrelation, fft, power_spectrum

GOLDEN = (np.sqrt(5) - 1) / 2


def dataset(values):
    """A dataset of an array (step,), (step, pattern) or (beta, step, pattern)."""
    values = np.asarray(values, dtype=float)
    values = values[:, None] if values.ndim == 1 else values
    return xr.Dataset({"m_o_semantic": (("beta", "step", "pattern")[-values.ndim :], values)})


@settings(max_examples=60, deadline=None)
@given(
    steps=st.integers(1, 60),
    window=st.sampled_from(["boxcar", "hann", ("kaiser", 5.0)]),
    detrend=st.booleans(),
    seed=st.integers(0, 99),
)
def test_fft_against_the_sum(steps, window, detrend, seed):
    values = np.random.default_rng(seed).normal(0.5, size=(9, steps, 2))
    result = fft(dataset(values), window=window, detrend=detrend).amplitude
    weights = scipy.signal.get_window(window, steps)
    series = values - detrend * values.mean(axis=1, keepdims=True)
    for index, frequency in enumerate(result.frequency.values):
        wave = weights * np.exp(-2j * np.pi * frequency * np.arange(steps)) / weights.sum()
        factor = 1 if frequency in (0, 0.5) else 2
        expected = factor * np.einsum("t,btp->bp", wave, series)
        np.testing.assert_allclose(result[:, index], expected, atol=1e-12)


@pytest.mark.parametrize("window", ["boxcar", "hann", "blackmanharris", ("kaiser", 8.0)])
def test_amplitude_and_phase_of_a_wave(window):
    time = np.arange(1000)
    wave = 0.3 + 0.25 * np.cos(2 * np.pi * 0.125 * time + 0.7) + 0.1 * np.cos(2 * np.pi * 0.4 * time - 2)
    amplitude = fft(dataset(wave), window=window, detrend=False).amplitude.isel(pattern=0)
    # The tails of a Kaiser window are not zero at other frequencies of the grid.
    tolerance = 1e-4 if isinstance(window, tuple) else 1e-12
    found = amplitude.sel(frequency=[0.0, 0.125, 0.4]).values
    np.testing.assert_allclose(found, [0.3, 0.25 * np.exp(0.7j), 0.1 * np.exp(-2j)], atol=tolerance)
    detrended = fft(dataset(wave), window=window).amplitude.isel(pattern=0)
    assert abs(detrended[0]) < tolerance


def test_period_four_has_lines_at_multiples_of_a_quarter():
    orbit = np.tile([0.3, -0.1, 0.7, 0.2], 50)
    amplitude = abs(fft(dataset(orbit)).amplitude.isel(pattern=0))
    assert amplitude.frequency[amplitude > 1e-12].values.tolist() == [0.25, 0.5]


def test_rotation_has_one_line():
    orbit = np.cos(2 * np.pi * GOLDEN * np.arange(5000))
    power = power_spectrum(dataset(orbit)).power.isel(pattern=0)
    assert float(power.frequency[power.argmax("frequency")]) == pytest.approx(1 - GOLDEN, abs=1e-4)
    line = abs(power.frequency - (1 - GOLDEN)) < 2e-3
    assert power.where(line).sum() > 0.999 * power.sum()


@settings(max_examples=40, deadline=None)
@given(steps=st.integers(1, 300), seed=st.integers(0, 99))
def test_integral_is_the_variance(steps, seed):
    values = np.random.default_rng(seed).normal(2.0, size=(9, steps, 3))
    power = power_spectrum(dataset(values), window="boxcar").power
    np.testing.assert_allclose(power.sum("frequency") / steps, values.var(axis=1), rtol=1e-10, atol=1e-20)


def test_white_noise_is_flat():
    values = np.random.default_rng(2).normal(size=(20, 4096, 1))
    power = power_spectrum(dataset(values), segment=64).power.mean("beta").isel(pattern=0, frequency=slice(2, -1))
    # One-sided: variance 1 over frequencies up to 1/2.
    np.testing.assert_allclose(power, 2.0, rtol=0.15)


@pytest.mark.parametrize("segment", [None, 2, 50, 64, 333])
def test_power_against_scipy(segment):
    values = np.random.default_rng(4).normal(size=(5, 333, 2))
    result = power_spectrum(dataset(values), segment=segment).power
    length = segment or 333
    expected = scipy.signal.welch(values, nperseg=length, axis=1)
    np.testing.assert_allclose(result, expected[1], rtol=1e-12)
    np.testing.assert_allclose(result.frequency, expected[0])
    assert result.attrs["segment"] == length
    assert result.attrs["window"] == "hann"
    assert result.frequency.attrs["units"] == "cycles/step"


@pytest.mark.parametrize("function", [fft, power_spectrum])
def test_constant_and_diverged(function):
    values = np.stack([np.full(100, 0.25), np.full(100, np.nan), np.cos(np.arange(100))])[..., None]
    result = next(iter(function(dataset(values)).values()))
    assert (result[0] == 0).all()
    assert np.isnan(result[1]).all()
    assert np.isfinite(result[2]).all()


@pytest.mark.parametrize("function", [fft, power_spectrum])
def test_one_pattern(function):
    ds = dataset(np.random.default_rng(0).normal(size=(50, 3))).assign_coords(pattern=[7, 8, 9])
    xr.testing.assert_identical(function(ds, pattern=8), function(ds).sel(pattern=[8]))


@pytest.mark.parametrize("function", [fft, power_spectrum])
@pytest.mark.parametrize(
    ("window", "error"),
    [("hahn", ValueError), (("kaiser",), ValueError), (3.0, TypeError), (np.ones(20), TypeError), ((), ValueError)],
)
def test_wrong_window(function, window, error):
    with pytest.raises(error, match=r"window must be a window of scipy\.signal\.get_window"):
        function(dataset(np.arange(20.0)), window=window)


@pytest.mark.parametrize(
    ("segment", "error", "message"),
    [
        (21, ValueError, "segment must be at most the number of steps, 20, not 21"),
        (1, ValueError, "segment must be a whole number of at least 2, not 1"),
        ("8", TypeError, "segment must be a whole number"),
    ],
)
def test_wrong_segment(segment, error, message):
    with pytest.raises(error, match=message):
        power_spectrum(dataset(np.arange(20.0)), segment=segment)


def test_wrong_detrend():
    with pytest.raises(TypeError, match=r"detrend must be True or False, not 'linear' \(str\)"):
        fft(dataset(np.arange(20.0)), detrend="linear")


def test_of_every_third_step_frequencies_are_still_per_step():
    time = np.arange(300)
    orbit = np.cos(2 * np.pi * 0.04 * time)
    ds = xr.Dataset({"m_o_semantic": (("step", "pattern"), orbit[:, None])}, {"step": time})
    third = ds.isel(step=slice(None, None, 3))
    power = power_spectrum(third, window="boxcar").power.isel(pattern=0)
    assert float(power.idxmax("frequency")) == pytest.approx(0.04)
    assert float(power.integrate("frequency")) == pytest.approx(0.5, rel=0.05)
    assert float(fft(third).frequency[-1]) == pytest.approx(1 / 6)
    lags = autocorrelation(third, 25).autocorrelation.isel(pattern=0)
    assert float(lags.sel(lag=75)) == pytest.approx(1)
    for uneven in (ds.isel(step=[0, 1, 5, 9]), ds.isel(step=slice(None, None, -1))):
        for function in (fft, power_spectrum, autocorrelation):
            with pytest.raises(ValueError, match="evenly spaced, increasing steps"):
                function(uneven)
