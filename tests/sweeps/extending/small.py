"""A small sweep that is extended, and what must be in its store then."""

from __future__ import annotations

import importlib

import dask

import dmfx
from dmfx.archive.parts import load_parts
from dmfx.sweeps import progress_of
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


def check_longer(store, **arguments):
    """Trajectories and final states are those of one long run."""
    ds, run = dmfx.open(store), run_of(**arguments)
    for name, var in run.variables.items():
        found = ds.variables[name]
        assert (found.dims, found.dtype, found.shape) == (var.dims, var.dtype, var.shape), name
        assert found.values.tobytes() == var.values.tobytes(), name
    assert dmfx.check(store) == []
    assert progress_of(store).finished
