"""Picture of Poincaré sections."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import xarray as xr

from dmfx import analysis
from dmfx.analysis._labelled import pick_pattern
from dmfx.plot._clouds import clouds
from dmfx.plot._inputs import analysed, dataset, flag, has_dims, pixels, sweep

__all__ = ["poincare"]


def poincare(
    ds: xr.Dataset,
    plane: Mapping[str, object] | None = None,
    tolerance: float | None = None,
    interpolate: bool | None = None,
    *,
    x: int | None = None,
    y: int | None = None,
    variable: str | None = None,
    max_points: int | None = None,
    direction: str | None = None,
    shared: bool = True,
    width: int = 400,
    height: int = 400,
    columns: int = 3,
) -> Any:
    """Draw the states of each orbit on a plane, its Poincaré section, over two overlaps.

    Parameters
    ----------
    ds
        Trajectories, for which `dmfx.poincare` is computed first, or what that returned.
    plane, tolerance, interpolate, variable, max_points, direction
        As of `dmfx.poincare`, with its defaults; only for trajectories, which need ``plane``.
    x, y
        Patterns along the horizontal and the vertical axis: by default the first two others than the plane's.
    shared
        Give all panels the same range; otherwise each has its own.
    width, height
        Pixels of each panel.
    columns
        Panels side by side, one for each point of the sweep.

    Returns
    -------
    hv.Overlay, hv.DynamicMap or hv.Layout
        `hv.Points`, or a `hv.Image` for more than 3000 of them, in each panel.

    Raises
    ------
    TypeError, ValueError
        For wrong arguments and for more than 12 panels.

    Examples
    --------
    >>> from dmfx import plot
    >>> ds = dmfx.simulate(dmfx.SelfAttention.paper(), beta=[1.255, 1.28], gamma=220.0, steps=64)
    >>> len(plot.poincare(ds, {"pattern": 1}, interpolate=True))
    2
    """
    problems = dataset("plot.poincare", ds)
    shared = flag(problems, "shared", shared)
    width, height = pixels(problems, width, height)
    columns = problems.count("columns", columns)
    options = {
        "plane": plane,
        "tolerance": tolerance,
        "interpolate": interpolate,
        "variable": variable,
        "max_points": max_points,
        "direction": direction,
    }
    if "section" not in ds and plane is None:
        problems.add("plane", 'a mapping such as {"pattern": 1, "value": 0.0}', plane, is_type=True)
        problems.raise_any()
    section = analysed(problems, ds, "section", analysis.poincare, options)["section"]
    has_dims(problems, section, "point", "pattern")
    chosen = _axes(section, x, y)
    pick_pattern(problems, section, chosen[0], "x")
    pick_pattern(problems, section, chosen[1], "y")
    sweep(problems, section, "point", "pattern")
    problems.raise_any()

    states = section.sel(pattern=list(dict.fromkeys(chosen))).compute()
    variable = section.attrs.get("variable", "section")
    return clouds(states, "point", variable, *chosen, shared=shared, width=width, height=height, columns=columns)


def _axes(section: xr.DataArray, x: object, y: object) -> tuple[object, object]:
    """The patterns of the axes: all but the plane's first, in order, for those not given."""
    plane = str(section.attrs.get("plane", ""))
    labels = section["pattern"].values.tolist()
    labels.sort(key=lambda label: plane.startswith(f"pattern {label} = "))
    free = [label for label in labels if label not in (x, y)] + labels
    x = free.pop(0) if x is None else x
    return x, free[0] if y is None else y
