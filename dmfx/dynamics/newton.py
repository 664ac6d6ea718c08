"""Newton's method for periodic orbits of any family of maps, many orbits at once, by multiple shooting.

An orbit of period T is cut into K pieces, each with its own start x_k. The equations are
F(x_k; p) = x_{k+1}, cyclic in k, so that F^T, which magnifies what is done to an unstable orbit many times, is never
applied as a whole. The linear equations of a step are reduced to those of x_0 by elimination from piece to piece; the
rounding that this magnifies, the next step takes away.

Source: Ascher, Mattheij and Russell, *Numerical Solution of Boundary Value Problems* (1995), chapter 4.
"""

from __future__ import annotations

from typing import NamedTuple, Protocol

import numpy as np

__all__ = ["SAME", "Family", "Solutions", "chain", "multipliers_of", "refine"]

#: Orbits closer than this are the same; an orbit whose pieces do not meet as closely is none.
SAME = 1e-7

#: Evaluations of the map after which a start is given up.
_MOST_EVALUATIONS = 60
#: The smallest part of a Newton step that is tried.
_LEAST_PART = 2.0**-7
#: Elements of the derivatives in memory at once.
_MOST_ELEMENTS = 2**23


class Family(Protocol):
    """A family of maps x → F(x; p), iterated; besides p, a map may depend on the number of a sweep point."""

    def __call__(
        self, states: np.ndarray, parameters: np.ndarray, points: np.ndarray, steps: int
    ) -> tuple[np.ndarray, np.ndarray]:
        """Many states after some steps, and the derivatives by the states before.

        Parameters
        ----------
        states
            Shape (k, n).
        parameters, points
            Parameter and number of the point of each, shape (k,).
        steps
            How often to apply the map.

        Returns
        -------
        states : np.ndarray
            Shape (k, n).
        matrices : np.ndarray
            Shape (k, n, n), derivative of component i after by component j before.
        """
        ...

    def with_slopes(
        self, states: np.ndarray, parameters: np.ndarray, points: np.ndarray, steps: int
    ) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """The same, and the derivatives of the states after by the parameter, shape (k, n)."""
        ...


class Solutions(NamedTuple):
    """Where Newton's method ended.

    Attributes
    ----------
    found
        Whether it converged, shape (k,); what follows counts only there.
    pieces
        States at the start of each piece, (k, piece, n).
    matrices
        Derivative of F^T at the first of them, (k, n, n).
    """

    found: np.ndarray
    pieces: np.ndarray
    matrices: np.ndarray


