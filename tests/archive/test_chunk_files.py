"""Chunks that are written one by one, against zarr."""

from __future__ import annotations

import contextlib

import numpy as np
import pytest
import xarray as xr
import zarr

from dmfx.archive.chunkfile import compress, decompress, load_chunk, put_chunk, put_file
from dmfx.archive.chunks import iterate_chunks
from dmfx.archive.layout import Stored, plan
from dmfx.archive.values import checksum, decode, encode
from dmfx.archive.zarr import ZarrStore

VALUES = {
    "float64": np.linspace(-1, 1, 35).reshape(7, 5),
    "float32": np.linspace(-1, 1, 35, dtype="f4").reshape(7, 5),
    "float16": np.linspace(-1, 1, 35).astype("f2").reshape(7, 5),
    "nan": np.where(np.arange(35) % 3, np.nan, -0.0).reshape(7, 5),
    "int8": np.arange(35, dtype="i1").reshape(7, 5) - 20,
    "uint64": np.arange(35, dtype="u8").reshape(7, 5) * 2**58,
    "complex": (np.arange(35) + 1j * np.arange(35)[::-1]).reshape(7, 5),
    "bool": (np.arange(35) % 2 == 0).reshape(7, 5),
    "text": np.array([["", "β", "a long word", "x", "zz"]] * 7),
    "bytes": np.array([[b"", b"ab", b"abc", b"x", b"zz"]] * 7),
    "times": np.arange(35).astype("m8[s]").reshape(7, 5),
    "big-endian": np.arange(35, dtype=">i4").reshape(7, 5),
    "scalar": np.array(3.5),
    "long": np.arange(1000.0) ** 2,
    "transposed": np.arange(35.0).reshape(5, 7).T,
}


def stored_as(values, chunks, flat=False):
    """The layout of one variable in such chunks, and the arrays of its group."""
    dims = tuple("abc"[: values.ndim])
    layout, arrays, attrs = plan(xr.Dataset({"v": (dims, values)}))
    stored = layout.variables["v"]
    own = chunks[: values.ndim] if values.ndim != 1 else (300,)
    stored = Stored(stored.dims, stored.shape, stored.dtype, own, stored.parts, stored.width, None, flat)
    tail = (stored.width,) if stored.width else ()
    arrays = {
        name: type(each)(each.dims, each.shape, (*own, *tail), each.dtype, each.attrs, each.text, flat)
        for name, each in arrays.items()
        if name in stored.parts
    }
    return stored, arrays, attrs


@pytest.mark.parametrize("flat", [True, False], ids=["flat", "folders"])
@pytest.mark.parametrize("chunks", [(7, 5), (3, 2), (1, 5), (4, 4)], ids=str)
@pytest.mark.parametrize("kind", VALUES)
def test_chunks_are_those_that_zarr_writes(tmp_path, kind, chunks, flat):
    values = VALUES[kind]
    stored, arrays, attrs = stored_as(values, chunks, flat)
    groups = {name: ZarrStore(tmp_path / f"{name}.zarr") for name in ("own", "zarr")}
    for store in groups.values():
        store.create(arrays, attrs)
    (tmp_path / "aside").mkdir()
    own = groups["own"].path
    for index in iterate_chunks(stored.grid):
        crc = put_chunk(own, stored, index, values[stored.where(index)], tmp_path / "aside")
        parts, found = load_chunk(own, stored, index)
        again = decode(parts, np.dtype(stored.dtype))
        assert crc == found == checksum(encode(values[stored.where(index)], np.dtype(stored.dtype), stored.width))
        assert again.dtype == values.dtype
        assert again.tobytes() == np.ascontiguousarray(values[stored.where(index)]).tobytes()
    assert list((tmp_path / "aside").iterdir()) == []
    encoded = encode(values, np.dtype(stored.dtype), stored.width)
    other = zarr.open_group(groups["zarr"].path, mode="a")
    for name, part in zip(stored.parts, encoded, strict=True):
        other[name][...] = part
        np.testing.assert_array_equal(zarr.open_group(own, mode="r")[name][...], part)
    with xr.open_zarr(own, consolidated=False, decode_times=False, mask_and_scale=False) as opened:
        for name, part in zip(stored.parts, encoded, strict=True):
            np.testing.assert_array_equal(opened[name].values.reshape(part.shape) if part.ndim else opened[name], part)
    for name in stored.parts:
        files = _files(own / name)
        theirs = _files(groups["zarr"].path / name)
        # zarr leaves out chunks that are all zero
        assert theirs.keys() <= files.keys()
        for path, content in theirs.items():
            assert files[path] == content, path
        for path in files.keys() - theirs.keys():
            assert not any(decompress(files[path]))


def _files(folder):
    return {str(each.relative_to(folder)): each.read_bytes() for each in folder.rglob("*") if each.is_file()}


def test_compressed_form_notices_damage():
    content = np.random.default_rng(0).integers(0, 5, 5000, dtype="u1").tobytes()
    packed = compress(content)
    assert decompress(packed) == content
    for position in range(0, len(packed), 37):
        damaged = bytearray(packed)
        damaged[position] ^= 16
        with contextlib.suppress(ValueError, RuntimeError):
            assert decompress(bytes(damaged)) == content


def test_files_are_put_whole_or_not_at_all(tmp_path):
    aside = tmp_path / "aside"
    aside.mkdir()
    put_file(tmp_path / "a" / "b" / "c", b"one", aside)
    put_file(tmp_path / "a" / "b" / "c", b"two", aside)
    assert (tmp_path / "a" / "b" / "c").read_bytes() == b"two"
    with pytest.raises(OSError, match="directory"):
        put_file(tmp_path / "a", b"three", aside)
    assert list(aside.iterdir()) == []


def test_chunks_of_the_wrong_size_are_refused(tmp_path):
    stored, arrays, attrs = stored_as(VALUES["float64"], (3, 2))
    ZarrStore(tmp_path / "x.zarr").create(arrays, attrs)
    put_chunk(tmp_path / "x.zarr", stored, (0, 0), VALUES["float64"][:3, :2], tmp_path)
    path = tmp_path / "x.zarr" / "v" / "c" / "0" / "0"
    for content in (b"", b"\0", path.read_bytes()[:-1], compress(b"12345678"), compress(bytes(200))):
        path.write_bytes(content)
        with pytest.raises((ValueError, RuntimeError)):
            load_chunk(tmp_path / "x.zarr", stored, (0, 0))
    with pytest.raises(OSError, match="No such file"):
        load_chunk(tmp_path / "x.zarr", stored, (1, 0))
