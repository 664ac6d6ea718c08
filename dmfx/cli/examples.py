"""Options that name examples: images out of a data set, as tokens."""

from __future__ import annotations

import argparse
from typing import Any

import numpy as np

from dmfx import tokens

__all__ = ["add_data_options", "encoded", "interval", "parse_data"]

#: Data sets by name; those after the first have splits, and can be read from a folder.
DATA = ("digits", "mnist", "cifar10")


def add_data_options(parser: argparse.ArgumentParser) -> None:
    """Add ``--data``, ``--split`` and ``--examples``."""
    parser.add_argument(
        "--data",
        default="digits",
        metavar="NAME",
        help="digits (of scikit-learn, default), mnist or cifar10 (downloaded once), or mnist:FOLDER, cifar10:FOLDER",
    )
    parser.add_argument("--split", default="train", help="of mnist and cifar10: train (default) or test")
    parser.add_argument(
        "--examples", type=interval, metavar="START:STOP", help="which examples, STOP left out (default: all)"
    )


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
    return encoder.encode(parse_data(options, examples))
