"""The Dataset of a store of a sweep: of all its parts, or of one reduction."""

from __future__ import annotations

import itertools
import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import xarray as xr
from xarray.core import indexing

from dmfx.archive.attributes import decode_attrs
from dmfx.archive.chunks import OPENED_BYTES, fit_chunks
from dmfx.archive.layout import ARCHIVE, HEADER, ID, SEAL, Stored
from dmfx.archive.part_values import PartsArray, Source
from dmfx.archive.parts import FAILURES, REDUCTIONS, SWEEP, Part, failures_of

__all__ = ["assemble", "of_reduction"]

#: Failures that the Dataset lists.
MOST_FAILURES = 1000


def assemble(parts: Sequence[Part], chunks: Any = None) -> xr.Dataset:
    """The Dataset of all parts; ``chunks`` None does without Dask, a dict is as of `dmfx.open`."""
    first = parts[0]
    dims = first.boxes.dims
    stretches = sorted({part.stretch for part in parts})
    axes = _axes(parts, dims)
    steps = _steps(parts, stretches)
    n_steps = [len(each) for each in steps]
    of_reductions = (
        {name for entry in first.meta["reductions"].values() for name in entry["variables"]}
        if len(stretches) > 1
        else set()
    )
    made = {}
    known: dict[tuple[Path, str], np.ndarray] = {}
    for name, stored in first.layout.variables.items():
        var_dims, shape = list(stored.dims), {dim: size for dim, size in zip(stored.dims, stored.shape, strict=True)}
        shape |= {dim: len(axes[dim]) for dim in dims if dim in shape}
        wanted = stretches
        if "step" in shape:
            shape["step"] = sum(n_steps)
        elif name in of_reductions:
            place = 1 + max((axis for axis, dim in enumerate(var_dims) if dim in dims), default=-1)
            var_dims.insert(place, "stretch")
            shape["stretch"] = len(stretches)
        else:
            wanted = stretches[-1:] if name in first.boxes.variables else stretches[:1]
        sources = [
            _source(part, name, var_dims, axes, dims, n_steps, stretches, known)
            for part in parts
            if part.stretch in wanted
        ]
        made[name] = _variable(name, var_dims, shape, sources, first, stored, chunks)
    for dim in dims:
        if dim in made:
            made[dim] = xr.Variable((dim,), axes[dim], made[dim].attrs)
    if "step" in made and len(stretches) > 1:
        made["step"] = xr.Variable(("step",), np.concatenate(steps), made["step"].attrs)
    coords = {name: made.pop(name) for name in first.layout.coords}
    if len(stretches) > 1:
        begins = np.array([each[0] for each in steps])
        about = {"long_name": "first step of the stretch that was analysed", "units": "step"}
        coords["stretch"] = xr.Variable(("stretch",), begins, about)
    attrs = {name: value for name, value in first.root.items() if name not in (ARCHIVE, HEADER, ID, SEAL, SWEEP)}
    if failures := list(itertools.islice(failures_of(parts), MOST_FAILURES)):
        attrs[FAILURES] = json.dumps(failures, ensure_ascii=False)
    return xr.Dataset(made, coords, decode_attrs(attrs))


def _axes(parts: Sequence[Part], dims: Sequence[str]) -> dict[str, np.ndarray]:
    """Labels along every dim that is cut: those of the last call, in its order."""
    axes = {dim: parts[0].labels(dim) for dim in dims}
    if len(parts) > 1:
        axes = {dim: np.array(parts[-1].meta["axes"][dim], axes[dim].dtype) for dim in dims}
    return axes


def _steps(parts: Sequence[Part], stretches: Sequence[int]) -> list[np.ndarray]:
    """Labels of the steps of every stretch."""
    found = []
    for stretch in stretches:
        part = next(part for part in parts if part.stretch == stretch)
        found.append(np.arange(part.meta["first_step"], part.meta["first_step"] + part.meta["steps"]))
    return found


def _places(have: np.ndarray, want: np.ndarray) -> np.ndarray:
    """Position of each wanted label, -1 where there is none."""
    order = np.argsort(have)
    at = np.clip(np.searchsorted(have, want, sorter=order), 0, len(have) - 1)
    return np.where(have[order[at]] == want, order[at], -1)


def _source(
    part: Part,
    name: str,
    var_dims: Sequence[str],
    axes: Mapping[str, np.ndarray],
    dims: Sequence[str],
    n_steps: Sequence[int],
    stretches: Sequence[int],
    known: dict[tuple[Path, str], np.ndarray],
) -> Source:
    """Where a part has values of a variable; ``known`` keeps places of labels for the next variable."""
    stored = part.layout.variables[name]
    offsets: list[np.ndarray | None] = []
    at = []
    for dim in var_dims:
        at.append(part.stretch if dim == "stretch" else 0)
        if dim in dims:
            if (part.path, dim) not in known:
                known[part.path, dim] = _places(part.labels(dim), axes[dim])
            offsets.append(known[part.path, dim])
        elif dim == "step":
            before = sum(n_steps[: stretches.index(part.stretch)])
            inside = np.arange(sum(n_steps)) - before
            offsets.append(np.where(inside < n_steps[stretches.index(part.stretch)], np.maximum(inside, -1), -1))
        elif dim == "stretch" and dim not in stored.dims:
            offsets.append(None)
        else:
            offsets.append(np.arange(stored.shape[stored.dims.index(dim)]))
    return Source(part.path, name, stored, part.checksums(name), tuple(offsets), tuple(at))


def _variable(
    name: str,
    var_dims: Sequence[str],
    shape: Mapping[str, int],
    sources: Sequence[Source],
    first: Part,
    stored: Stored,
    chunks: Any,
) -> xr.Variable:
    dtype = np.dtype(stored.dtype)
    sizes = tuple(shape[dim] for dim in var_dims)
    attrs = {key: value for key, value in first.attrs[stored.parts[0]].items() if key != "coordinates"}
    array = PartsArray(name, sizes, dtype, sources)
    var = xr.Variable(tuple(var_dims), indexing.LazilyIndexedArray(array), decode_attrs(attrs))
    is_label = var.dims == (name,) or (name in first.layout.coords and not var.dims)
    if chunks is None or is_label:
        return var
    whole = dict(zip(stored.dims, stored.chunks, strict=True))
    fit = fit_chunks(sizes, stored.width or dtype.itemsize, OPENED_BYTES)
    cut = {dim: max(1, size // whole.get(dim, 1)) * whole.get(dim, 1) for dim, size in zip(var_dims, fit, strict=True)}
    return var.chunk(cut)


def of_reduction(ds: xr.Dataset, name: str) -> xr.Dataset:
    """What one reduction of a sweep returned, under its own names."""
    entries = json.loads(ds.attrs.get(REDUCTIONS, "{}"))
    if name not in entries:
        known = ", ".join(map(repr, entries)) or "there are none"
        raise ValueError(f"open: there is no reduction {name!r} in this archive; its reductions: {known}")
    entry = entries[name]
    own, shared, dims = entry["variables"], entry["shared"], entry["dims"]
    part = ds[[each for each in (*own, *shared) if each in ds.data_vars]]
    wanted = {*own, *shared, "stretch"}
    part = part.drop_vars([each for each in part.coords if each not in wanted])
    part = part.assign_coords({each: ds.coords[each].variable for each in wanted if each in ds.coords})
    renamed = {
        old: new for old, new in {**own, **dims}.items() if old != new and (old in part.variables or old in part.dims)
    }
    part = part.rename(renamed)
    return part.assign_attrs(entry["attrs"])
