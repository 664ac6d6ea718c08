"""The normaliser on the sphere: against its series, integrals, draws, and what is known exactly."""

import math
from decimal import Decimal, localcontext

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.integrate import quad
from scipy.special import ive

from dmfx.kernels.von_mises_fisher import normaliser_table, von_mises_fisher

PI = Decimal("3.14159265358979323846264338327950288419716939937510582097494459230781640628621")


def series(squared, d):
    """log K_d and R_d/κ from Σ (κ²/4)^m / (m! Γ(ν + m + 1)), whose terms are all positive, with sixty digits."""
    with localcontext() as context:
        context.prec = 60
        quarter = Decimal(squared) / 4

        def sum_from(nu):
            term = total = 1 / gamma(nu + 1)
            m = 0
            while term > total * Decimal(10) ** -50:
                m += 1
                term *= quarter / (m * (nu + m))
                total += term
            return total

        nu = Decimal(d) / 2 - 1
        here, above = sum_from(nu), sum_from(nu + 1)
        log_k = Decimal(d) / 2 * (2 * PI).ln() - nu * Decimal(2).ln() + here.ln()
        return float(log_k), float(above / here / 2)


def gamma(x):
    """Γ of a multiple of ½."""
    product = Decimal(1)
    while x > 1:
        x -= 1
        product *= x
    return product if x == 1 else product * PI.sqrt()


def check(squared, d):
    log_k, mean = von_mises_fisher(squared, d)
    exact = series(float(squared), d)
    # Terms of the size of κ and d cancel in the logarithm.
    assert abs(log_k - exact[0]) <= 3e-14 * max(1, abs(exact[0])) + 1e-15 * (d + math.sqrt(squared))
    assert abs(mean - exact[1]) <= 3e-14 * exact[1]


@settings(max_examples=150, deadline=None)
@given(d=st.integers(2, 120), kappa=st.floats(0, 200))
def test_against_the_series(d, kappa):
    check(np.float64(kappa) ** 2, d)


@pytest.mark.parametrize("d", [2, 3, 4, 17, 39, 40, 41, 42, 43, 193, 769, 3073])
def test_against_the_series_at_many_scales(d):
    for kappa in (0.0, 1e-160, 1e-9, 1e-3, 0.7, 5.0, 11.0, 19.0, 40.0, 700.0):
        check(np.float64(kappa) ** 2, d)


@pytest.mark.parametrize("d", [2, 3, 17])
def test_against_scipy_where_it_is_large(d):
    kappa = np.logspace(2, 6, 41)
    log_k, mean = von_mises_fisher(kappa**2, d)
    nu = d / 2 - 1
    expected = d / 2 * np.log(2 * np.pi) + np.log(ive(nu, kappa)) + kappa - nu * np.log(kappa)
    np.testing.assert_allclose(log_k, expected, rtol=1e-13)
    np.testing.assert_allclose(mean, ive(nu + 1, kappa) / ive(nu, kappa) / kappa, rtol=1e-13)


def test_three_dimensions_are_known_exactly():
    kappa = np.logspace(1, 100, 34)
    log_k, mean = von_mises_fisher(kappa**2, 3)
    np.testing.assert_allclose(log_k, kappa + np.log(2 * np.pi / kappa * -np.expm1(-2 * kappa)), rtol=1e-14)
    np.testing.assert_allclose(mean, (1 / np.tanh(kappa) - 1 / kappa) / kappa, rtol=1e-14)


@pytest.mark.parametrize("d", [2, 3, 4, 17, 100])
def test_at_zero_it_is_the_area_of_the_sphere(d):
    log_k, mean = von_mises_fisher(0.0, d)
    area = math.log(2) + d / 2 * math.log(math.pi) - math.lgamma(d / 2)
    assert log_k == pytest.approx(area, abs=3e-14 * max(1, abs(area)))
    assert mean == pytest.approx(1 / d, rel=2e-14)


@pytest.mark.parametrize("kappa", [0.0, 0.3, 2.0, 15.0])
def test_against_numerical_integration(kappa):
    circle = quad(lambda t: math.exp(kappa * math.cos(t)), 0, 2 * math.pi, epsabs=0, epsrel=1e-12)[0]
    sphere = quad(lambda t: 2 * math.pi * math.exp(kappa * t), -1, 1, epsabs=0, epsrel=1e-12)[0]
    assert von_mises_fisher(kappa**2, 2)[0] == pytest.approx(math.log(circle), rel=1e-11)
    assert von_mises_fisher(kappa**2, 3)[0] == pytest.approx(math.log(sphere), rel=1e-11)
    circle_mean = quad(lambda t: math.cos(t) * math.exp(kappa * math.cos(t)), 0, 2 * math.pi)[0] / circle
    sphere_mean = quad(lambda t: 2 * math.pi * t * math.exp(kappa * t), -1, 1)[0] / sphere
    assert kappa * von_mises_fisher(kappa**2, 2)[1] == pytest.approx(circle_mean, rel=1e-9, abs=1e-12)
    assert kappa * von_mises_fisher(kappa**2, 3)[1] == pytest.approx(sphere_mean, rel=1e-9, abs=1e-12)


@pytest.mark.parametrize("kappa", [0.5, 3.0, 6.0])
def test_against_monte_carlo_in_seventeen_dimensions(kappa):
    rng = np.random.default_rng(17)
    x = rng.standard_normal((400_000, 17))
    first = x[:, 0] / np.linalg.norm(x, axis=1)
    weights = np.exp(kappa * first)
    log_k, mean = von_mises_fisher(kappa**2, 17)
    area = 2 * math.pi**8.5 / math.gamma(8.5)
    error = weights.std() / len(x) ** 0.5
    assert abs(math.exp(log_k) / area - weights.mean()) < 4 * error < 0.02 * weights.mean()
    off = weights * (first - kappa * mean)
    assert abs(off.mean()) < 4 * off.std() / len(x) ** 0.5


@settings(max_examples=30, deadline=None)
@given(d=st.integers(2, 60), kappa=st.floats(0.1, 50))
def test_the_mean_is_the_derivative(d, kappa):
    step = 1e-4 * kappa
    low, high = von_mises_fisher(np.array([kappa - step, kappa + step]) ** 2, d)[0]
    assert (high - low) / (2 * step) == pytest.approx(kappa * von_mises_fisher(kappa**2, d)[1], rel=1e-6)


def test_a_lane_does_not_see_the_others():
    kappa = np.logspace(-3, 5, 37)
    together = von_mises_fisher(kappa**2, 17)
    for n in (0, 5, 36):
        alone = von_mises_fisher(kappa[n] ** 2, 17)
        assert (together[0][n], together[1][n]) == tuple(float(each) for each in alone)


def test_shapes_and_the_table():
    log_k, mean = von_mises_fisher(np.ones((3, 5)), 4)
    assert log_k.shape == mean.shape == (3, 5)
    assert von_mises_fisher(np.ones((0, 2)), 4)[0].shape == (0, 2)
    assert normaliser_table(17) is normaliser_table(17)
    assert not normaliser_table(17).flags.writeable
