"""Tangent vectors beside the plain step, all β of the published sweep with their spectra, and a phase diagram."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from functools import partial

import numpy as np
import xarray as xr

import dmfx
from benchmarks.cases import paper_points, random_points
from benchmarks.measure import Result, interleave, progress
from dmfx.dynamics.exponents import EVERY
from dmfx.kernels.self_attention import run
from dmfx.kernels.state import Points
from dmfx.kernels.survey import survey
from dmfx.models.published import GAMMA
from dmfx.reproduce.figures import N_BETA, N_SIDE, TRANSIENT, phases
from dmfx.reproduce.figures import STEPS as DIAGRAM_STEPS

__all__ = ["measure"]

#: Steps whose exponents the published program measured, after `TRANSIENT` steps.
PUBLISHED_STEPS = 75_000
GOAL_NS, GOAL_SWEEP, GOAL_DIAGRAM = 400, 180, 300
N_POINTS, STEPS = 64, 4_000


def measure(quick: bool = False) -> Iterator[Result]:
    """The kernel, then whole sweeps on threads."""
    progress("tangent vectors, published configuration")
    points = paper_points(np.linspace(1.24, 1.28, N_POINTS))
    for n in (1, 3, 12):
        yield _kernel(f"{n} exponents, paper", points, n, quick, GOAL_NS if n == 12 else None)
    for shape in ((10, 4, 3), (3, 16, 3), (3, 4, 30)):
        points = random_points(*shape, 32)
        name = "M={} L={} J={}".format(*shape)
        for n in (3,) if quick else (3, shape[0] * shape[1]):
            progress(f"{n} exponents, {name}")
            yield _kernel(f"{n} exponents, {name}", points, n, quick, None)
    if not quick:
        yield from _sweeps()


def _kernel(name: str, points: Points, n: int, quick: bool, goal: float | None) -> Result:
    steps = STEPS if points.attention[0].size < 20 else STEPS // 10
    tasks = {
        "plain": partial(run, points, transient=steps, steps=0),
        "spectrum": partial(survey, points, n=n, transient=0, steps=steps, every=EVERY),
    }
    seconds = interleave(tasks, 3 if quick else 11)
    per_point = 1e9 / (len(points.beta) * steps)
    return Result(
        name,
        "ns",
        seconds["spectrum"] * per_point,
        seconds["plain"] * per_point,
        "plain step",
        goal=goal,
        goal_of="measured",
    )


def _sweeps() -> Iterator[Result]:
    beta = np.linspace(0, 3, N_BETA)
    progress(f"all exponents of {N_BETA} β")
    yield _whole(
        f"{N_BETA} β, 12 exponents over {PUBLISHED_STEPS} steps, threads, 2 cores",
        lambda: _settled(beta, [GAMMA]).pipe(dmfx.lyapunov, steps=PUBLISHED_STEPS)[["lyapunov", "lyapunov_error"]],
        lambda: _settled(beta, [GAMMA], PUBLISHED_STEPS),
        GOAL_SWEEP,
    )
    progress(f"phase diagram of {N_SIDE} x {N_SIDE} points")
    beta, gamma = np.linspace(0.5, 3, N_SIDE), np.linspace(2, 400, N_SIDE)
    yield _whole(
        f"phase diagram, {N_SIDE} x {N_SIDE}, {TRANSIENT + DIAGRAM_STEPS} steps, threads, 2 cores",
        lambda: phases(beta, gamma),
        lambda: _settled(beta, gamma, DIAGRAM_STEPS),
        GOAL_DIAGRAM,
    )


def _settled(beta: np.ndarray, gamma: object, steps: int = 1) -> xr.Dataset:
    return dmfx.simulate(
        dmfx.SelfAttention.paper(), beta=beta, gamma=gamma, steps=1, transient=TRANSIENT + steps - 1, variables=()
    )


def _whole(name: str, analysed: Callable[[], xr.Dataset], plain: Callable[[], xr.Dataset], goal: float) -> Result:
    """Seconds of one computation with its analysis, beside the plain steps alone, graph and compiling included."""
    seconds = []
    for build in (plain, analysed):
        started = time.perf_counter()
        build().compute(scheduler="threads", num_workers=2)
        seconds.append(time.perf_counter() - started)
    beside, measured = (np.array([each]) for each in seconds)
    return Result(name, "s", measured, beside, "plain steps, no analysis", goal=goal, goal_of="measured")
