"""Where in a TOML file each key stands, which `tomllib` does not tell."""

from __future__ import annotations

import bisect
import re
import tomllib

__all__ = ["Place", "lines_of"]

#: A key with those of all tables that hold it, and the positions in arrays: ``("reduce", 0, "bins")``.
Place = tuple[str | int, ...]

_GAP = re.compile(r"(?:\s|#[^\n]*)*")
_BLANK = re.compile(r"[ \t]*")
_BARE_KEY = re.compile(r"[A-Za-z0-9_-]+")
_STRING = re.compile(
    r'"""(?:\\.|[^\\])*?"""(?:"{0,2})'  # two quotes may stand before the three that end it
    r"|'''.*?'''(?:'{0,2})"
    r'|"(?:\\.|[^"\\])*"'
    r"|'[^']*'",
    re.DOTALL,
)
_OTHER_VALUE = re.compile(r"[^,\]}#\n]*")


def lines_of(text: str) -> dict[Place, int]:
    r"""The line of every table, key and element of an array, counted from 1.

    Parameters
    ----------
    text
        A TOML document that `tomllib` reads without an error.

    Examples
    --------
    >>> lines_of("[sweep]\nbeta = [\n  0.5, 1.0\n]\n[[reduce]]\nanalysis = 'fft'")[("reduce", 0, "analysis")]
    6
    """
    return _Scanner(text).scan()


class _Scanner:
    def __init__(self, text: str):
        self.text, self.at = text, 0
        self.ends = [found.start() for found in re.finditer("\n", text)]
        self.lines: dict[Place, int] = {}
        self.last_of_array: dict[Place, int] = {}

    def scan(self) -> dict[Place, int]:
        table: Place = ()
        self.skip(_GAP)
        while self.at < len(self.text):
            if self.text[self.at] == "[":
                table = self.header()
            else:
                self.pair(table)
            self.skip(_GAP)
        return self.lines

    def header(self) -> Place:
        line, is_array = self.line(), self.text.startswith("[[", self.at)
        self.at += 2 if is_array else 1
        keys = self.keys()
        self.at += 2 if is_array else 1
        place: Place = ()
        for number, key in enumerate(keys):
            place += (key,)
            self.lines.setdefault(place, line)
            if is_array and number == len(keys) - 1:
                self.last_of_array[place] = self.last_of_array.get(place, -1) + 1
            if place in self.last_of_array:
                place += (self.last_of_array[place],)
        self.lines[place] = line  # where the table is named itself, not where one within it was
        return place

    def pair(self, table: Place) -> None:
        line = self.line()
        for key in self.keys():
            table += (key,)
            self.lines.setdefault(table, line)
        self.at += 1  # the sign of equality
        self.skip(_BLANK)
        self.value(table)

    def value(self, place: Place) -> None:
        start = self.text[self.at]
        if start == "[":
            self.items("]", lambda number: self.element((*place, number)))
        elif start == "{":
            self.items("}", lambda _: self.pair(place))
        elif not self.skip(_STRING):
            self.skip(_OTHER_VALUE)

    def items(self, end: str, item) -> None:
        """All that stands between brackets."""
        self.at += 1
        self.skip(_GAP)
        number = 0
        while self.text[self.at] != end:
            item(number)
            number += 1
            self.skip(_GAP)
            if self.text[self.at] == ",":
                self.at += 1
                self.skip(_GAP)
        self.at += 1

    def element(self, place: Place) -> None:
        self.lines[place] = self.line()
        self.value(place)

    def keys(self) -> list[str]:
        """A key and what its dots lead to; the position is then at the sign that follows."""
        keys = []
        while True:
            self.skip(_BLANK)
            start = self.at
            if self.skip(_BARE_KEY):
                keys.append(self.text[start : self.at])
            else:
                self.skip(_STRING)
                keys.append(tomllib.loads(f"key = {self.text[start : self.at]}")["key"])
            self.skip(_BLANK)
            if self.text[self.at] != ".":
                return keys
            self.at += 1

    def skip(self, pattern: re.Pattern[str]) -> bool:
        """Step over what the pattern matches here, if it does."""
        found = pattern.match(self.text, self.at)
        if found is None:
            return False
        self.at = found.end()
        return True

    def line(self) -> int:
        return bisect.bisect_left(self.ends, self.at) + 1
