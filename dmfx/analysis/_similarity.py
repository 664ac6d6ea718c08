"""How much each pattern overlaps with the others."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import xarray as xr

from dmfx.validation import Problems

__all__ = ["Similarities", "pick_similarities"]

DIMS = ("pattern", "token", "component")


class Similarities(NamedTuple):
    """How much patterns are like the others.

    Attributes
    ----------
    names
        What is told of each pattern.
    values
        Shape (similarity, pattern).
    most
        Label of the most similar pattern, or None where that is not known.
    """

    names: list[str]
    values: np.ndarray
    most: np.ndarray | None


def pick_similarities(
    problems: Problems, ds: object, correlation: object, labels: np.ndarray | None
) -> Similarities | None:
    """The overlaps with the others of the patterns with some labels, or None when a problem was recorded."""
    if labels is None or not isinstance(ds, xr.Dataset):
        return None
    if correlation is None:
        if "patterns" not in ds or set(ds["patterns"].dims) != set(DIMS):
            problems.say(
                "ds must have the variable 'patterns' (pattern, token, component), or correlation be given, an array "
                "(pattern, pattern) or (pattern)"
            )
            return None
        patterns = ds["patterns"].transpose(*DIMS)
        places = _places(problems, "ds['patterns']", patterns, labels)
        values = patterns.values.astype(float)
        if places is None:
            return None
        flat = values.reshape(len(values), -1)
        overlap = _gram(flat[places], flat) / max(values.shape[1], 1)
        return _with_others(problems, overlap, places, _own_labels(patterns, labels))
    return _given(problems, correlation, labels)


def _given(problems: Problems, correlation: object, labels: np.ndarray) -> Similarities | None:
    expected = "an array (pattern) or (pattern, pattern) of finite numbers"
    try:
        values = np.asarray(correlation)
    except (TypeError, ValueError):
        values = np.empty(0, object)
    if values.dtype.kind not in "iuf" or values.ndim not in (1, 2) or len(set(values.shape)) != 1:
        problems.add("correlation", expected, correlation, is_type=values.dtype.kind not in "iuf")
        return None
    if not np.isfinite(values).all():
        problems.say(f"correlation must be {expected}, but some are not finite")
        return None
    array = _rows_first(problems, correlation if isinstance(correlation, xr.DataArray) else xr.DataArray(values))
    places = None if array is None else _places(problems, "correlation", array, labels)
    if places is None:
        return None
    values = array.values.astype(float)
    if values.ndim == 1:
        return Similarities(["given"], values[None, places], None)
    return _with_others(problems, values[places], places, _own_labels(array, labels))


def _rows_first(problems: Problems, array: xr.DataArray) -> xr.DataArray | None:
    """The array with the dim ``pattern`` first, and the patterns of another dim in the same order."""
    rows = "pattern" if "pattern" in array.dims else array.dims[0]
    array = array.transpose(rows, ...)
    columns = array.dims[-1]
    if columns != rows and {rows, columns} <= set(array.coords):
        labels = array[rows].values.tolist()
        known = {label: place for place, label in enumerate(array[columns].values.tolist())}
        if set(labels) != set(known) or len(known) < len(labels):
            problems.say(f"correlation must have the same labels along {rows} and {columns}, each of them once")
            return None
        array = array.isel({columns: [known[label] for label in labels]})
    return array if rows == "pattern" else array.rename({rows: "pattern"})


def _own_labels(array: xr.DataArray, labels: np.ndarray) -> np.ndarray:
    """Labels of the patterns of an array; without any those of the patterns that it is for, if it has as many."""
    if "pattern" in array.coords:
        return array["pattern"].values
    return labels if labels.size == array.sizes["pattern"] else np.arange(array.sizes["pattern"])


def _places(problems: Problems, name: str, array: xr.DataArray, labels: np.ndarray) -> np.ndarray | None:
    """Places of the patterns with these labels."""
    known = {label: place for place, label in enumerate(_own_labels(array, labels).tolist())}
    lost = [label for label in labels.tolist() if label not in known]
    if lost:
        problems.say(
            f"{name} must have each of the {labels.size} patterns, but has {array.sizes['pattern']}, none {lost[0]!r}"
        )
        return None
    return np.array([known[label] for label in labels.tolist()], dtype=int)


def _gram(some: np.ndarray, every: np.ndarray) -> np.ndarray:
    """Products of some configurations with all of them."""
    from dmfx.kernels.overlaps import overlaps, packed

    out = np.empty((len(some), len(every)))
    overlaps(np.ascontiguousarray(some), packed(every), 1.0, out)
    return out


def _with_others(
    problems: Problems, overlap: np.ndarray, places: np.ndarray, labels: np.ndarray
) -> Similarities | None:
    """Largest and mean overlap (some, all) of some patterns, at these places among all, with the others."""
    if overlap.shape[1] < 2:
        problems.say("ds must have at least two patterns: one has no others")
        return None
    others = np.arange(overlap.shape[1]) != places[:, None]
    where = np.where(others, overlap, -np.inf)
    most = where.argmax(axis=1)
    mean = np.where(others, overlap, 0.0).sum(axis=1) / (overlap.shape[1] - 1)
    return Similarities(["largest", "mean"], np.stack([where.max(axis=1), mean]), labels[most])
