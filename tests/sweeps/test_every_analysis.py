"""Every model, task and analysis: a sweep gives what the calls without it give, bit for bit."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
import pytest

import dmfx
from dmfx import analysis
from dmfx.sweeps.run import TASKS
from tests.sweeps.same import assert_same, direct_run, reductions_of

BETA = np.linspace(0.8, 1.6, 4)
PATTERNS = dmfx.tokens.random(3, n_tokens=8, n_components=5, seed=1)
NET = dmfx.SelfAttention.paper()
DRAWN = dmfx.SelfAttention(dmfx.weights.segments(2, 20))
GIVEN = dmfx.SelfAttention(
    dmfx.weights.given(*np.random.default_rng(0).choice([-1, 1], (4, 2, 5))),
    position_weights={name: np.full((2, 2), 0.5 + i) for i, name in enumerate("ovqk")},
)
VECTORS = dmfx.VectorAttention(dmfx.couplings.hebbian(PATTERNS), PATTERNS)
DRAWN_VECTORS = dmfx.VectorAttention(dmfx.couplings.random(6, 3))
BY_LOAD = {n: dmfx.VectorAttention(dmfx.couplings.hebbian(PATTERNS[:n]), PATTERNS[:n]) for n in (1, 3)}


class Case(NamedTuple):
    """A sweep: its model and arguments, and what is made of it."""

    model: Any
    arguments: dict[str, Any]
    reduce: tuple = ()
    task: str = "simulate"
    variables: tuple[str, ...] | None = None
    chunks: Any = 1


ON_NET = {"beta": BETA, "gamma": 220.0, "steps": 40, "transient": 20}
ON_VECTORS = {"beta": BETA, "gamma": [0.0, 1.0], "steps": 6}
ON_TOKENS = {"tokens": PATTERNS, "beta": BETA, "gamma": [0.0, 1.0], "steps": 3}


def reference():
    """The mean field at all points of the sweep that is compared with it."""
    return dmfx.simulate(NET, **ON_NET)


def attractors():
    """Attractors at the labels of the sweep that is near them."""
    starts = dmfx.simulate(NET, beta=BETA, gamma=220.0, steps=1, transient=300, initial="random", starts=4)
    return dmfx.basins(starts, steps=256).compute()


def another_run():
    return dmfx.simulate(NET, beta=BETA, gamma=220.0, steps=1, transient=30)


CASES = {
    # tasks and models, no analysis
    "trajectories": Case(NET, {**ON_NET, "gamma": [100.0, 220.0]}, chunks={"beta": 3, "gamma": 1, "seed": 1}),
    "scalars": Case(NET, {**ON_NET, "beta": 1.27, "seed": 3}),
    "no cuts": Case(NET, ON_NET, chunks=-1),
    "cut by itself": Case(NET, ON_NET, chunks="auto"),
    "drawn weights": Case(DRAWN, {**ON_NET, "seed": range(3)}, ("recall",), chunks={"beta": 3, "seed": 2}),
    "every variable": Case(DRAWN, ON_NET, variables=("m_o_semantic", "attention", "m_o", "m_v", "m_q", "m_k")),
    "exponents of the run": Case(NET, {**ON_NET, "lyapunov": 2}, variables=("m_o",), chunks=2),
    "position": Case(NET, {**ON_NET, "epsilon": [0.0, 0.02]}, ("autocorrelation",), chunks={"epsilon": 1, "beta": 3}),
    "one position": Case(NET, {**ON_NET, "epsilon": 0.01}, ("autocorrelation",)),
    "carried": Case(
        NET,
        {**ON_NET, "gamma": [210.0, 220.0], "carry": "beta", "direction": "both"},
        ("bifurcation",),
        chunks={"gamma": 1},
    ),
    "random starts": Case(NET, {**ON_NET, "initial": "random", "starts": 3}, ("recall",), chunks={"beta": 3}),
    "finite": Case(
        NET,
        {**ON_NET, "size": [1e3, np.inf], "replica": range(3), "common_noise": "beta"},
        chunks={"beta": 3, "size": 1, "replica": 2},
    ),
    "finite or not": Case(
        NET,
        {**ON_NET, "size": [np.inf, 1e3], "initial": "random_token", "starts": 2, "common_noise": "initial"},
        chunks=1,
    ),
    "finite tokens": Case(
        NET,
        {**ON_NET, "size": 1e3, "replica": 2, "initial": "random_token", "starts": 2, "common_noise": "initial"},
        ("recall",),
        variables=("m_o",),
    ),
    "vectors": Case(VECTORS, {**ON_VECTORS, "initial": "patterns"}, ("recall",), chunks={"beta": 3, "gamma": 1}),
    "vectors at random": Case(
        VECTORS, {**ON_VECTORS, "initial": "random", "starts": 2}, variables=("overlap", "tokens", "energy", "change")
    ),
    "drawn couplings": Case(DRAWN_VECTORS, {**ON_VECTORS, "seed": range(3)}, chunks={"beta": 3, "gamma": 1, "seed": 2}),
    "masked prediction": Case(
        VECTORS, {**ON_TOKENS, "fraction": [0.2, 0.5], "replica": range(2)}, task="masked_prediction"
    ),
    "denoising": Case(VECTORS, {**ON_TOKENS, "noise": 0.4, "replica": 1}, task="denoising", chunks={"beta": 3}),
    "free running": Case(
        VECTORS, {**ON_TOKENS, "noise": [0.0, 0.5], "replica": range(2)}, ("recall",), task="free_running"
    ),
    "ablations": Case(VECTORS, {**ON_TOKENS, "noise": [0.1, 0.4], "ablated": "denoising"}, task="ablations"),
    "ablations, recalled": Case(
        VECTORS,
        {**ON_TOKENS, "noise": [0.1, 0.4], "replica": range(2), "ablated": "denoising"},
        ("basin_size",),
        task="ablations",
    ),
    "ablated prediction": Case(
        VECTORS, {**ON_TOKENS, "fraction": 0.5, "ablated": "masked_prediction"}, task="ablations", chunks={"beta": 3}
    ),
    # analyses
    "of trajectories": Case(
        NET,
        ON_NET,
        (
            "bifurcation",
            {"analysis": "bifurcation", "name": "points", "kind": "points", "pattern": 1},
            {
                "analysis": "bifurcation",
                "name": "of_keys",
                "variable": "m_k",
                "plane": {"pattern": 1, "variable": "m_q"},
            },
            "autocorrelation",
            "fft",
            {"analysis": "power_spectrum", "segment": 16},
            {"analysis": "power_spectrum", "name": "other", "segment": 20},
            "recall",
            {"analysis": "poincare", "plane": {"pattern": 1}, "max_points": 20},
        ),
        variables=("attention",),
        chunks=3,
    ),
    "of the map": Case(
        NET,
        {**ON_NET, "epsilon": [0.0, 0.02]},
        (
            {"analysis": "lyapunov", "n": 2, "steps": 200, "transient": 50},
            {"analysis": "classify", "steps": 512},
            {"analysis": "periodic_orbits", "max_period": 8, "steps": 200, "guesses": 3},
        ),
        chunks={"epsilon": 1, "beta": 3},
    ),
    "basins": Case(
        NET,
        {**ON_NET, "gamma": [200.0, 220.0], "initial": "random", "starts": 4},
        ({"analysis": "basins", "steps": 256, "n_points": 32},),
    ),
    "basins of points": Case(
        NET,
        {**ON_NET, "initial": "random", "starts": 4},
        ({"analysis": "basins", "steps": 256, "along": None, "n_points": 32},),
    ),
    "continuation": Case(
        NET,
        {"beta": [1.0], "gamma": [218.0, 219.0], "steps": 1, "transient": 300},
        (
            {"analysis": "continuation", "limits": (1.0, 1.05), "max_points": 8},
            {"analysis": "doubled_orbits", "of": "continuation"},
        ),
    ),
    "orbits continued": Case(
        NET,
        {"beta": [1.0], "gamma": [218.0, 219.0], "steps": 1, "transient": 300},
        (
            {"analysis": "periodic_orbits", "max_period": 4, "steps": 200, "guesses": 3, "max_orbits": 2},
            {"analysis": "continuation", "of": "periodic_orbits", "limits": (1.0, 1.02), "max_points": 4},
        ),
    ),
    "replicas": Case(
        NET,
        {**ON_NET, "size": [1e3, 1e4, np.inf], "replica": range(3)},
        ("fluctuations", "attractor_distance", {"analysis": "attractor_distance", "name": "all", "variable": "m_k"}),
        chunks={"beta": 3},
    ),
    "from another run": Case(
        NET,
        {**ON_NET, "size": [1e3, 1e4], "replica": range(2)},
        ({"analysis": "attractor_distance", "reference": reference, "directions": 8},),
        chunks={"beta": 3},
    ),
    "near attractors": Case(
        NET,
        {**ON_NET, "size": 1e3, "replica": range(2), "initial": "random", "starts": 2},
        ({"analysis": "residence", "attractors": attractors, "window": 4, "max_stays": 50},),
        chunks={"beta": 3},
    ),
    "basin size": Case(
        VECTORS,
        {**ON_TOKENS, "noise": [0.2, 0.6, 1.0], "replica": range(2)},
        ("recall", "basin_size", {"analysis": "basin_size", "name": "strict", "threshold": 0.99}),
        task="denoising",
    ),
    "capacity": Case(BY_LOAD, {**ON_TOKENS, "noise": 0.3}, ("capacity",), task="denoising"),
    "interference": Case(
        VECTORS,
        {**ON_TOKENS, "noise": 0.3, "replica": range(3)},
        ("interference",),
        task="denoising",
        chunks={"beta": 3},
    ),
    # starts
    "after another run": Case(NET, {**ON_NET, "initial": another_run}, ("recall",), chunks=3),
}


def made(value):
    """Arguments with Datasets in place of the functions that make them."""
    if callable(value):
        return value()
    if isinstance(value, dict):
        return {name: made(each) for name, each in value.items()}
    return tuple(made(each) for each in value) if isinstance(value, tuple) else value


def check_case(case, store):
    """Sweep, and compare everything with direct calls; return what the sweep returned."""
    arguments, reduce = made(case.arguments), made(case.reduce)
    ds = dmfx.sweep(
        case.model,
        store=store,
        task=case.task,
        reduce=reduce,
        variables=case.variables,
        chunks=case.chunks,
        progress=False,
        **arguments,
    )
    run = direct_run(case.model, case.task, None if reduce else case.variables, **arguments).compute()
    if not reduce:
        assert_same(ds, run)
        return ds
    kept = [name for name, var in run.data_vars.items() if "step" not in var.dims]
    assert_same(ds, run[kept].drop_vars("step", errors="ignore"), less=True)
    record = {"m_o_semantic", "attention", *(case.variables or ()), "m_k", "m_q"}
    of = run
    if case.task == "simulate" and isinstance(case.model, dmfx.SelfAttention):
        of = direct_run(case.model, case.task, tuple(sorted(record)), **arguments).compute()
        for name in case.variables or ():
            np.testing.assert_array_equal(ds[name], of[name])
    for name, expected in reductions_of(of, reduce).items():
        assert_same(dmfx.open(store, reduction=name), expected.compute())
        _check_merged(ds, expected, name)
    return ds


def _check_merged(ds, expected, name):
    """The Dataset of everything has each variable, under its own name or with the reduction's in front."""
    if name == "doubled_orbits":  # computed at the end of the sweep, and kept beside it
        return
    for own, var in expected.data_vars.items():
        mine = [ds[each] for each in (own, f"{name}_{own}") if each in ds]
        assert any(each.values.tobytes() == var.values.tobytes() and each.shape == var.shape for each in mine), own


