"""Pictures of transient memories: overlaps over time, the nearest pattern of every run, and lifetimes."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import xarray as xr

from dmfx import analysis
from dmfx.analysis._overlaps import default_variable, pick_overlaps
from dmfx.plot import _style
from dmfx.plot._colours import COLOURS
from dmfx.plot._inputs import analysed, dataset, has_dims, panels, pixels, sweep
from dmfx.plot._labels import axis_label, fold
from dmfx.plot._layout import arrange
from dmfx.plot._memories import lifetimes_frame, nearest_frame, overlaps_frame, row_ticks
from dmfx.plot._shading import around, extent

__all__ = ["recall"]

VIEWS = ("overlaps", "nearest", "lifetimes")
#: Dims of which the points are runs of the same kind.
RUNS = ("initial", "replica")


def recall(
    ds: xr.Dataset,
    *,
    view: str = "overlaps",
    y: str | None = None,
    most: int = 6,
    width: int = 620,
    height: int = 400,
    columns: int = 2,
    patterns: object | Sequence[object] | None = None,
    threshold: float | None = None,
    variable: str | None = None,
    window: int | None = None,
    absolute: bool | None = None,
) -> Any:
    """Draw how runs come near stored patterns and leave them.

    ``"overlaps"``: overlaps over time. The patterns that come nearest are told apart by colour, the others are a grey
    band from the smallest to the largest. A dashed line is at the threshold; dots are on the nearest pattern where its
    overlap reaches the threshold.

    ``"nearest"``: the nearest pattern of every run over time, a row for each run, pale where its overlap is below the
    threshold. Patterns that are nearest less often are grey.

    ``"lifetimes"``: the part of the memories that last longer than a time, as Kaplan and Meier estimate it from
    memories of which some were cut off by the end of the run: those of the targets of the starts if there are any, else
    of all patterns whose overlap reaches the threshold. It is the view of ``variable="target_overlap"``, too.

    Parameters
    ----------
    ds
        Trajectories, for which `dmfx.recall` is computed first, or what that returned, which has no overlaps to draw.
    view
        ``"overlaps"``, ``"nearest"`` or ``"lifetimes"``.
    y
        Dim with the runs of a raster; by default ``initial``, ``replica``, or the first of several points.
    most
        How many patterns have a colour, at most seven.
    width, height
        Pixels of each panel.
    columns
        Panels side by side, one for each point of the sweep; lifetimes are those of all starts and replicas together.
    patterns, threshold, variable, window, absolute
        As of `dmfx.recall`, with its defaults; only for trajectories.

    Returns
    -------
    hv.Overlay or hv.Layout
        In each panel `hv.Curve` and an `hv.Scatter`; an `hv.Image`; or an `hv.Curve`.

    Raises
    ------
    TypeError, ValueError
        For wrong arguments and for more than 12 panels.

    Examples
    --------
    >>> from dmfx import plot
    >>> run = np.array([[0.9, 0.1], [0.85, 0.2], [0.5, 0.7], [0.2, 0.9]])
    >>> ds = xr.Dataset({"overlap": (("step", "pattern"), run)})
    >>> [element.label for element in plot.recall(ds) if element.label]
    ['0', '1', 'threshold 0.8']
    """
    problems = dataset("plot.recall", ds)
    width, height = pixels(problems, width, height)
    columns = problems.count("columns", columns)
    view = problems.choice("view", view, VIEWS)
    most = problems.count("most", most, maximum=len(COLOURS))
    options = {
        "patterns": patterns,
        "threshold": threshold,
        "variable": variable,
        "window": window,
        "absolute": absolute,
    }
    if view == "overlaps" and "nearest" in ds:
        problems.say("ds must have the trajectories for view='overlaps', but is what dmfx.recall returned")
        problems.raise_any()
    found = "target_lifetime" if "nearest" not in ds and "target_lifetime" in ds else "nearest"
    result = analysed(problems, ds, found, lambda ds, **given: analysis.recall(ds, **given), options)
    if "nearest" not in result:
        if view != "lifetimes":
            problems.say(f"view must be 'lifetimes' for overlaps of runs with a pattern of their own, not {view!r}")
            problems.raise_any()
        return arrange(_lifetimes(problems, _of_own(result), (width, height), of_own=True), columns)
    has_dims(problems, result["nearest"], "step")
    size = width, height
    if view == "overlaps":
        frames = _overlaps(problems, ds, result, options, most, size)
    elif view == "nearest":
        frames = _nearest(problems, result, y, most, size)
    else:
        frames = _lifetimes(problems, result, size)
    return arrange(frames, columns)


def _overlaps(problems: Any, ds: xr.Dataset, result: xr.Dataset, options: dict, most: int, size: tuple) -> list:
    variable = options["variable"] or default_variable(ds)
    sweep(problems, result["nearest"], "step")
    found = pick_overlaps(problems, ds, options["variable"], options["patterns"])
    if found is not None and found.configurations is not None:
        problems.say("patterns must be None or labels: ds holds no overlaps with other configurations")
    problems.raise_any()
    names = ["nearest", "nearest_overlap", "peak"]
    drawn = result[names].assign(overlaps=abs(found.array) if options["absolute"] else found.array).compute()
    _style.load()
    threshold = result["nearest"].attrs["threshold"]
    y_range = around(np.append(drawn["overlaps"].values, threshold), 0.05)
    inner = _style.frame(*size, rows=2)
    label = fold(axis_label(ds, str(variable)).replace(" with the stored pattern", ""), inner[1])
    peaks = drawn["peak"].max([dim for dim in drawn["peak"].dims if dim != "pattern"]).values
    highest = np.argsort(-np.nan_to_num(peaks, nan=-np.inf), kind="stable")[:most]
    colours = _colours(drawn["pattern"].values[np.sort(highest)])
    frames = []
    for title, part in panels(drawn, "step", "pattern"):
        overlay = overlaps_frame(part, threshold, colours)
        style = {"xlabel": "time t (steps)", "ylabel": label, "ylim": y_range}
        frames.append((overlay, title, style | {"xlim": around(_steps(part), 0.015)}))
    return _framed(frames, size)


def _nearest(problems: Any, result: xr.Dataset, y: str | None, most: int, size: tuple) -> list:
    array = result["nearest"]
    several = [dim for dim in array.dims if dim != "step" and array.sizes[dim] > 1]
    if y is None:
        y = next((dim for dim in (*RUNS, *several) if dim in several), None)
    elif y not in array.dims or y == "step":
        dims = ", ".join(repr(dim) for dim in array.dims if dim != "step")
        problems.add("y", f"a dim of the runs ({dims})", y, is_type=not isinstance(y, str))
        problems.raise_any()
    rows = (y,) if y else ()
    sweep(problems, array, "step", *rows)
    if array.sizes["step"] < 2:
        problems.say("ds must have at least two steps for a raster")
    problems.raise_any()
    drawn = result[["nearest", "nearest_overlap"]].compute()
    _style.load()
    threshold = array.attrs["threshold"]
    colours = _colours(_often(drawn, threshold)[:most])
    x_range = extent(_steps(drawn))
    frames = []
    for title, part in panels(drawn, "step", *rows):
        part = part if rows else part.expand_dims("run")
        part = part.transpose(rows[0] if rows else "run", "step")
        overlay, y_range = nearest_frame(part, threshold, colours, x_range)
        style = {"xlabel": "time t (steps)", "ylabel": axis_label(result, y) if y else "run", "ylim": y_range}
        frames.append((overlay, title, style | {"xlim": x_range, "yticks": row_ticks(part)}))
    return _framed(frames, size)


def _of_own(result: xr.Dataset) -> xr.Dataset:
    """Lifetimes of the patterns of the runs as those of one pattern that is all runs' own."""
    life = result["target_lifetime"]
    named = {
        "lifetime": life,
        "lifetime_start": life,
        "lifetime_ended": result["target_lifetime_ended"],
        "recalled": (result["target_peak"] >= life.attrs["threshold"]).astype(np.int8),
    }
    return xr.Dataset(named).expand_dims(pattern=1).drop_vars("target", errors="ignore")


