"""More labels, longer runs: the same as one sweep of all of it."""

from __future__ import annotations

import importlib
import itertools
import shutil

import dask
import numpy as np
import pytest
import xarray as xr

import dmfx
from dmfx.archive.parts import load_parts
from dmfx.sweeps import StoreMismatch, SweepFailed, progress_of
from dmfx.variables import STATUS
from tests.sweeps.chaos import leftovers
from tests.sweeps.same import assert_same, direct_run, reductions_of

NET = dmfx.SelfAttention.paper()
DRAWN = dmfx.SelfAttention(dmfx.weights.segments(2, 20))
PATTERNS = dmfx.tokens.random(3, n_tokens=8, n_components=5, seed=1)
VECTORS = dmfx.VectorAttention(dmfx.couplings.hebbian(PATTERNS), PATTERNS)
BETA = [round(1.2 + k / 50, 10) for k in range(6)]
REDUCE = ["recall", {"analysis": "autocorrelation", "max_lag": 3}]
BASE = {
    "beta": BETA,
    "gamma": [210.0, 220.0],
    "steps": 12,
    "transient": 10,
    "chunks": {"beta": 2, "gamma": 2},
    "variables": ("m_o_semantic", "attention"),
}
#: Arguments that are left out if they are None.
LEFT_OUT = ("transient", "variables")
dmfx_tasks = importlib.import_module("dmfx.tasks")


class Stop(BaseException):
    """Ends what it happens in."""


def sweep(store, model=DRAWN, **changed):
    arguments = {**BASE, **changed}
    arguments = {name: value for name, value in arguments.items() if name not in LEFT_OUT or value is not None}
    with dask.config.set(scheduler="synchronous"):
        return dmfx.sweep(model, store=store, progress=False, **arguments)


def run_of(model=DRAWN, **changed):
    arguments = {name: value for name, value in {**BASE, **changed}.items() if name not in ("chunks", "reduce")}
    if arguments["transient"] is None:
        del arguments["transient"]
    return direct_run(model, arguments.pop("task", "simulate"), arguments.pop("variables"), **arguments).compute()


def check(store, **arguments):
    """Everything in the store is what direct calls give, at every label and step."""
    ds = dmfx.open(store)
    run = run_of(**arguments)
    reduce = arguments.get("reduce", ())
    assert_same(ds, run, less=bool(reduce))
    for name, expected in reductions_of(run, reduce).items():
        assert_same(dmfx.open(store, reduction=name), expected.compute())
    assert dmfx.check(store) == []
    assert leftovers(store) == []
    progress = progress_of(store)
    assert progress.finished
    assert progress.failed == 0
    assert progress.points == ds.status.size
    for part in load_parts(store):
        assert part.sealed


@pytest.fixture
def calls(monkeypatch):
    """How many points the kernel was called for, each time."""
    found, run_block = [], dmfx_tasks.run_block

    def counted(model, block, *state):
        found.append({dim: labels.tolist() for dim, labels in block.axes.items()})
        return run_block(model, block, *state)

    monkeypatch.setattr(dmfx_tasks, "run_block", counted)
    return found


@pytest.fixture(scope="module")
def base(tmp_path_factory):
    store = tmp_path_factory.mktemp("base") / "run.zarr"
    sweep(store, reduce=REDUCE)
    return store


@pytest.fixture
def store(base, tmp_path):
    return shutil.copytree(base, tmp_path / "run.zarr")


# More labels


MORE = {
    "appended": {"beta": [*BETA, 1.5, 1.6, 1.7]},
    "interleaved": {"beta": sorted([*BETA, *(beta + 0.01 for beta in BETA)])},
    "in another order": {"beta": [1.9, *BETA[::-1], 1.1]},
    "seeds": {"seed": [0, 1, 2]},
    "seeds before": {"seed": [4, 0, 2]},
    "both": {"beta": [1.0, *BETA], "seed": [1, 0]},
    "three": {"beta": [1.0, *BETA], "gamma": [200.0, 210.0, 215.0, 220.0], "seed": [0, 7]},
}


