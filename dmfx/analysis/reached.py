"""What the starts of each point reach: the runs of one task, put together by attractor."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

import numpy as np

from dmfx.analysis.classify import WINDOWS
from dmfx.blocks import STATUS
from dmfx.dynamics.attractors import Run, group, n_coordinates, run_of
from dmfx.dynamics.kinds import find_kinds
from dmfx.states import StatesBlock, drive_period
from dmfx.variables import KINDS

if TYPE_CHECKING:
    from dmfx.kernels.survey import Survey

__all__ = ["COMPARED", "NO_ATTRACTOR", "OTHER_ATTRACTOR", "reach"]

#: Labels of starts that reached no attractor, and one beyond those that are kept.
NO_ATTRACTOR, OTHER_ATTRACTOR = -1, -2

#: Exponents that decide the kind of attractor.
EXPONENTS = 3
#: States of an attractor that are compared with those at other values of a parameter.
COMPARED = 256
#: Orbits whose points are within so many tolerances are the same: a run that repeats within the tolerance may be that
#: much farther from the orbit, where it approaches it slowly.
SAME_ORBIT = 1000.0


def reach(
    block: StatesBlock, *, starts: int, steps: int, tolerance: float, max_attractors: int, n_points: int
) -> tuple[np.ndarray, ...]:
    """Follow the starts of each point and say what attractors they reach.

    Parameters
    ----------
    block
        The points, the starts of each behind one another.
    starts
        Starts of each point.
    steps
        Steps to follow each run.
    tolerance
        Largest distance between states that count as equal when a period is looked for.
    max_attractors
        Attractors of each point to keep, those that most starts reach.
    n_points
        States of each to keep.

    Returns
    -------
    tuple of np.ndarray
        Per point, its attractors numbered by how many starts reached them: number of starts, shape (point, attractor);
        starts on others and starts on none (point,); attractor by start (point, start); kind, period, largest exponent
        (point, attractor); states at successive steps (point, attractor, n_points, pattern); states to compare (point,
        attractor, COMPARED, coordinate); status by start (point, start). NaN behind the last state, and where there is
        no attractor.
    """
    n = len(block.phase) // starts
    patterns = block.attention.shape[2]
    slots = (n, max_attractors)
    count, period = np.zeros(slots, np.int64), np.zeros(slots, np.int64)
    kind = np.full(slots, KINDS.index("none"), np.int8)
    exponent = np.full(slots, np.nan)
    orbit = np.full((*slots, n_points, patterns), np.nan)
    compared = np.full((*slots, COMPARED, n_coordinates(patterns)), np.nan, np.float32)
    of = np.empty((n, starts), np.int64)
    status = np.empty((n, starts), np.int8)
    runs: list[Run] = []
    recent: list[np.ndarray] = []
    point = 0
    for run, last, new_status in follow(block, steps, tolerance, n_points):
        status[point, len(runs)] = new_status
        runs.append(run)
        recent.append(last)
        if len(runs) < starts:
            continue
        found = group(runs, SAME_ORBIT * tolerance)
        of[point] = np.where(found.of < max_attractors, found.of, OTHER_ATTRACTOR)
        kept = min(len(found.count), max_attractors)
        here = point, slice(kept)
        count[here], kind[here], period[here] = found.count[:kept], found.kind[:kept], found.period[:kept]
        exponent[here] = found.exponent[:kept]
        for i, number in enumerate(found.representative[:kept]):
            orbit[point, i, : len(recent[number])] = recent[number]
            states = thinned(runs[number].states.data)
            compared[point, i, : len(states)] = states
        runs, recent = [], []
        point += 1
    none = (of == NO_ATTRACTOR).sum(axis=1)
    other = (of == OTHER_ATTRACTOR).sum(axis=1)
    return count, other, none, of, kind, period, exponent, orbit, compared, status


def thinned(states: np.ndarray) -> np.ndarray:
    """COMPARED of the states, evenly spaced in time, or all of them where there are no more."""
    if len(states) <= COMPARED:
        return states
    return states[np.linspace(0, len(states) - 1, COMPARED).astype(int)]


def follow(block: StatesBlock, steps: int, tolerance: float, n_points: int) -> Iterator[tuple[Run, np.ndarray, int]]:
    """Run the points of a block, one after the other: what each did, its last states, and its status.

    Only the trajectories of one batch of points are in memory at a time.
    """
    from dmfx.kernels.survey import survey

    failed = (block.status == STATUS["diverged"]) | (block.status == STATUS["bad_start"])
    block = block._replace(attention=np.where(failed[:, None, None], np.nan, block.attention))
    n = min(EXPONENTS, block.attention[0].size)
    for batch in block.batches():
        seen = survey(batch.points(), n=n, transient=0, steps=steps, stride=1, windows=WINDOWS)
        status = batch.new_status(seen.final_attention)
        found = _kinds(batch, seen, tolerance)
        for i, (kind, period, settled, exponent) in enumerate(found):
            # What came before the run was on its attractor does not belong to it.
            tail = seen.strobes[i, 0 if np.isnan(settled) else min(int(settled), steps // 2) :]
            run = run_of(kind, period, exponent, tail)
            last = run.orbit[np.arange(n_points) % run.period] if run.period else tail[-n_points:].copy()
            yield run, last, int(status[i])


def _kinds(batch: StatesBlock, seen: Survey, tolerance: float) -> list[tuple[int, int, float, float]]:
    """Kind, period, settled, and largest exponent of each run."""
    drives = np.array([drive_period(batch.model, epsilon) for epsilon in batch.epsilon])
    said = [()] * len(drives)
    for drive in np.unique(drives):
        rows = np.flatnonzero(drives == drive)
        found = find_kinds(
            np.ascontiguousarray(seen.strobes[rows, drive - 1 :: drive]),
            seen.finite_time[rows],
            seen.lengths,
            seen.smooth[rows],
            drive_period=int(drive),
            tolerance=tolerance,
        )
        for i, *each in zip(rows, found.kind, found.period, found.settled, found.lyapunov[:, 0], strict=True):
            said[i] = int(each[0]), int(each[1]), float(each[2]), float(each[3])
    return said
