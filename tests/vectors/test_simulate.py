"""Sweeps of vector spins: labels, laziness, the equations, invariance to the bit, status, bad input."""

import json

import dask
import dask.array as da
import numpy as np
import pytest
import xarray as xr

import dmfx
from dmfx import couplings
from dmfx.kernels import vector_attention as kernel
from dmfx.variables import STATUS
from tests import oracle_vectors as oracle
from tests.vectors.networks import KINDS, PATTERNS, VARIABLES, D, M, N, assert_same_bits, network, sweep


def refuse_to_compute(*_args, **_kwargs):
    raise AssertionError("something was computed while building the graph")


@pytest.fixture(scope="module")
def whole():
    return sweep(chunks=-1).compute()


@pytest.mark.parametrize("kind", KINDS)
def test_every_variable_is_that_of_the_equations(kind):
    net, seeds = network(kind), [0, 4] if kind == "random" else [0]
    ds = sweep(net, beta=[0.0, 2.0], seed=seeds, steps=3, transient=1).compute()
    for beta, gamma, seed in np.stack(np.meshgrid(ds.beta, ds.gamma, ds.seed, indexing="ij"), -1).reshape(-1, 3):
        J = net.couplings.draw(int(seed)).dense()
        for start in range(M):
            point = ds.sel(beta=beta, gamma=gamma, seed=seed, initial=start)
            states = oracle.run(J, PATTERNS[start], beta, gamma, 4)
            np.testing.assert_allclose(point.tokens, states[2:], atol=1e-11)
            np.testing.assert_allclose(point.final_tokens, states[-1], atol=1e-11)
            q = [oracle.overlaps(x, PATTERNS) for x in states[2:]]
            np.testing.assert_allclose(point.overlap, q, atol=1e-11)
            moved = np.sqrt(((states[2:] - states[1:-1]) ** 2).sum(axis=(1, 2)) / N)
            np.testing.assert_allclose(point.change, moved, atol=1e-11)
            if beta == 0:
                assert np.isnan(point.energy).all()
            else:
                e = [oracle.local_energies(J, x, beta, gamma).mean() for x in states[2:]]
                np.testing.assert_allclose(point.energy, e, atol=1e-11)


def test_dims_labels_and_attributes(whole):
    ds = sweep()
    assert ds["overlap"].dims == ("beta", "gamma", "seed", "initial", "step", "pattern")
    assert ds["tokens"].dims == ("beta", "gamma", "seed", "initial", "step", "token", "component")
    assert ds["energy"].dims == ds["change"].dims == ("beta", "gamma", "seed", "initial", "step")
    assert ds["final_tokens"].dims == ("beta", "gamma", "seed", "initial", "token", "component")
    assert ds["status"].dims == ("beta", "gamma", "seed", "initial")
    assert ds["patterns"].dims == ("pattern", "token", "component")
    assert ds["couplings_matrices"].dims == ("token", "from_token", "component", "from_component")
    np.testing.assert_array_equal(ds["step"], np.arange(5, 17))
    np.testing.assert_array_equal(ds["pattern"], np.arange(M))
    for name in ds.variables:
        assert ds[name].attrs["long_name"], name
        assert "units" in ds[name].attrs or "flag_meanings" in ds[name].attrs, name
    assert ds["gamma"].attrs["long_name"] == "weight of the residual term"
    assert ds.dmft.autocorrelation(max_lag=2)["gamma"].attrs == ds["gamma"].attrs
    assert ds["status"].attrs["flag_meanings"].split() == list(STATUS)
    assert ds.attrs["Conventions"].startswith("CF-")
    assert "2409.16112" in ds.attrs["references"]
    assert ds.attrs["source"].endswith("VectorAttention, full couplings")
    assert json.loads(ds.attrs["dmfx_versions"]).keys() >= {"dmfx", "numba", "numpy"}
    assert "transient" in ds.attrs["history"]
    assert (whole["status"] == 0).all()


def test_what_is_kept_by_default():
    ds = dmfx.simulate(network(), beta=1.0, gamma=0.0, steps=2)
    assert set(ds.data_vars) == {"overlap", "final_tokens", "status", "patterns", "couplings_matrices"}
    assert ds["overlap"].shape == (1, 1, 1, 2, M)
    bare = dmfx.simulate(network(patterns=None), beta=1.0, gamma=0.0, steps=2)
    assert set(bare.data_vars) == {"energy", "change", "final_tokens", "status", "couplings_matrices"}
    one = dmfx.simulate(network("low_rank"), beta=1.0, gamma=0.0, steps=2, variables="change")
    assert set(one.data_vars) == {"change", "final_tokens", "status", "patterns", "couplings_left", "couplings_right"}


