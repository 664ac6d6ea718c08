"""Sweeps in which each point starts from the end of its neighbour's run."""

import numpy as np
import pytest

import dmfx

BETA = np.linspace(1.25, 1.29, 5)


@pytest.fixture(scope="module")
def net():
    return dmfx.SelfAttention.paper()


def by_hand(net, values, dim="beta", **options):
    """One run after the other, each from the end of the one before."""
    runs, start = {}, options.pop("initial", None)
    for value in values:
        runs[value] = dmfx.simulate(net, initial=start, **(options | {dim: value})).compute()
        start = runs[value][["final_attention", "final_phase"]]
    return runs


@pytest.mark.parametrize("direction", ["up", "down"])
def test_each_value_starts_where_its_neighbour_ended(net, direction):
    options = {"gamma": [200.0, 220.0], "steps": 21, "transient": 34}
    ds = dmfx.simulate(net, beta=BETA, carry="beta", direction=direction, **options).compute()
    assert "direction" not in ds.dims
    runs = by_hand(net, BETA if direction == "up" else BETA[::-1], **options)
    for beta, run in runs.items():
        for name in ("attention", "m_o_semantic", "final_attention", "final_phase", "status"):
            assert np.array_equal(ds[name].sel(beta=beta), run[name].isel(beta=0)), (beta, name)


def test_up_is_the_default_and_any_order_of_values_will_do(net):
    options = {"gamma": 220.0, "steps": 5, "transient": 20, "carry": "beta"}
    up = dmfx.simulate(net, beta=BETA, **options).compute()
    falling = dmfx.simulate(net, beta=BETA[::-1], direction="up", **options).compute()
    assert up["attention"].identical(falling["attention"].sortby("beta"))


@pytest.mark.parametrize(
    "chunks", [2, {"beta": 1, "step": 4}, {"beta": (2, 3)}, {"beta": 1, "gamma": 1, "step": (1, 10, 2)}, {"beta": -1}]
)
def test_both_directions_are_the_same_for_any_chunks(net, chunks):
    options = {"beta": BETA, "gamma": [210.0, 220.0], "steps": 13, "transient": 40, "lyapunov": 3}
    both = dmfx.simulate(net, carry="beta", direction="both", **options).compute()
    assert both["attention"].dims == ("beta", "gamma", "seed", "direction", "step", "pattern")
    assert both["direction"].values.tolist() == ["up", "down"]
    cut = dmfx.simulate(net, carry="beta", direction="both", chunks=chunks, **options).compute()
    for name in both.data_vars:
        assert cut[name].identical(both[name]), name
    for direction in ("up", "down"):
        one = dmfx.simulate(net, carry="beta", direction=direction, **options).compute()
        for name in ("attention", "lyapunov", "final_attention"):
            assert np.array_equal(one[name], both[name].sel(direction=direction)), name


@pytest.mark.parametrize("dim", ["gamma", "epsilon"])
def test_other_parameters_and_random_starts(net, dim):
    values = np.array([0.01, 0.02, 0.03]) * (1e4 if dim == "gamma" else 1)
    options = {"beta": 1.27, "gamma": 220.0, "steps": 6, "transient": 15} | {dim: values}
    ds = dmfx.simulate(net, carry=dim, initial="random", starts=3, **options).compute()
    first = dmfx.simulate(net, initial="random", starts=3, **(options | {dim: values[:1]})).compute()
    assert np.array_equal(ds["attention"].isel({dim: 0}), first["attention"].isel({dim: 0}))
    last = dmfx.simulate(net, initial=ds.isel({dim: [1]}).drop_vars(dim), **(options | {dim: values[2:]})).compute()
    assert np.array_equal(ds["attention"].isel({dim: 2}), last["attention"].isel({dim: 0}))


def test_hysteresis_near_the_chaotic_window(net):
    # Between 1.265 and 1.275 several attractors coexist: a run that is carried stays on the one it is on.
    beta = np.linspace(1.262, 1.276, 15)
    ds = dmfx.simulate(net, beta=beta, gamma=220.0, carry="beta", direction="both", steps=2000, transient=4000)
    diagram = ds.dmft.bifurcation(bins=200).compute()
    spread = (diagram["density"] > 0).sum("value").isel(gamma=0, seed=0)
    assert (spread.sel(direction="up") != spread.sel(direction="down")).any()


def test_a_failed_point_says_so_and_ends_its_line_only():
    net = dmfx.SelfAttention(dmfx.weights.segments(n_patterns=2), context_size=2)
    ds = dmfx.simulate(net, beta=[1.0, 2.0], gamma=[1.0, 1e308], steps=2, carry="beta", initial="random", starts=1)
    status = ds["status"].compute().isel(seed=0, initial=0)
    assert status.sel(gamma=1.0).values.tolist() == [0, 0]


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"carry": "seed"}, r"carry must be one of 'beta', 'gamma', not 'seed' \(str\)"),
        ({"carry": "epsilon"}, r"carry must be one of 'beta', 'gamma', not 'epsilon'"),
        ({"carry": "beta", "direction": "sideways"}, r"direction must be one of 'up', 'down', 'both', not 'sideways'"),
        ({"direction": "up"}, r"direction goes with carry="),
        ({"carry": "beta", "beta": [1.0, 3.0, 2.0]}, r"beta must be in ascending or descending order to be carried"),
        (
            {"carry": "beta", "chunks": {"beta": 2, "step": 3}},
            r"either step must be in one chunk or beta in chunks of 1",
        ),
    ],
)
def test_wrong_arguments(net, options, message):
    with pytest.raises(ValueError, match=message):
        dmfx.simulate(net, **({"beta": [1.0, 1.1], "gamma": 220.0, "steps": 8} | options))


def test_nothing_is_computed_twice(net, monkeypatch):
    from dmfx import tasks

    calls = []
    original = tasks.run_block
    monkeypatch.setattr(tasks, "run_block", lambda *args: calls.append(1) or original(*args))
    ds = dmfx.simulate(net, beta=BETA, gamma=[1.0, 2.0], steps=4, carry="beta", direction="both", chunks={"beta": 2})
    ds.compute()
    assert len(calls) == 3 * 1 * 2
