"""What the starts of each point reach: the runs of one task, put together by attractor."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from dmfx.analysis.classify import FEW_EVERY
from dmfx.dynamics.attractors import Groups, Run, group, run_of
from dmfx.dynamics.exponents import WINDOWS
from dmfx.dynamics.kinds import VISIBLE, find_kinds
from dmfx.states import StatesBlock, drive_period

if TYPE_CHECKING:
    from dmfx.kernels.survey import Survey

__all__ = ["COMPARED", "NO_ATTRACTOR", "OTHER_ATTRACTOR", "Reached", "reach"]

#: Labels of starts that reached no attractor, and one beyond those that are kept.
NO_ATTRACTOR, OTHER_ATTRACTOR = -1, -2

#: Exponents that decide the kind of attractor.
EXPONENTS = 3
#: States of an attractor that are compared with those at other values of a parameter.
COMPARED = 256
#: Orbits whose points are within so many tolerances are the same: a run that repeats within the tolerance may be that
#: much farther from the orbit, where it approaches it slowly.
SAME_ORBIT = 1000.0
#: Attractors of one point that are compared with those at other values of a parameter, or as many as labels are kept.
MOST_LINKED = 64


@dataclass(frozen=True, eq=False)
class Reached:
    """The attractors of one point, the one that most starts reach first.

    Attributes
    ----------
    count, kind, period, exponent
        Starts that reached it, its kind, period and largest exponent, shape (attractor,).
    orbit
        Attention values at successive steps of one run, shape (attractor, n_points, pattern); NaN behind the last.
    compared
        States to compare with other attractors, at most COMPARED of each, (state, coordinate).
    """

    count: np.ndarray
    kind: np.ndarray
    period: np.ndarray
    exponent: np.ndarray
    orbit: np.ndarray
    compared: tuple[np.ndarray, ...]


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
        Labels that are asked for; no fewer attractors of each point are kept, MOST_LINKED at least.
    n_points
        States of each to keep.

    Returns
    -------
    tuple of np.ndarray
        Starts on attractors that are not kept and on none (point,); attractor by start (point, start), numbered by how
        many starts reached them; status by start (point, start); `Reached` (point,).
    """
    n, most = len(block.phase) // starts, max(MOST_LINKED, max_attractors)
    of = np.empty((n, starts), np.int64)
    status = np.empty((n, starts), np.int8)
    found = np.empty(n, object)
    runs: list[Run] = []
    recent: list[np.ndarray] = []
    point = 0
    for run, last, new_status in follow(block, steps, tolerance, n_points):
        status[point, len(runs)] = new_status
        runs.append(run)
        recent.append(last)
        if len(runs) < starts:
            continue
        groups = group(runs, min(SAME_ORBIT * tolerance, VISIBLE))
        of[point] = np.where(groups.of < most, groups.of, OTHER_ATTRACTOR)
        found[point] = _reached(groups, runs, recent, most, n_points)
        runs, recent = [], []
        point += 1
    none = (of == NO_ATTRACTOR).sum(axis=1)
    other = (of == OTHER_ATTRACTOR).sum(axis=1)
    return other, none, of, status, found


def _reached(groups: Groups, runs: list[Run], recent: list[np.ndarray], most: int, n_points: int) -> Reached:
    """What is kept of the attractors of one point."""
    chosen = groups.representative[:most]
    orbit = np.full((len(chosen), n_points, recent[0].shape[1]), np.nan)
    for row, number in zip(orbit, chosen, strict=True):
        row[: len(recent[number])] = recent[number]
    compared = tuple(thinned(runs[number].states.data).astype(np.float32) for number in chosen)
    numbers = (groups.count, groups.kind, groups.period, groups.exponent)
    return Reached(*(each[:most] for each in numbers), orbit, compared)


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

    block = block._replace(attention=np.where(block.failed[:, None, None], np.nan, block.attention))
    n = min(EXPONENTS, block.attention[0].size)
    for batch in block.batches():
        seen = survey(batch.points(), n=n, transient=0, steps=steps, stride=1, every=FEW_EVERY, windows=WINDOWS)
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
