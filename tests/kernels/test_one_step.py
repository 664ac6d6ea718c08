"""One step of finite networks has the law that the equations give: sums of independent signs, convolved one by one.

Were the numbers drawn anew, a right program would fail this file with a probability of at most `FALSE_ALARM`.
"""

import numpy as np
import pytest
from scipy import stats

from .. import oracle_spins
from ..finite_networks import CASES, by_dmfx, context_of
from ..two_samples import two_sided, z_of

LIMIT = 1e-8
REPLICAS = 100_000
NAMES = [name for name, case in CASES.items() if case.start == "context"]
#: Fits, means, variances and covariances of the 4 M overlaps.
STATISTICS = sum(2 * m + m * (m + 1) // 2 for m in (4 * CASES[name].net.n_patterns for name in NAMES))
FALSE_ALARM = LIMIT * STATISTICS


def test_a_right_program_would_fail_less_than_once_in_a_thousand_runs():
    # The factor of ten leaves room for tails of errors that are normal in the limit only.
    assert 500 < STATISTICS < 5000
    assert FALSE_ALARM * 10 < 1e-3


def exact_step(field, weights, attention, beta, epsilon, term):
    """Mean and covariance of the 4 M overlaps of one token, and the law of each times N if the weights are signs."""
    size = weights.shape[-1]
    w = weights.reshape(-1, size)
    t = np.tanh(beta * (np.asarray(attention) @ field))
    mean = (1 - epsilon) * (w @ t) / size + epsilon * term.ravel()
    covariance = (1 - epsilon) ** 2 * (w * (1 - t**2)) @ w.T / size**2
    laws = []
    if (np.abs(w) == 1).all():
        for row in w:
            law = np.ones(1)  # number of spins along the weights
            for p in (1 + row * t) / 2:
                law = np.convolve(law, [1 - p, p])
            laws.append(law)
    return mean, covariance, laws


def fit(counts, law):
    """P-value of numbers 0 ... N by chi-square, rare ones taken together."""
    often = law * len(counts) >= 10
    seen = np.bincount(counts, minlength=len(law))
    expected = np.append(law[often], max(law[~often].sum(), 0)) * len(counts)
    observed = np.append(seen[often], seen[~often].sum())
    if expected[-1] < 10:  # too rare for a cell of their own: with the most frequent
        expected[np.argmax(expected)] += expected[-1]
        observed[np.argmax(expected)] += observed[-1]
        expected, observed = expected[:-1], observed[:-1]
    return stats.chi2.sf(((observed - expected) ** 2 / expected).sum(), max(len(expected) - 1, 1))


def p_values(sample, mean, covariance):
    """P-values of mean, variance and covariance."""
    n = len(sample)
    away = sample - mean
    first, second = np.triu_indices(len(mean))
    pairs = away[:, first] * away[:, second]
    spread = np.sqrt(np.diag(covariance))
    error = pairs.std(axis=0) / np.sqrt(n)
    moments = two_sided(z_of(pairs.mean(axis=0) - covariance[first, second], error, spread.max() ** 2))
    return {
        "mean": two_sided(z_of(away.mean(axis=0), spread / np.sqrt(n), spread.max())),
        "variance": moments[first == second],
        "covariance": moments[first != second],
    }


@pytest.mark.parametrize("name", NAMES)
def test_exact_law(name):
    case = CASES[name]
    net, size = case.net, case.size
    attention, phase = context_of(net)
    field, weights = case.spins(net, size)
    term = oracle_spins.position_term(net.realisation(0).position, phase)
    sample = by_dmfx(case, REPLICAS, 1)[:, 0, : 4 * net.n_patterns]
    mean, covariance, laws = exact_step(field, weights, attention[0], case.beta, net.epsilon, term)
    for kind, p in p_values(sample, mean, covariance).items():
        assert p.min() > LIMIT, (kind, np.argmin(p))
    if laws:
        along = (sample - net.epsilon * term.ravel()) / (1 - net.epsilon) * size
        counts = np.rint((along + size) / 2).astype(int)
        assert np.abs(2 * counts - size - along).max() < 1e-9 * size  # on the lattice
        assert min(fit(each, law) for each, law in zip(counts.T, laws, strict=True)) > LIMIT
    # The same with 5 % more, and 5 % less, variance about the mean.
    for factor in (1.05, 0.95):
        wrong = mean + np.sqrt(factor) * (sample - mean)
        assert p_values(wrong, mean, covariance)["variance"].min() < LIMIT


@pytest.mark.parametrize("name", ["segments, N = 10", "segments, N = 1000", "every spin its own type"])
def test_a_wrong_law_fails(name):
    """The fit to the lattice rejects a law whose β is 3 % too high."""
    case = CASES[name]
    attention, phase = context_of(case.net)
    field, weights = case.spins(case.net, case.size)
    term = oracle_spins.position_term(case.net.realisation(0).position, phase)
    sample = by_dmfx(case, REPLICAS, 1)[:, 0, : 4 * case.net.n_patterns]
    _, _, laws = exact_step(field, weights, attention[0], 1.03 * case.beta, case.net.epsilon, term)
    along = (sample - case.net.epsilon * term.ravel()) / (1 - case.net.epsilon) * case.size
    counts = np.rint((along + case.size) / 2).astype(int)
    assert min(fit(each, law) for each, law in zip(counts.T, laws, strict=True)) < LIMIT
