"""The cumulative binomial distribution by adding up its probabilities: slow and exact, for the rare draw in doubt.

Source of the probabilities: C. Loader, Fast and accurate computation of binomial probabilities (2000).
"""

from __future__ import annotations

import math

from numba import njit

from dmfx.kernels.settings import INNER

__all__ = ["smallest_reaching"]

_HALF_LOG_2PI = 0.9189385332046727


@njit(**INNER)
def _stirling_error(n):
    """Return log n! - log(√(2πn) (n/e)^n) for n ≥ 1."""
    if n < 16.0:
        return math.lgamma(n + 1.0) - (n + 0.5) * math.log(n) + n - _HALF_LOG_2PI
    m = n * n
    return (1 / 12 - (1 / 360 - (1 / 1260 - (1 / 1680 - 1 / (1188 * m)) / m) / m) / m) / n


@njit(**INNER)
def _deviance(x, mean):
    """Return x log(x / mean) + mean - x, without cancellation."""
    away = x - mean
    if abs(away) > 0.1 * (x + mean):
        return x * math.log(x / mean) - away
    v = away / (x + mean)
    total = away * v
    term = 2.0 * x * v
    j = 1
    while True:
        term *= v * v
        following = total + term / (2 * j + 1)
        if following == total:
            return total
        total = following
        j += 1


@njit(**INNER)
def _probability(k, n, odds):
    """Binomial probability of k out of n, with p = odds / (1 + odds)."""
    if k < 0.0 or k > n:
        return 0.0
    if k == 0.0:
        return math.exp(-n * math.log1p(odds))
    if k == n:
        return math.exp(n * (math.log(odds) - math.log1p(odds)))
    p, q = odds / (1.0 + odds), 1.0 / (1.0 + odds)
    log_size = _stirling_error(n) - _stirling_error(k) - _stirling_error(n - k)
    log_size -= _deviance(k, n * p) + _deviance(n - k, n * q)
    return math.exp(log_size) * math.sqrt(n / (k * (n - k))) / math.sqrt(2 * math.pi)


@njit(**INNER)
def _reaches(k, u, n, odds):
    """Whether F(k) ≥ u, from the tail that k is in."""
    if k >= n:
        return True
    if k < 0.0:
        return False
    below = k < n * odds / (1.0 + odds)
    i = k if below else k + 1.0
    term = _probability(i, n, odds)
    total = term
    while term > 1e-18 * total:
        if below:
            term *= i / ((n - i + 1.0) * odds)
            i -= 1.0
        else:
            term *= (n - i) * odds / (i + 1.0)
            i += 1.0
        total += term
    return total >= u if below else total <= 1.0 - u


@njit(**INNER)
def smallest_reaching(k, u, n, odds):
    """The smallest k with F(k) ≥ u, sought from a guess."""
    k = min(max(k, 0.0), n)
    if _reaches(k, u, n, odds):
        while k > 0.0 and _reaches(k - 1.0, u, n, odds):
            k -= 1.0
        return k
    while not _reaches(k, u, n, odds):
        k += 1.0
    return k
