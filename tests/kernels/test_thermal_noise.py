"""Finite networks are exact: the kernel against the network that draws every spin, from the start to step 50.

The numbers are fixed, so that a right program passes always. Were they drawn anew, the tests of this file together
would fail a right program with a probability of at most `FALSE_ALARM`: each compares many p-values with `LIMIT`, which
are 5.7 standard errors. A variance that is wrong by 5 % is off by ten or more.
"""

import numpy as np
import pytest

from ..finite_networks import CASES, by_dmfx, by_spins
from ..two_samples import compare, number_of_statistics

LIMIT = 1e-8
STEPS = 50
SEEN = (0, 2, STEPS - 1)
STATISTICS = sum(number_of_statistics(5 * case.net.n_patterns, len(SEEN)) for case in CASES.values())
#: Probability that a right program fails anything here, were the numbers drawn anew.
FALSE_ALARM = LIMIT * STATISTICS


def test_a_right_program_would_fail_less_than_once_in_a_thousand_runs():
    # The factor of ten leaves room for tails of errors that are normal in the limit only.
    assert 1000 < STATISTICS < 5000
    assert FALSE_ALARM * 10 < 1e-3


@pytest.mark.parametrize("name", CASES)
def test_fifty_steps(name):
    case = CASES[name]
    ours = by_dmfx(case, case.replicas, STEPS)
    brute = by_spins(case, case.replicas, STEPS, np.random.default_rng(len(name)))
    found = compare(ours, brute, SEEN)
    assert sum(p.size for p in found.values()) == number_of_statistics(ours.shape[-1], len(SEEN))
    for kind, p in found.items():
        assert p.min() > LIMIT, (kind, np.argmin(p))
    # The same with 5 % more, and 5 % less, variance.
    for factor in (1.05, 0.95):
        wrong = ours.mean(axis=0) + np.sqrt(factor) * (ours - ours.mean(axis=0))
        assert compare(wrong, brute, ())["variance"].min() < LIMIT


def test_the_p_values_are_honest():
    """Of one program against itself, one p-value in a hundred is below 0.01."""
    case = CASES["segments, N = 10"]
    sample = by_spins(case, 40_000, 10, np.random.default_rng(8))
    batches = np.split(sample, 80)
    found = [compare(a, b, (0, 9)) for a, b in zip(batches[::2], batches[1::2], strict=True)]
    for kind in found[0]:
        p = np.concatenate([each[kind] for each in found])
        assert (p < 0.01).mean() < 0.025, kind
        assert kind == "distribution" or 0.4 < p.mean() < 0.6