def _lifetimes(problems: Any, result: xr.Dataset, size: tuple, of_own: bool = False) -> list:
    for name in ("lifetime", "lifetime_ended", "lifetime_start"):
        has_dims(problems, result[name], "pattern")
    own = ("pattern", *RUNS)
    sweep(problems, result["lifetime"], *own)
    problems.raise_any()
    names = ["lifetime", "lifetime_ended", "recalled"]
    drawn = result[names].compute()
    by_target = of_own or ("target" in result.coords and set(result["target"].dims) <= set(RUNS))
    if by_target and not of_own:
        mine = result["target"].reset_coords(drop=True) == drawn["pattern"]
        drawn = drawn.assign(recalled=drawn["recalled"].where(mine, 0))
    _style.load()
    longest = float(drawn["lifetime"].where(drawn["recalled"] == 1).max().fillna(1.0))
    frames = []
    for title, part in panels(drawn, *own):
        overlay = lifetimes_frame(part, by_target)
        style = {"xlabel": "lifetime T (steps)", "ylabel": "part of the memories that last"}
        frames.append((overlay, title, style | {"xlim": (0.0, 1.05 * max(longest, 1.0)), "ylim": (-0.02, 1.05)}))
    return _framed(frames, size)


def _colours(labels: np.ndarray) -> dict[object, str]:
    """A colour for each of a few patterns, the same in all panels."""
    return dict(zip(np.sort(labels).tolist(), COLOURS, strict=False))


def _often(drawn: xr.Dataset, threshold: float) -> np.ndarray:
    """Patterns that are nearest, those first that are near most often, and then those that are nearest most often."""
    height = drawn["nearest_overlap"].values
    known = np.isfinite(height)
    labels, which = np.unique(drawn["nearest"].values[known], return_inverse=True)
    near = np.bincount(which, weights=height[known] >= threshold, minlength=labels.size)
    return labels[np.lexsort((-np.bincount(which, minlength=labels.size), -near))]


def _steps(part: xr.Dataset) -> np.ndarray:
    return part["step"].values.astype(float)


def _framed(frames: list, size: tuple[int, int]) -> list:
    """Frames of the same size, whatever their legends."""
    rows = [_style.rows_above(*size, _style.legend(overlay), title) for overlay, title, _ in frames]
    above = max(each for each, _ in rows), max(each for _, each in rows)
    return [_style.picture(overlay, *size, title, above=above, **style) for overlay, title, style in frames]
