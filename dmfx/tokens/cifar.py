"""The binary version of CIFAR-10: records of a label and 32 x 32 pixels in three colours, in plain files or a tar."""

from __future__ import annotations

import tarfile
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from dmfx.tokens.files import PIECE, damaged, open_maybe_gzip, read_at_most, unpacking

__all__ = ["ARCHIVE", "FILES", "INNER_FOLDER", "read_archive", "read_batch"]

ARCHIVE = "cifar-10-binary.tar.gz"
INNER_FOLDER = "cifar-10-batches-bin"
FILES = {"train": tuple(f"data_batch_{k}.bin" for k in range(1, 6)), "test": ("test_batch.bin",)}

SIDE, CHANNELS, CLASSES = 32, 3, 10
RECORD = 1 + CHANNELS * SIDE * SIDE

#: A batch has 10,000 records; no more than this is read of one.
MOST_RECORDS = 10**6


def read_batch(path: Path) -> tuple[np.ndarray, np.ndarray]:
    """Images (n, row, column, channel) and labels (n,) of one file, both uint8.

    Raises
    ------
    DataFileError
        If the file is damaged.
    """
    with path.open("rb") as file:
        return _parse(path, read_at_most(file, MOST_RECORDS * RECORD + 1))


def read_archive(path: Path, names: Sequence[str]) -> tuple[list[tuple[np.ndarray, np.ndarray]], list[str]]:
    """The batches with these names in the archive as it is published, and the names that it has not.

    Raises
    ------
    DataFileError
        If the archive is damaged, or one of the batches.
    """
    found = {}
    with unpacking(path), open_maybe_gzip(path) as file, tarfile.open(fileobj=file, mode="r:") as archive:
        for member in archive:
            name = member.name.rsplit("/", 1)[-1]
            if member.isfile() and name in names:
                found[name] = _parse(
                    f"{path}, {name}", read_at_most(archive.extractfile(member), MOST_RECORDS * RECORD + 1)
                )
        while file.read(PIECE):  # to the end, where the checksum is
            pass
    return [found[name] for name in names if name in found], [name for name in names if name not in found]


def _parse(path: object, data: bytes) -> tuple[np.ndarray, np.ndarray]:
    if not data:
        raise damaged(path, "it is empty")
    if len(data) > MOST_RECORDS * RECORD:
        raise damaged(path, f"it is longer than {MOST_RECORDS} records")
    if len(data) % RECORD:
        raise damaged(
            path,
            f"it is not a whole number of records of {RECORD} bytes: {len(data) % RECORD} are left after "
            f"{len(data) // RECORD} records",
        )
    records = np.frombuffer(data, dtype=np.uint8).reshape(-1, RECORD)
    labels = records[:, 0]
    if (labels >= CLASSES).any():
        bad = int(np.argmax(labels >= CLASSES))
        raise damaged(path, f"record {bad} has the label {labels[bad]}, not one from 0 to {CLASSES - 1}")
    return records[:, 1:].reshape(-1, CHANNELS, SIDE, SIDE).transpose(0, 2, 3, 1), labels
