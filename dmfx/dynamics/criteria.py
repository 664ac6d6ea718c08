"""What single criteria say of one run: growth of small differences, power spectrum, changes along the run.

Array level, one point at a time: reductions over arrays of one shape, so that a result has the same bits in any block.
The numbers below were set on 1,400 runs of 20,000 steps of the published network over β and γ, and then tried on 1,476
runs of others (other weights, L, ε): continued for 300,000 steps, five of them came out another kind, three chaotic
transients that ended and two that had been called transient.
"""

from __future__ import annotations

import math
from functools import lru_cache
from typing import NamedTuple

import numpy as np

from dmfx.variables import KINDS

__all__ = [
    "CHAOTIC",
    "DIVERGED",
    "FIXED",
    "NONE",
    "PERIODIC",
    "QUASI_PERIODIC",
    "TRANSIENT",
    "Growth",
    "growth",
    "last_change",
    "longest_period",
    "moved",
    "spectrum",
]

FIXED, PERIODIC, QUASI_PERIODIC, CHAOTIC, TRANSIENT, DIVERGED, NONE = range(len(KINDS))

#: An exponent is zero if it is no larger than the difference of the smooth averages over both halves of the run, times
#: DIFFERENCES, plus LEAST_GROWTH / steps. If they differ by more than MOST_GROWTH / steps, they are not of a torus.
#: Measured at 20,000 steps: differences of 1e-15 to 2e-4 on tori, 1e-4 to 0.1 in chaos.
DIFFERENCES = 3.0
LEAST_GROWTH = 0.1
MOST_GROWTH = 4.0
#: Else a mean exponent has a sign if it is farther from zero than so many standard errors.
SIGNIFICANT = 2.0

#: Something else goes on behind a window if the difference of the means is so many times its standard error; or if all
#: values before differ from all values behind, FEW or more on either side: by chance in 1 of 38,760 cases. Both count
#: independent values: what is left of windows that follow each other in chaos with long episodes. Measured there, at
#: beta = 1.266: of 5,970 runs of 20,000 steps 4 were cut past their middle; 15 if all windows were taken for
#: independent and FEW was 5. Of true transients as many were found, but for 1 of 35.
RATIO = 8.0
FEW = 6
#: The largest correlation of successive windows that is believed, of few of them.
MOST_CORRELATED = 0.9

#: What varies by less than so many tolerances is steady: what is left of a transient, say.
STEADY = 1000
#: Of a Kaiser window: side lobes at most 1e-13 of a line, and falling off; lines 11 bins wide.
SHARPNESS = 17.0
#: Bins next to frequency zero that are left out, at least half a line.
ZERO = 8
#: Strobes that a spectrum takes, in multiples of STEP, so that few windows have to be made.
MOST_STROBES, STEP = 8192, 256
#: The longest period that is looked for, as a part of the strobes.
PART = 8
#: Part of the spectrum below its floor, and the log10 of the floor above which there is more than lines. Measured: at
#: most -15 on tori, at least -12.3 in chaos. Medians do not tell so well, -12.2 and -11.2: the lines of a torus that is
#: about to break are dense.
QUANTILE = 0.1
LINES = -13.4
#: An autocorrelation that differs from 1 by less than this means a period; it is 1e-15 where there is one.
REPEATS = 1e-12


class Growth(NamedTuple):
    """What the exponents say.

    Attributes
    ----------
    verdict
        PERIODIC where the largest is negative, QUASI_PERIODIC where it is zero, CHAOTIC, or NONE.
    zeros
        Number of exponents that are zero.
    smooth, smooth_error
        Smooth averages and how far they are from converged, shape (exponent,); NaN where the run settled too late.
    mean, mean_error
        Means over the windows and their standard errors, shape (exponent,).
    """

    verdict: int
    zeros: int
    smooth: np.ndarray
    smooth_error: np.ndarray
    mean: np.ndarray
    mean_error: np.ndarray


