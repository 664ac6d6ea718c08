"""Options that subcommands share, and how their values are written."""

from __future__ import annotations

import argparse

import numpy as np
import xarray as xr

__all__ = ["add_cluster_options", "add_selection", "integers", "numbers", "selected", "whole_numbers"]


def add_cluster_options(parser: argparse.ArgumentParser) -> None:
    """Add ``--workers`` and ``--scheduler``."""
    where = parser.add_mutually_exclusive_group()
    where.add_argument(
        "--workers", type=int, metavar="N", help="worker processes of a local cluster (default: one per core)"
    )
    where.add_argument(
        "--scheduler", metavar="ADDRESS", help="compute on a Dask cluster that is already there, as tcp://HOST:8786"
    )


def add_selection(parser: argparse.ArgumentParser) -> None:
    """Add ``--select``."""
    parser.add_argument(
        "--select",
        action="append",
        default=[],
        metavar="DIM=VALUE",
        help="only the point nearest to this value of a swept dim, or of this label; may be repeated",
    )


def selected(ds: xr.Dataset, selections: list[str]) -> xr.Dataset:
    """The points nearest to values written as ``beta=1.27``; labels that are words must match."""
    for text in selections:
        dim, _, value = text.partition("=")
        if dim not in ds.dims or dim not in ds.coords:
            raise ValueError(f"--select {text}: there is no dim {dim!r}; the dims are {', '.join(map(str, ds.dims))}")
        if ds[dim].dtype.kind not in "iuf":
            labels = [str(label) for label in ds[dim].values]
            if value not in labels:
                raise ValueError(f"--select {text}: expected one of {', '.join(f'{dim}={label}' for label in labels)}")
            ds = ds.isel({dim: [labels.index(value)]})
            continue
        try:
            wanted = float(value)
        except ValueError:
            raise ValueError(f"--select {text}: expected {dim}=NUMBER") from None
        ds = ds.isel({dim: [_nearest(ds[dim].values.astype(float), wanted)]})
    return ds


def _nearest(labels: np.ndarray, wanted: float) -> int:
    """Position of the label that is nearest; infinity, the size of the mean field, is nearest to itself."""
    if np.isnan(wanted):
        raise ValueError("--select: nan is near nothing")
    finite = np.isfinite(labels)
    if np.isinf(wanted) and (labels == wanted).any():
        return int(np.flatnonzero(labels == wanted)[0])
    if not finite.any():
        return 0
    away = np.full(labels.shape, np.inf)
    away[finite] = abs(labels[finite] - np.clip(wanted, -1e300, 1e300))
    return int(np.argmin(away))


def numbers(text: str) -> float | np.ndarray:
    """Parse ``1.27``, ``1.2,1.27,1.3``, or ``0:3:4001``: 4001 values from 0 to 3, both ends included."""
    try:
        if ":" in text:
            start, stop, count = text.split(":")
            if int(count) < 1:
                raise ValueError
            return np.linspace(float(start), float(stop), int(count))
        values = [float(part) for part in text.split(",")]
    except ValueError:
        raise argparse.ArgumentTypeError(
            f"{text!r} is not a number, a list such as 1.2,1.27 or a range START:STOP:COUNT"
        ) from None
    return values[0] if len(values) == 1 else np.array(values)


def integers(text: str) -> int | np.ndarray:
    """Parse ``7``, ``1,5,9``, or ``0:10``: 0 to 9."""
    try:
        if ":" in text:
            start, stop = (int(part) for part in text.split(":"))
            return np.arange(start, stop)
        values = [int(part) for part in text.split(",")]
    except ValueError:
        raise argparse.ArgumentTypeError(
            f"{text!r} is not a whole number, a list such as 1,5,9 or a range START:STOP"
        ) from None
    return values[0] if len(values) == 1 else np.array(values)


def whole_numbers(text: str) -> float | np.ndarray:
    """Parse ``1e6``, ``100,1e6,inf``, or ``1e3:1e9:7,inf``: 7 whole numbers with equal ratios, then infinity."""
    values: list[float] = []
    try:
        for part in text.split(","):
            if ":" in part:
                start, stop, count = part.split(":")
                first, last = float(start), float(stop)
                if not (0 < first < np.inf and 0 < last < np.inf and int(count) >= 1):
                    raise ValueError
                values += np.round(np.geomspace(first, last, int(count))).tolist()
            else:
                values.append(float(part))
    except ValueError:
        raise argparse.ArgumentTypeError(
            f"{text!r} is not a number, a list such as 100,1e6,inf or a range START:STOP:COUNT of numbers above 0"
        ) from None
    return values[0] if len(values) == 1 else np.array(values)
