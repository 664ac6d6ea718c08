"""Sweeps: labels, laziness, invariance to the bit, continuation, published numbers, bad input."""

import json
from pathlib import Path

import dask
import dask.array as da
import numpy as np
import pytest
import xarray as xr

import dmfx
from dmfx import tasks
from dmfx.blocks import STATUS
from dmfx.variables import OVERLAPS

REFERENCE = json.loads((Path(__file__).parent / "data" / "poc_lopez_2024.json").read_text())
PAPER = dmfx.SelfAttention.paper()
SWEPT = {
    "beta": np.linspace(1, 2, 19),
    "gamma": [100.0, 220.0],
    "seed": [0, 5, 7],
    "epsilon": [0.0, 0.02, 0.3],
}
DRAWN = dmfx.SelfAttention(dmfx.weights.random(4, 30), context_size=6)


def sweep(net=DRAWN, **changes):
    arguments = SWEPT | {"steps": 50, "transient": 33, "variables": OVERLAPS} | changes
    return dmfx.simulate(net, **arguments)


def assert_same_bits(a, b):
    assert set(a.data_vars) == set(b.data_vars)
    for name in a.data_vars:
        assert a[name].dims == b[name].dims
        assert a[name].to_numpy().tobytes() == b[name].to_numpy().tobytes(), name


@pytest.fixture(scope="module")
def whole():
    return sweep(chunks=-1).compute()


@pytest.mark.parametrize("beta", [float(b) for b in REFERENCE["first_steps"]])
def test_published_first_steps(beta):
    ds = dmfx.simulate(PAPER, beta=beta, gamma=220.0, steps=40).compute()
    for name, expected in REFERENCE["first_steps"][str(beta)].items():
        error = np.abs(ds[name].to_numpy()[0, 0, 0] - expected).max(axis=1)
        assert error[:10].max() < 1e-13
        assert error.max() < 1e-9


def test_labels_and_attributes():
    ds = sweep()
    assert ds["m_v"].dims == ("beta", "gamma", "seed", "epsilon", "step", "pattern")
    np.testing.assert_array_equal(ds["step"], np.arange(33, 83))
    assert ds["final_attention"].dims == ("beta", "gamma", "seed", "epsilon", "context", "pattern")
    assert ds["overlap_weights"].dims == ("seed", "matrix", "pattern", "column")
    for name in ds.variables:
        assert ds[name].attrs["long_name"], name
        assert "units" in ds[name].attrs or "flag_meanings" in ds[name].attrs or name == "matrix"
    assert ds.attrs["Conventions"].startswith("CF-")
    assert "2406.07247" in ds.attrs["references"]
    assert ds.dmft.model == DRAWN
    assert json.loads(ds.attrs["dmfx_versions"]).keys() >= {"dmfx", "numba", "numpy"}


def test_scalars_are_dims_too():
    ds = dmfx.simulate(PAPER, beta=1.0, gamma=220.0, seed=1, steps=2)
    assert ds["m_o_semantic"].shape == (1, 1, 1, 2, 3)
    assert set(ds.data_vars) >= {"m_o_semantic", "attention", "final_attention", "final_phase", "status"}
    assert float(ds["epsilon"]) == 0.02


def refuse_to_compute(*_args, **_kwargs):
    raise AssertionError("something was computed while building the graph")


def test_lazy_and_immediate():
    with dask.config.set(scheduler=refuse_to_compute):
        ds = dmfx.simulate(PAPER, beta=np.linspace(0, 3, 4001), gamma=220.0, steps=20_000, transient=100_000)
    assert all(isinstance(ds[name].data, da.Array) for name in ds.data_vars)
    assert np.prod(ds["attention"].data.chunksize) * 8 <= 2**26


@pytest.mark.parametrize(
    "chunks",
    [
        "auto",
        7,
        {"beta": 5, "step": 13},
        {"seed": 1, "gamma": 1, "epsilon": 2, "step": 25},
        {"beta": (1, 17, 1), "seed": "auto"},
    ],
    ids=str,
)
def test_same_bits_for_any_chunking(whole, chunks):
    assert_same_bits(whole, sweep(chunks=chunks).compute())


