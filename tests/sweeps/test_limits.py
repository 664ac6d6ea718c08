"""What fits: memory of tasks, disks, and sweeps of a million points."""

from __future__ import annotations

import errno
import importlib
import pickle
import shutil
import time
import tracemalloc
from collections import namedtuple

import dask
import numpy as np
import pytest

import dmfx
from dmfx.chunking import LANES
from dmfx.sweeps import progress_of
from dmfx.sweeps.limits import check_disk
from dmfx.sweeps.plan import make_plan, task_bytes
from dmfx.sweeps.reductions import parse_reductions
from dmfx.sweeps.run import parse_run
from dmfx.validation import Problems

NET = dmfx.SelfAttention.paper()
PATTERNS = dmfx.tokens.random(5, n_tokens=100, n_components=8, seed=1)
VECTORS = dmfx.VectorAttention(dmfx.couplings.hebbian(PATTERNS), PATTERNS)
limits = importlib.import_module("dmfx.sweeps.limits")
drive = importlib.import_module("dmfx.sweeps.drive")
module = importlib.import_module("dmfx.sweeps.sweep")
Usage = namedtuple("Usage", "total used free")


def labels(n):
    return np.linspace(1, 2, n)


def plan_of(model=NET, chunks="auto", most=1e9, reduce=(), variables=None, task="simulate", **arguments):
    """The plan of a sweep, without a store."""
    problems = Problems("sweep")
    axes = {name: arguments.pop(name, 0) for name in ("beta", "gamma", "seed")}
    run = parse_run(problems, task, model, axes, arguments)
    plan = make_plan(problems, run, parse_reductions(problems, reduce), variables, chunks, most)
    problems.raise_any()
    return plan


# Memory


SHAPES = {
    "long": (NET, {"beta": labels(16), "steps": 20_000}),
    "many": (NET, {"beta": labels(4000), "steps": 100}),
    "finite": (NET, {"beta": labels(16), "steps": 1000, "size": [100.0, 1e3], "replica": range(10)}),
    "one analysis": (NET, {"beta": labels(64), "steps": 10_000, "reduce": ["bifurcation"]}),
    "analyses": (NET, {"beta": labels(32), "steps": 10_000, "reduce": ["recall", "power_spectrum"]}),
    "vectors": (VECTORS, {"beta": labels(16), "steps": 50, "initial": "random", "starts": 4, "variables": ("tokens",)}),
}


@pytest.mark.parametrize("name", SHAPES)
def test_estimated_memory(tmp_path, monkeypatch, name):
    """On the safe side, and no more than three times what a task takes at its highest."""
    model, arguments = SHAPES[name]
    arguments = {"gamma": 220.0 if model is NET else 1.0, "chunks": -1, "progress": False, **arguments}
    plans, peaks, compute, check = [], [], drive.compute_boxes, module.check_task

    def measured(batch):
        tracemalloc.start()
        try:
            return compute(batch)
        finally:
            peaks.append(tracemalloc.get_traced_memory()[1])
            tracemalloc.stop()

    def captured(problems, plan, most):
        plans.append(plan)
        check(problems, plan, most)

    monkeypatch.setattr(module, "check_task", captured)
    with dask.config.set(scheduler="synchronous"):  # kernels compile
        dmfx.sweep(model, store=tmp_path / "first.zarr", **{**arguments, "beta": labels(2), "chunks": 2})
        plans.clear()
        monkeypatch.setattr(drive, "compute_boxes", measured)
        dmfx.sweep(model, store=tmp_path / "run.zarr", **arguments)
    (plan,) = plans
    (peak,) = peaks
    estimated = task_bytes(plan, int(np.prod(list(plan.sizes.values()))))
    assert peak > 5e6, "too small to tell"
    assert peak <= estimated <= 3 * peak + 8e6


def test_chunks_that_are_chosen():
    small = plan_of(beta=labels(50), gamma=220.0, steps=10)
    assert small.sizes == {"beta": 50, "gamma": 1, "seed": 1}
    long = plan_of(beta=labels(500), gamma=labels(4), steps=1_000_000, transient=10**6)
    points = int(np.prod(list(long.sizes.values())))
    assert 1 <= points <= 2 * LANES
    heavy = plan_of(beta=labels(5000), gamma=220.0, steps=2000)
    assert heavy.point_bytes() * heavy.sizes["beta"] <= 100e6
    assert heavy.sizes["beta"] % LANES == 0
    last = plan_of(beta=labels(300), gamma=labels(300), steps=1000, reduce=["recall"])
    assert last.sizes["gamma"] >= last.sizes["beta"]  # the last dims whole first


def test_chunks_of_little_memory():
    arguments = {"beta": labels(500), "gamma": 220.0, "steps": 20_000}
    plenty, little = plan_of(**arguments), plan_of(**arguments, most=20e6)
    assert little.sizes["beta"] < plenty.sizes["beta"]
    assert task_bytes(little, little.sizes["beta"]) <= 40e6


