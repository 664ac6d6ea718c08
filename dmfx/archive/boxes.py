"""Boxes: how the points of a sweep's store are cut, and which chunks each box writes.

A box is a rectangle of sweep points. Of every variable that depends on its points it has whole chunks. A variable that
lacks some of the dims that are cut is written with the first box along these.
"""

from __future__ import annotations

import functools
import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from dmfx.archive.chunks import chunk_grid, chunk_slices, iterate_chunks
from dmfx.archive.layout import Stored

__all__ = ["Boxes", "Piece"]

#: A chunk of a variable: its name and which chunk.
Piece = tuple[str, tuple[int, ...]]


@dataclass(frozen=True)
class Boxes:
    """The boxes of a rectangle of sweep points.

    Attributes
    ----------
    dims
        Dims that are cut, in order.
    shape
        Number of labels along each.
    sizes
        Labels of a box along each; less at the end.
    variables
        Variables that the boxes write, in order: their dims that are cut name their place.
    """

    dims: tuple[str, ...]
    shape: tuple[int, ...]
    sizes: tuple[int, ...]
    variables: Mapping[str, Stored]

    @functools.cached_property
    def grid(self) -> tuple[int, ...]:
        """Number of boxes along each dim."""
        return chunk_grid(self.shape, self.sizes)

    @property
    def count(self) -> int:
        """Number of boxes."""
        return math.prod(self.grid)

    @property
    def points(self) -> int:
        """Number of points of the dims that are cut."""
        return math.prod(self.shape)

    def index(self, number: int) -> tuple[int, ...]:
        """Place of a box in the grid, the last dim fastest."""
        place = []
        for size in reversed(self.grid):
            number, rest = divmod(number, size)
            place.append(rest)
        return tuple(reversed(place))

    def number(self, index: tuple[int, ...]) -> int:
        """Undo :meth:`index`."""
        number = 0
        for size, place in zip(self.grid, index, strict=True):
            number = number * size + place
        return number

    def region(self, number: int) -> dict[str, slice]:
        """Positions of a box along each dim."""
        return dict(zip(self.dims, chunk_slices(self.index(number), self.shape, self.sizes), strict=True))

    def points_of(self, number: int) -> int:
        """Number of points of a box."""
        return math.prod(part.stop - part.start for part in self.region(number).values())

    @functools.cached_property
    def inner(self) -> int:
        """The last dim along which there is more than one box: neighbours along it can be computed together."""
        return max((axis for axis, size in enumerate(self.grid) if size > 1), default=0)

    def row(self, number: int) -> tuple[int, ...]:
        """What boxes share that follow each other along the inner dim; their numbers then follow each other too."""
        index = self.index(number)
        return index[: self.inner] + index[self.inner + 1 :]

    def pieces(self, number: int) -> Iterator[Piece]:
        """The chunks that a box writes, in the order of their checksums in its record."""
        region = self.region(number)
        index = dict(zip(self.dims, self.index(number), strict=True))
        for name, stored in self.variables.items():
            if any(index[dim] for dim in self.dims if dim not in stored.dims) or stored.count == 0:
                continue
            ranges = []
            for dim, size, chunk in zip(stored.dims, stored.shape, stored.chunks, strict=True):
                part = region.get(dim, slice(0, size))
                ranges.append(range(part.start // chunk, -(-part.stop // chunk)))
            first = [each.start for each in ranges]
            for offset in iterate_chunks([len(each) for each in ranges]):
                yield name, tuple(a + b for a, b in zip(first, offset, strict=True))

    def box_of(self, name: str, index: tuple[int, ...]) -> int:
        """The box that writes a chunk of a variable."""
        stored = self.variables[name]
        starts = {dim: i * chunk for dim, i, chunk in zip(stored.dims, index, stored.chunks, strict=True)}
        place = tuple(starts.get(dim, 0) // size for dim, size in zip(self.dims, self.sizes, strict=True))
        return self.number(place)

    @functools.cached_property
    def most_pieces(self) -> int:
        """Number of chunks of the first box, which has the most."""
        return sum(1 for _ in self.pieces(0)) if self.count else 0
