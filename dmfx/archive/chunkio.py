"""One chunk in and out of a store, and the checks that what comes out is what went in."""

from __future__ import annotations

import contextlib
import json
import shutil
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

from dmfx.archive.errors import ArchiveError, damaged
from dmfx.archive.layout import HEADER, SEAL, Stored
from dmfx.archive.netcdf import NetCDFStore
from dmfx.archive.values import checksum, encode
from dmfx.archive.zarr import ZarrStore

__all__ = ["Store", "header_seal", "read_chunk", "reading_errors", "seal_of", "write_chunk", "writing_errors"]

Store = NetCDFStore | ZarrStore


def write_chunk(store: Store, handle: Any, stored: Stored, index: tuple[int, ...], values: np.ndarray) -> int:
    """Write one chunk of a variable and return its checksum."""
    parts = encode(values, np.dtype(stored.dtype), stored.width)
    for name, part in zip(stored.parts, parts, strict=True):
        store.put(handle, name, stored.where_stored(index), part)
    return checksum(parts)


def read_chunk(store: Store, handle: Any, stored: Stored, index: tuple[int, ...], crc: int) -> list[np.ndarray]:
    """Read one chunk as it is stored, refusing it unless it has the checksum it was written with."""
    where = stored.where_stored(index)
    parts = [store.get(handle, name, where) for name in stored.parts]
    if checksum(parts) != crc:
        raise damaged(store.path, f"chunk {index} of {stored.parts[0]!r} is not what was written")
    return parts


def seal_of(root: dict[str, Any], arrays: dict[str, Any], checksums: np.ndarray) -> str:
    """Checksum of all that is not in the chunks: names, dims, dtypes, attributes and the chunks' checksums."""
    root = {name: value for name, value in root.items() if name not in (SEAL, HEADER)}
    text = json.dumps([root, arrays], sort_keys=True, default=repr)
    return f"{zlib.crc32(checksums.astype('<u4').tobytes(), zlib.crc32(text.encode())):08x}"


def header_seal(root: dict[str, Any], arrays: dict[str, Any]) -> str:
    """Checksum of all but the chunks, for archives whose chunks are still to come."""
    return seal_of(root, arrays, np.empty(0, np.uint32))


@contextlib.contextmanager
def reading_errors(path: Path, doing: str) -> Iterator[None]:
    """Name the archive whatever a library says about it: they raise nearly every kind of exception."""
    try:
        yield
    except (ArchiveError, MemoryError, PermissionError):
        raise
    except Exception as error:
        if not path.exists():
            raise FileNotFoundError(f"{path} was moved or deleted; open it again from where it is now") from error
        raise damaged(path, f"{doing} failed: {type(error).__name__}: {error}") from error


@contextlib.contextmanager
def writing_errors(path: Path) -> Iterator[None]:
    """Say what may be wrong when a library cannot write; NetCDF's raises a RuntimeError."""
    try:
        yield
    except (OSError, RuntimeError) as error:
        free = shutil.disk_usage(path.parent).free / 2**20
        number = getattr(error, "errno", None) or 0
        text = f"cannot write {path} ({error}): {free:.0f} MiB are free there; is a disk full or a quota reached?"
        raise (OSError(number, text) if number > 0 else OSError(text)) from error
