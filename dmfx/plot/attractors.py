"""Picture of coexisting attractors in the plane of two attention values."""

from __future__ import annotations

from collections.abc import Iterable
from functools import partial
from typing import Any

import numpy as np
import xarray as xr

from dmfx import analysis
from dmfx.analysis._labelled import pick_pattern
from dmfx.plot import _style
from dmfx.plot._attractors import attractor_colour, attractor_text
from dmfx.plot._inputs import analysed, dataset, flag, has_dims, held, panels, pixels, sweep
from dmfx.plot._labels import fold, overlap_label
from dmfx.plot._layout import arrange
from dmfx.plot._shading import Range, around, image, refined, scatter, thicken

__all__ = ["attractors"]

#: Points of all attractors of a panel that are drawn one by one; more are put into pixels.
FEW = 6000
#: Cells along either axis, of which a set covers some: that of fewer lies over that of more.
CELLS = 64
#: Attractors of fewer points than this have larger dots.
ORBIT = 100


def attractors(
    ds: xr.Dataset,
    x: int = 0,
    y: int = 1,
    *,
    shared: bool = True,
    width: int = 460,
    height: int = 480,
    columns: int = 3,
    steps: int | None = None,
    along: str | None = None,
    max_attractors: int | None = None,
) -> Any:
    """Draw the attractors that coexist at each point of the sweep, in the plane of two attention values.

    Colours are those of `dmfx.plot.basins`: the same one is the same attractor along the parameter. The legend of each
    panel tells what is at its point. Attractors that cover little lie over those that cover much.

    Parameters
    ----------
    ds
        What `dmfx.basins` returned, or the final states of many starts, for which it is computed first.
    x, y
        Patterns along the horizontal and the vertical axis.
    shared
        Give all panels the same range; otherwise each has its own.
    width, height
        Pixels of each panel.
    columns
        Panels side by side, one for each point of the sweep.
    steps, along, max_attractors
        As of `dmfx.basins`, with its defaults; only for final states.

    Returns
    -------
    hv.Overlay, hv.DynamicMap or hv.Layout
        `hv.Points` for each attractor, or a `hv.Image` of more than 6000 points, in each panel.

    Raises
    ------
    TypeError, ValueError
        For wrong arguments and for more than 12 panels.

    Examples
    --------
    >>> from dmfx import plot
    >>> points = np.random.default_rng(0).normal(size=(2, 9, 3))
    >>> found = xr.Dataset(
    ...     {"attractor_points": (("attractor", "point", "pattern"), points), "attractor_kind": ("attractor", [3, 2])},
    ...     {"attractor": [0, 1], "pattern": [0, 1, 2]},
    ... )
    >>> [element.label for element in plot.attractors(found) if element.label]
    ['0: chaotic', '1: quasi-periodic']
    """
    problems = dataset("plot.attractors", ds)
    shared = flag(problems, "shared", shared)
    width, height = pixels(problems, width, height)
    columns = problems.count("columns", columns)
    options = {"steps": steps, "along": along, "max_attractors": max_attractors}
    result = analysed(problems, ds, "attractor_points", lambda ds, **given: analysis.basins(ds, **given), options)
    points = result["attractor_points"]
    has_dims(problems, points, "attractor", "point", "pattern")
    held(problems, result, "attractor_kind", "attractor")
    for dim in ("attractor", "pattern"):
        if dim not in points.coords:
            result = result.assign_coords({dim: np.arange(points.sizes[dim])})
    points = result["attractor_points"]
    pick_pattern(problems, points, x, "x")
    pick_pattern(problems, points, y, "y")
    sweep(problems, points, "attractor", "point", "pattern")
    problems.raise_any()

    chosen = list(dict.fromkeys([x, y]))
    names = [name for name in ("attractor_points", "attractor_kind", "attractor_period") if name in result]
    drawn = result[names].sel(pattern=chosen).compute()
    there = np.isfinite(drawn["attractor_points"]).any([dim for dim in points.dims if dim != "attractor"])
    labels = drawn["attractor"].values[there.values].tolist()
    if not labels:
        problems.say("ds has no attractors to draw: no start reached one")
        problems.raise_any()
    _style.load()
    ranges = [around(drawn["attractor_points"].sel(pattern=each).values) for each in (x, y)] if shared else None
    parts = panels(drawn, "attractor", "point", "pattern")
    texts = [[text for text, _ in _legend(part, _points(part, labels, x, y))] for _, part in parts]
    rows = [_style.rows_above(width, height, each, title) for each, (title, _) in zip(texts, parts, strict=True)]
    above = max(each for each, _ in rows), max(each for _, each in rows)
    draw = partial(_panel, x=x, y=y, labels=labels, ranges=ranges, width=width, height=height, above=above)
    return arrange([draw(title, part) for title, part in parts], columns)


