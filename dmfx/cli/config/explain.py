"""Errors of functions, told in the words of the file: line and key instead of the name of an argument."""

from __future__ import annotations

import re
from collections.abc import Mapping

from dmfx.cli.config.file import Table

__all__ = ["is_about", "say_where"]

_CALL = re.compile(r"([A-Za-z_]+(?:\[\d+\])?): (?:\d+ (problems): )?")
_WORD = re.compile(r"[a-z_]+")
#: How a problem begins that names an argument which the file does not have.
_ARGUMENT = re.compile(r"[a-z_]+(=\S+)?(:| must be | goes with | needs | has | is missing)")


def is_about(error: Exception, tables: Mapping[str, Table]) -> bool:
    """Whether an error is about the arguments of one of these functions."""
    call = _CALL.match(str(error))
    return call is not None and call[1] in tables


def say_where(error: Exception, tables: Mapping[str, Table], otherwise: Table) -> None:
    """Record the problems that an error of `dmfx.validation.Problems` lists, each with the key it is about.

    Parameters
    ----------
    error
        Its message begins with the name of a function, and each of its problems with the name of an argument.
    tables
        By the name of a function, or of an argument such as ``reduce[0]`` that is a table of its own, the table that
        its arguments are from.
    otherwise
        The table that is named where a message names none of these, nor a key.
    """
    _say(str(error) or type(error).__name__, tables, (otherwise,))


def _say(message: str, tables: Mapping[str, Table], around: tuple[Table, ...]) -> None:
    """Record what a message says; ``around`` are the tables that its words may be keys of, the nearest first."""
    call = _CALL.match(message)
    is_argument = len(around) > 1 and call is not None and call[1] in around[0]
    if call is not None and call[1] in tables and not is_argument:
        within = (tables[call[1]], *around)
        rest = message[call.end() :]
        for problem in _apart(rest, tables, within) if call[2] else [rest]:
            _say(problem, tables, within)
        return
    for table in around:
        if (key := _key(message, table)) is not None:
            table.say(key, message[len(key) :], between="")
            return
    nearest = around[0]
    nearest.file.say(nearest.place, f"{nearest.name()}: {message}" if nearest.place else message)


def _apart(message: str, tables: Mapping[str, Table], around: tuple[Table, ...]) -> list[str]:
    """The problems of a message: a semicolon may also stand within one."""
    problems: list[str] = []
    for part in message.split("; "):
        call = _CALL.match(part)
        starts = any(_key(part, table) is not None for table in around) or (call is not None and call[1] in tables)
        if problems and not starts and _ARGUMENT.match(part) is None:
            problems[-1] += f"; {part}"
        else:
            problems.append(part)
    return problems


def _key(message: str, table: Table) -> str | None:
    word = _WORD.match(message)
    return word[0] if word is not None and word[0] in table else None
