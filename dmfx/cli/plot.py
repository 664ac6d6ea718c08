"""``dmfx plot``: the picture of an archive."""

from __future__ import annotations

import argparse
from typing import Any

import xarray as xr

from dmfx import archive
from dmfx.plot.saving import check_target

__all__ = ["add_parser"]

KINDS = ("bifurcation", "portrait", "trajectory", "poincare", "autocorrelation", "fft", "power_spectrum")


def add_parser(commands: Any) -> None:
    """Add the subcommand."""
    parser = commands.add_parser(
        "plot",
        help="draw what an archive holds",
        description="Draw an archive: trajectories are analysed first, reduced archives are drawn as they are.",
    )
    parser.add_argument("archive", help="archive to read: .nc or .zarr")
    parser.add_argument("kind", choices=KINDS, metavar="KIND", help=", ".join(KINDS))
    parser.add_argument("output", help="picture to write: .png or .html")
    parser.add_argument("--plane", type=int, metavar="PATTERN", help="section plane: where this pattern's overlap is 0")
    parser.add_argument("--pattern", type=int, metavar="PATTERN", help="pattern to draw (default: 0)")
    parser.add_argument("--x", metavar="DIM", help="horizontal axis of a bifurcation diagram (default: beta)")
    parser.add_argument(
        "--select",
        action="append",
        default=[],
        metavar="DIM=VALUE",
        help="draw only the point nearest to this value of a swept dim; may be repeated",
    )
    parser.add_argument("--overwrite", action="store_true", help="replace a picture that is there")
    parser.set_defaults(run=_run)


def _run(options: argparse.Namespace) -> None:
    output = check_target(options.output, options.overwrite)
    ds = _selected(archive.open(options.archive), options.select)
    arguments = {}
    if options.plane is not None:
        if options.kind not in ("bifurcation", "poincare"):
            raise ValueError("--plane goes with bifurcation and poincare")
        arguments["plane"] = {"pattern": options.plane}
    elif options.kind == "poincare" and "section" not in ds:
        raise ValueError("poincare needs --plane PATTERN, the section plane")
    from dmfx import plot

    if options.x is not None:
        if options.kind != "bifurcation":
            raise ValueError("--x goes with bifurcation")
        arguments["x"] = options.x
    if options.pattern is not None:
        if options.kind in ("portrait", "poincare"):
            raise ValueError("--pattern goes with one overlap, not with portrait and poincare")
        arguments["pattern"] = options.pattern
    picture = getattr(plot, options.kind)(ds, **arguments)
    print(plot.save(picture, output, overwrite=options.overwrite))


def _selected(ds: xr.Dataset, selections: list[str]) -> xr.Dataset:
    """The points nearest to values written as ``beta=1.27``."""
    for text in selections:
        dim, _, value = text.partition("=")
        if dim not in ds.dims or dim not in ds.coords:
            raise ValueError(f"--select {text}: there is no dim {dim!r}; the dims are {', '.join(map(str, ds.dims))}")
        try:
            ds = ds.sel({dim: [float(value)]}, method="nearest")
        except ValueError:
            raise ValueError(f"--select {text}: expected {dim}=NUMBER") from None
    return ds
