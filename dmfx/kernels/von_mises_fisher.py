"""The normaliser of the von Mises-Fisher law on the sphere of R^d, for each lane, for any d ≥ 2 and concentration κ.

∫ exp(κ·x) dx over the sphere is K_d(κ) = (2π)^{d/2} I_ν(κ) / κ^ν with ν = d/2 - 1, and the mean of x has the length
R_d(κ) = I_{ν+1}(κ) / I_ν(κ) = d log K_d / dκ. Both come from Debye's expansion of I at an order μ = ν + n that is large
enough for it, followed by the recurrence of I towards ν, in which all terms are positive. With w = μ + √(μ² + κ²) and
R_k = (w/κ)^{μ-k} (I_k / I_μ), it reads R_{k-1} = (2k/w) R_k + (κ/w)² R_{k+1}: numbers near 1 without a branch, the
same formula at κ = 0 as at κ = 10^100. Everything is a function of κ², so that nobody needs the root.

Source of the expansion: NIST Digital Library of Mathematical Functions, 10.41.3, 5, 9 and 10.
"""

from __future__ import annotations

import functools
import math
from fractions import Fraction

import numpy as np
from numba import njit

from dmfx.kernels.lanes import WIDTH, fma, load, log, splat, sqrt, store
from dmfx.kernels.settings import INLINED, OPTIONS

__all__ = ["normaliser", "normaliser_table", "von_mises_fisher"]

#: At orders from 20 on, the terms up to 1/μ^10 leave an error below 2e-14 of I. Of the pairs of an order and a number
#: of terms that do, this one needs the fewest operations: three for each order, six for each term.
LOWEST_ORDER, TERMS = 20, 10

#: Where things stand in the table of `normaliser_table`.
_ORDER, _LEVELS, _NU, _LOG_FACTOR, _SUMS = 0, 1, 2, 3, 4
_LENGTH = 3 * TERMS + 1


@functools.cache
def normaliser_table(n_components: int) -> np.ndarray:
    """What `normaliser` needs of a dimension d ≥ 2: the orders, and the expansion as polynomials in p."""
    nu = Fraction(n_components, 2) - 1
    levels = max(math.ceil(LOWEST_ORDER - nu), 1)
    order = nu + levels
    table = np.empty(_SUMS + 2 * _LENGTH)
    table[_ORDER], table[_LEVELS], table[_NU] = order, levels, nu
    table[_LOG_FACTOR] = 0.5 * n_components * math.log(2 * math.pi) - 0.5 * math.log(2 * math.pi * order)
    for n, polynomials in enumerate(_debye_polynomials()):
        total = [Fraction(0)] * _LENGTH
        for k, polynomial in enumerate(polynomials):
            for power, coefficient in enumerate(polynomial):
                total[power] += coefficient / order**k
        start = _SUMS + n * _LENGTH
        table[start : start + _LENGTH] = [float(coefficient) for coefficient in total[::-1]]
    table.flags.writeable = False
    return table


@functools.cache
def _debye_polynomials() -> tuple[list[list[Fraction]], list[list[Fraction]]]:
    """Coefficients, lowest power of p first, of u_k and v_k, k = 0 to TERMS; u_k has the degree 3k."""
    u, v = [[Fraction(1)]], [[Fraction(1)]]
    for _ in range(TERMS):
        following, derived = [[Fraction(0)] * (len(u[-1]) + 3) for _ in range(2)]
        for power, c in enumerate(u[-1]):
            # u' = p²(1-p²)/2 du/dp + ⅛ ∫ (1-5p²) u dp;  v' = u' - p(1-p²)/2 u - p²(1-p²) du/dp
            following[power + 1] += Fraction(power, 2) * c + c / (8 * (power + 1))
            following[power + 3] -= Fraction(power, 2) * c + 5 * c / (8 * (power + 3))
            derived[power + 1] -= c / 2 + power * c
            derived[power + 3] += c / 2 + power * c
        u.append(following)
        v.append([a + b for a, b in zip(following, derived, strict=True)])
    return u, v


@njit(**INLINED)
def normaliser(squared, table):
    """Return e and f with K_d(κ) = f exp(e), f within a range that no sum overflows, and R_d(κ)/κ, from κ²."""
    one = splat(1.0)
    order = splat(table[_ORDER])
    s = sqrt(fma(squared, splat(1.0 / (table[_ORDER] * table[_ORDER])), one))
    w = fma(order, s, order)
    both = one / (s * w)
    p, over_w = both * w, both * s
    u, v = splat(table[_SUMS]), splat(table[_SUMS + _LENGTH])
    for n in range(1, _LENGTH):
        u = fma(u, p, splat(table[_SUMS + n]))
        v = fma(v, p, splat(table[_SUMS + _LENGTH + n]))
    # The first two of the recurrence, times U: 1 at the order μ, and (κ/w) I_{μ-1}/I_μ = μ (1 + s V/U) / w below it.
    above, here = u, order * over_w * fma(s, v, u)
    descent = over_w + over_w
    factor = splat(table[_ORDER] - 1.0) * descent
    pull = squared * over_w * over_w
    for _ in range(1, int(table[_LEVELS])):
        above, here = here, fma(factor, here, pull * above)
        factor = factor - descent
    exponent = fma(order, s, splat(table[_LOG_FACTOR])) - splat(table[_NU]) * log(w)
    return exponent, here * sqrt(p), above / here * over_w


@njit(**OPTIONS)
def _evaluate(work, table, rows):
    for row in range(rows):
        exponent, factor, mean = normaliser(load(work, row), table)
        store(work, row, exponent + log(factor))
        store(work, rows + row, mean)


def von_mises_fisher(squared: np.ndarray, n_components: int) -> tuple[np.ndarray, np.ndarray]:
    """Logarithm of the normaliser, and the mean's length over the concentration, of laws exp(κ·x) on the sphere of R^d.

    Parameters
    ----------
    squared
        κ², at least 0, any shape.
    n_components
        d, at least 2.

    Returns
    -------
    tuple
        log K_d(κ) and R_d(κ)/κ, arrays of the shape of ``squared``; the mean of x is R_d(κ)/κ times the vector κ.
    """
    squared = np.asarray(squared, dtype=np.float64)
    rows = -(-squared.size // WIDTH)
    work = np.zeros(2 * rows * WIDTH)
    work[: squared.size] = squared.ravel()
    _evaluate(work, normaliser_table(n_components), rows)
    both = work.reshape(2, -1)[:, : squared.size]
    return both[0].reshape(squared.shape), both[1].reshape(squared.shape)
