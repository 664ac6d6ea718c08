"""What a sweep costs besides computing, up to a million points: planning, handing out tasks, the whole of it."""

from __future__ import annotations

import os
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import psutil

import dmfx
from benchmarks.measure import Result, progress
from dmfx.cluster import cluster
from dmfx.sweeps.pools import open_pool

__all__ = ["measure"]

#: Seconds and megabytes that planning a million points may take.
PLAN_SECONDS, PLAN_MEGABYTES = 60, 1000
STEPS, TRANSIENT = 200, 2000


def measure(quick: bool = False) -> Iterator[Result]:
    """Planning and the store of 10^4, 10^5 and 10^6 points, and tasks that do nothing."""
    for side in (100, 316) if quick else (100, 316, 1000):
        progress(f"sweep_scale, planning {side**2} points")
        seconds, megabytes, boxes = _planned(side)
        what = f"sweep of {side**2} points, {boxes} boxes: plan and empty store"
        one, none = np.array([seconds]), np.array([np.nan])
        yield Result(what, "s", one, none, "", goal=PLAN_SECONDS, goal_of="measured")
        yield Result(f"{what}, memory", "MB", np.array([megabytes]), none, "", goal=PLAN_MEGABYTES, goal_of="measured")
    progress("sweep_scale, all points")
    side = 100 if quick else 1000
    seconds, cpu, megabytes = _swept(side)
    for measured, unit, of in ((seconds, "s", "all"), (cpu, "s", "client and scheduler"), (megabytes, "MB", "client")):
        what = f"sweep of {side**2} points, {STEPS} + {TRANSIENT} steps, recall, 2 workers: {of}"
        yield Result(what, unit, np.array([measured]), np.array([np.nan]), "")
    progress("sweep_scale, tasks that do nothing")
    wall, cpu = _empty_tasks(1_000 if quick else 10_000)
    yield Result(
        "task that does nothing, client and scheduler", "ms", np.array([cpu]), np.array([wall]), "until it is done"
    )


def _planned(side: int) -> tuple[float, float, int]:
    """Seconds and memory that a new process takes to plan a sweep of side x side points and to make its store."""
    code = f"import benchmarks.sweep_scale as it; it.plan({side})"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    seconds, megabytes, boxes = map(float, done.stdout.split())
    return seconds, megabytes, int(boxes)


def plan(side: int) -> None:
    """Plan a sweep and make its store; print seconds, megabytes beyond the imports, and the number of boxes."""
    from dmfx.sweeps import progress_of
    from dmfx.sweeps.session import Session

    Session.work = lambda self, pool: None
    with tempfile.TemporaryDirectory() as folder:
        store = Path(folder) / "run.zarr"
        dmfx.sweep(dmfx.SelfAttention.paper(), store=Path(folder) / "first.zarr", beta=1.0, gamma=1.0, steps=10)
        before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        started = time.perf_counter()
        dmfx.sweep(
            dmfx.SelfAttention.paper(),
            store=store,
            beta=np.linspace(0, 3, side),
            gamma=np.linspace(1, 300, side),
            steps=1_000,
            transient=10_000,
            reduce=["classify"],
        )
        seconds = time.perf_counter() - started
        megabytes = (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) / 1024
        print(seconds, megabytes, progress_of(store).boxes)


def _swept(side: int) -> tuple[float, float, float]:
    """Seconds of a sweep, CPU seconds of the process of its client and scheduler, and megabytes that it grows by."""
    process, net = psutil.Process(os.getpid()), dmfx.SelfAttention.paper()
    run = {"steps": STEPS, "transient": TRANSIENT, "reduce": ["recall"], "progress": False}
    with tempfile.TemporaryDirectory() as folder, cluster(2):
        dmfx.sweep(net, store=Path(folder) / "first.zarr", beta=[1.0, 1.1], gamma=1.0, **run)
        cpu, memory, started = sum(process.cpu_times()[:2]), process.memory_info().rss, time.perf_counter()
        beta, gamma = np.linspace(0, 3, side), np.linspace(1, 300, side)
        dmfx.sweep(net, store=Path(folder) / "run.zarr", beta=beta, gamma=gamma, **run)
        seconds = time.perf_counter() - started
        return seconds, sum(process.cpu_times()[:2]) - cpu, (process.memory_info().rss - memory) / 1e6


def _empty_tasks(count: int) -> tuple[float, float]:
    """Milliseconds of a task that does nothing: until it is done, and of the process of client and scheduler."""
    with cluster(2), open_pool() as pool:
        for tag in range(200):
            pool.submit(tag, _nothing)
        for _ in range(200):
            pool.next(60)
        process = psutil.Process(os.getpid())
        cpu, started, sent = sum(process.cpu_times()[:2]), time.perf_counter(), 0
        for done in range(count):
            while sent < min(count, done + 100):
                pool.submit(sent, _nothing)
                sent += 1
            pool.next(60)
        seconds = time.perf_counter() - started
        cpu = sum(process.cpu_times()[:2]) - cpu
    return 1e3 * seconds / count, 1e3 * cpu / count


def _nothing() -> list[int]:
    return []
