"""The search for periodic orbits: recurrences of runs, solved for by Newton's method, each orbit once."""

from __future__ import annotations

from itertools import product
from typing import NamedTuple

import numpy as np

from dmfx.analysis.network_map import NetworkMap
from dmfx.dynamics.cycles import canonical, contexts, cut, same_cycle, shortest_period, starts_of
from dmfx.dynamics.newton import multipliers_of, refine
from dmfx.dynamics.recurrences import guesses as closest_returns
from dmfx.dynamics.recurrences import strobes
from dmfx.states import StatesBlock, drive_period

__all__ = ["Cycle", "find_cycles", "refine_cycles"]


class Cycle(NamedTuple):
    """One periodic orbit.

    Attributes
    ----------
    orbit
        Attention values after each step, (step, pattern).
    state
        The context before step 0, as one vector.
    multipliers
        In descending modulus.
    residual
        Largest component of F^T(x) - x.
    """

    orbit: np.ndarray
    state: np.ndarray
    multipliers: np.ndarray
    residual: float

    @property
    def unstable(self) -> int:
        """Number of multipliers outside the unit circle."""
        return int((np.abs(self.multipliers) > 1).sum())

    @property
    def order(self) -> tuple[float, ...]:
        """What cycles are sorted by."""
        return len(self.orbit), self.unstable, abs(self.multipliers[0]), *self.state


def find_cycles(
    network: NetworkMap,
    block: StatesBlock,
    trajectories: np.ndarray,
    max_period: int,
    guesses: int,
    tolerance: float,
) -> list[list[Cycle]]:
    """The periodic orbits of every point near its trajectory (point, lag + step, pattern), sorted."""
    strides = [drive_period(block.model, epsilon) for epsilon in block.epsilon]
    visited = [
        strobes(trajectory, network.lags, stride, int(phase))
        for trajectory, stride, phase in zip(trajectories, strides, block.phase, strict=True)
    ]
    usable = [i for i, states in enumerate(visited) if np.isfinite(states).all()]
    starts: list[list[np.ndarray]] = [[] for _ in visited]
    known: list[dict[int, list[np.ndarray]]] = [{} for _ in visited]
    for stride, period in product(sorted(set(strides)), range(1, max_period + 1)):
        owners = [i for i in usable if strides[i] == stride and period % stride == 0]
        tried = [closest_returns(visited[i], period // stride, guesses) for i in owners]
        if sum(map(len, tried)) == 0:
            continue
        points = np.repeat(owners, [len(each) for each in tried])
        parameters = network.parameters[points]
        lengths = cut(period, stride)
        pieces = np.concatenate(tried)[:, starts_of(lengths) // stride]
        solved = refine(network, pieces, parameters, points, lengths, tolerance=tolerance)
        found = np.flatnonzero(solved.found)
        orbits = network.loops(solved.pieces[found], parameters[found], points[found], lengths)
        for i, orbit in zip(points[found], orbits, strict=True):
            orbit = orbit[: shortest_period(orbit, stride)]
            if _is_new(known[i], orbit, stride):
                starts[i].append(canonical(orbit, network.lags, stride))
    return refine_cycles(network, starts, strides, tolerance)


def refine_cycles(
    network: NetworkMap, starts: list[list[np.ndarray]], strides: list[int], tolerance: float
) -> list[list[Cycle]]:
    """Orbits (step, pattern) of every point solved for once more from where they begin, without duplicates, sorted."""
    cycles: list[list[Cycle]] = [[] for _ in starts]
    known: list[dict[int, list[np.ndarray]]] = [{} for _ in starts]
    kinds = sorted({(strides[i], len(orbit)) for i, each in enumerate(starts) for orbit in each})
    for stride, period in kinds:
        lengths = cut(period, stride)
        jobs = [
            (i, contexts(orbit, network.lags, starts_of(lengths)))
            for i, each in enumerate(starts)
            for orbit in each
            if (strides[i], len(orbit)) == (stride, period)
        ]
        points = np.array([i for i, _ in jobs])
        parameters = network.parameters[points]
        pieces = np.stack([states for _, states in jobs])
        solved = refine(network, pieces, parameters, points, lengths, tolerance=tolerance)
        found = np.flatnonzero(solved.found)
        points, parameters, pieces = points[found], parameters[found], solved.pieces[found]
        orbits = network.loops(pieces, parameters, points, lengths)
        after = network.orbits(pieces[:, 0], parameters, points, period)
        multipliers = multipliers_of(solved.matrices[found])
        for j, i in enumerate(points):
            if shortest_period(orbits[j], stride) == period and _is_new(known[i], orbits[j], stride):
                residual = np.abs(contexts(after[j], network.lags, np.zeros(1, dtype=int)) - pieces[j, :1]).max()
                cycles[i].append(Cycle(orbits[j], pieces[j, 0], multipliers[j], residual))
    return [sorted(each, key=lambda cycle: cycle.order) for each in cycles]


def _is_new(known: dict[int, list[np.ndarray]], orbit: np.ndarray, stride: int) -> bool:
    """Whether an orbit is none of those known, by period; it is added to them."""
    others = known.setdefault(len(orbit), [])
    if any(same_cycle(other, orbit, stride) for other in others):
        return False
    others.append(orbit)
    return True
