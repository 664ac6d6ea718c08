"""Picture of how far finite networks are from the mean field."""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from typing import Any

import numpy as np
import xarray as xr

from dmfx import analysis
from dmfx.analysis._labelled import pick_patterns
from dmfx.plot._colours import COLOURS
from dmfx.plot._inputs import analysed, dataset, flag, has_dims, panels, pixels, sweep
from dmfx.plot._labels import overlap_symbol
from dmfx.plot._scaling import Line, Panel, Series, finite_sizes, scaling

__all__ = ["attractor_distance"]

#: Name and colour of all patterns together.
JOINT = "all patterns", COLOURS[-1]


def attractor_distance(
    ds: xr.Dataset,
    *,
    pattern: int | None = None,
    joint: bool = True,
    width: int = 620,
    height: int = 440,
    columns: int = 2,
    reference: xr.Dataset | None = None,
    variable: str | None = None,
    directions: int | None = None,
) -> Any:
    """Draw the distance between the attractors of finite networks and of the mean field over the number of spins.

    Points are the medians of the replicas, bars reach from the smallest to the largest. Dashed lines are the floors,
    the distances that two halves of the mean-field run have; one that is far below all points is not drawn. A dotted
    line has the slope -1/2.

    Parameters
    ----------
    ds
        Trajectories, for which `dmfx.attractor_distance` is computed first, or what that returned.
    pattern
        One pattern; by default all of them, told apart by colour.
    joint
        Whether to draw the sliced distance of all patterns together too, if there are several.
    width, height
        Pixels of each panel.
    columns
        Panels side by side, one for each point of the sweep.
    reference, variable, directions
        As of `dmfx.attractor_distance`, with its defaults; only for trajectories.

    Returns
    -------
    hv.Overlay or hv.Layout
        A `hv.Scatter` with `hv.ErrorBars` and a `hv.Curve` for each pattern in each panel.

    Raises
    ------
    TypeError, ValueError
        For wrong arguments and for more than 12 panels.

    Examples
    --------
    >>> from dmfx import plot
    >>> distance = xr.Dataset({"distance": (("size", "pattern"), [[0.1], [0.01]])}, {"size": [1e2, 1e4]})
    >>> [element.label for element in plot.attractor_distance(distance) if element.label]
    ['slope -1/2']
    """
    problems = dataset("plot.attractor_distance", ds)
    width, height = pixels(problems, width, height)
    columns = problems.count("columns", columns)
    joint = flag(problems, "joint", joint)
    options = {"reference": reference, "variable": variable, "directions": directions}
    result = analysed(problems, ds, "distance", analysis.attractor_distance, options)
    has_dims(problems, result["distance"], "size", "pattern")
    result = result if "pattern" in result.coords else result.assign_coords(pattern=np.arange(result.sizes["pattern"]))
    picked = pick_patterns(problems, result["distance"], pattern)
    sweep(problems, result["distance"], "size", "replica", "pattern")
    problems.raise_any()

    names = ["distance", "distance_floor", "joint_distance", "joint_distance_floor"]
    drawn = result[[name for name in names if name in result]].isel(size=finite_sizes(problems, result["distance"]))
    drawn = drawn.transpose(..., "size", *(["replica"] if "replica" in drawn.dims else []), "pattern").compute()
    joint = joint and pattern is None and drawn.sizes["pattern"] > 1 and "joint_distance" in drawn
    labels = picked["pattern"].values.tolist()
    parts = [Panel(title, *_drawn(part, labels, joint)) for title, part in panels(drawn, "size", "replica", "pattern")]
    return scaling(problems, result, "distance", parts, width, height, columns)


def _drawn(part: xr.Dataset, labels: list, joint: bool) -> tuple[list[Series], list[Line]]:
    """The curves of one panel, and their floors."""
    rows = [*_patterns(part, labels)]
    if joint:
        rows.append((*JOINT, part["joint_distance"], part.get("joint_distance_floor")))
    series, floors = [], []
    sizes = part["size"].values.astype(float)
    for label, colour, values, floor in rows:
        low, middle, high = _summary(values.values.reshape(len(sizes), -1))
        series.append(Series(label if len(rows) > 1 else "", colour, sizes, middle, low, high, True))
        if floor is not None and "size" in floor.dims:  # of results for several models, one for each size
            levels = list(zip(sizes.tolist(), floor.values.tolist(), strict=True))
            pairs = itertools.pairwise([(size, level) for size, level in levels if level > 0])
            floors += [Line("floor", colour, (a, b), (low, high), "dashed") for (a, low), (b, high) in pairs]
        elif floor is not None and float(floor) > 0:
            ends = float(sizes.min()), float(sizes.max())
            floors.append(Line("floor", colour, ends, (float(floor),) * 2, "dashed"))
    return series, floors


def _summary(values: np.ndarray) -> np.ndarray:
    """Smallest, median and largest finite value of each row (size, replica): (3, size)."""
    found = np.full((3, len(values)), np.nan)
    for row, finite in enumerate(each[np.isfinite(each)] for each in values):
        if finite.size:
            found[:, row] = finite.min(), np.median(finite), finite.max()
    return found


def _patterns(part: xr.Dataset, labels: list) -> Iterator[tuple[str, str, xr.DataArray, xr.DataArray | None]]:
    """Symbol, colour, distances and floor of each pattern."""
    places = part["pattern"].values.tolist()
    variable = part["distance"].attrs.get("variable", "m_o_semantic")
    for label in labels:
        floor = part["distance_floor"].sel(pattern=label) if "distance_floor" in part else None
        colour = COLOURS[places.index(label) % (len(COLOURS) - 1)]
        yield overlap_symbol(part, variable, label), colour, part["distance"].sel(pattern=label), floor