def growth(finite_time: np.ndarray, lengths: np.ndarray, smooth: np.ndarray, first: int) -> Growth:
    """What the exponents of the windows from ``first`` on say.

    Sums of the first exponents are compared: they converge also where single ones do not, since vectors that turn
    slowly into their directions exchange growth with each other.

    Parameters
    ----------
    finite_time
        Exponents, nats per step, shape (window, exponent).
    lengths
        Steps of each window.
    smooth
        Smooth averages over the first and the second half of the run, shape (2, exponent).
    first
        First window after the run settled; the number of windows if none is.
    """
    n = finite_time.shape[1]
    steps, windows = int(lengths.sum()), len(lengths)
    nothing = np.full(n, np.nan)
    mean, error = _mean(finite_time[first:], lengths[first:])
    begins = int(lengths[:first].sum())
    later, unsure = nothing, nothing
    zeros, sign = 0, 0
    if 2 * begins <= steps:
        ends = np.cumsum(lengths)
        half = int(np.searchsorted(ends, steps / 2))  # the first window that ends in the second half
        later = smooth[1]
        # Plain means converge more slowly, but also where something else went on in the first half.
        before = smooth[0] if begins == 0 else _mean(finite_time[half:], lengths[half:])[0]
        apart = np.abs(np.cumsum(before) - np.cumsum(later))
        unsure = np.abs(before - later)
        allowed = DIFFERENCES * apart + LEAST_GROWTH / steps
        zero = (np.abs(np.cumsum(later)) <= allowed) & (apart <= MOST_GROWTH / steps)
        zeros = n if zero.all() else int(np.argmin(zero))
        if zeros == 0 and apart[0] <= MOST_GROWTH / steps:
            sign = int(np.sign(later[0]))
    if zeros == 0 and sign == 0 and windows - first >= 2 and abs(mean[0]) > SIGNIFICANT * error[0]:
        sign = int(np.sign(mean[0]))
    verdict = QUASI_PERIODIC if zeros else {-1: PERIODIC, 0: NONE, 1: CHAOTIC}[sign]
    return Growth(verdict, zeros, later, unsure, mean, error)


