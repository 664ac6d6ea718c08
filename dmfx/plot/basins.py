"""Picture of the fractions of starts that reach each attractor."""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np
import xarray as xr

from dmfx import analysis
from dmfx.plot import _style
from dmfx.plot._attractors import attractor_colour, attractor_label, attractor_text
from dmfx.plot._colours import NOTHING, OTHERS
from dmfx.plot._inputs import analysed, axis, dataset, default_axis, has_dims, held, panels, pixels, sweep
from dmfx.plot._labels import axis_label, fold
from dmfx.plot._layout import arrange
from dmfx.plot._shading import edges

__all__ = ["basins"]

#: What is drawn, if it is there.
DRAWN = (
    "basin_fraction",
    "basin_fraction_low",
    "basin_fraction_high",
    "basin_count",
    "basin_other",
    "basin_none",
    "attractor_kind",
    "attractor_period",
    "attractor_lyapunov",
)

#: Part of a bar that is left free, if it is at least so many pixels wide; pixels of the narrowest bar.
GAP, WIDE, NARROWEST = 0.06, 14, 3


@dataclass(frozen=True)
class _Entry:
    """What starts end on: the label of an attractor, or the variable of the rest; its text and colour."""

    what: int | str
    text: str
    colour: str


def basins(
    ds: xr.Dataset,
    *,
    x: str | None = None,
    width: int = 900,
    height: int = 420,
    columns: int = 1,
    steps: int | None = None,
    along: str | None = None,
    max_attractors: int | None = None,
) -> Any:
    """Draw the fraction of starts that reach each of the attractors that coexist, with its 95 % interval.

    Over a parameter the fractions stand on each other, in bars as wide as the narrowest spacing; those of a single
    point, side by side. Every label has its colour: the same one is the same attractor along the parameter. Starts that
    reached none are grey.

    Parameters
    ----------
    ds
        What `dmfx.basins` returned, or the final states of many starts, for which it is computed first.
    x
        Sweep dim along the horizontal axis, with numbers for coordinate; every other one gives panels. By default
        ``"beta"``, or else a dim of several points.
    width, height
        Pixels of each panel.
    columns
        Panels side by side.
    steps, along, max_attractors
        As of `dmfx.basins`, with its defaults; only for final states.

    Returns
    -------
    hv.Overlay or hv.Layout
        `hv.Rectangles` for each attractor and `hv.Segments` for the intervals, in each panel. In HTML the mouse tells
        kind, period, fraction and largest exponent.

    Raises
    ------
    TypeError, ValueError
        For wrong arguments and for more than 12 panels.

    Examples
    --------
    >>> from dmfx import plot
    >>> found = xr.Dataset(
    ...     {
    ...         "basin_fraction": (("beta", "attractor"), [[1.0, 0.0], [0.3, 0.7]]),
    ...         "attractor_kind": (("beta", "attractor"), [[1, 6], [1, 3]]),
    ...         "attractor_period": (("beta", "attractor"), [[28, 0], [28, 0]]),
    ...     },
    ...     {"beta": [1.26, 1.27], "attractor": [0, 1]},
    ... )
    >>> [element.label for element in plot.basins(found) if element.label]
    ['0: periodic (28)', '1: chaotic']
    """
    problems = dataset("plot.basins", ds)
    width, height = pixels(problems, width, height)
    columns = problems.count("columns", columns)
    options = {"steps": steps, "along": along, "max_attractors": max_attractors}
    result = analysed(problems, ds, "basin_fraction", lambda ds, **given: analysis.basins(ds, **given), options)
    fraction = result["basin_fraction"]
    has_dims(problems, fraction, "attractor")
    for name in ("attractor_kind", "attractor_period"):
        held(problems, result, name, "attractor")
    if x is None and any(size > 1 for dim, size in fraction.sizes.items() if dim != "attractor"):
        x = default_axis(fraction, "attractor")
    if x is None or axis(problems, "x", x, fraction, "attractor"):
        sweep(problems, fraction, *([] if x is None else [x]), "attractor")
    problems.raise_any()

    names = [name for name in DRAWN if name in result and set(result[name].dims) <= set(fraction.dims)]
    drawn = result[names].compute()
    if "attractor" not in drawn.coords:
        drawn = drawn.assign_coords(attractor=np.arange(drawn.sizes["attractor"]))
    drawn = _with_rest(drawn if x is None else drawn.sortby(x))
    _style.load()
    entries = _entries(drawn)
    draw = partial(_side_by_side if x is None else _stacked, entries=entries, x=x, width=width, height=height)
    own = ["attractor"] if x is None else ["attractor", x]
    return arrange([draw(title, part) for title, part in panels(drawn, *own)], columns)