@pytest.mark.parametrize("name", MORE)
def test_more_labels(store, calls, name):
    labels = MORE[name]
    sweep(store, reduce=REDUCE, **labels)
    computed = sum(len(list(itertools.product(*each.values()))) for each in calls)
    before = len(BETA) * 2
    wanted = int(np.prod([len(labels.get(dim, known)) for dim, known in ALL.items()]))
    assert computed == wanted - before
    points = [tuple(point) for each in calls for point in itertools.product(*each.values())]
    assert len(set(points)) == len(points)
    check(store, reduce=REDUCE, **labels)
    for dim, values in labels.items():
        np.testing.assert_array_equal(dmfx.open(store)[dim], values)
    calls.clear()
    sweep(store, reduce=REDUCE, **labels)
    assert calls == []


ALL = {"beta": BETA, "gamma": BASE["gamma"], "seed": [0]}


def test_more_labels_several_times(store):
    wanted = {"beta": BETA, "seed": [0]}
    for beta, seed in ((1.5, None), (None, 3), (1.25, 1), (1.0, None)):
        wanted = {
            "beta": wanted["beta"] if beta is None else sorted([*wanted["beta"], beta]),
            "seed": wanted["seed"] if seed is None else [*wanted["seed"], seed],
        }
        sweep(store, reduce=REDUCE, **wanted)
    assert len(load_parts(store)) > 4
    check(store, reduce=REDUCE, **wanted)


def test_one_label_and_one_more(tmp_path):
    """A sweep of a single point grows along a dim of which it had one label."""
    store = tmp_path / "run.zarr"
    sweep(store, beta=1.2, gamma=220.0, chunks="auto")
    sweep(store, beta=[1.2, 1.3], gamma=[220.0], chunks="auto")
    check(store, beta=[1.2, 1.3], gamma=220.0)


def test_labels_that_differ_by_rounding_are_not_added(store, calls):
    beta = [*(beta * (1 + 2e-16) for beta in BETA), 1.5]
    ds = sweep(store, reduce=REDUCE, beta=beta)
    assert {beta for each in calls for beta in each["beta"]} == {1.5}
    np.testing.assert_array_equal(ds.beta, [*BETA, 1.5])


@pytest.mark.parametrize("parts", [0, 1])
def test_stopped_between_making_parts(store, monkeypatch, parts):
    module = importlib.import_module("dmfx.sweeps.stretches")
    create, made = module.create_part, []
    labels = {"beta": [1.0, *BETA, 1.5], "seed": [0, 1]}

    def stopping(path, *args):
        if len(made) >= parts:
            raise Stop
        create(path, *args)
        made.append(path)

    with monkeypatch.context() as patched:
        patched.setattr(module, "create_part", stopping)
        with pytest.raises(Stop):
            sweep(store, reduce=REDUCE, **labels)
    ds = dmfx.open(store).load()
    assert (ds.status.sel(beta=BETA, seed=[0]) == 0).all()
    assert int((ds.status == STATUS.index("missing")).sum()) == ds.status.size - 12
    assert dmfx.check(store) == []
    sweep(store, reduce=REDUCE, **labels)
    check(store, reduce=REDUCE, **labels)


def test_stopped_within_a_part(store, monkeypatch):
    labels = {"beta": [1.0, 1.1, *BETA, 1.5, 1.6]}
    run_block = dmfx_tasks.run_block

    def failing(model, block, *state):
        if 1.5 in block.axes["beta"]:
            raise Stop
        return run_block(model, block, *state)

    with monkeypatch.context() as patched:
        patched.setattr(dmfx_tasks, "run_block", failing)
        with pytest.raises(SweepFailed, match="Stop"):
            sweep(store, reduce=REDUCE, **labels)
    ds = dmfx.open(store).load()
    np.testing.assert_array_equal(ds.beta, labels["beta"])
    missing = ds.status == STATUS.index("missing")
    assert set(ds.beta.values[missing.any(["gamma", "seed"])]) == {1.5, 1.6}
    sweep(store, reduce=REDUCE, **labels)
    check(store, reduce=REDUCE, **labels)