def test_chunks_do_not_cut_what_belongs_together():
    arguments = {
        "beta": labels(6),
        "gamma": [210.0, 220.0],
        "steps": 8,
        "size": [10.0, 20.0, 40.0],
        "replica": range(3),
    }
    plan = plan_of(**arguments, reduce=["fluctuations"])
    assert plan.coupled == {"size": "fluctuations", "replica": "fluctuations"}
    assert plan.dims == ("beta", "gamma", "seed")
    assert plan_of(**arguments).dims == ("beta", "gamma", "seed", "size", "replica")
    for dim in ("size", "replica"):
        with pytest.raises(
            ValueError, match=f"chunks: {dim} cannot be cut: fluctuations needs all of its points at once"
        ):
            plan_of(**arguments, reduce=["fluctuations"], chunks={dim: 1})
    assert plan_of(beta=labels(4), gamma=220.0, steps=5, carry="beta").coupled == {"beta": "carry"}


def test_task_that_does_not_fit_is_refused(tmp_path, monkeypatch):
    monkeypatch.setattr(limits, "available", lambda: 100e6)
    arguments = {"beta": labels(8), "gamma": 220.0, "progress": False}
    with dask.config.set(num_workers=2):
        with pytest.raises(
            ValueError, match=r"a task of 8 points would take about .* where 25 MB may be used .*smaller"
        ):
            dmfx.sweep(NET, store=tmp_path / "a.zarr", steps=200_000, chunks=-1, **arguments)
        with pytest.raises(
            ValueError, match=r"a task of 1 points would take about .*: fewer steps, variables or starts"
        ):
            dmfx.sweep(NET, store=tmp_path / "b.zarr", steps=20_000_000, **arguments)
    assert list(tmp_path.iterdir()) == []


# Disk


def test_store_that_does_not_fit_is_refused(tmp_path, monkeypatch):
    store = tmp_path / "run.zarr"
    arguments = {"beta": labels(8), "gamma": 220.0, "progress": False}
    dmfx.sweep(NET, store=store, steps=10, **arguments)
    monkeypatch.setattr(limits.shutil, "disk_usage", lambda path: Usage(10**9, 10**9 - 50_000, 50_000))
    with pytest.raises(
        OSError, match=r"the store would take about .* but 50 kB are free at .*reduce in the tasks"
    ) as told:
        dmfx.sweep(NET, store=tmp_path / "large.zarr", steps=1000, **arguments)
    assert told.value.errno == errno.ENOSPC
    assert not (tmp_path / "large.zarr").exists()
    with pytest.raises(OSError, match="the store would take about"):  # also what is added
        dmfx.sweep(NET, store=store, steps=10_000, **arguments)
    assert progress_of(store).finished
    dmfx.sweep(NET, store=store, steps=10, **arguments)


def test_bytes_on_disk_are_about_those_that_are_expected(tmp_path):
    from dmfx.sweeps.store import stored_bytes

    arguments = {"beta": labels(16), "gamma": 220.0, "steps": 5000}
    expected = stored_bytes(plan_of(**arguments))
    dmfx.sweep(NET, store=tmp_path / "run.zarr", progress=False, **arguments)
    found = sum(path.stat().st_size for path in (tmp_path / "run.zarr").rglob("*") if path.is_file())
    assert 0.5 * expected < found < 1.2 * expected
    check_disk(tmp_path / "x.zarr", plan_of(**arguments))


# A million points


def test_a_million_points_are_planned_in_seconds(tmp_path, monkeypatch):
    """Nothing that is made for them is as large as what they give."""
    store, sent = tmp_path / "run.zarr", []

    class Stop(BaseException):
        pass

    def stopping(pool, spec, missing, *rest):
        sent.append((spec, missing))
        raise Stop

    arguments = {"beta": labels(1000), "gamma": np.linspace(100, 300, 1000), "steps": 200, "transient": 1000}
    arguments["reduce"] = ["recall", {"analysis": "lyapunov", "n": 1, "steps": 1000}]
    dmfx.sweep(NET, store=tmp_path / "first.zarr", progress=False, **{**arguments, "beta": 1.0, "gamma": 220.0})
    monkeypatch.setattr(importlib.import_module("dmfx.sweeps.session"), "compute", stopping)
    tracemalloc.start()
    started = time.perf_counter()
    with pytest.raises(Stop):
        dmfx.sweep(NET, store=store, progress=False, **arguments)
    seconds, (_, peak) = time.perf_counter() - started, tracemalloc.get_traced_memory()
    tracemalloc.stop()
    ((spec, missing),) = sent
    assert spec.boxes.points == 10**6
    assert 100 < len(missing) < 50_000
    assert len(pickle.dumps(spec)) < 200_000
    assert seconds < 20  # some four, but for tracemalloc and whatever else this machine does
    assert peak < 100e6
    started = time.perf_counter()
    ds = dmfx.open(store)
    assert ds.sizes["beta"] == ds.sizes["gamma"] == 1000
    assert int(ds.status[500, 500, 0]) == dmfx.variables.STATUS.index("missing")
    assert progress_of(store).missing == 10**6
    assert time.perf_counter() - started < 10
    shutil.rmtree(store)
