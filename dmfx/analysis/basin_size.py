"""How much corruption a memory survives: the noise at which half of the trials recall it."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import xarray as xr

from dmfx.analysis._labelled import assemble
from dmfx.analysis._overlaps import check_no_dims
from dmfx.analysis._threshold import check_threshold, warn_if_alike
from dmfx.analysis._trials import Groups, check_pool, pick_trials, sum_groups, trial_values, where_stored
from dmfx.analysis._whole import call_blocks, whole
from dmfx.analysis.basins import wilson
from dmfx.dynamics.half_point import half_points
from dmfx.validation import Problems
from dmfx.variables import HALF_POINTS

__all__ = ["basin_size", "fractions"]

#: Fewer patterns than this do not tell how much patterns differ.
FEWEST = 3
NAMES = "basin_size", "basin_size_low", "basin_size_high", "basin_steepness", "basin_known"


class _Shared(NamedTuple):
    threshold: float
    levels: np.ndarray
    groups: Groups
    axes: int


def basin_size(
    ds: xr.Dataset,
    threshold: float | None = None,
    *,
    dim: str = "noise",
    variable: str | None = None,
    when: str | int = "end",
    pool: str | Sequence[str] = ("replica",),
) -> xr.Dataset:
    """Find the corruption at which half of the trials still recall a pattern: the size of its basin of attraction.

    A trial is a run from a corrupted version of a pattern. It succeeds if its overlap with that pattern is at least the
    threshold. With σ the noise and s the basin size, the fraction of successes falls as::

        P(success) = 1 / (1 + exp(b (σ - s)))      b ≥ 0 the steepness

    fitted by greatest likelihood to each pattern, and to all of them together.

    Parameters
    ----------
    ds
        Runs over several levels of corruption: a variable (..., dim, [replica], initial, step, pattern) of overlaps,
        and the coordinate ``target`` along ``initial``, the label of the pattern that a start is a version of (-1 for
        none); or ``target_overlap`` (..., dim, [replica], initial, step), where without ``target`` each start has a
        pattern of its own.
    threshold
        An overlap of at least this counts as recall. None stands for 0.8, with a warning if the stored ``patterns`` of
        ds are more alike than that.
    dim
        Which dim has the levels of corruption, numbers in any order: ``"noise"``, or ``"fraction"`` of hidden tokens.
    variable
        Which variable; by default ``target_overlap``, else as for `dmfx.recall`.
    when
        Which overlap counts: that at the ``"end"``, at its ``"peak"``, or at a step, by its label.
    pool
        Dims whose points are further trials.

    Returns
    -------
    xr.Dataset
        Lazy if and only if the input is. With ``...`` for the rest of the sweep, ``pattern`` with the labels of the
        targets, and the names of what is pooled over the patterns in parentheses:

        - ``recall_fraction`` (..., dim, pattern), ``recall_fraction_low``, ``recall_fraction_high``, its 95 % interval
          [1]_, and ``recall_trials`` (and ``pooled_fraction``, ``..._low``, ``..._high``, ``pooled_trials``);
        - ``basin_size`` (..., pattern), ``basin_size_low``, ``basin_size_high``, its 95 % interval, and
          ``basin_steepness`` (``pooled_basin_size`` (...), ...);
        - ``basin_known`` (..., pattern) (``pooled_basin_known``): fitted; extrapolated, beyond the levels that there
          are; separated: all trials below some level succeed and all above fail, at that level itself a part of them or
          none, so that the fit is infinitely steep: the size is in the middle of the last level with at least half of
          successes and the first one with less, and any other between the two is as good; the interval has both in it
          (a level with exactly half is the size); always or never: all trials or none succeed, or the fit is infinitely
          steep and at all levels at least half succeed, or less: the size is NaN, and the end of the interval that is
          finite is a bound; no_fall: success does not become rarer with the noise, and the size is NaN; no_trials;
        - ``pooled_basin_size_error`` (...): the standard error of the pooled size that is due to having just these
          patterns, from the jackknife over patterns; NaN for fewer than three, where one cannot be left out, and where
          the pooled size is separated, as steps between levels are no measure of it;
        - ``status``.

    Raises
    ------
    TypeError, ValueError
        For wrong arguments, all of them named in one message.

    Notes
    -----
    Runs with an overlap that is not finite are no trials, and of networks with several numbers of ``stored`` patterns
    those from patterns that a network does not store, as for `dmfx.capacity`. The interval is that of the profile
    likelihood, see `dmfx.dynamics.half_point.half_points`: it may have an infinite end where trials are few. It takes
    trials for independent, as starts with noise of their own are. The pooled interval holds for these patterns: trials
    of patterns that differ vary less than it says. How far other patterns of the same kind would be off,
    ``pooled_basin_size_error`` tells.

    The pooled curve is that of a mixture, flatter than the curves of the patterns, and its half point is not their
    mean.

    Success at the end depends on when the end is: a transient memory is lost later. Where step 0 is the start itself,
    the ``"peak"`` of a start above the threshold is no recall: leave it out, ``ds.isel(step=slice(1, None))``.

    References
    ----------
    .. [1] Wilson, J. Am. Stat. Assoc. 22, 209 (1927).

    Examples
    --------
    >>> noise = np.array([0.1, 0.2, 0.3, 0.4, 0.5])
    >>> overlaps = 1 - noise[:, None, None] * np.random.default_rng(0).uniform(0, 1.4, (5, 40, 1))
    >>> ds = xr.Dataset({"target_overlap": (("noise", "replica", "step"), overlaps)}, {"noise": noise})
    >>> found = dmfx.basin_size(ds).squeeze()
    >>> found.recall_fraction.values.round(2), round(found.basin_size.item(), 2)
    (array([1.  , 0.75, 0.3 , 0.35, 0.2 ]), 0.31)
    """
    problems = Problems("basin_size")
    given, threshold = threshold, check_threshold(problems, threshold)
    dim = _dim(problems, dim)
    trials = pick_trials(problems, ds, variable, dim)
    array = None if trials is None else trials.array
    pooled = check_pool(problems, array, pool, dim)
    levels = _levels(problems, array, dim)
    if array is not None:
        own = ("step", "pattern", "initial", dim, *pooled)
        check_no_dims(problems, tuple(each for each in array.dims if each not in own), ("pattern",))
    values = trial_values(problems, trials, when)
    problems.raise_any()
    warn_if_alike(given, ds.get("patterns"))
    values = where_stored(values, ds, trials)

    inner = (dim, *pooled, "initial")
    shared = _Shared(threshold, levels, trials.groups, len(inner))
    values = whole(values, *inner).transpose(..., *inner)
    found = call_blocks(_block, shared, values, inner=inner, results=_results(dim, levels.size, trials.groups))
    attrs = {"variable": str(array.name), "threshold": threshold, "when": when, "along": dim}
    return assemble(ds, _labelled(found, {dim: array[dim], "pattern": trials.groups.labels}, attrs))


def _dim(problems: Problems, dim: object) -> str:
    if not isinstance(dim, str) or dim in ("step", "pattern", "initial"):
        problems.add(
            "dim", "the name of the dim with the levels, such as 'noise'", dim, is_type=not isinstance(dim, str)
        )
        return "noise"
    return dim


def _levels(problems: Problems, array: xr.DataArray | None, dim: str) -> np.ndarray:
    if array is None:
        return np.zeros(1)
    if dim not in array.coords or array[dim].dtype.kind not in "iuf" or not np.isfinite(array[dim].values).all():
        problems.say(f"ds must have finite numbers for coordinate of {dim}")
        return np.zeros(1)
    if array.sizes[dim] == 0:
        problems.say(f"ds must have at least one level along {dim}")
    return array[dim].values.astype(float)


def _results(dim: str, levels: int, groups: Groups) -> dict:
    """Dims, sizes and types of what a block returns, in its order."""
    patterns = groups.labels.size
    results = {}
    for prefix, own, sizes in (("recall", ("pattern",), (patterns,)), ("pooled", (), ())):
        floats = f"{prefix}_fraction", f"{prefix}_fraction_low", f"{prefix}_fraction_high"
        results |= dict.fromkeys(floats, ((dim, *own), (levels, *sizes), np.float64))
        results[f"{prefix}_trials"] = (dim, *own), (levels, *sizes), np.int64
        first = "" if own else "pooled_"
        results |= {first + name: (own, sizes, np.float64) for name in NAMES}
        results[f"{first}basin_known"] = own, sizes, np.int8
    results["pooled_basin_size_error"] = (), (), np.float64
    return results


def _labelled(found: dict, coords: dict, attrs: dict) -> dict:
    for name, result in found.items():
        result = result.assign_coords(
            {
                dim: coord if isinstance(coord, xr.DataArray) else (dim, coord)
                for dim, coord in coords.items()
                if dim in result.dims
            }
        )
        result.attrs = attrs
        found[name] = result
    return found


def fractions(hits: np.ndarray, trials: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Fractions of successes and their 95 % intervals, NaN without trials."""
    known = trials > 0
    count = np.where(known, trials, 1)
    low, high = wilson(hits, count)
    return tuple(np.where(known, each, np.nan) for each in (hits / count, low, high))


