"""How the numbers of a sweep become colours: names, whole numbers, numbers with a sign, and others."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

import numpy as np
import xarray as xr

from dmfx.plot._colours import COLOURS, DIVERGING, KINDS, SHADES, sequence
from dmfx.plot._labels import flag_names, kind_name

__all__ = ["Scale", "scale_of"]

#: Of flags that say that all is well.
USUAL = "#d3dfec"

#: So many different whole numbers have a colour each, more of them share one.
SINGLE = 8

#: Largest over smallest value above which a scale of times or counts is logarithmic.
WIDE = 200


@dataclass(frozen=True)
class Scale:
    """Colours of the values of one variable.

    Attributes
    ----------
    colours, limits
        Of the image of what ``code`` gives; those of codes begin with that of 0, which is transparent.
    code
        Turns values into what the image holds: whole numbers from 1 with 0 for nothing, or floats with NaN for nothing.
    entries
        Texts and colours of the legend; if there are none, a colour bar says what the colours mean.
    log
        Whether the scale of the colour bar is logarithmic.
    signed
        Whether the middle of the colours is zero.
    """

    colours: list[str]
    limits: tuple[float, float]
    code: Callable[[np.ndarray], np.ndarray]
    entries: list[tuple[str, str]] = field(default_factory=list)
    log: bool = False
    signed: bool = False


def scale_of(values: xr.DataArray) -> Scale:
    """The scale for a computed variable: by its flags, its type, and its units.

    - flags such as kinds: a colour each, and in the legend those that there are;
    - whole numbers such as periods: a colour each for up to eight of them, otherwise one for each power of two; 0 is
      nothing;
    - rates such as exponents: from negative to positive with white at zero; beyond the largest positive, or what half
      of the values reach, all are alike;
    - other numbers: from light to dark, times on a logarithmic scale if they span orders of magnitude.
    """
    names = flag_names(values)
    if names:
        return _named(values.values, names)
    if values.dtype.kind in "iub":
        return _counted(values.values)
    if values.attrs.get("units") == "1/step":
        return _signed(values.values)
    return _shaded(values.values, values.attrs.get("units"))


def _coded(entries: list[tuple[str, str]], code: Callable[[np.ndarray], np.ndarray], numbers: list[int]) -> Scale:
    """A scale of codes 1, 2, ... of which some occur, those with the numbers."""
    colours = ["#00000000", *(colour for _, colour in entries)]
    return Scale(colours, (0, len(entries)), code, [entries[number] for number in numbers])


def _named(values: np.ndarray, names: tuple[str, ...]) -> Scale:
    if set(names) <= set(KINDS):
        colours = [KINDS[name] for name in names]
    else:
        colours = [
            USUAL if name in ("ok", "yes") else COLOURS[number % len(COLOURS)] for number, name in enumerate(names, 1)
        ]
    entries = [(kind_name(name), colour) for name, colour in zip(names, colours, strict=True)]

    def code(values: np.ndarray) -> np.ndarray:
        known = np.isfinite(values) & (values >= 0) & (values < len(names))
        return np.where(known, values + 1, 0).astype(np.uint8)

    return _coded(entries, code, [number - 1 for number in np.unique(code(values)).tolist() if number])


def _counted(values: np.ndarray) -> Scale:
    there = np.unique(values[values > 0]).astype(np.int64)
    if there.size <= SINGLE:
        highest = there
    else:
        highest = 2 ** np.arange(np.ceil(np.log2(there[0])), np.ceil(np.log2(there[-1])) + 1).astype(np.int64)
    classes = np.searchsorted(highest, there)
    groups = [there[classes == number] for number in range(len(highest))]
    texts = [_interval(group) for group in groups]
    entries = list(zip(texts, sequence(len(texts) + 2)[1:-1], strict=True))

    def code(values: np.ndarray) -> np.ndarray:
        known = np.isfinite(values) & (values > 0)
        return np.where(known, np.searchsorted(highest, np.where(known, values, 1)) + 1, 0).astype(np.uint8)

    return _coded(entries, code, np.unique(classes).tolist())


def _interval(numbers: np.ndarray) -> str:
    """The numbers that share a colour."""
    return "–".join(map(str, dict.fromkeys([numbers[0].item(), numbers[-1].item()]))) if numbers.size else ""


def _signed(values: np.ndarray) -> Scale:
    finite = values[np.isfinite(values)]
    typical = float(np.median(np.abs(finite))) if finite.size else 0.0
    most = max(float(finite.max(initial=0.0)), typical, 1e-12)
    return Scale(sequence(255, DIVERGING), (-most, most), _as_floats, signed=True)


def _shaded(values: np.ndarray, units: str | None) -> Scale:
    finite = values[np.isfinite(values)]
    low, high = (float(finite.min()), float(finite.max())) if finite.size else (0.0, 1.0)
    colours = sequence(255, ["#e3ecf6", *SHADES])
    positive = finite[finite > 0]
    if positive.size and low >= 0 and high > WIDE * positive.min() and units in ("step", "count"):
        least = float(positive.min())
        return Scale(colours, (least, high), lambda values: np.maximum(_as_floats(values), least), log=True)
    return Scale(colours, (low, high if high > low else low + (abs(low) or 1.0)), _as_floats)


def _as_floats(values: np.ndarray) -> np.ndarray:
    return np.where(np.isfinite(values), values, np.nan).astype(np.float32)
