"""Longer runs: the same as one run of all steps."""

from __future__ import annotations

import importlib

import numpy as np
import pytest
import xarray as xr

import dmfx
from dmfx.sweeps import StoreMismatch, SweepFailed
from dmfx.variables import STATUS
from tests.sweeps.extending.small import BETA, NET, REDUCE, Stop, check_longer, dmfx_tasks, run_of, sweep
from tests.sweeps.same import reductions_of


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
