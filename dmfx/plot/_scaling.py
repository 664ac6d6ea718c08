"""Curves over the number of spins on logarithmic axes, with what they may be compared with."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
import xarray as xr

from dmfx.plot import _style
from dmfx.plot._inputs import has_dims
from dmfx.plot._labels import axis_label, fold
from dmfx.plot._layout import arrange
from dmfx.plot._shading import Range
from dmfx.validation import Problems

__all__ = ["Line", "Panel", "Series", "finite_sizes", "scaling"]

#: Of guides to the eye.
GUIDE = "#707070"

#: The guide starts so many times as high as the data, and the axes go on by such a factor.
ABOVE, ROOM = 2.0, 1.6

#: Lines so many times below the data are left out of the range.
FAR = 10.0


class Series(NamedTuple):
    """Points over the number of spins, each with a bar from ``low`` to ``high``; ``joined`` by a thin line or not."""

    label: str
    colour: str
    size: np.ndarray
    value: np.ndarray
    low: np.ndarray
    high: np.ndarray
    joined: bool


class Line(NamedTuple):
    """A straight line between two points; those with a label are in the legend, in grey and once for each label."""

    label: str
    colour: str
    size: tuple[float, float]
    value: tuple[float, float]
    dash: str


class Panel(NamedTuple):
    """What one frame holds."""

    title: str
    series: list[Series]
    lines: list[Line]


def finite_sizes(problems: Problems, array: xr.DataArray) -> np.ndarray:
    """Places of the finite sizes along ``size``, from small to large; raise if there is none."""
    has_dims(problems, array, "size")
    sizes = array["size"].values if "size" in array.coords else np.empty(0)
    if sizes.dtype.kind not in "iuf":
        sizes = np.empty(0)
    places = np.flatnonzero(np.isfinite(sizes) & (sizes > 0))
    if places.size == 0:
        problems.say(f"ds must have finite sizes, numbers above 0 along size, to draw {array.name!r} over")
        problems.raise_any()
    return places[np.argsort(sizes[places], kind="stable")]


def scaling(
    problems: Problems, ds: xr.Dataset, name: str, parts: Sequence[Panel], width: int, height: int, columns: int
) -> Any:
    """Draw panels of a variable over the number of spins, on the same axes, with a guide of slope -1/2."""
    if not any(_known(each).size.size for part in parts for each in part.series):
        problems.say(f"ds has no finite values of {name!r} above 0 to draw: see the status of its points")
        problems.raise_any()
    _style.load()
    x_range, y_range = _ranges(parts)
    overlays = [_overlay(part, name, x_range, y_range) for part in parts]
    above = [
        _style.rows_above(width, height, _style.legend(overlay), part.title)
        for overlay, part in zip(overlays, parts, strict=True)
    ]
    most = max(above)
    inner = _style.frame(width, height, rows=most[0])
    label = axis_label(ds, name).replace("-", "\u2011")  # where no line is broken
    pictures = [
        _style.picture(
            overlay,
            width,
            height,
            part.title,
            above=most,
            xlabel=axis_label(ds, "size"),
            ylabel=fold(label, inner[1]),
            xlim=x_range,
            ylim=y_range,
            logx=True,
            logy=True,
        )
        for overlay, part in zip(overlays, parts, strict=True)
    ]
    return arrange(pictures, columns)


def _overlay(part: Panel, name: str, x_range: Range, y_range: Range) -> Any:
    import holoviews as hv

    bars = [_bars(each, name, y_range) for each in part.series]
    joins = [_line(Line("", s.colour, s.size, s.value, "solid"), name) for s in part.series if s.joined]
    marks = [_marks(each, name) for each in part.series]
    lines, seen = [], set()
    for line in [*part.lines, _guide(part.series, x_range)]:
        if line is not None and max(line.value) > y_range[0]:
            if line.label and line.label not in seen:  # of no length, for the legend
                at = line.size[:1] * 2, line.value[:1] * 2
                lines.append(_line(Line(line.label, GUIDE, *at, line.dash), name))
                seen.add(line.label)
            lines.append(_line(line._replace(label=""), name))
    if not lines:  # a frame without anything, which Matplotlib cannot scale, gets a line of no length
        lines = [_line(Line("", GUIDE, x_range[:1] * 2, y_range[:1] * 2, "solid"), name)]
    return hv.Overlay([*lines, *joins, *bars, *marks])


def _guide(series: Sequence[Series], x_range: Range) -> Line | None:
    """A line of slope -1/2, above what there is at the smallest size."""
    known = [(s.size[0], s.high[0]) for s in map(_known, series) if s.size.size]
    if not known:
        return None
    size = min(size for size, _ in known)
    value = ABOVE * max(high for start, high in known if start == size)
    return Line("slope -1/2", GUIDE, (size, x_range[1]), (value, value * (x_range[1] / size) ** -0.5), "dotted")


def _known(series: Series) -> Series:
    """The points that a logarithmic axis can show; bars that reach 0 or are not known end at the point."""
    shown = np.isfinite(series.value) & (series.value > 0)
    size, value, low, high = (each[shown] for each in series[2:6])
    low = np.where(np.isfinite(low), low, value)
    return series._replace(size=size, value=value, low=low, high=np.where(np.isfinite(high), high, value))


def _ranges(parts: Sequence[Panel]) -> tuple[Range, Range]:
    """Ranges that hold all points and bars, lines that are not far below them, and the start of the guide."""
    series = [_known(each) for part in parts for each in part.series]
    sizes = np.concatenate([each.size for part in parts for each in part.series])
    values = np.concatenate([np.concatenate([each.value, each.high, each.low[each.low > 0]]) for each in series])
    x_range = float(sizes.min()) / ROOM, float(sizes.max()) * ROOM
    # A bar that almost reaches 0 shall not stretch the axis.
    bottom = max(float(values.min()), float(min(each.value.min() for each in series if each.size.size)) / FAR)
    levels = np.array([value for part in parts for line in part.lines for value in line.value])
    bottom = float(levels[levels > bottom / FAR].min(initial=bottom))
    return x_range, _two_powers(bottom / ROOM, ABOVE * ROOM * float(values.max()))


def _two_powers(low: float, high: float) -> Range:
    """A range that holds two powers of ten at least, as Matplotlib labels many ticks, widely, where it holds fewer."""
    while math.floor(math.log10(high)) <= math.ceil(math.log10(low)):
        below, above = 10.0 ** (math.ceil(math.log10(low)) - 1), 10.0 ** (math.floor(math.log10(high)) + 1)
        low, high = (below, high) if low / below <= above / high else (low, above)
    return low, high


def _bars(series: Series, name: str, y_range: Range) -> Any:
    import holoviews as hv

    known = _known(series)
    low = np.maximum(known.low, y_range[0] / ROOM)  # bars that reach 0 leave the picture
    bars = hv.ErrorBars(
        (known.size, known.value, known.value - np.minimum(low, known.value), known.high - known.value),
        "size",
        [name, "below", "above"],
    )
    return _style.both(
        bars,
        {"line_width": 1.2, "color": series.colour, "upper_head": None, "lower_head": None},
        {"edgecolor": series.colour, "linewidth": 1.0, "capsize": 0},
    )


def _marks(series: Series, name: str) -> Any:
    import holoviews as hv

    known = _known(series)
    return _style.dots(hv.Scatter((known.size, known.value), "size", name, label=series.label), series.colour, 6)


def _line(line: Line, name: str) -> Any:
    import holoviews as hv

    bokeh = {"dashed": [6, 4], "dotted": [2, 3], "solid": []}[line.dash]
    matplotlib = {"dashed": (0, (6, 4)), "dotted": (0, (2, 2)), "solid": "solid"}[line.dash]
    curve = hv.Curve((np.array(line.size), np.array(line.value)), "size", name, label=line.label)
    return _style.both(
        curve,
        {"line_width": 1.3, "line_dash": bokeh},
        {"linewidth": 0.95, "linestyle": matplotlib},
        color=line.colour,
    )
