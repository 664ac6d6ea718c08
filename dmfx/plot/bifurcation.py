"""Picture of a bifurcation diagram."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np
import xarray as xr

from dmfx import analysis
from dmfx.plot import _style
from dmfx.plot._inputs import analysed, dataset, has_dims, panels, pixels, sweep
from dmfx.plot._labels import axis_label, fold, overlap_label, plane_label
from dmfx.plot._layout import arrange
from dmfx.plot._shading import Range, around, cells, extent, image, refined, scatter, thicken
from dmfx.validation import Problems

__all__ = ["bifurcation"]

#: Variables of an analysed Dataset that are drawn.
DRAWN = ("density", "section_density", "points")


def bifurcation(
    ds: xr.Dataset,
    *,
    plane: Mapping[str, object] | None = None,
    x: str | None = None,
    width: int = 900,
    height: int = 520,
    columns: int = 1,
    variable: str | None = None,
    pattern: int | None = None,
    tolerance: float | None = None,
    bins: int | None = None,
    value_range: tuple[float, float] | None = None,
    kind: str | None = None,
    n_points: int | None = None,
    max_period: int | None = None,
    period_tolerance: float | None = None,
) -> Any:
    """Draw the values that each orbit visits over a parameter, as [PLA24]_ (Fig. 3) does.

    All values are shaded by the number of visits. Where the orbit is periodic they are orange; elsewhere,
    the values on the plane, if there is one, are dark over all the others.

    Parameters
    ----------
    ds
        Trajectories from `dmfx.simulate`, which `dmfx.bifurcation` then reduces, all in one computation; or
        what `dmfx.bifurcation` returned: ``density`` or ``section_density``, both merged, or ``points``.
    plane
        The plane of `dmfx.bifurcation`; the whole orbit is drawn as well if ``kind`` is ``"density"``.
    x
        Dim along the horizontal axis, with numbers for coordinate; every other one gives panels. By default
        ``"beta"``, or the only dim of several points if there is but one β.
    width, height
        Pixels of each panel.
    columns
        Panels side by side.
    variable, pattern, tolerance, bins, value_range, kind, n_points, max_period, period_tolerance
        As of `dmfx.bifurcation`, with its defaults; only for trajectories.

    Returns
    -------
    hv.DynamicMap or hv.Layout
        An overlay for each panel: the image ``visits`` of all values, the image ``kind`` of what lies over it
        (the colours in the order of the legend, from 1), and what makes the legend. In a live notebook, zooming
        shades it again.

    Raises
    ------
    TypeError, ValueError
        For wrong arguments and for more than 12 panels.

    References
    ----------
    .. [PLA24] Poc-López & Aguilera, *Dynamical Mean-Field Theory of Self-Attention Neural Networks*,
       arXiv:2406.07247 (2024).

    Examples
    --------
    >>> from dmfx import plot
    >>> ds = dmfx.simulate(dmfx.SelfAttention.paper(), beta=np.linspace(1.0, 1.5, 9), gamma=220.0, steps=64)
    >>> picture = plot.bifurcation(ds, plane={"pattern": 1}, bins=100)
    >>> [element.vdims[0].name for element in picture[()] if element.vdims]
    ['visits', 'kind']
    """
    problems = dataset("plot.bifurcation", ds)
    width, height = pixels(problems, width, height)
    columns = problems.count("columns", columns)
    options = {
        "variable": variable,
        "pattern": pattern,
        "plane": plane,
        "tolerance": tolerance,
        "bins": bins,
        "value_range": value_range,
        "kind": kind,
        "n_points": n_points,
        "max_period": max_period,
        "period_tolerance": period_tolerance,
    }
    held = next((name for name in DRAWN if name in ds), "density")
    reduced = analysed(problems, ds, held, _reduce, options)
    names = [name for name in DRAWN if name in reduced]
    x = _axis(reduced[names[0]]) if x is None else x
    _check_axis(problems, reduced[names[0]], x)
    problems.raise_any()

    # A mean over seeds has no period.
    known = "period" in reduced and reduced["period"].dtype.kind in "iu"
    period = reduced["period"] if known else xr.zeros_like(reduced[names[0]][x], dtype=int)
    diagram = reduced[names].assign(period=period).compute().sortby(x)
    _style.load()
    parts = panels(diagram, x, "value", "point")
    return arrange([_panel(title, part, x, width, height) for title, part in parts], columns)


def _reduce(ds: xr.Dataset, **options: object) -> xr.Dataset:
    """The diagram of the whole orbit and, with a plane, of what is on it, to be computed at once."""
    result = analysis.bifurcation(ds, **options)
    if "section_density" not in result:
        return result
    del options["plane"]
    return result.assign(density=analysis.bifurcation(ds, **options)["density"])


def _axis(array: xr.DataArray) -> str:
    """β, or the only dim of several points where there is but one β."""
    several = [dim for dim, size in array.sizes.items() if dim not in ("value", "point") and size > 1]
    return several[0] if len(several) == 1 else "beta"


def _check_axis(problems: Problems, array: xr.DataArray, x: object) -> None:
    has_dims(problems, array, "point" if array.name == "points" else "value")
    dims = [dim for dim in array.dims if dim not in ("value", "point")]
    if not isinstance(x, str) or x not in dims:
        expected = "a sweep dim, one of " + ", ".join(map(repr, dims))
        problems.add("x", expected, x, is_type=not isinstance(x, str))
        return
    if x not in array.coords or array[x].dtype.kind not in "iuf":
        problems.say(f"x must be a dim with numbers for coordinate, and {x!r} has none")
    elif array.sizes[x] < 2:
        problems.say(f"x must be a dim of at least two points, and {x!r} has {array.sizes[x]}")
    if array.sizes.get("value", 2) < 2:
        problems.say("bins must be at least 2 to be drawn")
    sweep(problems, array, x, "value", "point")


def _panel(title: str, diagram: xr.Dataset, x: str, width: int, height: int) -> Any:
    size = _style.frame(width, height)
    first = diagram[next(name for name in DRAWN if name in diagram)]
    x_range = extent(diagram[x].values.astype(float))
    y_range = _value_extent(first)
    variable, pattern = first.attrs.get("variable", "value"), first.attrs.get("pattern")
    label = axis_label(diagram, variable) if pattern is None else overlap_label(diagram, variable, pattern)
    draw = partial(_draw, _layers(diagram), x, f"{variable} {pattern}")
    style = partial(
        _style.picture,
        width=width,
        height=height,
        title=title,
        xlabel=axis_label(diagram, x),
        ylabel=fold(label, size[1]),
        xlim=x_range,
        ylim=y_range,
    )
    return refined(lambda *args: style(draw(*args)), x_range, y_range, size)


def _value_extent(values: xr.DataArray) -> tuple[float, float]:
    """The range of the bins, or what the points need."""
    if "value" in values.dims:
        return extent(values["value"].values)
    return around(values.values)


@dataclass(frozen=True)
class _Layer:
    """Values of one meaning, NaN where there is none, their text in the legend and how they are coloured."""

    label: str
    values: xr.DataArray
    colours: list[str]

    @property
    def shaded(self) -> bool:
        return len(self.colours) > 1


def _layers(diagram: xr.Dataset) -> list[_Layer]:
    """What is drawn, from the lowest to the highest."""
    periodic = diagram["period"] > 0
    arrays = {name: _visited(diagram[name]) for name in DRAWN if name in diagram}
    whole = arrays.pop("density", None)
    above = next(iter(arrays.values()), None)
    layers = []
    if whole is not None:
        shades = _style.SHADES if above is None else _style.VISITED
        layers.append(_Layer("all values", whole.where(~periodic), shades))
    if above is not None:
        plane = plane_label(diagram, above.attrs)
        text = f"values where {plane}" if plane else "last values"
        layers.append(_Layer(text, above.where(~periodic), [_style.DARK]))
    text = "periodic orbit" if whole is None or above is None else "periodic orbit, all values"
    layers.append(_Layer(text, (above if whole is None else whole).where(periodic), [_style.PERIODIC]))
    return [layer for layer in layers if layer.values.notnull().any()]


def _visited(values: xr.DataArray) -> xr.DataArray:
    """NaN where a bin was not visited; points are as they are."""
    return values.astype(np.float32).where(values > 0) if "value" in values.dims else values


def _draw(
    layers: list[_Layer], x: str, y: str, x_range: Range, y_range: Range, size: tuple[int, int], grain: int
) -> Any:
    """An image of what has shades, one of everything else over it, and the legend."""
    import holoviews as hv

    dims = [x, y]
    kinds, colours = np.zeros(size[::-1], np.uint8), ["#00000000"]
    images, keys = [], []
    for layer in layers:
        pixels = _into_pixels(layer.values, x, x_range, y_range, size)
        if layer.shaded:
            limits = 1, max(2.0, float(layer.values.max()))
            visits = image(pixels, x_range, y_range, "visits", dims)
            images.append(_style.raster(visits, layer.colours, limits, log=True))
        else:
            kinds[np.isfinite(thicken(pixels, grain))] = len(colours)
            colours += layer.colours
        colour = layer.colours[len(layer.colours) // 2]
        keys.append(_style.key(hv.Points([(np.nan, np.nan)], dims, label=layer.label), colour))
    limits = 0, max(1, len(colours) - 1)
    images.append(_style.raster(image(kinds, x_range, y_range, "kind", dims), colours, limits))
    return hv.Overlay(images + keys)


def _into_pixels(values: xr.DataArray, x: str, x_range: Range, y_range: Range, size: tuple[int, int]) -> np.ndarray:
    if "value" in values.dims:
        return cells(values, x, "value", x_range, y_range, size)
    along, across = xr.broadcast(values[x], values)
    return scatter(along.values.ravel(), across.values.ravel(), x_range, y_range, size)
