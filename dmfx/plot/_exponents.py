"""Curves of Lyapunov exponents with their errors, in one frame."""

from __future__ import annotations

from typing import Any

import numpy as np
import xarray as xr

from dmfx.plot import _style
from dmfx.plot._colours import COLOURS, sequence
from dmfx.plot._labels import axis_label, exponent_symbol, exponent_symbol_of, fold
from dmfx.plot._shading import Range

__all__ = ["WITHIN", "exponent_range", "exponents_over", "exponents_over_time", "range_over_time", "shown"]

#: Standard errors on either side that hold 95 % of a normal distribution.
WITHIN = 1.96

#: So few points along an axis are marked.
FEW = 60

#: How many times as far below zero as the largest exponent reaches the axis goes, how many exponents it shows if
#: they can be seen together, and how many times as far that may be at most.
BELOW, SHOWN, FURTHEST = 3, 3, 12

#: Exponents of single windows that spread more than so many times as far as the running estimates are cut off at
#: these quantiles.
SPREAD, QUANTILES = 50, (0.02, 0.98)


def exponents_over(
    title: str, ds: xr.Dataset, x: str, x_range: Range, y_range: Range, seen: list[bool], width: int, height: int
) -> Any:
    """Computed ``lyapunov`` (x, exponent) over a sweep dim, within a band of 95 % where there is an error.

    Over the number of spins those of the mean field, which has no place on the axis, are dotted lines.
    """
    finite = np.isfinite(ds[x].values.astype(float))
    levels = _levels(ds.isel({x: ~finite}), seen, x, x_range)
    ds = ds.isel({x: finite})
    along = ds[x].values.astype(float)
    spread = ds.get("lyapunov_error")
    bands, lines, marks = [], [], []
    for number, colour, label in _named(ds, seen):
        values = ds["lyapunov"].isel(exponent=number).values
        if spread is not None:
            bands.append(_band(along, values, WITHIN * spread.isel(exponent=number).values, x, colour))
        lines.append(_line(along, values, x, colour, label))
        alone = values if along.size <= FEW else _alone(values)
        marks.append(_marks(along, alone, x, colour))
    elements = [*bands, _zero(x_range, x), *levels, *lines, *marks]
    return _framed(elements, title, ds, x, x_range, y_range, width, height)


def _levels(ds: xr.Dataset, seen: list[bool], x: str, x_range: Range) -> list[Any]:
    """Lines across the picture at the exponents of the mean field, the first with a label."""
    import holoviews as hv

    if ds.sizes[x] == 0:
        return []
    lines = []
    for number, colour, _ in _named(ds, seen):
        level = np.full(2, float(ds["lyapunov"].isel({x: 0, "exponent": number})))
        line = hv.Curve((np.array(x_range), level), x, "lyapunov", label="" if lines else "mean field")
        style = {"line_width": 1.3, "line_dash": [2, 3]}, {"linewidth": 0.95, "linestyle": (0, (2, 2))}
        lines.append(_style.both(line, *style, color=colour))
    return lines


def exponents_over_time(title: str, ds: xr.Dataset, y_range: Range, seen: list[bool], width: int, height: int) -> Any:
    """Computed exponents (window, exponent): those of single windows, the running estimate, and what it ends in."""
    along = ds["window"].values.astype(float)
    x_range = min(0.0, float(along[0])), float(along[-1]) * 1.01
    bands, lines, marks, beyond = [], [], [], []
    for number, colour, label in _named(ds, seen):
        part = ds.isel(exponent=number)
        ends = np.array(x_range)
        if "lyapunov_error" in ds:
            last, error = float(part["lyapunov"]), float(part["lyapunov_error"])
            bands.append(_band(ends, np.full(2, last), np.full(2, WITHIN * error), "window", colour))
        if "finite_time_lyapunov" in ds:
            values = part["finite_time_lyapunov"].values
            marks.append(_marks(along, values, "window", colour, faint=True))
            if seen[number]:
                beyond = _beyond(along, values, "window", colour, y_range) + beyond  # the largest on top
        lines.append(_line(along, part["lyapunov_running"].values, "window", colour, label))
    elements = [*bands, _zero(x_range, "window"), *marks, *lines, *beyond]
    return _framed(elements, title, ds, "window", x_range, y_range, width, height)


def exponent_range(values: xr.DataArray, lowest: float | None) -> Range:
    """Vertical range of exponents (..., exponent) that shows those near zero, where very negative ones would hide them.

    It holds every positive exponent. Below zero it goes three times as far as above, or as the largest exponent does
    at half of the points, and down to the third exponent if that is not much further; or as far as ``lowest`` says.
    """
    finite = values.values[np.isfinite(values.values)]
    top = max(float(finite.max(initial=-np.inf)), 0.0)
    bottom = float(finite.min(initial=0.0))
    if lowest is None:
        typical = values.median([dim for dim in values.dims if dim != "exponent"]).values
        typical = typical[np.isfinite(typical)]
        scale = max(top, abs(typical[0]) if typical.size else 0.0, 1e-3)
        near = typical[:SHOWN][typical[:SHOWN] > -FURTHEST * scale]
        lowest = max(bottom, min(-BELOW * scale, 1.1 * float(near.min(initial=0.0))))
    elif lowest >= top:
        top = lowest + (abs(lowest) or 1.0)
    room = 0.06 * (top - lowest) or 0.1
    return lowest - (room if lowest == bottom else 0.0), top + room


