"""Layers of a bifurcation diagram: what is drawn over what, in which colours, and into which pixels."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import xarray as xr

from dmfx.plot import _style
from dmfx.plot._colours import COLOURS, DARK, KINDS, NOTHING, PERIODIC, SHADES, VISITED, tints
from dmfx.plot._labels import kind_name, plane_label
from dmfx.plot._shading import Range, cells, image, scatter, thicken

__all__ = [
    "BOTH_WAYS",
    "DRAWN",
    "Layer",
    "Legend",
    "by_direction",
    "by_kind",
    "by_period",
    "drawing",
    "legend_of",
    "legend_of_kinds",
]

#: Variables of an analysed Dataset that are drawn.
DRAWN = ("density", "section_density", "points")

#: Kinds from the lowest to the highest layer: thin orbits over those that fill an area.
ORDER = ("none", "transient", "chaotic", "quasi_periodic", "periodic", "fixed")
#: Kinds whose orbits are a few values.
THIN = ("periodic", "fixed")

#: Parts of white in the colour of a kind: of all values where those on a plane lie over them, and where nothing does.
FAINT, SHADED = [0.84, 0.77, 0.7, 0.62], [0.62, 0.45, 0.3, 0.15, 0.0]

#: Where only one of two sweeps was, and where both were.
ONE_WAY, BOTH_WAYS = (COLOURS[0], COLOURS[1]), "#8c8c8c"

Drawing = Callable[[Range, Range, tuple[int, int], int], Any]
#: Texts and their colours.
Legend = list[tuple[str, str]]


@dataclass(frozen=True)
class Layer:
    """Values of one meaning, NaN where there is none.

    Attributes
    ----------
    label
        What they are.
    values
        Counts (..., value) or points (..., point).
    colours
        One, or several from few visits to many.
    counted
        Keep the counts in an image of their own, with a continuous scale.
    """

    label: str
    values: xr.DataArray
    colours: list[str]
    counted: bool = False


def by_period(diagram: xr.Dataset) -> list[Layer]:
    """All values, over them those on a plane, and over both those of periodic orbits."""
    periodic = diagram["period"] > 0
    whole, above = _arrays(diagram)
    layers = []
    if whole is not None:
        shades = SHADES if above is None else VISITED
        layers.append(Layer("all values", whole.where(~periodic), shades, counted=True))
    if above is not None:
        plane = plane_label(diagram, above.attrs)
        text = f"values where {plane}" if plane else "last values"
        layers.append(Layer(text, above.where(~periodic), [DARK]))
    text = "periodic orbit" if whole is None or above is None else "periodic orbit, all values"
    layers.append(Layer(text, (above if whole is None else whole).where(periodic), [PERIODIC]))
    return [layer for layer in layers if layer.values.notnull().any()]


def by_kind(diagram: xr.Dataset) -> list[Layer]:
    """The values in the colour of the kind of attractor: those on a plane in full, and all others faint."""
    whole, above = _arrays(diagram)
    under, over = [], []
    for name in _present(diagram):
        here, label = diagram["kind"] == list(KINDS).index(name), kind_name(name)
        if whole is not None:
            shades = [_colour(name)] if name in THIN else tints(_colour(name), SHADED if above is None else FAINT)
            (over if name in THIN else under).append(Layer(label, whole.where(here), shades))
        if above is not None and (whole is None or name not in THIN):
            over.append(Layer(label, above.where(here), [_colour(name)]))
    return [*under, *over]


def by_direction(diagram: xr.Dataset) -> list[Layer]:
    """What each of two carried sweeps visited; of orbits that are not periodic, on the plane if there is one."""
    whole, above = _arrays(diagram)
    values = whole if above is None else above
    if whole is not None and above is not None and "value" in above.dims:
        values = whole.where(diagram["period"] > 0, above)
    labels = diagram["direction"].values.tolist()
    pairs = zip(labels, ONE_WAY, strict=True)
    return [Layer(f"{label} only", values.sel(direction=label), [colour]) for label, colour in pairs]


def legend_of(layers: list[Layer]) -> Legend:
    """Each layer by its full colour, or that in the middle of a continuous scale."""
    return [(layer.label, layer.colours[len(layer.colours) // 2 if layer.counted else -1]) for layer in layers]


def legend_of_kinds(diagram: xr.Dataset) -> Legend:
    """Kinds in their usual order, and what is faint."""
    names = sorted(_present(diagram), key=list(KINDS).index)
    entries = [(kind_name(name), _colour(name)) for name in names]
    if "density" in diagram and len([name for name in DRAWN if name in diagram]) > 1 and set(names) - set(THIN):
        entries.append(("all values", tints("#606060", FAINT)[2]))
    return entries


def drawing(layers: list[Layer], legend: Legend, x: str, y: str, *, meeting: bool = False) -> Drawing:
    """The function that draws the layers over each other into the pixels of a range, with a legend.

    An image of codes holds all layers that are not counted, 0 where there is nothing; with ``meeting``, pixels that are
    in both of two layers have a code of their own, that of the last entry of the legend.
    """
    dims = [x, y]

    def draw(x_range: Range, y_range: Range, size: tuple[int, int], grain: int) -> Any:
        import holoviews as hv

        codes, colours = np.zeros(size[::-1], np.uint8), ["#00000000"]
        elements, taken = [], []
        for layer in layers:
            pixels = _into_pixels(layer.values, x, x_range, y_range, size)
            most = max(2.0, float(layer.values.max()))
            if layer.counted:
                visits = image(pixels, x_range, y_range, "visits", dims)
                elements.append(_style.raster(visits, layer.colours, (1, most), log=True))
                continue
            pixels = thicken(pixels, grain)
            taken.append(np.isfinite(pixels))
            codes[taken[-1]] = len(colours) + _shade(pixels[taken[-1]], most, len(layer.colours))
            colours += layer.colours
        if meeting:
            codes[taken[0] & taken[1]] = len(colours)
            colours.append(legend[-1][1])
        limits = 0, max(1, len(colours) - 1)
        elements.append(_style.raster(image(codes, x_range, y_range, "kind", dims), colours, limits))
        elements += [_style.entry(label, colour, dims) for label, colour in legend]
        return hv.Overlay(elements)

    return draw


def _present(diagram: xr.Dataset) -> list[str]:
    """Kinds that there are, from the lowest to the highest layer; what diverged has no values."""
    names = list(KINDS)
    there = {names[int(number)] for number in np.unique(diagram["kind"].values)} - {"diverged"}
    return [name for name in ORDER if name in there]


def _colour(name: str) -> str:
    return NOTHING if name == "none" else KINDS[name]


def _shade(visits: np.ndarray, most: float, count: int) -> np.ndarray:
    """Number of the shade for so many visits, on a logarithmic scale."""
    if count == 1:
        return np.zeros(visits.shape, np.uint8)
    return np.clip(np.log(visits) / np.log(most) * count, 0, count - 1).astype(np.uint8)


def _arrays(diagram: xr.Dataset) -> tuple[xr.DataArray | None, xr.DataArray | None]:
    """All values, and those on a plane or points that lie over them, NaN where a bin was not visited."""
    arrays = {name: _visited(diagram[name]) for name in DRAWN if name in diagram}
    whole = arrays.pop("density", None)
    return whole, next(iter(arrays.values()), None)


def _visited(values: xr.DataArray) -> xr.DataArray:
    return values.astype(np.float32).where(values > 0) if "value" in values.dims else values


def _into_pixels(values: xr.DataArray, x: str, x_range: Range, y_range: Range, size: tuple[int, int]) -> np.ndarray:
    if "value" in values.dims:
        return cells(values, x, "value", x_range, y_range, size)
    along, across = xr.broadcast(values[x], values)
    return scatter(along.values.ravel(), across.values.ravel(), x_range, y_range, size)
