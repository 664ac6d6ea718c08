"""Picture of how well tasks are done."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
import xarray as xr

from dmfx.analysis._overlaps import STORED
from dmfx.plot import _style
from dmfx.plot._colours import COLOURS, sequence
from dmfx.plot._inputs import axis, dataset, held, panels, pixels, sweep
from dmfx.plot._labels import axis_label, fold, kind_name, log_ticks, panel_title
from dmfx.plot._layout import arrange
from dmfx.plot._shading import Range, around
from dmfx.validation import Problems

__all__ = ["task"]

#: What is drawn if it is there, the first of these.
VARIABLES = ("hidden_overlap", "target_overlap", "hidden_error")
#: Dims whose points are runs of the same thing.
POOL = ("replica", "initial")
#: Dims that are an axis, or told apart by colour, if they have several points: the first of these.
AXES = ("noise", "fraction")
COLOURED = ("ablation", "stored", "noise", "fraction", "beta", "gamma", "seed")
#: More curves than this cannot be told apart; so few points along an axis are marked.
MOST_CURVES, FEW = 10, 60


class _Curve(NamedTuple):
    """The mean of runs, and the ends of the band around it."""

    label: str
    colour: str
    middle: np.ndarray
    low: np.ndarray
    high: np.ndarray
    wide: bool = False


def task(
    ds: xr.Dataset,
    *,
    variable: str | None = None,
    x: str | None = None,
    by: str | None = None,
    step: int | None = None,
    band: float = 0.68,
    width: int = 620,
    height: int = 440,
    columns: int = 2,
) -> Any:
    """Draw how well a task is done over the steps, the noise, the fraction hidden or another parameter.

    Curves are means over the examples and the replicas.

    Parameters
    ----------
    ds
        What `dmfx.denoising`, `dmfx.masked_prediction`, `dmfx.free_running` or `dmfx.ablations` returned; only what is
        drawn is computed.
    variable
        Which variable with dims (..., step); by default ``"hidden_overlap"``, else ``"target_overlap"``, else
        ``"hidden_error"``.
    x
        Dim along the horizontal axis, with numbers for coordinate. By default ``"noise"`` or ``"fraction"`` if there
        are several of them, and otherwise ``"step"``.
    by
        Dim that is told apart by colour, at most 10 points. By default the first with several points of ablation,
        stored, noise, fraction, beta, gamma, seed. Every other one gives panels.
    step
        Which step is drawn where steps are not an axis, by default the last.
    band
        Part of the runs, examples and replicas together, that are within the band around a curve: 0.68 leaves out 16 %
        below and as many above. 0 for none.
    width, height
        Pixels of each panel.
    columns
        Panels side by side.

    Returns
    -------
    hv.Overlay or hv.Layout
        A `hv.Curve` for each colour in each panel, with a `hv.Area`.

    Raises
    ------
    TypeError, ValueError
        For wrong arguments, for more than 12 panels and for more than 10 curves in one.

    Notes
    -----
    Runs that are not finite are left out. So are runs from examples that a network has not stored, where there are
    several numbers of ``stored`` examples and the starts have whole numbers for ``target``: it has stored those below
    its number, and a mean over all starts would rise with it because more of them are stored. Select one number to see
    all starts. The band is the spread of the runs, not the error of their mean, which is smaller by about the square
    root of their number.

    Examples
    --------
    >>> from dmfx import plot
    >>> patterns = dmfx.tokens.random(3, n_tokens=20, n_components=8, seed=1)
    >>> net = dmfx.VectorAttention(dmfx.couplings.hebbian(patterns), patterns)
    >>> ds = dmfx.ablations("denoising", net, patterns, beta=1.0, gamma=1.0, noise=[0.2, 0.4], steps=1)
    >>> [curve.label for curve in plot.task(ds) if curve.label]
    ['whole network', 'no residual', 'uniform attention', 'symmetric']
    """
    problems = dataset("plot.task", ds)
    width, height = pixels(problems, width, height)
    columns = problems.count("columns", columns)
    band = problems.real("band", band, minimum=0, maximum=1)
    if variable is None:
        variable = next((name for name in VARIABLES if name in ds), VARIABLES[0])
    array = held(problems, ds, variable, "step")
    if "pattern" in array.dims:
        problems.say(f"variable must have no patterns, but {variable!r} has; plot.trajectory draws such")
    x = _several(array, AXES) or "step" if x is None else x
    is_dim = axis(problems, "x", x, array)
    by = _several(array, COLOURED, x) if by is None else by
    if by is not None:
        _check_by(problems, by, x, array)
    array = _of_stored(problems, ds, _at_step(problems, array, x, step))
    if is_dim and not problems.messages:
        sweep(problems, array, x, *([] if by is None else [by]), *POOL)
    problems.raise_any()

    drawn = array.compute().sortby(x).to_dataset(name="values")
    _style.load()
    own = [dim for dim in (x, by, *POOL) if dim is not None]
    parts = [(title, _curves(part["values"], x, by, band)) for title, part in panels(drawn, *own)]
    along = drawn[x].values
    values = np.concatenate([np.concatenate(each[2:5]) for _, found in parts for each in found])
    return arrange(_framed(ds, parts, x, along, variable, around(values), width, height), columns)


def _several(array: xr.DataArray, dims: tuple[str, ...], *taken: str) -> str | None:
    """The first of some dims that has several points."""
    return next((dim for dim in dims if array.sizes.get(dim, 1) > 1 and dim not in taken), None)


def _check_by(problems: Problems, by: object, x: object, array: xr.DataArray) -> None:
    dims = [dim for dim in array.dims if dim not in (x, "step")]
    if not isinstance(by, str) or by not in dims:
        problems.add("by", "a dim other than the horizontal axis, one of " + ", ".join(map(repr, dims)), by)
    elif by not in array.coords:
        problems.say(f"by must be a dim with coordinate, and {by!r} has none")
    elif array.sizes[by] > MOST_CURVES:
        problems.say(
            f"by={by!r} gives {array.sizes[by]} curves, and at most {MOST_CURVES} can be told apart: select some"
        )


def _of_stored(problems: Problems, ds: xr.Dataset, array: xr.DataArray) -> xr.DataArray:
    """Runs from examples that networks have stored, the others NaN, where there are several numbers of these."""
    target = ds.coords.get("target")
    if array.sizes.get(STORED, 1) < 2 or target is None or target.dtype.kind not in "iu":
        return array
    if STORED not in array.coords or array[STORED].dtype.kind not in "iuf" or not set(target.dims) <= set(array.dims):
        return array
    kept = array[STORED].variable > target.variable
    if not kept.values.any():
        problems.say("ds must have a start from an example that is stored; select one number of stored examples")
    return array.where(xr.DataArray(kept))


def _at_step(problems: Problems, array: xr.DataArray, x: object, step: object) -> xr.DataArray:
    """The variable at one step, where steps are not an axis."""
    if x == "step":
        if step is not None:
            problems.say("step goes with another x than 'step'")
        return array
    if step is None:
        return array.isel(step=-1)
    labels = array["step"].values
    is_label = isinstance(step, (int, np.integer)) and not isinstance(step, (bool, np.bool_))
    place = np.flatnonzero(labels == step) if is_label else np.empty(0, dtype=int)
    if place.size == 0:
        problems.add("step", f"a label of step ({labels[0]} to {labels[-1]})", step)
        return array.isel(step=-1)
    return array.isel(step=int(place[0]))


def _curves(values: xr.DataArray, x: str, by: str | None, band: float) -> list[_Curve]:
    """Means and bands of one panel."""
    if by is None:
        return [_Curve("", COLOURS[0], *_spread(values, x, band))]
    labels = values[by].values.tolist()
    colours = COLOURS if len(labels) <= len(COLOURS) else sequence(len(labels))
    curves = []
    for place, label in enumerate(labels):
        point = values.isel({by: place})
        # What an ablation does not change must not hide the whole network.
        wide = by == "ablation" and label == "none"
        curves.append(_Curve(_text(point, by, label), colours[place], *_spread(point, x, band), wide))
    return curves


def _text(point: xr.DataArray, by: str, label: object) -> str:
    if by == "ablation":
        return "whole network" if label == "none" else kind_name(str(label))
    return panel_title(point, [by])


def _spread(values: xr.DataArray, x: str, band: float) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Mean of the runs that are finite along x, and the ends of the band that holds a part of them."""
    rows = values.transpose(x, ...).values.reshape(values.sizes[x], -1)
    ends = np.full((3, len(rows)), np.nan)
    for place, row in enumerate(rows):
        known = row[np.isfinite(row)]
        if known.size:
            ends[0, place] = known.mean()
            ends[1:, place] = np.quantile(known, [(1 - band) / 2, (1 + band) / 2]) if band else known.mean()
    return tuple(ends)


