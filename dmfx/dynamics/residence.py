"""How long something stays in one of a few places, and at what rate it leaves: from labels in order of time.

Stays that the end of the observation cuts off are censored: they lasted at least so long. Leaving at a constant rate
makes their lengths exponential; `survival` shows whether they are.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from scipy.stats import chi2

__all__ = ["LEVEL", "Rate", "Stays", "escape_rate", "escapes", "stays_of", "survival"]

#: Probability that an interval holds the true value, at least.
LEVEL = 0.95


class Stays(NamedTuple):
    """Stays, in the order of the runs and then of time; every array has shape (stay,).

    Attributes
    ----------
    run
        Number of the run.
    label
        Where.
    length
        From its first label to that of the next stay, or to the last label where it was cut off; in labels.
    to
        Label of the next stay, -1 where it was cut off.
    """

    run: np.ndarray
    label: np.ndarray
    length: np.ndarray
    to: np.ndarray

    @property
    def ended(self) -> np.ndarray:
        """Whether the end was seen."""
        return self.to >= 0


class Rate(NamedTuple):
    """A rate and the ends of its 95 % interval."""

    value: np.ndarray
    low: np.ndarray
    high: np.ndarray


def stays_of(labels: np.ndarray) -> Stays:
    """The stays in runs of labels.

    Parameters
    ----------
    labels
        Labels in order of time, shape (run, time); whole numbers from 0, negative where nothing is known. A stay that
        a negative label follows is cut off there.

    Examples
    --------
    >>> stays_of(np.array([[-1, 0, 0, 1, 1, 1]]))
    Stays(run=array([0, 0]), label=array([0, 1]), length=array([2, 2]), to=array([ 1, -1]))
    """
    runs, times = labels.shape
    # A negative label behind each run keeps it apart from the next.
    line = np.full((runs, times + 1), -2, np.int64)
    line[:, :-1] = np.maximum(labels, -1)
    line = line.ravel()
    first = np.flatnonzero(np.diff(line, prepend=-2))
    label, following = line[first], np.append(line[first[1:]], -2)
    duration = np.diff(first, append=line.size)
    there = label >= 0
    to = np.where(following >= 0, following, -1)[there]
    return Stays(first[there] // (times + 1), label[there], duration[there] - (to < 0), to)


def escapes(stays: Stays, n: int) -> np.ndarray:
    """How many stays at each of ``n`` labels ended in each other one, shape (label, to)."""
    ended = stays.ended
    return np.bincount(n * stays.label[ended] + stays.to[ended], minlength=n * n).reshape(n, n)


def escape_rate(ended: np.ndarray, total: np.ndarray) -> Rate:
    """The rate at which stays end, if it is constant, and its 95 % interval.

    The rate of greatest likelihood is the number of stays that ended over the time of all stays, those cut off
    included. The interval holds the true rate with a probability of at least 95 %: that of a count with the law of
    Poisson, the ends of which are quantiles of χ² [1]_. If none ended, its lower end is 0 and its upper end 3.69 over
    the time.

    Parameters
    ----------
    ended
        Number of stays that ended.
    total
        Time of all stays together; without any the rate is NaN.

    References
    ----------
    .. [1] Garwood, Biometrika 28, 437 (1936).
    .. [2] Lawless, Statistical Models and Methods for Lifetime Data, 2nd ed., Wiley (2003), section 4.1.

    Examples
    --------
    >>> rate = escape_rate(np.array([0, 4]), np.array([100.0, 100.0]))
    >>> rate.value, rate.low.round(4), rate.high.round(4)
    (array([0.  , 0.04]), array([0.    , 0.0109]), array([0.0369, 0.1024]))
    """
    ended, total = np.asarray(ended), np.where(np.asarray(total) > 0, total, np.nan)
    tail = (1 - LEVEL) / 2
    low = np.where(ended > 0, chi2.ppf(tail, 2 * np.maximum(ended, 1)), 0.0)
    high = chi2.ppf(1 - tail, 2 * ended + 2)
    return Rate(ended / total, low / (2 * total), high / (2 * total))


def survival(length: np.ndarray, ended: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Part of the stays that last longer than a time, as far as stays that were cut off let one say.

    The estimate of Kaplan and Meier [1]_: at each length at which stays ended, the part of those stays that had lasted
    so long and went on; the product of these parts.

    Parameters
    ----------
    length, ended
        Lengths of stays, and whether each ended or was cut off, shape (stay,).

    Returns
    -------
    tuple of np.ndarray
        The times at which the part changes, 0 first, and the part from each on; the last time, to which the last part
        reaches, is the longest stay.

    References
    ----------
    .. [1] Kaplan & Meier, J. Am. Stat. Assoc. 53, 457 (1958).

    Examples
    --------
    >>> survival(np.array([1.0, 2.0, 3.0]), np.array([True, False, True]))
    (array([0., 1., 3.]), array([1.        , 0.66666667, 0.        ]))
    """
    length, ended = np.asarray(length, float), np.asarray(ended, bool)
    times, counts = np.unique(length[ended], return_counts=True)
    lasted = length.size - np.searchsorted(np.sort(length), times, side="left")
    part = np.cumprod(1 - counts / lasted)
    times, part = np.r_[0.0, times], np.r_[1.0, part]
    longest = length.max(initial=0.0)
    return (np.append(times, longest), np.append(part, part[-1])) if longest > times[-1] else (times, part)
