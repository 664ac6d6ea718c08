"""Picture of branches of periodic orbits."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from functools import partial
from typing import Any

import numpy as np
import xarray as xr

from dmfx import analysis
from dmfx.analysis._labelled import pick_pattern
from dmfx.plot import _style
from dmfx.plot._colours import COLOURS
from dmfx.plot._inputs import MOST_PANELS, analysed, dataset, held, panels, pixels, sweep
from dmfx.plot._labels import axis_label, coordinate_symbol, fold, kind_name, overlap_symbol, panel_title
from dmfx.plot._layout import arrange
from dmfx.plot._shading import Range, around
from dmfx.validation import Problems
from dmfx.variables import BIFURCATIONS

__all__ = ["continuation"]

#: What of an orbit can be drawn.
NAMES = {"max": "largest value", "mean": "mean", "min": "smallest value"}

#: Texts of solid and dashed lines.
STABILITY = {True: "stable", False: "unstable"}

#: Coordinates that say of which system a branch is, beside the dims that have several points.
SYSTEM = ("beta", "gamma", "seed", "epsilon")

#: Markers of bifurcations for Bokeh and Matplotlib.
MARKERS = {
    "fold": ("triangle", "^"),
    "period_doubling": ("square", "s"),
    "neimark_sacker": ("circle", "o"),
    "branch_point": ("diamond", "D"),
}


def continuation(
    ds: xr.Dataset | Sequence[xr.Dataset],
    *,
    pattern: int = 0,
    statistic: str = "max",
    width: int = 900,
    height: int = 480,
    columns: int = 1,
    along: str | None = None,
    limits: tuple[float, float] | None = None,
    step: float | None = None,
    max_points: int | None = None,
) -> Any:
    """Draw branches of periodic orbits over the parameter that they follow.

    Stable orbits are solid, unstable ones dashed; branches of the same period have the same colour. Symbols mark the
    bifurcations.

    Parameters
    ----------
    ds
        What `dmfx.continuation` returned, or states on periodic orbits, which it follows first; or several of them in a
        list, such as branches of different periods, which are drawn together.
    pattern
        Pattern of the attention value along the vertical axis.
    statistic
        Its ``"max"``, ``"mean"`` or ``"min"`` along each orbit.
    width, height
        Pixels of each panel.
    columns
        Panels side by side, one for each point of the sweep. Branches from several orbits, from several values of the
        parameter that they follow, and from several Datasets at the same point share one.
    along, limits, step, max_points
        As of `dmfx.continuation`, with its defaults; only for orbits, which need ``limits``.

    Returns
    -------
    hv.Overlay or hv.Layout
        `hv.Curve` for the stable and the unstable part of each branch, and `hv.Points` for each sort of bifurcation, in
        each panel.

    Raises
    ------
    TypeError, ValueError
        For wrong arguments, for several Datasets along different parameters, and for more than 12 panels.

    Examples
    --------
    >>> from dmfx import plot
    >>> branch = xr.Dataset(
    ...     {
    ...         "parameter": ("branch_point", [1.2, 1.24, 1.3], {"along": "beta"}),
    ...         "orbit_max": (("branch_point", "pattern"), [[0.0], [0.1], [0.2]]),
    ...         "unstable": ("branch_point", [0, 0, 2]),
    ...         "special": ("branch_point", [0, 3, 0]),
    ...         "period": ((), 4),
    ...     },
    ...     {"pattern": [0]},
    ... )
    >>> [element.label for element in plot.continuation(branch) if element.label]
    ['period 4', 'stable', 'unstable', 'Neimark-Sacker']
    >>> both = plot.continuation([branch, branch.assign(period=8)])
    >>> [element.label for element in both if element.label][:2]
    ['period 4', 'period 8']
    """
    given = _listed(ds)
    problems = Problems("plot.continuation")
    width, height = pixels(problems, width, height)
    columns = problems.count("columns", columns)
    statistic = problems.choice("statistic", statistic, NAMES)
    options = {"along": along, "limits": limits, "step": step, "max_points": max_points}
    if limits is None and any("parameter" not in each for each in given):
        problems.add(
            "limits", "the lowest and the highest value of the parameter, such as (1.0, 1.3)", None, is_type=True
        )
        problems.raise_any()
    branches = [_branches(problems, each, pattern, statistic, options) for each in given]
    names = dict.fromkeys(each["parameter"].attrs["along"] for each in branches)
    if len(names) > 1:
        problems.say(f"ds must be branches along one parameter, not {', '.join(names)}")
        problems.raise_any()
    (x,) = names
    parts = _by_system(problems, branches, x)
    if len(parts) > MOST_PANELS:
        problems.say(f"ds has {len(parts)} sweep points in all, one panel each, and at most {MOST_PANELS} can be drawn")
    problems.raise_any()

    drawn = [each for _, panel in parts for each in panel]
    there = [branch for each in drawn for branch in _single(each)]
    text = f"{NAMES[statistic]} of {overlap_symbol(branches[0], 'attention', pattern)} along the orbit"
    _style.load()
    draw = partial(
        _panel,
        periods=sorted({int(branch["period"].max()) for branch in there}),
        kinds=[name for name in MARKERS if any(_is(branch, name).any() for branch in there)],
        x=x,
        x_range=around(_all(drawn, "parameter"), 0.02),
        y_range=around(_all(drawn, "value")),
        text=text,
        width=width,
        height=height,
    )
    return arrange([draw(title, part) for title, part in parts], columns)


def _listed(ds: object) -> list[xr.Dataset]:
    """One Dataset or several as a list; raise if it is anything else."""
    if isinstance(ds, (list, tuple)) and ds:
        given = list(ds)
        for number, each in enumerate(given):
            if not isinstance(each, xr.Dataset):
                problems = Problems("plot.continuation")
                problems.add(f"ds[{number}]", "a Dataset from dmfx.continuation", each, is_type=True)
                problems.raise_any()
        return given
    dataset("plot.continuation", ds)
    return [ds]


def _branches(problems: Problems, ds: xr.Dataset, pattern: int, statistic: str, options: dict) -> xr.Dataset:
    """What is drawn of one Dataset, computed: the branches, with the ``value`` that goes up, NaN beyond their ends."""
    ds = analysed(problems, ds, "parameter", lambda ds, **given: analysis.continuation(ds, **given), options)
    for name in ("parameter", "unstable", "special"):
        held(problems, ds, name, "branch_point")
    held(problems, ds, "period")
    values = held(problems, ds, f"orbit_{statistic}", "branch_point", "pattern")
    if "pattern" not in values.coords:
        ds = ds.assign_coords(pattern=np.arange(values.sizes["pattern"]))
    values = ds[values.name]
    pick_pattern(problems, values, pattern)
    if not isinstance(ds["parameter"].attrs.get("along"), str):
        problems.say("ds must say in the attribute 'along' of 'parameter' what that is, as dmfx.continuation does")
        problems.raise_any()
    sweep(problems, values, *_own(ds), "pattern")
    problems.raise_any()

    names = ["parameter", "unstable", "special", "period", *(["critical_angle"] if "critical_angle" in ds else [])]
    drawn = ds[names].assign(value=values.sel(pattern=pattern)).compute()
    known = np.isfinite(drawn["value"]) & np.isfinite(drawn["parameter"])
    parameter = drawn["parameter"].where(known).assign_attrs(drawn["parameter"].attrs)
    return drawn.assign(value=drawn["value"].where(known), parameter=parameter)


def _own(ds: xr.Dataset) -> list[str]:
    """Dims that share a panel."""
    together = [dim for dim in ("orbit", ds["parameter"].attrs["along"]) if dim in ds["parameter"].dims]
    return ["branch_point", *together]


def _by_system(problems: Problems, branches: list[xr.Dataset], along: str) -> list[tuple[str, list[xr.Dataset]]]:
    """Branches of the same point of the sweep, and the title that tells it apart.

    A coordinate that only some of them have, with one value, does not tell them apart.
    """
    points = [[point for _, point in panels(each, *_own(each))] for each in branches]
    several = [dim for each in branches for dim in each.dims if dim not in _own(each) and each.sizes[dim] > 1]
    flat = [point for part in points for point in part]
    names = [name for name in dict.fromkeys([*several, *SYSTEM]) if name != along]
    names = [name for name in names if all(name in point.coords and not point[name].dims for point in flat)]
    if missing := [name for name in dict.fromkeys(several) if name not in names]:
        problems.say(f"every Dataset of ds must have the coordinate {', '.join(map(repr, missing))}, or none")
        problems.raise_any()
    groups: dict[tuple, list[xr.Dataset]] = {}
    for point in flat:
        groups.setdefault(tuple(point[name].item() for name in names), []).append(point)
    varying = [name for place, name in enumerate(names) if len({key[place] for key in groups}) > 1]
    return [(panel_title(group[0], varying), group) for group in groups.values()]


def _single(ds: xr.Dataset) -> list[xr.Dataset]:
    """The branches of a Dataset that have any point."""
    others = [dim for dim in ds["parameter"].dims if dim != "branch_point"]
    branches = [
        ds.isel(dict(zip(others, index, strict=True))) for index in np.ndindex(*(ds.sizes[dim] for dim in others))
    ]
    return [branch for branch in branches if branch["value"].notnull().any()]


def _is(branch: xr.Dataset, name: str) -> np.ndarray:
    """Which points of a branch are one sort of bifurcation."""
    return (branch["special"].values == BIFURCATIONS.index(name)) & branch["value"].notnull().values


def _all(parts: Iterable[xr.Dataset], name: str) -> np.ndarray:
    return np.concatenate([part[name].values.ravel() for part in parts])


def _panel(
    title: str,
    parts: list[xr.Dataset],
    *,
    periods: list[int],
    kinds: list[str],
    x: str,
    x_range: Range,
    y_range: Range,
    text: str,
    width: int,
    height: int,
) -> Any:
    import holoviews as hv

    dims = [x, text]
    branches = [branch for part in parts for branch in _single(part)]
    lines = []
    for branch in branches:
        colour = COLOURS[periods.index(int(branch["period"].max())) % len(COLOURS)]
        for stable, path in _paths(branch):
            lines.append(_line(path, dims, colour, stable=stable))
    nothing = np.full((1, 2), np.nan)
    keys = [
        _line(nothing, dims, COLOURS[number % len(COLOURS)], label=f"period {period}")
        for number, period in enumerate(periods)
    ]
    keys += [_line(nothing, dims, "#606060", stable=stable, label=label) for stable, label in STABILITY.items()]
    symbols = [_symbols(branches, name, dims, coordinate_symbol(parts[0], x)) for name in kinds]
    overlay = hv.Overlay([*lines, *keys, *symbols])
    inner = _style.frame(width, height, _style.legend(overlay), title)
    return _style.picture(
        overlay,
        width,
        height,
        title,
        xlabel=axis_label(parts[0].drop_vars(x, errors="ignore"), x),
        ylabel=fold(text, inner[1]),
        xlim=x_range,
        ylim=y_range,
    )


def _paths(branch: xr.Dataset) -> list[tuple[bool, np.ndarray]]:
    """The stable and the unstable part of a branch as (point, 2), NaN where it is the other or ends.

    At a bifurcation the number of unstable multipliers is that of either side: the step up to it is as before.
    """
    points = np.stack([branch["parameter"].values, branch["value"].values], axis=-1)
    stable, special = branch["unstable"].values == 0, branch["special"].values > 0
    ends = [np.where(special[:-1], stable[1:], stable[:-1]), np.where(special[1:], stable[:-1], stable[1:])]
    steps = ends[0] & ends[1]  # a step between a stable and an unstable point is drawn as unstable
    parts = []
    for wanted in (True, False):
        seen = steps == wanted
        path = np.full((3 * seen.sum(), 2), np.nan)
        path[0::3], path[1::3] = points[:-1][seen], points[1:][seen]
        joined = np.r_[False, np.diff(np.flatnonzero(seen)) == 1]
        keep = np.ones(len(path), bool)
        keep[0::3] = ~joined
        keep[2::3] = ~np.r_[joined[1:], True][: seen.sum()]
        path = path[keep]
        if np.isfinite(path).all(axis=1).any():
            parts.append((wanted, path))
    return parts


def _line(path: np.ndarray, dims: list[str], colour: str, *, stable: bool = True, label: str = "") -> Any:
    import holoviews as hv

    curve = hv.Curve(path, *dims, label=label)
    bokeh, matplotlib = {"line_width": 1.6}, {"linewidth": 1.15}
    if not stable:
        bokeh |= {"line_dash": [5, 4]}
        matplotlib |= {"linestyle": (0, (4, 3))}
    return _style.both(curve, bokeh, matplotlib, color=colour)


def _symbols(branches: list[xr.Dataset], name: str, dims: list[str], symbol: str) -> Any:
    """Where one sort of bifurcation happens, and what the mouse tells of it."""
    import holoviews as hv

    rows = {}  # by place: branches that begin at several orbits are often the same
    for branch in branches:
        here = branch.isel(branch_point=np.flatnonzero(_is(branch, name)))
        angles = (
            here["critical_angle"].values if "critical_angle" in here else np.full(here.sizes["branch_point"], np.nan)
        )
        for *place, angle in zip(here["parameter"].values, here["value"].values, angles, strict=True):
            told = str(int(branch["period"].max())), f"{angle:.5g}" if np.isfinite(angle) else "–"
            rows[tuple(f"{each:.7g}" for each in place)] = (*place, *told)
    columns = (
        tuple(map(np.array, zip(*rows.values(), strict=True))) if rows else (np.full(1, np.nan),) * 2 + (["–"],) * 2
    )
    points = hv.Points(columns, dims, ["period", "critical angle"], label=kind_name(name))
    tips = [("", kind_name(name)), (symbol, f"@{{{dims[0]}}}{{0.[0000000]}}")]
    tips += [("period", "@period"), ("critical angle", "@critical_angle")]
    bokeh = {"marker": MARKERS[name][0], "size": 9, "line_color": "#202020", "line_width": 1.2}
    bokeh |= {"tools": ["hover"], "hover_tooltips": tips}
    matplotlib = {"marker": MARKERS[name][1], "s": 42, "edgecolors": "#202020", "linewidth": 0.9}
    return _style.both(points, bokeh, matplotlib, color="#ffffff")