def _with_rest(ds: xr.Dataset) -> xr.Dataset:
    """Add the fractions of starts on attractors beyond those that are labelled, and on none."""
    shares = ds["basin_fraction"].fillna(0.0)
    other = xr.zeros_like(shares.isel(attractor=0, drop=True))
    if {"basin_count", "basin_other", "basin_none"} <= set(ds):
        starts = ds["basin_count"].sum("attractor") + ds["basin_other"] + ds["basin_none"]
        other = ds["basin_other"] / starts.where(starts > 0, 1)
    # Rounding leaves less than any start would.
    none = 1 - shares.sum("attractor") - other
    return ds.assign(basin_fraction=shares, other=other, none=none.where(none > 1e-9, 0.0))


def _entries(ds: xr.Dataset) -> list[_Entry]:
    """What there is at any point: attractors in the order of their labels, then the rest."""
    labels = ds["attractor"].values.tolist()
    labels = [label for label in labels if bool((ds["basin_fraction"].sel(attractor=label) > 0).any())]
    entries = [_Entry(label, attractor_text(ds, label), attractor_colour(label)) for label in labels]
    rest = _Entry("other", "other attractors", OTHERS), _Entry("none", "no attractor", NOTHING)
    return entries + [entry for entry in rest if bool((ds[entry.what] > 0).any())]


def _stacked(title: str, ds: xr.Dataset, *, entries: list[_Entry], x: str, width: int, height: int) -> Any:
    """Bars on each other, as wide as the cells of the sweep; an interval at the upper end of each."""
    along = ds[x].values.astype(float)
    inner = _style.frame(width, height, [entry.text for entry in entries], title)
    left, right, wide = _places(along, inner[0])
    room = GAP * (right - left) / 2 if wide else 0.0
    base = np.zeros(ds.sizes[x])
    bars, intervals = [], []
    for number, entry in enumerate(entries):
        part = _part(ds, entry)
        top = base + part["basin_fraction"].values
        seen = top > base
        where = left + room, base, right - room, top
        bars.append(_bars([each[seen] for each in where], part.isel({x: seen}), entry, x, outlined=not wide))
        if isinstance(entry.what, int):
            # Side by side within a bar, so that intervals of small fractions do not hide each other.
            places = left + (right - left) * (number + 1) / (len(entries) + 1)
            intervals.append(_intervals(places, base, part, x, faint=not wide))
        base = top
    style = {"xlabel": axis_label(ds, x), "xlim": (float(left[0]), float(right[-1]))}
    return _framed([*bars, *intervals, *_keys(entries, x)], title, inner, width, height, **style)


def _places(along: np.ndarray, pixels: int) -> tuple[np.ndarray, np.ndarray, bool]:
    """Left and right ends of bars at sorted places in so many pixels, and whether there is room for gaps between them.

    All are as wide as the narrowest spacing, so that none stands for more of the parameter than another, but wide
    enough to be seen where the next is not too close.
    """
    limits, narrowest = edges(along), np.diff(along).min()
    span = along[-1] - along[0] + narrowest
    half = max(narrowest, NARROWEST * span / pixels) / 2
    left, right = np.maximum(along - half, limits[:-1]), np.minimum(along + half, limits[1:])
    return left, right, bool(pixels * narrowest / span >= WIDE)


def _side_by_side(title: str, ds: xr.Dataset, *, entries: list[_Entry], x: None, width: int, height: int) -> Any:
    """The bars of a single point, next to each other."""
    dim = "attractor"
    inner = _style.frame(width, height, [entry.text for entry in entries], title)
    bars, intervals, ticks = [], [], []
    for place, entry in enumerate(entries):
        part = _part(ds, entry).expand_dims("one")
        where = np.array([place - 0.35]), np.zeros(1), np.array([place + 0.35]), part["basin_fraction"].values
        bars.append(_bars(list(where), part, entry, dim))
        ticks.append((place, str(entry.what)))
        if isinstance(entry.what, int):
            intervals.append(_intervals(np.array([float(place)]), np.zeros(1), part, dim))
    style = {"xlabel": axis_label(ds, dim), "xlim": (-0.6, len(entries) - 0.4), "xticks": ticks}
    return _framed([*bars, *intervals, *_keys(entries, dim)], title, inner, width, height, **style)


