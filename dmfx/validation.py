"""Checks of what a user passed: every problem of a call, gathered into one message."""

from __future__ import annotations

import numbers
from collections.abc import Iterable

import numpy as np

__all__ = ["Problems", "describe", "real_numbers"]


MAX_FLOAT = int(np.finfo(float).max)


def describe(value: object) -> str:
    """Say in a few words what a value is, for the end of an error message."""
    if isinstance(value, np.ndarray):
        return f"an array of shape {value.shape} and dtype {value.dtype}"
    text = repr(value)
    if "\n" in text or len(text) > 60:
        return f"a {type(value).__name__}"
    return f"{text} ({type(value).__name__})"


class Problems:
    """Collects what is wrong with the arguments of one call and raises it all at once.

    Each check returns the normalised value, or a harmless stand-in when it recorded a problem, so that the
    checks after it still run.

    Parameters
    ----------
    call
        Name of the function being called; it starts the message.

    Examples
    --------
    >>> problems = Problems("simulate")
    >>> problems.count("steps", 1.5)
    1
    >>> problems.raise_any()
    Traceback (most recent call last):
      ...
    ValueError: simulate: steps must be a whole number of at least 1, not 1.5 (float)
    """

    def __init__(self, call: str):
        self.call = call
        self.messages: list[str] = []
        self._only_types = True

    def add(self, argument: str, expected: str, got: object, *, is_type: bool = False) -> None:
        """Record that ``argument`` must be ``expected`` but is ``got``."""
        self.messages.append(f"{argument} must be {expected}, not {describe(got)}")
        self._only_types &= is_type

    def say(self, message: str) -> None:
        """Record a problem in words of its own."""
        self.messages.append(message)
        self._only_types = False

    def raise_any(self) -> None:
        """Raise what was recorded: a TypeError if only types were wrong, a ValueError otherwise."""
        if not self.messages:
            return
        if len(self.messages) == 1:
            text = f"{self.call}: {self.messages[0]}"
        else:
            text = f"{self.call}: {len(self.messages)} problems: " + "; ".join(self.messages)
        raise (TypeError if self._only_types else ValueError)(text)

    def count(self, argument: str, value: object, *, minimum: int = 1, maximum: int = 2**53) -> int:
        """A whole number of at least ``minimum`` and at most ``maximum``."""
        expected = f"a whole number of at least {minimum}"
        is_number = isinstance(value, numbers.Real) and not isinstance(value, (bool, np.bool_))
        if not is_number:
            self.add(argument, expected, value, is_type=True)
        elif value > maximum:
            self.say(f"{argument} must be {expected} and at most {maximum:.0e}")
        elif not value >= minimum or value != int(value):
            self.add(argument, expected, value)
        else:
            return int(value)
        return max(minimum, 1)

    def real(self, argument: str, value: object, *, minimum: float = -np.inf, maximum: float = np.inf) -> float:
        """One finite number within bounds."""
        if isinstance(value, (bool, np.bool_)) or not isinstance(value, numbers.Real):
            self.add(argument, f"a finite number{_bounds(minimum, maximum)}", value, is_type=True)
        elif not abs(value) < np.inf or abs(value) > MAX_FLOAT or not minimum <= value <= maximum:
            self.add(argument, f"a finite number{_bounds(minimum, maximum)}", value)
        else:
            return float(value)
        return 0.0

    def axis(
        self,
        argument: str,
        value: object,
        *,
        minimum: float = -np.inf,
        maximum: float = np.inf,
        integer: bool = False,
    ) -> np.ndarray:
        """The values of one sweep dimension: a scalar or a non-empty 1-D array without repeats."""
        kind = "whole numbers" if integer else "finite numbers"
        expected = f"a number or a 1-D array of {kind}{_bounds(minimum, maximum)}"
        stand_in = np.zeros(1, dtype=np.int64 if integer else float)
        array = real_numbers(value)
        if array is None:
            self.add(argument, expected, value, is_type=True)
            return stand_in
        if array.ndim > 1 or array.size == 0:
            self.add(argument, expected, array)
            return stand_in
        array = np.atleast_1d(array)
        as_float = array.astype(float)
        bad = ~np.isfinite(as_float) | (as_float < minimum) | (as_float > maximum)
        if integer:
            with np.errstate(invalid="ignore"):
                bad |= (as_float != np.round(as_float)) | (np.abs(as_float) >= 2.0**63)
        if bad.any():
            first = int(np.flatnonzero(bad)[0])
            where = f" at position {first}" if array.size > 1 else ""
            self.say(f"{argument} must be {expected}, not {array[first].item()!r}{where}")
            return stand_in
        array = array.astype(np.int64) if integer else as_float
        if np.unique(array).size != array.size:
            self.say(f"{argument} has repeated values: every value labels one point of the sweep")
        return array

    def choice(self, argument: str, value: object, options: Iterable[object]) -> object:
        """One of a few values."""
        options = list(options)
        if not any(type(value) is type(option) and value == option for option in options):
            self.add(argument, "one of " + ", ".join(repr(option) for option in options), value)
            return options[0]
        return value

    def names(
        self, argument: str, value: object, options: Iterable[str], *, of: str = "", some: bool = True
    ) -> tuple[str, ...]:
        """Names out of a few, in the order of these; ``of`` says what has them, ``some`` that there must be one."""
        options = tuple(options)
        expected = "names out of " + ", ".join(options) + of
        try:
            given = (value,) if isinstance(value, str) else tuple(dict.fromkeys(value))
        except TypeError:
            self.add(argument, expected, value, is_type=True)
            return options[:1]
        unknown = [name for name in given if name not in options]
        if unknown:
            self.say(f"{argument}: there is no {', '.join(map(repr, unknown))}; expected {expected}")
        elif some and not given:
            self.say(f"{argument}: there are none; expected {expected}")
        return tuple(name for name in options if name in given)


def real_numbers(value: object) -> np.ndarray | None:
    """The value as an array of integers or floats, or None where that would lose something."""
    try:
        array = np.asarray(value)
    except (TypeError, ValueError):
        return None
    if array.dtype.kind == "O" and all(type(each) is int and abs(each) <= MAX_FLOAT for each in array.ravel()):
        array = array.astype(float)  # integers beyond 64 bits
    return array if array.dtype.kind in "iuf" and not np.ma.is_masked(value) else None


def _bounds(minimum: float, maximum: float) -> str:
    if np.isfinite(minimum) and np.isfinite(maximum):
        return f" from {minimum:g} to {maximum:g}"
    if np.isfinite(minimum):
        return f" of at least {minimum:g}"
    if np.isfinite(maximum):
        return f" of at most {maximum:g}"
    return ""
