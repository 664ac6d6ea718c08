"""Attractors as sets: whether two runs ended on the same one, and which attractors the runs of many starts ended on.

The same attractor reached at another time, or at another phase, is the same attractor. Periodic orbits are compared
point by point up to a shift in time. Other orbits are compared by their averages, which must agree within their errors:
on a torus these are known to many digits and tell apart sets that are closer than their states are dense. Where they
are not known that well, as in chaos, the states that are visited must also cover each other.

Array level: orbits are arrays (step, coordinate), kinds are positions in `dmfx.variables.KINDS`.
"""

from __future__ import annotations

import functools
import math
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from scipy.spatial import cKDTree

from dmfx.variables import KINDS

__all__ = ["Groups", "Run", "group", "n_coordinates", "run_of", "same_attractor"]

PERIODIC = (KINDS.index("fixed"), KINDS.index("periodic"))
ON_ATTRACTOR = (*PERIODIC, KINDS.index("quasi_periodic"), KINDS.index("chaotic"))

#: States of a run that are kept to compare sets, and how many of them are looked up in another set.
STATES = 1024
LOOKED_UP = 128
#: Coordinates of a state: attention values of successive steps, as many as there must be to unfold an attractor.
LEAST_COORDINATES, MOST_COORDINATES = 6, 8
#: A state is covered by a set if its nearest neighbour there is closer than so many times the distance that this
#: neighbour has from the NEIGHBOURS-th nearest of its own set.
REACH = 2.0
NEIGHBOURS = 5
#: Distances that never count, where states repeat; attention values are at most 1.
NEGLIGIBLE = 1e-6
#: Two sets are the same if this part of each is covered by the other. Measured on the network at 140 values of beta: at
#: least 0.9 for runs on one chaotic attractor; at most 0.2, one of the ways, for others.
COVERED = 0.6
#: Parts of a run whose averages give its error. Averages that differ by more than so many errors are different:
#: measured on the network, at most 5 errors between runs on one attractor, 900 between tori, 10 to 70 in chaos.
PARTS = 16
MOST_ERRORS = 10.0
#: Error of averages that is always allowed, in units of the root mean square. Runs whose averages are known so well,
#: and agree, need not cover each other: near a resonance of high order the states on a torus stand in clumps.
LEAST_ERROR = 1e-4


class Run(NamedTuple):
    """What is kept of one run to compare it with others.

    Attributes
    ----------
    kind, period, exponent
        Kind of attractor, period in steps (0 if not periodic), largest Lyapunov exponent in nats per step.
    orbit
        Attention values over one period, shape (period, pattern); empty if not periodic.
    states
        States visited, shape (state, coordinate), in order of time: one period, or some of them, as a tree to look up
        neighbours in; None if the run ended on no attractor.
    means, errors, scales
        Averages of the coordinates and of their products, shape (average,), their standard errors, and the root mean
        squares that they are measured by.
    settled
        Whether the run did the same all the time: its averages are sharp, or its halves cover each other.
    """

    kind: int
    period: int
    exponent: float
    orbit: np.ndarray
    states: cKDTree | None
    means: np.ndarray
    errors: np.ndarray
    scales: np.ndarray
    settled: bool

    @property
    def uncertainty(self) -> float:
        """Largest error of an average, in units of its root mean square."""
        return float((self.errors / np.where(self.scales > 0, self.scales, 1.0)).max(initial=0.0))

    @property
    def sharp(self) -> bool:
        """Whether the averages alone can tell the run from others."""
        return self.uncertainty <= LEAST_ERROR


class Groups(NamedTuple):
    """The attractors that the runs of many starts ended on; the one most of them reached comes first.

    Attributes
    ----------
    of
        Number of the attractor that each run ended on, -1 for none, shape (run,).
    representative
        Run that stands for each attractor, shape (attractor,); the other variables have this shape, too.
    count
        Runs that ended on it.
    kind, period
        Kind that most of these runs have, and its period.
    exponent
        Mean of the largest exponents of the runs that have this kind, nats per step, as far as they are known.
    """

    of: np.ndarray
    representative: np.ndarray
    count: np.ndarray
    kind: np.ndarray
    period: np.ndarray
    exponent: np.ndarray


