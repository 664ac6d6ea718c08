"""Damage to archives, and what must come of it."""

from __future__ import annotations

import contextlib
import json
import warnings

import xarray as xr
from hypothesis import HealthCheck

from dmfx import archive
from dmfx.archive import Damage


def replace(path, content):
    """A new file, since HDF5 keeps one open that it could not read and takes the next of that inode for it."""
    path.unlink()
    path.write_bytes(content)


def found_or_harmless(path, expected):
    """Either the damage is listed, or it changes nothing that is read."""
    with warnings.catch_warnings():
        # An archive without any of the marks of dmfx is taken for one of another program, aloud.
        warnings.simplefilter("ignore", UserWarning)
        found = archive.check(path)
    if found:
        assert all(isinstance(each, Damage) and each.where and each.what for each in found)
        return True
    opened = archive.open(path).load()
    xr.testing.assert_identical(opened, expected)
    assert all(opened[name].values.tobytes() == expected[name].values.tobytes() for name in expected.variables)
    return False


def _means_nothing(file, content, damaged):
    """White space of JSON, and in a frame of Zstandard one bit of byte 4, which is not used."""
    if file.name == "zarr.json":
        with contextlib.suppress(ValueError):
            return json.loads(content) == json.loads(damaged)
        return False
    return content[:4] == damaged[:4] and content[5:] == damaged[5:]


def found_if_flipped(path, file, position, bits, expected):
    """Whether bits of a byte that are flipped are found, or mean nothing; the file is as before afterwards."""
    content = file.read_bytes()
    damaged = bytearray(content)
    damaged[position] ^= bits
    file.write_bytes(damaged)
    try:
        found = found_or_harmless(path, expected)
    finally:
        file.write_bytes(content)
    return found or _means_nothing(file, content, damaged)


ONE_BYTE = {"max_examples": 60, "deadline": None, "suppress_health_check": [HealthCheck.function_scoped_fixture]}


def flip(file):
    content = bytearray(file.read_bytes())
    content[-1] ^= 4
    file.write_bytes(content)
