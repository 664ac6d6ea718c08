"""Provenance: the installed versions, and the line of the history that a call leaves."""

from __future__ import annotations

import datetime
import functools
from collections.abc import Mapping
from importlib import metadata

__all__ = ["dmfx_version", "history_line", "versions"]


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


def history_line(function: str, arguments: Mapping[str, object]) -> str:
    """What the attribute ``history`` says of a call, with the time (CF conventions)."""
    now = datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds")
    called = ", ".join(f"{name}={value!r}" for name, value in arguments.items())
    return f"{now} dmfx.{function}({called})"
