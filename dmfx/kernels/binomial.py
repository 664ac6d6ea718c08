"""Binomial numbers in lanes: the quantile of one uniform number, exactly.

The number of spins against the field, out of n with probability p ≤ 1/2 each, is the smallest k with F(k) ≥ u, F its
cumulative distribution. One uniform number makes one draw, which never decreases as u grows: draws with the same u at
nearby p are as close as their laws, which is what common noise means.

Where n p ≤ `FEW`, F is summed from k = 0. Elsewhere k is the next integer above the Cornish-Fisher expansion of the
quantile, of the distribution that takes the values F(k) at k + 1/2: its cumulants are those of the binomial one less
those of the uniform one. Its error is below (1 + w²)³ / (128 σ⁴), w the normal quantile of u; where that leaves a doubt
between two integers, in one draw of a hundred at n p = `FEW` and one of 10^10 at n p = 10^5, F itself is summed.

Measured on one core, random number included: 6 to 8 ns per draw, whatever n is; 10 to 16 where some of sixteen lanes
have means below `FEW` and others above, at n of 30 to 300. The random number takes 1 of it, NumPy's binomial in Numba
100. FEW = 20 or 6 cost a tenth more at n of some hundreds.
"""

from __future__ import annotations

from numba import njit

from dmfx.kernels.binomial_sum import smallest_reaching
from dmfx.kernels.lanes import (
    WIDTH,
    any_above,
    ceil,
    choose,
    exp,
    fma,
    load,
    log,
    maximum,
    splat,
    sqrt,
    store,
)
from dmfx.kernels.settings import INNER

__all__ = ["FEW", "SCRATCH", "binomial_quantile", "normal_quantile"]

#: Largest mean that is summed from 0: some 30 terms, which cost as much as the expansion.
FEW = 10.0
#: Terms after which such a sum has reached 1 in doubles.
_MOST_TERMS = 200
#: Workspace rows that `binomial_quantile` uses.
SCRATCH = 5

# Wichura's AS 241, PPND16 (Appl. Stat. 37, 477, 1988): the middle, |u - 1/2| ≤ 0.425, and the tails; highest power
# first.
_MIDDLE_OVER = (
    2509.0809287301226727,
    33430.575583588128105,
    67265.770927008700853,
    45921.953931549871457,
    13731.693765509461125,
    1971.5909503065514427,
    133.14166789178437745,
    3.387132872796366608,
)
_MIDDLE_UNDER = (
    5226.495278852854561,
    28729.085735721942674,
    39307.89580009271061,
    21213.794301586595867,
    5394.1960214247511077,
    687.1870074920579083,
    42.313330701600911252,
    1.0,
)
_TAIL_OVER = (
    7.7454501427834140764e-4,
    0.0227238449892691845833,
    0.24178072517745061177,
    1.27045825245236838258,
    3.64784832476320460504,
    5.7694972214606914055,
    4.6303378461565452959,
    1.42343711074968357734,
)
_TAIL_UNDER = (
    1.05075007164441684324e-9,
    5.475938084995344946e-4,
    0.0151986665636164571966,
    0.14810397642748007459,
    0.68976733498510000455,
    1.6763848301838038494,
    2.05319162663775882187,
    1.0,
)


@njit(**INNER)
def _ratio(over, under, x):
    """Ratio of two polynomials of degree 7."""
    a, b = splat(over[0]), splat(under[0])
    for i in range(1, 8):
        a = fma(a, x, splat(over[i]))
        b = fma(b, x, splat(under[i]))
    return a / b


@njit(**INNER)
def normal_quantile(u):
    """The w with Φ(w) = u, within 1e-15 relative for u from 1e-11 to 1 - 1e-11, and odd about 1/2."""
    from_half = u - splat(0.5)
    middle = from_half * _ratio(_MIDDLE_OVER, _MIDDLE_UNDER, splat(0.180625) - from_half * from_half)
    nearest = choose(from_half, splat(0.0), splat(1.0) - u, u)
    r = sqrt(splat(0.0) - log(nearest))
    tail = _ratio(_TAIL_OVER, _TAIL_UNDER, r - splat(1.6))
    tail = choose(from_half, splat(0.0), tail, splat(0.0) - tail)
    return choose(nearest, splat(0.075), middle, tail)


