"""The layout of an archive: which arrays hold a dataset, and the dataset that arrays hold."""

from __future__ import annotations

import json
import math
import unicodedata
import uuid
from collections.abc import Hashable
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from typing import Any

import numpy as np
import xarray as xr

from dmfx.archive.attributes import encode_attrs
from dmfx.archive.chunks import STORED_BYTES, chunk_grid, chunk_slices, fit_chunks
from dmfx.archive.values import part_suffixes, stored_dtype
from dmfx.validation import Problems, describe
from dmfx.version import dmfx_version

__all__ = ["ARCHIVE", "CHECKSUMS", "HEADER", "ID", "SEAL", "Array", "Layout", "Stored", "plan"]

#: Names of what dmfx adds to a file.
ARCHIVE, ID, SEAL, CHECKSUMS = "dmfx_archive", "dmfx_id", "dmfx_seal", "dmfx_checksums"

#: Of archives that are written bit by bit: checksum of all that is known before.
HEADER = "dmfx_header"

#: Increased when older versions of dmfx cannot read what this one writes.
FORMAT = 1


@dataclass(frozen=True)
class Array:
    """One array on disk; its dtype is that of a real number, strings are bytes.

    ``flat`` puts the files of all chunks in one folder, where a folder for each axis is usual.
    """

    dims: tuple[str, ...]
    shape: tuple[int, ...]
    chunks: tuple[int, ...]
    dtype: np.dtype
    attrs: dict[str, Any]
    text: bool = False
    flat: bool = False


@dataclass(frozen=True)
class Stored:
    """How one variable is stored: which arrays (``parts``) hold it, and in what chunks.

    ``width`` is the number of bytes of a string, 0 for other kinds; ``blocks`` are the Dask chunks that the
    variable had, None if it was in memory. ``flat`` is that of `Array`.
    """

    dims: tuple[str, ...]
    shape: tuple[int, ...]
    dtype: str
    chunks: tuple[int, ...]
    parts: tuple[str, ...]
    width: int
    blocks: tuple[tuple[int, ...], ...] | None
    flat: bool = False

    @property
    def grid(self) -> tuple[int, ...]:
        """Number of chunks along each axis."""
        return chunk_grid(self.shape, self.chunks)

    @property
    def count(self) -> int:
        """Number of chunks."""
        return math.prod(self.grid)

    def where(self, index: tuple[int, ...]) -> tuple[slice, ...]:
        """Where a chunk lies, in the variable."""
        return chunk_slices(index, self.shape, self.chunks)

    def where_stored(self, index: tuple[int, ...]) -> tuple[slice, ...]:
        """Where a chunk lies, in the arrays on disk."""
        return self.where(index) + ((slice(0, self.width),) if self.width else ())

    @classmethod
    def from_json(cls, entry: dict[str, Any]) -> Stored:
        """Undo ``dataclasses.asdict`` and JSON, which knows no tuples."""
        blocks = entry["blocks"]
        tuples = {name: tuple(entry[name]) for name in ("dims", "shape", "chunks", "parts")}
        blocks = None if blocks is None else tuple(tuple(sizes) for sizes in blocks)
        flat = entry.get("flat", False)
        return cls(**tuples, dtype=entry["dtype"], width=entry["width"], blocks=blocks, flat=flat)


@dataclass(frozen=True)
class Layout:
    """How a dataset is stored: its variables in their order, and which of them are coordinates."""

    id: str
    variables: dict[str, Stored]
    coords: tuple[str, ...]

    @property
    def offsets(self) -> dict[str, int]:
        """Where the checksums of each variable begin."""
        counts = np.cumsum([0] + [stored.count for stored in self.variables.values()])
        return dict(zip(self.variables, counts.tolist(), strict=False))

    @property
    def count(self) -> int:
        """Number of chunks of all variables."""
        return sum(stored.count for stored in self.variables.values())

    def to_json(self) -> str:
        """For the attribute ``dmfx_archive``."""
        variables = {name: asdict(stored) for name, stored in self.variables.items()}
        return json.dumps({"format": FORMAT, "coords": self.coords, "variables": variables})

    @classmethod
    def from_json(cls, text: str, id: str) -> Layout:
        """Undo :meth:`to_json`."""
        content = json.loads(text)
        if content["format"] > FORMAT:
            raise ValueError(f"it was written by a later version of dmfx than {dmfx_version()}; update dmfx")
        variables = {name: Stored.from_json(entry) for name, entry in content["variables"].items()}
        return cls(id, variables, tuple(content["coords"]))


def plan(ds: xr.Dataset) -> tuple[Layout, dict[str, Array], dict[str, Any]]:
    """Decide how to store a dataset, without computing any of it.

    Parameters
    ----------
    ds
        What to store.

    Returns
    -------
    tuple
        The layout, the arrays by name, and the attributes of the whole.

    Raises
    ------
    ValueError, TypeError
        The dataset holds something that cannot be stored; all such problems are named.
    """
    _check(ds)
    taken = set(ds.variables)
    variables = {str(name): _store(str(name), var, taken) for name, var in ds.variables.items()}
    layout = Layout(uuid.uuid4().hex, variables, tuple(str(name) for name in ds.coords))
    arrays = {}
    for name, stored in variables.items():
        attrs = encode_attrs(ds.variables[name].attrs, f"variable {name!r}")
        arrays.update(_arrays(name, stored, attrs, layout))
    blocks = layout.count
    attrs = {"long_name": "CRC-32 of each stored chunk, variable by variable"}
    arrays[CHECKSUMS] = Array(("dmfx_chunk",), (blocks,), (max(1, blocks),), np.dtype("u4"), attrs)
    root = encode_attrs(_with_provenance(ds.attrs))
    return layout, arrays, {**root, ARCHIVE: layout.to_json(), ID: layout.id}


