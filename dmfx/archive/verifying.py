"""Reading chunks only to see whether they are sound."""

from __future__ import annotations

import contextlib
import math
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from dmfx.archive.chunkfile import chunk_file, load_chunk
from dmfx.archive.chunkio import Store
from dmfx.archive.chunks import chunk_grid, chunk_slices, iterate_chunks
from dmfx.archive.layout import Stored
from dmfx.archive.values import checksum

__all__ = ["AnyArray", "Damage", "SavedVariable", "attempt", "exists", "in_words", "is_written_by_dmfx", "open_array"]


@dataclass(frozen=True)
class Damage:
    """One thing that is wrong with an archive.

    Attributes
    ----------
    where
        An array and the index of its chunk, or a file or attribute of the archive.
    what
        What is wrong with it.
    """

    where: str
    what: str

    def __str__(self) -> str:
        return f"{self.where}: {self.what}"


@contextlib.contextmanager
def attempt(damages: list[Damage], where: str, what: str = "cannot be read") -> Iterator[None]:
    """Record as a damage whatever a library raises: that is nearly every kind of exception."""
    try:
        yield
    except PermissionError:
        raise
    except Exception as error:
        damages.append(Damage(where, f"{what} ({in_words(error)})"))


def exists(path: Path) -> bool:
    """Whether there is something at a path; what must not be looked at raises, which Path.exists may not."""
    try:
        path.stat()
    except (FileNotFoundError, NotADirectoryError):
        return False
    return True


def in_words(error: Exception) -> str:
    """An exception in one short line."""
    return f"{type(error).__name__}: {' '.join(str(error).split())[:200]}".rstrip(": ")


@dataclass(frozen=True)
class SavedVariable:
    """Chunks of a variable that dmfx wrote; every one of them must be there.

    Parameters
    ----------
    store
        Where they are.
    stored
        How they are stored.
    crcs
        The checksums of the chunks from number ``first`` on; None where these are lost.
    direct
        Whether each part of a chunk is one file that can be read without the Zarr library, which takes ten times
        as long for small chunks.
    first
        Number of the first chunk that has an entry in ``crcs``.
    prefix
        Path of the group in the store, for messages.
    """

    store: Store
    stored: Stored
    crcs: np.ndarray | None
    direct: bool
    first: int = 0
    prefix: str = ""

    @property
    def name(self) -> str:
        """What it is called."""
        return self.prefix + self.stored.parts[0]

    @property
    def count(self) -> int:
        """Number of chunks."""
        return self.stored.count

    @property
    def chunk_bytes(self) -> int:
        """Size of a chunk in memory."""
        itemsize = self.stored.width or np.dtype(self.stored.dtype).itemsize
        return itemsize * math.prod(self.stored.chunks)

    def part(self, start: int, stop: int) -> SavedVariable:
        """The same with the checksums of a run of chunks only, to be sent to a worker."""
        crcs = None if self.crcs is None else self.crcs[start:stop]
        return replace(self, crcs=crcs, first=start)

    def reading(self) -> contextlib.AbstractContextManager[Any]:
        """Open for reading."""
        return contextlib.nullcontext() if self.direct else self.store.reading()

    def check(self, handle: Any, number: int) -> list[Damage]:
        """Read one chunk and say what is wrong with it."""
        index = _index(number, self.stored.grid)
        where = f"chunk {index} of {self.name}"
        try:
            for part in self.stored.parts:
                if not self._exists(part, index):
                    return [Damage(where, "is missing")]
            crc = self._checksum(handle, index)
        except PermissionError:
            raise
        except Exception as error:
            _reraise_if_too_large(error, self.chunk_bytes)
            return [Damage(where, f"cannot be read ({in_words(error)})")]
        if self.crcs is not None and crc != int(self.crcs[number - self.first]):
            return [Damage(where, "is not what was written")]
        return []

    def _file(self, part: str, index: tuple[int, ...]) -> Path:
        return chunk_file(self.store.path, part, index, self.stored)

    def _exists(self, part: str, index: tuple[int, ...]) -> bool:
        # A chunk that is missing in HDF5 reads as another value.
        return self.store.one_writer or exists(self._file(part, index))

    def _checksum(self, handle: Any, index: tuple[int, ...]) -> int:
        if self.direct:
            return load_chunk(self.store.path, self.stored, index)[1]
        where = self.stored.where_stored(index)
        return checksum([self.store.get(handle, part, where) for part in self.stored.parts])


