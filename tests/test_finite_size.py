"""Finite networks as a user sees them: what is refused, what always holds, and the limit of many spins."""

import math
from fractions import Fraction

import numpy as np
import pytest
import xarray as xr
from hypothesis import example, given, settings
from hypothesis import strategies as st
from scipy import stats

import dmfx
from dmfx.blocks import STATUS
from dmfx.variables import OVERLAPS
from dmfx.weights.apportion import apportion

from . import oracle_spins

NET = dmfx.SelfAttention.paper()
POINT = {"beta": 1.0, "gamma": 220.0, "steps": 3}
MOST = 2**53


@pytest.mark.parametrize(
    ("size", "error"),
    [
        (0, ValueError),
        (-1, ValueError),
        (10.5, ValueError),
        (MOST + 1, ValueError),
        (2**64, ValueError),
        (1e300, ValueError),
        (math.nan, ValueError),
        (-math.inf, ValueError),
        ([10, 0], ValueError),
        ([10, 10], ValueError),
        ([10, math.nan], ValueError),
        ([10.0, MOST + 1], ValueError),
        ([], ValueError),
        ([[10]], ValueError),
        ("10", TypeError),
        (True, TypeError),
        ([True], TypeError),
        (1j, TypeError),
        ({10}, TypeError),
        ([10, None], TypeError),
    ],
    ids=str,
)
def test_what_is_no_number_of_spins_is_refused_by_name(size, error):
    with pytest.raises(error, match=r"^simulate: size (must be|has repeated)"):
        dmfx.simulate(NET, size=size, **POINT)


@pytest.mark.parametrize("size", [1, 2, np.float32(10), np.int8(3), MOST, float(MOST), np.inf, [1, np.inf], (7, 8.0)])
def test_what_is_one_is_taken(size):
    ds = dmfx.simulate(NET, size=size, **POINT).compute()
    assert (ds["status"] == STATUS["ok"]).all()
    assert ds["size"].dtype == float
    assert ds["size"].ndim == np.ndim(size)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"replica": 0}, r"replica, .*goes with .*size="),
        ({"replica": range(3)}, r"replica, .*goes with .*size="),
        ({"size": 10, "replica": -1}, "replica must be"),
        ({"size": 10, "replica": 1.5}, "replica must be"),
        ({"size": 10, "replica": [1, 1]}, "replica has repeated"),
        ({"size": 10, "replica": "a"}, "replica must be"),
        ({"size": 10, "replica": True}, "replica must be"),
        ({"common_noise": "beta"}, r"common_noise goes with .*size="),
        ({"size": 10, "replica": [0, 1], "common_noise": "replica"}, "common_noise: replicas are"),
        ({"size": 10, "common_noise": "initial"}, "common_noise: there is no dim 'initial'"),
        ({"size": 10, "common_noise": ("beta", "step")}, "common_noise: there is no dim 'step'"),
        ({"size": 10, "common_noise": 3}, "common_noise must be names"),
        ({"size": 10, "common_noise": [3]}, "common_noise: there is no dim 3"),
        ({"size": 10, "carry": "size"}, "carry must be one of"),
        ({"initial": "random_token", "starts": 3}, r"needs .*size="),
        ({"size": 10, "initial": "random_token"}, "needs starts="),
    ],
    ids=str,
)
def test_other_wrong_arguments_are_refused_by_name(options, message):
    with pytest.raises((ValueError, TypeError), match=message):
        dmfx.simulate(NET, **(POINT | options))


def test_all_problems_come_in_one_message():
    with pytest.raises(ValueError, match=r"4 problems: size must.*replica must.*steps must.*common_noise"):
        dmfx.simulate(NET, **(POINT | {"size": -3, "replica": -1, "common_noise": "x", "steps": 0}))


def test_correlations_that_no_spins_have_are_refused():
    net = dmfx.SelfAttention(dmfx.weights.correlated(n_patterns=3, distribution="gaussian"))
    with pytest.raises(ValueError, match="size: no spins have these correlations"):
        dmfx.simulate(net, size=[100, np.inf], **POINT)
    assert (dmfx.simulate(net, size=np.inf, **POINT)["status"] == STATUS["ok"]).all()


def test_random_tokens_of_one_size():
    """A scalar size is a size."""
    options = POINT | {"initial": "random_token", "starts": 4}
    one = dmfx.simulate(NET, size=25, **options)["attention"]
    assert np.array_equal(one, dmfx.simulate(NET, size=[25], **options)["attention"].isel(size=0))


models = st.sampled_from(
    [
        NET,
        dmfx.SelfAttention(dmfx.weights.random(2, 11), context_size=3, epsilon=0.0),
        dmfx.SelfAttention(dmfx.weights.cycle(4), context_size=1, epsilon=0.5),
        dmfx.SelfAttention(dmfx.weights.segments(5, 7), context_size=6, epsilon=1.0),
        dmfx.SelfAttention({name: [[1.0, -1.0, 1.0]] * 2 for name in "ovqk"}, context_size=2),
    ]
)


