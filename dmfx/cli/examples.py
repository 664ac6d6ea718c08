"""Options that name examples: images out of a data set, as tokens."""

from __future__ import annotations

import argparse
import json
import os
from typing import Any

import numpy as np

from dmfx import tokens

__all__ = ["DATA_OF", "add_data_options", "complete", "described", "encoded", "interval", "parse_data"]

#: Attribute of an archive that says which data set a network was trained on.
DATA_OF = "dmfx_data"

#: Data sets by name; those after the first have splits, and can be read from a folder.
DATA = ("digits", "mnist", "cifar10")


def add_data_options(parser: argparse.ArgumentParser, default: str = "digits, split train") -> None:
    """Add ``--data``, ``--split`` and ``--examples``; the first two are None where not given, see `complete`."""
    parser.add_argument(
        "--data",
        metavar="NAME",
        help="digits (of scikit-learn), mnist or cifar10 (downloaded once), or mnist:FOLDER, cifar10:FOLDER "
        f"(default: {default})",
    )
    parser.add_argument("--split", help="of mnist and cifar10: train or test")
    parser.add_argument(
        "--examples", type=interval, metavar="START:STOP", help="which examples, STOP left out (default: all)"
    )


def complete(options: argparse.Namespace, kept: str | None = None) -> None:
    """Fill in ``--data`` and ``--split`` where not given, from what an archive has kept of them if it has."""
    known = {} if kept is None else json.loads(kept)
    if options.data is None:
        options.data = known.get("data", "digits")
        options.split = options.split or known.get("split")
    options.split = options.split or "train"


def described(options: argparse.Namespace) -> str:
    """The data of the options as text for `complete`; folders by their whole path."""
    name, _, folder = options.data.partition(":")
    data = f"{name}:{os.path.abspath(folder)}" if folder else name
    return json.dumps({"data": data, "split": options.split})


def interval(text: str) -> slice:
    """Parse ``1000:2000``; either end may be left out."""
    first, colon, last = text.partition(":")
    if not colon or not all(part.isdigit() or not part for part in (first, last)):
        raise argparse.ArgumentTypeError(f"{text!r} is not a range START:STOP of examples")
    return slice(int(first) if first else None, int(last) if last else None)


def parse_data(options: argparse.Namespace, examples: slice | None) -> Any:
    """The images of a range of examples, shape (example, row, column[, channel])."""
    name, _, folder = options.data.partition(":")
    if name not in DATA:
        raise ValueError(f"--data: there is no {name!r}; expected one of {', '.join(DATA)}")
    if name == "digits":
        if folder:
            raise ValueError("--data digits comes with scikit-learn, and takes no folder")
        return tokens.digits(examples=examples)["image"]
    read = tokens.mnist if name == "mnist" else tokens.cifar10
    return read(folder or None, options.split, examples=examples)["image"]


def encoded(encoder: tokens.Patches, options: argparse.Namespace, examples: slice | None) -> np.ndarray:
    """Examples as tokens."""
    images = parse_data(options, examples)
    if images.shape[1:] != encoder.image_shape:
        known, given = (" x ".join(map(str, shape)) for shape in (encoder.image_shape, images.shape[1:]))
        raise ValueError(
            f"the network was trained on images of {known}, but those of --data {options.data} are of {given}: choose "
            "--data as in dmfx train"
        )
    return encoder.encode(images)