@pytest.mark.parametrize("scheduler", ["synchronous", "threads"])
def test_same_bits_on_any_scheduler(whole, scheduler):
    assert_same_bits(whole, sweep(chunks=4).compute(scheduler=scheduler))


def test_a_point_depends_on_its_own_coordinates_alone(whole):
    at = {"beta": SWEPT["beta"][11], "gamma": 220.0, "seed": 5, "epsilon": 0.3}
    alone = sweep(**at, chunks=-1).compute()
    among = whole.sel({dim: [value] for dim, value in at.items()})
    assert alone["m_k"].to_numpy().tobytes() == among["m_k"].to_numpy().tobytes()
    assert "epsilon" not in alone.sizes


@pytest.mark.slow
def test_same_bits_from_processes(whole):
    from distributed import Client, LocalCluster

    with (
        LocalCluster(n_workers=2, threads_per_worker=1, dashboard_address=":0") as cluster,
        Client(cluster),
    ):
        assert_same_bits(whole, sweep(chunks={"beta": 4, "step": 20}).compute())


def test_goes_on_from_another_run_to_the_bit(whole):
    rest = sweep(transient=0, steps=20, initial=whole, chunks={"beta": 4}).compute()
    longer = sweep(transient=83, steps=20).compute()
    assert_same_bits(rest.drop_vars("step"), longer.drop_vars("step"))


def test_goes_on_lazily_from_a_lazy_run():
    first = sweep(chunks={"beta": 3})
    with dask.config.set(scheduler=refuse_to_compute):
        rest = sweep(transient=0, steps=20, initial=first, chunks={"beta": 4})
    assert_same_bits(rest.drop_vars("step").compute(), sweep(transient=83, steps=20).drop_vars("step").compute())


def test_starts_are_matched_by_label(whole):
    some = {"beta": SWEPT["beta"][[7, 2]], "gamma": [220.0], "seed": [7, 0], "epsilon": [0.3, 0.0]}
    rest = sweep(**some, transient=0, steps=5, initial=whole).compute()
    longer = sweep(transient=83, steps=5).compute().sel(some)
    assert_same_bits(rest.drop_vars("step"), longer.drop_vars("step"))


def test_goes_on_from_a_run_in_any_order(whole):
    """Labels decide, not positions: a run whose β, lags, patterns and dims come in another order."""
    order = np.random.default_rng(3).permutation(19)
    shuffled = whole.isel(beta=order, context=[5, 0, 3, 1, 2, 4], pattern=[3, 1, 0, 2])
    shuffled = shuffled.transpose("pattern", "seed", "context", "beta", ...)
    rest, same = (sweep(transient=0, steps=5, initial=start).compute() for start in (shuffled, whole))
    assert_same_bits(rest, same)


def test_starts_may_have_a_dim_of_their_own(whole):
    """Any further dim becomes one of the sweep, whatever its labels."""
    starts = whole.isel(beta=[3, 5], gamma=0, seed=0, epsilon=0).rename(beta="from").assign_coords({"from": ["a", "b"]})
    rest = sweep(transient=0, steps=5, epsilon=None, initial=starts, chunks={"from": 1}).compute()
    assert rest["m_k"].dims == ("beta", "gamma", "seed", "from", "step", "pattern")
    alone = sweep(transient=0, steps=5, epsilon=None, initial=starts.isel({"from": 1})).compute()
    assert alone["m_k"].to_numpy().tobytes() == rest["m_k"].sel({"from": "b"}).to_numpy().tobytes()


def test_one_start_for_all_is_broadcast(whole):
    start = whole.isel(beta=[-1], gamma=0, seed=0, epsilon=0)
    rest = sweep(beta=[0.5, 1.5], gamma=3.0, seed=4, epsilon=None, transient=0, steps=5, initial=start).compute()
    for b in (0.5, 1.5):
        alone = sweep(
            beta=b, gamma=3.0, seed=4, epsilon=None, transient=0, steps=5, initial=start.isel(beta=0)
        ).compute()
        assert alone["m_k"].to_numpy().tobytes() == rest["m_k"].sel(beta=[b]).to_numpy().tobytes()


