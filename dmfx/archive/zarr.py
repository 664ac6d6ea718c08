"""Arrays in a Zarr v3 group."""

from __future__ import annotations

import contextlib
import os
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

from dmfx.archive.chunks import chunk_grid, iterate_chunks
from dmfx.archive.errors import damaged
from dmfx.archive.layout import ID, Array, Layout

__all__ = ["ZarrStore"]


#: What makes a folder a Zarr group.
MARK = "zarr.json"


class ZarrStore:
    """A folder with a Zarr v3 group.

    Every chunk is a file of its own, so that several tasks may write at the same time.
    """

    one_writer = False

    def __init__(self, path: Path):
        self.path = path

    def create(self, arrays: dict[str, Array], attrs: dict[str, Any]) -> None:
        """Make a new group with arrays that are still to be written."""
        from zarr.codecs import ZstdCodec

        group = self._group("w-")
        group.update_attributes(attrs)
        for name, array in arrays.items():
            group.create_array(
                name,
                shape=array.shape,
                chunks=array.chunks,
                dtype=array.dtype,
                compressors=[ZstdCodec(checksum=True)],
                dimension_names=array.dims,
                chunk_key_encoding={"name": "default", "separator": "." if array.flat else "/"},
                attributes=array.attrs,
            )

    @contextlib.contextmanager
    def reading(self) -> Iterator[Any]:
        """Open for reading."""
        yield self._group("r")

    @contextlib.contextmanager
    def writing(self) -> Iterator[Any]:
        """Open for writing into arrays that exist."""
        try:
            yield self._group("r+")
        finally:
            # Given up while this task was writing: its chunk has made the folder anew.
            if not (self.path / MARK).exists():
                shutil.rmtree(self.path, ignore_errors=True)

    def _group(self, mode: Any) -> Any:
        import zarr

        return zarr.open_group(self.path, mode=mode, zarr_format=3, use_consolidated=False)

    def put(self, group: Any, name: str, where: tuple[slice, ...], values: np.ndarray) -> None:
        """Write part of an array."""
        # Zarr leaves out chunks of zeros by default; then a chunk that was lost would read as zeros unnoticed.
        array = group[name].with_config({"write_empty_chunks": True})
        array[where or ...] = values

    def get(self, group: Any, name: str, where: tuple[slice, ...]) -> np.ndarray:
        """Read part of an array."""
        return np.asarray(group[name][where or ...])

    def set_attr(self, group: Any, name: str, value: str) -> None:
        """Set an attribute of the whole."""
        group.update_attributes({name: value})

    def id(self, group: Any) -> str | None:
        """Which archive this is."""
        return group.attrs.get(ID)

    def header(self, group: Any) -> tuple[dict[str, Any], dict[str, Any]]:
        """Attributes of the whole, and dims, shape, dtype and attributes of every array."""
        arrays = {}
        for name, array in group.arrays():
            dims = list(array.metadata.dimension_names or ())
            arrays[name] = [dims, list(array.shape), array.dtype.str[1:], array.attrs.asdict()]
        return group.attrs.asdict(), arrays

    def check_chunks(self, layout: Layout) -> None:
        """Refuse a group of which a chunk is missing: Zarr would read it as zeros."""
        for stored in layout.variables.values():
            for part in stored.parts:
                shape, chunks = stored.shape, stored.chunks
                if stored.width:
                    shape, chunks = (*shape, stored.width), (*chunks, stored.width)
                self._check_array(part, chunk_grid(shape, chunks))

    def _check_array(self, name: str, grid: tuple[int, ...]) -> None:
        folder = self.path / name / "c"
        if not grid:
            found, wanted = {folder.name} if folder.is_file() else set(), {folder.name}
        else:
            found = {
                os.path.relpath(os.path.join(parent, file), folder).replace(os.sep, "/")
                for parent, _, files in os.walk(folder)
                for file in files
            }
            wanted = {"/".join(map(str, index)) for index in iterate_chunks(grid)}
        missing = wanted - found
        if missing:
            first = min(missing)
            raise damaged(self.path, f"{len(missing)} of {len(wanted)} chunks of {name!r} are missing ({first})")
