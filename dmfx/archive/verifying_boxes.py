"""Reading the boxes of a sweep's store only to see whether they are sound."""

from __future__ import annotations

import contextlib
import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from dmfx.archive.boxes import Boxes, Piece
from dmfx.archive.chunkfile import load_chunk
from dmfx.archive.chunks import iterate_chunks
from dmfx.archive.layout import Stored
from dmfx.archive.records import RECORDS, Records
from dmfx.archive.verifying import Damage, in_words

__all__ = ["WrittenBoxes"]


@dataclass(frozen=True)
class WrittenBoxes:
    """The boxes of one part of a store: their records, and unless the part is sealed, their chunks.

    Parameters
    ----------
    records
        Which boxes there are; the last record is that of what no box writes.
    boxes
        How the part is cut.
    fixed
        Variables that no box writes.
    sealed
        Whether all boxes must be there, and their chunks are checked as those of any archive.
    prefix
        Path of the part in the store, for messages.
    """

    records: Records
    boxes: Boxes
    fixed: Mapping[str, Stored]
    sealed: bool
    prefix: str = ""

    @property
    def name(self) -> str:
        """What it is called."""
        return f"{self.prefix}{RECORDS}"

    @property
    def count(self) -> int:
        """Number of records."""
        return self.boxes.count + 1

    @property
    def chunk_bytes(self) -> int:
        """Size of a box in memory."""
        if self.sealed:
            return self.records.n_bytes
        each = self.boxes.variables.values()
        return sum(math.prod(var.chunks) * (var.width or np.dtype(var.dtype).itemsize) for var in each)

    def part(self, start: int, stop: int) -> WrittenBoxes:
        """The same; there is little to send."""
        return self

    def reading(self) -> contextlib.AbstractContextManager[Any]:
        """Nothing to open."""
        return contextlib.nullcontext()

    def check(self, handle: Any, number: int) -> list[Damage]:
        """Read one record, and the chunks of its box. A box that was not computed yet is no damage."""
        where = f"chunk ({number},) of {self.name}"
        try:
            self.records.path(number).read_bytes()
        except (FileNotFoundError, NotADirectoryError):
            return [Damage(where, "is missing")] if self.sealed or number == self.boxes.count else []
        except PermissionError:
            raise
        except OSError as error:
            return [Damage(where, f"cannot be read ({in_words(error)})")]
        record = self.records.get(number)
        if record is None:
            # A sweep that is running may just have taken it away.
            return [Damage(where, "is not what was written")] if self.records.path(number).exists() else []
        if self.sealed:
            return []
        pieces = list(self._pieces(number))
        if len(pieces) != len(record.checksums):
            return [Damage(where, f"has {len(record.checksums)} checksums of {len(pieces)} chunks")]
        checked = (self._check(*piece, crc) for piece, crc in zip(pieces, record.checksums.tolist(), strict=True))
        return [Damage(f"chunk {index} of {self.prefix}{name}", what) for name, index, what in checked if what]

    def _pieces(self, number: int) -> Iterator[Piece]:
        if number < self.boxes.count:
            yield from self.boxes.pieces(number)
            return
        for name, stored in self.fixed.items():
            for index in iterate_chunks(stored.grid):
                yield name, index

    def _check(self, name: str, index: tuple[int, ...], crc: int) -> tuple[str, tuple[int, ...], str]:
        """The chunk, and what is wrong with it; an empty text if nothing is."""
        stored = self.fixed.get(name) or self.boxes.variables[name]
        try:
            found = load_chunk(self.records.group, stored, index)[1]
        except PermissionError:
            raise
        except FileNotFoundError:
            return name, index, "is missing"
        except Exception as error:
            return name, index, f"cannot be read ({in_words(error)})"
        return name, index, "" if found == crc else "is not what was written"
