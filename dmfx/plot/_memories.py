"""What stands in one frame of a picture of transient memories."""

from __future__ import annotations

from typing import Any

import numpy as np
import xarray as xr

from dmfx.dynamics.residence import survival
from dmfx.plot import _style
from dmfx.plot._colours import DARK, NOTHING, OTHERS, UNKNOWN, blend
from dmfx.plot._labels import number_text
from dmfx.plot._shading import Range, extent, image

__all__ = ["lifetimes_frame", "nearest_frame", "overlaps_frame", "row_ticks"]

GUIDE = "#505050"
#: Part of white in the colour of a pattern that is nearest, but not near.
PALE = 0.72
OVERLAP = "overlaps"
#: Rows of a raster that have a label.
MOST_TICKS = 10


def overlaps_frame(part: xr.Dataset, threshold: float, colours: dict[object, str]) -> Any:
    """Overlaps (step, pattern) of a run, those with some patterns in colour."""
    import holoviews as hv

    step, values = part["step"].values, part["overlaps"].transpose("step", "pattern").values
    labels = part["pattern"].values.tolist()
    rest = [place for place, label in enumerate(labels) if label not in colours]
    elements, keys = [], []
    if rest:
        band = hv.Area((step, values[:, rest].min(axis=1), values[:, rest].max(axis=1)), "step", [OVERLAP, "upper"])
        # Matplotlib's defaults are cycles for both the colour and the one inside.
        elements.append(_style.both(band, {"line_width": 0}, {"facecolor": NOTHING, "linewidth": 0}, color=NOTHING))
        keys.append(_style.entry("others", NOTHING, ["step", OVERLAP]))
    for label, colour in colours.items():
        line = hv.Curve((step, values[:, labels.index(label)]), "step", OVERLAP, label=str(label))
        elements.append(_style.both(line, {"line_width": 1.8}, {"linewidth": 1.3}, color=colour))
    elements.append(_threshold(step, threshold))
    nearest, height = part["nearest"].values, part["nearest_overlap"].values
    near = height >= threshold
    for label in dict.fromkeys(nearest[near].tolist()):
        here = near & (nearest == label)
        dots = hv.Scatter((step[here], height[here]), "step", OVERLAP)
        elements.append(_style.dots(dots, colours.get(label, OTHERS), 5))
    return hv.Overlay([*elements, *keys])


def _threshold(step: np.ndarray, threshold: float) -> Any:
    import holoviews as hv

    ends = np.array([step[0], step[-1]])
    line = hv.Curve((ends, np.full(2, threshold)), "step", OVERLAP, label=f"threshold {threshold:g}")
    return _style.both(
        line, {"line_width": 1.1, "line_dash": [5, 4]}, {"linewidth": 0.8, "linestyle": (0, (5, 4))}, color=GUIDE
    )


def nearest_frame(part: xr.Dataset, threshold: float, colours: dict[object, str], x_range: Range) -> tuple[Any, Range]:
    """The nearest pattern (run, step) of every run, some in colour, and the range of the rows."""
    import holoviews as hv

    dim = part["nearest"].dims[0]
    nearest, height = part["nearest"].values, part["nearest_overlap"].values
    known = np.isfinite(height)
    tones = [*colours.values(), OTHERS]
    number = np.full(nearest.shape, len(colours))
    for place, label in enumerate(colours):
        number[nearest == label] = place
    pixels = np.where(known, 2 * number + ~(height >= threshold), 2 * len(tones))
    palette = [tone for colour in tones for tone in (colour, blend(colour, "#ffffff", PALE))] + [UNKNOWN]
    y_range = extent(_rows(part, dim)) if part.sizes[dim] > 1 else (-0.5, 0.5)
    limits = -0.5, len(palette) - 0.5
    picture = image(pixels.astype(float), x_range, y_range, "nearest pattern", ["step", dim], limits)
    keys = [_style.entry(str(label), colour, ["step", dim]) for label, colour in colours.items()]
    if (known & (number == len(colours))).any():
        keys.append(_style.entry("others", OTHERS, ["step", dim]))
    if not known.all():
        keys.append(_style.entry("diverged", UNKNOWN, ["step", dim]))
    return hv.Overlay([_style.raster(picture, palette, limits), *keys]), y_range


def row_ticks(part: xr.Dataset) -> list[tuple[float, str]]:
    """Places of the rows (run, step) of a raster and their labels, of some if they are many."""
    dim = part["nearest"].dims[0]
    places = _rows(part, dim)
    labels = part[dim].values.tolist() if dim in part.coords else range(places.size)
    even = (digit * 10**power for power in range(9) for digit in (1, 2, 5))
    between = next(each for each in even if each * MOST_TICKS >= places.size)
    return [(place, number_text(label)) for place, label in list(zip(places.tolist(), labels, strict=True))[::between]]


def _rows(part: xr.Dataset, dim: str) -> np.ndarray:
    """Places of the rows: labels that count up, or else numbers from 0."""
    labels = part[dim].values if dim in part.coords else np.empty(0)
    counts_up = labels.dtype.kind in "iu" and labels.size > 1 and (np.diff(labels.astype(float)) == 1).all()
    return labels.astype(float) if counts_up else np.arange(part.sizes[dim], dtype=float)


def lifetimes_frame(part: xr.Dataset, by_target: bool) -> Any:
    """The part of the memories that last longer than a time."""
    import holoviews as hv

    there = part["recalled"].values.astype(bool).ravel()
    order = part["recalled"].dims
    length = part["lifetime"].transpose(*order).values.ravel()[there].astype(float)
    ended = part["lifetime_ended"].transpose(*order).values.ravel()[there].astype(bool)
    kind = "memories of targets" if by_target else "memories"
    label = f"{there.sum()} {kind}, {(~ended).sum()} cut off"
    if length.size:
        time, remaining = survival(length, ended)
    else:
        time, remaining = np.array([0.0]), np.array([np.nan])
    line = hv.Curve((time, remaining), "lifetime", "part that lasts", label=label)
    curve = _style.both(line, {"line_width": 1.8}, {"linewidth": 1.3}, color=DARK, interpolation="steps-post")
    if not length.size:
        return hv.Overlay([curve])
    at = np.unique(length[~ended])  # where memories were cut off
    if not at.size:
        return hv.Overlay([curve])
    place = remaining[np.maximum(np.searchsorted(time, at, side="right") - 1, 0)]
    marks = hv.Scatter((at, place), "lifetime", "part that lasts")
    return hv.Overlay(
        [
            curve,
            _style.both(
                marks,
                {"marker": "dash", "angle": 90, "size": 11},
                {"marker": (2, 0, 0), "s": 60, "edgecolors": DARK},
                color=DARK,
            ),
        ]
    )