def range_over_time(ds: xr.Dataset, lowest: float | None) -> Range:
    """Vertical range of running estimates that also holds the exponents of single windows.

    It is that of `exponent_range`, widened for what there is of the exponents that are mostly in it: of a run that was
    chaotic and settled, the last windows are far below the mean. ``lowest`` stays the lower end.
    """
    running = ds["lyapunov_running"]
    y_range = exponent_range(running, lowest)
    typical = running.median("window")
    values = running.isel(exponent=shown(typical, y_range)).values
    dots = (
        ds["finite_time_lyapunov"].isel(exponent=shown(typical, y_range)).values
        if "finite_time_lyapunov" in ds
        else values
    )
    values, dots = (np.r_[0.0, each[np.isfinite(each)]] for each in (values, dots))
    ends = np.array([dots.min(), dots.max()])
    if np.ptp(ends) > SPREAD * np.ptp(values):
        ends = np.quantile(dots, QUANTILES)
    bottom, top = min(ends[0], values.min()), max(ends[1], values.max())
    room = 0.04 * (top - bottom)
    low = y_range[0] if lowest is not None else min(y_range[0], float(bottom - room))
    return low, max(y_range[1], float(top + room))


def shown(values: xr.DataArray, y_range: Range) -> list[bool]:
    """Which exponents are seen in a range; the others are not in the legend."""
    return (values >= y_range[0]).any([dim for dim in values.dims if dim != "exponent"]).values.tolist()


def _named(ds: xr.Dataset, seen: list[bool]) -> list[tuple[int, str, str]]:
    """Position, colour and symbol of every exponent."""
    numbers = ds["exponent"].values.tolist() if "exponent" in ds.coords else list(range(ds.sizes["exponent"]))
    colours = [*COLOURS[:6], *sequence(len(numbers), ["#000000", "#c0c0c0"])]
    several = len(numbers) > 1
    return [
        (place, colours[place], exponent_symbol(number) if several and seen[place] else "")
        for place, number in enumerate(numbers)
    ]


def _framed(
    elements: list[Any],
    title: str,
    ds: xr.Dataset,
    x: str,
    x_range: Range,
    y_range: Range,
    width: int,
    height: int,
) -> Any:
    import holoviews as hv

    overlay = hv.Overlay(elements)
    inner = _style.frame(width, height, _style.legend(overlay), title)
    label = axis_label(ds, "lyapunov")
    if ds.sizes["exponent"] == 1:
        label = label.replace("λ", exponent_symbol_of(ds["lyapunov"]), 1)
    if fold(label, inner[1]).count("\n") > 1:  # more than there is room for beside the frame
        label = label[label.index("λ") :]
    return _style.picture(
        overlay,
        width,
        height,
        title,
        xlabel=axis_label(ds, x),
        ylabel=fold(label, inner[1]),
        xlim=x_range,
        ylim=y_range,
        **({"xformatter": "%d"} if x == "window" else {"logx": True} if x == "size" else {}),
    )


def _band(along: np.ndarray, middle: np.ndarray, half: np.ndarray, x: str, colour: str) -> Any:
    import holoviews as hv

    known = np.isfinite(middle) & np.isfinite(half)
    middle, half = np.where(known, middle, np.nan), np.where(known, half, np.nan)
    band = hv.Area((along, middle - half, middle + half), x, ["lyapunov", "upper end"])
    # Matplotlib's defaults are cycles for both the colour and the one inside.
    return _style.both(band, {"line_width": 0}, {"facecolor": colour, "linewidth": 0}, color=colour, alpha=0.25)


def _line(along: np.ndarray, values: np.ndarray, x: str, colour: str, label: str) -> Any:
    import holoviews as hv

    line = hv.Curve((along, values), x, "lyapunov", label=label)
    return _style.both(line, {"line_width": 1.3}, {"linewidth": 0.95}, color=colour)


def _marks(along: np.ndarray, values: np.ndarray, x: str, colour: str, *, faint: bool = False) -> Any:
    import holoviews as hv

    known = np.isfinite(values)
    marks = hv.Scatter((along[known], values[known]), x, "lyapunov")
    size = 4
    style = {"color": colour, "alpha": 0.45 if faint else 1.0}
    return _style.both(marks, {"size": size, "line_color": None}, {"s": (0.72 * size) ** 2, "linewidth": 0}, **style)


def _beyond(along: np.ndarray, values: np.ndarray, x: str, colour: str, y_range: Range) -> list[Any]:
    """Triangles at the ends of the axis, over and under which there are values."""
    import holoviews as hv

    room = 0.015 * (y_range[1] - y_range[0])
    ends = (
        (values < y_range[0], y_range[0] + room, "inverted_triangle", "v"),
        (
            values > y_range[1],
            y_range[1] - room,
            "triangle",
            "^",
        ),
    )
    return [
        _style.both(
            hv.Scatter((along[there], np.full(there.sum(), place)), x, "lyapunov"),
            {"marker": bokeh, "size": 7, "line_color": None},
            {"marker": matplotlib, "s": 25, "linewidth": 0},
            color=colour,
        )
        for there, place, bokeh, matplotlib in ends
        if there.any()
    ]


def _zero(x_range: Range, x: str) -> Any:
    import holoviews as hv

    line = hv.Curve((np.array(x_range), np.zeros(2)), x, "lyapunov")
    return _style.both(
        line, {"line_width": 1, "line_dash": [4, 3]}, {"linewidth": 0.7, "linestyle": (0, (4, 3))}, color="#606060"
    )


def _alone(values: np.ndarray) -> np.ndarray:
    """The values between two that are not known, of which a line shows nothing."""
    known = np.r_[False, np.isfinite(values), False]
    return np.where(known[1:-1] & ~known[:-2] & ~known[2:], values, np.nan)