def test_one_phase_for_all_contexts(whole):
    """Contexts by β, built by hand, with a scalar phase."""
    contexts = whole[["final_attention"]].isel(gamma=0, seed=0, epsilon=0)
    by_beta = contexts.assign(final_phase=3)
    rest = sweep(seed=4, transient=0, steps=5, initial=by_beta, chunks={"beta": 4}).compute()
    i = 13
    alone = sweep(seed=4, beta=SWEPT["beta"][i], transient=0, steps=5, initial=by_beta.isel(beta=i)).compute()
    assert alone["m_k"].to_numpy().tobytes() == rest["m_k"].isel(beta=[i]).to_numpy().tobytes()


def test_labels_off_by_rounding_are_the_same_label(whole):
    beta = SWEPT["beta"] * (1 + 2e-16)
    rest = sweep(beta=beta, transient=0, steps=1, initial=whole).compute()
    assert (rest["status"] == STATUS["ok"]).all()


def test_random_starts():
    ds = dmfx.simulate(DRAWN, beta=[1.0, 2.0], gamma=1.0, seed=[1, 2], steps=3, initial="random", starts=4).compute()
    assert ds["attention"].dims == ("beta", "gamma", "seed", "initial", "step", "pattern")
    more = dmfx.simulate(DRAWN, beta=2.0, gamma=1.0, seed=2, steps=3, initial="random", starts=9).compute()
    assert np.array_equal(more["attention"].isel(initial=slice(4)), ds["attention"].sel(beta=[2.0], seed=[2]))
    assert np.unique(ds["attention"].isel(beta=0, step=0)).size == 2 * 4 * 4
    assert dmfx.simulate(DRAWN, beta=1.0, gamma=1.0, seed=[1, 2], steps=3, initial=ds).sizes["initial"] == 4


def test_seeds_of_given_weights_are_all_the_same():
    with pytest.warns(UserWarning, match="every seed has the same"):
        ds = dmfx.simulate(PAPER, beta=1.0, gamma=220.0, seed=[0, 1], steps=3)
    assert np.array_equal(ds["attention"].isel(seed=0), ds["attention"].isel(seed=1))


def test_starts_from_tokens():
    """Pattern a as the first token of given weights, by its number and spin by spin."""
    w = np.random.default_rng(0).choice([-1, 1], (4, 3, 11))
    net = dmfx.SelfAttention(dict(zip("ovqk", w, strict=True)))
    run = {"beta": 1.5, "gamma": 4.0, "steps": 12}
    by_number = dmfx.simulate(net, **run, initial=2).compute()
    by_spins = dmfx.simulate(net, **run, initial=w[0, 2]).compute()
    np.testing.assert_allclose(by_number["attention"], by_spins["attention"], atol=1e-13)
    assert not np.allclose(by_number["attention"], dmfx.simulate(net, **run, initial=1).compute()["attention"])


def test_a_context_that_has_not_filled_says_so():
    short = dmfx.simulate(DRAWN, beta=1.0, gamma=1.0, steps=2).compute()
    assert np.isnan(short["final_attention"]).any()
    rest = dmfx.simulate(DRAWN, beta=1.0, gamma=1.0, steps=2, initial=short).compute()
    assert (rest["status"] == STATUS["bad_start"]).all()
    assert np.isnan(rest["attention"]).all()


def test_a_diverged_point_leaves_the_others_alone():
    net = dmfx.SelfAttention({name: [[1e200]] for name in "ovqk"}, context_size=2, epsilon=0.0)
    start = xr.Dataset({"final_attention": (("context", "pattern"), np.ones((2, 1))), "final_phase": 0})
    for chunks in ({}, {"step": 3}):
        ds = dmfx.simulate(net, beta=[0.0, 1.0], gamma=1.0, steps=6, initial=start, chunks=chunks).compute()
        assert ds["status"].to_numpy().ravel().tolist() == [STATUS["ok"], STATUS["diverged"]]
        assert np.isfinite(ds["attention"].sel(beta=0.0)).all()
        assert np.isnan(ds["attention"].sel(beta=1.0).isel(step=-1)).all()


