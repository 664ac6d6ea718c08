"""Values: arrays of any kind as real arrays that both formats hold bit for bit, and back."""

from __future__ import annotations

import zlib
from collections.abc import Sequence

import numpy as np

__all__ = ["TEXT", "checksum", "decode", "encode", "part_suffixes", "stored_dtype"]

#: Stored dtype of strings: their UTF-8 bytes, along one more axis.
TEXT = np.dtype("u1")

# Half precision, which NetCDF lacks, fits into single precision exactly.
_STORED = {"b1": "i1", "f2": "f4", "c8": "f4", "c16": "f8"}


def stored_dtype(dtype: np.dtype) -> np.dtype | None:
    """The dtype on disk, None where there is none.

    Examples
    --------
    >>> stored_dtype(np.dtype("complex64")), stored_dtype(np.dtype("longdouble"))
    (dtype('float32'), None)
    """
    if dtype.kind in "USO":
        return TEXT
    if dtype.kind in "mM":
        return np.dtype("i8")
    code = f"{dtype.kind}{dtype.itemsize}"
    code = _STORED.get(code, code)
    return np.dtype(code) if code[0] in "iuf" and code[1:] in "1248" else None


def part_suffixes(dtype: np.dtype) -> tuple[str, ...]:
    """What is appended to a variable's name for each array that holds it."""
    return ("__real", "__imag") if dtype.kind == "c" else ("",)


def encode(block: np.ndarray, dtype: np.dtype, width: int) -> list[np.ndarray]:
    """Arrays to store for one block of a variable.

    Parameters
    ----------
    block
        Values.
    dtype
        Dtype of the variable.
    width
        Bytes kept per string; 0 for other kinds.

    Returns
    -------
    list of np.ndarray
        One array per suffix; strings have one more axis, their bytes.

    Examples
    --------
    >>> encode(np.array([1 + 2j]), np.dtype(complex), 0)
    [array([1.]), array([2.])]
    """
    narrower = dtype.kind in "US" and block.dtype.kind == dtype.kind and block.itemsize <= dtype.itemsize
    if block.dtype != dtype and not narrower:
        raise TypeError(f"computing gave values of dtype {block.dtype} where {dtype} was announced")
    if dtype.kind in "USO":
        chars = block.astype(f"S{width}") if dtype.kind == "S" else _utf8(block, width)
        parts = [np.asarray(chars, order="C")[..., np.newaxis].view(TEXT)]
    elif dtype.kind == "c":
        parts = [block.real, block.imag]
    elif dtype.kind in "mM":
        parts = [block.astype(dtype.newbyteorder("="), copy=False).view("i8")]
    else:
        parts = [block]
    target = stored_dtype(dtype)
    return [np.asarray(part, dtype=target, order="C") for part in parts]


def decode(parts: Sequence[np.ndarray], dtype: np.dtype) -> np.ndarray:
    """Undo :func:`encode`."""
    if dtype.kind == "c":
        block = np.empty(parts[0].shape, dtype)
        block.real, block.imag = parts
        return block
    if dtype.kind in "USO":
        width = parts[0].shape[-1]
        chars = np.asarray(parts[0], order="C").view(f"S{width}")[..., 0]
        return chars.astype(dtype) if dtype.kind == "S" else _text(chars, dtype)
    if dtype.kind in "mM":
        return parts[0].view(dtype.newbyteorder("=")).astype(dtype, copy=False)
    return parts[0].astype(dtype, copy=False)


def checksum(parts: Sequence[np.ndarray]) -> int:
    """CRC-32 of the bytes to store for one block."""
    crc = 0
    for part in parts:
        crc = zlib.crc32(np.asarray(part, order="C").reshape(-1).view("u1").data, crc)
    return crc


def _utf8(block: np.ndarray, width: int) -> np.ndarray:
    # `surrogatepass` keeps what is not valid Unicode, such as undecodable file names.
    chars = np.char.encode(block.astype(str), "utf-8", "surrogatepass")
    return np.asarray(chars).astype(f"S{width}")


def _text(chars: np.ndarray, dtype: np.dtype) -> np.ndarray:
    if chars.size == 0:
        return np.empty(chars.shape, dtype)
    return np.asarray(np.char.decode(chars, "utf-8", "surrogatepass")).astype(dtype)
