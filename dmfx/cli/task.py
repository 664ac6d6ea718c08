"""``dmfx task``: masked prediction, denoising or free running of a trained network, into an archive."""

from __future__ import annotations

import argparse
import json
from typing import Any

import xarray as xr

from dmfx import archive, experiments
from dmfx.cli.examples import DATA_OF, add_data_options, complete, encoded
from dmfx.cli.keep import keep
from dmfx.cli.options import add_cluster_options, integers, numbers
from dmfx.cli.train import ENCODER
from dmfx.models import VectorAttention, model_from_dataset
from dmfx.tokens import Patches

__all__ = ["add_parser"]

TASKS = ("masked_prediction", "denoising", "free_running")
#: Options that a task takes beside those of all.
OPTIONS = {
    "fraction": ("masked_prediction",),
    "hidden": ("masked_prediction",),
    "noise": ("denoising", "free_running"),
}


def add_parser(commands: Any) -> None:
    """Add the subcommand."""
    parser = commands.add_parser(
        "task",
        help="let a trained network of vector spins denoise, fill in or run freely",
        description="Run a task of a network that dmfx train made, over a sweep, and keep the Dataset in an archive.",
        epilog="Values: 0.3, a list 0.1,0.3, or a range START:STOP:COUNT with both ends (replicas: START:STOP).",
    )
    parser.add_argument("task", choices=TASKS, metavar="TASK", help=", ".join(TASKS))
    parser.add_argument("network", help="archive of the network: .nc or .zarr")
    parser.add_argument("output", help="archive to write: .nc or .zarr")
    add_data_options(parser, "as in dmfx train")
    parser.add_argument("--beta", type=numbers, help="inverse temperature β (default: that of the training)")
    parser.add_argument("--gamma", type=numbers, default=0.0, help="residual term γ (default: 0)")
    parser.add_argument("--noise", type=numbers, help="standard deviation of the noise in every component")
    parser.add_argument("--fraction", type=numbers, help="fraction of the tokens that are hidden (default: 0.5)")
    parser.add_argument("--hidden", help="random (default) or block")
    parser.add_argument("--replica", type=integers, help="realisations of noise or masks (default: 0)")
    parser.add_argument("--steps", type=int, default=10, help="steps to keep (default: 10)")
    parser.add_argument("--ablations", action="store_true", help="also without residual term, attention, asymmetry")
    parser.add_argument("--overwrite", action="store_true", help="replace an archive that is there")
    add_cluster_options(parser)
    parser.set_defaults(run=_run)


def _run(options: argparse.Namespace) -> None:
    keep(lambda: _dataset(options), options)


def _dataset(options: argparse.Namespace) -> xr.Dataset:
    held = archive.open(options.network)
    net = model_from_dataset(held) if "dmfx_model" in held.attrs else None
    if not isinstance(net, VectorAttention) or ENCODER not in held.attrs:
        raise ValueError(f"{options.network} holds no network that dmfx train made")
    complete(options, held.attrs.get(DATA_OF))
    beta = options.beta
    if beta is None:
        beta = 1.0 if net.training is None else net.training.settings.beta
    arguments = {"beta": beta, "gamma": options.gamma, "steps": options.steps}
    for name, tasks in OPTIONS.items():
        value = getattr(options, name)
        if value is not None and options.task not in tasks:
            raise ValueError(f"--{name} goes with {', '.join(tasks)}, not with {options.task}")
        if value is not None:
            arguments[name] = value
    if options.replica is not None:
        arguments["replica"] = options.replica
    encoder = Patches.from_spec(json.loads(held.attrs[ENCODER]))
    if options.hidden == "block":
        arguments["grid"] = encoder.grid
    examples = encoded(encoder, options, options.examples)
    task = getattr(experiments, options.task)
    if options.ablations:
        ds = experiments.ablations(task, net, examples, **arguments)
    else:
        ds = task(net, examples, **arguments)
    return ds.assign_attrs({ENCODER: held.attrs[ENCODER]})