def refine(
    family: Family,
    starts: np.ndarray,
    parameters: np.ndarray,
    points: np.ndarray,
    lengths: np.ndarray,
    *,
    tolerance: float,
) -> Solutions:
    """Solve F^T(x) = x from many starts by Newton's method, shortening a step that makes the gaps grow.

    All starts advance together, for a kernel takes as long for sixteen states as for one; each is on its own.

    Parameters
    ----------
    family
        The maps.
    starts
        Guesses of the states at the start of each piece, (k, piece, n).
    parameters, points
        As `Family` takes them, (k,).
    lengths
        Steps in each piece; T is their sum.
    tolerance
        A start has converged when its Newton step is shorter (largest component); that step is still taken.
    """
    most = max(1, _MOST_ELEMENTS // (starts.shape[1] * starts.shape[2] ** 2))
    parts = [
        _refine(family, starts[i : i + most], parameters[i : i + most], points[i : i + most], lengths, tolerance)
        for i in range(0, max(1, len(starts)), most)
    ]
    return Solutions(*(np.concatenate(arrays) for arrays in zip(*parts, strict=True)))


def _refine(
    family: Family,
    starts: np.ndarray,
    parameters: np.ndarray,
    points: np.ndarray,
    lengths: np.ndarray,
    tolerance: float,
) -> Solutions:
    count, _, size = starts.shape
    found = np.zeros(count, dtype=bool)
    pieces, base = starts.copy(), starts.copy()
    matrices = np.full((count, size, size), np.nan)
    corrections = np.zeros_like(base)
    errors = np.full(count, np.inf)
    parts = np.ones(count)
    last = np.zeros(count, dtype=bool)
    active = np.flatnonzero(np.isfinite(starts).all(axis=(1, 2)))
    for _ in range(_MOST_EVALUATIONS):
        if active.size == 0:
            break
        gaps, derivatives = _evaluate(family, pieces[active], parameters[active], points[active], lengths)
        error = np.abs(gaps).max(axis=(1, 2))
        usable = np.isfinite(error) & np.isfinite(derivatives).all(axis=(1, 2, 3))
        done = last[active] & usable
        # A tiny step can also mean that F is too steep to say anything: then gaps are left.
        found[active[done]] = error[done] < SAME
        matrices[active[done]] = chain(derivatives[done], gaps[done][..., None])[:, -1, :, :size]

        better = usable & (error < errors[active]) & ~done
        accepted = active[better]
        base[accepted], errors[accepted] = pieces[accepted], error[better]
        corrections[accepted] = _newton_step(derivatives[better], gaps[better])
        parts[accepted] = np.minimum(1.0, 2 * parts[accepted])
        last[accepted] = np.abs(corrections[accepted]).max(axis=(1, 2), initial=0.0) < tolerance
        parts[accepted[last[accepted]]] = 1.0
        parts[active[~better]] /= 2
        given_up = done | (last[active] & ~better) | (parts[active] < _LEAST_PART) | ~np.isfinite(errors[active])
        active = active[~given_up & np.isfinite(corrections[active]).all(axis=(1, 2))]
        with np.errstate(over="ignore", invalid="ignore"):
            pieces[active] = base[active] + parts[active, None, None] * corrections[active]
    return Solutions(found, pieces, matrices)


def _evaluate(
    family: Family, pieces: np.ndarray, parameters: np.ndarray, points: np.ndarray, lengths: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """F(x_k) - x_{k+1}, (k, piece, n), and the derivatives of F, (k, piece, n, n)."""
    count, number, size = pieces.shape
    after, derivatives = np.empty_like(pieces), np.empty((count, number, size, size))
    for length in np.unique(lengths):
        alike = np.flatnonzero(lengths == length)
        parts = family(
            pieces[:, alike].reshape(-1, size),
            np.repeat(parameters, alike.size),
            np.repeat(points, alike.size),
            int(length),
        )
        after[:, alike] = parts[0].reshape(count, alike.size, size)
        derivatives[:, alike] = parts[1].reshape(count, alike.size, size, size)
    with np.errstate(over="ignore", invalid="ignore"):  # a start that runs off to infinity is given up
        gaps = after - np.roll(pieces, -1, axis=1)
    return gaps, derivatives


def chain(derivatives: np.ndarray, sources: np.ndarray) -> np.ndarray:
    """Change of the start of each piece, and of the end of the last, by that of x_0 and by what is added on the way.

    Parameters
    ----------
    derivatives
        Of F at the start of each piece, (k, piece, n, n).
    sources
        What each of some causes adds to the end of each piece, (k, piece, n, cause).

    Returns
    -------
    np.ndarray
        Shape (k, piece + 1, n, n + cause).
    """
    count, number, size, causes = sources.shape
    result = np.zeros((count, number + 1, size, size + causes))
    result[:, 0, :, :size] = np.eye(size)
    with np.errstate(over="ignore", invalid="ignore"):
        for k in range(number):
            np.matmul(derivatives[:, k], result[:, k], out=result[:, k + 1])
            result[:, k + 1, :, size:] += sources[:, k]
    return result


def _newton_step(derivatives: np.ndarray, gaps: np.ndarray) -> np.ndarray:
    """Changes of the starts of all pieces that close all gaps, (k, piece, n); NaN where there are none."""
    size = gaps.shape[2]
    change = chain(derivatives, gaps[..., None])
    first = _solve_each(np.eye(size) - change[:, -1, :, :size], change[:, -1, :, size])
    return (change[:, :-1, :, :size] @ first[:, None, :, None])[..., 0] + change[:, :-1, :, size]


def _solve_each(matrices: np.ndarray, right: np.ndarray) -> np.ndarray:
    """Solve A x = b for each of many small systems, shapes (k, n, n) and (k, n); NaN where that is not possible."""
    usable = np.isfinite(matrices).all(axis=(1, 2)) & np.isfinite(right).all(axis=1)
    solution = np.full(right.shape, np.nan)
    try:
        solution[usable] = np.linalg.solve(matrices[usable], right[usable][..., None])[..., 0]
    except np.linalg.LinAlgError:  # does not say which of them is singular
        if len(matrices) > 1:
            for i in range(len(matrices)):
                solution[i : i + 1] = _solve_each(matrices[i : i + 1], right[i : i + 1])
    return solution


def multipliers_of(matrices: np.ndarray) -> np.ndarray:
    """Eigenvalues of each matrix (k, n, n) in descending modulus, shape (k, n), complex.

    Of a complex pair, the one with positive imaginary part comes first.
    """
    values = np.linalg.eigvals(matrices).astype(complex)
    order = np.lexsort((-values.imag, -np.abs(values)))
    return np.take_along_axis(values, order, axis=-1)