def run_of(kind: int, period: int, exponent: float, tail: np.ndarray) -> Run:
    """Summarise a run by what it did on its attractor.

    Parameters
    ----------
    kind, period, exponent
        As `Run` has them.
    tail
        Attention values of its last steps, shape (step, pattern): at least a period, or else the more the better.
    """
    nothing = np.empty(0)
    if kind not in ON_ATTRACTOR or not np.isfinite(tail).all():
        return Run(kind, 0, exponent, np.empty((0, tail.shape[1])), None, nothing, nothing, nothing, False)
    if kind in PERIODIC and 0 < period <= len(tail):
        orbit = np.ascontiguousarray(tail[-period:])
        states = coordinates(np.concatenate([orbit] * math.ceil(1 + lags_of(tail.shape[1]) / period)))[:period]
        return Run(kind, period, exponent, orbit, cKDTree(states), nothing, nothing, nothing, True)
    everything = coordinates(tail)
    states = everything[_some_times(len(everything))]
    run = Run(kind, 0, exponent, np.empty((0, tail.shape[1])), cKDTree(states), *_averages(everything), True)
    halves = np.array_split(states, 2)
    return run if run.sharp else run._replace(settled=_cover_each_other(*map(cKDTree, halves)))


@functools.lru_cache(maxsize=16)
def _some_times(steps: int) -> np.ndarray:
    """Random times, the same for every run: evenly spaced ones would beat with the frequencies of a torus."""
    return np.sort(np.random.default_rng(0).choice(steps, min(STATES, steps), replace=False))


def lags_of(n_patterns: int) -> int:
    """Successive steps whose attention values make the coordinates of a state."""
    return max(2, math.ceil(LEAST_COORDINATES / n_patterns))


def n_coordinates(n_patterns: int) -> int:
    """Number of coordinates of a state."""
    return min(lags_of(n_patterns) * n_patterns, MOST_COORDINATES)


def coordinates(orbit: np.ndarray) -> np.ndarray:
    """Delay coordinates of an orbit, shape (step, coordinate): attention values of successive steps side by side.

    More than MOST_COORDINATES are projected on as many directions in general position: neighbours remain neighbours
    and searching them stays cheap.
    """
    lags = lags_of(orbit.shape[1])
    count = len(orbit) - lags + 1
    delayed = np.concatenate([orbit[lag : lag + count] for lag in range(lags)], axis=1)
    size = delayed.shape[1]
    if size <= MOST_COORDINATES:
        return delayed
    directions, _ = np.linalg.qr(np.random.default_rng(0).standard_normal((size, MOST_COORDINATES)))
    return delayed @ directions