def _panel(
    title: str,
    ds: xr.Dataset,
    *,
    x: int,
    y: int,
    labels: list[int],
    ranges: list[Range] | None,
    width: int,
    height: int,
    above: tuple[int, int],
) -> Any:
    import holoviews as hv

    states = ds["attractor_points"]
    points = _points(ds, labels, x, y)
    legend = _legend(ds, points)
    size = _style.frame(width, height, [text for text, _ in legend], title, rows=above[0])
    dims = [f"attention {each}" + ("" if ranges else f" at {title}") for each in (x, y)]
    x_range, y_range = ranges or [around(states.sel(pattern=each).values) for each in (x, y)]
    clouds = [(attractor_colour(label), cloud) for label, cloud in points.items()]
    clouds = sorted(clouds, key=lambda cloud: _covered(cloud[1], x_range, y_range), reverse=True)
    style = partial(
        _style.picture,
        width=width,
        height=height,
        title=title,
        above=above,
        xlabel=fold(overlap_label(ds, "attention", x), size[0]),
        ylabel=fold(overlap_label(ds, "attention", y), size[1]),
        xlim=x_range,
        ylim=y_range,
        xticks=5,
    )
    keys = [_style.entry(text, colour, dims) for text, colour in legend] or [hv.Points([(np.nan, np.nan)], dims)]
    if sum(len(points) for _, points in clouds) <= FEW:
        dots = [
            _style.dots(hv.Points(points, dims), colour, 5 if len(points) <= ORBIT else 3) for colour, points in clouds
        ]
        return style(hv.Overlay([*dots, *keys]))

    def draw(x_range: Range, y_range: Range, size: tuple[int, int], grain: int) -> Any:
        codes = np.zeros(size[::-1], np.uint8)
        for number, (_, points) in enumerate(clouds, 1):
            counts = thicken(scatter(points[:, 0], points[:, 1], x_range, y_range, size), grain)
            codes[np.isfinite(counts)] = number
        picture = image(codes, x_range, y_range, "attractor", dims)
        colours = ["#00000000", *(colour for colour, _ in clouds)]
        return style(hv.Overlay([_style.raster(picture, colours, (0, len(clouds))), *keys]))

    return refined(draw, x_range, y_range, size)


def _points(ds: xr.Dataset, labels: list[int], x: int, y: int) -> dict[int, np.ndarray]:
    """The states (point, 2) of the attractors that there are at a point of the sweep."""
    points = {label: _distinct(ds["attractor_points"].sel(attractor=label), x, y) for label in labels}
    return {label: each for label, each in points.items() if len(each)}


def _legend(ds: xr.Dataset, labels: Iterable[int]) -> list[tuple[str, str]]:
    return [(attractor_text(ds, label), attractor_colour(label)) for label in labels]


def _covered(points: np.ndarray, x_range: Range, y_range: Range) -> tuple[int, int]:
    """How much of a picture points (point, 2) cover: cells, and if that is the same, their number."""
    low, high = np.transpose([x_range, y_range])
    return len(np.unique(np.floor((points - low) / (high - low) * CELLS), axis=0)), len(points)


def _distinct(states: xr.DataArray, x: int, y: int) -> np.ndarray:
    """Different states (point, 2) of an attractor: a periodic orbit repeats its own."""
    pairs = np.stack([states.sel(pattern=each).values for each in (x, y)], axis=-1)
    return np.unique(pairs[np.isfinite(pairs).all(axis=-1)].round(7), axis=0)
