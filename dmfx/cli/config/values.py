"""Values of a configuration file: axes of a sweep, numbers, names, archives.

Each function takes a table and a key that it has, and returns the value as `dmfx.sweep` takes it; or records what
is wrong, and returns None.
"""

from __future__ import annotations

import difflib
import math
from collections.abc import Callable, Iterable
from typing import Any

import numpy as np
import xarray as xr

from dmfx import archive
from dmfx.cli.config.file import Table, shown
from dmfx.validation import MAX_FLOAT

__all__ = [
    "Reader",
    "choice",
    "count",
    "dataset",
    "flag",
    "integers",
    "is_archive",
    "is_real",
    "is_whole",
    "names",
    "number",
    "numbers",
    "passed_on",
    "sizes",
    "text",
    "whole",
]

#: How a value is read.
Reader = Callable[[Table, str], Any]

#: Most labels of one range.
MOST_LABELS = 10**7
RANGE = "{ start = 0.0, stop = 3.0, num = 100 }"
LOG_RANGE = '{ start = 1e3, stop = 1e9, num = 7, spacing = "log" }'
WHOLE_RANGE = "{ start = 0, stop = 10 }, which is 0 to 9"
ARCHIVES = (".nc", ".zarr")


def is_real(value: object) -> bool:
    """Whether this is a number, finite or not, that a float can hold."""
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        return False
    return not isinstance(value, int) or abs(value) <= MAX_FLOAT


def is_whole(value: object) -> bool:
    """Whether this is a whole number written as such."""
    return isinstance(value, int) and not isinstance(value, bool)


def is_archive(value: object) -> bool:
    """Whether this looks like the path of an archive."""
    return isinstance(value, str) and value.endswith(ARCHIVES)


def numbers(table: Table, key: str) -> float | np.ndarray | None:
    """An axis of finite numbers."""
    expected = f"a finite number, a list of them or a range such as {RANGE}"
    return _axis(table, key, expected, lambda value: is_real(value) and math.isfinite(value), _spaced)


def sizes(table: Table, key: str) -> float | np.ndarray | None:
    """An axis of numbers of spins: whole numbers, and infinity, the mean field."""
    expected = f"a number of spins or inf, a list of them or a range such as {LOG_RANGE}"

    def spaced(inner: Table) -> np.ndarray | None:
        values = _spaced(inner)
        return None if values is None else np.round(values)

    return _axis(table, key, expected, lambda value: is_real(value) and not math.isnan(value), spaced)


def integers(table: Table, key: str) -> int | np.ndarray | None:
    """An axis of whole numbers."""
    expected = f"a whole number, a list of them or a range such as {WHOLE_RANGE}"
    return _axis(table, key, expected, is_whole, _counted)


def _axis(
    table: Table,
    key: str,
    expected: str,
    fits: Callable[[object], bool],
    spread: Callable[[Table], np.ndarray | None],
) -> Any:
    """One value that fits, or an array from a list of such values and of ranges."""
    value = table[key]
    if isinstance(value, dict):
        return spread(Table(table.file, (*table.place, key), value))
    if not isinstance(value, list):
        if fits(value):
            return value
        table.add(key, expected)
        return None
    if not value:
        table.add(key, expected)
        return None
    parts = []
    for position, each in enumerate(value):
        if isinstance(each, dict):
            parts.append(spread(Table(table.file, (*table.place, key, position), each)))
        elif fits(each):
            parts.append(np.array([each]))
        else:
            place = (*table.place, key, position)
            message = f"{table.name(key)} must be {expected}, not {shown(each)} at position {position}"
            table.file.say(place, message)
            parts.append(None)
    return None if any(part is None for part in parts) else np.concatenate(parts)


