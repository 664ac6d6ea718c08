"""The command ``dmfx``: its subcommands, and what the shell gets when something is wrong."""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Sequence
from typing import NoReturn

from dmfx.cli import analyse, check, info, plot, reproduce, simulate, sweep, task, train
from dmfx.cli.sweep import Stopped
from dmfx.sweeps import StoreInUse, WorkerMismatch
from dmfx.version import dmfx_version

__all__ = ["main"]

#: What users can cause and mend: one line, no traceback.
USER_ERRORS = (
    ValueError,
    TypeError,
    OSError,
    OverflowError,
    FloatingPointError,
    MemoryError,
    StoreInUse,
    WorkerMismatch,
)
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
        Exit status: 0; 1 when a check found damage; 2 when the input was wrong; 130 after Ctrl-C.
    """
    parser = _Parser(prog="dmfx", description="Dynamical mean-field theory of attention networks.")
    parser.add_argument("--version", action="version", version=f"dmfx {dmfx_version()}")
    commands = parser.add_subparsers(dest="command", required=True, metavar="COMMAND")
    for command in (reproduce, simulate, sweep, train, task, analyse, plot, info, check):
        command.add_parser(commands)
    name, options = "dmfx", None
    try:
        options = parser.parse_args(arguments)
        name = f"dmfx {options.command}"
        return options.run(options) or 0
    except USER_ERRORS as error:
        return _fail(name, error)
    except KeyboardInterrupt as interrupt:
        print(f"{name}: {str(interrupt) or 'interrupted'}; {_left_behind(options)}", file=sys.stderr)
        return 128 + interrupt.number if isinstance(interrupt, Stopped) else EXIT_INTERRUPTED
    except Exception as error:
        if type(error).__name__ != "KilledWorker":  # of distributed, imported only when a cluster is used
            raise
        return _fail(name, error)


def _left_behind(options: argparse.Namespace | None) -> str:
    """What a command that was interrupted leaves behind."""
    if hasattr(options, "interrupted"):
        return options.interrupted(options)
    kept = getattr(options, "checkpoint", None)
    if kept is not None and os.path.exists(kept):
        return f"the epochs so far are kept in {kept}, and the same command goes on from there"
    return "no file was left half written"


def _fail(name: str, error: Exception) -> int:
    """Print an error as one line, in the words of the shell."""
    message = " ".join(str(error).split()) or type(error).__name__
    message = message.replace("pass overwrite=True", "say --overwrite").replace("overwrite=True", "--overwrite")
    message = message.replace("the same call goes on", "the same command goes on")
    if isinstance(error, MemoryError):
        message = f"not enough memory ({message}): ask for less at once"
    print(f"{name}: {message}", file=sys.stderr)
    return EXIT_USAGE
