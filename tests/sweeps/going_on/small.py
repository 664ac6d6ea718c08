"""A small sweep on threads, and what stops it or makes it fail."""

from __future__ import annotations

import importlib

import dask

import dmfx
from dmfx.archive.parts import load_parts
from dmfx.archive.records import Records
from dmfx.variables import STATUS

NET = dmfx.SelfAttention.paper()
BETA = [round(1.2 + k / 100, 10) for k in range(12)]
SWEEP = {
    "beta": BETA,
    "gamma": [210.0, 220.0],
    "steps": 16,
    "transient": 10,
    "reduce": ["recall", {"analysis": "autocorrelation", "max_lag": 3}],
    "variables": ("attention",),
    "chunks": {"beta": 2, "gamma": 2},
}
BOXES, POINTS = 6, 24
FAILED = STATUS.index("failed")
dmfx_task = importlib.import_module("dmfx.sweeps.task")
dmfx_tasks = importlib.import_module("dmfx.tasks")


class Stop(BaseException):
    """Ends a task as nothing that it does itself would."""


def sweep(store, **changed):
    with dask.config.set(scheduler="synchronous"):
        return dmfx.sweep(NET, store=store, **{"progress": False, **SWEEP, **changed})


def fail_at(monkeypatch, *betas, error=ArithmeticError):
    """The kernel raises where one of these is among its points."""
    run_block = dmfx_tasks.run_block

    def failing(model, block, *state):
        if found := set(block.axes["beta"].tolist()) & set(betas):
            raise error(f"beta {min(found)} does not work")
        return run_block(model, block, *state)

    monkeypatch.setattr(dmfx_tasks, "run_block", failing)


def stop_after(monkeypatch, boxes):
    """End the sweep when so many boxes are written."""
    put, done = Records.put, []

    def stopping(self, box, *args):
        if len(done) >= boxes and box < BOXES:
            raise Stop
        put(self, box, *args)
        if box < BOXES:
            done.append(box)

    monkeypatch.setattr(Records, "put", stopping)


def states(store):
    """What tells whether files have been written again."""
    found = {}
    for path in store.rglob("*"):
        if path.is_file() and "sweep" not in path.relative_to(store).parts:
            at = path.stat()
            found[str(path.relative_to(store))] = (at.st_mtime_ns, at.st_ino, at.st_size)
    return found


def changed(before, after):
    return {name for name in before.keys() | after.keys() if before.get(name) != after.get(name)}


def chunks_of(store, box):
    """Files of a box: its chunks and its record."""
    (part,) = load_parts(store)
    names = {
        f"{each}/" + ".".join(["c", *map(str, index), *(["0"] if part.boxes.variables[name].width else [])])
        for name, index in part.boxes.pieces(box)
        for each in part.boxes.variables[name].parts
    }
    return names | {f"dmfx_records/c/{box}"}
