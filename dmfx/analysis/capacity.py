"""How many patterns a network holds: recall against the number of stored patterns."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import xarray as xr

from dmfx.analysis._labelled import assemble, positive
from dmfx.analysis._threshold import check_threshold, warn_if_alike
from dmfx.analysis._trials import STORED, Groups, check_pool, pick_trials, sum_groups, trial_values, where_stored
from dmfx.analysis._whole import call_blocks, whole
from dmfx.analysis.basins import wilson
from dmfx.validation import Problems

__all__ = ["capacity"]

#: How the capacity is known, by the places in `dmfx.variables.CAPACITY_KINDS`.
CROSSED, CROSSED_AGAIN, ALWAYS, NEVER, NO_TRIALS = range(5)
FRACTIONS = "recall_fraction", "recall_fraction_low", "recall_fraction_high"
ENDS = "capacity", "capacity_low", "capacity_high"
HALF = 0.5


class _Shared(NamedTuple):
    threshold: float
    stored: np.ndarray
    groups: Groups
    axes: int


def capacity(
    ds: xr.Dataset,
    threshold: float | None = None,
    *,
    dim: str = STORED,
    variable: str | None = None,
    when: str | int = "end",
    pool: str | Sequence[str] = ("replica",),
    size: float | None = None,
) -> xr.Dataset:
    """Find the number of stored patterns at which half of them are still recalled.

    A pattern counts by the fraction of its trials, runs from versions of it, whose overlap with it is at least the
    threshold; ``recall_fraction`` is the mean over the patterns.

    Parameters
    ----------
    ds
        Runs of networks with several numbers of stored patterns: as for `dmfx.basin_size`, with the dim ``stored`` in
        place of ``noise``. Overlaps with what a network has not stored may be there: a start counts in networks that
        store its pattern.
    threshold
        An overlap of at least this counts as recall. None stands for 0.8, with a warning if the stored ``patterns`` of
        ds are more alike than that.
    dim
        Which dim has the numbers of stored patterns. Its networks store the first ones along ``pattern``, so that a
        start counts where the place of its target, or without that dim the number ``target``, is less than that number.
        Overlaps of other starts that are not to count must be NaN.
    variable, when, pool
        As for `dmfx.basin_size`.
    size
        Number of tokens or spins N that loads are relative to; by default that of the dim ``token``, or the one value
        of ``size``, if ds has one of them.

    Returns
    -------
    xr.Dataset
        Lazy if and only if the input is. With ``...`` for the rest of the sweep:

        - ``recall_fraction`` (..., stored), ``recall_fraction_low``, ``recall_fraction_high``, its 95 % interval, and
          ``recall_trials``, the number of patterns that had a trial;
        - ``capacity`` (...): where the fraction falls through one half for the first time, on straight lines between
          the numbers there are; ``capacity_low``, ``capacity_high``: where the ends of the interval do, the upper one
          for the last time; 0 if the lower end is below one half at the least number, infinite if the upper one is not
          at the largest;
        - ``capacity_known`` (...): crossed; crossed_again, if the fraction also rises through one half; always or
          never, the fraction is at least, or below, one half at all numbers, and the capacity NaN; no_trials;
        - ``capacity_load``, ``capacity_load_low``, ``capacity_load_high``: the same over N, where it is known;
        - ``status``.

    Raises
    ------
    TypeError, ValueError
        For wrong arguments, all of them named in one message.

    Notes
    -----
    The interval is Wilson's [1]_ for as many trials as there are patterns, however many trials each of them has: too
    wide if success varies little between patterns, never too narrow because trials of one pattern are alike. It does
    not know that the patterns of one network share its couplings: compare seeds.

    There need not be a sharp capacity: look at how steeply the fraction falls in networks of several sizes N.

    References
    ----------
    .. [1] Wilson, J. Am. Stat. Assoc. 22, 209 (1927).

    Examples
    --------
    >>> stored = np.array([5, 10, 20])
    >>> overlaps = np.where(np.arange(20) < np.array([[5], [9], [4]]), 0.9, 0.3)
    >>> overlaps = np.where(np.arange(20) < stored[:, None], overlaps, np.nan)
    >>> ds = xr.Dataset({"target_overlap": (("stored", "initial", "step"), overlaps[..., None])}, {"stored": stored})
    >>> found = dmfx.capacity(ds, size=49)
    >>> found.recall_fraction.values, round(found.capacity.item(), 2), round(found.capacity_load.item(), 2)
    (array([1. , 0.9, 0.2]), 15.71, 0.32)
    """
    problems = Problems("capacity")
    given, threshold = threshold, check_threshold(problems, threshold)
    if not isinstance(dim, str) or dim in ("step", "pattern", "initial"):
        expected = "the name of the dim with the numbers of stored patterns"
        problems.add("dim", expected, dim, is_type=not isinstance(dim, str))
        dim = STORED
    trials = pick_trials(problems, ds, variable, dim)
    array = None if trials is None else trials.array
    pooled = check_pool(problems, array, pool, dim)
    stored = _stored(problems, array, dim)
    spins = _size(problems, ds, size)
    values = trial_values(problems, trials, when)
    problems.raise_any()
    warn_if_alike(given, ds.get("patterns"))

    values = where_stored(values, ds, trials, dim)
    order = np.argsort(stored, kind="stable")
    inner = (dim, *pooled, "initial")
    shared = _Shared(threshold, stored[order], trials.groups, len(inner))
    values = whole(values.isel({dim: order}), *inner).transpose(..., *inner)
    levels = ((dim,), (stored.size,))
    results = dict.fromkeys(FRACTIONS, (*levels, np.float64)) | {"recall_trials": (*levels, np.int64)}
    results |= dict.fromkeys(ENDS, ((), (), np.float64)) | {"capacity_known": ((), (), np.int8)}
    found = call_blocks(_block, shared, values, inner=inner, results=results)
    attrs = {"variable": str(array.name), "threshold": threshold, "when": when, "along": dim}
    for name, result in found.items():
        found[name] = result.assign_coords({dim: array[dim].isel({dim: order})} if dim in result.dims else {})
    if spins is not None:
        found |= {name.replace("capacity", "capacity_load"): found[name] / spins for name in ENDS}
    for name, result in found.items():
        result.attrs = attrs | ({"size": spins} if name.startswith("capacity_load") else {})
    return assemble(ds, found)


def _stored(problems: Problems, array: xr.DataArray | None, dim: str) -> np.ndarray:
    if array is None:
        return np.ones(1)
    values = array[dim].values if dim in array.coords else np.empty(0)
    if values.dtype.kind not in "iuf" or values.size == 0 or not (np.isfinite(values) & (values > 0)).all():
        problems.say(f"ds must have numbers above 0 for coordinate of {dim}")
        return np.ones(1)
    return values.astype(float)


def _size(problems: Problems, ds: object, size: object) -> float | None:
    """Number of tokens or spins, None if it is not known."""
    if size is not None:
        return positive(problems, "size", size)
    if not isinstance(ds, xr.Dataset):
        return None
    if ds.sizes.get("token", 0) > 0:
        return float(ds.sizes["token"])
    if "size" in ds.coords and ds["size"].size == 1 and ds["size"].dtype.kind in "iuf":
        value = float(ds["size"].item())
        return value if 0 < value < np.inf else None
    return None


def _block(shared: _Shared, values: np.ndarray) -> tuple[np.ndarray, ...]:
    """Fractions and capacities of a block (..., stored, pool..., initial) of overlaps."""
    sweep, stored = values.shape[: values.ndim - shared.axes], shared.stored
    tail = math.prod(values.shape[len(sweep) + 1 : -1]), values.shape[-1]
    flat = values.reshape(math.prod(sweep), stored.size, *tail)
    trials = sum_groups(np.isfinite(flat).sum(axis=2), shared.groups)
    hits = sum_groups((flat >= shared.threshold).sum(axis=2), shared.groups)
    known = trials > 0
    count = known.sum(axis=2)
    # One trial for each pattern, of which a part may succeed.
    success = np.ascontiguousarray(np.where(known, hits / np.maximum(trials, 1), 0.0)).sum(axis=2)
    any_trial = count > 0
    low, high = wilson(success, np.maximum(count, 1))
    fraction, low, high = (np.where(any_trial, each, np.nan) for each in (success / np.maximum(count, 1), low, high))
    ends = np.array([_capacity(stored, *curves) for curves in zip(fraction, low, high, strict=True)], float).reshape(
        len(flat), 4
    )
    results = fraction, low, high, count, ends[:, 0], ends[:, 1], ends[:, 2], ends[:, 3].astype(np.int8)
    return tuple(each.reshape((*sweep, *each.shape[1:])) for each in results)


def _capacity(
    stored: np.ndarray, fraction: np.ndarray, low: np.ndarray, high: np.ndarray
) -> tuple[float, float, float, int]:
    """Where one curve and the ends of its interval fall through one half, and how that is known."""
    there = np.isfinite(fraction)
    if not there.any():
        return np.nan, 0.0, np.inf, NO_TRIALS
    stored, fraction, low, high = (each[there] for each in (stored, fraction, low, high))
    falls, first, last = _falls(stored, fraction), _falls(stored, low), _falls(stored, high)
    lower = 0.0 if low[0] < HALF else (first[0] if first else stored[-1])
    upper = np.inf if high[-1] >= HALF else (last[-1] if last else stored[0])
    if not falls:
        known = (
            (NEVER if fraction[0] < HALF else ALWAYS)
            if (fraction[0] < HALF) == (fraction[-1] < HALF)
            else CROSSED_AGAIN
        )
        return np.nan, lower, upper, known
    again = len(falls) > 1 or fraction[-1] >= HALF or fraction[0] < HALF
    return falls[0], lower, upper, CROSSED_AGAIN if again else CROSSED


def _falls(stored: np.ndarray, curve: np.ndarray) -> list[float]:
    """Where a curve falls through one half, on straight lines."""
    down = np.flatnonzero((curve[:-1] >= HALF) & (curve[1:] < HALF))
    part = (curve[down] - HALF) / (curve[down] - curve[down + 1])
    return (stored[down] + part * (stored[down + 1] - stored[down])).tolist()
