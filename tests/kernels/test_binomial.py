"""The binomial quantile: against exact arithmetic, against SciPy in all regimes, and its promises of order."""

import math
from decimal import Decimal, localcontext

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numba import njit
from scipy import special, stats

from dmfx.kernels.binomial import FEW, SCRATCH, _expansion, binomial_quantile, normal_quantile
from dmfx.kernels.binomial_sum import smallest_reaching
from dmfx.kernels.lanes import WIDTH, load, splat, sqrt, store
from dmfx.kernels.settings import OPTIONS

MOST = 2**53


@njit(**OPTIONS)
def quantiles(work, rounds):
    for r in range(rounds):
        u, n, odds = load(work, 4 * r), load(work, 4 * r + 1), load(work, 4 * r + 2)
        store(work, 4 * r + 3, binomial_quantile(work, 4 * rounds, u, n, odds))


@njit(**OPTIONS)
def expansions(work, rounds):
    for r in range(rounds):
        u, n, odds = load(work, 4 * r), load(work, 4 * r + 1), load(work, 4 * r + 2)
        q = splat(1.0) / (splat(1.0) + odds)
        sigma = sqrt(n * (odds * q) * q)
        store(work, 4 * r + 3, _expansion(normal_quantile(u), sigma, (splat(1.0) - odds) * q))


@njit(**OPTIONS)
def normals(work, rounds):
    for r in range(rounds):
        store(work, 4 * r + 3, normal_quantile(load(work, 4 * r)))


@njit(**OPTIONS)
def from_guess(k, u, n, odds):
    return smallest_reaching(k, u, n, odds)


