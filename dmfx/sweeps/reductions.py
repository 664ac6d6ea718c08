"""Reductions: analyses that run in the tasks of a sweep, so that only their results are kept."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import dask.array as da
import numpy as np
import xarray as xr

from dmfx import analysis
from dmfx.validation import Problems

__all__ = [
    "ANALYSES",
    "Reduction",
    "Renaming",
    "coupled_dims",
    "in_tasks_or_later",
    "merge",
    "parse_reductions",
    "recorded",
    "reduced",
]

#: Analyses by name.
ANALYSES: dict[str, Callable[..., xr.Dataset]] = {name: getattr(analysis, name) for name in analysis.__all__}
#: Names in the description of a reduction that are not arguments of its analysis.
OWN = ("analysis", "name", "of")
#: Analyses whose results have a size that is known only when they are computed: of a finished sweep, at its end.
LATER = ("doubled_orbits",)
#: Dims along which the points of an analysis belong together though its results keep the dim.
COUPLED = {"basins": lambda settings: (settings.get("along", "beta"),)}


@dataclass(frozen=True)
class Reduction:
    """One analysis of a sweep.

    Attributes
    ----------
    name
        What it is called in the store.
    analysis
        Name of the function.
    settings
        Its further arguments.
    of
        Name of the reduction that it is applied to, None for the run itself.
    """

    name: str
    analysis: str
    settings: dict[str, Any]
    of: str | None = None


@dataclass(frozen=True)
class Renaming:
    """What became of the results of a reduction in the store.

    Attributes
    ----------
    analysis
        Name of the function.
    variables
        By name in the store, the names that the analysis gave: variables and coordinates of its own.
    shared
        Names of the run that are also its.
    dims
        Dims that were renamed, by their name in the store.
    attrs
        Attributes of its Dataset that the run has not.
    """

    analysis: str
    variables: dict[str, str]
    shared: list[str]
    dims: dict[str, str]
    attrs: dict[str, Any]

    def json(self) -> dict[str, Any]:
        """As plain values."""
        return asdict(self)


def parse_reductions(problems: Problems, reduce: object) -> tuple[Reduction, ...]:
    """Normalise ``reduce``; arguments of analyses are checked by themselves, later."""
    if isinstance(reduce, (str, Mapping)):
        reduce = [reduce]
    if not isinstance(reduce, Sequence):
        problems.add("reduce", "a list of names of analyses, or of mappings with 'analysis'", reduce, is_type=True)
        return ()
    found: list[Reduction] = []
    for number, entry in enumerate(reduce):
        where = f"reduce[{number}]"
        entry = {"analysis": entry} if isinstance(entry, str) else entry
        if not isinstance(entry, Mapping) or "analysis" not in entry:
            problems.add(where, "the name of an analysis, or a mapping with 'analysis' and its arguments", entry)
            continue
        name = entry["analysis"]
        if name not in ANALYSES:
            problems.say(f"{where}: there is no analysis {name!r}; expected one of {', '.join(ANALYSES)}")
            continue
        settings = {key: value for key, value in entry.items() if key not in OWN}
        known = list(inspect.signature(ANALYSES[name]).parameters)[1:]
        for key in settings:
            if key not in known:
                problems.say(f"{where}: {name} has no argument {key!r}; it has {', '.join(known)}")
        label = entry.get("name", name)
        if not isinstance(label, str) or not label.isidentifier():
            problems.add(f"{where}: name", "a word of letters, digits and _", label)
            continue
        if label in {each.name for each in found}:
            problems.say(f"{where}: there are two reductions {label!r}: give one of them another 'name'")
        of = entry.get("of")
        if of is not None and of not in {each.name for each in found}:
            before = ", ".join(each.name for each in found) or "there are none"
            problems.say(f"{where}: 'of' must be the name of a reduction before it ({before}), not {of!r}")
            continue
        found.append(Reduction(label, name, settings, of))
    return tuple(found)


def in_tasks_or_later(reductions: Sequence[Reduction]) -> tuple[tuple[Reduction, ...], tuple[Reduction, ...]]:
    """Reductions that tasks apply to their points, and those that need the whole sweep."""
    later: list[Reduction] = []
    for each in reductions:
        if each.analysis in LATER or each.of in {other.name for other in later}:
            later.append(each)
    return tuple(each for each in reductions if each not in later), tuple(later)


def recorded(reductions: Sequence[Reduction], known: Sequence[str]) -> set[str]:
    """Variables of the run that reductions name in their arguments."""
    named = set()
    for each in reductions:
        for value in (each.settings.get("variable"), _plane_variable(each.settings.get("plane"))):
            if isinstance(value, str) and value in known:
                named.add(value)
    return named


def _plane_variable(plane: object) -> object:
    return plane.get("variable") if isinstance(plane, Mapping) else None


def reduced(run: xr.Dataset, reductions: Sequence[Reduction], *, whole: bool = False) -> dict[str, xr.Dataset]:
    """Apply all reductions to a run; lazily if that is lazy.

    Parameters
    ----------
    run
        The run.
    reductions
        What to apply.
    whole
        Ask for one task, where an analysis would choose how to cut its own: the graph is then small whatever the sweep.
    """
    results: dict[str, xr.Dataset] = {}
    for number, each in enumerate(reductions):
        function = ANALYSES[each.analysis]
        settings = dict(each.settings)
        if whole and "chunks" in inspect.signature(function).parameters:
            settings["chunks"] = -1
        source = run if each.of is None else results[each.of]
        try:
            results[each.name] = function(source, **settings)
        except (ValueError, TypeError) as error:
            raise type(error)(f"sweep: reduce[{number}]: {error}") from error
    return results


def coupled_dims(
    run: xr.Dataset, results: Mapping[str, xr.Dataset], reductions: Sequence[Reduction], dims: Sequence[str]
) -> dict[str, str]:
    """Dims along which a reduction needs all points at once, and which reduction."""
    found: dict[str, str] = {}
    for each in reductions:
        for dim in COUPLED.get(each.analysis, lambda settings: ())(each.settings):
            if dim in dims:
                found.setdefault(dim, each.name)
        source = run if each.of is None else results[each.of]
        for name, var in results[each.name].data_vars.items():
            if not isinstance(var.data, da.Array) or _same(source, name, var):
                continue
            if not set(dims) & set(var.dims):  # of the model, not of its points
                continue
            for dim in dims:
                if dim in source.dims and dim not in var.dims:
                    found.setdefault(dim, each.name)
    return found


def merge(
    run: xr.Dataset, results: Mapping[str, xr.Dataset], reductions: Sequence[Reduction]
) -> tuple[xr.Dataset, dict[str, Renaming]]:
    """One Dataset of a run and all its reductions, and what their variables are called in it.

    What a reduction returns of the run unchanged is there once. A name that is taken by something else gets the name of
    the reduction in front.
    """
    variables: dict[str, xr.Variable] = dict(run.variables)
    coords = set(run.coords)
    attrs = dict(run.attrs)
    renamings = {}
    taken_dims = {dim: size for dim, size in run.sizes.items()}
    for reduction in reductions:
        label, ds = reduction.name, results[reduction.name]
        dims = {}
        for dim, size in ds.sizes.items():
            index = ds.coords[dim].variable if dim in ds.coords else None
            clash = dim in taken_dims and (
                taken_dims[dim] != size
                or (dim in variables) != (index is not None)
                or (index is not None and not _equal(variables[dim], index))
            )
            dims[dim] = _free(f"{label}_{dim}", {*taken_dims, *variables}) if clash else dim
            taken_dims[dims[dim]] = size
        own, shared = {}, []
        for name, var in ds.variables.items():
            var = _with_dims(var, dims)
            target = dims.get(name, name)
            if target in variables:
                if _equal(variables[target], var):
                    shared.append(str(target))
                    continue
                target = _free(f"{label}_{name}", {*variables, *taken_dims})
            variables[target] = var
            own[str(target)] = str(name)
            if name in ds.coords:
                coords.add(target)
        further = {
            key: value
            for key, value in ds.attrs.items()
            if key not in run.attrs or not _same_value(run.attrs[key], value)
        }
        attrs |= {key: value for key, value in further.items() if key not in attrs}
        renamed = {new: str(old) for old, new in dims.items() if new != old}
        renamings[label] = Renaming(reduction.analysis, own, shared, renamed, further)
    merged = xr.Dataset(
        {name: var for name, var in variables.items() if name not in coords},
        {name: var for name, var in variables.items() if name in coords},
        attrs,
    )
    return merged, renamings


def _with_dims(var: xr.Variable, dims: Mapping[Any, Any]) -> xr.Variable:
    new = tuple(dims[dim] for dim in var.dims)
    return var if new == var.dims else xr.Variable(new, var._data if len(new) != 1 else var.data, var.attrs)


def _same(source: xr.Dataset, name: Any, var: xr.DataArray) -> bool:
    return name in source and _equal(source[name].variable, var.variable)


def _equal(one: xr.Variable, other: xr.Variable) -> bool:
    """Whether two variables are the same, without computing anything."""
    if one.dims != other.dims or one.shape != other.shape or one.dtype != other.dtype:
        return False
    lazy = [isinstance(each.data, da.Array) for each in (one, other)]
    if any(lazy):
        return all(lazy) and one.data.name == other.data.name
    return bool(np.array_equal(one.values, other.values, equal_nan=one.dtype.kind in "fc"))


def _same_value(one: object, other: object) -> bool:
    try:
        return bool(one == other)
    except ValueError:
        return False


def _free(name: str, taken: set[Any]) -> str:
    while name in taken:
        name += "_"
    return name
