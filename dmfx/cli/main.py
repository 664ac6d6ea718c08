"""The command ``dmfx``: its subcommands, and what the shell gets when something is wrong."""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Sequence
from typing import NoReturn

from dmfx.cli import analyse, info, plot, reproduce, simulate, task, train
from dmfx.version import dmfx_version

__all__ = ["main"]

#: What users can cause and mend: one line, no traceback.
USER_ERRORS = (ValueError, TypeError, OSError, OverflowError, FloatingPointError, MemoryError)
EXIT_USAGE, EXIT_INTERRUPTED = 2, 130


class _Parser(argparse.ArgumentParser):
    def error(self, message: str) -> NoReturn:
        self.exit(EXIT_USAGE, f"{self.prog}: {message} (see {self.prog} --help)\n")


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command.

    Parameters
    ----------
    arguments
        Words after ``dmfx``; by default those of the shell.

    Returns
    -------
    int
        Exit status: 0, or 2 when the input was wrong.
    """
    parser = _Parser(prog="dmfx", description="Dynamical mean-field theory of attention networks.")
    parser.add_argument("--version", action="version", version=f"dmfx {dmfx_version()}")
    commands = parser.add_subparsers(dest="command", required=True, metavar="COMMAND")
    for command in (reproduce, simulate, train, task, analyse, plot, info):
        command.add_parser(commands)
    name, options = "dmfx", None
    try:
        options = parser.parse_args(arguments)
        name = f"dmfx {options.command}"
        options.run(options)
    except USER_ERRORS as error:
        return _fail(name, error)
    except KeyboardInterrupt:
        kept = getattr(options, "checkpoint", None)
        note = "no file was left half written"
        if kept is not None and os.path.exists(kept):
            note = f"the epochs so far are kept in {kept}, and the same command goes on from there"
        print(f"{name}: interrupted; {note}", file=sys.stderr)
        return EXIT_INTERRUPTED
    except Exception as error:
        if type(error).__name__ != "KilledWorker":  # of distributed, imported only when a cluster is used
            raise
        return _fail(name, error)
    return 0


def _fail(name: str, error: Exception) -> int:
    """Print an error as one line, in the words of the shell."""
    message = " ".join(str(error).split()) or type(error).__name__
    message = message.replace("pass overwrite=True", "say --overwrite").replace("overwrite=True", "--overwrite")
    if isinstance(error, MemoryError):
        message = f"not enough memory ({message}): ask for less at once"
    print(f"{name}: {message}", file=sys.stderr)
    return EXIT_USAGE
