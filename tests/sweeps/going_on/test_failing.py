"""Points that fail, fail alone."""

from __future__ import annotations

import importlib
import json

import numpy as np
import pytest

import dmfx
from dmfx.sweeps import SweepFailed, progress_of
from tests.sweeps.chaos import differences
from tests.sweeps.going_on.small import BETA, FAILED, NET, POINTS, dmfx_tasks, fail_at, stop_after, sweep


def test_points_that_fail(tmp_path, whole, monkeypatch, calls):
    store = tmp_path / "run.zarr"
    with monkeypatch.context() as patched:
        fail_at(patched, BETA[3], BETA[8])
        ds = sweep(store).load()
    full = dmfx.open(whole).load()
    bad = [3, 8]
    good = [k for k in range(12) if k not in bad]
    assert (ds.status.isel(beta=bad) == FAILED).all()
    assert ds.attention.isel(beta=bad).isnull().all()
    for name, var in full.data_vars.items():
        if "beta" in var.dims:
            assert ds[name].isel(beta=good).values.tobytes() == var.isel(beta=good).values.tobytes(), name
    failures = (
        json.loads(ds.attrs["dmfx_failures"])
        if isinstance(ds.attrs["dmfx_failures"], str)
        else ds.attrs["dmfx_failures"]
    )
    assert [(each["beta"], each["gamma"], each["seed"]) for each in failures] == [
        (BETA[k], gamma, 0) for k in bad for gamma in (210.0, 220.0)
    ]
    assert failures[0]["reason"] == f"ArithmeticError: beta {BETA[3]} does not work"
    progress = progress_of(store)
    assert progress.finished
    assert (progress.done, progress.failed, progress.failures) == (POINTS, 4, failures)
    assert dmfx.check(store) == []
    # not again
    calls.clear()
    sweep(store)
    assert calls == []
    # unless asked
    sweep(store, retry_failed=True)
    assert sorted(calls) == [BETA[2:4], BETA[8:10]]
    assert differences(store, whole) == []
    assert "dmfx_failures" not in dmfx.open(store).attrs
    assert progress_of(store).failed == 0


def test_retried_without_check(tmp_path, whole, monkeypatch):
    store = tmp_path / "run.zarr"
    with monkeypatch.context() as patched:
        fail_at(patched, BETA[3])
        sweep(store)
        sweep(store, retry_failed=True)  # fails once more
    assert progress_of(store).failed == 2
    sweep(store, retry_failed=True, check=False)
    assert differences(store, whole) == []


def test_failing_now_and_then(tmp_path, whole, monkeypatch):
    """A box that fails once is tried again, and nothing is left of that."""
    store, run_block, failed = tmp_path / "run.zarr", dmfx_tasks.run_block, []

    def once(model, block, *state):
        if BETA[3] in block.axes["beta"] and len(failed) < 1:
            failed.append(1)
            raise MemoryError("not now")
        return run_block(model, block, *state)

    monkeypatch.setattr(dmfx_tasks, "run_block", once)
    sweep(store)
    assert failed == [1]
    assert differences(store, whole) == []


def test_analysis_that_fails_at_a_point(tmp_path, monkeypatch):
    """Not the run but what is made of it: the same."""
    module = importlib.import_module("dmfx.analysis.autocorrelation")
    inner = module._correlate_block

    def failing(block, **settings):
        if block.size and np.any(np.isclose(block, marked, rtol=0, atol=0)):
            raise FloatingPointError("a series that cannot be")
        return inner(block, **settings)

    run = dmfx.simulate(NET, beta=BETA, gamma=[210.0, 220.0], steps=16, transient=10).compute()
    marked = run.m_o_semantic.sel(beta=BETA[5], gamma=220.0).values.ravel()[0]
    monkeypatch.setattr(module, "_correlate_block", failing)
    ds = sweep(tmp_path / "run.zarr")
    assert int((ds.status == FAILED).sum()) == 1
    assert int(ds.status.sel(beta=BETA[5], gamma=220.0)[0]) == FAILED
    (failure,) = progress_of(tmp_path / "run.zarr").failures
    assert "FloatingPointError" in failure["reason"]


def test_every_point_fails_of_a_small_sweep(tmp_path, monkeypatch):
    fail_at(monkeypatch, *BETA)
    store = tmp_path / "run.zarr"
    ds = sweep(store)
    assert (ds.status == FAILED).all()
    progress = progress_of(store)
    assert progress.finished
    assert (progress.done, progress.failed) == (POINTS, POINTS)
    assert ds.attention.isnull().all()
    assert dmfx.check(store) == []


MANY = {"beta": [1 + k / 1000 for k in range(36)], "chunks": {"beta": 6, "gamma": 2}, "reduce": (), "variables": None}


def test_every_point_fails_of_a_large_sweep(tmp_path, monkeypatch):
    """It is not the points then: the sweep ends, and keeps nothing of it."""
    store = tmp_path / "run.zarr"
    with monkeypatch.context() as patched:
        fail_at(patched, *MANY["beta"], error=ImportError)
        with pytest.raises(SweepFailed, match=r"all of the first .* points failed, the last one with: ImportError"):
            sweep(store, **MANY)
    assert progress_of(store).failed == 0
    assert (sweep(store, **MANY).status == 0).all()
    assert progress_of(store).finished


def test_all_that_is_left_fails(tmp_path, monkeypatch):
    """Points succeeded before: those that are left fail each for itself, however often they are tried."""
    store = tmp_path / "run.zarr"
    with monkeypatch.context() as patched:
        stop_after(patched, 3)
        with pytest.raises(SweepFailed, match="Stop"):
            sweep(store, **MANY)
    fail_at(monkeypatch, *MANY["beta"][18:])
    sweep(store, **MANY)
    assert progress_of(store).failed == 36
    assert progress_of(store).finished
    sweep(store, **MANY, retry_failed=True)
    assert progress_of(store).failed == 36
