"""Finite networks by both programs: dmfx, and the network that draws every spin. Samples (replica, step, feature)."""

from typing import NamedTuple

import numpy as np
import xarray as xr

import dmfx
from dmfx.variables import OVERLAPS
from dmfx.weights.signs import random_signs
from dmfx.weights.streams import WEIGHT_STREAM, generator

from . import oracle_spins

FEATURES = ("m_o", "m_v", "m_q", "m_k", "attention")


class Case(NamedTuple):
    """One network at one point; ``spins`` gives its weights spin by spin."""

    net: dmfx.SelfAttention
    spins: object
    size: int
    beta: float
    gamma: float
    start: object = "context"
    replicas: int = 5000


def by_type(net, size):
    """The local field's weights (pattern, spin) and the four matrices of N spins, from the fractions of the types."""
    real = net.realisation(0)
    held = real.fraction > 0
    weights = real.overlap[..., held] / real.fraction[held]
    both = np.concatenate([real.field[None, :, held], weights])
    written = oracle_spins.write_out(both, real.fraction[held], size)
    return written[0], written[1:]


def as_drawn(net, size):
    """The weights of independent columns as they are drawn, before equal ones are merged."""
    weights = random_signs(generator(0, WEIGHT_STREAM), (4, net.n_patterns, size))
    return weights[0], weights


def given(n_patterns, columns, seed, **options):
    rng = np.random.default_rng(seed)
    weights = {name: rng.uniform(-1, 1, (n_patterns, columns)) for name in "ovqk"}
    return dmfx.SelfAttention(weights | {"fraction": [0.31, 0.09, 0.2, 0.26, 0.14]}, **options)


PAPER = dmfx.SelfAttention.paper()
RANDOM = dmfx.SelfAttention(dmfx.weights.random(3, 30), context_size=4, start=1)
MERGED = dmfx.SelfAttention(dmfx.weights.random(1, 40), context_size=3, epsilon=0.1)
CYCLE = dmfx.SelfAttention(dmfx.weights.cycle(3), context_size=2)
GIVEN = given(2, 5, 3, context_size=5, epsilon=0.3)
CORRELATED = dmfx.SelfAttention(dmfx.weights.correlated(n_patterns=3, distribution="uniform"))
ONE = dmfx.SelfAttention({name: [[1.0]] for name in "ovqk"}, context_size=4)
CASES = {
    "segments, N = 10": Case(PAPER, by_type, 10, 1.27, 220.0),
    "segments, N = 100, small beta": Case(PAPER, by_type, 100, 0.4, 220.0),
    "segments, N = 100, no attention": Case(PAPER, by_type, 100, 1.27, 0.0),
    "segments, N = 1000": Case(PAPER, by_type, 1000, 0.4, 220.0, replicas=4000),
    "every spin its own type": Case(RANDOM, as_drawn, 30, 1.27, 220.0),
    "every spin its own type, from a token": Case(RANDOM, as_drawn, 30, 1.0, 220.0, start="token"),
    "random columns, N = 100 not a multiple": Case(RANDOM, by_type, 100, 3.0, 220.0),
    "merged columns": Case(MERGED, as_drawn, 40, 1.27, 220.0),
    "cycle": Case(CYCLE, by_type, 62, 0.9, 20.0),
    "given arrays": Case(GIVEN, by_type, 37, 3.0, 30.0),
    "correlated": Case(CORRELATED, by_type, 50, 0.4, 220.0),
    "random tokens": Case(PAPER, by_type, 25, 1.27, 220.0, start="random_token"),
    "N = 1": Case(PAPER, by_type, 1, 0.4, 220.0),
    "N = 2": Case(PAPER, by_type, 2, 1.0, 220.0),
    "M = 1, N = 1": Case(ONE, by_type, 1, 0.6, 0.0),
    "M = 1, N = 13": Case(ONE, by_type, 13, 1.27, 220.0),
}


def context_of(net):
    """Attention values by lag and the phase of the next token."""
    rng = np.random.default_rng(net.n_patterns)
    return 0.6 * rng.uniform(-1, 1, (net.context_size, net.n_patterns)), 1


def as_dataset(attention, phase):
    return xr.Dataset({"final_attention": (("context", "pattern"), attention), "final_phase": phase})


def by_dmfx(case, replicas, steps, size=None):
    """Samples (replica, step, feature) of dmfx."""
    net, size = case.net, size or case.size
    options = {"replica": range(replicas)}
    if case.start == "context":
        options["initial"] = as_dataset(*context_of(net))
    elif case.start == "random_token":
        options = {"initial": "random_token", "starts": replicas}
    ds = dmfx.simulate(
        net, beta=case.beta, gamma=case.gamma, size=[size], steps=steps, variables=OVERLAPS, **options
    ).compute(scheduler="synchronous")
    assert (ds.status == 0).all()
    ds = ds.isel(beta=0, gamma=0, seed=0, size=0)
    return np.concatenate([ds[name].to_numpy() for name in FEATURES], axis=-1)


def by_spins(case, replicas, steps, rng, size=None):
    """Samples (replica, step, feature) of the network that draws every spin."""
    net, size = case.net, size or case.size
    (field, weights), real = case.spins(net, size), net.realisation(0)
    options = {"field": field}
    if case.start == "context":
        options["context"], options["phase"] = context_of(net)
    elif case.start == "token":
        options["token"] = weights[0, net.start.pattern]
    else:
        options["token"] = "random"
    out = oracle_spins.run(
        weights,
        real.position,
        beta=case.beta,
        gamma=case.gamma,
        epsilon=net.epsilon,
        context_size=net.context_size,
        steps=steps,
        replicas=replicas,
        rng=rng,
        **options,
    )
    return np.concatenate([out[name] for name in FEATURES], axis=-1)
