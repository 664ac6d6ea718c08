"""Fractions with their intervals over a number, and where they fall through one half, in one frame."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np

from dmfx.plot import _style

__all__ = ["FRACTION", "HALF", "Curve", "fraction_frame"]

#: Name of the vertical axis, and the dashed line across it.
FRACTION, HALF = "fraction recalled", 0.5
GUIDE = "#707070"
RANGE = -0.03, 1.06


class Curve(NamedTuple):
    """Fractions with intervals; a line; and the place where it falls through one half, with its interval."""

    label: str
    colour: str
    at: np.ndarray
    value: np.ndarray
    low: np.ndarray
    high: np.ndarray
    line: tuple[np.ndarray, np.ndarray]
    half: tuple[float, float, float]


def fraction_frame(curves: list[Curve], x: str, x_range: tuple[float, float]) -> Any:
    """Dots with intervals, lines, and diamonds at one half with the intervals of their places, cut at the frame."""
    import holoviews as hv

    lines, bars, marks, halves = [], [], [], []
    for curve in curves:
        at, value, low, high = (each[np.isfinite(curve.value)] for each in curve[2:6])
        line = hv.Curve(curve.line, x, FRACTION)
        lines.append(_style.both(line, {"line_width": 1.5}, {"linewidth": 1.1}, color=curve.colour))
        bars.append(_segments((at, low, at, high), curve.colour, x, 1.4))
        marks.append(_style.dots(hv.Scatter((at, value), x, FRACTION, label=curve.label), curve.colour, 6))
        place, first, last = curve.half
        ends = np.clip([first, last], *x_range)
        if np.isfinite(ends).all() and ends[1] > ends[0]:
            halves.append(_segments((ends[:1], [HALF], ends[1:], [HALF]), curve.colour, x, 3.5))
        if np.isfinite(place) and x_range[0] <= place <= x_range[1]:
            halves.append(_diamond(place, curve.colour, x))
    guide = hv.Curve((np.array(x_range), np.full(2, HALF)), x, FRACTION)
    guide = _style.both(
        guide, {"line_width": 1.0, "line_dash": [5, 4]}, {"linewidth": 0.8, "linestyle": (0, (5, 4))}, color=GUIDE
    )
    return hv.Overlay([guide, *lines, *bars, *halves, *marks])


def _segments(where: tuple, colour: str, x: str, width: float) -> Any:
    import holoviews as hv

    lines = hv.Segments(where, kdims=[x, FRACTION, f"{x} to", f"{FRACTION} to"])
    return _style.both(lines, {"line_width": width}, {"linewidth": 0.72 * width}, color=colour)


def _diamond(place: float, colour: str, x: str) -> Any:
    import holoviews as hv

    return _style.both(
        hv.Scatter(([place], [HALF]), x, FRACTION),
        {"marker": "diamond", "size": 13, "line_color": colour, "fill_color": "#ffffff", "line_width": 1.5},
        {"marker": "D", "s": 50, "edgecolors": colour, "linewidth": 1.2, "color": "#ffffff"},
    )
