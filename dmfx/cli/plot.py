"""``dmfx plot``: the picture of an archive."""

from __future__ import annotations

import argparse
from typing import Any

import xarray as xr

from dmfx import archive
from dmfx.plot.saving import check_target

__all__ = ["add_parser"]

KINDS = (
    "bifurcation",
    "portrait",
    "trajectory",
    "poincare",
    "autocorrelation",
    "fft",
    "power_spectrum",
    "lyapunov",
    "phase_diagram",
    "basins",
    "attractors",
    "continuation",
)

#: Kinds that an option goes with.
OPTIONS = {
    "plane": ("bifurcation", "poincare"),
    "pattern": ("bifurcation", "trajectory", "autocorrelation", "fft", "power_spectrum", "continuation"),
    "x": ("bifurcation", "lyapunov", "phase_diagram", "basins"),
    "y": ("phase_diagram",),
    "variable": ("phase_diagram",),
}


def add_parser(commands: Any) -> None:
    """Add the subcommand."""
    parser = commands.add_parser(
        "plot",
        help="draw what an archive holds",
        description="Draw an archive: results of analyses as they are, runs after the analysis that the picture needs.",
    )
    parser.add_argument("archive", help="archive to read: .nc or .zarr")
    parser.add_argument("kind", choices=KINDS, metavar="KIND", help=", ".join(KINDS))
    parser.add_argument("output", help="picture to write: .png or .html")
    parser.add_argument("--plane", type=int, metavar="PATTERN", help="section plane: where this pattern's overlap is 0")
    parser.add_argument("--pattern", type=int, metavar="PATTERN", help="pattern to draw (default: 0)")
    parser.add_argument("--x", metavar="DIM", help="horizontal axis of a picture over a parameter (default: beta)")
    parser.add_argument("--y", metavar="DIM", help="vertical axis of a phase diagram (default: gamma)")
    parser.add_argument("--variable", metavar="NAME", help="what a phase diagram shows (default: kind)")
    parser.add_argument(
        "--select",
        action="append",
        default=[],
        metavar="DIM=VALUE",
        help="draw only the point nearest to this value of a swept dim, or of this label; may be repeated",
    )
    parser.add_argument("--overwrite", action="store_true", help="replace a picture that is there")
    parser.set_defaults(run=_run)


def _run(options: argparse.Namespace) -> None:
    output = check_target(options.output, options.overwrite)
    ds = _selected(archive.open(options.archive), options.select)
    arguments = {name: getattr(options, name) for name in OPTIONS if getattr(options, name) is not None}
    for name in arguments:
        if options.kind not in OPTIONS[name]:
            raise ValueError(f"--{name} goes with {', '.join(OPTIONS[name])}, not with {options.kind}")
    if "plane" in arguments:
        arguments["plane"] = {"pattern": arguments["plane"]}
    elif options.kind == "poincare" and "section" not in ds:
        raise ValueError("poincare needs --plane PATTERN, the section plane")
    if options.kind == "continuation" and "parameter" not in ds:
        raise ValueError("continuation needs an archive of branches, which dmfx.continuation makes")
    from dmfx import plot

    picture = getattr(plot, options.kind)(ds, **arguments)
    print(plot.save(picture, output, overwrite=options.overwrite))


def _selected(ds: xr.Dataset, selections: list[str]) -> xr.Dataset:
    """The points nearest to values written as ``beta=1.27``, or those labelled as in ``direction=up``."""
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
            ds = ds.sel({dim: [float(value)]}, method="nearest")
        except ValueError:
            raise ValueError(f"--select {text}: expected {dim}=NUMBER") from None
    return ds
