"""``dmfx train``: a network of vector spins from images, into an archive."""

from __future__ import annotations

import argparse
import json
import os
import time
from typing import Any

from dmfx import archive, couplings
from dmfx.archive.placing import check_target
from dmfx.cli.examples import DATA_OF, add_data_options, complete, described, encoded, interval, parse_data
from dmfx.models import VectorAttention
from dmfx.tokens import Patches

__all__ = ["ENCODER", "add_parser"]

#: Attribute of an archive that says how its tokens were made from images.
ENCODER = "dmfx_encoder"


def add_parser(commands: Any) -> None:
    """Add the subcommand."""
    parser = commands.add_parser(
        "train",
        help="train a network of vector spins and keep it in an archive",
        description="Train couplings between patches of images by pseudo-likelihood, without backpropagation, and keep "
        "the network in an archive, for dmfx simulate --network and dmfx task.",
    )
    parser.add_argument("output", help="archive to write: .nc or .zarr")
    add_data_options(parser)
    parser.add_argument(
        "--held-out", type=interval, metavar="START:STOP", help="examples to watch and not to train on (default: none)"
    )
    parser.add_argument("--patch", type=int, default=2, help="pixels along the side of a patch (default: 2)")
    parser.add_argument("--constant", type=float, default=1.0, help="what is appended to a patch (default: 1)")
    parser.add_argument(
        "--couplings",
        default="full",
        metavar="FORM",
        help="full (default), relative (shared by pairs that lie in the same way to each other) or low_rank:R",
    )
    for name, kind, default, text in (
        ("--beta", float, 1.0, "inverse temperature β"),
        ("--epochs", int, 6, "how often to go through the examples"),
        ("--learning-rate", float, 0.05, "step of Adam"),
        ("--decay", float, 1.0, "of the learning rate, by epoch"),
        ("--l2", float, 0.0, "penalty of large couplings"),
        ("--seed", int, 0, "of the order of the examples"),
    ):
        parser.add_argument(name, type=kind, default=default, help=f"{text} (default: {default:g})")
    parser.add_argument("--batch-size", type=int, help="examples of a step (default: 50, or all if there are fewer)")
    parser.add_argument("--patience", type=int, help="stop after so many epochs without a better held-out likelihood")
    parser.add_argument("--symmetric", action="store_true", help="keep J_ij = J_jiᵀ")
    parser.add_argument(
        "--checkpoint", metavar="FILE.nc", help="keep the state after every epoch, and go on from there"
    )
    parser.add_argument("--overwrite", action="store_true", help="replace an archive that is there")
    parser.set_defaults(run=_run)


def _run(options: argparse.Namespace) -> None:
    check_target(options.output, options.overwrite)
    if options.checkpoint is not None and os.path.realpath(options.checkpoint) == os.path.realpath(options.output):
        raise ValueError(f"--checkpoint must be another file than {options.output}, the archive to write")
    complete(options)
    images = parse_data(options, options.examples)
    encoder = Patches.of(images, options.patch, options.constant)
    started = time.perf_counter()
    net = VectorAttention(_couplings(options.couplings, encoder)).fit(
        encoder.encode(images),
        beta=options.beta,
        epochs=options.epochs,
        batch_size=options.batch_size,
        learning_rate=options.learning_rate,
        decay=options.decay,
        l2=options.l2,
        symmetric=options.symmetric,
        held_out=None if options.held_out is None else encoded(encoder, options, options.held_out),
        patience=options.patience,
        seed=options.seed,
        checkpoint=options.checkpoint,
    )
    ds = net.to_dataset().assign_attrs({ENCODER: json.dumps(encoder.spec()), DATA_OF: described(options)})
    path = archive.save(ds, options.output, overwrite=options.overwrite)
    epochs, best = net.training.epochs, net.training.best_epoch
    row = net.history.sel(epoch=best or epochs)
    held_out = "" if options.held_out is None else f", held out {float(row['held_out_log_likelihood']):.3f}"
    when = f"after {epochs} epochs" if best is None else f"in epoch {best}, the best of {epochs}"
    print(f"{path}: {net.n_tokens} tokens in {net.n_components} components, {net.couplings.n_parameters} parameters")
    print(
        f"log-likelihood per token {float(row['log_likelihood']):.3f}{held_out}, {when}, "
        f"{time.perf_counter() - started:.1f} s"
    )


def _couplings(text: str, encoder: Patches) -> couplings.Couplings:
    """What ``--couplings`` says, to start training from."""
    kind, _, rank = text.partition(":")
    if kind not in couplings.FORMS or (kind == "low_rank") != rank.isdigit() or (rank and not rank.isdigit()):
        raise ValueError(f"--couplings {text}: expected full, relative or low_rank:R with a whole number R")
    return couplings.zeros(
        encoder.n_tokens,
        encoder.n_components,
        kind,
        rank=int(rank) if rank else None,
        grid=encoder.grid if kind == "relative" else None,
    )