def test_damage_in_every_part(store, calls):
    labels = {"beta": [1.0, *BETA], "seed": [0, 1]}
    sweep(store, reduce=REDUCE, **labels)
    for part in load_parts(store):
        next((part.path / "attention").glob("c.*")).unlink()
    assert len(dmfx.check(store)) == len(load_parts(store))
    calls.clear()
    sweep(store, reduce=REDUCE, **labels)
    assert len(calls) == len(load_parts(store))
    check(store, reduce=REDUCE, **labels)


def test_finite_networks(tmp_path):
    store = tmp_path / "run.zarr"
    base = {"model": NET, "size": [1e3, np.inf], "replica": range(2), "gamma": 220.0, "chunks": {"beta": 3, "size": 1}}
    sweep(store, **base)
    more = {**base, "size": [100.0, 1e3, 1e4, np.inf], "replica": range(4)}
    sweep(store, **more)
    check(store, **more)
    sweep(store, **{**more, "steps": 20})
    check_longer(store, **{**more, "steps": 20})


def test_vector_spins(tmp_path):
    store = tmp_path / "run.zarr"
    base = {"model": VECTORS, "gamma": [0.0, 1.0], "steps": 6, "initial": "patterns", "variables": ("overlap",)}
    base |= {"transient": 2}
    sweep(store, **base)
    sweep(store, **{**base, "gamma": [0.0, 0.5, 1.0]})
    check(store, **{**base, "gamma": [0.0, 0.5, 1.0]})
    longer = {**base, "gamma": [0.0, 0.5, 1.0], "steps": 9}
    sweep(store, **longer)
    check_longer(store, **longer)


@pytest.mark.parametrize("task", ["denoising", "masked_prediction", "free_running", "ablations"])
def test_tasks(tmp_path, task):
    store = tmp_path / "run.zarr"
    arguments = {"tokens": PATTERNS, "beta": [1.0, 2.0], "gamma": [0.0, 1.0], "steps": 3, "task": task}
    arguments |= {"chunks": {"beta": 1}, "variables": None, "transient": None}
    varied = {"masked_prediction": "fraction"}.get(task, "noise")
    if task == "ablations":
        arguments |= {"ablated": "denoising", "model": VECTORS}
    arguments |= {"model": VECTORS, varied: [0.2, 0.5]}
    sweep(store, **arguments)
    more = {**arguments, varied: [0.1, 0.2, 0.5], "beta": [1.0, 1.5, 2.0]}
    sweep(store, **more)
    check(store, **more)
    with pytest.raises(StoreMismatch, match=f"steps=3, and runs of {task} cannot be made longer"):
        sweep(store, **{**more, "steps": 4})


# Longer runs


def check_longer(store, **arguments):
    """Trajectories and final states are those of one long run."""
    ds, run = dmfx.open(store), run_of(**arguments)
    for name, var in run.variables.items():
        found = ds.variables[name]
        assert (found.dims, found.dtype, found.shape) == (var.dims, var.dtype, var.shape), name
        assert found.values.tobytes() == var.values.tobytes(), name
    assert dmfx.check(store) == []
    assert progress_of(store).finished


@pytest.mark.parametrize("steps", [[13], [24], [20, 31]])
def test_longer_runs(tmp_path, calls, steps):
    store = tmp_path / "run.zarr"
    sweep(store)
    for each in steps:
        calls.clear()
        sweep(store, steps=each)
        assert sum(len(call["beta"]) * len(call["gamma"]) for call in calls) == 12
    check_longer(store, steps=steps[-1])
    calls.clear()
    sweep(store, steps=steps[-1])
    assert calls == []
    with pytest.raises(StoreMismatch, match=f"it was made with steps={steps[-1]}, not 12"):
        sweep(store)


def test_reductions_of_longer_runs(store):
    ds = sweep(store, reduce=REDUCE, steps=20)
    ds = sweep(store, reduce=REDUCE, steps=26)
    check_longer(store, steps=26)
    np.testing.assert_array_equal(ds.stretch, [10, 22, 30])
    begin = run_of()
    pieces = [begin]
    for steps in (8, 6):
        pieces.append(run_of(initial=pieces[-1], steps=steps, transient=0))
    for name in ("recall", "autocorrelation"):
        found = dmfx.open(store, reduction=name)
        for number, piece in enumerate(pieces):
            expected = reductions_of(piece, REDUCE)[name].compute()
            steps = piece.step.values - int(piece.step[0]) + int(ds.stretch[number])
            one = found.isel(stretch=number)
            if "step" in one.dims:  # along it they go on
                one = one.sel(step=steps)
            for own, var in expected.data_vars.items():
                assert one[own].dims == var.dims, own
                assert one[own].values.tobytes() == var.values.tobytes(), (name, number, own)


