import numpy as np
import pytest
from scipy.optimize import curve_fit

from dmfx.dynamics.power_law import power_law

SIZES = np.array([50.0, 1e3, 3e4, 1e6, 1e9])


@pytest.mark.parametrize("exponent", [-0.5, 0.0, 1.7])
@pytest.mark.parametrize("count", [2, 3, 5])
def test_an_exact_law_is_found(exponent, count):
    x = SIZES[:count]
    for error in (None, np.linspace(0.1, 0.3, count)):
        fit = power_law(x, 3.0 * x**exponent, error)
        assert fit.exponent == pytest.approx(exponent, abs=1e-12)
        assert fit.amplitude == pytest.approx(3.0, rel=1e-10)
        assert fit.count == count


def test_against_the_fit_of_scipy():
    rng = np.random.default_rng(0)
    for error, options in (
        (np.array([0.1, 0.02, 0.3, 0.05, 0.2]), {"absolute_sigma": True}),
        (None, {}),
    ):
        y = SIZES**-0.5 * np.exp(0.1 * rng.normal(size=5))
        fit = power_law(SIZES, y, error)
        expected, covariance = curve_fit(lambda x, b, a: a + b * x, np.log(SIZES), np.log(y), sigma=error, **options)
        np.testing.assert_allclose([fit.exponent, fit.log_amplitude], expected, rtol=1e-6)
        np.testing.assert_allclose(fit.covariance, covariance, rtol=1e-5)


def test_fewer_than_two_points_say_nothing():
    one = power_law(SIZES[:1], np.array([0.1]))
    none = power_law(np.empty(0), np.empty(0))
    same = power_law(np.array([5.0, 5.0]), np.array([1.0, 2.0]))
    for fit in (one, none, same):
        assert np.isnan([fit.exponent, fit.log_amplitude, fit.amplitude]).all()
        assert np.isnan(fit.covariance).all()
    assert (one.count, none.count, same.count) == (1, 0, 2)


def test_two_points_without_errors_have_no_scatter():
    fit = power_law(SIZES[:2], SIZES[:2] ** -0.5)
    assert fit.exponent == pytest.approx(-0.5)
    assert np.isnan(fit.covariance).all()


def test_what_has_no_logarithm_is_left_out():
    y = np.array([[1.0, np.nan, 2.0, 0.0, 4.0], [1.0, -3.0, np.inf, 0.5, 0.2]])
    error = np.array([[0.1, 0.1, 0.1, 0.1, 0.2], [0.1, 0.1, 0.1, 0.3, np.nan]])
    fit = power_law(SIZES, y, error)
    assert fit.count.tolist() == [3, 2]
    for row, kept in ((0, [0, 2, 4]), (1, [0, 3])):
        alone = power_law(SIZES[kept], y[row, kept], error[row, kept])
        for one, other in zip(fit, alone, strict=True):
            np.testing.assert_allclose(one[row], other, rtol=1e-12)
    infinite = power_law(np.array([10.0, 100.0, np.inf]), np.array([1.0, 0.1, 0.0]))
    assert infinite.exponent == pytest.approx(-1.0)


def test_errors_are_right():
    """Of many experiments: z scores of unit variance, and correlated as the covariance says."""
    rng = np.random.default_rng(1)
    error = np.array([0.02, 0.05, 0.01, 0.1, 0.04])
    y = 2.0 * SIZES**-0.5 * np.exp(error * rng.normal(size=(4000, 5)))
    fit = power_law(SIZES, y, error)
    off = np.stack([fit.exponent + 0.5, fit.log_amplitude - np.log(2.0)], axis=-1)
    # 4000 samples know a variance to 2.2 %; four times that.
    np.testing.assert_allclose(np.cov(off.T), fit.covariance[0], rtol=0.09)
    unweighted = power_law(SIZES, y).exponent
    assert unweighted.std() > 1.2 * fit.exponent.std(), "the weights pay"


@pytest.mark.parametrize("scale", [1e-200, 1e200])
def test_errors_of_any_magnitude(scale):
    fit = power_law(SIZES, SIZES**-0.5, scale * np.ones(5))
    assert fit.exponent == pytest.approx(-0.5)
