"""Picture of one number or name for each point of a sweep over two parameters."""

from __future__ import annotations

from functools import partial
from typing import Any

import numpy as np
import xarray as xr

from dmfx import analysis
from dmfx.plot import _style
from dmfx.plot._colours import UNKNOWN
from dmfx.plot._hover import hover
from dmfx.plot._inputs import analysed, axis, dataset, default_axis, flag, held, panels, pixels, sweep
from dmfx.plot._labels import axis_label, exponent_symbol, exponent_symbol_of
from dmfx.plot._layout import arrange
from dmfx.plot._scales import Scale, scale_of
from dmfx.plot._shading import Range, edges, image, refined

__all__ = ["phase_diagram"]

#: What `dmfx.lyapunov` gives and `dmfx.classify` does not, or not as well.
OF_LYAPUNOV = ("lyapunov", "lyapunov_error", "kaplan_yorke_dimension", "mean_log_determinant")

#: What the picture is of, where the name of the variable is too long or too short.
NAMES = {
    "frequencies": "number of incommensurate frequencies",
    "settled": "step at which the run had settled",
    "verdict": "kind of attractor",
}

#: What the criteria for the kind decide.
DECIDED = ("kind", "period", "frequencies")

#: What is told of the point under the mouse, if it is there.
TOLD = ("kind", "period", "frequencies", "lyapunov", "settled", "agree")

#: Colour in the legend of what is striped.
STRIPED = "#ffffff"
#: Distance in pixels between stripes over points that the criteria disagree on, at most.
STRIPES = 6


def phase_diagram(
    ds: xr.Dataset,
    *,
    variable: str = "kind",
    x: str | None = None,
    y: str | None = None,
    mark: bool = True,
    width: int = 760,
    height: int = 560,
    columns: int = 2,
    n: int | None = None,
    steps: int | None = None,
) -> Any:
    """Draw the kind of attractor, its period, an exponent or another number over two parameters.

    Each point of the sweep is a cell that reaches halfway to its neighbours. Kinds have a colour each; whole numbers
    such as periods have one each, or one for each power of two, and none for 0; exponents have white at zero. What is
    not known is blank, or grey where there is a colour bar.

    Parameters
    ----------
    ds
        What `dmfx.classify`, `dmfx.lyapunov` or `dmfx.basins` returned; or final states, which go to
        `dmfx.classify` first, or for variables of `dmfx.lyapunov` to that.
    variable
        Variable to draw, such as ``"kind"``, ``"period"``, ``"frequencies"``, ``"lyapunov"``, ``"settled"``,
        ``"agree"`` or ``"verdict"``. Of exponents the first, the largest, is drawn.
    x, y
        Sweep dims along the axes, with numbers for coordinates; every other one gives panels. By default ``"beta"`` and
        ``"gamma"``, or else dims of several points.
    mark
        Stripe the points that the criteria disagree on, where ds holds ``agree`` and what is drawn is theirs to decide.
    width, height
        Pixels of each panel.
    columns
        Panels side by side.
    n, steps
        As of `dmfx.classify` and `dmfx.lyapunov`, with their defaults; only for final states.

    Returns
    -------
    hv.DynamicMap or hv.Layout
        An overlay for each panel: the image of the variable, and the image ``point`` of what the mouse tells in HTML.

    Raises
    ------
    TypeError, ValueError
        For wrong arguments and for more than 12 panels.

    Examples
    --------
    >>> from dmfx import plot
    >>> found = xr.Dataset({"kind": (("beta", "gamma"), [[0, 0], [1, 3]])}, {"beta": [1.2, 1.3], "gamma": [200, 220]})
    >>> [element.label for element in plot.phase_diagram(found)[()] if element.label]
    ['fixed', 'periodic', 'chaotic']
    """
    problems = dataset("plot.phase_diagram", ds)
    width, height = pixels(problems, width, height)
    columns = problems.count("columns", columns)
    mark = flag(problems, "mark", mark)
    if not isinstance(variable, str):
        problems.add("variable", "the name of a variable such as 'kind'", variable, is_type=True)
        problems.raise_any()
    if variable not in ds and "final_attention" not in ds:
        held(problems, ds, variable)
    result = analysed(problems, ds, variable, partial(_analyse, variable), {"n": n, "steps": steps})
    values = _first(held(problems, result, variable))
    if values.dtype.kind not in "iufb":
        problems.say(f"variable must be of real numbers, but {variable!r} has dtype {values.dtype}")
        problems.raise_any()
    x = default_axis(values, taken=y) if x is None else x
    y = default_axis(values, taken=x) if y is None else y
    are_dims = [axis(problems, name, dim, values) for name, dim in (("x", x), ("y", y))]
    if all(are_dims) and x == y:
        problems.say(f"x and y must be two dims, not both {x!r}")
    if all(are_dims):
        sweep(problems, values, x, y)
    problems.raise_any()

    told = {name: _first(result[name]) for name in TOLD if name in result}
    told = {name: array for name, array in told.items() if set(array.dims) <= set(values.dims)}
    drawn = xr.Dataset({**told, variable: values}).compute().sortby([x, y])
    scale = scale_of(drawn[variable])
    striped = mark and variable in DECIDED and "agree" in drawn and not bool((drawn["agree"] != 0).all())
    bar = not scale.entries and drawn[variable].dtype.kind == "f"
    draw = partial(
        _panel,
        variable=variable,
        scale=scale,
        bar=bar,
        striped=striped,
        unknown=bar and not bool(np.isfinite(drawn[variable]).all()),
        x=x,
        y=y,
        width=width,
        height=height,
    )
    _style.load()
    return arrange([draw(title, part) for title, part in panels(drawn, x, y)], columns)


