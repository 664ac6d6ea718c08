"""Stores of sweeps: read whether they are finished or not, and whether they were extended or not.

The store is a Zarr group, its first part; extensions are further parts, groups within it. A part is an archive of its
own: a rectangle of sweep points for a stretch of steps. Labels that were added along a sweep dim make more parts of the
same stretch; longer runs make a further stretch, which goes on from the final states of the one before.
"""

from __future__ import annotations

import functools
import itertools
import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import xarray as xr
from xarray.backends import BackendArray
from xarray.core import indexing

from dmfx.archive.attributes import decode_attrs
from dmfx.archive.boxes import Boxes
from dmfx.archive.chunkfile import load_chunk
from dmfx.archive.chunkio import header_seal, seal_of
from dmfx.archive.chunks import OPENED_BYTES, fit_chunks, iterate_chunks
from dmfx.archive.errors import damaged
from dmfx.archive.layout import ARCHIVE, CHECKSUMS, HEADER, ID, SEAL, Layout, Stored
from dmfx.archive.records import RECORDS, WORKING, Records
from dmfx.archive.values import decode
from dmfx.archive.zarr import ZarrStore
from dmfx.variables import STATUS

__all__ = [
    "FAILURES",
    "PART",
    "REDUCTIONS",
    "SWEEP",
    "Part",
    "assemble",
    "fill_value",
    "load_part",
    "load_parts",
    "part_paths",
]

#: Attribute of a part: what it is of the sweep, as JSON.
SWEEP = "dmfx_sweep"
#: Attributes of the Dataset: points that failed, and which variables are whose.
FAILURES, REDUCTIONS = "dmfx_failures", "dmfx_reductions"
#: Name of the groups of extensions, with their number from 1 on.
PART = "dmfx_part_"
#: Failures that the Dataset lists.
MOST_FAILURES = 1000
FORMAT = 1


@dataclass(frozen=True)
class Part:
    """One part of a store, as it is on disk.

    Attributes
    ----------
    path
        Folder of its group.
    layout
        How its variables are stored.
    meta
        What it is of the sweep: see `dmfx.sweeps.store`.
    root
        Attributes of the group.
    attrs
        Attributes of its arrays.
    boxes
        How it is cut.
    sealed_checksums
        Checksums of all chunks once it is finished.
    """

    path: Path
    layout: Layout
    meta: Mapping[str, Any]
    root: Mapping[str, Any]
    attrs: Mapping[str, Mapping[str, Any]]
    boxes: Boxes
    sealed_checksums: np.ndarray | None

    @property
    def sealed(self) -> bool:
        """Whether it is finished."""
        return self.sealed_checksums is not None

    @property
    def stretch(self) -> int:
        """Number of the stretch of steps."""
        return self.meta["stretch"]

    @functools.cached_property
    def fixed(self) -> dict[str, Stored]:
        """Variables that no box writes."""
        return {name: each for name, each in self.layout.variables.items() if name not in self.boxes.variables}

    @functools.cached_property
    def records(self) -> Records:
        """Records of its boxes; that of the variables that no box writes has the number behind the last box."""
        return Records(self.path, self.meta["record_width"])

    def labels(self, dim: str) -> np.ndarray:
        """Labels of the part along a dim."""
        return self.read_fixed(dim)

    def read_fixed(self, name: str) -> np.ndarray:
        """A variable that no box writes, checked."""
        stored = self.layout.variables[name]
        values = np.empty(stored.shape, stored.dtype)
        crcs = self.checksums(name)
        for index in iterate_chunks(stored.grid):
            values[stored.where(index)] = read_piece(self.path, stored, name, index, int(crcs[index]))
        return values

    @functools.cached_property
    def _fixed_checksums(self) -> dict[str, np.ndarray]:
        record = self.records.get(self.boxes.count)
        if record is None:
            raise damaged(self.path, f"the record of its labels ({RECORDS}/c/{self.boxes.count}) is damaged")
        found, first = {}, 0
        for name, stored in self.fixed.items():
            found[name] = record.checksums[first : first + stored.count].reshape(stored.grid)
            first += stored.count
        return found

    def checksums(self, name: str) -> np.ndarray:
        """Checksums of the chunks of a variable, by chunk; -1 where it has not been computed."""
        stored = self.layout.variables[name]
        if self.sealed_checksums is not None:
            first = self.layout.offsets[name]
            return self.sealed_checksums[first : first + stored.count].reshape(stored.grid).astype(np.int64)
        if name in self.fixed:
            return self._fixed_checksums[name].astype(np.int64)
        return self._box_checksums[name]

    @functools.cached_property
    def _box_checksums(self) -> dict[str, np.ndarray]:
        found = {name: np.full(each.grid, -1, np.int64) for name, each in self.boxes.variables.items()}
        for box in self.records.numbers():
            record = self.records.get(box) if box < self.boxes.count else None
            if record is not None:
                for (name, index), crc in zip(self.boxes.pieces(box), record.checksums.tolist(), strict=True):
                    found[name][index] = crc
        return found