def _framed(
    ds: xr.Dataset,
    parts: list[tuple[str, list[_Curve]]],
    x: str,
    along: np.ndarray,
    variable: str,
    y_range: Range,
    width: int,
    height: int,
) -> list[Any]:
    import holoviews as hv

    pictures = []
    log = x == "stored" and along[-1] > 10 * along[0]
    for title, curves in parts:
        bands = [_band(each, x, along, variable) for each in curves if np.any(each.high > each.low)]
        overlay = hv.Overlay([*bands, *(element for each in curves for element in _line(each, x, along, variable))])
        inner = _style.frame(width, height, _style.legend(overlay), title)
        pictures.append(
            _style.picture(
                overlay,
                width,
                height,
                title,
                xlabel=fold(axis_label(ds, x), inner[0]),
                ylabel=fold(axis_label(ds, variable), inner[1]),
                xlim=(along[0] / 1.15, along[-1] * 1.15) if log else around(along.astype(float), 0.02),
                ylim=y_range,
                **({"logx": True, "xticks": log_ticks(along)} if log else {}),
            )
        )
    return pictures


def _band(curve: _Curve, x: str, along: np.ndarray, variable: str) -> Any:
    import holoviews as hv

    area = hv.Area((along, curve.low, curve.high), x, [variable, "upper end"])
    style = {"line_width": 0}, {"facecolor": curve.colour, "linewidth": 0}
    return _style.both(area, *style, color=curve.colour, alpha=0.18)


def _line(curve: _Curve, x: str, along: np.ndarray, variable: str) -> list[Any]:
    import holoviews as hv

    line = hv.Curve((along, curve.middle), x, variable, label=curve.label)
    width = 4.0 if curve.wide else 1.6
    line = _style.both(line, {"line_width": width}, {"linewidth": 0.72 * width}, color=curve.colour)
    if along.size > FEW:
        return [line]
    return [line, _style.dots(hv.Scatter((along, curve.middle), x, variable), curve.colour, 5)]