def test_a_kernel_runs_once_for_all_variables(monkeypatch):
    calls = []
    original = tasks.run_block
    monkeypatch.setattr(tasks, "run_block", lambda *a, **k: calls.append(1) or original(*a, **k))
    ds = sweep(chunks={"beta": 5, "step": 25})
    dask.compute(ds["m_o"], ds["attention"].mean("step"), ds["status"])
    assert len(calls) == 4 * 2


def test_attractors_of_the_paper():
    """The table of attractors, without the window of coexistence from 1.265 to 1.275, where rounding decides."""
    periods = {0.5: 4, 1.0: 4, 1.24: 4, 1.255: 0, 1.26: 0, 1.26405: 0, 1.26451: 44, 1.28: 0, 1.4: 0, 2.0: 0, 3.0: 24}
    run = {"gamma": 220.0, "transient": 100_000, "steps": 4_000, "variables": "m_o_semantic"}
    found = dmfx.simulate(PAPER, beta=list(periods), **run).dmft.bifurcation()["period"].compute()
    assert dict(zip(periods, found.to_numpy().ravel().tolist(), strict=True)) == periods


@pytest.mark.slow
@pytest.mark.parametrize(("beta", "chaotic"), [(1.255, False), (1.26, False), (1.28, True), (1.4, True), (2.0, True)])
def test_chaos_separates_neighbours(beta, chaotic):
    """Starts 1e-9 apart: λ1 ≥ 0.05 makes them e^25 times further after 500 steps, λ1 = 0 leaves them close."""
    settled = dmfx.simulate(PAPER, beta=beta, gamma=220.0, transient=100_000, steps=1).compute()
    near = settled.assign(final_attention=settled["final_attention"] + 1e-9)
    run = {"beta": beta, "gamma": 220.0, "transient": 500, "steps": 200}
    one, other = (dmfx.simulate(PAPER, **run, initial=s)["attention"].compute() for s in (settled, near))
    distance = float(abs(one - other).max())
    assert distance > 1e-2 if chaotic else distance < 1e-5


class Answer:
    """Not a model."""


