"""Chunks: how arrays are cut on disk, and how they are cut again when opened."""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterator, Sequence

__all__ = ["OPENED_BYTES", "STORED_BYTES", "chunk_grid", "chunk_slices", "fit_chunks", "iterate_chunks"]

#: Largest chunk on disk.
STORED_BYTES = 16 * 2**20
#: Largest chunk of what was in memory when it was saved, once opened.
OPENED_BYTES = 128 * 2**20


def fit_chunks(sizes: Sequence[int], itemsize: int, limit: int) -> tuple[int, ...]:
    """Cut blocks along their first axes until they fit into ``limit`` bytes.

    A divisor of the block is preferred, so that blocks stay whole numbers of chunks.

    Examples
    --------
    >>> fit_chunks((1000, 20_000), 8, 16 * 2**20)
    (100, 20000)
    """
    chunks = [max(1, size) for size in sizes]
    for axis, size in enumerate(chunks):
        rest = itemsize * math.prod(chunks[axis + 1 :])
        if rest * size <= limit:
            break
        fit = max(1, limit // rest)
        chunks[axis] = next((part for part in range(fit, fit // 2, -1) if size % part == 0), fit)
    return tuple(chunks)


def chunk_grid(shape: Sequence[int], chunks: Sequence[int]) -> tuple[int, ...]:
    """Number of chunks along each axis."""
    return tuple(-(-size // chunk) for size, chunk in zip(shape, chunks, strict=True))


def chunk_slices(index: Sequence[int], shape: Sequence[int], chunks: Sequence[int]) -> tuple[slice, ...]:
    """Where the chunk with this index lies."""
    triples = zip(index, shape, chunks, strict=True)
    return tuple(slice(i * chunk, min((i + 1) * chunk, size)) for i, size, chunk in triples)


def iterate_chunks(grid: Sequence[int]) -> Iterator[tuple[int, ...]]:
    """Indices of all chunks, the last axis fastest."""
    return itertools.product(*(range(count) for count in grid))