def _with_provenance(attrs: dict[Hashable, Any]) -> dict[Hashable, Any]:
    """Add one line to the history, as CF asks of every program that writes a file."""
    now = datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
    line = f"{now} saved by dmfx {dmfx_version()}"
    history = attrs.get("history", "")
    if isinstance(history, str):
        line = f"{history}\n{line}" if history else line
        attrs = {**attrs, "history": line}
    return attrs if "Conventions" in attrs else {**attrs, "Conventions": "CF-1.11"}


def _store(name: str, var: xr.Variable, taken: set[Hashable]) -> Stored:
    blocks = var.chunks
    sizes = var.shape if blocks is None else [max(axis, default=1) for axis in blocks]
    width = _text_width(var)
    itemsize = width or var.dtype.itemsize
    chunks = fit_chunks(sizes, itemsize, STORED_BYTES)
    parts = tuple(_free_name(name + suffix, taken) if suffix else name for suffix in part_suffixes(var.dtype))
    dims = tuple(str(dim) for dim in var.dims)
    return Stored(dims, var.shape, var.dtype.str, chunks, parts, width, blocks)


def _free_name(name: str, taken: set[Hashable]) -> str:
    while name in taken:
        name += "_"
    taken.add(name)
    return name


def _text_width(var: xr.Variable) -> int:
    """Bytes that the longest string needs, or may need where it is not computed yet; 0 for other kinds."""
    if var.dtype.kind == "S":
        return max(1, var.dtype.itemsize)
    if var.dtype.kind == "U" and var.chunks is not None:
        return max(1, var.dtype.itemsize)  # UTF-8 needs no more than the four bytes of NumPy's UTF-32
    if var.dtype.kind in "UO":
        return max((len(text.encode("utf-8", "surrogatepass")) for text in var.values.flat), default=0) or 1
    return 0


def _arrays(name: str, stored: Stored, attrs: dict[str, Any], layout: Layout) -> dict[str, Array]:
    """The arrays of one variable, each with its attributes and, as CF has it, its ``coordinates``."""
    dtype = stored_dtype(np.dtype(stored.dtype))
    assert dtype is not None
    related = [
        coord
        for coord in layout.coords
        if coord != name and (coord,) != layout.variables[coord].dims
        if set(layout.variables[coord].dims) <= set(stored.dims) and " " not in coord
    ]
    if related and name not in layout.coords:
        names = [part for coord in related for part in layout.variables[coord].parts]
        attrs = {**attrs, "coordinates": " ".join(names)}
    dims, shape, chunks = stored.dims, stored.shape, stored.chunks
    if stored.width:
        dims, shape = (*dims, f"dmfx_bytes_{stored.width}"), (*shape, stored.width)
        chunks = (*chunks, stored.width)
    array = Array(dims, shape, chunks, dtype, attrs, text=stored.width > 0)
    return dict.fromkeys(stored.parts, array)


def _check(ds: xr.Dataset) -> None:
    """Refuse what cannot be stored, before anything is written."""
    problems = Problems("save")
    for name in dict.fromkeys([*ds.variables, *ds.dims]):
        if not _is_name(name):
            problems.say(
                f"the name {name!r} cannot be stored: rename it to a string that begins with a letter or digit, "
                "not with 'dmfx_', and has no '/', control characters or spaces at its ends"
            )
    for name, var in ds.variables.items():
        _check_variable(problems, name, var)
    for index in {id(index): index for index in ds.xindexes.values()}.values():
        if isinstance(index, xr.indexes.PandasMultiIndex):
            problems.say(f"dimension {index.dim!r} has a multi-index: take it apart with .reset_index")
    problems.raise_any()


def _check_variable(problems: Problems, name: Hashable, var: xr.Variable) -> None:
    if var.dtype.kind == "O":
        if var.chunks is not None or not all(type(text) is str for text in var.values.flat):
            problems.say(f"variable {name!r} holds Python objects: convert it to numbers or strings")
        elif any(text.endswith("\0") for text in var.values.flat):
            problems.say(f"variable {name!r} holds strings that end in NUL characters, which would be lost")
    elif stored_dtype(var.dtype) is None:
        problems.add(f"variable {name!r}", "of a dtype that can be stored", describe(var.dtype))
    if var.chunks is not None and np.isnan([size for axis in var.chunks for size in axis]).any():
        problems.say(f"variable {name!r} has chunks of unknown size: call compute_chunk_sizes on its array")
    if len(set(var.dims)) < var.ndim:
        problems.say(f"variable {name!r} has a dimension twice: rename one of {var.dims}")


def _is_name(name: Hashable) -> bool:
    return (
        isinstance(name, str)
        and name != ""
        and (name[0].isalnum() or name[0] == "_")
        and not name.startswith(("__", "dmfx_"))
        and name == name.strip()
        and name == unicodedata.normalize("NFC", name)
        and all(char.isprintable() and char != "/" for char in name)
        and len(name.encode()) <= 200
    )
