"""Overlaps with stored patterns: which variable has them, with which patterns, and which pattern a run belongs to."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import xarray as xr

from dmfx.analysis._labelled import spacing, trajectory
from dmfx.validation import Problems

__all__ = [
    "Overlaps",
    "Times",
    "check_no_dims",
    "default_variable",
    "own_variable",
    "pick_overlaps",
    "places_of",
    "step_times",
    "stored_targets",
    "targets_of",
]

#: Variables that are looked for first.
FIRST = ("overlap", "m_o_semantic")

#: Overlap of each run with the pattern that it starts from, as tasks record it.
OWN = "target_overlap"
#: Coordinate with the number of patterns that a network stores: the first ones.
STORED = "stored"

#: Configurations are unit vectors within this.
UNIT = 1e-6


class Overlaps(NamedTuple):
    """Where overlaps come from.

    Attributes
    ----------
    array
        Overlaps (..., step, pattern); or the states (..., step, token, component) that they are made from.
    labels
        Labels of the patterns.
    unknown
        What stands for no pattern among them.
    configurations
        Patterns (pattern, token * component) to compare the states with, or None.
    """

    array: xr.DataArray
    labels: np.ndarray
    unknown: object
    configurations: np.ndarray | None = None


class Times(NamedTuple):
    """Labels of the steps, what stands for no step among them, and the time from one to the next."""

    labels: np.ndarray
    unknown: object
    spacing: int | float


def default_variable(ds: object) -> object:
    """Name of the variable of overlaps when none was given."""
    if not isinstance(ds, xr.Dataset):
        return None
    there = [name for name, array in ds.data_vars.items() if {"step", "pattern"} <= set(array.dims)]
    return next((name for name in (*FIRST, *there) if name in there), None)


def own_variable(ds: object, variable: object) -> str | None:
    """Name of the variable (..., step) with the overlap of each run with a pattern of its own, if that is meant."""
    if not isinstance(ds, xr.Dataset) or (variable is None and default_variable(ds) is not None):
        return None
    name = OWN if variable is None else variable
    there = isinstance(name, str) and name in ds.data_vars
    return name if there and {"step", "pattern", "token"} & set(ds[name].dims) == {"step"} else None


def pick_overlaps(problems: Problems, ds: object, variable: object, patterns: object) -> Overlaps | None:
    """The overlaps to follow, or None when a problem was recorded."""
    if isinstance(patterns, (np.ndarray, xr.DataArray)) and patterns.ndim == 3:
        return _from_states(problems, ds, variable, patterns)
    array = trajectory(problems, ds, default_variable(ds) if variable is None else variable)
    if array is None:
        return None
    if array.sizes["pattern"] == 0:
        problems.say(f"ds must have at least one pattern, but {array.name!r} has none")
        return None
    labels = _labels(problems, array["pattern"].values)
    if labels is None:
        return None
    if patterns is not None:
        wanted = _wanted(problems, patterns, labels)
        if wanted is None:
            return None
        if not np.array_equal(wanted, np.arange(labels.size)):
            array, labels = array.isel(pattern=wanted), labels[wanted]
    return Overlaps(array, labels, _unknown(labels))


def _from_states(problems: Problems, ds: object, variable: object, patterns: np.ndarray | xr.DataArray) -> object:
    """The states of a run and the configurations that they are compared with."""
    dims = ("step", "token", "component")
    if variable is not None:
        problems.say("variable must be left out where patterns are configurations, which are compared with 'tokens'")
    if not isinstance(ds, xr.Dataset):
        problems.add("ds", "a Dataset from dmfx.simulate", ds, is_type=True)
        return None
    if "tokens" not in ds or not set(dims) <= set(ds["tokens"].dims):
        problems.say("ds must have the states, 'tokens' (..., step, token, component), for patterns that are arrays")
        return None
    array = ds["tokens"].transpose(..., *dims).astype(np.float64, copy=False)
    if isinstance(patterns, xr.DataArray):
        if set(patterns.dims) != {"pattern", "token", "component"}:
            problems.say(f"patterns must have the dims pattern, token and component, but has {patterns.dims}")
            return None
        patterns = patterns.transpose("pattern", "token", "component")
    given = patterns["pattern"].values if isinstance(patterns, xr.DataArray) and "pattern" in patterns.coords else None
    labels = _labels(problems, np.arange(len(patterns)) if given is None else given)
    values = np.asarray(patterns)
    size = array.sizes["token"], array.sizes["component"]
    if values.dtype.kind not in "iuf" or values.shape[1:] != size or len(values) == 0 or 0 in size:
        expected = f"configurations (pattern, token, component) of {size[0]} tokens in {size[1]} dimensions"
        problems.add("patterns", expected, values)
        return None
    if array.sizes["step"] == 0:
        problems.say("ds must have at least one step, but 'tokens' has none")
        return None
    values = values.astype(float)
    off = np.abs(np.sqrt((values**2).sum(axis=-1)) - 1)
    if not (off < UNIT).all():
        problems.say("patterns must be unit vectors (token by token), but some are not")
        return None
    if labels is None:
        return None
    return Overlaps(array, labels, _unknown(labels), values.reshape(len(values), -1))


def _labels(problems: Problems, labels: np.ndarray) -> np.ndarray | None:
    """Labels of the patterns as numbers or texts, each of which stands for one pattern."""
    if labels.dtype.kind in "OT":
        labels = np.array([str(each) for each in labels])
    if labels.dtype.kind not in "iufU":
        problems.say(f"ds must have numbers or texts for labels of the patterns, but they have dtype {labels.dtype}")
        return None
    if np.unique(labels).size != labels.size:
        problems.say("ds must have labels of the patterns that differ, but some are the same")
        return None
    if labels.dtype.kind in "iu":
        return labels.astype(np.int64 if labels.min(initial=0) >= 0 else float)
    return labels


def _unknown(labels: np.ndarray) -> object:
    return {"i": -1, "f": np.nan, "U": ""}[labels.dtype.kind]


def _wanted(problems: Problems, patterns: object, labels: np.ndarray) -> np.ndarray | None:
    """Places of the patterns that were asked for by their labels."""
    known = {label: place for place, label in enumerate(labels.tolist())}
    try:
        wanted = np.atleast_1d(np.asarray(patterns))
        is_list = wanted.ndim == 1 and wanted.dtype.kind != "b"
        places = [known.get(each, -1) for each in wanted.tolist()] if is_list else []
    except (TypeError, ValueError):  # no array, or things that cannot be labels
        places = []
    if not places or min(places) < 0 or len(set(places)) < len(places):
        names = ", ".join(map(str, labels[:20])) + (", ..." if labels.size > 20 else "")
        problems.add(
            "patterns",
            f"None, labels of the pattern coordinate without repeats ({names}), or an array of configurations "
            "(pattern, token, component)",
            patterns,
        )
        return None
    return np.array(places)


def step_times(problems: Problems, array: xr.DataArray) -> Times:
    """Labels of the steps, which must be even, to tell where something happens; numbers from 0 without labels."""
    labels = array["step"].values if "step" in array.coords else np.arange(array.sizes["step"])
    if labels.dtype.kind not in "iuf":
        problems.say(f"ds must have numbers for labels of the steps, but they have dtype {labels.dtype}")
        return Times(np.arange(labels.size), -1, 1)
    apart = spacing(problems, array)
    if labels.dtype.kind in "iu" and labels.min(initial=0) >= 0:
        return Times(labels.astype(np.int64), -1, apart)
    return Times(labels.astype(float), np.nan, apart)


def targets_of(problems: Problems, ds: xr.Dataset, dims: tuple) -> xr.DataArray | None:
    """Label of the pattern that each run belongs to; None where ds does not say."""
    if "target" not in ds.coords:
        return None
    target = ds["target"]
    if missing := [dim for dim in target.dims if dim not in dims]:
        problems.say(f"ds must have the coordinate target along dims of the runs, but {', '.join(missing)} is none")
        return None
    return target.reset_coords(drop=True)


def stored_targets(ds: xr.Dataset, targets: xr.DataArray, name: object) -> xr.DataArray | None:
    """Whether networks store the patterns of the runs, True for runs without one; None where all do.

    The networks store the first patterns, in the order that they have in the variable of that name or in ds.
    """
    if STORED not in ds.coords or ds[STORED].dtype.kind not in "iuf":
        return None
    if "pattern" in ds[name].dims or "pattern" in ds.coords:
        labels = (ds[name] if "pattern" in ds[name].dims else ds)["pattern"].values
        places = places_of(labels, targets.values)
    elif targets.dtype.kind in "iu":
        places = targets.values
    else:
        return None
    return ds[STORED].reset_coords(drop=True).drop_vars(STORED, errors="ignore") > xr.DataArray(
        places, dims=targets.dims
    )


def places_of(labels: np.ndarray, wanted: np.ndarray) -> np.ndarray:
    """Places of some labels among all of them, -1 for those that are not there."""
    known = {label: place for place, label in enumerate(labels.tolist())}
    places = [known.get(each, -1) for each in wanted.ravel().tolist()]
    return np.array(places, np.int64).reshape(wanted.shape)


def check_no_dims(problems: Problems, sweep: tuple, names: tuple[str, ...]) -> None:
    """Record dims of the sweep that would mean something else in the result."""
    for name in names:
        if name in sweep:
            problems.say(f"ds has the dim {name}, which means something else in the result: rename it")