def test_more_labels_after_a_longer_run(store):
    sweep(store, reduce=REDUCE, steps=20)
    labels = {"beta": [1.0, *BETA], "seed": [0, 1]}
    sweep(store, reduce=REDUCE, steps=20, **labels)
    check_longer(store, steps=20, **labels)
    ds = dmfx.open(store, reduction="autocorrelation")
    first = reductions_of(run_of(**labels), REDUCE)["autocorrelation"].compute()
    np.testing.assert_array_equal(ds.autocorrelation.isel(stretch=0), first.autocorrelation)


def test_more_labels_and_longer_at_once(store):
    labels = {"beta": [1.0, *BETA], "seed": [0, 1]}
    sweep(store, reduce=REDUCE, steps=20, **labels)
    check_longer(store, steps=20, **labels)


def test_longer_stopped_and_gone_on(tmp_path, monkeypatch):
    store, run_block = tmp_path / "run.zarr", dmfx_tasks.run_block
    sweep(store)

    def failing(model, block, *state):
        if BETA[2] in block.axes["beta"]:
            raise Stop
        return run_block(model, block, *state)

    with monkeypatch.context() as patched:
        patched.setattr(dmfx_tasks, "run_block", failing)
        with pytest.raises(SweepFailed):
            sweep(store, steps=20)
    ds = dmfx.open(store)
    run = run_of(steps=20)
    np.testing.assert_array_equal(ds.step, run.step)
    np.testing.assert_array_equal(ds.attention.isel(step=slice(12)), run.attention.isel(step=slice(12)))
    missing = ds.status == STATUS.index("missing")
    assert missing.sel(beta=BETA[2:4]).all()
    assert not missing.sel(beta=BETA[:2]).any()
    assert (ds.attention.isel(step=slice(12, None)).isnull() == missing).all()
    assert (missing | (ds.attention == run.attention)).isel(step=slice(12, None)).all()
    sweep(store, steps=20)
    check_longer(store, steps=20)


def test_points_that_failed_go_on_when_they_are_computed(tmp_path, monkeypatch):
    """A point that failed has no state to go on from; computed again, it has, and its further steps are too."""
    store, run_block = tmp_path / "run.zarr", dmfx_tasks.run_block

    def failing(model, block, *state):
        if BETA[3] in block.axes["beta"]:
            raise ArithmeticError("not this one")
        return run_block(model, block, *state)

    with monkeypatch.context() as patched:
        patched.setattr(dmfx_tasks, "run_block", failing)
        sweep(store)
    ds = sweep(store, steps=20)
    assert ds.attention.sel(beta=BETA[3]).isnull().all()
    assert (ds.status.sel(beta=BETA[3]) != 0).all()
    assert ds.attention.drop_sel(beta=BETA[3]).notnull().all()
    sweep(store, steps=20, retry_failed=True)
    check_longer(store, steps=20)


def test_later_reductions_follow(tmp_path, monkeypatch):
    """What is computed of the whole store is computed anew when it grows, also if that was interrupted."""
    store = tmp_path / "run.zarr"
    arguments = {"beta": [1.0], "steps": 1, "transient": 300, "variables": None, "model": NET, "chunks": {"gamma": 1}}
    arguments["reduce"] = [
        {"analysis": "continuation", "limits": (1.0, 1.02), "max_points": 4},
        {"analysis": "doubled_orbits", "of": "continuation"},
    ]
    sweep(store, **arguments, gamma=[218.0])
    module = importlib.import_module("dmfx.sweeps.session")

    def stopping(*args, **kwargs):
        raise Stop

    with monkeypatch.context() as patched:
        patched.setattr(module, "compute_later", stopping)
        with pytest.raises(Stop):
            sweep(store, **arguments, gamma=[218.0, 219.0])
    sweep(store, **arguments, gamma=[218.0, 219.0])
    found = dmfx.open(store, reduction="doubled_orbits")
    expected = dmfx.doubled_orbits(dmfx.open(store, reduction="continuation").load())
    xr.testing.assert_identical(found.load().drop_attrs(), expected.drop_attrs())


