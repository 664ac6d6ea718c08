"""Many short tasks through `dmfx.sweep` on two workers, beside their kernels and reductions in two processes."""

from __future__ import annotations

import tempfile
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np

import dmfx
from benchmarks.dask_overhead import WORKERS, bare_in_processes
from benchmarks.measure import Result, interleave, progress
from benchmarks.sweeps import BINS, VALUE_RANGE, Block, run_bare, warm_up
from dmfx.cluster import cluster
from dmfx.models.published import GAMMA

__all__ = ["measure"]

GOAL = 1.2
#: Points that a kernel advances together; a box has as many.
POINTS = 16
STEPS = 1000
SECONDS = 0.05


@dataclass(frozen=True)
class Tasks:
    """So many boxes of 16 β of the published configuration, reduced to a bifurcation diagram each.

    Attributes
    ----------
    count
        Number of boxes.
    transient
        Steps that make one of them 50 ms long.
    """

    count: int
    transient: int

    @property
    def beta(self) -> np.ndarray:
        """Inverse temperatures of all boxes."""
        return np.linspace(0, 3, POINTS * self.count)

    def blocks(self) -> list[Block]:
        """The boxes as bare calls of the kernel and of the reductions."""
        return [Block(part, self.transient, STEPS, False) for part in np.split(self.beta, self.count)]

    def sweep(self, folder: Path) -> Path:
        """The same through the public interface, into a new store."""
        store = Path(tempfile.mkdtemp(dir=folder)) / "run.zarr"
        dmfx.sweep(
            dmfx.SelfAttention.paper(),
            store=store,
            beta=self.beta,
            gamma=GAMMA,
            steps=STEPS,
            transient=self.transient,
            reduce=[{"analysis": "bifurcation", "bins": BINS, "value_range": VALUE_RANGE}],
            chunks={"beta": POINTS},
            progress=False,
        )
        return store


def measure(quick: bool = False) -> Iterator[Result]:
    """10,000 tasks of 50 ms once, 1,000 three times; quickly, 200 once."""
    warm_up()
    transient = _transient()
    with (
        tempfile.TemporaryDirectory() as folder,
        bare_in_processes() as bare,
        cluster(WORKERS) as client,
    ):
        client.run(warm_up)
        check(Path(folder))
        for count, repeats in [(200, 1)] if quick else [(1_000, 3), (10_000, 1)]:
            progress(f"sweep_overhead, {count} tasks")
            yield _compare(Tasks(count, transient), Path(folder), bare, repeats)


def _compare(tasks: Tasks, folder: Path, bare: Callable[[Tasks], None], repeats: int) -> Result:
    seconds = interleave({"sweep": partial(tasks.sweep, folder), "bare": partial(bare, tasks)}, repeats, warm_up=False)
    each = 1e3 * WORKERS * np.median(seconds["bare"]) / tasks.count
    what = f"dmfx.sweep, {tasks.count} tasks of {each:.0f} ms, 2 workers"
    return Result(what, "s", seconds["sweep"], seconds["bare"], "kernels and reductions of its boxes", goal=GOAL)


def _transient() -> int:
    """Steps that take 50 ms on one core while the other is busy too: taken from a long run, the median of nine."""
    beta, long = np.linspace(1, 3, POINTS), 100_000
    times = []
    for _ in range(9):
        started = time.perf_counter()
        run_bare(Block(beta, long, STEPS, False))
        times.append(time.perf_counter() - started)
    return int(long * SECONDS / np.median(times))


def check(folder: Path) -> None:
    """Make sure that both compute the same."""
    tasks = Tasks(10, 100)
    density = dmfx.open(tasks.sweep(folder)).density.values[:, 0, 0]
    bare = np.concatenate([run_bare(block)[:, :-1] for block in tasks.blocks()])
    if not np.array_equal(density, bare):
        raise AssertionError("the sweep and its bare kernels differ")
