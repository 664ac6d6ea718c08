"""Lyapunov exponents of finite networks: the growth of the distance of two networks with the same noise."""

import numpy as np
import pytest
import xarray as xr

import dmfx

from ..kernels.test_binomial import quantile

NET = dmfx.SelfAttention.paper()


def mean_spin(u, n, beta, field):
    """s = 1 - 2 k / n for a field above 0."""
    return 1 - 2 * quantile(u, n, np.exp(-2 * beta * field)) / n


@pytest.mark.parametrize("n", [10**7, 10**9])
def test_the_slope_is_the_derivative_of_the_quantile(n):
    """s = t + η with dη/dh = -β t η at fixed u, so that ds/dh = β (1 - t s): by differences, the mean part left out."""
    beta, apart = 1.3, 0.02
    rng = np.random.default_rng(6)
    u, field = rng.random(40_000), rng.uniform(0.2, 0.9, 40_000)
    noise = {
        sign: mean_spin(u, n, beta, field + sign * apart) - np.tanh(beta * (field + sign * apart))
        for sign in (-1, 0, 1)
    }
    measured = (noise[1] - noise[-1]) / (2 * apart)
    predicted = -beta * np.tanh(beta * field) * noise[0]
    slope = (measured * predicted).sum() / (predicted**2).sum()
    assert abs(slope - 1) < 0.005
    rest = measured - predicted
    # What is left: steps of 2 / n of the quantile, and terms of order 1 / n.
    assert np.abs(rest).max() < 3e-3 * np.abs(predicted).max() + 20 / n / apart


@pytest.mark.parametrize("size", [5, 20, 1000, 10**9])
def test_one_pattern_and_one_token_are_known(size):
    """M = L = 1 without position: A' = s, so that the exponent is the mean of log β (1 - tanh(β A) A')."""
    net = dmfx.SelfAttention({name: [[1.0]] for name in "ovqk"}, context_size=1, epsilon=0.0)
    options = {"beta": [0.5, 1.5], "gamma": 3.0, "size": size, "replica": range(3), "variables": "attention"}
    before = dmfx.simulate(net, steps=11, **options).compute()
    found = dmfx.simulate(net, steps=400, transient=11, lyapunov=True, **options).compute()
    attention = np.concatenate([before["attention"].isel(step=[-1]), found["attention"]], axis=-2)[..., 0]
    beta = np.array(options["beta"]).reshape(-1, 1, 1, 1, 1)
    slope = beta * (1 - np.tanh(beta * attention[..., :-1]) * attention[..., 1:])
    np.testing.assert_allclose(found["lyapunov"].isel(exponent=0), np.log(slope).mean(axis=-1), rtol=1e-10)
    np.testing.assert_allclose(found["mean_log_determinant"], found["lyapunov"].isel(exponent=0), rtol=1e-10)


def pairs(beta, size, replicas, apart, steps, transient):
    """Runs of two networks each with common noise, which start close to each other."""
    point = {"beta": beta, "gamma": 220.0, "size": [size], "replica": range(replicas)}
    start = dmfx.simulate(NET, steps=1, transient=1000, **point).compute()
    away = np.random.default_rng(1).normal(0, apart, (NET.context_size, NET.n_patterns))
    moved = start.copy(deep=True)
    moved["final_attention"] = start["final_attention"] + xr.DataArray(away, dims=("context", "pattern"))
    both = xr.concat([start, moved], "initial", data_vars="all", coords="minimal", compat="override", join="override")
    both = both[["final_attention", "final_phase", "noise_step"]].assign_coords(initial=[0, 1])
    options = {"common_noise": "initial", "variables": "attention"} | point
    # The part before is kept too: the same run from its start.
    whole = dmfx.simulate(NET, initial=both, steps=transient + steps, **options).compute()
    measured = dmfx.simulate(NET, initial=both, steps=steps, transient=transient, lyapunov=2, **options).compute()
    assert np.array_equal(whole["attention"].isel(step=slice(transient, None)), measured["attention"])
    difference = (whole["attention"].isel(initial=1) - whole["attention"].isel(initial=0)).isel(beta=0, gamma=0, seed=0)
    squares = (difference.isel(size=0) ** 2).sum("pattern").rolling(step=NET.context_size).sum()
    distance = np.sqrt(squares)
    growth = np.log(distance.isel(step=-1) / distance.isel(step=transient - 1)) / steps
    exponent = measured["lyapunov"].isel(beta=0, gamma=0, seed=0, size=0, initial=0, exponent=0)
    return growth.to_numpy(), exponent.to_numpy()


@pytest.mark.parametrize(
    ("beta", "size", "apart", "transient", "steps", "within"),
    [
        (0.8, 1e15, 1e-4, 40, 60, 0.5),  # two exponents are equal: the distance oscillates
        (1.0, 1e15, 1e-6, 40, 60, 0.1),
        (2.0, 1e9, 1e-6, 20, 30, 0.05),
        (1.28, 1e15, 1e-12, 60, 40, 0.2),
    ],
)
def test_the_exponent_is_the_growth_rate_of_the_distance(beta, size, apart, transient, steps, within):
    """Realisation by realisation: the same steps, the same norm, two networks against the tangent map."""
    growth, exponent = pairs(beta, size, 12, apart, steps, transient)
    assert np.ptp(exponent) > 1e-9  # each has its own noise
    np.testing.assert_allclose(growth * steps, exponent * steps, rtol=0, atol=within)