def _spaced(table: Table) -> np.ndarray | None:
    """Labels from start to stop, both included."""
    before = table.file.n_problems
    table.check_keys(("start", "stop", "num", "spacing"))
    is_log = table.values.get("spacing", "linear") == "log"
    if not is_log and table.values.get("spacing", "linear") != "linear":
        table.add("spacing", '"linear" or "log"')
    for key in ("start", "stop"):
        if key not in table:
            table.missing(key, f"a range such as {RANGE}")
        elif not is_real(table[key]) or not math.isfinite(table[key]) or (is_log and table[key] <= 0):
            table.add(key, 'a number above 0 where spacing is "log"' if is_log else "a finite number")
    if "num" not in table:
        table.missing("num", f"the number of labels, both ends among them, as in {RANGE}")
    elif not is_whole(table["num"]) or not 1 <= table["num"] <= MOST_LABELS:
        table.add("num", f"a whole number from 1 to {MOST_LABELS}")
    if table.file.n_problems > before:
        return None
    spread = np.geomspace if is_log else np.linspace
    return spread(float(table["start"]), float(table["stop"]), table["num"])


def _counted(table: Table) -> np.ndarray | None:
    """Whole numbers from start on, without stop."""
    advice = f"whole numbers follow each other: {WHOLE_RANGE}"
    table.check_keys(("start", "stop"), {"num": advice, "spacing": advice})
    for key in ("start", "stop"):
        if key not in table:
            table.missing(key, f"a range such as {WHOLE_RANGE}")
        elif not is_whole(table[key]) or abs(table[key]) > 2**62:
            table.add(key, "a whole number")
    if not all(is_whole(table.values.get(key)) for key in ("start", "stop")):
        return None
    first, end = table["start"], table["stop"]
    if not 0 < end - first <= MOST_LABELS:
        table.add("stop", f"above start, {first}, by at most {MOST_LABELS}, as it is left out itself")
        return None
    return np.arange(first, end)


def number(table: Table, key: str) -> float | None:
    """One finite number."""
    if is_real(table[key]) and math.isfinite(table[key]):
        return table[key]
    table.add(key, "a finite number")
    return None


def count(minimum: int) -> Reader:
    """A reader of whole numbers from a minimum on."""

    def read(table: Table, key: str) -> int | None:
        if is_whole(table[key]) and table[key] >= minimum:
            return table[key]
        table.add(key, f"a whole number of at least {minimum}")
        return None

    return read


def whole(table: Table, key: str) -> int | None:
    """One whole number."""
    if is_whole(table[key]):
        return table[key]
    table.add(key, "a whole number")
    return None


def flag(table: Table, key: str) -> bool | None:
    """True or false."""
    if isinstance(table[key], bool):
        return table[key]
    table.add(key, "true or false")
    return None


def text(expected: str) -> Reader:
    """A reader of strings."""

    def read(table: Table, key: str) -> str | None:
        if isinstance(table[key], str) and table[key].strip():
            return table[key]
        table.add(key, expected)
        return None

    return read


def choice(options: Iterable[str]) -> Reader:
    """A reader of one of a few names."""
    options = list(options)

    def read(table: Table, key: str) -> str | None:
        if table[key] in options:
            return table[key]
        near = difflib.get_close_matches(str(table[key]), options, n=1)
        table.add(key, f"one of {', '.join(options)}", f"; did you mean {near[0]}?" if near else "")
        return None

    return read


def names(expected: str) -> Reader:
    """A reader of one string or a list of strings."""

    def read(table: Table, key: str) -> str | list[str] | None:
        value = table[key]
        if isinstance(value, str) or (isinstance(value, list) and all(isinstance(each, str) for each in value)):
            return value
        table.add(key, f"{expected}: a string or a list of strings")
        return None

    return read


def dataset(table: Table, key: str) -> xr.Dataset | None:
    """A Dataset, which the file names by the path of its archive."""
    if not is_archive(table[key]):
        table.add(key, "the path of an archive, .nc or .zarr")
        return None
    try:
        return archive.open(table[key])
    except (ValueError, OSError) as error:
        table.say(key, str(error).removeprefix("open: "))
        return None


def passed_on(table: Table, key: str) -> object:
    """Anything; what takes it checks it."""
    return table[key]
