"""More labels: the same as one sweep of all of them."""

from __future__ import annotations

import importlib
import itertools

import numpy as np
import pytest

import dmfx
from dmfx.archive.parts import load_parts
from dmfx.sweeps import StoreMismatch, SweepFailed
from dmfx.variables import STATUS
from tests.sweeps.extending.small import (
    BASE,
    BETA,
    NET,
    PATTERNS,
    REDUCE,
    VECTORS,
    Stop,
    check,
    check_longer,
    dmfx_tasks,
    sweep,
)

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