def _block(shared: _Shared, values: np.ndarray) -> tuple[np.ndarray, ...]:
    """Fractions and basin sizes of a block (..., dim, pool..., initial) of overlaps."""
    levels, groups = shared.levels, shared.groups
    sweep = values.shape[: values.ndim - shared.axes]
    flat = values.reshape(math.prod(sweep), levels.size, math.prod(values.shape[len(sweep) + 1 : -1]), values.shape[-1])
    known = np.isfinite(flat)
    trials = sum_groups(known.sum(axis=2), groups)
    hits = sum_groups((flat >= shared.threshold).sum(axis=2), groups)
    each = half_points(levels, *_curves(hits, trials))
    all_hits, all_trials = hits.sum(axis=2), trials.sum(axis=2)
    together = half_points(levels, all_hits, all_trials)
    separated = together.known == HALF_POINTS.index("separated")
    error = np.where(separated, np.nan, _jackknife(levels, hits, trials))
    patterns = groups.labels.size
    results = [*fractions(hits, trials), trials]
    results += [part.reshape(len(flat), patterns) for part in each]
    results += [*fractions(all_hits, all_trials), all_trials, *together, error]
    return tuple(part.reshape((*sweep, *part.shape[1:])) for part in results)


def _curves(hits: np.ndarray, trials: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Counts (point, level, pattern) as one curve for each point and pattern."""
    return tuple(np.moveaxis(each, 1, 2).reshape(-1, each.shape[1]) for each in (hits, trials))


def _jackknife(levels: np.ndarray, hits: np.ndarray, trials: np.ndarray) -> np.ndarray:
    """Standard error of the pooled half point, from leaving each pattern out in turn, that there are trials of."""
    has = trials.any(axis=1)
    rest = half_points(
        levels, *_curves(*(each.sum(axis=2, keepdims=True) - each for each in (hits, trials))), intervals=False
    )
    errors = [_spread(row[there]) for row, there in zip(rest.value.reshape(has.shape), has, strict=True)]
    return np.array(errors, float)


def _spread(values: np.ndarray) -> float:
    """Standard error of a statistic from its values without each pattern."""
    count = values.size
    return math.sqrt((count - 1) / count * ((values - values.mean()) ** 2).sum()) if count >= FEWEST else math.nan