def _part(ds: xr.Dataset, entry: _Entry) -> xr.Dataset:
    """The variables of one attractor, or of what is on none."""
    if isinstance(entry.what, int):
        return ds.sel(attractor=entry.what)
    return xr.Dataset({"basin_fraction": ds[entry.what]})


def _bars(where: list[np.ndarray], part: xr.Dataset, entry: _Entry, x: str, *, outlined: bool = False) -> Any:
    """Rectangles (left, lower, right, upper ends) and what the mouse tells of them."""
    import holoviews as hv

    told = ["attractor", "kind", "fraction", "largest exponent"]
    count = part["basin_fraction"].size
    columns = [np.full(count, str(entry.what), object), _kinds(part), _fractions(part), _exponents(part)]
    bars = hv.Rectangles((*where, *columns), kdims=[x, "fraction from", f"{x} to", "fraction to"], vdims=told)
    tips = [(name, f"@{{{name.replace(' ', '_')}}}") for name in told]
    # Bokeh leaves a seam between bars without gap.
    bokeh = {
        "line_color": entry.colour if outlined else None,
        "line_width": 0.5,
        "tools": ["hover"],
        "hover_tooltips": tips,
    }
    return _style.both(bars, bokeh, {"linewidth": 0}, color=entry.colour)


def _kinds(part: xr.Dataset) -> np.ndarray:
    if "attractor_kind" not in part:
        return np.full(part["basin_fraction"].size, "–", object)
    pairs = zip(part["attractor_kind"].values.ravel(), part["attractor_period"].values.ravel(), strict=True)
    return np.array(
        [attractor_label(int(kind), np.array([period] if period > 0 else [])) for kind, period in pairs], object
    )


def _fractions(part: xr.Dataset) -> np.ndarray:
    texts = [f"{value:.3g}" for value in part["basin_fraction"].values.ravel()]
    if {"basin_fraction_low", "basin_fraction_high"} <= set(part):
        ends = zip(part["basin_fraction_low"].values.ravel(), part["basin_fraction_high"].values.ravel(), strict=True)
        texts = [f"{text} ({low:.3g} to {high:.3g})" for text, (low, high) in zip(texts, ends, strict=True)]
    return np.array(texts, object)


def _exponents(part: xr.Dataset) -> np.ndarray:
    if "attractor_lyapunov" not in part:
        return np.full(part["basin_fraction"].size, "–", object)
    return np.array([f"{value:.4g}" for value in part["attractor_lyapunov"].values.ravel()], object)


def _intervals(places: np.ndarray, base: np.ndarray, part: xr.Dataset, x: str, *, faint: bool = False) -> Any:
    """Vertical lines over the intervals of the fractions, where there are any starts."""
    import holoviews as hv

    low, high = (part.get(f"basin_fraction_{end}", part["basin_fraction"]).values for end in ("low", "high"))
    seen = (part["basin_fraction"].values > 0) & (high > low)
    where = places[seen], (base + low)[seen], places[seen], (base + high)[seen]
    lines = hv.Segments(where, kdims=[x, "fraction from", f"{x} to", "fraction to"])
    width = 1.0 if faint else 1.6
    return _style.both(
        lines, {"line_width": width}, {"linewidth": 0.72 * width}, color="#303030", alpha=0.3 if faint else 1.0
    )


def _keys(entries: list[_Entry], x: str) -> list[Any]:
    return [_style.entry(entry.text, entry.colour, [x, "fraction from"]) for entry in entries]


def _framed(elements: list[Any], title: str, inner: tuple[int, int], width: int, height: int, **style: object) -> Any:
    import holoviews as hv

    label = fold("fraction of starts with 95\u00a0%\u00a0interval", inner[1])
    return _style.picture(hv.Overlay(elements), width, height, title, ylabel=label, ylim=(0.0, 1.0), **style)
