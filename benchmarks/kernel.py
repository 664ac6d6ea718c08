"""The kernel beside its floor: the tanh and exp of each step alone, on the same lanes."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial

import numpy as np
from numba import njit

from benchmarks.cases import paper_points, random_points
from benchmarks.measure import Result, interleave, progress
from dmfx.chunking import step_cost
from dmfx.kernels.lanes import WIDTH, blocks, exp, load, splat, store, tanh
from dmfx.kernels.self_attention import run
from dmfx.kernels.settings import OPTIONS
from dmfx.kernels.state import Points

__all__ = ["measure"]

GOAL_NS = 40
FLOOR = "tanh, exp"
#: One chunk of the published sweep.
N_POINTS, STEPS = 128, 20_000
PATTERNS, CONTEXTS, COLUMN_TYPES, SIZES = (1, 3, 10, 30), (1, 4, 16, 64, 256), (3, 30, 300), (1, 16, 128, 1024)


@njit(**OPTIONS)
def transcendental(work, n_tanh, n_exp, steps):
    """As many tanh and exp as a step has; each of the next step waits for one of this, as in the map."""
    zero = splat(0.0)
    for _ in range(steps):
        for row in range(n_tanh):
            store(work, row, tanh(load(work, row)))
        for row in range(n_tanh, n_tanh + n_exp):
            store(work, row, exp(zero - load(work, row)))


def floor(points: Points, steps: int) -> None:
    """The tanh and exp of all steps of all points."""
    n_points, context_size, _ = points.attention.shape
    n_columns = points.field.shape[-1]
    work = np.full((n_columns + context_size) * WIDTH, 0.5)
    for _ in range(blocks(n_points)):
        transcendental(work, n_columns, context_size, steps)


def fill(n_recorded: int, points: Points, steps: int) -> None:
    """A new array of the record's size, written once."""
    n_points, _, n_patterns = points.attention.shape
    np.empty((n_recorded, n_points, steps, n_patterns)).fill(0.0)


def measure(quick: bool = False) -> Iterator[Result]:
    """The published configuration, then how the cost grows."""
    yield from _published(quick)
    yield from _scaling(quick)


def _published(quick: bool) -> Iterator[Result]:
    progress("kernel, published configuration")
    points = paper_points(np.linspace(0, 3, N_POINTS))
    per_point = 1e9 / (N_POINTS * STEPS)
    records = ((), ("m_o_semantic",), ("m_o_semantic", "attention"))
    tasks = {"floor": partial(floor, points, STEPS)}
    for record in records:
        transient, steps = (0, STEPS) if record else (STEPS, 0)
        tasks[f"run {len(record)}"] = partial(run, points, transient=transient, steps=steps, record=record)
        tasks[f"fill {len(record)}"] = partial(fill, len(record), points, STEPS)
    seconds = interleave(tasks, 5 if quick else 21)
    for n in range(len(records)):
        yield Result(
            f"kernel, paper, {f'recording {n}' if n else 'transient'}",
            "ns",
            seconds[f"run {n}"] * per_point,
            (seconds["floor"] + (seconds[f"fill {n}"] if n else 0)) * per_point,
            f"{FLOOR} + filling {24 * n} B" if n else FLOOR,
            goal=GOAL_NS,
            goal_of="measured",
        )


def _scaling(quick: bool) -> Iterator[Result]:
    shapes = [
        *((m, 4, 3, N_POINTS) for m in PATTERNS),
        *((3, lags, 3, N_POINTS) for lags in CONTEXTS),
        *((3, 4, columns, N_POINTS) for columns in COLUMN_TYPES),
        *((3, 4, 3, n) for n in SIZES),
    ]
    for shape in dict.fromkeys(shapes):
        yield _scaled(*shape, quick)


def _scaled(n_patterns: int, context_size: int, n_columns: int, n_points: int, quick: bool) -> Result:
    progress(f"kernel, M={n_patterns} L={context_size} J={n_columns}, {n_points} points")
    points = random_points(n_patterns, context_size, n_columns, n_points)
    computed = blocks(n_points) * WIDTH
    seconds_wanted = 0.005 if quick else 0.03
    steps = int(seconds_wanted / (step_cost(n_patterns, context_size, n_columns) * computed))
    # Filling the workspaces takes as long as some 50 steps.
    steps = max(steps, 4 * context_size, 5000 if n_points > N_POINTS else 1000)
    tasks = {"floor": partial(floor, points, steps), "run": partial(run, points, transient=steps, steps=0)}
    seconds = interleave(tasks, 3 if quick else 11)
    per_point = 1e9 / (n_points * steps)
    what = f"kernel, M={n_patterns} L={context_size} J={n_columns}, {n_points} points"
    return Result(what, "ns", seconds["run"] * per_point, seconds["floor"] * per_point, FLOOR)
