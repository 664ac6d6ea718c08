"""``dmfx analyse``: the analysis of an archive, as another archive; and the analyses that ``dmfx simulate`` offers."""

from __future__ import annotations

import argparse
import ast
import inspect
import json
from collections.abc import Callable, Sequence
from typing import Any

import xarray as xr

from dmfx import analysis, archive
from dmfx.archive.placing import check_target
from dmfx.cli.keep import keep
from dmfx.cli.options import add_cluster_options, add_selection, selected

__all__ = ["add_parser", "add_settings", "analyse", "settings_of"]

#: Analyses by name; those that go on from the final states take ``steps`` for the steps that they run.
ANALYSES: dict[str, Callable[..., xr.Dataset]] = {name: getattr(analysis, name) for name in analysis.__all__}


def add_parser(commands: Any) -> None:
    """Add the subcommand."""
    parser = commands.add_parser(
        "analyse",
        help="keep an analysis of an archive in another one",
        description="Analyse the trajectories or final states in an archive, and keep the result in another one.",
        epilog="For what each analysis takes, see help(dmfx.NAME) in Python.",
    )
    parser.add_argument("archive", help="archive to read: .nc or .zarr")
    parser.add_argument("analysis", choices=ANALYSES, metavar="ANALYSIS", help=", ".join(ANALYSES))
    parser.add_argument("output", help="archive to write: .nc or .zarr")
    add_settings(parser)
    add_selection(parser)
    parser.add_argument("--overwrite", action="store_true", help="replace an archive that is there")
    add_cluster_options(parser)
    parser.set_defaults(run=_run)


def add_settings(parser: argparse.ArgumentParser) -> None:
    """Add ``--set``."""
    parser.add_argument(
        "--set",
        action="append",
        default=[],
        metavar="NAME=VALUE",
        help="an argument of the analysis, as steps=5000, along=gamma, limits=[1.2,1.3], or attractors=basins.nc for "
        "one that is a Dataset; may be repeated",
    )


def _run(options: argparse.Namespace) -> None:
    check_target(options.output, options.overwrite)
    ds = selected(archive.open(options.archive), options.select)
    keep(lambda: analyse(ds, options.analysis, settings_of(options.analysis, options.set)), options)


def analyse(ds: xr.Dataset, name: str, settings: dict[str, object]) -> xr.Dataset:
    """Run an analysis with arguments from the command line."""
    return ANALYSES[name](ds, **settings)


def settings_of(name: str, texts: Sequence[str]) -> dict[str, object]:
    """Parse ``NAME=VALUE`` for the analysis of this name: JSON, plain text, or an archive for what is a Dataset."""
    parameters = dict(list(inspect.signature(ANALYSES[name]).parameters.items())[1:])
    settings: dict[str, object] = {}
    for text in texts:
        argument, equals, value = text.partition("=")
        if not equals or argument not in parameters:
            raise ValueError(f"--set {text}: expected NAME=VALUE with a NAME out of {', '.join(parameters)}")
        is_archive = "Dataset" in str(parameters[argument].annotation)
        settings[argument] = archive.open(value) if is_archive else _value(value)
    for argument, parameter in parameters.items():
        if parameter.default is parameter.empty and argument not in settings:
            raise ValueError(f"{name} needs --set {argument}=VALUE")
    return settings


def _value(text: str) -> object:
    """A value in JSON, as a Python literal such as None, or the text itself."""
    for parse in (json.loads, ast.literal_eval):
        try:
            return parse(text)
        except (ValueError, SyntaxError):
            continue
    return text
