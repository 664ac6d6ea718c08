"""``dmfx plot``: the picture of an archive."""

from __future__ import annotations

import argparse
from typing import Any

import xarray as xr

from dmfx import archive
from dmfx.analysis._overlaps import own_variable
from dmfx.cli.options import add_selection, selected
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
    "attractor_distance",
    "fluctuations",
    "residence",
    "recall",
    "basin_size",
    "interference",
    "capacity",
    "task",
)

#: Kinds that an option goes with.
OPTIONS = {
    "plane": ("bifurcation", "poincare"),
    "pattern": (
        "bifurcation",
        "trajectory",
        "autocorrelation",
        "fft",
        "power_spectrum",
        "continuation",
        "attractor_distance",
        "fluctuations",
    ),
    "x": ("bifurcation", "lyapunov", "phase_diagram", "basins", "residence", "task"),
    "y": ("phase_diagram",),
    "variable": ("phase_diagram", "residence"),
    "view": ("recall",),
}

#: Views of recall, the first for runs alone.
VIEWS = ("overlaps", "nearest", "lifetimes")


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
    parser.add_argument("--pattern", type=int, metavar="PATTERN", help="pattern to draw (default: 0, or all in one)")
    parser.add_argument(
        "--x",
        metavar="DIM",
        help="horizontal axis of a picture over a parameter (default: beta, of task: noise, fraction or step)",
    )
    parser.add_argument("--y", metavar="DIM", help="vertical axis of a phase diagram (default: gamma)")
    parser.add_argument(
        "--variable",
        metavar="NAME",
        help="what is shown: of a phase diagram (default: kind), or of residence (default: residence_time)",
    )
    parser.add_argument(
        "--view",
        choices=VIEWS,
        help="what recall shows (default: overlaps, or nearest or lifetimes where there are none)",
    )
    add_selection(parser)
    parser.add_argument("--overwrite", action="store_true", help="replace a picture that is there")
    parser.set_defaults(run=_run)


def _run(options: argparse.Namespace) -> None:
    output = check_target(options.output, options.overwrite)
    ds = selected(archive.open(options.archive), options.select)
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
    if options.kind == "recall":
        arguments.setdefault("view", _view(ds))
    from dmfx import plot

    picture = getattr(plot, options.kind)(ds, **arguments)
    print(plot.save(picture, output, overwrite=options.overwrite))


def _view(ds: xr.Dataset) -> str:
    """What can be drawn: a result of recall has no overlaps any more, and a raster needs patterns and steps."""
    if "nearest" in ds:
        return "nearest" if ds["nearest"].sizes.get("step", 1) > 1 else "lifetimes"
    return "lifetimes" if "target_lifetime" in ds or own_variable(ds, None) is not None else "overlaps"
