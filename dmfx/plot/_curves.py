"""Curves of overlaps, one panel for each point of the sweep."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

import numpy as np
import xarray as xr

from dmfx.analysis._labelled import pick_patterns
from dmfx.plot import _style
from dmfx.plot._inputs import analysed, dataset, has_dims, panels, pixels, sweep
from dmfx.plot._labels import axis_label, fold, overlap_symbol
from dmfx.plot._layout import arrange
from dmfx.plot._shading import Range, around

__all__ = ["analysis_curves", "curves"]


def analysis_curves(
    call: str,
    ds: xr.Dataset,
    function: Callable[..., xr.Dataset],
    name: str,
    dim: str,
    *,
    pattern: int | None,
    width: int,
    height: int,
    columns: int,
    view: Callable[[xr.DataArray], tuple[xr.DataArray, Range]],
    label: str = "",
    log: bool = False,
    **options: object,
) -> Any:
    """Draw what an analysis gives, over its own dim.

    Parameters
    ----------
    call
        Name of the picture, for messages.
    ds
        Result of the analysis, or trajectories to be analysed first.
    function, name, dim
        The analysis, the variable it makes, and the dim of that.
    pattern
        One pattern, or all for None.
    width, height, columns
        Size of the panels and number of them side by side.
    view
        Turns the computed values into those drawn and the range of the axis.
    label
        Of the vertical axis, instead of the variable's own name.
    log
        Make the vertical axis logarithmic.
    **options
        Of the analysis; None is its default.
    """
    problems = dataset(call, ds)
    width, height = pixels(problems, width, height)
    columns = problems.count("columns", columns)
    result = analysed(problems, ds, name, partial(function, pattern=pattern), options)
    has_dims(problems, result[name], dim, "pattern")
    picked = pick_patterns(problems, result[name], pattern)
    sweep(problems, result[name], dim, "pattern")
    problems.raise_any()

    values, y_range = view(picked.compute())
    if log and not np.isfinite(values.values).any():  # which no logarithmic axis can show
        problems.say(f"ds has no finite values of {name!r} to draw: see the status of its points")
        problems.raise_any()
    return curves(
        result,
        values.rename(name),
        dim,
        picked.attrs.get("variable", name),
        label or axis_label(result, name),
        y_range=y_range,
        width=width,
        height=height,
        columns=columns,
        log=log,
    )


def curves(
    ds: xr.Dataset,
    values: xr.DataArray,
    dim: str,
    variable: str,
    label: str,
    *,
    y_range: Range | None = None,
    width: int,
    height: int,
    columns: int,
    log: bool = False,
) -> Any:
    """Draw computed values (..., dim, pattern) over ``dim``: a curve for each pattern, NaN as gaps."""
    import holoviews as hv

    _style.load()
    along = values[dim].values
    inner = _style.frame(width, height)
    y_range = y_range or around(values.values)
    symbols = {each: overlap_symbol(ds, variable, each) for each in values["pattern"].values.tolist()}
    several = len(symbols) > 1

    def panel(title: str, point: xr.DataArray) -> Any:
        lines = [
            hv.Curve((along, point.sel(pattern=each).values), dim, values.name, label=symbol if several else "")
            for each, symbol in symbols.items()
        ]
        return _style.picture(
            hv.Overlay([_style.curve(line, number) for number, line in enumerate(lines)]),
            width,
            height,
            title,
            xlabel=axis_label(ds, dim),
            ylabel=fold(label, inner[1]),
            xlim=around(along, 0.01),
            ylim=y_range,
            xticks=6,
            **({"xformatter": "%d"} if along.dtype.kind in "iu" else {}),
            logy=log,
        )

    named = values.to_dataset(name="values")
    parts = panels(named, dim, "pattern")
    return arrange([panel(title, part["values"]) for title, part in parts], columns)