@pytest.mark.parametrize("name", CASES)
def test_same_as_direct_calls(name, tmp_path):
    check_case(CASES[name], tmp_path / "run.zarr")
    assert dmfx.check(tmp_path / "run.zarr") == []


def test_every_analysis_and_every_task_has_a_case():
    entries = [entry for case in CASES.values() for entry in case.reduce]
    analysed = {entry if isinstance(entry, str) else entry["analysis"] for entry in entries}
    assert analysed == set(analysis.__all__)
    assert {case.task for case in CASES.values()} == set(TASKS)


def test_given_weights_and_their_warning(tmp_path):
    """The warning comes once, from the call; tasks in other threads give none, and change no filter."""
    import warnings

    store, filters = tmp_path / "run.zarr", list(warnings.filters)
    with pytest.warns(UserWarning, match="weights are given") as said:
        ds = dmfx.sweep(GIVEN, store=store, progress=False, **ON_NET, seed=[0, 1], chunks=1)
    assert len(said) <= 3
    assert (ds.status == 0).all()
    with pytest.warns(UserWarning, match="weights are given"):
        assert_same(ds, dmfx.simulate(GIVEN, **ON_NET, seed=[0, 1]))
    assert warnings.filters == filters


@pytest.mark.parametrize("suffix", [".nc", ".zarr"])
def test_initial_of_an_archive(tmp_path, suffix):
    """A lazy Dataset is as good as one in memory, and the same call goes on whichever of them it is given."""
    path = dmfx.save(another_run(), tmp_path / f"first{suffix}")
    lazy = dmfx.open(path)
    store = tmp_path / "run.zarr"
    ds = dmfx.sweep(NET, store=store, progress=False, initial=lazy, chunks=3, **ON_NET)
    assert_same(ds, dmfx.simulate(NET, initial=another_run().compute(), **ON_NET))
    again = dmfx.sweep(NET, store=store, progress=False, initial=dmfx.open(path), chunks=3, **ON_NET)
    assert_same(again, ds)
    dmfx.sweep(NET, store=store, progress=False, initial=lazy.compute(), chunks=3, **ON_NET)


