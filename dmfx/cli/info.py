"""``dmfx info``: what an archive holds."""

from __future__ import annotations

from typing import Any

import numpy as np
import xarray as xr

from dmfx import archive
from dmfx.blocks import STATUS
from dmfx.models import model_from_dataset

__all__ = ["add_parser", "summary"]


def add_parser(commands: Any) -> None:
    """Add the subcommand."""
    parser = commands.add_parser(
        "info", help="say what an archive holds", description="Say what an archive holds and where it comes from."
    )
    parser.add_argument("archive", help="archive to read: .nc or .zarr")
    parser.set_defaults(run=lambda options: print(summary(archive.open(options.archive))))


def summary(ds: xr.Dataset) -> str:
    """A page of text about a Dataset: where it comes from, its dims, its variables, points that failed."""
    lines = [str(ds.attrs[name]) for name in ("title", "source") if name in ds.attrs]
    if "dmfx_model" in ds.attrs:
        try:
            lines.append(repr(model_from_dataset(ds)))
        except ValueError as error:  # an archive of a part of a run is worth a look too
            lines.append(f"model unknown: {error}")
    lines.append("")
    for dim, size in ds.sizes.items():
        lines.append(f"{dim:>12}  {size:>8}  {_extent(ds, dim)}")
    for name, coord in ds.coords.items():
        if coord.ndim == 0:
            lines.append(
                f"{name:>12}  {'':>8}  {np.asarray(coord).item()}  {coord.attrs.get('long_name', '')}".rstrip()
            )
    lines.append("")
    width = max([18, *(len(str(name)) for name in ds.data_vars)])
    for name, variable in ds.data_vars.items():
        about = variable.attrs.get("long_name", "")
        units = variable.attrs.get("units", "1")
        lines.append(
            f"{name:>{width}}  ({', '.join(map(str, variable.dims))})  {about}{'' if units == '1' else f' [{units}]'}"
        )
    if "status" in ds:
        status = np.asarray(ds["status"])
        counts = ", ".join(f"{np.count_nonzero(status == value)} {name}" for name, value in STATUS.items())
        lines += ["", f"points: {counts}"]
    if "history" in ds.attrs:
        lines += ["", *str(ds.attrs["history"]).splitlines()]
    return "\n".join(lines).strip()


def _extent(ds: xr.Dataset, dim: str) -> str:
    if dim not in ds.coords:
        return ""
    labels = ds[dim].to_numpy()
    about = ds[dim].attrs.get("long_name", "")
    if labels.size == 0:
        return about
    span = f"{labels[0]}" if len(labels) == 1 else f"{labels[0]} ... {labels[-1]}"
    return f"{span}  {about}"