def test_nothing_is_computed_before_it_is_asked_for():
    with dask.config.set(scheduler=refuse_to_compute):
        ds = dmfx.simulate(
            network(), beta=np.linspace(0, 3, 2001), gamma=0.0, steps=20_000, transient=10_000, variables=VARIABLES
        )
    for name in (*VARIABLES, "final_tokens", "status"):
        assert isinstance(ds[name].data, da.Array)
        assert np.prod(ds[name].data.chunksize) * 8 <= 2**26


def test_each_block_is_run_once(monkeypatch):
    calls = []

    def counted(*args, **kwargs):
        calls.append(len(args[3]))
        return original(*args, **kwargs)

    original = kernel.run
    monkeypatch.setattr(kernel, "run", counted)
    ds = sweep(chunks={"beta": 4, "initial": 2, "step": 5})
    assert not calls
    ds.compute(scheduler="synchronous")
    assert len(calls) == 2 * 2 * 3
    assert sum(calls) == 3 * 7 * 2 * M
    calls.clear()
    sweep(network("random"), seed=[0, 1, 2], chunks=-1).compute(scheduler="synchronous")
    assert calls == [7 * 2 * M] * 3, "one call for each seed, which has couplings of its own"


@pytest.mark.parametrize(
    "chunks",
    ["auto", 2, {"step": 1}, {"beta": 3, "step": 5}, {"initial": 1, "gamma": 1, "step": 7}, {"beta": (1, 5, 1)}],
    ids=str,
)
def test_same_bits_for_any_chunking(whole, chunks):
    assert_same_bits(whole, sweep(chunks=chunks).compute())


@pytest.mark.parametrize("kind", ["relative", "low_rank", "random"])
def test_same_bits_for_any_chunking_of_every_form(kind):
    arguments = {"seed": [0, 3, 8]} if kind == "random" else {}
    one = sweep(network(kind), chunks=-1, **arguments).compute()
    assert_same_bits(one, sweep(network(kind), chunks={"beta": 2, "seed": 1, "step": 5}, **arguments).compute())
    assert_same_bits(one, sweep(network(kind), chunks={"initial": 2, "seed": 2, "step": 9}, **arguments).compute())


def test_tasks_have_the_same_name_if_and_only_if_they_do_the_same():
    other = dmfx.tokens.random(M, N, D, seed=12)
    changes = [
        {"net": network("random")},
        {"net": network("relative")},
        {"net": network().symmetrised()},
        {"net": network(patterns=other)},
        {"net": network(patterns=other), "initial": PATTERNS},
        {"steps": 11},
        {"transient": 4},
        {"gamma": [-0.3, 0.5]},
        {"variables": "tokens"},
        {"chunks": {"beta": 3}},
        {"initial": [0, 2, 1]},
        {"initial": other},
        {"initial": "random", "starts": 3},
        {"initial": sweep().compute()},
        {"initial": sweep(steps=3).compute()},
    ]
    names = [sweep(**change)["final_tokens"].data.name for change in ({}, *changes)]
    assert len(set(names)) == len(names)
    assert [sweep(**change)["final_tokens"].data.name for change in ({}, *changes[:13])] == names[:14]


@pytest.mark.parametrize("scheduler", ["synchronous", "threads"])
def test_same_bits_on_any_scheduler(whole, scheduler):
    assert_same_bits(whole, sweep(chunks={"beta": 2, "step": 6}).compute(scheduler=scheduler))


@pytest.mark.slow
def test_same_bits_from_processes(whole):
    assert_same_bits(whole, sweep(chunks={"beta": 4, "step": 6}).compute(scheduler="processes", num_workers=2))


@pytest.mark.slow
def test_same_bits_from_a_cluster(whole):
    from distributed import Client, LocalCluster

    with (
        LocalCluster(n_workers=2, threads_per_worker=1, dashboard_address=":0") as cluster,
        Client(cluster),
    ):
        assert_same_bits(whole, sweep(chunks={"beta": 4, "step": 6}).compute())


def test_a_point_depends_on_its_own_coordinates_alone(whole):
    alone = sweep(beta=whole.beta[5].item(), gamma=0.4, initial=2).compute()
    among = whole.isel(beta=[5]).sel(gamma=[0.4], initial=2)
    for name in VARIABLES:
        assert alone[name].to_numpy().tobytes() == among[name].to_numpy().tobytes()


def test_seeds_of_random_couplings():
    net = network("random")
    ds = sweep(net, seed=[7, 2], beta=2.0).compute()
    for seed in (7, 2):
        given = dmfx.VectorAttention(net.couplings.draw(seed), PATTERNS)
        one = sweep(given, beta=2.0).compute()
        assert one["overlap"].to_numpy().tobytes() == ds["overlap"].sel(seed=[seed]).to_numpy().tobytes()
    assert "couplings_matrices" not in ds
    assert not (ds["overlap"].sel(seed=7) == ds["overlap"].sel(seed=2)).any()


