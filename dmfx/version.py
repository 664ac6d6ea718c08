"""The installed version, for provenance."""

from __future__ import annotations

import functools
from importlib import metadata

__all__ = ["dmfx_version", "versions"]


@functools.cache
def dmfx_version() -> str:
    """Version of the installed dmfx, ``"unknown"`` when it runs from a bare checkout.

    Returns
    -------
    str
        Such as ``"0.1.0"``.
    """
    try:
        return metadata.version("dmfx")
    except metadata.PackageNotFoundError:
        return "unknown"


@functools.cache
def versions() -> dict[str, str]:
    """Versions of dmfx and of the packages that a result depends on."""
    packages = ("numpy", "numba", "llvmlite", "xarray", "dask", "distributed")
    return {"dmfx": dmfx_version()} | {name: metadata.version(name) for name in packages}
