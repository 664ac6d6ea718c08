"""The level at which half of the trials succeed: logistic curves by greatest likelihood, with profile intervals.

With levels x, P(success) = 1 / (1 + exp(-(a - b x))), b ≥ 0, and s = a/b. The likelihood is concave in (a, b), and so
in the distance from the origin along each direction (cos θ, sin θ), 0 ≤ θ ≤ π, and s = cot θ: what is left to find is
the maximum along each direction. That is finite also where success turns to failure between two levels, or at one of
them, and a and b are not. The set of θ whose maximum is above some level is an interval.

Where b is not finite the likelihood does not tell where between two levels the half is: with one level at which a part
of the trials succeeds, s goes to that level, as the logit there is finite and b is not. The half point is then taken
from the two levels around it: the last one of at least half and the first one of less.
"""

from __future__ import annotations

import math

import numpy as np
from numba import njit

from dmfx.kernels.settings import INNER, OPTIONS

__all__ = ["half_points"]

#: How a half point is known, by the places in `dmfx.variables.HALF_POINTS`.
FITTED, EXTRAPOLATED, SEPARATED, ALWAYS, NEVER, NO_FALL, NO_TRIALS = range(7)

#: Halvings of an interval of θ, and most steps of Newton's method.
HALVINGS, NEWTON = 44, 100
#: Distances from the origin that are looked at; as small a part of it is not told apart.
FARTHEST, CLOSE = 2.0**60, 1e-12


@njit(**INNER)
def _log_sigmoid(t):
    return -math.log1p(math.exp(-t)) if t > 0 else t - math.log1p(math.exp(t))


@njit(**INNER)
def _sigmoid(t):
    return 1 / (1 + math.exp(-t)) if t > 0 else math.exp(t) / (1 + math.exp(t))


@njit(**INNER)
def _likelihood(a, b, x, hits, trials):
    """Log-likelihood, without the binomial coefficients."""
    total = 0.0
    for k in range(x.size):
        t = a - b * x[k]
        if hits[k] > 0:
            total += hits[k] * _log_sigmoid(t)
        if hits[k] < trials[k]:
            total += (trials[k] - hits[k]) * _log_sigmoid(-t)
    return total


@njit(**INNER)
def _slope(r, cos, sin, x, hits, trials):
    """First derivative of the log-likelihood along a direction, and the second one with its sign turned."""
    first = second = 0.0
    for k in range(x.size):
        u = cos - sin * x[k]
        p = _sigmoid(r * u)
        first += (hits[k] - trials[k] * p) * u
        second += trials[k] * p * (1 - p) * u * u
    return first, second


@njit(**INNER)
def _along(theta, x, hits, trials):
    """The largest log-likelihood along a direction."""
    # At the ends of the range sin and cos are not rounded, so that all levels are on one side.
    cos = 1.0 if theta <= 0 else (-1.0 if theta >= math.pi else math.cos(theta))
    sin = 0.0 if theta <= 0 or theta >= math.pi else math.sin(theta)
    if _slope(0.0, cos, sin, x, hits, trials)[0] <= 0:
        return _likelihood(0.0, 0.0, x, hits, trials)
    low, high = 0.0, 1.0
    while high < FARTHEST and _slope(high, cos, sin, x, hits, trials)[0] > 0:
        low, high = high, 2 * high
    r = high if high >= FARTHEST else 0.5 * (low + high)
    for _ in range(NEWTON):
        if high >= FARTHEST or high - low <= CLOSE * high:
            break
        first, second = _slope(r, cos, sin, x, hits, trials)
        if first > 0:
            low = r
        else:
            high = r
        step = first / second if second > 0 else np.inf
        if abs(step) <= CLOSE * r:
            break
        r = r + step if low < r + step < high else 0.5 * (low + high)
    return _likelihood(r * cos, r * sin, x, hits, trials)


@njit(**INNER)
def _fit(x, hits, trials, start):
    """Where the likelihood is largest, by Newton's method with halved steps; there is one such (a, b)."""
    a, b = start, 0.0
    best = _likelihood(a, b, x, hits, trials)
    for _ in range(NEWTON):
        ga = gb = haa = hab = hbb = 0.0
        for k in range(x.size):
            p = _sigmoid(a - b * x[k])
            off, weight = hits[k] - trials[k] * p, trials[k] * p * (1 - p)
            ga += off
            gb -= off * x[k]
            haa += weight
            hab -= weight * x[k]
            hbb += weight * x[k] * x[k]
        determinant = haa * hbb - hab * hab
        if not determinant > 0:
            break
        da, db = (hbb * ga - hab * gb) / determinant, (haa * gb - hab * ga) / determinant
        part, found = 1.0, _likelihood(a + da, b + db, x, hits, trials)
        while found < best and part > 1e-6:
            part /= 2
            found = _likelihood(a + part * da, b + part * db, x, hits, trials)
        if found < best:
            break
        a, b, best = a + part * da, b + part * db, found
        if abs(part * da) + abs(part * db) <= CLOSE * (abs(a) + abs(b)):
            break
    return a, b