def test_seeds_of_given_couplings_are_the_same():
    with pytest.warns(UserWarning, match="every seed has the same"):
        sweep(seed=[0, 1])


def test_status_tells_why_a_point_failed():
    J = np.zeros((2, 2, 2, 2))
    J[0, 1] = J[1, 0] = np.eye(2)
    net = dmfx.VectorAttention(J, [[[1.0, 0], [-1, 0]], [[1.0, 0], [0, 1]]])
    for chunks in ({}, {"step": 1}):
        ds = dmfx.simulate(net, beta=1.0, gamma=1.0, steps=4, initial="patterns", chunks=chunks, variables=VARIABLES)
        ds = ds.compute().squeeze()
        assert [STATUS[value] for value in ds["status"].values] == ["no_field", "ok"]
        assert np.isnan(ds["overlap"].sel(initial=0)).all()
        assert np.isfinite(ds["overlap"].sel(initial=1)).all()


def test_huge_numbers_do_not_pass_unnoticed():
    net = dmfx.VectorAttention(1e200 * network().couplings.dense(), PATTERNS)
    ds = dmfx.simulate(net, beta=[1e-200, 1e200], gamma=0.0, steps=2).compute().squeeze()
    assert [STATUS[value] for value in ds["status"].values] == ["ok", "diverged"]
    np.testing.assert_allclose(np.linalg.norm(ds["final_tokens"][0], axis=1), 1)


def test_the_caller_may_change_his_arrays():
    patterns, J, start = PATTERNS.copy(), network().couplings.dense().copy(), PATTERNS[:2].copy()
    net = dmfx.VectorAttention(J, patterns)
    ds = dmfx.simulate(net, beta=1.0, gamma=0.0, steps=3, initial=start)
    expected = dmfx.simulate(network(), beta=1.0, gamma=0.0, steps=3, initial=PATTERNS[:2].copy()).compute()
    patterns[:], J[:], start[:] = np.nan, 3, 0
    assert_same_bits(expected, ds.compute())


BAD = [
    (
        {"variables": "m_o"},
        ValueError,
        "there is no 'm_o'; expected names out of overlap, tokens, energy, change",
    ),
    ({"variables": 3}, TypeError, "variables must be names out of"),
    ({"variables": []}, ValueError, "variables: there are none; expected names out of"),
    ({"steps": 0}, ValueError, "steps must be a whole number of at least 1"),
    ({"transient": -1}, ValueError, "transient must be a whole number of at least 0"),
    ({"beta": -1.0}, ValueError, "beta must be .* at least 0"),
    ({"beta": [1.0, 1.0]}, ValueError, "beta has repeated values"),
    ({"gamma": np.nan}, ValueError, "gamma must be"),
    ({"seed": 0.5}, ValueError, "seed must be"),
    (
        {"chunks": {"context": 2}},
        ValueError,
        "there is no dim 'context'; the dims are beta, gamma, seed, initial, step",
    ),
    ({"epsilon": 0.1}, ValueError, "epsilon goes with dmfx.SelfAttention, not with dmfx.VectorAttention"),
    ({"size": 100}, ValueError, "size goes with"),
    ({"replica": [0, 1]}, ValueError, "replica goes with"),
    ({"lyapunov": True}, ValueError, "lyapunov goes with"),
    ({"carry": "beta", "direction": "up"}, ValueError, "2 problems: carry goes with .*; direction goes with"),
    ({"common_noise": "initial"}, ValueError, "common_noise goes with"),
    ({"steps": -1, "beta": "a", "initial": 9}, ValueError, "3 problems: beta .*; steps .*; initial"),
]


@pytest.mark.parametrize(("change", "error", "message"), BAD, ids=lambda each: str(each)[:40])
def test_wrong_arguments(change, error, message):
    with pytest.raises(error, match=message):
        sweep(**change)


def test_overlaps_need_patterns():
    with pytest.raises(ValueError, match=r"overlap needs stored patterns; model.with_patterns"):
        sweep(network(patterns=None), initial=None)


def test_one_network_of_many_patterns_takes_little_memory_in_each_task():
    net = network().with_patterns(dmfx.tokens.random(5000, N, D))
    ds = dmfx.simulate(net, beta=1.0, gamma=0.0, steps=4000, initial="patterns")
    assert np.prod(ds["overlap"].data.chunksize) * 8 <= 2**27
    assert isinstance(ds, xr.Dataset)


def test_couplings_of_another_kind_have_the_same_runs():
    stored = [couplings.hebbian(PATTERNS, kind=kind) for kind in ("full", "low_rank")]
    full, factored = (sweep(dmfx.VectorAttention(J, PATTERNS), gamma=0.4).compute() for J in stored)
    np.testing.assert_allclose(full["overlap"], factored["overlap"], atol=1e-9)