@njit(**INNER)
def _expansion(w, sigma, g):
    """Cornish-Fisher quantile about n p - 1/2 for the skewness g / σ, g = 1 - 2 p; an error of order σ^-4 is left."""
    w2, g2, inverse = w * w, g * g, splat(1.0) / sigma
    one = g * (w2 - splat(1.0)) * splat(1 / 6)
    two = w * fma(w2, g2 - splat(3.0), fma(splat(-7.0), g2, splat(3.0))) * splat(1 / 144)
    three = fma(w2, fma(g2, splat(-1 / 2160), splat(1 / 240)), fma(g2, splat(-7 / 6480), splat(7 / 720)))
    three = g * fma(w2, three, fma(g2, splat(1 / 405), splat(-1 / 45)))
    fifth = fma(g2, fma(g2, splat(1 / 69120), splat(-1 / 1280)), splat(-13 / 23040))
    third = fma(g2, fma(g2, splat(1 / 2430), splat(-59 / 17280)), splat(-1 / 1920))
    first = fma(g2, fma(g2, splat(-433 / 622080), splat(349 / 34560)), splat(181 / 23040))
    four = w * fma(w2, fma(w2, fifth, third), first)
    return fma(sigma, w, fma(fma(fma(four, inverse, three), inverse, two), inverse, one))


@njit(**INNER)
def _summed(u, n, odds):
    """Smallest k with F(k) ≥ u, by adding up the probabilities; u below 0 gives 0 at once."""
    one = splat(1.0)
    rounded = one + odds
    log_q = (log(rounded) + (odds - (rounded - one)) / rounded) * splat(-1.0)
    term = exp(n * log_q)
    reached = term
    k = splat(0.0)
    for i in range(_MOST_TERMS):
        term = term * (odds * (n - splat(float(i))) * splat(1.0 / (i + 1.0)))
        following = reached + term
        # Short of u, and not so far in the upper tail that nothing is added.
        more = choose(u, reached, choose(following, reached, one, splat(0.0)), splat(0.0))
        if not any_above(more, splat(0.0)):
            break
        k = k + more
        reached = following
    return k


@njit(**INNER)
def _settle(work, scratch):
    """Sum F in the lanes in doubt; rows from ``scratch`` on: k, u, n, odds, and above 0 where k is in doubt."""
    for lane in range(scratch * WIDTH, (scratch + 1) * WIDTH):
        if work[lane + 4 * WIDTH] > 0.0:
            u, n, odds = work[lane + WIDTH], work[lane + 2 * WIDTH], work[lane + 3 * WIDTH]
            work[lane] = smallest_reaching(work[lane], u, n, odds)


@njit(**INNER)
def binomial_quantile(work, scratch, u, n, odds):
    """Smallest k with F(k) ≥ u for n trials with probability p = odds / (1 + odds).

    ``odds`` is from 0 to 1, n a whole number up to 2^53 as a float; rows from ``scratch`` on are overwritten.
    """
    zero, one, few = splat(0.0), splat(1.0), splat(FEW)
    q = one / (one + odds)
    mean = n * (odds * q)
    many = choose(mean, few, one, zero)
    k = zero
    if any_above(one, many):
        k = _summed(choose(many, zero, splat(-1.0), u), n, odds)
    if any_above(many, zero):
        sigma = sqrt(mean * q)
        w = normal_quantile(u)
        x = (mean - splat(0.5)) + _expansion(w, sigma, (one - odds) * q)
        above = ceil(x)
        k = choose(many, zero, above, k)
        distance = choose(above - x, splat(0.5), one - (above - x), above - x)
        square = fma(w, w, one)
        doubt = square * square * square / (mean * q * (mean * q)) * splat(1 / 128)
        # A doubt below the rounding of x is none that a sum could settle.
        in_doubt = choose(doubt, maximum(distance, mean * splat(2.0**-52)), many, zero)
        if any_above(in_doubt, zero):
            store(work, scratch, k)
            store(work, scratch + 1, u)
            store(work, scratch + 2, n)
            store(work, scratch + 3, odds)
            store(work, scratch + 4, in_doubt)
            _settle(work, scratch)
            k = load(work, scratch)
    return k
