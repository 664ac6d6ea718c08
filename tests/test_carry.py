"""Sweeps in which each point starts from the end of its neighbour's run."""

import numpy as np
import pytest
import xarray as xr

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


def test_a_failed_point_ends_its_line_only():
    net = dmfx.SelfAttention({name: [[1e200]] for name in "ovqk"}, context_size=2, epsilon=0.0)
    attention = np.stack([np.ones((2, 1)), np.zeros((2, 1))])
    start = xr.Dataset({"final_attention": (("initial", "context", "pattern"), attention), "final_phase": 0})
    start = start.assign_coords(initial=[0, 1])
    ds = dmfx.simulate(net, beta=[0.0, 1.0, 2.0], gamma=1.0, steps=6, initial=start, carry="beta", direction="down")
    status = ds["status"].compute().squeeze()
    names = status.attrs["flag_meanings"].split()
    assert [names[value] for value in status.sel(initial=0).values] == ["bad_start", "bad_start", "diverged"]
    assert [names[value] for value in status.sel(initial=1).values] == ["ok", "ok", "ok"]


@pytest.mark.parametrize("chunks", ["auto", {"beta": 2}, 1])
@pytest.mark.parametrize("direction", ["up", "down", "both"])
def test_a_line_starts_from_the_first_of_several_states(net, chunks, direction):
    options = {"beta": BETA, "gamma": 220.0, "steps": 4, "transient": 9}
    before = dmfx.simulate(net, initial="random", starts=1, **options)
    ds = dmfx.simulate(net, carry="beta", direction=direction, initial=before, chunks=chunks, **options).compute()
    plain = dmfx.simulate(net, initial=before, **options).compute()["attention"]
    ways = ["up", "down"] if direction == "both" else [direction]
    for way in ways:
        first = 0 if way == "up" else -1
        line = ds["attention"].sel(direction=way) if direction == "both" else ds["attention"]
        assert np.array_equal(line.isel(beta=first), plain.isel(beta=first))
        assert not np.array_equal(line.isel(beta=2), plain.isel(beta=2))


def test_going_on_from_a_sweep_that_was_carried_both_ways(net):
    options = {"beta": BETA, "gamma": 220.0, "steps": 3}
    both = dmfx.simulate(net, transient=40, carry="beta", direction="both", **options).compute()
    on = dmfx.simulate(net, initial=both, **options).compute()
    one = dmfx.simulate(net, initial=both.sel(direction="down"), **options).compute()
    assert np.array_equal(on["attention"].sel(direction="down"), one["attention"])
    again = dmfx.simulate(net, initial=both, carry="beta", direction="both", **options).compute()
    down = dmfx.simulate(net, initial=both.sel(direction="down"), carry="beta", direction="down", **options).compute()
    assert np.array_equal(again["attention"].sel(direction="down"), down["attention"])
    with pytest.raises(ValueError, match="initial has the dim direction"):
        dmfx.simulate(net, initial=both, carry="beta", direction="up", **options)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"carry": "seed"}, r"carry must be one of 'beta', 'gamma', not 'seed' \(str\)"),
        ({"carry": ["beta"]}, r"carry must be one of 'beta', 'gamma', not \['beta'\]"),
        ({"carry": "epsilon"}, r"carry='epsilon' needs epsilon= as an array"),
        ({"carry": "beta", "direction": ""}, r"direction must be one of 'up', 'down', 'both', not ''"),
        ({"carry": "beta", "initial": 0, "steps": 2}, r"transient \+ steps must be at least 3"),
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
