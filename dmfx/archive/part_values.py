"""Values of a variable of a store of a sweep: from all of its parts, and something else where there are none yet."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from xarray.backends import BackendArray
from xarray.core import indexing

from dmfx.archive.chunks import iterate_chunks
from dmfx.archive.layout import Stored
from dmfx.archive.parts import read_piece
from dmfx.variables import STATUS

__all__ = ["PartsArray", "Source", "fill_value"]


def fill_value(name: str, dtype: np.dtype) -> Any:
    """What stands where a point has not been computed."""
    if name.endswith("status"):
        return STATUS.index("missing")
    if dtype.kind == "c":
        return complex(np.nan, np.nan)
    return {"f": np.nan, "i": -1, "u": 0, "b": False, "U": "", "S": b""}.get(dtype.kind, "NaT")


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
