"""Records: what says that a box of a sweep is complete, and how to tell that it is sound.

A record has the CRC-32 of every chunk that its box wrote, and is written after them. Records are the chunks of an
array of the group; a box without one has not been computed. What failed in a box is in a file of its own, whose
checksum is in the record too.
"""

from __future__ import annotations

import json
import zlib
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np

from dmfx.archive.chunkfile import compress, decompress, put_file

__all__ = ["RECORDS", "WORKING", "Record", "Records", "working_folder"]

#: Array of the records, one chunk each.
RECORDS = "dmfx_records"
#: Folder within that of the array, where zarr never looks, for what a running sweep needs.
WORKING = "sweep"
_MAGIC = 0x78666D64
#: Words of a record besides the checksums of chunks: magic, box, number of checksums, failed points, checksum of the
#: file about them, checksum of the record.
_HEAD, _TAIL = 5, 1


def working_folder(group: Path) -> Path:
    """Where a sweep keeps what it needs while it runs."""
    return group / RECORDS / WORKING


class Record(NamedTuple):
    """What is known of a complete box: checksums of its chunks, and how many of its points failed."""

    checksums: np.ndarray
    failed: int


class Records:
    """The records of one group.

    Parameters
    ----------
    group
        Folder of the group.
    width
        Number of checksums for which a record has room.
    """

    def __init__(self, group: Path, width: int):
        self.group, self.width = group, width

    @property
    def n_bytes(self) -> int:
        """Bytes of one record."""
        return self.n_bytes_of(self.width)

    @staticmethod
    def n_bytes_of(width: int) -> int:
        """Bytes of a record with room for so many checksums."""
        return 4 * (_HEAD + width + _TAIL)

    def path(self, box: int) -> Path:
        """File of a record."""
        return self.group / RECORDS / "c" / str(box)

    def failures_path(self, box: int) -> Path:
        """File of the reasons of a box."""
        return working_folder(self.group) / "failures" / str(box)

    def numbers(self) -> set[int]:
        """Boxes that have a record."""
        folder = self.group / RECORDS / "c"
        if not folder.is_dir():
            return set()
        return {int(path.name) for path in folder.iterdir() if path.name.isdigit()}

    def put(self, box: int, checksums: Sequence[int], failures: Sequence[dict[str, object]], aside: Path) -> None:
        """Say that a box is complete.

        Parameters
        ----------
        box
            Its number.
        checksums
            Of its chunks.
        failures
            Points that failed: their labels and ``reason``.
        aside
            Folder of the same file system to write in.
        """
        crc = 0
        if failures:
            text = json.dumps(list(failures), ensure_ascii=False).encode()
            crc = zlib.crc32(text)
            put_file(self.failures_path(box), text, aside)
        else:
            self.failures_path(box).unlink(missing_ok=True)
        words = np.zeros(_HEAD + self.width, "<u4")
        words[:_HEAD] = _MAGIC, box & 0xFFFFFFFF, len(checksums), len(failures), crc
        words[_HEAD : _HEAD + len(checksums)] = checksums
        content = words.tobytes()
        put_file(self.path(box), compress(content + zlib.crc32(content).to_bytes(4, "little")), aside)

    def get(self, box: int) -> Record | None:
        """The record of a box, None if there is none or it is damaged: then the box is computed again."""
        try:
            content = decompress(self.path(box).read_bytes())
        except (OSError, ValueError, RuntimeError):
            return None
        if len(content) != self.n_bytes or zlib.crc32(content[:-4]) != int.from_bytes(content[-4:], "little"):
            return None
        words = np.frombuffer(content[:-4], "<u4")
        magic, number, count, failed, crc = words[:_HEAD].tolist()
        if magic != _MAGIC or number != box & 0xFFFFFFFF or count > self.width:
            return None
        if failed and self._failures(box, crc) is None:
            return None
        return Record(words[_HEAD : _HEAD + count], failed)

    def failures(self, box: int) -> list[dict[str, object]]:
        """Points of a box that failed, as far as it is complete and sound."""
        record = self.get(box)
        return self._failures(box, None) or [] if record is not None and record.failed else []

    def _failures(self, box: int, crc: int | None) -> list[dict[str, object]] | None:
        try:
            text = self.failures_path(box).read_bytes()
        except OSError:
            return None
        return None if crc is not None and zlib.crc32(text) != crc else json.loads(text)

    def drop(self, box: int) -> None:
        """Forget that a box was complete."""
        self.path(box).unlink(missing_ok=True)
        self.failures_path(box).unlink(missing_ok=True)
