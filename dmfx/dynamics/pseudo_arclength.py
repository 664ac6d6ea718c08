"""Branches of periodic orbits of any family of maps, followed by pseudo-arclength, and their bifurcations.

Source: Keller, *Numerical solution of bifurcation and nonlinear eigenvalue problems* (1977); Kuznetsov, *Elements of
Applied Bifurcation Theory*, 4th ed. (2023), chapter 10.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import islice

import numpy as np
from scipy.optimize import brentq, root_scalar

from dmfx.dynamics.shooting import Curve, Place, twice

__all__ = ["Branch", "Visit", "trace"]


#: Modulus of a multiplier from which on a branch is too unstable.
_TOO_UNSTABLE = 1e9
#: The shortest step, as part of the longest. The fold that ends period 16 of the published network at β = 1.26841 bends
#: within 1e-6 and needs steps of 1e-7.
_SHORTEST = 2.0**-24
#: Steps, as part of the longest, that may go over more than one bifurcation.
_SEPARATE = 2.0**-10
#: Evaluations of the map after which the next step may be longer.
_EASY = 4
#: Cosine of the largest angle between the directions at the ends of a step.
_STRAIGHT = 0.99
#: How far the corrector may go from the predicted place, as part of the step: no further than that angle allows.
_FAR = 0.1
#: Rounding of a parameter at its limit.
_AT_LIMIT = 1e-12
#: Distance at which a branch has come back to where it began.
_CLOSED = 1e-6
#: A modulus this close to 1 is 1, at a bifurcation.
_ON_CIRCLE = 1e-6


@dataclass(frozen=True, eq=False)
class Visit:
    """One point of a branch.

    Attributes
    ----------
    state, parameter
        Where the orbit begins, and the parameter.
    multipliers
        In descending modulus.
    special
        What happens there, one of `dmfx.variables.BIFURCATIONS`.
    angle
        Argument of the multiplier on the unit circle, NaN where nothing happens.
    """

    state: np.ndarray
    parameter: float
    multipliers: np.ndarray
    special: str = "none"
    angle: float = np.nan

    @property
    def unstable(self) -> int:
        """Number of multipliers outside the unit circle, without those on it at a bifurcation."""
        margin = 0.0 if self.special == "none" else _ON_CIRCLE
        return int((np.abs(self.multipliers) > 1 + margin).sum())


@dataclass(frozen=True)
class Branch:
    """Points in order, and why the branch ends before the first and after the last of them."""

    visits: list[Visit]
    ends: tuple[str, str]


def trace(curve: Curve, state: np.ndarray, parameter: float, *, step: float, max_points: int) -> Branch | None:
    """Follow the branch through an orbit both ways; None if there is no orbit.

    Parameters
    ----------
    curve
        The orbits.
    state, parameter
        An orbit on the branch, or a state close to one, and its parameter.
    step
        Longest step along the branch.
    max_points
        Points at most. Where there would be more, each side keeps those next to the start.
    """
    guess = curve.guess(state, parameter)
    start = curve.correct(guess, _parameter_row(guess)) if np.isfinite(guess).all() else None
    if start is None:
        return None
    tangent = start.null_direction()
    tangent = tangent if tangent[-1] >= 0 else -tangent
    after, last = _side(curve, start, tangent, step, max_points - 1)
    if last == "closed":
        return Branch([_visit(curve, start), *after], ("none", "closed"))
    before, first = _side(curve, start, -tangent, step, max_points - 1)
    surplus = 1 + len(before) + len(after) - max_points
    if surplus > 0:
        kept = min(len(after), max(max_points // 2, max_points - 1 - len(before)))
        last = "max_points" if kept < len(after) else last
        first = "max_points" if max_points - 1 - kept < len(before) else first
        before, after = before[: max_points - 1 - kept], after[:kept]
    return Branch([*before[::-1], _visit(curve, start), *after], (first, last))


def _visit(curve: Curve, place: Place, special: str = "none", angle: float = np.nan) -> Visit:
    return Visit(curve.states(place.at)[0], curve.parameter(place.at), place.multipliers, special, angle)


def _parameter_row(place: np.ndarray) -> np.ndarray:
    """The row whose product with a place is the parameter."""
    row = np.zeros(len(place))
    row[-1] = 1
    return row


def _side(curve: Curve, start: Place, tangent: np.ndarray, step: float, most: int) -> tuple[list[Visit], str]:
    """The points on one side of the start, and why they end."""
    ends: list[str] = []
    visits = list(islice(_follow(curve, start, tangent, step, ends), most))
    return visits, ends[0] if ends else "max_points"


def _follow(curve: Curve, start: Place, tangent: np.ndarray, longest: float, ends: list[str]) -> Iterator[Visit]:
    """Go along a branch, step by step; when it ends, put the reason into ``ends``."""
    here, step, shifts = start, longest, start.shifts
    while True:
        at_limit = here.at[-1] >= 1 - _AT_LIMIT if tangent[-1] > 0 else here.at[-1] <= _AT_LIMIT
        if at_limit:
            ends.append("limit")
            return
        ahead = _step(curve, here, tangent, step)
        if ahead is not None and abs(ahead.multipliers[0]) > _TOO_UNSTABLE:
            ends.append("too_unstable")
            return
        closed = None if ahead is None else _closing(curve, here, ahead, tangent, shifts)
        ahead = closed or ahead
        turned = None if ahead is None else ahead.direction(tangent)
        crossed = None
        if turned is not None and turned @ tangent > _STRAIGHT:
            crossed = _crossings(curve, here, ahead, tangent, turned)
        if crossed is None or (step > longest * _SEPARATE and _hides(crossed, here, ahead)):
            step /= 2
            if step < longest * _SHORTEST:
                born = _birth(curve, here, tangent, longest)
                if born is not None:
                    yield _visit(curve, born, "period_doubling", np.pi)
                ends.append("lost" if born is None else "half_period")
                return
            continue
        for place, special, angle in crossed:
            yield _visit(curve, place, special, angle)
            if place.is_shorter:
                ends.append("half_period")
                return
        yield _visit(curve, ahead)
        if closed is not None:
            ends.append("closed")
            return
        if ahead.evaluations <= _EASY:
            step = min(longest, 1.5 * step)
        here, tangent = ahead, turned


def _step(curve: Curve, here: Place, tangent: np.ndarray, step: float) -> Place | None:
    """The place one step ahead, or at the limit of the parameter if that is nearer."""
    guess = here.at + step * tangent
    ahead = curve.correct(guess, tangent)
    if ahead is not None and not 0 <= ahead.at[-1] <= 1:
        limit = 1.0 if ahead.at[-1] > 1 else 0.0
        part = (limit - here.at[-1]) / (ahead.at[-1] - here.at[-1])
        guess = here.at + part * (ahead.at - here.at)
        guess[-1] = limit
        ahead = curve.correct(guess, _parameter_row(guess))
    slipped = ahead is None or np.linalg.norm(ahead.at - guess) > _FAR * step or ahead.is_shorter
    return None if slipped else ahead


def _closing(curve: Curve, here: Place, ahead: Place, tangent: np.ndarray, shifts: np.ndarray) -> Place | None:
    """The orbit that the branch began with, at any shift, if it is between two places."""
    chord = ahead.at - here.at
    reach = tangent @ chord
    parts = (shifts - here.at) @ tangent / reach
    misses = np.linalg.norm(here.at + parts[:, None] * chord - shifts, axis=1)
    misses[~((parts > 1e-6) & (parts <= 1))] = np.inf  # not where it is now
    nearest = misses.argmin()
    if not misses[nearest] < _FAR * reach:
        return None
    found = curve.correct(here.at + parts[nearest] * chord, tangent)
    return found if found is not None and np.abs(found.at - shifts[nearest]).max() < _CLOSED else None


def _hides(crossed: list[tuple[Place, str, float]], here: Place, ahead: Place) -> bool:
    """Whether there is more than one bifurcation between two places, or must be for the count to change as it does."""
    change = abs(ahead.unstable - here.unstable)
    # On both sides of a place where the orbit has half the period, there are the same orbits.
    alone = [0 if place.is_shorter else 2 if special == "neimark_sacker" else 1 for place, special, _ in crossed]
    return len(alone) > 1 or (len(alone) == 1 and alone[0] != change)


def _crossings(
    curve: Curve, here: Place, ahead: Place, tangent: np.ndarray, turned: np.ndarray
) -> list[tuple[Place, str, float]] | None:
    """Where multipliers cross the unit circle between two places, in order; None if that cannot be told.

    The moduli, in order of size, are continuous along the branch: as many of them pass 1 as the number of unstable ones
    changes by. The parameter turns where the last component of the tangent is 0.
    """
    reach = tangent @ (ahead.at - here.at)
    places = {0.0: here, reach: ahead}

    def place(distance: float) -> Place:
        if distance not in places:
            found = curve.correct(here.at + distance / reach * (ahead.at - here.at), tangent)
            if found is None:
                raise _Lost
            places[distance] = found
        return places[distance]

    def turning(distance: float) -> float:
        found = place(distance).direction(tangent)
        if found is None:
            raise _Lost
        return found[-1]

    def excess(distance: float, rank: int) -> float:
        return abs(place(distance).multipliers[rank]) - 1

    found: dict[float, tuple[str, float]] = {}
    try:
        turns = tangent[-1] * turned[-1] < 0
        if here.halves @ ahead.halves < 0:
            halved = _half_period(curve, here, ahead)
            distance = tangent @ (halved.at - here.at)
            places[distance], found[distance] = halved, ("period_doubling", np.pi)
        elif turns:
            distance = brentq(turning, 0.0, reach, xtol=1e-13, rtol=1e-14)
            found[distance] = ("branch_point" if place(distance).is_crossing else "fold", 0.0)
        low, high = sorted((here.unstable, ahead.unstable))
        for rank in range(low, high):
            distance = brentq(excess, 0.0, reach, args=(rank,), xtol=1e-13, rtol=1e-14)
            value = place(distance).multipliers[rank]
            if value.imag:
                name = "neimark_sacker"
            elif value.real < 0:
                name = "period_doubling"
            elif turns:
                continue
            else:
                name = "branch_point"
            if not any(known == name and abs(other - distance) < 1e-6 * reach for other, (known, _) in found.items()):
                found[distance] = (name, abs(np.angle(value)))
    except _Lost:
        return None
    return [(place(distance), *found[distance]) for distance in sorted(found)]


def _half_period(curve: Curve, here: Place, ahead: Place) -> Place:
    """The place between two others where the halves of the orbit are the same.

    There, the branch of orbits of half the period crosses, so that the corrector fails. It is found on that branch: a
    multiplier of the orbit of half the period is -1.
    """
    before, after = np.linalg.norm(here.halves), np.linalg.norm(ahead.halves)
    chord = ahead.at - here.at
    return _doubling(curve, here.at + before / (before + after) * chord, float(np.linalg.norm(chord)))


def _birth(curve: Curve, here: Place, tangent: np.ndarray, longest: float) -> Place | None:
    """The place ahead where the halves of the orbit become the same, where no step gets over it; None if none is near.

    Where the parameter hardly changes the difference of the halves, the branch turns there within less than the
    distance at which the halves count as the same. It is a parabola: the halves meet at twice the distance that
    the parameter has to go, as seen from the tangent.
    """
    halves = here.halves
    change = here.halves_of(tangent)
    reach = -(halves @ change) / max(change @ change, np.finfo(float).tiny)
    if not 0 < reach < longest or np.linalg.norm(halves + reach * change) > _FAR * np.linalg.norm(halves):
        return None
    try:
        return _doubling(curve, here.at + reach / 2 * tangent, reach)
    except _Lost:
        return None


def _doubling(curve: Curve, middle: np.ndarray, reach: float) -> Place:
    """The period doubling of the orbits of half the period within reach of a place."""
    first, second = middle[:-1].reshape(2, -1)
    half = curve.half()
    origin = half.correct(np.append((first + second) / np.sqrt(2), middle[-1]), _parameter_row(np.append(first, 0)))
    tangent = None if origin is None else origin.null_direction()
    if tangent is None:
        raise _Lost

    def place(distance: float) -> Place:
        found = half.correct(origin.at + distance * tangent, tangent)
        if found is None:
            raise _Lost
        return found

    def critical(distance: float) -> float:
        values = place(distance).multipliers
        return (values[np.abs(values + 1).argmin()] + 1).real

    solution = root_scalar(critical, x0=0.0, x1=1e-3 * reach, method="secant", xtol=1e-13)
    there = curve.evaluate(twice(place(solution.root).at))
    if not solution.converged or np.linalg.norm(there.at - middle) > reach:
        raise _Lost
    return there


class _Lost(Exception):
    """The corrector failed while a bifurcation was being located."""
