"""Reading files that may be damaged: how much is read is bounded, and what is wrong is said by name."""

from __future__ import annotations

import gzip
import os
import tarfile
import zlib
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO

__all__ = ["PIECE", "DataFileError", "damaged", "find_first", "open_maybe_gzip", "read_at_most", "unpacking"]

#: Bytes read at once: a length that a damaged file claims is never allocated.
PIECE = 2**24


class DataFileError(ValueError):
    """A file of a data set is damaged or not what it should be."""


def damaged(path: object, what: str) -> DataFileError:
    """Name the file, what is wrong with it and what to do."""
    return DataFileError(f"{os.fspath(path)}: {what}; copy it again from an intact source")


def find_first(folder: Path, names: Iterable[str]) -> Path | None:
    """The first of these files that a folder has."""
    return next((folder / name for name in names if (folder / name).is_file()), None)


def open_maybe_gzip(path: Path) -> BinaryIO:
    """Open a file, unpacking it if its first bytes say that it is packed, whatever its name is."""
    with path.open("rb") as file:
        packed = file.read(2) == b"\x1f\x8b"
    if not packed and path.suffix == ".gz":
        raise damaged(path, "its name ends in .gz, but it is not a gzip file")
    return gzip.open(path) if packed else path.open("rb")


def read_at_most(file: BinaryIO, n: int) -> bytes:
    """Up to so many bytes, fewer where the file ends."""
    pieces = []
    while n > 0 and (piece := file.read(min(n, PIECE))):
        pieces.append(piece)
        n -= len(piece)
    return b"".join(pieces)


@contextmanager
def unpacking(path: Path) -> Iterator[None]:
    """Turn what gzip and tar raise for damaged files into a `DataFileError` that names the file."""
    try:
        yield
    except (gzip.BadGzipFile, zlib.error, EOFError, tarfile.TarError) as error:
        raise damaged(path, f"it cannot be unpacked ({error})") from error
