"""Picture of the fraction of trials that recall a pattern over their corruption."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import xarray as xr

from dmfx import analysis
from dmfx.plot import _style
from dmfx.plot._colours import COLOURS, DARK
from dmfx.plot._fractions import FRACTION, RANGE, Curve, fraction_frame
from dmfx.plot._inputs import analysed, dataset, has_dims, panels, pixels, sweep
from dmfx.plot._labels import axis_label
from dmfx.plot._layout import arrange
from dmfx.plot._shading import around

__all__ = ["basin_size"]

#: What is drawn of a pattern and of all of them; places along the fitted curve.
NAMES = ("fraction", "fraction_low", "fraction_high")
PLACES = 400


def basin_size(
    ds: xr.Dataset,
    *,
    pattern: object | Sequence[object] | None = None,
    width: int = 620,
    height: int = 420,
    columns: int = 2,
    threshold: float | None = None,
    dim: str | None = None,
    variable: str | None = None,
    when: str | int | None = None,
    pool: str | Sequence[str] | None = None,
) -> Any:
    """Draw the fraction of trials that recall their pattern over the corruption, with the fitted curve.

    Bars are 95 % intervals. Diamonds are at the basin sizes, with their intervals as thick lines, where one half of the
    trials succeed.

    Parameters
    ----------
    ds
        What `dmfx.basin_size` returned, or runs, for which it is computed first.
    pattern
        Label of a pattern, or labels of at most seven, told apart by colour; by default all patterns pooled.
    width, height
        Pixels of each panel.
    columns
        Panels side by side, one for each point of the sweep.
    threshold, dim, variable, when, pool
        As of `dmfx.basin_size`, with its defaults; only for runs.

    Returns
    -------
    hv.Overlay or hv.Layout
        In each panel an `hv.Scatter` with `hv.Segments` for each curve, and the curve, which is the fit, vertical where
        success turns to failure between two levels, or straight lines where there is none.

    Raises
    ------
    TypeError, ValueError
        For wrong arguments and for more than 12 panels.

    Examples
    --------
    >>> from dmfx import plot
    >>> run = np.array([[0.9, 0.9], [0.9, 0.3], [0.2, 0.1]])[..., None]
    >>> ds = xr.Dataset({"target_overlap": (("noise", "replica", "step"), run)}, {"noise": [0.1, 0.2, 0.3]})
    >>> [element.label for element in plot.basin_size(ds) if element.label]
    ['all patterns']
    """
    problems = dataset("plot.basin_size", ds)
    width, height = pixels(problems, width, height)
    columns = problems.count("columns", columns)
    options = {"threshold": threshold, "dim": dim, "variable": variable, "when": when, "pool": pool}
    result = analysed(problems, ds, "basin_size", lambda ds, **given: analysis.basin_size(ds, **given), options)
    x = str(result["basin_size"].attrs.get("along", "noise"))
    has_dims(problems, result["recall_fraction"], x, "pattern")
    labels = _labels(problems, result, pattern)
    sweep(problems, result["recall_fraction"], x, "pattern")
    problems.raise_any()

    prefix = "pooled" if labels is None else "recall"
    names = [f"{prefix}_{name}" for name in NAMES]
    sizes = [("pooled_" if labels is None else "") + name for name in ("basin_size", "basin_steepness", "basin_known")]
    sizes += [f"{sizes[0]}_low", f"{sizes[0]}_high"]
    drawn = result[names + sizes].sortby(x).compute()
    _style.load()
    levels = drawn[x].values.astype(float)
    x_range = around(levels, 0.06)
    frames = []
    for title, part in panels(drawn, x, "pattern"):
        if labels is None:
            curves = [_curve(part, names, sizes, "all patterns", DARK, levels, x_range)]
        else:
            curves = [
                _curve(part.sel(pattern=label), names, sizes, f"pattern {label}", colour, levels, x_range)
                for label, colour in zip(labels, COLOURS, strict=False)
            ]
        overlay = fraction_frame(curves, x, x_range)
        style = {"xlabel": axis_label(result, x), "ylabel": FRACTION, "xlim": x_range, "ylim": RANGE}
        frames.append(_style.picture(overlay, width, height, title, **style))
    return arrange(frames, columns)


def _labels(problems: Any, result: xr.Dataset, pattern: object) -> list | None:
    """Labels of the patterns that are drawn, None for all together."""
    if pattern is None:
        return None
    there = result["pattern"].values.tolist() if "pattern" in result.coords else list(range(result.sizes["pattern"]))
    wanted = np.atleast_1d(np.asarray(pattern)).tolist()
    if not 0 < len(wanted) <= len(COLOURS) or any(each not in there for each in wanted):
        names = ", ".join(map(str, there[:20])) + (", ..." if len(there) > 20 else "")
        problems.add("pattern", f"None or at most {len(COLOURS)} labels of patterns ({names})", pattern)
        return None
    return wanted


def _curve(
    part: xr.Dataset,
    names: list[str],
    sizes: list[str],
    label: str,
    colour: str,
    levels: np.ndarray,
    x_range: tuple[float, float],
) -> Curve:
    value, low, high = (part[name].values for name in names)
    size, steepness, _, first, last = (float(part[name]) for name in sizes)
    if np.isfinite(steepness) and np.isfinite(size):
        at = np.linspace(*x_range, PLACES)
        line = at, 1 / (1 + np.exp(np.clip(steepness * (at - size), -700, 700)))
    elif np.isfinite(size) and np.isin(value[np.isfinite(value)], (0, 1)).all():
        line = np.array([x_range[0], size, size, x_range[1]]), np.array([1.0, 1.0, 0.0, 0.0])
    else:
        seen = np.isfinite(value)
        line = levels[seen], value[seen]
    return Curve(label, colour, levels, value, low, high, line, (size, first, last))
