"""The parts of a store of a sweep, as they are on disk, whether they are finished or not.

The store is a Zarr group, its first part; extensions are further parts, groups within it. A part is an archive of its
own: a rectangle of sweep points for a stretch of steps. Labels that were added along a sweep dim make more parts of the
same stretch; longer runs make a further stretch, which goes on from the final states of the one before.
"""

from __future__ import annotations

import functools
import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from dmfx.archive.boxes import Boxes
from dmfx.archive.chunkfile import load_chunk
from dmfx.archive.chunkio import header_seal, seal_of
from dmfx.archive.chunks import iterate_chunks
from dmfx.archive.errors import damaged
from dmfx.archive.layout import ARCHIVE, CHECKSUMS, HEADER, ID, SEAL, Layout, Stored
from dmfx.archive.records import RECORDS, WORKING, Records
from dmfx.archive.values import decode
from dmfx.archive.zarr import ZarrStore

__all__ = [
    "FAILURES",
    "PART",
    "REDUCTIONS",
    "SWEEP",
    "Part",
    "failures_of",
    "is_sweep",
    "later_path",
    "load_part",
    "load_parts",
    "part_paths",
    "read_piece",
]

#: Attribute of a part: what it is of the sweep, as JSON.
SWEEP = "dmfx_sweep"
#: Attributes of the Dataset: points that failed, and which variables are whose.
FAILURES, REDUCTIONS = "dmfx_failures", "dmfx_reductions"
#: Name of the groups of extensions, with their number from 1 on.
PART = "dmfx_part_"
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


def later_path(store: Path, name: str) -> Path:
    """Where a store keeps a reduction that was computed at its end: an archive of its own."""
    return store / f"dmfx_later_{name}.zarr"


def failures_of(parts: Sequence[Part]) -> Iterator[dict[str, object]]:
    """Points that failed, with their reasons."""
    for part in parts:
        folder = part.records.failures_path(0).parent
        if folder.is_dir():
            for path in sorted(folder.iterdir(), key=lambda each: int(each.name)):
                yield from part.records.failures(int(path.name))