def is_sweep(path: Path) -> bool:
    """Whether there is a store of a sweep at a path."""
    return (path / RECORDS / WORKING).is_dir()


def part_paths(path: Path) -> list[Path]:
    """Folders of all parts of a store, the first one first."""
    further = [each for each in path.glob(f"{PART}*") if each.name[len(PART) :].isdigit()]
    return [path, *sorted(further, key=lambda each: int(each.name[len(PART) :]))]


def load_parts(path: Path, *, trust: bool = True) -> list[Part]:
    """All parts of a store."""
    return [load_part(each, trust=trust) for each in part_paths(path)]


def load_part(path: Path, *, trust: bool = True) -> Part:
    """Read what a part is, and none of its values.

    Without ``trust``, what counts are the records of its boxes, whether it has been sealed or not.
    """
    store = ZarrStore(path)
    checksums = None
    with store.reading() as group:
        root, arrays = store.header(group)
        if trust and SEAL in root and CHECKSUMS in arrays:
            checksums = store.get(group, CHECKSUMS, (slice(0, arrays[CHECKSUMS][1][0]),))
    missing = {ARCHIVE, ID, SWEEP} - set(root) | {RECORDS} - set(arrays)
    if missing:
        raise damaged(path, f"{', '.join(sorted(missing))} is missing")
    if checksums is not None and seal_of(root, arrays, checksums) != root[SEAL]:
        raise damaged(path, "its attributes or dimensions are not those that were written")
    if root.get(HEADER) != header_seal(root, arrays):
        raise damaged(path, "its attributes or dimensions are not those that were written")
    meta = json.loads(root[SWEEP])
    if meta["format"] > FORMAT:
        raise ValueError(f"{path} was written by a later version of dmfx; update dmfx")
    layout = Layout.from_json(root[ARCHIVE], root[ID])
    variables = {name: layout.variables[name] for name in meta["variables"]}
    boxes = Boxes(tuple(meta["dims"]), tuple(meta["shape"]), tuple(meta["sizes"]), variables)
    attrs = {name: each[-1] for name, each in arrays.items()}
    return Part(path, layout, meta, root, attrs, boxes, checksums)


def fill_value(name: str, dtype: np.dtype) -> Any:
    """What stands where a point has not been computed."""
    if name.endswith("status"):
        return STATUS.index("missing")
    if dtype.kind == "c":
        return complex(np.nan, np.nan)
    return {"f": np.nan, "i": -1, "u": 0, "b": False, "U": "", "S": b""}.get(dtype.kind, "NaT")


def read_piece(group: Path, stored: Stored, name: str, index: tuple[int, ...], crc: int) -> np.ndarray:
    """One chunk of a variable, refused unless it is what was written."""
    try:
        parts, found = load_chunk(group, stored, index)
    except (OSError, ValueError, RuntimeError) as error:
        raise damaged(group, f"chunk {index} of {name!r} cannot be read: {error}", advice=_ADVICE) from error
    if found != crc:
        raise damaged(group, f"chunk {index} of {name!r} is not what was written", advice=_ADVICE)
    return decode(parts, np.dtype(stored.dtype))


_ADVICE = "the same sweep, started again, computes what is damaged; or copy it again from an intact source"


