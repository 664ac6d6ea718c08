"""Whole sweeps on Dask beside their kernels: the same blocks in a plain loop on as many threads or processes."""

from __future__ import annotations

import contextlib
import multiprocessing
import time
from collections.abc import Callable, Iterator
from concurrent.futures import Executor, ProcessPoolExecutor, ThreadPoolExecutor
from functools import partial

import dask
import numpy as np

from benchmarks.measure import Result, interleave, progress
from benchmarks.sweeps import FIGURE, QUICK, SHORT, Sweep, run_and_drop, run_bare, warm_up
from dmfx.cluster import cluster

__all__ = ["bare_in_processes", "measure"]

GOAL = 1.15
WORKERS = 2


def measure(quick: bool = False) -> Iterator[Result]:
    """A short sweep and the whole figure on each scheduler; quickly, a shorter one on those in this process."""
    schedulers = {"synchronous": _synchronous, "threads": _threads, "LocalCluster": _cluster}
    sweeps = [(SHORT, 7), (FIGURE, 3)]
    if quick:
        del schedulers["LocalCluster"]
        sweeps = [(QUICK, 5)]
    for where, opened in schedulers.items():
        with opened() as bare_loop:
            # On one core the whole figure takes long and tells nothing more.
            for sweep, repeats in sweeps[:1] if where == "synchronous" else sweeps:
                progress(f"dask_overhead, {sweep.name}, {where}")
                yield _compare(sweep, where, bare_loop, repeats)


def _compare(sweep: Sweep, where: str, bare_loop: Callable[[Sweep], None], repeats: int) -> Result:
    tasks = {"dask": lambda: sweep.lazy().compute(), "bare": partial(bare_loop, sweep)}
    # All is compiled, and the figure comes after the short sweep: it needs no turn to warm up.
    seconds = interleave(tasks, repeats, warm_up=sweep is not FIGURE)
    cores = "1 core" if where == "synchronous" else f"{WORKERS} cores"
    what = f"{sweep.name}, {where}, {cores}"
    return Result(what, "s", seconds["dask"], seconds["bare"], "kernels of its blocks", goal=GOAL)


@contextlib.contextmanager
def _synchronous() -> Iterator[Callable[[Sweep], None]]:
    warm_up()
    with dask.config.set(scheduler="synchronous"):
        check(QUICK)
        yield lambda sweep: list(map(run_bare, sweep.blocks()))


@contextlib.contextmanager
def _threads() -> Iterator[Callable[[Sweep], None]]:
    warm_up()
    with ThreadPoolExecutor(WORKERS) as pool, dask.config.set(scheduler="threads", num_workers=WORKERS):
        yield partial(_spread, pool)


@contextlib.contextmanager
def _cluster() -> Iterator[Callable[[Sweep], None]]:
    with bare_in_processes() as bare_loop, cluster(WORKERS) as client:
        client.run(warm_up)
        yield bare_loop


@contextlib.contextmanager
def bare_in_processes() -> Iterator[Callable[[Sweep], None]]:
    """Two warm processes that run the kernels of a sweep's blocks."""
    spawn = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(WORKERS, mp_context=spawn, initializer=warm_up) as pool:
        # Each of so many tasks waits long enough that both processes start.
        list(pool.map(_wait_a_little, range(4 * WORKERS)))
        yield partial(_spread, pool)


def _spread(pool: Executor, sweep: Sweep) -> None:
    list(pool.map(run_and_drop, sweep.blocks()))


def _wait_a_little(_: int) -> None:
    time.sleep(0.2)


def check(sweep: Sweep) -> None:
    """Make sure that both compute the same."""
    density = sweep.lazy().density.compute().values[:, 0, 0]
    bare = np.concatenate([run_bare(block)[:, :-1] for block in sweep.blocks()])
    if not np.array_equal(density, bare):
        raise AssertionError("the sweep and its bare kernels differ")
