"""Picture of a bifurcation diagram."""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial
from typing import Any

import xarray as xr

from dmfx import analysis
from dmfx.plot import _style
from dmfx.plot._diagram import (
    BOTH_WAYS,
    DRAWN,
    Legend,
    by_direction,
    by_kind,
    by_period,
    drawing,
    legend_of,
    legend_of_kinds,
)
from dmfx.plot._exponents import exponent_range, exponents_over, shown
from dmfx.plot._inputs import analysed, axis, dataset, default_axis, has_dims, panels, pixels, sweep
from dmfx.plot._labels import axis_label, fold, overlap_label
from dmfx.plot._layout import arrange
from dmfx.plot._shading import around, extent, refined
from dmfx.validation import Problems

__all__ = ["bifurcation"]

#: Dims of the values of a point of the sweep.
INNER = ("value", "point")

#: Height of the spectrum below a diagram, as a part of its own.
SPECTRUM = 0.55


def bifurcation(
    ds: xr.Dataset,
    *,
    plane: Mapping[str, object] | None = None,
    x: str | None = None,
    width: int = 900,
    height: int = 520,
    columns: int = 1,
    lowest: float | None = None,
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

    If the Dataset also holds the ``kind`` of attractor from `dmfx.classify`, that gives the colour; if it holds
    ``lyapunov``, the exponents stand below. If it holds neither and the parameter was carried in both directions, the
    colour says which of them visited a value.

    `dmfx.classify` goes on from the end of the run, so its kinds are of what comes after it. Draw steps after that as
    well, simulated with ``initial=kinds``: the values of a run that settles in between would have the colour of where
    it settled, not of what they are.

    Parameters
    ----------
    ds
        Trajectories from `dmfx.simulate`, which `dmfx.bifurcation` then reduces, all in one computation; or
        what `dmfx.bifurcation` returned: ``density`` or ``section_density``, both merged, or ``points``; maybe merged
        with what `dmfx.classify` or `dmfx.lyapunov` returned.
    plane
        The plane of `dmfx.bifurcation`; the whole orbit is drawn as well if ``kind`` is ``"density"``.
    x
        Dim along the horizontal axis, with numbers for coordinate; every other one gives panels. By default
        ``"beta"``, or else a dim of several points.
    width, height
        Pixels of each panel; the exponents below take about half as much in height.
    columns
        Panels side by side.
    lowest
        Lower end of the axis of the exponents, as in `dmfx.plot.lyapunov`.
    variable, pattern, tolerance, bins, value_range, kind, n_points, max_period, period_tolerance
        As of `dmfx.bifurcation`, with its defaults; only for trajectories.

    Returns
    -------
    hv.DynamicMap or hv.Layout
        An overlay for each panel: the image ``visits`` of all values, the image ``kind`` of what lies over it
        (the colours from 1), and what makes the legend. In a live notebook, zooming shades it again. The exponents
        below are a panel of their own.

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
    lowest = None if lowest is None else problems.real("lowest", lowest)
    held = next((name for name in DRAWN if name in ds), "density")
    reduced = analysed(problems, ds, held, _reduce, options)
    names = [name for name in DRAWN if name in reduced]
    values = reduced[names[0]]
    has_dims(problems, values, "point" if values.name == "points" else "value")
    x = default_axis(values, *INNER) if x is None else x
    is_dim = axis(problems, "x", x, values, *INNER)
    if values.sizes.get("value", 2) < 2:
        problems.say("bins must be at least 2 to be drawn")
    extra = {name: ds[name] for name in ("kind", "lyapunov", "lyapunov_error") if name in ds}
    _check_extra(problems, values, extra)
    merged = not extra and values.sizes.get("direction") == 2 and "direction" in values.coords
    inner = (*INNER, "direction") if merged else INNER
    if is_dim:
        sweep(problems, values, x, *inner)
    problems.raise_any()

    # A mean over seeds has no period.
    known = "period" in reduced and reduced["period"].dtype.kind in "iu"
    period = reduced["period"] if known else xr.zeros_like(values[x], dtype=int)
    diagram = reduced[names].assign(period=period, **extra).compute().sortby(x)
    _style.load()
    draw = partial(_spectrum_below, lowest=lowest) if "lyapunov" in extra else _single
    return draw(diagram, panels(diagram, x, "exponent", *inner), x, width, height, columns)


def _reduce(ds: xr.Dataset, **options: object) -> xr.Dataset:
    """The diagram of the whole orbit and, with a plane, of what is on it, to be computed at once."""
    result = analysis.bifurcation(ds, **options)
    if "section_density" not in result:
        return result
    del options["plane"]
    return result.assign(density=analysis.bifurcation(ds, **options)["density"])


def _check_extra(problems: Problems, values: xr.DataArray, extra: dict[str, xr.DataArray]) -> None:
    """Check that kinds and exponents belong to the points of the diagram."""
    sweep_dims = [dim for dim in values.dims if dim not in INNER]
    for name, array in extra.items():
        dims = [dim for dim in array.dims if not (dim == "exponent" and name != "kind")]
        if not set(dims) <= set(sweep_dims) or (name != "kind" and "exponent" not in array.dims):
            problems.say(f"ds must have {name!r} along the sweep dims of {values.name!r}, but it has {array.dims}")
    if "kind" in extra and extra["kind"].dtype.kind not in "iu":
        problems.say(f"ds must have the kinds of attractor as whole numbers, but 'kind' has {extra['kind'].dtype}")


def _single(
    diagram: xr.Dataset, parts: list[tuple[str, xr.Dataset]], x: str, width: int, height: int, columns: int
) -> Any:
    legend = _legend(diagram)
    return arrange([_panel(title, part, legend, x, width, height) for title, part in parts], columns)


def _spectrum_below(
    diagram: xr.Dataset,
    parts: list[tuple[str, xr.Dataset]],
    x: str,
    width: int,
    height: int,
    columns: int,
    lowest: float | None,
) -> Any:
    """Every panel over its Lyapunov exponents, with the same horizontal axis."""
    import holoviews as hv

    legend = _legend(diagram)
    columns = min(columns, len(parts))
    y_range = exponent_range(diagram["lyapunov"], lowest)
    seen = shown(diagram["lyapunov"], y_range)
    x_range = extent(diagram[x].values.astype(float))
    pictures = []
    for first in range(0, len(parts), columns):
        row = parts[first : first + columns]
        gap = [hv.Empty()] * (columns - len(row))
        pictures += [_panel(title, part, legend, x, width, height, above=True) for title, part in row] + gap
        pictures += [
            exponents_over("", part, x, x_range, y_range, seen, width, max(160, round(SPECTRUM * height)))
            for _, part in row
        ] + gap
    return hv.Layout(pictures).cols(columns)


def _legend(diagram: xr.Dataset) -> Legend | None:
    """What all panels share: the kinds, or the two directions."""
    return legend_of_kinds(diagram) if "kind" in diagram else None


def _panel(
    title: str,
    diagram: xr.Dataset,
    legend: Legend | None,
    x: str,
    width: int,
    height: int,
    *,
    above: bool = False,
) -> Any:
    first = diagram[next(name for name in DRAWN if name in diagram)]
    meeting = "direction" in diagram.dims and "kind" not in diagram
    layers = (by_kind if "kind" in diagram else by_direction if meeting else by_period)(diagram)
    legend = legend or legend_of(layers) + ([("both", BOTH_WAYS)] if meeting else [])
    size = _style.frame(width, height, [label for label, _ in legend], title)
    x_range = extent(diagram[x].values.astype(float))
    y_range = _value_extent(first)
    variable, pattern = first.attrs.get("variable", "value"), first.attrs.get("pattern")
    label = axis_label(diagram, variable) if pattern is None else overlap_label(diagram, variable, pattern)
    draw = drawing(layers, legend, x, f"{variable} {pattern}", meeting=meeting)
    style = partial(
        _style.picture,
        width=width,
        height=height,
        title=title,
        xlabel="" if above else axis_label(diagram, x),
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
