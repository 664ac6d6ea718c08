"""``dmfx reproduce``: a published figure from one command."""

from __future__ import annotations

import argparse
import time
from typing import Any

from dmfx.cli.options import add_cluster_options
from dmfx.cluster import cluster
from dmfx.reproduce import FIGURES, find_figure, make_figure
from dmfx.reproduce.make import FORMATS

__all__ = ["add_parser"]


def add_parser(commands: Any) -> None:
    """Add the subcommand."""
    parser = commands.add_parser(
        "reproduce",
        help="compute a published figure: an archive and pictures",
        description="Compute a published figure and write it as a NetCDF archive, a PNG and an HTML page.",
        epilog="Figures: " + "; ".join(f"{figure.name}: {figure.title}" for figure in FIGURES.values()),
    )
    parser.add_argument("figure", metavar="FIGURE", help=", ".join(FIGURES) + " (or 3a, 3b, ...)")
    parser.add_argument("--output", default="figures", metavar="DIR", help="where files go (default: figures)")
    parser.add_argument(
        "--formats",
        type=lambda text: text.split(","),
        default=list(FORMATS),
        metavar="LIST",
        help=f"which files, of {', '.join(FORMATS)} and zarr (default: {','.join(FORMATS)})",
    )
    parser.add_argument("--overwrite", action="store_true", help="replace files that are there")
    add_cluster_options(parser)
    parser.set_defaults(run=_run)


def _run(options: argparse.Namespace) -> None:
    figure = find_figure(options.figure)
    started = time.perf_counter()
    with cluster(options.workers, options.scheduler):
        paths = make_figure(figure, options.output, formats=options.formats, overwrite=options.overwrite, progress=True)
    print(f"{figure.title}: {time.perf_counter() - started:.1f} s")
    for path in paths:
        print(f"  {path}")
