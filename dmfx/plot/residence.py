"""Picture of how long finite networks stay near coexisting attractors."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import xarray as xr

from dmfx import analysis
from dmfx.plot import _style
from dmfx.plot._attractors import attractor_colour, attractor_text
from dmfx.plot._inputs import analysed, axis, dataset, default_axis, flag, has_dims, held, panels, pixels, sweep
from dmfx.plot._labels import axis_label, fold
from dmfx.plot._layout import arrange
from dmfx.plot._shading import Range, around
from dmfx.plot._survival import survival_frame

__all__ = ["residence"]

#: Names of the vertical axis, short enough to stand beside it, and the markers of bounds: those of times are lower.
VARIABLES = {
    "residence_time": ("mean residence time τ (steps)", "triangle", "^"),
    "escape_rate": ("escape rate 1/τ (per step)", "inverted_triangle", "v"),
}
#: Colour of what the legend says of all attractors, and what it says.
KEY = "#606060"
BOUND, SPREAD = "bound: no escape seen", "rarely in the core"
#: Part of the steps near an attractor in its core below which the time is that of finding cores, not of leaving them.
RARELY = 0.1
#: Sizes of networks are on a logarithmic axis.
LOGARITHMIC = "size"


@dataclass(frozen=True)
class _Frame:
    """What the first frames of all panels share."""

    variable: str
    x: str | None
    entries: list[tuple[int, str]]
    y_range: Range


def residence(
    ds: xr.Dataset,
    attractors: xr.Dataset | None = None,
    *,
    variable: str = "residence_time",
    x: str | None = None,
    survival: bool = True,
    width: int = 600,
    height: int = 420,
    columns: int = 2,
    radius: float | None = None,
    window: int | None = None,
    every: int | None = None,
    pool: str | Sequence[str] | None = None,
) -> Any:
    """Draw how long finite networks stay near each attractor, over their size, and how the stays are distributed.

    The first frame has the mean residence times and their 95 % intervals, on logarithmic axes. A triangle is a bound,
    where no escape was seen: it points to where the value may be. A hollow dot stands for runs that are in the core of
    the attractor less than 10 % of the time that they count as near it: spread by noise, or on a transient, they find
    cores by chance, and the time does not tell how long the attractor holds them.

    The second frame has the part of the stays that last longer than a time, as Kaplan and Meier estimate it from stays
    of which some were cut off. Time is in units of the mean residence time, so that stays without memory follow the
    dashed line, exp(-t/τ), whatever the size: only then do rates and intervals mean what they say. A curve that falls
    fast and then slowly tells of stays that were hardly any, back and forth between cores, among long ones.

    Parameters
    ----------
    ds
        What `dmfx.residence` returned, or trajectories, for which it is computed first, from ``attractors``.
    attractors, radius, window, every, pool
        As of `dmfx.residence`, with its defaults; only for trajectories.
    variable
        ``"residence_time"`` or its inverse, ``"escape_rate"``.
    x
        Sweep dim along the horizontal axis, with numbers for coordinate; every other one gives further frames. By
        default ``"size"``, or else ``"beta"``, or a dim of several points; attractors side by side for a single one.
    survival
        Draw the second frame, too.
    width, height
        Pixels of each frame.
    columns
        Frames side by side.

    Returns
    -------
    hv.Overlay or hv.Layout
        In each first frame an `hv.Scatter` for each attractor and `hv.Segments` for the intervals, in each second frame
        `hv.Curve`. In HTML the mouse tells times, intervals and counts.

    Raises
    ------
    TypeError, ValueError
        For wrong arguments and for more than 12 sweep points beside ``x``.

    Notes
    -----
    The mean field, size = inf, has no noise, and is left out where sizes are an axis.

    Examples
    --------
    >>> from dmfx import plot
    >>> points = np.array([[[0.0]] * 8, [[1.0]] * 8])
    >>> found = xr.Dataset(
    ...     {
    ...         "attractor_points": (("attractor", "point", "pattern"), points),
    ...         "attractor_period": ("attractor", [1, 1]),
    ...         "attractor_kind": ("attractor", [0, 0]),
    ...     }
    ... )
    >>> runs = np.random.default_rng(0).integers(0, 2, (2, 500, 1)).astype(float)
    >>> ds = xr.Dataset({"attention": (("size", "step", "pattern"), runs)}, {"size": [100.0, 200.0]})
    >>> first, second = plot.residence(ds, found, window=1)
    >>> [element.label for element in first if element.label]
    ['0: fixed (1)', '1: fixed (1)']
    """
    problems = dataset("plot.residence", ds)
    width, height = pixels(problems, width, height)
    columns = problems.count("columns", columns)
    survival = flag(problems, "survival", survival)
    variable = problems.choice("variable", variable, VARIABLES)
    options = {"attractors": attractors, "radius": radius, "window": window, "every": every, "pool": pool}
    if "residence_time" not in ds and attractors is None:
        problems.say("ds must be what dmfx.residence returned, or attractors given, what dmfx.basins returned")
        problems.raise_any()
    result = analysed(problems, ds, "residence_time", lambda ds, **given: analysis.residence(ds, **given), options)
    names = [
        variable,
        f"{variable}_low",
        f"{variable}_high",
        "residence_count",
        "escapes",
        "core_fraction",
        "residence_time",
    ]
    for name in names:
        held(problems, result, name, "attractor")
    values = result[variable]
    if survival:
        for name in ("stay_length", "stay_ended"):
            held(problems, result, name, "attractor", "stay")
            names.append(name)
    names += [name for name in ("attractor_kind", "attractor_period") if name in result]
    drawn, x = _with_axis(problems, result[list(dict.fromkeys(names))], values, x)
    if "attractor" not in drawn.coords:
        drawn = drawn.assign_coords(attractor=np.arange(drawn.sizes["attractor"]))
    drawn = drawn.compute()
    _style.load()
    frame = _Frame(variable, x, _entries(drawn), _y_range(drawn, variable))
    own = [each for each in ("attractor", "to", "stay", x) if each is not None]
    frames = []
    for title, part in panels(drawn, *own):
        frames.append((title, *_over(part, frame)))
        if survival:
            frames.append((title, *survival_frame(part, x, [label for label, _ in frame.entries])))
    rows = [_style.rows_above(width, height, _style.legend(overlay), title) for title, overlay, _ in frames]
    above = max(each for each, _ in rows), max(each for _, each in rows)
    return arrange([_framed(*each, width, height, above) for each in frames], columns)


def _framed(title: str, overlay: Any, style: dict[str, object], width: int, height: int, above: tuple[int, int]) -> Any:
    inner = _style.frame(width, height, _style.legend(overlay), title, rows=above[0])
    style = style | {"ylabel": fold(str(style["ylabel"]), inner[1])}
    return _style.picture(overlay, width, height, title, above=above, **style)


def _with_axis(problems: Any, ds: xr.Dataset, values: xr.DataArray, x: str | None) -> tuple[xr.Dataset, str | None]:
    """The Dataset in the order of the horizontal axis, without the mean field along it, and the dim of that axis."""
    has_dims(problems, values, "attractor")
    if x is None and any(size > 1 for dim, size in values.sizes.items() if dim != "attractor"):
        x = LOGARITHMIC if values.sizes.get(LOGARITHMIC, 1) > 1 else default_axis(values, "attractor")
    if x is None or axis(problems, "x", x, values, "attractor", infinite=x == LOGARITHMIC):
        sweep(problems, values, *([] if x is None else [x]), "attractor")
    if x == LOGARITHMIC and not problems.messages:
        ds = ds.isel(size=np.flatnonzero(np.isfinite(ds[x].values) & (ds[x].values > 0)))
        if ds.sizes[x] == 0:
            problems.say("ds must have finite sizes: the mean field is never left by noise")
    problems.raise_any()
    return ds if x is None else ds.sortby(x), x


def _entries(ds: xr.Dataset) -> list[tuple[int, str]]:
    """Labels and texts of the attractors that runs were near."""
    there = (ds["residence_count"] > 0).any([dim for dim in ds["residence_count"].dims if dim != "attractor"])
    labels = ds["attractor"].values[there.values].tolist()
    if "attractor_kind" in ds:
        return [(label, attractor_text(ds, label)) for label in labels]
    return [(label, f"attractor {label}") for label in labels]


def _y_range(ds: xr.Dataset, variable: str) -> Range:
    values = np.concatenate([ds[name].values.ravel() for name in (variable, f"{variable}_low", f"{variable}_high")])
    values = values[np.isfinite(values) & (values > 0)]
    if not values.size:
        return 0.1, 10.0
    return float(values.min()) / 1.6, float(values.max()) * 1.6


def _over(ds: xr.Dataset, frame: _Frame) -> tuple[Any, dict[str, object]]:
    """Times or rates with their intervals, over a dim or of each attractor, and the style of their frame."""
    import holoviews as hv

    dim = frame.x or "attractor"
    lines, intervals, marks, hollow, bounds, keys = [], [], [], [], [], []
    for place, (label, text) in enumerate(frame.entries):
        part = ds.sel(attractor=[label] if frame.x is None else label)
        along = np.array([float(place)]) if frame.x is None else part[frame.x].values.astype(float)
        value, low, high = (part[frame.variable + end].values.ravel() for end in ("", "_low", "_high"))
        seen = np.isfinite(value) & (value > 0)
        colour = attractor_colour(label)
        if frame.x is not None:
            lines.append(_line(along, np.where(seen, value, np.nan), dim, frame.variable, colour))
        intervals.append(_intervals(along[seen], low[seen], high[seen], dim, frame, colour))
        rarely = seen & (part["core_fraction"].values.ravel() < RARELY)
        marks.append(_marks(along, value, seen & ~rarely, part, dim, frame, colour))
        if rarely.any():
            hollow.append(_marks(along, value, rarely, part, dim, frame, colour, hollow=True))
        bound = low if frame.variable == "residence_time" else high
        unseen = ~seen & np.isfinite(bound) & (bound > 0)
        if unseen.any():
            bounds.append(_bounds(along[unseen], bound[unseen], dim, frame, colour))
        keys.append(_style.entry(text, colour, [dim, frame.variable]))
    if bounds:
        keys.append(_bounds(np.array([np.nan]), np.array([np.nan]), dim, frame, KEY, label=BOUND))
    if hollow:
        nothing = hv.Scatter([(np.nan, np.nan)], dim, frame.variable, label=SPREAD)
        keys.append(_dots(nothing, KEY, hollow=True))
    style: dict[str, object] = {"xlabel": axis_label(ds, dim), "ylim": frame.y_range, "logy": True}
    style["ylabel"] = VARIABLES[frame.variable][0] + " with 95\u00a0%\u00a0interval"
    if frame.x is None:
        ticks = [(place, str(label)) for place, (label, _) in enumerate(frame.entries)]
        style |= {"xlim": (-0.6, max(len(ticks), 1) - 0.4), "xticks": ticks}
    elif frame.x == LOGARITHMIC:
        sizes = ds[frame.x].values
        style |= {"xlim": (sizes.min() / 1.5, sizes.max() * 1.5), "logx": True}
    else:
        style["xlim"] = around(ds[frame.x].values.astype(float))
    return hv.Overlay([*lines, *intervals, *marks, *hollow, *bounds, *keys]), style


def _line(along: np.ndarray, value: np.ndarray, x: str, y: str, colour: str) -> Any:
    import holoviews as hv

    line = hv.Curve((along, value), x, y)
    return _style.both(line, {"line_width": 1.3}, {"linewidth": 0.95}, color=colour)


def _intervals(along: np.ndarray, low: np.ndarray, high: np.ndarray, x: str, frame: _Frame, colour: str) -> Any:
    """Vertical lines, as far as the frame goes."""
    import holoviews as hv

    bottom, top = np.maximum(low, frame.y_range[0]), np.minimum(high, frame.y_range[1])
    dims = [x, frame.variable, f"{x} to", f"{frame.variable} to"]
    return _style.both(
        hv.Segments((along, bottom, along, top), kdims=dims), {"line_width": 1.6}, {"linewidth": 1.15}, color=colour
    )


def _marks(
    along: np.ndarray,
    value: np.ndarray,
    seen: np.ndarray,
    part: xr.Dataset,
    x: str,
    frame: _Frame,
    colour: str,
    *,
    hollow: bool = False,
) -> Any:
    """Dots, of which the mouse tells what they are."""
    import holoviews as hv

    low, high = (part[frame.variable + end].values.ravel() for end in ("_low", "_high"))
    texts = [f"{v:.4g} ({a:.4g} to {b:.4g})" for v, a, b in zip(value, low, high, strict=True)]
    stays, left = part["residence_count"].values.ravel(), part["escapes"].sum("to").values.ravel()
    told = ["attractor", "value and interval", "stays", "escapes", "in the core"]
    names = np.full(along.size, str(part["attractor"].values.ravel()[0]), object)
    core = np.array([f"{fraction:.1%}" for fraction in part["core_fraction"].values.ravel()], object)
    columns = [each[seen] for each in (names, np.array(texts, object), stays, left, core)]
    dots = hv.Scatter((along[seen], value[seen], *columns), x, [frame.variable, *told])
    tips = [(name, f"@{{{name.replace(' ', '_')}}}") for name in told]
    return _dots(dots, colour, hollow=hollow, tools=["hover"], hover_tooltips=tips)


def _dots(dots: Any, colour: str, *, hollow: bool, **bokeh: object) -> Any:
    if hollow:
        ring = {"size": 7, "fill_color": "#ffffff", "line_color": colour, "line_width": 1.5}
        return _style.both(dots, ring | bokeh, {"s": 25, "color": "#ffffff", "edgecolors": colour, "linewidth": 1.1})
    return _style.both(dots, {"size": 7, "line_color": None, **bokeh}, {"s": 25, "linewidth": 0}, color=colour)


def _bounds(along: np.ndarray, bound: np.ndarray, x: str, frame: _Frame, colour: str, *, label: str = "") -> Any:
    import holoviews as hv

    _, bokeh, matplotlib = VARIABLES[frame.variable]
    return _style.both(
        hv.Scatter((along, bound), x, frame.variable, label=label),
        {"marker": bokeh, "size": 9, "line_color": None},
        {"marker": matplotlib, "s": 42, "linewidth": 0},
        color=colour,
    )
