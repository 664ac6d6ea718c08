"""``dmfx check``: whether archives are what was written."""

from __future__ import annotations

import argparse
import sys
import warnings
from pathlib import Path
from typing import Any

from dmfx import archive
from dmfx.archive.contents import contents_of

__all__ = ["add_parser"]

EXIT_DAMAGED, EXIT_USAGE = 1, 2


def add_parser(commands: Any) -> None:
    """Add the subcommand."""
    parser = commands.add_parser(
        "check",
        help="read archives whole and say what is damaged",
        description="Read every chunk of archives, of stores of sweeps too, finished or not, and compare it with the "
        "checksum that it was saved with. Exit status: 0 if all are sound, 1 if one is damaged, 2 if one cannot be "
        "checked.",
    )
    parser.add_argument("archives", nargs="+", metavar="ARCHIVE", help="archive to read: .nc or .zarr")
    parser.set_defaults(run=_run)


def _run(options: argparse.Namespace) -> int:
    return max([_check(path) for path in options.archives])


def _check(path: str) -> int:
    """Check one archive, and say what came out."""
    try:
        with warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("always", UserWarning)
            found = archive.check(path, progress=True)
        if not found:
            chunks = sum(array.count for array in contents_of(Path(path).expanduser()).arrays)
    except (ValueError, OSError) as error:
        print(f"dmfx check: {' '.join(str(error).split()).removeprefix('check: ')}", file=sys.stderr)
        return EXIT_USAGE
    for damage in found:
        print(f"{path}: {damage}")
    if found:
        return EXIT_DAMAGED
    count = f"{chunks:,} chunk{'s' if chunks != 1 else ''}"
    if caught:
        print(f"{path}: readable, {count}; another program wrote it, and there are no checksums to compare with")
    else:
        print(f"{path}: sound, {count}")
    return 0
