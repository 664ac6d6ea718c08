"""The IDX format of MNIST: a magic number, the length of each dim, and unsigned bytes."""

from __future__ import annotations

import math
from pathlib import Path

import numpy as np

from dmfx.tokens.files import damaged, open_maybe_gzip, read_at_most, unpacking

__all__ = ["read_idx"]

UNSIGNED_BYTE = 0x08


def read_idx(path: Path, item_shape: tuple[int, ...]) -> np.ndarray:
    """The array of an IDX file, packed by gzip or not.

    Parameters
    ----------
    path
        The file.
    item_shape
        Shape of one item: (28, 28) for images of MNIST, () for labels.

    Returns
    -------
    np.ndarray
        Shape (n, *item_shape), uint8.

    Raises
    ------
    DataFileError
        If the file is damaged, or has items of another shape or type.
    """
    n_dims = 1 + len(item_shape)
    magic = bytes([0, 0, UNSIGNED_BYTE, n_dims])
    with unpacking(path), open_maybe_gzip(path) as file:
        head = read_at_most(file, 4 + 4 * n_dims)
        if head[:4] != magic[: len(head)]:
            raise damaged(path, f"its magic number is {_hex(head[:4])}, not {_hex(magic)} ({_meaning(n_dims)})")
        if len(head) < 4 + 4 * n_dims:
            raise damaged(path, f"it ends within its header, after {len(head)} of {4 + 4 * n_dims} bytes")
        n, *shape = (int.from_bytes(head[k : k + 4], "big") for k in range(4, len(head), 4))
        if tuple(shape) != item_shape:
            raise damaged(path, f"its images have {_times(shape)} pixels, not {_times(item_shape)}")
        if n == 0:
            raise damaged(path, "it has no items")
        expected = n * math.prod(item_shape)
        data = read_at_most(file, expected + 1)
    if len(data) < expected:
        raise damaged(path, f"it is cut off: {len(data)} bytes of the {expected} that its header says")
    if len(data) > expected:
        raise damaged(path, f"it has bytes after the {expected} that its header says")
    return np.frombuffer(data, dtype=np.uint8).reshape(n, *item_shape)


def _hex(data: bytes) -> str:
    return "0x" + data.hex() if data else "missing"


def _times(shape: tuple[int, ...] | list[int]) -> str:
    return " x ".join(map(str, shape))


def _meaning(n_dims: int) -> str:
    return f"unsigned bytes in {n_dims} dim" + ("s" if n_dims > 1 else "")
