"""A TOML file whose every error names file, line and key, what was expected and what came."""

from __future__ import annotations

import difflib
import json
import os
import re
import tomllib
from collections.abc import Iterable, Mapping
from typing import Any

from dmfx.cli.config.lines import Place, lines_of

__all__ = ["ConfigError", "ConfigFile", "Table", "shown"]

_WHERE = re.compile(r" \(at (?:line (\d+), column (\d+)|end of document)\)$")
#: Longest value that a message quotes.
MOST_SHOWN = 60


class ConfigError(ValueError):
    """Something in a configuration file is not as it must be."""


def shown(value: object) -> str:
    """A value as it stands in the file, or in a few words."""
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, str):
        return f"{json.dumps(value, ensure_ascii=False) if len(value) <= MOST_SHOWN else 'a long string'} (a string)"
    if isinstance(value, dict):
        return "a table"
    if isinstance(value, list):
        text = f"[{', '.join(shown(each).removesuffix(' (a string)') for each in value)}]"
        return text if len(text) <= MOST_SHOWN else f"a list of {len(value)}"
    return str(value)


class ConfigFile:
    """The tables of a file, and what is wrong with them.

    Parameters
    ----------
    path
        The file, as messages call it.

    Raises
    ------
    ConfigError
        If it is not TOML.
    OSError
        If it cannot be read.
    """

    def __init__(self, path: str | os.PathLike[str]):
        self.name = os.fspath(path)
        self._messages: list[tuple[int, str]] = []
        with open(path, "rb") as file:
            raw = file.read()
        try:
            text = raw.decode("utf-8-sig").replace("\r\n", "\n")
        except UnicodeDecodeError as error:
            line = raw.count(b"\n", 0, error.start) + 1
            raise ConfigError(f"{self.name}:{line}: not UTF-8, the encoding of TOML: {error.reason}") from None
        try:
            self.values: dict[str, Any] = tomllib.loads(text)
        except tomllib.TOMLDecodeError as error:
            raise ConfigError(self._not_toml(str(error), text)) from None
        self._lines = lines_of(text)

    def _not_toml(self, message: str, text: str) -> str:
        where = _WHERE.search(message)
        line, column = text.rstrip().count("\n") + 1, ""
        if where is not None and where[1]:
            line, column = int(where[1]), f" (column {where[2]})"
        return f"{self.name}:{line}: not TOML: {_WHERE.sub('', message)}{column}"

    def line(self, place: Place) -> int:
        """Where something stands; where it is missing, what would hold it."""
        while place and place not in self._lines:
            place = place[:-1]
        return self._lines.get(place, 1)

    def say(self, place: Place, message: str) -> None:
        """Record a problem with what is at a place."""
        line = self.line(place)
        self._messages.append((line, f"{self.name}:{line}: {message}"))

    @property
    def n_problems(self) -> int:
        """How many problems were recorded."""
        return len(self._messages)

    def error(self) -> ConfigError | None:
        """All problems that were recorded since the last time, in the order of the lines; None if there are none."""
        messages = [message for _, message in sorted(self._messages, key=lambda each: each[0])]
        self._messages.clear()
        count = f"{len(messages)} problems: " if len(messages) > 1 else ""
        return ConfigError(count + "; ".join(messages)) if messages else None

    def raise_any(self) -> None:
        """Raise what was recorded."""
        error = self.error()
        if error is not None:
            raise error


class Table:
    """One table of the file.

    Parameters
    ----------
    file
        The file.
    place
        Where in it.
    values
        What the table holds.
    """

    def __init__(self, file: ConfigFile, place: Place, values: Mapping[str, Any]):
        self.file, self.place, self.values = file, place, values
        self._meant: set[str] = set()

    def __contains__(self, key: str) -> bool:
        return key in self.values

    def __getitem__(self, key: str) -> Any:
        return self.values[key]

    def name(self, *keys: str | int) -> str:
        """What messages call a key of this table; which of several tables it is, the line says."""
        return ".".join(str(key) for key in (*self.place, *keys) if not isinstance(key, int))

    def add(self, key: str, expected: str, advice: str = "") -> None:
        """Record that the value of a key must be another one."""
        self.say(key, f"must be {expected}, not {shown(self.values[key])}{advice}", between=" ")

    def say(self, key: str, message: str, between: str = ": ") -> None:
        """Record a problem with a key, in words of its own."""
        self.file.say((*self.place, key), f"{self.name(key)}{between}{message}")

    def missing(self, key: str, expected: str) -> None:
        """Record that a key is not there, unless one that is unknown was told to be it."""
        if key not in self._meant:
            self.file.say(self.place, f"{self.name(key)} is missing: expected {expected}")

    def table(self, key: str, expected: str) -> Table | None:
        """A table within this one; None where there is none."""
        if key not in self.values:
            return None
        if not isinstance(self.values[key], dict):
            self.add(key, expected)
            return None
        return Table(self.file, (*self.place, key), self.values[key])

    def check_keys(self, known: Iterable[str], elsewhere: Mapping[str, str] | None = None) -> None:
        """Record every key that is not known; ``elsewhere`` has advice for keys that are known not to be."""
        known = list(known)
        for key in self.values:
            if key in known:
                continue
            if elsewhere and key in elsewhere:
                self.say(key, elsewhere[key])
                continue
            near = difflib.get_close_matches(key, known, n=1)
            self._meant.update(near)
            advice = f"did you mean {near[0]}?" if near else f"expected {', '.join(known)}"
            self.say(key, f"there is no such key; {advice}")