def _averages(states: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Averages of coordinates and of their products, their standard errors, and their root mean squares.

    Smooth weights within each window make averages on a torus exact to many digits; the spread of the windows says
    whether they are. On a chaotic attractor it is the ordinary standard error.
    """
    length = len(states) // PARTS
    if length < 2:
        return np.zeros(1), np.full(1, np.inf), np.ones(1)
    windows = states[len(states) - PARTS * length :].reshape(PARTS, length, -1)
    weighted = windows * _bump(length)[:, None]
    first = np.matmul(_bump(length), windows)
    second = np.matmul(weighted.transpose(0, 2, 1), windows)
    upper = np.triu_indices(states.shape[1])
    means = np.concatenate([first, second[:, *upper]], axis=1)
    mean_square = np.diagonal(second, axis1=1, axis2=2).mean(axis=0)
    scales = np.concatenate([np.sqrt(mean_square), np.sqrt(np.outer(mean_square, mean_square))[upper]])
    return means.mean(axis=0), means.std(axis=0, ddof=1) / math.sqrt(PARTS), scales


@functools.lru_cache(maxsize=16)
def _bump(length: int) -> np.ndarray:
    """Smooth weights exp(-1/(u(1-u))) of relative times u, of sum 1."""
    from dmfx.kernels.schedule import smooth_weight

    weight = smooth_weight((np.arange(length) + 0.5) / length)
    return weight / weight.sum()


def same_attractor(a: Run, b: Run, tolerance: float = 1e-5) -> bool:
    """Whether two runs ended on the same attractor.

    Parameters
    ----------
    a, b
        The runs.
    tolerance
        Largest distance between the points of periodic orbits, once they are shifted to match.
    """
    if a.period or b.period:
        return a.period == b.period and same_orbit(a.orbit, b.orbit, tolerance)
    if not (a.settled and b.settled):
        return False
    return same_averages(a, b) and ((a.sharp and b.sharp) or _cover_each_other(a.states, b.states))


def same_orbit(a: np.ndarray, b: np.ndarray, tolerance: float) -> bool:
    """Whether periodic orbits (period, pattern) are equal up to a shift in time: every shift is tried."""
    if a.shape != b.shape or (np.abs(a.mean(axis=0) - b.mean(axis=0)) >= tolerance).any():
        return False
    twice = np.concatenate([b, b])
    shifts = np.flatnonzero((np.abs(b - a[0]) < tolerance).all(axis=1))
    return any((np.abs(twice[shift : shift + len(a)] - a) < tolerance).all() for shift in shifts)


def same_averages(a: Run, b: Run) -> bool:
    """Whether the averages over two runs agree within their errors."""
    if a.means.shape != b.means.shape:  # one of the runs is too short for averages
        return True
    least = LEAST_ERROR * np.maximum(a.scales, b.scales)
    allowed = MOST_ERRORS * np.sqrt(a.errors**2 + b.errors**2 + least**2)
    return bool((np.abs(a.means - b.means) <= allowed).all())


def _cover_each_other(a: cKDTree, b: cKDTree, looked_up: int = LOOKED_UP) -> bool:
    return coverage(a, b, looked_up) >= COVERED and coverage(b, a, looked_up) >= COVERED


def coverage(states: cKDTree, other: cKDTree, looked_up: int = LOOKED_UP) -> float:
    """Part of the states that lie within another set of states, as far as one can tell from how dense that set is.

    Parameters
    ----------
    states, other
        The sets.
    looked_up
        How many of the states to look up, evenly spaced in time.
    """
    distance, nearest = other.query(states.data[:: max(1, states.n // looked_up)])
    spacing = other.query(other.data[nearest], k=[min(NEIGHBOURS + 1, other.n)])[0][:, 0]
    return float((distance <= REACH * spacing + NEGLIGIBLE).mean())


def group(runs: Sequence[Run], tolerance: float = 1e-5) -> Groups:
    """Put runs that ended on the same attractor together.

    The runs whose averages are known best come first, and each is compared with the first of every group. The order in
    which the runs are given matters to nothing but which of equal runs stands for its attractor.

    Parameters
    ----------
    runs
        The runs. Those that are transient or diverged, and those that were not settled, ended on none.
    tolerance
        As in `same_attractor`.

    References
    ----------
    .. [1] Datseris, Luiz Rossi & Wagemakers, Chaos 33, 073151 (2023): attractors and their basins by the features and
       the distances of sets, and their continuation.
    """
    members: list[list[int]] = []
    for number in sorted((i for i, run in enumerate(runs) if run.settled), key=lambda i: _order(runs[i])):
        found = next((each for each in members if same_attractor(runs[each[0]], runs[number], tolerance)), None)
        if found is None:
            members.append([number])
        else:
            found.append(number)
    said = []
    for each in members:
        kinds = np.array([runs[i].kind for i in each])
        kind = int(np.bincount(kinds).argmax())
        first = runs[each[0]]
        known = [runs[i].exponent for i in each if runs[i].kind == kind and not math.isnan(runs[i].exponent)]
        exponent = float(np.mean(known)) if known else math.nan
        said.append((-len(each), kind, first.period, tuple(first.states.data.mean(axis=0)), exponent, each))
    said.sort(key=lambda entry: entry[:4])
    of = np.full(len(runs), -1)
    for number, entry in enumerate(said):
        of[entry[-1]] = number
    columns = list(zip(*said, strict=True)) or [()] * 6
    return Groups(
        of=of,
        representative=np.array([each[0] for each in columns[5]], dtype=np.int64),
        count=-np.array(columns[0], dtype=np.int64),
        kind=np.array(columns[1], dtype=np.int8),
        period=np.array(columns[2], dtype=np.int64),
        exponent=np.array(columns[4], dtype=float),
    )


def _order(run: Run) -> tuple:
    """Ranks runs by what they did alone, the best known first."""
    return run.uncertainty, run.kind, run.period, run.states.data[0].tolist(), run.exponent
