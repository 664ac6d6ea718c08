"""``dmfx info``: what an archive holds."""

from __future__ import annotations

import math
import os
from collections.abc import Mapping
from typing import Any

import numpy as np
import xarray as xr

from dmfx import archive
from dmfx.blocks import STATUS
from dmfx.models import model_from_dataset
from dmfx.sweeps import StoreProgress, progress_of

__all__ = ["add_parser", "summary"]

#: How many of the failures, and of the sessions, are listed.
MOST_FAILURES, MOST_SESSIONS = 5, 5


def add_parser(commands: Any) -> None:
    """Add the subcommand."""
    parser = commands.add_parser(
        "info",
        help="say what an archive holds, and how far a sweep is",
        description="Say what an archive holds and where it comes from; of the store of a sweep, also while it runs, "
        "how far it is.",
    )
    parser.add_argument("archive", help="archive to read: .nc or .zarr")
    parser.set_defaults(run=lambda options: print(described(options.archive)))


def described(path: str) -> str:
    """A page of text about an archive, or the store of a sweep, finished or not."""
    progress = progress_of(path) if os.path.isdir(os.path.expanduser(path)) else None
    ds = archive.open(path)
    if progress is None:
        return summary(ds)
    return f"{summary(ds, count=False)}\n\n{how_far(progress)}"


def summary(ds: xr.Dataset, *, count: bool = True) -> str:
    """A page of text about a Dataset: where it comes from, its dims, its variables, points that failed.

    Parameters
    ----------
    ds
        The Dataset.
    count
        Whether to read the status of every point, and count.
    """
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
    if count and "status" in ds:
        status = np.asarray(ds["status"])
        counts = ", ".join(f"{np.count_nonzero(status == value)} {name}" for name, value in STATUS.items())
        lines += ["", f"points: {counts}"]
    if "history" in ds.attrs:
        lines += ["", *str(ds.attrs["history"]).splitlines()]
    return "\n".join(lines).strip()


def how_far(progress: StoreProgress) -> str:
    """How far a sweep is, what failed, and who computed it."""
    share = progress.done / progress.points if progress.points else 1.0
    state = "finished" if progress.finished else "unfinished: the command that began it goes on from here"
    if progress.running is not None:
        state = f"running, {progress.running}"
    # Rounded down: not 100% as long as something is missing.
    percent = f"{math.floor(1000 * share) / 10:.1f}%"
    counts = f"{progress.done:,} of {progress.points:,} points ({percent}), {progress.failed:,} of them failed"
    lines = [f"sweep: {counts}, {progress.missing:,} missing; {state}"]
    if progress.reductions:
        names = (name if name == of else f"{name} ({of})" for name, of in progress.reductions.items())
        lines.append(f"reductions: {', '.join(names)}")
    if progress.failures:
        lines += ["", "failed:"]
        for failure in progress.failures[:MOST_FAILURES]:
            where = ", ".join(f"{dim}={value}" for dim, value in failure.items() if dim != "reason")
            lines.append(f"  {where}: {' '.join(str(failure.get('reason', '')).split())}")
        if progress.failed > MOST_FAILURES:
            lines.append(f"  and {progress.failed - MOST_FAILURES:,} more: ds.attrs['dmfx_failures'] in Python")
    if progress.sessions:
        lines += ["", "sessions:"]
        if len(progress.sessions) > MOST_SESSIONS:
            lines.append(f"  {len(progress.sessions) - MOST_SESSIONS} before")
        lines += [f"  {_session(session)}" for session in progress.sessions[-MOST_SESSIONS:]]
    return "\n".join(lines)


def _session(session: Mapping[str, Any]) -> str:
    """When, where and with what a part of a sweep was computed."""
    versions = session.get("versions", {})
    known = ", ".join(f"{name} {versions[name]}" for name in ("dmfx", "dask") if name in versions)
    end = f"to {session['end']}" if "end" in session else "without an end: it runs, or was killed"
    done = f", {session['done']:,} points" if "done" in session else ""
    where = f"{session.get('host', 'unknown')}, {session.get('scheduler', 'unknown')}"
    return f"{session.get('start', 'unknown')} {end}{done}; {where}; {known}; {session.get('command', '')}"


def _extent(ds: xr.Dataset, dim: str) -> str:
    if dim not in ds.coords:
        return ""
    labels = ds[dim].to_numpy()
    about = ds[dim].attrs.get("long_name", "")
    if labels.size == 0:
        return about
    span = f"{labels[0]}" if len(labels) == 1 else f"{labels[0]} ... {labels[-1]}"
    return f"{span}  {about}"
