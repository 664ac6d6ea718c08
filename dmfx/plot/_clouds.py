"""States of orbits in the plane of two overlaps, one panel for each point of the sweep."""

from __future__ import annotations

from functools import partial
from typing import Any

import numpy as np
import xarray as xr

from dmfx.plot import _style
from dmfx.plot._colours import SHADES
from dmfx.plot._inputs import panels
from dmfx.plot._labels import fold, overlap_label
from dmfx.plot._layout import arrange
from dmfx.plot._shading import Range, around, image, refined, scatter, thicken

__all__ = ["clouds"]

#: So many points can be seen one by one; more are shaded.
FEW = 3000

#: Points closer than this part of the picture are one.
SAME = 1e-5


def clouds(
    states: xr.DataArray,
    dim: str,
    variable: str,
    x: object,
    y: object,
    *,
    shared: bool,
    width: int,
    height: int,
    columns: int,
) -> Any:
    """Draw computed states (..., dim, pattern) in the plane of the patterns ``x`` and ``y``.

    ``shared`` gives all panels the range that holds every state, so that sizes can be compared.
    """
    _style.load()
    ds = states.to_dataset(name="states")
    pair = [states.sel(pattern=each) for each in (x, y)]
    ranges = [around(values.values) for values in pair]
    size = _style.frame(width, height)
    names = [overlap_label(ds, variable, each) for each in (x, y)]

    def panel(title: str, point: xr.DataArray) -> Any:
        across, up = (point.sel(pattern=each).values for each in (x, y))
        known = np.isfinite(across) & np.isfinite(up)
        across, up = across[known], up[known]
        x_range, y_range = ranges if shared else (around(across), around(up))
        style = partial(
            _style.picture,
            width=width,
            height=height,
            title=title,
            xlabel=fold(names[0], size[0]),
            ylabel=fold(names[1], size[1]),
            xlim=x_range,
            ylim=y_range,
        )
        # Axes of the same dims are zoomed together.
        dims = [f"{variable} {each}" + ("" if shared else f" at {title}") for each in (x, y)]
        chosen = _distinct(across, up, x_range, y_range)
        if chosen.size <= FEW:
            return style(_points(across[chosen], up[chosen], dims))
        return refined(lambda *view: style(_shades(across, up, dims, *view)), x_range, y_range, size)

    return arrange([panel(title, part["states"]) for title, part in panels(ds, dim, "pattern")], columns)


def _distinct(across: np.ndarray, up: np.ndarray, x_range: Range, y_range: Range) -> np.ndarray:
    """Positions of points of which no two look the same."""
    grid = [
        np.round((values - low) / ((high - low) * SAME)) for values, (low, high) in ((across, x_range), (up, y_range))
    ]
    return np.unique(np.stack(grid), axis=1, return_index=True)[1]


def _points(across: np.ndarray, up: np.ndarray, dims: list[str]) -> Any:
    import holoviews as hv

    return hv.Overlay([_style.dots(hv.Points((across, up), dims))])


def _shades(
    across: np.ndarray,
    up: np.ndarray,
    dims: list[str],
    x_range: Range,
    y_range: Range,
    size: tuple[int, int],
    grain: int,
) -> Any:
    import holoviews as hv

    counts = thicken(scatter(across, up, x_range, y_range, size), grain)
    most = max(float(np.nanmax(counts, initial=2.0)), 2.0)
    picture = image(counts, x_range, y_range, "visits", dims)
    return hv.Overlay([_style.raster(picture, SHADES[2:], (1, most), log=True)])
