"""Small networks for the tests of sweeps: one for every form of couplings."""

import math

import numpy as np

import dmfx
from dmfx import couplings
from tests import oracle_vectors as oracle

N, D, M = 6, 4, 3
PATTERNS = dmfx.tokens.random(M, N, D, seed=11)
KINDS = ("full", "relative", "low_rank", "random")
VARIABLES = ("overlap", "tokens", "energy", "change")


def network(kind="full", patterns=PATTERNS):
    rng = np.random.default_rng(5)
    if kind == "full":
        J = couplings.full(oracle.random_matrices(rng, N, D, 1 / math.sqrt(D)))
    elif kind == "relative":
        matrices = rng.standard_normal((15, D, D))
        matrices[7] = 0
        J = couplings.relative(matrices, (2, 3))
    elif kind == "low_rank":
        J = couplings.low_rank(*rng.standard_normal((2, N, D, 2)))
    else:
        J = couplings.random(N, D, symmetry=0.5)
    return dmfx.VectorAttention(J, patterns)


def sweep(net=None, **changes):
    """A sweep with a point count that fills no whole number of blocks."""
    net = network() if net is None else net
    arguments = {"beta": np.linspace(0, 6, 7), "gamma": [-0.3, 0.4], "initial": "patterns", "steps": 12, "transient": 5}
    return dmfx.simulate(net, **(arguments | {"variables": VARIABLES} | changes))


def assert_same_bits(a, b):
    assert set(a.data_vars) == set(b.data_vars)
    for name in a.data_vars:
        assert a[name].dims == b[name].dims, name
        assert a[name].to_numpy().tobytes() == b[name].to_numpy().tobytes(), name
