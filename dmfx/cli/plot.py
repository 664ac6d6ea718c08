"""``dmfx plot``: the picture of an archive."""

from __future__ import annotations

import argparse
from typing import Any

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
    parser.add_argument("--overwrite", action="store_true", help="replace a picture that is there")
    parser.set_defaults(run=_run)


def _run(options: argparse.Namespace) -> None:
    output = check_target(options.output, options.overwrite)
    ds = archive.open(options.archive)
    plane = {}
    if options.plane is not None:
        if options.kind not in ("bifurcation", "poincare"):
            raise ValueError("--plane goes with bifurcation and poincare")
        plane = {"plane": {"pattern": options.plane}}
    elif options.kind == "poincare" and "section" not in ds:
        raise ValueError("poincare needs --plane PATTERN, the section plane")
    from dmfx import plot

    picture = getattr(plot, options.kind)(ds, **plane)
    print(plot.save(picture, output, overwrite=options.overwrite))
