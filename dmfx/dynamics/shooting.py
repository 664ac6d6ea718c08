"""Curves of periodic orbits in the space of states and a parameter, by multiple shooting.

The equations are those of `dmfx.dynamics.newton`, with the parameter as one more unknown and one more condition. A
place is a vector of all x_k, divided by √(K n), and of the parameter as a fraction of the range between its limits.
Lengths along a curve are in these units: a state that changes by 1 in root mean square has moved by 1.

Source: Keller, *Numerical solution of bifurcation and nonlinear eigenvalue problems* (1977); Ascher, Mattheij and
Russell, *Numerical Solution of Boundary Value Problems* (1995), chapter 4.
"""

from __future__ import annotations

from functools import cached_property

import numpy as np

from dmfx.dynamics.newton import SAME, Family, chain, multipliers_of

__all__ = ["Curve", "Place", "twice"]

_MOST_CORRECTIONS = 8
#: A step of the corrector that is shorter is the last.
_TOLERANCE = 1e-9
#: A singular value that is 0 at a place known to 1e-8.
_SINGULAR = 1e-5


class Place:
    """An orbit, or a guess of one, and the equations linearised about it.

    Parameters
    ----------
    at
        Scaled starts of the pieces and parameter, (K n + 1,).
    gaps
        Scaled F(x_k; p) - x_{k+1}, (K, n).
    matrices, slopes
        Derivatives of F(x_k; p) by the state, (K, n, n), and by the parameter, scaled, (K, n).
    """

    def __init__(self, at: np.ndarray, gaps: np.ndarray, matrices: np.ndarray, slopes: np.ndarray):
        self.at, self.gaps = at, gaps
        self.evaluations = 1
        # Change of x_k by that of x_0, by that of the parameter, and by closing the gaps on the way.
        (self._chain,) = chain(matrices[None], np.stack([slopes, gaps], axis=-1)[None])
        self.finite = bool(np.isfinite(self._chain).all())

    @cached_property
    def multipliers(self) -> np.ndarray:
        """Floquet multipliers, in descending modulus."""
        n = self.gaps.shape[1]
        return multipliers_of(self._chain[-1:, :, :n])[0]

    @property
    def unstable(self) -> int:
        """Number of multipliers outside the unit circle."""
        return int((np.abs(self.multipliers) > 1).sum())

    @property
    def residual(self) -> float:
        """Largest gap."""
        return float(np.abs(self.gaps).max())

    def step(self, row: np.ndarray, excess: float) -> np.ndarray | None:
        """The Newton step that closes the gaps and takes away the excess of ``row`` · place."""
        return self._solve(row, -excess, gaps=1.0)

    def direction(self, row: np.ndarray) -> np.ndarray | None:
        """The unit tangent of the curve, on the side of another one; None where it has none."""
        return _unit(self._solve(row, 1.0, gaps=0.0))

    def null_direction(self) -> np.ndarray:
        """The unit vector along which the orbit stays closed: the tangent, also where the parameter turns."""
        null = np.linalg.svd(self._closing())[2][-1]
        return _unit(self._carry(null[:-1], null[-1]))

    def eigenvector(self, value: float) -> np.ndarray:
        """The real direction of the state, at the parameter, that belongs to the multiplier closest to a real value."""
        n = self.gaps.shape[1]
        found, vectors = np.linalg.eig(self._chain[-1, :, :n])
        return _unit(self._carry(vectors[:, np.abs(found - value).argmin()].real, 0.0))

    @property
    def is_crossing(self) -> bool:
        """Whether another branch crosses here: there are two null directions."""
        return bool(np.linalg.svd(self._closing(), compute_uv=False)[-1] < _SINGULAR)

    @property
    def halves(self) -> np.ndarray:
        """What the second half of the orbit lacks to be the first, one vector; 0 if there are no halves."""
        return self.halves_of(self.at)

    def halves_of(self, vector: np.ndarray) -> np.ndarray:
        """The same for any place, or change of a place, of these orbits."""
        half = len(self.gaps) // 2
        starts = vector[:-1].reshape(self.gaps.shape)
        return (starts[:half] - starts[half:]).ravel() if len(starts) % 2 == 0 else np.zeros(1)

    @property
    def is_shorter(self) -> bool:
        """Whether the orbit is one of shorter period: such orbits solve the equations too, on branches of their own."""
        starts = self.at[:-1].reshape(self.gaps.shape)
        parts = (part for part in range(1, len(starts)) if len(starts) % part == 0)
        return any(np.linalg.norm(np.roll(starts, -part, axis=0) - starts) < SAME for part in parts)

    @property
    def shifts(self) -> np.ndarray:
        """The same orbit beginning with each of its pieces, (K, K n + 1), its own first."""
        starts = self.at[:-1].reshape(self.gaps.shape)
        return np.stack([np.append(np.roll(starts, -k, axis=0), self.at[-1]) for k in range(len(starts))])

    def _closing(self) -> np.ndarray:
        """Derivative of F^T(x_0; p) - x_0 by both, (n, n + 1)."""
        n = self.gaps.shape[1]
        closing = self._chain[-1, :, : n + 1].copy()
        closing[:, :n] -= np.eye(n)
        return closing

    def _solve(self, row: np.ndarray, right: float, gaps: float) -> np.ndarray | None:
        """Changes by which the orbit closes and ``row`` · change is ``right``."""
        n = self.gaps.shape[1]
        bound = np.tensordot(row[:-1].reshape(self.gaps.shape), self._chain[:-1], axes=2)
        bound[n] += row[-1]
        matrix = np.vstack([self._closing(), bound[: n + 1]])
        known = np.append(-gaps * self._chain[-1, :, n + 1], right - gaps * bound[n + 1])
        try:
            first = np.linalg.solve(matrix, known)
        except np.linalg.LinAlgError:
            return None
        change = self._carry(first[:-1], first[-1], gaps)
        return change if np.isfinite(change).all() else None

    def _carry(self, first: np.ndarray, parameter: float, gaps: float = 0.0) -> np.ndarray:
        """Changes of all pieces from that of the first and of the parameter."""
        changes = self._chain[:-1] @ np.concatenate([first, [parameter, gaps]])
        return np.append(changes, parameter)