@pytest.mark.parametrize(
    ("arguments", "error", "message"),
    [
        ({"model": Answer()}, TypeError, "model must be a dmfx model"),
        ({"beta": float("nan")}, ValueError, "beta must be .* of at least 0, not nan"),
        ({"beta": [0.1, -0.2]}, ValueError, "beta must be .* not -0.2 at position 1"),
        ({"beta": []}, ValueError, "beta must be a number or a 1-D array"),
        ({"beta": [1.0, 1.0]}, ValueError, "beta has repeated values"),
        ({"beta": "warm"}, TypeError, "beta must be a number or a 1-D array of finite numbers of at least 0"),
        ({"gamma": [[1.0, 2.0]]}, ValueError, r"gamma must be .* not an array of shape \(1, 2\)"),
        ({"gamma": float("inf")}, ValueError, "gamma must be"),
        ({"seed": 1.5}, ValueError, "seed must be .* whole numbers of at least 0, not 1.5"),
        ({"seed": -1}, ValueError, "seed must be"),
        ({"steps": 0}, ValueError, r"steps must be a whole number of at least 1, not 0 \(int\)"),
        ({"steps": 1.5}, ValueError, r"steps must be a whole number of at least 1, not 1.5 \(float\)"),
        ({"steps": True}, TypeError, "steps must be a whole number"),
        ({"steps": 10**12}, ValueError, r"steps must be a whole number of at least 1 and at most 1e\+08"),
        ({"steps": 10**400}, ValueError, r"steps must be .* at most 1e\+08"),
        ({"beta": np.arange(2_000_000), "chunks": 1}, ValueError, "would be cut into more than 1000000 chunks"),
        ({"beta": np.arange(3000), "gamma": np.arange(3000), "chunks": 2}, ValueError, "the sweep has 2250000 tasks"),
        ({"beta": np.ma.array([1.0, 2.0], mask=[0, 1])}, TypeError, "beta must be"),
        ({"beta": ["1", "2"]}, TypeError, "beta must be"),
        ({"transient": False}, TypeError, "transient must be a whole number"),
        ({"transient": np.array([1, 2])}, TypeError, "transient must be a whole number"),
        ({"chunks": np.array([1, 2])}, TypeError, "chunks must be 'auto', an integer"),
        ({"initial": [[1], [1, 2]]}, ValueError, "initial must be 3 spins, one for each column"),
        (
            {"initial": xr.Dataset({"final_attention": (("step", "context", "pattern"), np.zeros((2, 4, 3)))})},
            ValueError,
            "initial has the dim step, which means something else here",
        ),
        (
            {
                "initial": xr.Dataset(
                    {"final_attention": (("beta", "context", "pattern"), np.zeros((2, 4, 3)))}, {"beta": [1.0, 1.0]}
                )
            },
            ValueError,
            "initial has repeated labels along beta",
        ),
        ({"transient": -1}, ValueError, "transient must be a whole number of at least 0"),
        ({"epsilon": 1.1}, ValueError, "epsilon must be .* from 0 to 1"),
        ({"variables": ["m_o", "m_x"]}, ValueError, "variables: there is no 'm_x'; expected names out of m_o_semantic"),
        ({"variables": 3}, TypeError, "variables must be names out of"),
        ({"chunks": "small"}, TypeError, "chunks must be 'auto', an integer, or a mapping"),
        ({"chunks": {"betas": 3}}, ValueError, "chunks: there is no dim 'betas'; the dims are beta, gamma, seed"),
        ({"chunks": {"beta": 0}}, ValueError, "chunks: dim 'beta' of size 3 cannot be cut into 0"),
        ({"chunks": {"beta": (1, 1)}}, ValueError, "dim 'beta' of size 3 cannot be cut into"),
        ({"initial": "chance"}, ValueError, "initial must be one of 'random'"),
        ({"initial": "random"}, ValueError, "needs starts="),
        ({"initial": "random", "starts": 0}, ValueError, "starts must be a whole number of at least 1"),
        ({"starts": 3}, ValueError, "starts goes with initial='random' and initial='random_token' only"),
        ({"initial": 3}, ValueError, "initial must be a pattern from 0 to 2, not 3"),
        ({"initial": xr.Dataset({"m": 0})}, ValueError, "initial must be a Dataset with final_attention"),
        (
            {"initial": xr.Dataset({"final_attention": (("context", "pattern"), np.zeros((3, 2)))})},
            ValueError,
            "dim context of size 4, not 3; initial: final_attention must have dim pattern of size 3, not 2",
        ),
        (
            {
                "initial": xr.Dataset(
                    {"final_attention": (("beta", "context", "pattern"), np.zeros((2, 4, 3)))}, {"beta": [1.0, 9.0]}
                )
            },
            ValueError,
            r"initial has no beta = 2, 3 \(2 of 3 labels are missing\)",
        ),
        ({"beta": -1, "steps": 0, "variables": "x"}, ValueError, "3 problems: beta .*; steps .*; variables"),
    ],
)
def test_wrong_input_is_refused_when_called(arguments, error, message):
    call = {"model": PAPER, "beta": [1.0, 2.0, 3.0], "gamma": 220.0, "steps": 10} | arguments
    with dask.config.set(scheduler=refuse_to_compute), pytest.raises(error, match=message):
        dmfx.simulate(call.pop("model"), **call)


def test_the_first_chunk_of_steps_fills_the_context():
    with pytest.raises(ValueError, match="at least 5 steps"):
        sweep(initial=0, transient=0, steps=20, chunks={"step": 2})
