"""Picture of the fraction of patterns that is recalled over their number."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import xarray as xr

from dmfx import analysis
from dmfx.plot import _style
from dmfx.plot._colours import DARK
from dmfx.plot._fractions import FRACTION, RANGE, Curve, fraction_frame
from dmfx.plot._inputs import analysed, dataset, has_dims, panels, pixels, sweep
from dmfx.plot._labels import axis_label, log_ticks
from dmfx.plot._layout import arrange
from dmfx.plot._shading import around

__all__ = ["capacity"]

#: Numbers of patterns that differ by more than this are on a logarithmic axis, which goes on by such a factor.
WIDE, ROOM = 8.0, 1.25


def capacity(
    ds: xr.Dataset,
    *,
    width: int = 620,
    height: int = 420,
    columns: int = 2,
    threshold: float | None = None,
    dim: str | None = None,
    variable: str | None = None,
    when: str | int | None = None,
    pool: str | Sequence[str] | None = None,
) -> Any:
    """Draw the fraction of stored patterns that is recalled over their number.

    Bars are 95 % intervals. A diamond is at the capacity, where the fraction falls through one half, with its interval
    as a thick line.

    Parameters
    ----------
    ds
        What `dmfx.capacity` returned, or runs, for which it is computed first.
    width, height
        Pixels of each panel.
    columns
        Panels side by side, one for each point of the sweep.
    threshold, dim, variable, when, pool
        As of `dmfx.capacity`, with its defaults; only for runs.

    Returns
    -------
    hv.Overlay or hv.Layout
        In each panel an `hv.Scatter` with `hv.Segments`, joined by a curve.

    Raises
    ------
    TypeError, ValueError
        For wrong arguments and for more than 12 panels.

    Examples
    --------
    >>> from dmfx import plot
    >>> run = np.array([[0.9, 0.9, np.nan], [0.9, 0.3, 0.1]])[..., None]
    >>> ds = xr.Dataset({"target_overlap": (("stored", "initial", "step"), run)}, {"stored": [2, 3]})
    >>> [type(element).__name__ for element in plot.capacity(ds)][-1]
    'Scatter'
    """
    problems = dataset("plot.capacity", ds)
    width, height = pixels(problems, width, height)
    columns = problems.count("columns", columns)
    options = {"threshold": threshold, "dim": dim, "variable": variable, "when": when, "pool": pool}
    result = analysed(problems, ds, "capacity", lambda ds, **given: analysis.capacity(ds, **given), options)
    x = str(result["capacity"].attrs.get("along", "stored"))
    has_dims(problems, result["recall_fraction"], x)
    sweep(problems, result["recall_fraction"], x)
    problems.raise_any()

    names = ["recall_fraction", "recall_fraction_low", "recall_fraction_high"]
    drawn = result[[*names, "capacity", "capacity_low", "capacity_high"]].sortby(x).compute()
    _style.load()
    at = drawn[x].values.astype(float)
    wide = bool(at[-1] > WIDE * at[0])
    x_range = (at[0] / ROOM, at[-1] * ROOM) if wide else around(at, 0.06)
    frames = []
    for title, part in panels(drawn, x):
        value, low, high = (part[name].values for name in names)
        half = tuple(float(part[name]) for name in ("capacity", "capacity_low", "capacity_high"))
        line = _line(at, value, wide)
        overlay = fraction_frame([Curve("", DARK, at, value, low, high, line, half)], x, x_range)
        style = {"xlabel": axis_label(result, x), "ylabel": FRACTION, "xlim": x_range, "ylim": RANGE, "logx": wide}
        style |= {"xticks": log_ticks(at)} if wide else {}
        frames.append(_style.picture(overlay, width, height, title, **style))
    return arrange(frames, columns)


def _line(at: np.ndarray, value: np.ndarray, wide: bool) -> tuple[np.ndarray, np.ndarray]:
    """Straight lines between the numbers, which are bent on a logarithmic axis."""
    seen = np.isfinite(value)
    at, value = at[seen], value[seen]
    if not wide or at.size < 2:
        return at, value
    fine = np.unique(np.concatenate([at, np.geomspace(at[0], at[-1], 300)]))
    return fine, np.interp(fine, at, value)
