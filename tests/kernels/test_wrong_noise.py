"""The comparison of `test_thermal_noise` is sharp: noise whose variance is wrong by 5 % never passes it."""

import numpy as np
import pytest

from ..finite_networks import CASES, ONE, PAPER, Case, by_dmfx, by_spins, by_type
from ..two_samples import compare
from .test_thermal_noise import LIMIT, SEEN, STEPS

#: Networks in equal types of spins, which have five spins in a hundred more or fewer in the other program.
WRONG = {
    "segments": (CASES["segments, N = 100, small beta"]._replace(size=60), 63),
    "segments, beta = 1.27": (CASES["segments, N = 10"]._replace(size=63, replicas=12_000), 60),
    "no attention": (CASES["segments, N = 100, no attention"]._replace(size=60), 63),
    "N = 315": (CASES["segments, N = 100, small beta"]._replace(size=315, replicas=4000), 300),
    "from random tokens": (Case(PAPER, by_type, 60, 1.0, 220.0, start="random_token", replicas=6000), 63),
    "M = 1": (Case(ONE, by_type, 20, 0.4, 220.0, replicas=15_000), 21),
    "cycle": (CASES["cycle"]._replace(size=80, beta=0.8), 84),
}


@pytest.mark.parametrize("name", WRONG)
def test_noise_that_is_wrong_by_five_per_cent_fails(name):
    """The same comparison rejects noise of 5 % more or less variance, that of other numbers of spins."""
    case, other = WRONG[name]
    ours = by_dmfx(case, case.replicas, STEPS, size=other)
    found = compare(ours, by_spins(case, case.replicas, STEPS, np.random.default_rng(1)), SEEN)
    assert found["variance"].min() < LIMIT
