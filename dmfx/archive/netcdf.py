"""Arrays in a NetCDF-4 file."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
from xarray.backends.netCDF4_ import NETCDF4_PYTHON_LOCK

from dmfx.archive.errors import damaged
from dmfx.archive.layout import ID, Array

__all__ = ["NetCDFStore"]


class NetCDFStore:
    """A NetCDF-4 file, open only while it is read or written.

    The NetCDF library is not thread-safe: xarray's lock keeps this and whatever xarray reads apart.
    """

    one_writer = True

    def __init__(self, path: Path):
        self.path = path

    def create(self, arrays: dict[str, Array], attrs: dict[str, Any]) -> None:
        """Make a new file with arrays that are still to be written."""
        with self._file("x") as file:
            file.setncatts(attrs)
            sizes = {dim: n for array in arrays.values() for dim, n in zip(array.dims, array.shape, strict=True)}
            for dim, size in sizes.items():
                file.createDimension(dim, size)
            for name, array in arrays.items():
                _create(file, name, array)

    @contextlib.contextmanager
    def reading(self) -> Iterator[Any]:
        """Open for reading."""
        with self._file("r") as file:
            yield file

    @contextlib.contextmanager
    def writing(self) -> Iterator[Any]:
        """Open for writing into arrays that exist."""
        with self._file("r+") as file:
            yield file

    @contextlib.contextmanager
    def _file(self, mode: Any) -> Iterator[Any]:
        import netCDF4

        # The library would make a new file, for a task that still runs after its archive was given up.
        if mode == "r+" and not self.path.exists():
            raise FileNotFoundError(f"{self.path} is gone")
        with NETCDF4_PYTHON_LOCK, netCDF4.Dataset(self.path, mode, format="NETCDF4") as file:
            file.set_auto_maskandscale(False)
            file.set_auto_chartostring(False)
            yield file

    def put(self, file: Any, name: str, where: tuple[slice, ...], values: np.ndarray) -> None:
        """Write part of an array."""
        variable = file[name]
        variable[where or ...] = values.view("S1") if variable.dtype == "S1" else values

    def get(self, file: Any, name: str, where: tuple[slice, ...]) -> np.ndarray:
        """Read part of an array."""
        values = np.asarray(file[name][where or ...])
        return np.asarray(values, order="C").view("u1") if values.dtype == "S1" else values

    def set_attr(self, file: Any, name: str, value: str) -> None:
        """Set an attribute of the whole."""
        file.setncattr(name, value)

    def id(self, file: Any) -> str | None:
        """Which archive this is."""
        return getattr(file, ID, None)

    def header(self, file: Any) -> tuple[dict[str, Any], dict[str, Any]]:
        """Attributes of the whole, and dims, shape, dtype and attributes of every array."""
        arrays = {}
        for name, variable in file.variables.items():
            dtype = "u1" if variable.dtype == "S1" else np.dtype(variable.dtype).str[1:]
            attrs = {key: value for key, value in _attrs(variable).items() if key != "_Encoding"}
            arrays[name] = [list(variable.dimensions), list(variable.shape), dtype, attrs]
        return _attrs(file), arrays

    def check_start(self) -> None:
        """Refuse a file that is empty or is no NetCDF file, in words clearer than the library's."""
        with self.path.open("rb") as file:
            start = file.read(8)
        if not start:
            raise damaged(self.path, "the file is empty")
        if start != b"\x89HDF\r\n\x1a\n" and start[:3] != b"CDF":
            raise damaged(self.path, "this is not a NetCDF file")


def _create(file: Any, name: str, array: Array) -> None:
    options: dict[str, Any] = {}
    if array.shape and 0 not in array.shape:
        options = {"zlib": True, "complevel": 4, "shuffle": True, "fletcher32": True}
        options["chunksizes"] = tuple(map(min, array.chunks, array.shape))
    dtype = "S1" if array.text else array.dtype
    variable = file.createVariable(name, dtype, array.dims, **options)
    attrs = {
        key: _flags(value, array.dtype) if key.startswith("flag_") else value for key, value in array.attrs.items()
    }
    if array.text:
        attrs["_Encoding"] = "utf-8"
    variable.setncatts(attrs)


def _flags(value: Any, dtype: np.dtype) -> Any:
    """Flags have the dtype of their variable, in CF."""
    if isinstance(value, list):
        flags = np.asarray(value).astype(dtype)
        return flags if flags.tolist() == value else value
    return value


def _attrs(owner: Any) -> dict[str, Any]:
    """Attributes as strings, numbers and lists."""
    attrs = {name: owner.getncattr(name) for name in owner.ncattrs()}
    return {
        name: value.tolist() if isinstance(value, (np.ndarray, np.generic)) else value for name, value in attrs.items()
    }