def _mean(values: np.ndarray, lengths: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Mean of windows (window, exponent) and its standard error, NaN where there are too few."""
    count, n = values.shape
    if count == 0:
        return np.full(n, np.nan), np.full(n, np.nan)
    mean = (values * lengths[:, None]).sum(axis=0) / lengths.sum()
    if count == 1:
        return mean, np.full(n, np.nan)
    return mean, np.sqrt(((values - mean) ** 2).sum(axis=0) / (count * (count - 1)))


def last_change(values: np.ndarray, least: np.ndarray | float) -> int:
    """The last window before which something else was going on, or 0.

    Windows are split in two where the means differ most in units of their spread, then what is behind, and so on,
    until that is less than half of them.

    Parameters
    ----------
    values
        Shape (window, quantity).
    least
        A smaller difference does not count; by quantity.
    """
    first = 0
    while 2 * first <= len(values):
        rest = values[first:]
        at = _largest_change(rest, np.broadcast_to(least, rest.shape[1:]))
        if at == 0:
            break
        first += at
    return first


def _largest_change(values: np.ndarray, least: np.ndarray) -> int:
    count = len(values)
    if count < 4:
        return 0
    best, at = 0.0, 0
    sums, squares = np.cumsum(values, axis=0), np.cumsum(values**2, axis=0)
    before = np.arange(1, count)[:, None]
    after = count - before
    low, high = sums[:-1] / before, (sums[-1] - sums[:-1]) / after
    within = (squares[:-1] - before * low**2) + (squares[-1] - squares[:-1] - after * high**2)
    error = np.sqrt(np.maximum(within, 0) / (count - 2) * (1 / before + 1 / after))
    per_value = _windows_per_value(values, low, high)
    error = error * np.sqrt(per_value)
    difference = np.abs(high - low)
    smallest = np.minimum.accumulate(values[::-1])[::-1][1:], np.minimum.accumulate(values)[:-1]
    largest = np.maximum.accumulate(values[::-1])[::-1][1:], np.maximum.accumulate(values)[:-1]
    gap = np.maximum(smallest[0] - largest[1], smallest[1] - largest[0])
    enough = np.minimum(before, after) >= FEW * per_value
    changed = (difference > least) & ((difference > RATIO * error) | (enough & (gap > least)))
    for split, quantity in zip(*np.nonzero(changed), strict=True):
        size = difference[split, quantity] / max(error[split, quantity], np.finfo(float).tiny)
        if size > best:
            best, at = size, int(split) + 1
    return at


def _windows_per_value(values: np.ndarray, low: np.ndarray, high: np.ndarray) -> np.ndarray:
    """Windows that say as much as one independent value, for every split and quantity.

    From the correlation r of successive windows, around the means before and behind the split: (1 + r) / (1 - r).
    """
    count = len(values)
    split, window = np.arange(1, count)[:, None, None], np.arange(count)[None, :, None]
    rest = values - np.where(window < split, low[:, None], high[:, None])
    joined = (rest[:, 1:] * rest[:, :-1] * (window[:, 1:] != split)).sum(axis=1)
    square = (rest**2).sum(axis=1)
    correlation = np.clip(joined / np.maximum(square, np.finfo(float).tiny), 0.0, MOST_CORRELATED)
    return (1 + correlation) / (1 - correlation)


def moved(series: np.ndarray) -> float:
    """How far the box of states (pattern, strobe) moved from the first to the last quarter, in units of its size."""
    quarter = max(series.shape[1] // 4, 1)
    first, last = series[:, :quarter], series[:, -quarter:]
    low, high = last.min(axis=1), last.max(axis=1)
    size = max(float((high - low).max()), np.finfo(float).tiny)
    return float(np.maximum(np.abs(first.min(axis=1) - low), np.abs(first.max(axis=1) - high)).max()) / size


def spectrum(series: np.ndarray, tolerance: float) -> tuple[int, float]:
    """What the power spectrum says, and the log10 of its floor over its sum.

    Summed over the components of the state. A torus and a periodic orbit have lines only, and between them the side
    lobes of the window; chaos has power everywhere. The lines of a periodic orbit of k strobes are at multiples of 1/k:
    the autocorrelation, which the spectrum gives, is 1 at lag k.

    Parameters
    ----------
    series
        States at equal phase of the drive, shape (pattern, strobe); the last ones are taken.
    tolerance
        Tolerance of the recurrence; what stays within `STEADY` times as much is steady.

    Returns
    -------
    int, float
        FIXED, PERIODIC, QUASI_PERIODIC, CHAOTIC, or NONE where there are too few strobes; NaN where nothing varies.
    """
    count = _used(series.shape[1])
    if count == 0:
        return NONE, math.nan
    series = series[:, -count:]
    if (series.max(axis=1) - series.min(axis=1)).max() < STEADY * tolerance:
        return FIXED, math.nan
    weights, own = _window(count)
    from scipy import fft

    lags = len(own)
    size = fft.next_fast_len(count + lags, real=True)
    mean = (series * weights).sum(axis=1) / weights.sum()
    power = (np.abs(fft.rfft((series - mean[:, None]) * weights, size, axis=1)) ** 2).sum(axis=0)
    correlation = fft.irfft(power, size)[:lags]
    lines = power[ZERO:]
    floor = np.partition(lines, int(QUANTILE * len(lines)))[int(QUANTILE * len(lines))]
    floor = math.log10(max(floor / power.sum(), 1e-40))
    repeats = np.abs(1 - correlation[1:] / (correlation[0] * own[1:])) < REPEATS
    if repeats.any():
        return (FIXED if repeats[0] else PERIODIC), floor
    return (QUASI_PERIODIC if floor < LINES else CHAOTIC), floor


def longest_period(count: int) -> int:
    """Strobes of a period that the spectrum of ``count`` strobes does not tell, nor any longer one."""
    return _used(count) // PART


def _used(count: int) -> int:
    return min(count, MOST_STROBES) // STEP * STEP


@lru_cache(maxsize=64)
def _window(count: int) -> tuple[np.ndarray, np.ndarray]:
    """A window, and its autocorrelation relative to lag 0, up to a part of its length."""
    from scipy import fft

    weights = np.kaiser(count + 1, SHARPNESS)[:-1]
    lags = longest_period(count)
    size = fft.next_fast_len(count + lags, real=True)
    own = fft.irfft(np.abs(fft.rfft(weights, size)) ** 2, size)[:lags]
    return weights, own / own[0]