def _analyse(variable: str, ds: xr.Dataset, **options: object) -> xr.Dataset:
    return (analysis.lyapunov if variable in OF_LYAPUNOV else analysis.classify)(ds, **options)


def _first(array: xr.DataArray) -> xr.DataArray:
    """The largest exponent, of a variable that is of exponents."""
    return array.isel(exponent=0) if "exponent" in array.dims else array


def _panel(
    title: str,
    ds: xr.Dataset,
    *,
    variable: str,
    scale: Scale,
    bar: bool,
    striped: bool,
    unknown: bool,
    x: str,
    y: str,
    width: int,
    height: int,
) -> Any:
    centres = [ds[dim].values.astype(float) for dim in (x, y)]
    limits = [edges(each) for each in centres]
    x_range, y_range = ((float(each[0]), float(each[-1])) for each in limits)
    arrays = {name: xr.broadcast(array, ds[x], ds[y])[0].transpose(y, x).values for name, array in ds.items()}
    known = not bar or bool(np.isfinite(arrays[variable]).any())
    legend = [*scale.entries, *([("striped: criteria disagree", STRIPED)] if striped else [])]
    if unknown:
        legend.append(("not known", UNKNOWN))
    title = ", ".join(part for part in (_name(ds, variable), title) if part)
    size = _style.frame(width, height, [text for text, _ in legend], title, bar=bar)
    style = partial(
        _style.picture,
        width=width,
        height=height,
        title=title,
        bar=bar,
        xlabel=axis_label(ds, x),
        ylabel=axis_label(ds, y),
        xlim=x_range,
        ylim=y_range,
        **({"bgcolor": UNKNOWN} if bar else {}),
    )

    def draw(x_range: Range, y_range: Range, size: tuple[int, int], grain: int) -> Any:
        import holoviews as hv

        places = [_cell_of_pixels(*each) for each in zip(limits, (x_range, y_range), size, strict=True)]
        seen = {name: _put(array, *places) for name, array in arrays.items()}
        coded = scale.code(seen[variable])
        if striped:
            coded[(seen["agree"] == 0) & _stripes(size, _narrowest(places), grain)] = 0
        elements = []
        if known:
            picture = image(coded, x_range, y_range, variable, [x, y], scale.limits)
            picture = _style.raster(picture, scale.colours, scale.limits, log=scale.log)
            elements.append(_style.colour_bar(picture) if bar else picture)
        elements.append(hover(ds, seen, x_range, y_range, [x, y]))
        return style(hv.Overlay([*elements, *(_style.entry(text, colour, [x, y]) for text, colour in legend)]))

    return refined(draw, x_range, y_range, size)


def _name(ds: xr.Dataset, variable: str) -> str:
    """What is drawn."""
    if variable != "lyapunov":
        return NAMES.get(variable) or axis_label(ds, variable)
    symbol = exponent_symbol_of(ds[variable])
    largest = "largest " if symbol == exponent_symbol(0) else ""
    return largest + axis_label(ds, variable).replace("λ", symbol, 1)


def _cell_of_pixels(limits: np.ndarray, shown: Range, count: int) -> np.ndarray:
    """Number of the cell that the middle of each pixel is in, -1 outside of all."""
    middles = shown[0] + (np.arange(count) + 0.5) * (shown[1] - shown[0]) / count
    places = np.searchsorted(limits, middles, side="right") - 1
    return np.where((places >= 0) & (places < limits.size - 1), places, -1)


def _put(cells: np.ndarray, columns: np.ndarray, rows: np.ndarray) -> np.ndarray:
    """The values of cells (y, x) in pixels, NaN outside."""
    values = cells.astype(float)[np.ix_(rows, columns)]
    values[rows < 0] = np.nan
    values[:, columns < 0] = np.nan
    return values


def _narrowest(places: list[np.ndarray]) -> int:
    """Pixels across the narrowest cell that is seen."""
    return min(int(np.unique(each[each >= 0], return_counts=True)[1].min(initial=10**6)) for each in places)


def _stripes(size: tuple[int, int], narrowest: int, grain: int) -> np.ndarray:
    """Diagonal stripes (y, x), so close that one goes through every cell."""
    apart = int(np.clip(narrowest, 2, STRIPES * grain))
    across = np.add.outer(np.arange(size[1]), np.arange(size[0])) % apart
    return across < max(1, apart // 3)
