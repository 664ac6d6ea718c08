"""Computing what a command asks for, and keeping it in an archive."""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable
from pathlib import Path

import xarray as xr

from dmfx import archive
from dmfx.archive.placing import check_target
from dmfx.cluster import cluster

__all__ = ["keep"]


def keep(build: Callable[[], xr.Dataset], options: argparse.Namespace) -> None:
    """Build a lazy Dataset, compute it on the cluster that the options name, save it and say so."""
    ds = build()
    check_target(options.output, options.overwrite)
    started = time.perf_counter()
    with cluster(options.workers, options.scheduler):
        path = archive.save(ds, options.output, overwrite=options.overwrite, progress=True)
    size = sum(file.stat().st_size for file in ([path] if path.is_file() else Path(path).rglob("*")) if file.is_file())
    print(f"{path}: {size / 1e6:.1f} MB in {time.perf_counter() - started:.1f} s")
