"""Trials: runs from versions of a pattern, each of which recalls it or does not."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import xarray as xr

from dmfx.analysis._labelled import trajectory
from dmfx.analysis._overlaps import OWN, STORED, default_variable
from dmfx.analysis._whole import call_blocks, whole
from dmfx.validation import Problems

__all__ = [
    "STORED",
    "Groups",
    "Trials",
    "check_pool",
    "groups_of",
    "pick_trials",
    "sum_groups",
    "trial_values",
    "where_stored",
]


class Groups(NamedTuple):
    """Which starts are versions of the same pattern.

    Attributes
    ----------
    labels
        Labels of the patterns that there are starts of.
    order
        Places of the starts along ``initial``, those of each pattern after each other; starts without one left out.
    first
        Where those of each pattern begin in that order.
    """

    labels: np.ndarray
    order: np.ndarray
    first: np.ndarray


class Trials(NamedTuple):
    """Overlaps (..., step, pattern), the place along ``pattern`` for each run, and which runs belong together."""

    array: xr.DataArray
    places: xr.DataArray
    groups: Groups


def groups_of(problems: Problems, ds: xr.Dataset, starts: int) -> Groups | None:
    """Group the starts by the coordinate ``target``; without one each start stands for a pattern of its own."""
    if "target" in ds.coords:
        target = ds["target"]
        if target.dims not in ((), ("initial",)):
            problems.say(f"ds must have the coordinate target along initial alone, but it has {target.dims}")
            return None
        labels = np.atleast_1d(target.values)
    elif "initial" in ds.coords:
        labels = np.atleast_1d(ds["initial"].values)
    else:
        labels = np.arange(starts)
    if labels.dtype.kind in "OT":
        labels = np.array([str(each) for each in labels])
    if labels.dtype.kind not in "iufU":
        problems.say(f"ds must have numbers or texts for targets, but they have dtype {labels.dtype}")
        return None
    known = labels != "" if labels.dtype.kind == "U" else labels >= 0  # NaN is no target
    places = np.flatnonzero(known)
    names, which = np.unique(labels[places], return_inverse=True)
    if names.size == 0:
        problems.say("ds must have at least one start that is a version of a pattern, but all targets are -1")
        return None
    order = np.argsort(which, kind="stable")
    return Groups(names, places[order], np.searchsorted(which[order], np.arange(names.size)))


def sum_groups(values: np.ndarray, groups: Groups) -> np.ndarray:
    """Sums over the starts of each pattern along the last axis."""
    return np.add.reduceat(values[..., groups.order], groups.first, axis=-1)


def pick_trials(problems: Problems, ds: object, variable: object, *own: str) -> Trials | None:
    """The overlaps that each run has with its own pattern, or None when a problem was recorded.

    ``own`` are dims that the analysis needs.
    """
    if not isinstance(ds, xr.Dataset):
        problems.add("ds", "a Dataset of runs", ds, is_type=True)
        return None
    if variable is None:
        direct = OWN in ds and "step" in ds[OWN].dims
        variable = OWN if direct else default_variable(ds)
    if (
        isinstance(variable, str)
        and variable in ds.data_vars
        and {"step", "pattern"} & set(ds[variable].dims) == {"step"}
    ):
        array = trajectory(problems, ds[variable].expand_dims("pattern", -1).to_dataset(name=variable), variable)
        places = xr.DataArray(0)
    else:
        array = trajectory(problems, ds, variable)
        places = None
    if array is None:
        return None
    if missing := [dim for dim in own if dim not in array.dims]:
        there = ", ".join(ds[array.name].dims)
        problems.say(f"ds must have {array.name!r} with the dim {', '.join(missing)}, but it has {there}")
        return None
    if "initial" not in array.dims:
        array = array.expand_dims("initial")
    groups = groups_of(problems, ds, array.sizes["initial"])
    if groups is None:
        return None
    if places is None:
        places = _places(problems, ds, array, groups)
    return None if places is None else Trials(array, places, groups)


def _places(problems: Problems, ds: xr.Dataset, array: xr.DataArray, groups: Groups) -> xr.DataArray | None:
    """Places along ``pattern`` of the targets of the starts, -1 for none."""
    if "target" not in ds.coords:
        problems.say(
            "ds must have the coordinate target along initial, the label of the pattern that each start is a version "
            f"of, or a variable {OWN!r} (..., step)"
        )
        return None
    known = {label: place for place, label in enumerate(array["pattern"].values.tolist())}
    lost = [label for label in groups.labels.tolist() if label not in known]
    if lost:
        problems.say(f"ds must have the patterns that targets name, but has none labelled {lost[0]!r}")
        return None
    places = np.full(array.sizes["initial"], -1, np.int64)
    ends = np.append(groups.first[1:], groups.order.size)
    for label, first, end in zip(groups.labels.tolist(), groups.first, ends, strict=True):
        places[groups.order[first:end]] = known[label]
    return xr.DataArray(places, dims="initial")


def check_pool(problems: Problems, array: xr.DataArray | None, pool: object, *taken: str) -> tuple[str, ...]:
    """Dims whose points are trials of the same thing; those that are not there do no harm."""
    names = (pool,) if isinstance(pool, str) else pool
    is_names = isinstance(names, Sequence) and all(isinstance(name, str) for name in names)
    if not is_names or {"step", "pattern", "initial", *taken} & set(names):
        problems.add(
            "pool",
            f"names of dims other than {', '.join(('step', 'pattern', 'initial', *taken))}",
            pool,
            is_type=not is_names,
        )
        return ()
    return tuple(dict.fromkeys(name for name in names if array is not None and name in array.dims))


def trial_values(problems: Problems, trials: Trials | None, when: object) -> xr.DataArray | None:
    """The overlap (...) by which each run is judged, lazily; NaN for what is not known and has no target."""
    if trials is None:
        return None
    array = trials.array
    if isinstance(when, str) and when == "end":
        array = array.isel(step=[-1])
    elif not isinstance(when, str) or when != "peak":
        labels = array["step"].values
        is_label = isinstance(when, (int, float, np.number)) and not isinstance(when, (bool, np.bool_))
        place = np.flatnonzero(labels == when) if is_label else []
        if len(place) == 0:
            problems.add("when", f"'end', 'peak' or a label of step ({labels[0]} to {labels[-1]})", when)
            return None
        array = array.isel(step=[int(place[0])])
    array = whole(array, "step", "pattern")
    results = {"value": ((), (), np.float64)}
    return call_blocks(_value_block, None, array, trials.places, inner=("step", "pattern"), results=results)["value"]


def where_stored(values: xr.DataArray, ds: xr.Dataset, trials: Trials, dim: str = STORED) -> xr.DataArray:
    """Values of runs (..., initial) of networks that store the pattern of the start, NaN for the others.

    The networks store the first patterns, as many as the coordinate ``dim`` says; without it all count.
    """
    numbers = trials.places if "pattern" in ds[trials.array.name].dims else _targets(ds)
    if numbers is None or dim not in values.coords or values[dim].dtype.kind not in "iuf":
        return values
    return values.where(xr.DataArray(values[dim].variable > numbers.variable))


def _targets(ds: xr.Dataset) -> xr.DataArray | None:
    """Numbers of the patterns that starts are versions of, None where targets are no numbers."""
    if "target" not in ds.coords or ds["target"].dtype.kind not in "iu":
        return None
    return xr.DataArray(np.atleast_1d(ds["target"].values), dims="initial")


def _value_block(_: None, runs: np.ndarray, places: np.ndarray) -> tuple[np.ndarray]:
    """The largest overlap of each run (..., step, pattern) with the pattern at its place; NaN if one is not finite."""
    sweep = runs.shape[:-2]
    places = np.broadcast_to(places, sweep)
    picked = np.take_along_axis(runs, places[..., None, None], axis=-1)[..., 0]
    finite = np.isfinite(picked).all(axis=-1) & (places >= 0)
    return (np.where(finite, picked.max(axis=-1), np.nan),)