def test_noise_moves_the_exponents():
    """At N = 100 they are not those of the mean field, and those of 10^12 are."""
    options = {"steps": 4000, "transient": 1200, "lyapunov": 1, "variables": "attention"}
    ds = dmfx.simulate(NET, beta=1.0, gamma=220.0, size=[100, 1e12, np.inf], **options).compute()
    small, large, infinite = ds["lyapunov"].to_numpy().ravel()
    assert abs(large - infinite) < 1e-4
    assert abs(small - infinite) > 6 * float(ds["lyapunov_error"].isel(size=0).squeeze())


@pytest.mark.parametrize("chunks", [1, {"step": 7}, {"size": (1, 2), "replica": 1, "step": (20, 1, 9)}])
def test_chunks_change_nothing(chunks):
    options = {"beta": [0.9, 1.3], "gamma": 220.0, "size": [20, 1e6, np.inf], "replica": [0, 1]}
    options |= {"steps": 30, "transient": 12, "lyapunov": True}
    whole = dmfx.simulate(NET, chunks=-1, **options).compute()
    cut = dmfx.simulate(NET, chunks=chunks, **options).compute()
    for name in whole.data_vars:
        assert whole[name].to_numpy().tobytes() == cut[name].to_numpy().tobytes(), name
    plain = dmfx.simulate(NET, **{name: value for name, value in options.items() if name not in ("size", "replica")})
    for name in ("lyapunov", "finite_time_lyapunov", "mean_log_determinant", "kaplan_yorke_dimension"):
        assert plain[name].to_numpy().tobytes() == whole[name].sel(size=np.inf, replica=1).to_numpy().tobytes(), name


@pytest.fixture(scope="module")
def finite():
    options = {"beta": [0.9, 1.3], "gamma": 220.0, "size": [20, 1e6, np.inf], "replica": [0, 1]}
    return dmfx.simulate(NET, steps=5, transient=30, **options).compute()


def same(a, b):
    return a["lyapunov"].to_numpy().tobytes() == b["lyapunov"].to_numpy().tobytes()


def test_of_final_states(finite):
    """What `lyapunov` measures is what `simulate` measures of the run that goes on, with the same noise."""
    found = dmfx.lyapunov(finite, 4, steps=40, transient=1000)
    point = {name: finite[name].to_numpy() for name in ("beta", "gamma", "size", "replica")}
    run = dmfx.simulate(NET, initial=finite, steps=40, transient=1000, lyapunov=4, **point).compute()
    for name in ("lyapunov", "finite_time_lyapunov", "final_attention", "noise_step", "final_phase"):
        assert found[name].dims == run[name].dims
        assert found[name].to_numpy().tobytes() == run[name].to_numpy().tobytes(), name
    plain = dmfx.simulate(NET, beta=[0.9, 1.3], gamma=220.0, steps=5, transient=30)
    plain = dmfx.lyapunov(plain, 4, steps=40, transient=1000).compute()
    assert same(plain, found.sel(size=np.inf, replica=0))
    for chunks in (1, {"size": 2}):
        lazy = dmfx.lyapunov(finite.chunk({"beta": 1}), 4, steps=40, transient=1000, chunks=chunks)
        assert lazy["lyapunov"].chunks is not None
        assert same(lazy, found)
    for point in (
        {"beta": 1},
        {"size": 0, "replica": 1},
        {"size": [2, 0]},
        {"beta": 0, "gamma": 0, "seed": 0, "size": 1},
    ):
        some = dmfx.lyapunov(finite.isel(point), 4, steps=40, transient=1000)
        assert same(some, found.isel(point)), point


@pytest.mark.parametrize("common", ["initial", "size", "beta", ["initial", "beta"]])
def test_goes_on_with_the_noise_that_points_shared(common):
    """The tokens of the contexts are those that the run had."""
    point = {"beta": [0.9, 1.3], "gamma": 220.0, "size": [20, 1000], "common_noise": common}
    ds = dmfx.simulate(NET, steps=5, initial="random", starts=2, **point).compute()
    run = dmfx.simulate(NET, steps=10, initial=ds, **point).compute()
    found = dmfx.lyapunov(ds, 1, steps=10, transient=0)
    assert np.array_equal(found["final_attention"], run["final_attention"])


def test_the_exponents_add_up(finite):
    found = dmfx.lyapunov(finite.isel(size=[0, 1]), steps=60, transient=20)
    whole = found["lyapunov"].notnull().all("exponent")
    assert whole.any()
    total = found["lyapunov"].sum("exponent")
    np.testing.assert_allclose(total.where(whole, 0), found["mean_log_determinant"].where(whole, 0), atol=1e-6)


def test_functions_of_the_mean_field_refuse_finite_networks(finite):
    with pytest.raises(ValueError, match="finite networks"):
        dmfx.periodic_orbits(finite.isel(beta=[0]))
    assert dmfx.lyapunov(finite.isel(size=[2]), 1, steps=5, transient=0)["lyapunov"].notnull().all()
