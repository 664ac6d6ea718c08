"""Cores of coexisting attractors: which of them, if any, a state is close to beyond doubt.

A state is made of the values at some successive steps, side by side, and an attractor is the set of such states on it.
Distances are root mean squares of the differences of the values, so that noise of some standard deviation in each value
moves a state by about as much, however many steps are compared. A state is in the core of an attractor if it is within
a radius of it, and at most half as far from it as from every other: cores never overlap.

Of a periodic orbit every state is known. Of a torus or of chaos there are samples; the states in between are as far
from these as each sample is from the others, and the radius must not be less than that.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from typing import NamedTuple

import numpy as np
from scipy.spatial import cKDTree

__all__ = ["AMBIGUOUS", "NOWHERE", "UNKNOWN", "StateSet", "Too", "core_radius", "label_run", "state_set", "too_close"]

#: Labels of steps before a run has been in any core, and of those whose state is not known.
NOWHERE, UNKNOWN = -1, -2

#: Largest distance from the attractor whose core it is, in units of the distance from any other.
AMBIGUOUS = 0.5
#: Radius in units of the distance to the closest other attractor. Up to a third, a state within the radius is at most
#: half as far from this attractor as from the other.
PART = 1 / 3
#: This part of the samples have a neighbour within the radius.
COVERED = 0.9
#: Part of the samples that must be in the core of their own attractor: runs on it are noticed after a few looks.
LEAST_OWN = 0.05
#: States that are looked up together.
AT_ONCE = 1 << 16


class StateSet(NamedTuple):
    """The states of an attractor.

    Attributes
    ----------
    tree
        The states, to look up neighbours in, shape (state, coordinate).
    spacing
        Distance of each state to its nearest neighbour where the states are samples; 0 where they are all there are.
    """

    tree: cKDTree
    spacing: np.ndarray


class Too(NamedTuple):
    """Why runs on an attractor cannot be told from those on another.

    Attributes
    ----------
    a, b
        Positions of the attractors; ``a`` is ``b`` where the radius is too small for an attractor's own states.
    part
        Part of the states of ``b`` in the core of ``a``.
    """

    a: int
    b: int
    part: float


def states_of(values: np.ndarray, window: int, every: int = 1) -> np.ndarray:
    """Values (step, pattern) of successive steps side by side, scaled so that distances are root mean squares.

    Shape (state, window * pattern); each state begins ``every`` steps after the one before.
    """
    windows = np.lib.stride_tricks.sliding_window_view(values, window, axis=0)[::every]
    return windows.reshape(len(windows), -1) / math.sqrt(window * values.shape[1])


def state_set(orbit: np.ndarray, period: int, window: int) -> StateSet:
    """The states on an attractor.

    Parameters
    ----------
    orbit
        Values at successive steps, shape (step, pattern).
    period
        Period, if the attractor is periodic, or 0. A period that is longer than the orbit makes samples of it.
    window
        Successive steps that make a state, at most those of the orbit.
    """
    if 0 < period <= len(orbit):
        around = np.arange(period + window - 1) % period
        return StateSet(cKDTree(states_of(orbit[around], window)), np.zeros(period))
    tree = cKDTree(states_of(orbit, window))
    spacing = tree.query(tree.data, k=[2])[0][:, 0] if tree.n > 1 else np.zeros(1)
    return StateSet(tree, spacing)


def core_radius(sets: Sequence[StateSet], radius: float | None = None) -> np.ndarray:
    """The radius of the core of each attractor, by how far they are from each other and how densely they are known.

    A third of the distance from the states of an attractor to the closest state of any other, or what is given instead,
    but no less than the distance within which 90 % of its samples have a neighbour. Of an attractor that is alone, a
    third of the root mean square distance of its states from their mean.
    """
    found = np.zeros(len(sets))
    for a, own in enumerate(sets):
        if radius is not None:
            found[a] = radius
        elif len(sets) > 1:
            found[a] = PART * min(float(each.tree.query(own.tree.data)[0].min()) for each in sets if each is not own)
        else:
            found[a] = PART * float(np.sqrt(((own.tree.data - own.tree.data.mean(axis=0)) ** 2).sum(axis=1).mean()))
    return np.maximum(found, [float(np.quantile(own.spacing, COVERED)) for own in sets])


def too_close(sets: Sequence[StateSet], radius: np.ndarray) -> list[Too]:
    """The attractors that these cores do not tell apart.

    A sample is in a core, or not, as if it were a state between the others: at its distance from its neighbour.
    """
    found = []
    for b, states in enumerate(sets):
        distance = np.array(
            [states.spacing if a == b else each.tree.query(states.tree.data)[0] for a, each in enumerate(sets)]
        )
        inside = _inside(distance, radius)
        part = inside.mean(axis=1)
        found += [Too(a, b, float(part[a])) for a in np.flatnonzero(part) if a != b]
        if part[b] < LEAST_OWN:
            found.append(Too(b, b, float(part[b])))
    return found


def label_run(
    values: np.ndarray, sets: Sequence[StateSet], radius: np.ndarray, window: int, every: int
) -> tuple[np.ndarray, np.ndarray]:
    """The attractor that a run is near: the one whose core it was in last.

    So a run is near an attractor from the step at which it enters its core to that at which it enters the core of
    another, and what it does at the border between them changes nothing [1]_ [2]_.

    Parameters
    ----------
    values
        A run, shape (step, pattern).
    sets, radius
        The attractors and the radii of their cores.
    window
        Successive steps that make a state.
    every
        Steps from one look at the run to the next.

    Returns
    -------
    label : np.ndarray
        Position of the attractor at the last of the first ``window`` steps and every so many steps later; NOWHERE
        before any core, UNKNOWN from a state on that has NaN until a core.
    inside : np.ndarray
        Whether the state is in a core.

    References
    ----------
    .. [1] Buchete & Hummer, J. Phys. Chem. B 112, 6057 (2008).
    .. [2] Schütte, Noé, Lu, Sarich & Vanden-Eijnden, J. Chem. Phys. 134, 204105 (2011).
    """
    core = np.concatenate([_cores(states, sets, radius) for states in _pieces(values, window, every)])
    last = np.maximum.accumulate(np.where(core == NOWHERE, -1, np.arange(len(core))))
    return np.where(last < 0, NOWHERE, core[last]), core >= 0


def _pieces(values: np.ndarray, window: int, every: int) -> Iterator[np.ndarray]:
    """The states of a run, as many at a time as are looked up together."""
    looks = (len(values) - window) // every + 1
    for first in range(0, looks, AT_ONCE):
        last = min(first + AT_ONCE, looks) - 1
        yield states_of(values[first * every : last * every + window], window, every)


def _cores(states: np.ndarray, sets: Sequence[StateSet], radius: np.ndarray) -> np.ndarray:
    """Position of the attractor in whose core each state is, NOWHERE or UNKNOWN."""
    core = np.full(len(states), NOWHERE)
    known = np.isfinite(states).all(axis=1)
    core[~known] = UNKNOWN
    if not sets:
        return core
    # Whatever is farther than this is in no core, and keeps no state out of one.
    farthest = np.nextafter(radius.max() / AMBIGUOUS, np.inf)
    states = states[known]
    inside = _inside(np.array([each.tree.query(states, distance_upper_bound=farthest)[0] for each in sets]), radius)
    core[known] = np.where(inside.any(axis=0), inside.argmax(axis=0), NOWHERE)
    return core


def _inside(distance: np.ndarray, radius: np.ndarray) -> np.ndarray:
    """Whether states are in the cores, from their distances (attractor, state)."""
    inside = distance <= radius[:, None]
    for a, own in enumerate(distance):
        for b, other in enumerate(distance):
            if a != b:
                inside[a] &= own <= AMBIGUOUS * other
    return inside
