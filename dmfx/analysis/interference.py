"""How patterns disturb each other: recall of a pattern against its overlap with the others."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import xarray as xr

from dmfx.analysis._overlaps import check_no_dims, pick_overlaps, step_times
from dmfx.analysis._similarity import Similarities, pick_similarities
from dmfx.analysis._threshold import check_threshold, warn_if_alike
from dmfx.analysis._trials import Groups, Trials, check_pool, pick_trials, sum_groups, where_stored
from dmfx.analysis._whole import assemble_lazily, call_blocks, whole
from dmfx.analysis.recall import recall
from dmfx.dynamics.association import pearson, spearman
from dmfx.validation import Problems

__all__ = ["interference"]

#: What is measured of the recall of a pattern, by its variable in what `dmfx.recall` returns for a run.
MEASURES = {"final": "target_final", "peak": "target_peak", "lifetime": "target_lifetime"}
#: The same for each pattern in every run, where runs belong to none.
OF_ALL = {"final": "final_overlap", "peak": "peak", "lifetime": "lifetime"}
#: And the fraction of trials whose final overlap is at the threshold.
FRACTION = "fraction"
COEFFICIENTS = tuple(f"{name}{end}" for name in ("pearson", "spearman") for end in ("", "_low", "_high"))


class _Shared(NamedTuple):
    threshold: float
    bins: int
    groups: Groups | None
    axes: int
    similarity: np.ndarray


def interference(
    ds: xr.Dataset,
    threshold: float | None = None,
    *,
    correlation: np.ndarray | xr.DataArray | None = None,
    variable: str | None = None,
    pool: str | Sequence[str] = ("replica",),
    bins: int = 10,
    window: int | None = None,
) -> xr.Dataset:
    """Compare how well each pattern is recalled with how much it overlaps with the other stored patterns.

    Two configurations overlap by C_μν = (1/N) Σ_i ξ_i^μ·ξ_i^ν, and a pattern with the others by its largest C_μν and by
    their mean, over ν ≠ μ.

    Parameters
    ----------
    ds
        Runs from versions of the patterns, as for `dmfx.basin_size`: overlaps (..., [replica], initial, step, pattern)
        and the coordinate ``target``, or ``target_overlap``. Without either, as for systems A and B, each pattern is
        measured in the runs from all starts.
    threshold
        An overlap of at least this counts as recall. None stands for 0.8, with a warning if the stored ``patterns`` of
        ds are more alike than that.
    correlation
        How much each pattern is like the others: C (pattern, pattern), or one number for each pattern (pattern). By
        default C is computed from the variable ``patterns`` (pattern, token, component). Arrays are in the order of the
        patterns; a DataArray goes by their labels, and so does ``patterns``, where there are any.
    variable
        Which variable; by default ``target_overlap``, else as for `dmfx.recall`.
    pool
        Dims whose points are further trials, beside ``initial``.
    bins
        Number of bins of the curve.
    window
        How many of the last steps are the end of a run, as for `dmfx.recall`.

    Returns
    -------
    xr.Dataset
        Lazy if and only if the input is. With ``...`` for the rest of the sweep and ``pattern`` for the patterns that
        there are trials of:

        - ``similarity_value`` (similarity, pattern): ``largest`` and ``mean`` overlap with the others, or ``given``;
          and ``most_similar`` (pattern), the label of the one with the largest overlap;
        - ``recall_measure`` (..., measure, pattern): means over the trials of the ``final`` overlap, the ``peak``, the
          ``lifetime``, and whether the final overlap reaches the threshold, ``fraction``; and
          ``recall_measure_trials`` (..., pattern);
        - ``pearson``, ``spearman`` (..., similarity, measure), with the ends of their 95 % intervals in ``pearson_low``
          and so on, and ``pairs`` (...), the number of patterns that they are of;
        - ``binned_similarity`` (..., similarity, bin), ``binned_recall`` and its standard error ``binned_recall_error``
          (..., similarity, measure, bin), ``binned_count`` (..., bin): the patterns in the order of their similarity,
          in bins of as many each as can be;
        - ``status``.

    Raises
    ------
    TypeError, ValueError
        For wrong arguments, all of them named in one message.

    Notes
    -----
    The coefficients are NaN for fewer than three patterns and where all have the same recall or similarity, the
    intervals for fewer than four. These are normal in the inverse hyperbolic tangent, of variance 1/(n-3) for Pearson's
    [1]_, which holds for normal quantities and may be far off for others, and (1 + ρ²/2)/(n-3) for the rank correlation
    [2]_, which does not ask for that. Both take patterns for independent. Two patterns that are most like each other
    are not quite, and what is found is an association: patterns that are like others may be hard to recall for another
    reason, say because they have few pixels.

    Lifetimes of runs that end above the threshold are lower bounds, and count as they are.

    Of networks with several numbers of ``stored`` patterns, runs from patterns that a network does not store are no
    trials of it. The others that a pattern is compared with are all that ds has: select a network and its patterns.

    References
    ----------
    .. [1] Fisher, Metron 1, 3 (1921).
    .. [2] Bonett & Wright, Psychometrika 65, 23 (2000).

    Examples
    --------
    >>> angle = np.array([0.0, 0.3, 1.2, 1.9, 3.0])
    >>> patterns = np.stack([np.cos(angle), np.sin(angle)], axis=-1)[:, None]
    >>> overlap = np.array([0.3, 0.35, 0.6, 0.65, 0.9])[:, None]
    >>> ds = xr.Dataset({
    ...     "patterns": (("pattern", "token", "component"), patterns), "target_overlap": (("initial", "step"), overlap),
    ... })
    >>> found = dmfx.interference(ds, bins=2)
    >>> found.similarity_value.sel(similarity="largest").values.round(2)
    array([0.96, 0.96, 0.76, 0.76, 0.45])
    >>> found.spearman.sel(similarity="largest", measure="final").item() < -0.9
    True
    """
    problems = Problems("interference")
    given, threshold = threshold, check_threshold(problems, threshold)
    bins = problems.count("bins", bins, maximum=10**6)
    window = None if window is None else problems.count("window", window)
    runs, trials, name = _runs(problems, ds, variable)
    groups = None if trials is None else trials.groups
    array = None if runs is None else runs[name]
    pooled = check_pool(problems, array, pool)
    labels = None
    if array is not None:
        labels = array["pattern"].values if groups is None else groups.labels
        inner = ("step", "pattern", "initial", *pooled)
        check_no_dims(problems, tuple(dim for dim in array.dims if dim not in inner), ("measure", "similarity", "bin"))
        step_times(problems, array)
        if window is not None and window > array.sizes["step"]:
            problems.say(f"window must be at most the number of steps, {array.sizes['step']}, not {window}")
    similarities = pick_similarities(problems, ds, correlation, labels)
    problems.raise_any()
    warn_if_alike(given, ds.get("patterns"))

    found = recall(runs, threshold=threshold, variable=name, window=window)
    measured = [found[each] for each in (OF_ALL if groups is None else MEASURES).values()]
    if groups is None and "initial" not in measured[0].dims:
        measured = [each.expand_dims("initial") for each in measured]
    inner = (*pooled, "initial") if groups is not None else (*pooled, "initial", "pattern")
    if trials is not None:
        measured[0] = where_stored(measured[0], ds, trials)
    measured = [whole(each, *inner).transpose(..., *inner) for each in measured]
    shared = _Shared(threshold, bins, groups, len(inner), similarities.values)
    results = _results(similarities, labels.size, bins)
    parts = call_blocks(_block, shared, *measured, inner=inner, results=results)
    attrs = {"variable": str(array.name), "threshold": threshold}
    return assemble_lazily(ds, _labelled(parts, similarities, labels, attrs))


def _runs(problems: Problems, ds: object, variable: object) -> tuple[xr.Dataset | None, Trials | None, object]:
    """Runs for `dmfx.recall`, with targets if there are any; which of them belong together; the variable."""
    direct = isinstance(ds, xr.Dataset) and (
        "target" in ds.coords
        or (variable is None and "target_overlap" in ds)
        or (isinstance(variable, str) and variable in ds.data_vars and "pattern" not in ds[variable].dims)
    )
    if not direct:
        overlaps = pick_overlaps(problems, ds, variable, None)
        return (None, None, None) if overlaps is None else (overlaps.array.to_dataset(), None, overlaps.array.name)
    trials = pick_trials(problems, ds, variable)
    if trials is None:
        return None, None, None
    array = trials.array
    places = np.broadcast_to(trials.places, array.sizes["initial"])
    places = np.where(np.isin(np.arange(places.size), trials.groups.order), places, -1)
    array = array.assign_coords(pattern=np.arange(array.sizes["pattern"]), target=("initial", places))
    return array.to_dataset(), trials, array.name


def _results(similarities: Similarities, patterns: int, bins: int) -> dict:
    """Dims, sizes and types of what a block returns, in its order."""
    kinds, measures = len(similarities.names), len(MEASURES) + 1
    results = {
        "recall_measure": (("measure", "pattern"), (measures, patterns), np.float64),
        "recall_measure_trials": (("pattern",), (patterns,), np.int64),
        "pairs": ((), (), np.int64),
    }
    results |= dict.fromkeys(COEFFICIENTS, (("similarity", "measure"), (kinds, measures), np.float64))
    by_bin = ("similarity", "measure", "bin"), (kinds, measures, bins), np.float64
    return results | {
        "binned_similarity": (("similarity", "bin"), (kinds, bins), np.float64),
        "binned_recall": by_bin,
        "binned_recall_error": by_bin,
        "binned_count": (("bin",), (bins,), np.int64),
    }


def _labelled(found: dict, similarities: Similarities, labels: np.ndarray, attrs: dict) -> dict:
    """The results with their labels, and the similarities."""
    found["similarity_value"] = xr.DataArray(similarities.values, dims=("similarity", "pattern"))
    if similarities.most is not None:
        found["most_similar"] = xr.DataArray(similarities.most, dims="pattern")
    coords = {
        "similarity": np.array(similarities.names),
        "measure": np.array([*MEASURES, FRACTION]),
        "pattern": labels,
    }
    for name, result in found.items():
        found[name] = result.assign_coords({dim: (dim, coords[dim]) for dim in result.dims if dim in coords})
        found[name].attrs = attrs
    return found


def _block(shared: _Shared, *measured: np.ndarray) -> tuple[np.ndarray, ...]:
    """All results of a block (..., pool..., initial), or (..., pool..., initial, pattern), of each measure."""
    sweep = measured[0].shape[: measured[0].ndim - shared.axes]
    shape = math.prod(sweep), math.prod(measured[0].shape[len(sweep) : -1]), measured[0].shape[-1]
    flat = [np.array(each, float, order="C").reshape(shape) for each in measured]
    points = [_point(shared, *(each[point] for each in flat)) for point in range(shape[0])]
    sizes = _point(shared, *(np.full(shape[1:], np.nan) for _ in flat))
    return tuple(
        np.array([point[place] for point in points], like.dtype).reshape((*sweep, *like.shape))
        for place, like in enumerate(map(np.asarray, sizes))
    )


def _point(shared: _Shared, final: np.ndarray, *others: np.ndarray) -> tuple:
    """The results of a point of the sweep, from measures (trial, start) or (trial, pattern) in C order."""
    known = np.isfinite(final)
    passed = final >= shared.threshold
    values = [np.where(known, each, 0.0).sum(axis=0) for each in (final, *others, passed)]
    trials = known.sum(axis=0)
    if shared.groups is not None:
        values = [sum_groups(each, shared.groups) for each in values]
        trials = sum_groups(trials, shared.groups)
    there = trials > 0
    recalled = np.stack([np.where(there, each / np.maximum(trials, 1), np.nan) for each in values])
    coefficients = [
        np.array([[function(like[there], each[there]) for each in recalled] for like in shared.similarity])
        for function in (pearson, spearman)
    ]
    return (
        recalled,
        trials,
        there.sum(),
        *(each[..., end] for each in coefficients for end in range(3)),
        *_binned(shared, recalled[:, there], shared.similarity[:, there]),
    )


def _binned(shared: _Shared, recalled: np.ndarray, similarity: np.ndarray) -> tuple[np.ndarray, ...]:
    """Mean similarity, mean recall with its standard error, and number of patterns, by bins of similarity."""
    kinds, measures = len(similarity), len(recalled)
    mean = np.full((kinds, shared.bins), np.nan)
    recall_mean = np.full((kinds, measures, shared.bins), np.nan)
    error, count = np.full_like(recall_mean, np.nan), np.zeros(shared.bins, np.int64)
    for kind, like in enumerate(similarity):
        for place, members in enumerate(np.array_split(np.argsort(like, kind="stable"), shared.bins)):
            count[place] = members.size
            if members.size == 0:
                continue
            part = np.ascontiguousarray(recalled[:, members])
            mean[kind, place] = like[members].mean()
            recall_mean[kind, :, place] = part.mean(axis=1)
            if members.size > 1:
                error[kind, :, place] = part.std(axis=1, ddof=1) / math.sqrt(members.size)
    return mean, recall_mean, error, count