@given(
    models,
    st.lists(st.one_of(st.integers(1, 40), st.integers(1, MOST)), min_size=1, max_size=4, unique=True),
    st.floats(0, 1e3),
    st.floats(-1e3, 1e3),
    st.integers(0, 10**6),
)
@settings(deadline=None, max_examples=60)
def test_overlaps_stay_within_one(net, size, beta, gamma, replica):
    ds = dmfx.simulate(net, beta=beta, gamma=gamma, size=size, replica=replica, steps=12, variables=OVERLAPS)
    ds = ds.compute(scheduler="synchronous")
    assert (ds["status"] == STATUS["ok"]).all()
    for name in OVERLAPS:
        assert float(np.abs(ds[name]).max()) <= 1 + 1e-15, name
    # What is seen is a whole number of spins: within rounding, the overlap without position on the lattice of N.
    small = ds["size"].to_numpy() <= 40
    if net.epsilon < 1 and small.any():
        along = (ds["m_o_semantic"] / (1 - net.epsilon) * ds["size"]).isel(size=small)
        signs = (ds["size"].isel(size=small) + along) / 2
        assert float(np.abs(signs - signs.round()).max()) < 1e-9


fractions = st.lists(st.integers(0, 1000), min_size=1, max_size=12).filter(any)


@given(fractions, st.one_of(st.integers(1, 200), st.integers(1, MOST), st.just(MOST)))
@example([55, 55, 11, 51, 14, 14, 5], 475)
@example([1], MOST)
@example([1, 0, 2, 3], MOST - 1)
@settings(deadline=None)
def test_apportionment(parts, size):
    p = np.array(parts) / sum(parts)
    spins = apportion(p, size)
    assert spins.dtype == float
    whole = [int(n) for n in spins]
    assert (spins == whole).all()
    assert sum(whole) == size
    assert min(whole) >= 0
    assert not spins[p == 0].any()
    ideal = [Fraction(part, sum(parts)) * size for part in parts]
    most = 1 + 1e-15 * size * len(parts)  # rounding of the fractions
    assert max(abs(float(n - x)) for n, x in zip(whole, ideal, strict=True)) <= most
    if size <= 10**4:  # by largest remainders, and of equal ones the first, in exact fractions
        remainder = [x - math.floor(x) for x in ideal]
        up = [n > math.floor(x) for n, x in zip(whole, ideal, strict=True)]
        order = sorted(range(len(parts)), key=lambda j: (-remainder[j], j))
        assert {j for j in range(len(parts)) if up[j]} == set(order[: sum(up)])


def test_the_overlaps_are_those_of_the_spins():
    """At β so high that no spin stands against its field, the overlap counts the spins of each type."""
    for size in (1, 2, 10, 100, 101, 10**6 + 1, MOST):
        real = NET.realisation(0).of_size(float(size))
        assert int(real.spins.sum()) == size
        ds = dmfx.simulate(NET, beta=1e6, gamma=220.0, size=size, steps=6, variables=("m_o_semantic", "attention"))
        ds = ds.isel(beta=0, gamma=0, seed=0).compute()
        weights = real.field
        for step in range(1, 6):
            direction = np.sign(ds["attention"].isel(step=step - 1).to_numpy() @ weights)
            expected = 0.98 * (weights * direction) @ real.spins / size
            np.testing.assert_allclose(ds["m_o_semantic"].isel(step=step), expected, rtol=0, atol=1e-14)


@pytest.mark.parametrize("pattern", [0, 2])
def test_a_token_is_that_of_the_spins(pattern):
    """The first token is a pattern of N spins: M = 3 patterns in segments of 4, 3 and 3 spins."""
    real = NET.realisation(0)
    spins = oracle_spins.write_out(real.overlap / real.fraction, real.fraction, 10)
    full, _ = oracle_spins.overlaps(spins[:1, pattern], spins, real.position, 0.02, 0)
    found = NET.token_overlaps(0, dmfx.models.start.Token(pattern=pattern), 0.02, 10.0)
    np.testing.assert_allclose(found, np.concatenate(full), atol=1e-15)


def test_random_tokens():
    """Σ_i w_i x_i of random signs: mean 0, variance N, and the same for all replicas of a start."""
    for size in (1, 10, 10**4, 10**12, MOST):
        found = np.stack([NET.random_token_overlaps(0, number, 0.0, float(size)) for number in range(4000)])
        z = found.reshape(len(found), -1) * math.sqrt(size)
        assert np.abs(z.mean(axis=0)).max() < 5.5 / math.sqrt(len(z))
        squares = (z**2).mean(axis=0)
        assert np.abs(squares - 1).max() <= 5.5 * math.sqrt(2 / len(z))
    assert not np.abs(NET.random_token_overlaps(0, 1, 0.0)).any()