def twice(at: np.ndarray) -> np.ndarray:
    """The place that an orbit has among those of twice the period."""
    return np.append(np.tile(at[:-1], 2) / np.sqrt(2), at[-1])


def _unit(vector: np.ndarray | None) -> np.ndarray | None:
    length = np.nan if vector is None else np.linalg.norm(vector)
    return vector / length if np.isfinite(length) and length > 0 else None


class Curve:
    """The orbits of period T of one point.

    Parameters
    ----------
    family
        The maps.
    point
        Number of the sweep point.
    period
        T.
    limits
        Range of the parameter.
    stride
        Period of the drive, a divisor of T: the length of a piece.
    """

    def __init__(self, family: Family, point: int, period: int, limits: tuple[float, float], stride: int = 1):
        self.family, self.point, self.period, self.stride = family, point, period, stride
        self.low, self.span = limits[0], limits[1] - limits[0]

    def half(self) -> Curve:
        """The orbits of half the period."""
        return Curve(self.family, self.point, self.period // 2, (self.low, self.low + self.span), self.stride)

    def doubled(self) -> Curve:
        """The orbits of twice the period."""
        return Curve(self.family, self.point, self.period * 2, (self.low, self.low + self.span), self.stride)

    def guess(self, state: np.ndarray, parameter: float) -> np.ndarray:
        """The orbit that goes on from a state."""
        states = [np.asarray(state, dtype=float)]
        for _ in range(self.stride, self.period, self.stride):
            after, _ = self.family(states[-1][None], np.array([parameter]), np.array([self.point]), self.stride)
            states.append(after[0])
        scaled = np.stack(states) / np.sqrt(len(states) * len(states[0]))
        return np.append(scaled, (parameter - self.low) / self.span)

    def states(self, at: np.ndarray) -> np.ndarray:
        """Starts of the pieces at a place, (K, n)."""
        return at[:-1].reshape(self.period // self.stride, -1) * np.sqrt(len(at) - 1)

    def parameter(self, at: np.ndarray) -> float:
        """The parameter at a place."""
        return float(self.low + self.span * at[-1])

    def evaluate(self, at: np.ndarray) -> Place:
        """The equations about a guess."""
        states = self.states(at)
        parameters = np.full(len(states), self.parameter(at))
        after, matrices, slopes = self.family.with_slopes(
            states, parameters, np.full(len(states), self.point), self.stride
        )
        scale = np.sqrt(len(at) - 1)
        with np.errstate(over="ignore", invalid="ignore"):
            gaps = (after - np.roll(states, -1, axis=0)) / scale
            return Place(at, gaps, matrices, slopes * (self.span / scale))

    def correct(self, guess: np.ndarray, row: np.ndarray) -> Place | None:
        """The orbit with the same ``row`` · place as a guess, by Newton's method; None if it fails."""
        at, length = guess, np.inf
        for count in range(1, _MOST_CORRECTIONS + 1):
            place = self.evaluate(at)
            if not place.finite:
                return None
            if length < _TOLERANCE:
                place.evaluations = count
                return place if place.residual < SAME else None
            step = place.step(row, row @ (at - guess))
            if step is None:
                return None
            before, length = length, np.abs(step).max()
            if not length < 2 * before:
                return None
            at = at + step
        return None