@dataclass(frozen=True)
class AnyArray:
    """An array of any program, read in blocks of whole chunks to see whether it can be read.

    Parameters
    ----------
    store
        Where it is.
    name
        Its path in the store.
    shape
        Its shape.
    chunks
        Its chunks; ones where it has none.
    block
        What is read at once.
    itemsize
        Bytes of one value, about.
    prefix
        Path of the store in another, for messages.
    """

    store: Store
    name: str
    shape: tuple[int, ...]
    chunks: tuple[int, ...]
    block: tuple[int, ...]
    itemsize: int
    prefix: str = ""

    @property
    def count(self) -> int:
        """Number of blocks."""
        return math.prod(chunk_grid(self.shape, self.block))

    @property
    def chunk_bytes(self) -> int:
        """Size of a block in memory."""
        return self.itemsize * math.prod(self.block)

    def part(self, start: int, stop: int) -> AnyArray:
        """The same; there is little to send."""
        return self

    @contextlib.contextmanager
    def reading(self) -> Iterator[Any]:
        """Open for reading."""
        if self.store.one_writer:
            with self.store.reading() as file:
                yield file[self.name]
        else:
            yield open_array(self.store.path / self.name)

    def check(self, array: Any, number: int) -> list[Damage]:
        """Read one block and, if that fails, its chunks one by one."""
        whole = chunk_slices(_index(number, chunk_grid(self.shape, self.block)), self.shape, self.block)
        if self._fails(array, whole) is None:
            return []
        found = []
        sizes = [axis.stop - axis.start for axis in whole]
        for step in iterate_chunks(chunk_grid(sizes, self.chunks)):
            at = [axis.start // chunk + i for axis, chunk, i in zip(whole, self.chunks, step, strict=True)]
            error = self._fails(array, chunk_slices(at, self.shape, self.chunks))
            if error is not None:
                found.append(
                    Damage(f"chunk {tuple(at)} of {self.prefix}{self.name}", f"cannot be read ({in_words(error)})")
                )
        return found

    def _fails(self, array: Any, where: tuple[slice, ...]) -> Exception | None:
        try:
            array[where or ...]
        except PermissionError:
            raise
        except Exception as error:
            _reraise_if_too_large(error, self.chunk_bytes)
            return error
        return None


def _index(number: int, grid: tuple[int, ...]) -> tuple[int, ...]:
    """Index of a chunk from its number, the last axis fastest."""
    return tuple(int(i) for i in np.unravel_index(number, grid)) if grid else ()


def _reraise_if_too_large(error: Exception, size: int) -> None:
    """A damaged chunk may claim any size; one that truly does not fit into memory is no damage."""
    if isinstance(error, MemoryError):
        np.empty(2 * size, np.uint8)


def open_array(path: Path) -> Any:
    """Open one Zarr array for reading."""
    import zarr

    return zarr.open_array(path, mode="r")


def is_written_by_dmfx(array: Any) -> bool:
    """Whether each chunk of a Zarr array is one file as :class:`dmfx.archive.zarr.ZarrStore` writes them."""
    from zarr.codecs import BytesCodec, ZstdCodec

    metadata = array.metadata
    if metadata.zarr_format != 3 or metadata.chunk_key_encoding.to_dict() != {
        "name": "default",
        "configuration": {"separator": "/"},
    }:
        return False
    codecs = metadata.codecs
    return (
        len(codecs) == 2
        and isinstance(codecs[0], BytesCodec)
        and (codecs[0].endian is None or codecs[0].endian.value == "little")
        and isinstance(codecs[1], ZstdCodec)
        and not metadata.storage_transformers
    )