def test_infinite_size_is_the_mean_field_to_the_bit():
    options = {
        "beta": [0.5, 1.27],
        "gamma": 220.0,
        "steps": 30,
        "transient": 5,
        "variables": OVERLAPS,
        "lyapunov": True,
    }
    plain = dmfx.simulate(NET, **options).compute()
    mixed = dmfx.simulate(NET, size=[50, np.inf, 7], replica=[4, 0], **options).compute()
    assert (mixed["noise_step"] == 35).all()
    for replica in (0, 4):
        mean_field = mixed.sel(size=np.inf, replica=replica)
        for name in plain.data_vars:
            assert plain[name].to_numpy().tobytes() == mean_field[name].to_numpy().tobytes(), name
    alone = dmfx.simulate(NET, size=np.inf, **options).compute()
    assert alone["attention"].to_numpy().tobytes() == plain["attention"].to_numpy().tobytes()


@pytest.mark.parametrize("step", [0, 9])
@pytest.mark.parametrize("net", [NET, dmfx.SelfAttention(dmfx.weights.random(2, 30))], ids=["segments", "random"])
def test_the_mean_field_is_reached_as_the_root_of_the_size(net, step):
    """Root mean square distance from the mean field against N: the slope of the logarithms is -1/2 within its error."""
    replicas = 1000
    size = 30 * 10.0 ** np.arange(2, 14)  # types of whole numbers of spins
    ds = dmfx.simulate(net, beta=0.8, gamma=20.0, size=[*size, np.inf], replica=range(replicas), steps=10, initial=0)
    m = ds["m_o_semantic"].isel(beta=0, gamma=0, seed=0, step=step).compute()
    away = m.isel(size=slice(-1)) - m.isel(size=-1, replica=0)
    squares = (away**2).mean("pattern").transpose("size", "replica").to_numpy()
    distance = np.sqrt(squares.mean(axis=1))
    error = squares.std(axis=1) / np.sqrt(replicas) / distance**2 / 2  # of its logarithm
    (slope, _), covariance = np.polyfit(np.log(size), np.log(distance), 1, w=1 / error, cov="unscaled")
    assert math.sqrt(covariance[0, 0]) < 1e-3
    assert abs(slope + 0.5) < 5 * math.sqrt(covariance[0, 0])
    # At one step the distance is known: (1 - ε)² Σ_i (1 - tanh²) / N².
    if step == 0:
        real = net.realisation(0)
        start = net.token_overlaps(0, dmfx.models.start.Token(pattern=0), net.epsilon)[1]
        variance = (1 - net.epsilon) ** 2 * (real.fraction * (1 - np.tanh(0.8 * start @ real.field) ** 2)).sum()
        z = (squares.mean(axis=1) - variance / size) / (squares.std(axis=1) / np.sqrt(replicas))
        assert np.abs(z).max() < stats.norm.isf(1e-7)


def test_a_bad_start_is_told_and_harms_no_other_point():
    start = dmfx.simulate(NET, beta=[0.5, 1.0, 1.5], gamma=220.0, steps=1, size=[20, np.inf]).compute()
    bad = start.copy(deep=True)
    bad["final_attention"][{"beta": 1, "context": 2}] = np.nan
    options = {"beta": [0.5, 1.0, 1.5], "gamma": 220.0, "size": [20, np.inf], "steps": 40, "variables": OVERLAPS}
    good, found = (dmfx.simulate(NET, initial=each, **options).compute() for each in (start, bad))
    assert (found["status"].isel(beta=1) == STATUS["bad_start"]).all()
    assert found["attention"].isel(beta=1).isnull().all()
    assert found["m_o"].isel(beta=1, step=slice(1, None)).isnull().all()
    others = {"beta": [0, 2]}
    assert (found["status"].isel(others) == STATUS["ok"]).all()
    for name in OVERLAPS:
        assert np.array_equal(found[name].isel(others), good[name].isel(others))


def test_infinite_fields_are_no_reason_to_fail():
    ds = dmfx.simulate(NET, beta=[1e300, 1.7e308], gamma=220.0, size=[3, 1000], steps=20).compute()
    assert (ds["status"] == STATUS["ok"]).all()
    assert float(np.abs(ds["attention"]).max()) <= 1


def test_labels_and_description():
    ds = dmfx.simulate(NET, size=[10, np.inf], replica=[0, 1], initial="random_token", starts=3, **POINT)
    assert ds["attention"].dims == ("beta", "gamma", "seed", "size", "replica", "initial", "step", "pattern")
    assert ds["noise_step"].dims == ds["status"].dims == ds["attention"].dims[:-2]
    assert ds["attention"].chunks is not None
    for name in ("size", "replica", "noise_step"):
        assert ds[name].attrs["long_name"]
    assert "binomial" in ds.attrs["source"]
    plain = dmfx.simulate(NET, **POINT)
    assert not {"size", "replica", "noise_step"} & set(plain.variables)
    assert isinstance(ds, xr.Dataset)