def drive(function, u, n=1.0, odds=1.0):
    """Values of a lane function at arrays that are broadcast, sixteen at a time."""
    u, n, odds = np.broadcast_arrays(u, n, odds)
    rounds = -(-u.size // WIDTH)
    work = np.full((4 * rounds + SCRATCH + 1, WIDTH), 0.5)
    view = work[: 4 * rounds].reshape(rounds, 4, WIDTH)
    for row, values in enumerate((u, n, odds)):
        padded = np.pad(np.ravel(values).astype(float), (0, rounds * WIDTH - u.size), mode="edge")
        view[:, row] = padded.reshape(rounds, WIDTH)
    function(work.reshape(-1), rounds)
    assert (work[-1] == 0.5).all()  # no more scratch than it says
    return view[:, 3].reshape(-1)[: u.size].reshape(u.shape)


def quantile(u, n, odds):
    return drive(quantiles, u, n, odds)


def odds_of(p):
    return np.minimum(p / (1 - p), 1.0)


class Exact:
    """F of one binomial distribution in decimal numbers of sixty digits, with p = odds / (1 + odds) of a float."""

    def __init__(self, n, odds):
        with localcontext(prec=60):
            term = total = (1 + Decimal(odds)) ** -n
            self.below, self.above = [total], []
            terms = [term]
            for i in range(n):
                term *= Decimal(odds) * (n - i) / (i + 1)
                total += term
                terms.append(term)
                self.below.append(total)
            upper = Decimal(0)
            for each in reversed(terms[1:]):
                upper += each
                self.above.append(upper)
            self.above = [*reversed(self.above), Decimal(0)]  # 1 - F(k)

    def quantile(self, u):
        """The smallest k with F(k) ≥ u, and how far the nearest step of F is, relative to the tail it is in."""
        with localcontext(prec=60):
            u = Decimal(float(u))
            low, high = 0, len(self.below) - 1
            while low < high:
                middle = (low + high) // 2
                low, high = (low, middle) if self.reaches(middle, u) else (middle + 1, high)
            away = min(self.distance(k, u) for k in (low - 1, low) if k >= 0)
        return low, float(away)

    def reaches(self, k, u):
        return k == len(self.below) - 1 or (self.below[k] >= u if u < Decimal("0.5") else self.above[k] <= 1 - u)

    def distance(self, k, u):
        if u < Decimal("0.5"):
            return abs(self.below[k] - u) / u
        return abs(self.above[k] - (1 - u)) / (1 - u)


def near_steps(exact, n, odds, rng, count):
    """Numbers u close to steps of F, from 10^-3 to 10^-12 relative, in both tails."""
    p = odds / (1 + odds)
    k = np.clip(np.round(n * p + math.sqrt(n * p / (1 + odds)) * rng.uniform(-7, 7, count)), 0, n - 1).astype(int)
    off = 1 + rng.choice([-1, 1], count) * 10 ** rng.uniform(-12, -3, count)
    below = np.array([float(exact.below[i]) for i in k]) * off
    above = np.array([float(exact.above[i]) for i in k]) * off
    u = np.where(below < 0.5, below, 1 - above)
    return u[(u >= 2.0**-53) & (u <= 1 - 2.0**-53)]


# n p below, at and above the switch of methods, and where doubt is frequent.
@pytest.mark.parametrize("n", [1, 2, 3, 7, 19, 40, 41, 100, 400, 3000])
@pytest.mark.parametrize("p", [0.5, 0.4999, 0.37, 0.05, 0.0071, 1e-6])
def test_exact_next_to_the_steps(n, p):
    odds = float(odds_of(p))
    exact = Exact(n, odds)
    rng = np.random.default_rng(n)
    grid = (2 * rng.integers(0, 2**52, 60) + 1) / MOST
    u = np.concatenate([near_steps(exact, n, odds, rng, 90), grid, [2.0**-53, 1 - 2.0**-53]])
    expected, away = np.array([exact.quantile(each) for each in u]).T
    got = quantile(u, n, odds)
    # Sums of doubles cannot tell what is closer to a step than their rounding: of order 1e-16 of the whole if F is
    # added from below, and 1e-13 of the tail otherwise.
    tail = np.minimum(u, 1 - u)
    resolved = away > 5e-13 + np.where(n * p <= FEW, 1e-15 / tail, 0)
    assert resolved.mean() > 0.7
    assert (got == expected)[resolved].all()
    assert (np.abs(got - expected) <= 1).all()


@pytest.mark.parametrize("mean", [FEW * (1 - 1e-9), FEW, FEW * (1 + 1e-9), 25.0])
@pytest.mark.parametrize("n", [40, 57, 1000, 2000])
def test_exact_at_the_switch_of_methods(n, mean):
    odds = float(odds_of(min(mean / n, 0.5)))
    exact = Exact(n, odds)
    u = np.concatenate([near_steps(exact, n, odds, np.random.default_rng(n), 60), np.linspace(0.001, 0.999, 60)])
    expected, away = np.array([exact.quantile(each) for each in u]).T
    resolved = away > 5e-13 + 1e-15 / np.minimum(u, 1 - u)
    assert (quantile(u, n, odds) == expected)[resolved].all()


counts = st.one_of(
    st.integers(0, 100), st.floats(0, math.log(MOST)).map(lambda x: min(round(math.exp(x)), MOST)), st.just(MOST)
)
probabilities = st.one_of(st.floats(1e-12, 0.5), st.floats(math.log(1e-12), math.log(0.5)).map(math.exp), st.just(0.5))
numbers = st.one_of(
    st.integers(0, 2**52 - 1).map(lambda k: (2 * k + 1) / MOST),
    st.floats(-15.9, -1).map(lambda x: 10.0**x),
    st.floats(-15.9, -1).map(lambda x: 1 - 10.0**x),
    st.sampled_from([2.0**-53, 1 - 2.0**-53, 0.5, 0.5 - 2.0**-53, 0.5 + 2.0**-53]),
)


def steps_away(k, u, n, p):
    """How far u is outside of F(k-1) < u ≤ F(k), in units of the probability of k."""
    law = stats.binom(n, p)
    weight = np.maximum(law.pmf(k), 1e-300)
    short = np.where(u < 0.5, u - law.cdf(k), law.sf(k) - (1 - u)) / weight
    beyond = np.where(u < 0.5, law.cdf(k - 1) - u, (1 - u) - law.sf(k - 1)) / weight
    # SciPy's tails are right within 1e-12; F that is added from below within 1e-15 of 1; k within its rounding.
    known = 1e-12 * np.minimum(u, 1 - u) + np.where(n * p <= FEW, 1e-15, 0)
    return np.maximum(short, beyond), known / weight + 2 * n * p * 2.0**-52


@given(st.lists(st.tuples(numbers, counts, probabilities), min_size=1, max_size=40))
@settings(deadline=None, max_examples=150)
def test_quantile_of_scipy_in_all_regimes(points):
    u, n, p = np.array(points, dtype=float).T
    odds = odds_of(p)
    k = quantile(u, n, odds)
    assert (k == np.round(k)).all()
    assert (k >= 0).all()
    assert (k <= n).all()
    assert (k[n == 0] == 0).all()
    off, known = steps_away(k[n > 0], u[n > 0], n[n > 0], (odds / (1 + odds))[n > 0])
    assert (off <= known).all()


def test_many_quantiles_are_scipys():
    count = 200_000
    rng = np.random.default_rng(2024)
    n = np.exp(rng.uniform(0, math.log(1e6), count)).round()
    p = np.where(rng.random(count) < 0.5, rng.uniform(0, 0.5, count), 10 ** rng.uniform(-12, -0.302, count))
    odds = odds_of(p)
    u = (2 * rng.integers(0, 2**52, count) + 1) / MOST
    k, expected = quantile(u, n, odds), stats.binom.ppf(u, n, odds / (1 + odds))
    differ = k != expected
    assert differ.mean() < 1e-5  # rounding of either
    off, known = steps_away(k[differ], u[differ], n[differ], (odds / (1 + odds))[differ])
    assert (off <= known).all()


@pytest.mark.parametrize("n", [1, 13, 45, 300, 10**4, 10**9, MOST])
@pytest.mark.parametrize("p", [0.5, 0.31, 1e-3, 2e-9])
def test_never_decreases_with_u(n, p):
    rng = np.random.default_rng(n % 97)
    odds = float(odds_of(p))
    u = np.sort(
        np.concatenate([rng.random(20_000), 10 ** rng.uniform(-15.9, 0, 5000), 1 - 10 ** rng.uniform(-15, 0, 5000)])
    )
    assert (np.diff(quantile(u, n, odds)) >= 0).all()
    # Next to steps, one number of the generator after the other.
    k = np.unique(quantile(np.linspace(0.01, 0.99, 50), n, odds))
    step = np.round(stats.binom.cdf(k[:20], n, odds / (1 + odds)) * MOST)
    beside = ((step[:, None] + np.arange(-40, 40)) * 2.0**-53).clip(2.0**-53, 1 - 2.0**-53)
    assert (np.diff(quantile(beside, n, odds), axis=1) >= 0).all()


@pytest.mark.parametrize("n", [1, 13, 45, 300, 10**4, 10**9])
def test_never_decreases_with_p(n):
    u = np.concatenate([[1e-15, 1e-9, 1 - 1e-9], np.linspace(0.001, 0.999, 60)])[:, None]
    p = np.sort(np.concatenate([10 ** np.linspace(-12, -0.302, 400), FEW / n * (1 + np.linspace(-1e-3, 1e-3, 200))]))
    p = np.concatenate([p[(p <= 0.5)], [0.5]])
    assert (np.diff(quantile(u, n, odds_of(p)), axis=1) >= 0).all()


def test_the_error_of_the_expansion_is_below_the_doubt():
    """At u = F(k) the expansion should be k: the doubt that is claimed, (w² + 1)³ / (128 σ⁴), is above its error.

    Upper tails by symmetry, as lower ones for p > 1/2: there F is known to more digits than 1 - F of rounded u.
    """
    count = 200_000
    rng = np.random.default_rng(9)
    mean = np.exp(rng.uniform(math.log(FEW), math.log(1e5), count))
    p = np.where(rng.random(count) < 0.5, rng.uniform(1e-3, 0.5, count), 10 ** rng.uniform(-6, -0.302, count))
    n, odds = np.ceil(mean / p), odds_of(p)
    sigma = np.sqrt(n * odds) / (1 + odds)
    for o in (odds, 1 / odds):
        p, q = o / (1 + o), 1 / (1 + o)
        k = np.clip(np.round(n * p - sigma * rng.uniform(0, 8.2, count)), 0, n - 1)
        u = stats.binom.cdf(k, n, p)
        seen = (u > 2.0**-53) & (u < 0.5)
        n_seen, k, u, p, q, spread = n[seen], k[seen], u[seen], p[seen], q[seen], sigma[seen]
        error = np.abs(drive(expansions, u, n_seen, o[seen]) - ((k - n_seen * p) + 0.5))
        doubt = (special.ndtri(u) ** 2 + 1) ** 3 / (128 * spread**4)
        known = 1e-13 * u / stats.binom.pmf(k, n_seen, p) * np.maximum(1, spread / 30) + 2 * (n_seen * p) * 2.0**-52
        assert ((error - known) / doubt).max() < 0.75
        assert (error / doubt)[doubt > 1e3 * known].max() > 0.1  # and not far above
        # The kernel's own expression of the doubt.
        assert np.allclose(n_seen * p * q, spread**2, rtol=1e-9)


def test_the_expansion_is_odd():
    rng = np.random.default_rng(3)
    u = (2 * rng.integers(0, 2**52, 5000) + 1) / MOST
    n = 10 ** rng.uniform(2, 12, 5000)
    assert (drive(expansions, u, n, 1.0) == -drive(expansions, 1 - u, n, 1.0)).all()
    odds = rng.uniform(0.1, 1, 5000)
    np.testing.assert_allclose(
        drive(expansions, u, n, odds), -drive(expansions, 1 - u, n, 1 / odds), rtol=1e-13, atol=1e-13
    )


def test_normal_quantile():
    rng = np.random.default_rng(4)
    u = np.concatenate([rng.random(50_000), 10 ** rng.uniform(-11, 0, 50_000), 1 - 10 ** rng.uniform(-11, 0, 20_000)])
    u = u[(u > 1e-11) & (u < 1 - 1e-11)]
    np.testing.assert_allclose(drive(normals, u), special.ndtri(u), rtol=2e-15, atol=2e-16)
    u = 10 ** rng.uniform(math.log10(2.0**-53), -11, 20_000)
    np.testing.assert_allclose(drive(normals, u), special.ndtri(u), rtol=1e-12)
    u = (2 * rng.integers(0, 2**52, 50_000) + 1) / MOST
    assert (drive(normals, u) == -drive(normals, 1 - u)).all()
    assert drive(normals, np.array([0.5]))[0] == 0.0


def test_nan_and_nothing():
    bad = np.array([np.nan, 0.3, 0.3, 0.3])
    n = np.array([50.0, np.nan, 50.0, 1e9])
    odds = np.array([0.5, 0.5, np.nan, np.nan])
    got = quantile(bad, n, odds)
    assert (np.isnan(got) | (got == 0)).all()  # told by the caller, who has the NaN; here it only has to end
    assert (quantile(np.array([2.0**-53, 0.5, 1 - 2.0**-53]), 0.0, 0.7) == 0).all()
    assert (quantile(np.array([2.0**-53, 0.5, 1 - 2.0**-53]), 1e9, 1e-300) == 0).all()
    assert (quantile(np.array([0.4, 0.6]), 1.0, 1.0) == [0, 1]).all()


@given(st.lists(st.tuples(numbers, counts, probabilities), min_size=WIDTH, max_size=WIDTH), st.integers(0, WIDTH - 1))
@settings(deadline=None, max_examples=60)
def test_a_lane_does_not_see_the_others(points, lane):
    u, n, p = np.array(points, dtype=float).T
    odds = odds_of(p)
    alone = quantile(np.full(WIDTH, u[lane]), np.full(WIDTH, n[lane]), np.full(WIDTH, odds[lane]))
    u[lane - 1] = odds[lane - 2] = np.nan
    assert quantile(u, n, odds)[lane] == alone[0]


@given(st.integers(1, 3000), st.floats(0.001, 0.5), st.floats(1e-12, 1 - 1e-12), st.integers(-30, 30))
@settings(deadline=None, max_examples=150)
def test_the_sum_finds_the_quantile_from_any_guess(n, p, u, off):
    odds = float(odds_of(p))
    k = from_guess(float(stats.binom.ppf(u, n, odds / (1 + odds)) + off), u, float(n), odds)
    away, known = steps_away(np.array([k]), np.array([u]), np.array([float(n)]), odds / (1 + odds))
    assert away[0] <= known[0] + 1e-11
