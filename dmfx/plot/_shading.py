"""Shading by datashader: many values into the pixels of a picture, of which none gets lost."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import xarray as xr

__all__ = ["around", "cells", "edges", "extent", "image", "refined", "scatter", "thicken"]

Range = tuple[float, float]


def edges(centres: np.ndarray) -> np.ndarray:
    """Edges of cells around sorted centres, halfway between them.

    Examples
    --------
    >>> edges(np.array([0.0, 1.0, 3.0]))
    array([-0.5,  0.5,  2. ,  4. ])
    """
    middles = (centres[1:] + centres[:-1]) / 2
    return np.r_[2 * centres[0] - middles[0], middles, 2 * centres[-1] - middles[-1]]


def extent(centres: np.ndarray) -> Range:
    """First and last edge of the cells around sorted centres."""
    all_edges = edges(centres)
    return float(all_edges[0]), float(all_edges[-1])


def around(values: np.ndarray, part: float = 0.04) -> Range:
    """Range that holds all finite values, with room of a part of it on either side."""
    finite = values[np.isfinite(values)]
    low, high = (float(finite.min()), float(finite.max())) if finite.size else (-1.0, 1.0)
    room = part * (high - low) or part * max(abs(low), 1.0)
    return low - room, high + room


def cells(values: xr.DataArray, x: str, y: str, x_range: Range, y_range: Range, size: tuple[int, int]) -> np.ndarray:
    """Put cells (y, x) into pixels: the largest value in each pixel, and every cell in at least one.

    Parameters
    ----------
    values
        Values of cells, NaN where there is none, with sorted coordinates of at least two labels.
    x, y
        Its dims.
    x_range, y_range
        What the pixels cover.
    size
        Number of pixels along x and y.

    Returns
    -------
    np.ndarray
        (y, x), the lowest y first, NaN where no cell has a value.
    """
    import datashader

    canvas = datashader.Canvas(*size, x_range=x_range, y_range=y_range)
    flat = values.transpose(y, x).rename("height").reset_coords(drop=True)
    return canvas.quadmesh(flat, x=x, y=y, agg=datashader.max("height")).values


def scatter(x: np.ndarray, y: np.ndarray, x_range: Range, y_range: Range, size: tuple[int, int]) -> np.ndarray:
    """Count points in pixels (y, x), the lowest y first, NaN where there is none.

    Where the points are so few that they stand alone each grows by a pixel or more.
    """
    import datashader
    import datashader.transfer_functions
    import pandas

    canvas = datashader.Canvas(*size, x_range=x_range, y_range=y_range)
    counts = canvas.points(pandas.DataFrame({"x": x, "y": y}), "x", "y", datashader.count())
    counts = datashader.transfer_functions.dynspread(counts, max_px=2, how="max").values
    return np.where(counts > 0, counts, np.nan)


def thicken(pixels: np.ndarray, grain: int) -> np.ndarray:
    """Make every pixel a square of ``grain`` by ``grain``; the largest value wins."""
    for axis in (0, 1):
        before = np.moveaxis(pixels, axis, 0)
        after = before.copy()
        for shift in range(1, grain):
            np.fmax(after[shift:], before[:-shift], out=after[shift:])
        pixels = np.moveaxis(after, 0, axis)
    return pixels


def image(
    pixels: np.ndarray, x_range: Range, y_range: Range, name: str, dims: list[str], limits: Range | None = None
) -> Any:
    """Make a HoloViews image of pixels, in as few bytes as do; axes of the same dims zoom together.

    Without ``limits`` of its values HoloViews looks for them, and warns where all that is seen is NaN.
    """
    import holoviews as hv

    bounds = (x_range[0], y_range[0], x_range[1], y_range[1])
    pixels = pixels if pixels.dtype == np.uint8 else pixels.astype(np.float32)
    values = hv.Dimension(name, range=limits or (None, None))
    return hv.Image(pixels[::-1], kdims=dims, vdims=[values], bounds=bounds)


def refined(
    draw: Callable[[Range, Range, tuple[int, int], int], Any],
    x_range: Range,
    y_range: Range,
    size: tuple[int, int],
) -> Any:
    """A picture drawn at the pixels it has: anew when it is zoomed in a live notebook, once everywhere else.

    Parameters
    ----------
    draw
        Gets the range of x, that of y, the numbers of pixels, and how many of them make a dot as large as one of
        the pixels that there are at first.
    x_range, y_range, size
        Range and pixels at first.
    """
    import holoviews as hv
    from holoviews.streams import PlotSize, RangeXY

    whole = x_range, y_range

    def draw_visible(x_range: Range | None, y_range: Range | None, width: int, height: int, **_: object) -> Any:
        visible = x_range or whole[0], y_range or whole[1]
        return draw(*visible, (int(width), int(height)), max(1, round(width / size[0])))

    return hv.DynamicMap(draw_visible, streams=[RangeXY(), PlotSize(width=size[0], height=size[1])])
