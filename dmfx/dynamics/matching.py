"""Labels of attractors along a parameter: which attractor at one value is the one that there was at the value before.

The sets decide, not the kinds: an orbit that doubles its period keeps its label, and so does a torus that locks to an
orbit of many points. The attractors that were there at the value before come first: they are linked to those that lie
closest, all at once, by the assignment of least total distance. Then labels that had vanished, which come back where
they were last seen: chaos behind a periodic window is the chaos that was before it. What is left gets a new label.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from scipy.optimize import linear_sum_assignment
from scipy.spatial import cKDTree

__all__ = ["Shape", "label_along", "set_distance", "shape_of"]


class Shape(NamedTuple):
    """The set of states of an attractor.

    Attributes
    ----------
    tree
        The states, shape (state, coordinate), to look up neighbours in.
    size
        Root mean square of the states, as distances from zero.
    spacing
        Mean distance to the nearest neighbour where the states are but samples of the set; 0 where they are all of it.
    """

    tree: cKDTree
    size: float
    spacing: float


def shape_of(states: np.ndarray, whole: bool) -> Shape:
    """What is needed of a set of states to compare it with others.

    Parameters
    ----------
    states
        Shape (state, coordinate).
    whole
        Whether these are all states of the attractor, as of a periodic orbit.
    """
    tree = cKDTree(states)
    spacing = 0.0 if whole or tree.n < 2 else float(tree.query(states, k=[2])[0].mean())
    return Shape(tree, float(np.sqrt((states**2).sum(axis=1).mean())), spacing)


def set_distance(a: Shape, b: Shape) -> float:
    """How far two sets are from each other, in units of the larger size.

    The mean distance of the states of one to the nearest state of the other, averaged over both ways. Where the other
    set is known by samples only, their spacing is subtracted: two samples of one set have distance 0 but for chance.
    """
    size = max(a.size, b.size)
    if size == 0:
        return 0.0
    ways = (float(other.tree.query(each.tree.data)[0].mean()) - other.spacing for each, other in ((a, b), (b, a)))
    return sum(max(way, 0.0) for way in ways) / (2 * size)


def label_along(sets: Sequence[Sequence[Shape]], threshold: float = 0.1) -> list[np.ndarray]:
    """Label the attractors at successive values of a parameter.

    Parameters
    ----------
    sets
        The attractors at each value, in any order.
    threshold
        Largest distance, in units of the size of the sets, between an attractor and itself at another value.

    Returns
    -------
    list of np.ndarray
        The labels of the attractors at each value, counted from 0 in the order in which they appear.

    References
    ----------
    .. [1] Datseris, Luiz Rossi & Wagemakers, Chaos 33, 073151 (2023).
    """
    seen: list[Shape] = []
    before: list[int] = []
    labels = []
    for here in sets:
        label = np.full(len(here), -1)
        gone = [each for each in range(len(seen)) if each not in before]
        for candidates in (before, gone):
            left = np.flatnonzero(label < 0)
            distances = np.array([[set_distance(seen[each], here[i]) for i in left] for each in candidates])
            for row, column in _assign(distances.reshape(len(candidates), len(left)), threshold):
                label[left[column]] = candidates[row]
        for i in np.flatnonzero(label < 0):
            label[i] = len(seen)
            seen.append(here[i])
        for each, shape in zip(label, here, strict=True):
            seen[each] = shape
        before = sorted(label.tolist())
        labels.append(label)
    return labels


def _assign(distances: np.ndarray, threshold: float) -> list[tuple[int, int]]:
    """Pairs of rows and columns within the threshold: as many as there can be, then of least total distance."""
    near = distances <= threshold
    if not near.any():
        return []
    # Whatever is too far costs more than all that is near together.
    costs = np.where(near, distances, (1 + threshold) * (1 + min(distances.shape)))
    return [(row, column) for row, column in zip(*linear_sum_assignment(costs), strict=True) if near[row, column]]