@dataclass(frozen=True)
class Source:
    """Where some of the values of a variable are.

    Attributes
    ----------
    group, name, stored, checksums
        The variable in its part, and the checksums of its chunks, -1 for those that are not there.
    offsets
        Along each axis of the whole variable: for each of its positions that in the part, or -1. None for a dim that
        the part does not have, of which it is one position, ``at``.
    at
        Positions along the dims that the part does not have.
    """

    group: Path
    name: str
    stored: Stored
    checksums: np.ndarray
    offsets: tuple[np.ndarray | None, ...]
    at: tuple[int, ...]

    def read(self, axes: Sequence[np.ndarray], out: np.ndarray) -> None:
        """Fill in what this source has of the product of positions ``axes``."""
        target, source = [], []
        for axis, (positions, offsets) in enumerate(zip(axes, self.offsets, strict=True)):
            if offsets is None:
                target.append(np.flatnonzero(positions == self.at[axis]))
                continue
            inside = offsets[positions]
            target.append(np.flatnonzero(inside >= 0))
            source.append(inside[target[-1]])
        if not all(len(each) for each in target):
            return
        missing = [axis for axis, offsets in enumerate(self.offsets) if offsets is None]
        cuts = [_by_chunk(each, chunk) for each, chunk in zip(source, self.stored.chunks, strict=True)]
        for cut in iterate_chunks([len(axis) for axis in cuts]):
            pieces = [axis[i] for axis, i in zip(cuts, cut, strict=True)]
            index = tuple(number for number, _, _ in pieces)
            crc = int(self.checksums[index])
            if crc < 0:
                continue
            values = read_piece(self.group, self.stored, self.name, index, crc)
            picked = values[np.ix_(*(of for _, _, of in pieces))] if pieces else values
            places = iter(pieces)
            where = [target[axis] if axis in missing else target[axis][next(places)[1]] for axis in range(len(axes))]
            for axis in missing:
                picked = np.expand_dims(picked, axis)
            if where:
                out[np.ix_(*where)] = picked
            else:
                out[...] = picked


def _by_chunk(positions: np.ndarray, chunk: int) -> list[tuple[int, np.ndarray, np.ndarray]]:
    """For each chunk that holds some of the positions: its number, and where they go to and come from."""
    numbers = positions // chunk
    order = np.argsort(numbers, kind="stable")
    ends = np.flatnonzero(np.diff(numbers[order])) + 1
    return [
        (int(numbers[to[0]]), to, positions[to] - int(numbers[to[0]]) * chunk)
        for to in np.split(order, ends)
        if len(to)
    ]


class PartsArray(BackendArray):
    """A variable of a store of a sweep, read where it has been computed."""

    def __init__(self, name: str, shape: tuple[int, ...], dtype: np.dtype, sources: Sequence[Source]):
        self.name, self.shape, self.dtype, self.sources = name, shape, dtype, tuple(sources)

    def __getitem__(self, key: indexing.ExplicitIndexer) -> Any:
        return indexing.explicit_indexing_adapter(key, self.shape, indexing.IndexingSupport.OUTER, self._read)

    def _read(self, key: tuple[Any, ...]) -> np.ndarray:
        axes = [np.atleast_1d(np.arange(size)[k]) for size, k in zip(self.shape, key, strict=True)]
        out = np.full([len(axis) for axis in axes], fill_value(self.name, self.dtype), self.dtype)
        for source in self.sources:
            source.read(axes, out)
        return out[(*(0 if isinstance(k, (int, np.integer)) else slice(None) for k in key), ...)]


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


def later_path(store: Path, name: str) -> Path:
    """Where a store keeps a reduction that was computed at its end: an archive of its own."""
    return store / f"dmfx_later_{name}.zarr"


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


def failures_of(parts: Sequence[Part]) -> Iterator[dict[str, object]]:
    """Points that failed, with their reasons."""
    for part in parts:
        folder = part.records.failures_path(0).parent
        if folder.is_dir():
            for path in sorted(folder.iterdir(), key=lambda each: int(each.name)):
                yield from part.records.failures(int(path.name))