# What cannot be


@pytest.mark.parametrize("analysis", ["fft", "autocorrelation"])
def test_reductions_that_depend_on_the_number_of_steps(tmp_path, analysis):
    """As many steps as at first are as good; with others the frequencies would differ."""
    store = tmp_path / "run.zarr"
    reduce = [{"analysis": analysis}]
    sweep(store, reduce=reduce)
    with pytest.raises(
        StoreMismatch, match=r"longer by 8 steps: .* would have other sizes or labels than in the store"
    ):
        sweep(store, reduce=reduce, steps=20)
    assert progress_of(store).finished
    ds = sweep(store, reduce=reduce, steps=24)
    assert ds.sizes["stretch"] == 2
    second = reductions_of(run_of(initial=run_of(), transient=0), reduce)[analysis].compute()
    found = dmfx.open(store, reduction=analysis)
    for name, var in second.data_vars.items():
        if "beta" in var.dims and "stretch" in found[name].dims:
            np.testing.assert_array_equal(found[name].isel(stretch=1), var)
    assert any("stretch" in var.dims for var in found.data_vars.values())


@pytest.mark.parametrize("sizes", [([1e3], [1e3, np.inf]), ([np.inf], [1e3, np.inf])])
def test_mean_field_beside_finite_networks_from_the_beginning(tmp_path, sizes):
    store = tmp_path / "run.zarr"
    sweep(store, size=sizes[0])
    with pytest.raises(StoreMismatch, match="size = inf must be there from the beginning"):
        sweep(store, size=sizes[1])
    assert progress_of(store).finished


REFUSED = {
    "fewer labels": ({"beta": BETA[:-1]}, {}, r"the store has beta = 1.3 \(1 labels\)"),
    "none of them": ({"beta": [7.0]}, {}, r"the store has beta = 1.2, 1.22, 1.24, ... \(6 labels\)"),
    "shorter": ({"steps": 5}, {}, "it was made with steps=12, not 5"),
    "carried, longer": ({"steps": 20}, {"carry": "beta"}, "steps=12, and runs with carry= cannot be made longer"),
    "carried along": (
        {"beta": [*BETA, 1.5]},
        {"carry": "beta"},
        "beta cannot be extended: carry needs all of its points at once",
    ),
    "measured, longer": (
        {"steps": 20},
        {"lyapunov": 1},
        "it was made with steps=12, and runs with lyapunov= cannot be made longer",
    ),
    "basins": (
        {"beta": [*BETA, 1.5]},
        {"initial": "random", "starts": 2, "reduce": {"analysis": "basins", "steps": 256}, "variables": None},
        "beta cannot be extended: basins needs all of its points at once",
    ),
    "starts": (
        {"starts": 3},
        {"initial": "random", "starts": 2},
        "starts=2, not 3",
    ),
    "steps that are no number": ({"steps": 12.5}, {}, "not 12.5"),
}


@pytest.mark.parametrize("name", REFUSED)
def test_what_cannot_be_extended_is_refused(tmp_path, name):
    more, arguments, message = REFUSED[name]
    store, arguments = tmp_path / "run.zarr", {"chunks": "auto", "gamma": 220.0, "steps": 12, **arguments}
    sweep(store, NET, **arguments)
    with pytest.raises(StoreMismatch, match=message):
        sweep(store, NET, **{**arguments, **more})
    assert len(load_parts(store)) == 1
    assert progress_of(store).finished


def test_coupled_dims_that_are_not_extended_do_not_hinder_others(tmp_path):
    store = tmp_path / "run.zarr"
    arguments = {"carry": "beta", "gamma": [220.0], "chunks": "auto", "model": NET}
    sweep(store, **arguments)
    more = {**arguments, "gamma": [210.0, 220.0]}
    sweep(store, **more)
    check(store, **more)