def test_initial_computed_again_later(tmp_path):
    """The same run, made at another time, is the same start."""
    store = tmp_path / "run.zarr"
    first, second = another_run().compute(), another_run().compute()
    second.attrs["history"] = second.attrs["history"].replace("20", "19", 1)
    dmfx.sweep(NET, store=store, progress=False, initial=first, chunks=3, **ON_NET)
    dmfx.sweep(NET, store=store, progress=False, initial=second, chunks=3, **ON_NET)
    changed = first.assign(final_attention=first.final_attention + 1e-9)
    with pytest.raises(dmfx.sweeps.StoreMismatch, match="initial"):
        dmfx.sweep(NET, store=store, progress=False, initial=changed, chunks=3, **ON_NET)


def test_finished_store_goes_on_like_a_run(tmp_path):
    """What a sweep returns is a Dataset to start from, and for analyses that run the map."""
    ds = dmfx.sweep(NET, store=tmp_path / "run.zarr", progress=False, reduce="recall", chunks=3, **ON_NET)
    run = dmfx.simulate(NET, **ON_NET)
    more = {**ON_NET, "transient": 0}
    assert_same(dmfx.simulate(NET, initial=ds, **more), dmfx.simulate(NET, initial=run, **more))
    settings = {"n": 1, "steps": 100, "transient": 10}
    expected = dmfx.lyapunov(run, **settings)
    found = dmfx.lyapunov(ds, **settings)
    np.testing.assert_array_equal(found.lyapunov, expected.lyapunov)
