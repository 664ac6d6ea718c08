"""The slow equations of vector spins: closed forms, integrals over the sphere, and the likelihood of the package."""

import math

import numpy as np
import pytest
from scipy.integrate import quad

import dmfx
from tests import oracle_vectors as oracle
from tests.vectors.networks import KINDS, PATTERNS, D, N, network


@pytest.mark.parametrize("kappa", [1e-8, 0.1, 3.0, 600.0])
def test_the_integral_over_the_sphere_in_closed_form(kappa):
    # d = 3: K(κ) = 4π sinh(κ)/κ.
    log_sinh = kappa + math.log(-math.expm1(-2 * kappa) / 2)
    expected = math.log(4 * math.pi) + log_sinh - math.log(kappa)
    assert oracle.log_sphere_integral(kappa, 3) == pytest.approx(expected, rel=1e-7)


@pytest.mark.parametrize("d", [2, 3, 4, 7, 17])
@pytest.mark.parametrize("kappa", [0.0, 0.5, 9.0])
def test_the_integral_over_the_sphere_by_quadrature(d, kappa):
    # The sphere in slices at the angle t from the field: each a sphere of one dimension less, of radius sin t.
    slices, _ = quad(
        lambda t: math.exp(kappa * math.cos(t)) * math.sin(t) ** (d - 2), 0, math.pi, epsabs=0, epsrel=1e-11
    )
    area = 2 * math.pi ** ((d - 1) / 2) / math.gamma((d - 1) / 2)
    assert oracle.log_sphere_integral(kappa, d) == pytest.approx(math.log(area * slices), abs=1e-9)


def test_the_likelihood_is_normalised():
    rng = np.random.default_rng(0)
    J, x = oracle.random_matrices(rng, 3, 2), oracle.random_tokens(rng, 3, 2)

    def density(angle):
        turned = x.copy()
        turned[1] = math.cos(angle), math.sin(angle)
        return math.exp(oracle.log_pseudo_likelihood(J, turned, 1.7)[1])

    total, _ = quad(density, 0, 2 * math.pi, epsrel=1e-10)
    assert total == pytest.approx(1, rel=1e-9)


def test_attention_is_a_softmax():
    rng = np.random.default_rng(1)
    J, x = oracle.random_matrices(rng, 5, 3), oracle.random_tokens(rng, 5, 3)
    weights = oracle.attention(J, x, 2.0)
    np.testing.assert_allclose(weights.sum(axis=1), 1)
    assert not np.diag(weights).any()
    ratio = math.exp(2.0 * float(x[0] @ (J[0, 1] @ x[1] - J[0, 2] @ x[2])))
    assert weights[0, 1] / weights[0, 2] == pytest.approx(ratio)


@pytest.mark.parametrize("kind", [kind for kind in KINDS if kind != "random"])
@pytest.mark.parametrize("beta", [0.0, 1.0, 30.0])
def test_the_likelihood_of_the_package(kind, beta):
    net = network(kind)
    found = net.log_likelihood(PATTERNS, beta)
    assert found.dims == ("initial", "token")
    expected = [oracle.log_pseudo_likelihood(net.couplings.dense(), x, beta) for x in PATTERNS]
    np.testing.assert_allclose(found, expected, rtol=1e-10, atol=1e-10)


def test_uniform_attention_has_the_uniform_density():
    found = oracle.log_pseudo_likelihood(network().couplings.dense(), PATTERNS[0], 0.0)
    np.testing.assert_allclose(found, -oracle.log_sphere_integral(0, D))
    assert len(found) == N == dmfx.tokens.random(1, N, D).shape[1]