@njit(**INNER)
def _end(inside, outside, least, x, hits, trials):
    """The θ between one inside the interval and one outside of it at which the likelihood is the least that counts."""
    for _ in range(HALVINGS):
        middle = 0.5 * (inside + outside)
        if _along(middle, x, hits, trials) >= least:
            inside = middle
        else:
            outside = middle
    return inside


@njit(**INNER)
def _around(x, hits, trials):
    """The last level at which at least half succeed, and the first one of less, where success falls; infinite for none.

    Exactly half at a level: that level is both.
    """
    last, first = -np.inf, np.inf
    for k in range(x.size):
        same = x == x[k]  # a level may be there twice
        twice, total = 2 * hits[same].sum(), trials[same].sum()
        if twice >= total:
            last = max(last, x[k])
        if twice <= total:
            first = min(first, x[k])
    return last, first


@njit(**INNER)
def _best(x, hits, trials):
    """How the half point is known, the θ of the best one, its steepness, and the log-likelihood there."""
    total, success = trials.sum(), hits.sum()
    if success == total:
        return ALWAYS, 0.0, np.nan, 0.0
    if success == 0:
        return NEVER, math.pi, np.nan, 0.0
    last, first = -np.inf, np.inf  # levels with a success, and with a failure
    for k in range(x.size):
        if hits[k] > 0:
            last = max(last, x[k])
        if hits[k] < trials[k]:
            first = min(first, x[k])
    mean = success / total
    null = success * math.log(mean) + (total - success) * math.log1p(-mean)
    if last <= first:
        theta = math.atan2(1.0, 0.5 * (last + first))
        if last < first:
            return SEPARATED, theta, np.inf, 0.0
        successes, failures = hits[x == first].sum(), (trials - hits)[x == first].sum()  # a level may be there twice
        p = successes / (successes + failures)
        best = successes * math.log(p) + failures * math.log1p(-p)
        above, below = _around(x, hits, trials)
        if below == np.inf:
            return ALWAYS, theta, np.nan, best
        if above == -np.inf:
            return NEVER, theta, np.nan, best
        return SEPARATED, theta, np.inf, best
    if ((hits - trials * mean) * x).sum() >= 0:
        return NO_FALL, 0.0 if mean >= 0.5 else math.pi, np.nan, null
    a, b = _fit(x, hits, trials, math.log(mean / (1 - mean)))
    if not b > 0:
        return NO_FALL, 0.0 if mean >= 0.5 else math.pi, np.nan, null
    kind = FITTED if x.min() <= a / b <= x.max() else EXTRAPOLATED
    return kind, math.atan2(b, a), b, _likelihood(a, b, x, hits, trials)


@njit(**OPTIONS)
def half_points(levels, hits, trials, drop, value, low, high, steepness, known):
    """Find the level at which half of the trials succeed.

    Parameters
    ----------
    levels
        Shape (levels), in any order.
    hits, trials
        Numbers of successes and of trials as floats, shape (curves, levels).
    drop
        Ends of the interval have a log-likelihood so much below the largest; not above 0 for no intervals.
    value, low, high
        Result, (curves): the half point, NaN where there is none, and the ends of its interval, infinite for none.
        Where b is infinite they are the middle of the last level of at least half and the first one of less, and an
        interval that has these two and that of the profile likelihood in it.
    steepness
        Result, (curves): b, infinite where success turns to failure between two levels or at one.
    known
        Result, (curves): how the half point is known.
    """
    for curve in range(hits.shape[0]):
        used = trials[curve] > 0
        value[curve] = steepness[curve] = np.nan
        low[curve], high[curve] = -np.inf, np.inf
        known[curve] = NO_TRIALS
        if not used.any():
            continue
        at, y, n = levels[used], hits[curve][used], trials[curve][used]
        middle = 0.5 * (at.min() + at.max())
        unit = 0.5 * (at.max() - at.min())
        unit = unit if unit > 0 else 1.0
        x = (at - middle) / unit
        kind, theta, steep, best = _best(x, y, n)
        known[curve], steepness[curve] = kind, steep / unit
        if kind in (FITTED, EXTRAPOLATED):
            value[curve] = middle + unit * math.cos(theta) / math.sin(theta)
        # With at least half at every level nothing bounds the half point from above, nor from below with less at each.
        if drop > 0 and kind != ALWAYS and _along(0.0, x, y, n) < best - drop:
            end = _end(theta, 0.0, best - drop, x, y, n)
            high[curve] = middle + unit * math.cos(end) / math.sin(end)
        if drop > 0 and kind != NEVER and _along(math.pi, x, y, n) < best - drop:
            end = _end(theta, math.pi, best - drop, x, y, n)
            low[curve] = middle + unit * math.cos(end) / math.sin(end)
        if kind == SEPARATED:
            above, below = _around(at, y, n)
            value[curve] = 0.5 * (above + below)
            low[curve], high[curve] = min(low[curve], above), max(high[curve], below)
