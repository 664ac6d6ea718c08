"""Picture of the images that runs go through."""

from __future__ import annotations

import textwrap
from collections.abc import Sequence
from typing import Any

import numpy as np
import xarray as xr

from dmfx.plot import _style
from dmfx.plot._colours import sequence
from dmfx.plot._inputs import dataset
from dmfx.plot._labels import panel_title
from dmfx.tokens.sphere import check_tokens
from dmfx.validation import Problems

__all__ = ["images"]

#: Overlaps that are written over the images, the first of these that there is.
VARIABLES = ("hidden_overlap", "target_overlap")
#: Images along each side; more columns than the second are not chosen by default.
MOST, FEW = 24, 8
#: Pixels over an image for its number, between images, and of letters there.
ABOVE, BETWEEN, LETTERS = 20, 8, 12
#: As many letters have room left of the images.
LETTERS_LEFT = 14
#: Pixels of an image are drawn as squares of pixels that are at most about so large on the screen.
GRAIN = 2


def images(
    ds: xr.Dataset,
    encoder: Any,
    *,
    steps: Sequence[int] | None = None,
    clean: object = None,
    variable: str | None = None,
    size: int = 84,
) -> Any:
    """Draw what runs look like as images: a row for each run, a column for each step, its overlap over each.

    Parameters
    ----------
    ds
        Runs with ``tokens`` (..., step, token, component), from a task or from `dmfx.simulate` with the variable
        tokens; or with ``final_tokens`` alone, which gives one column. At most 24 rows can be drawn: select some with
        ``ds.sel`` or ``ds.isel``. Only what is drawn is computed.
    encoder
        What made the tokens, with a method ``decode``: a `dmfx.tokens.Patches`.
    steps
        Labels of the steps to draw, at most 24. By default all if they are at most 8, otherwise 8 of them: the first,
        the last, and others that get sparser.
    clean
        Examples for a first column, unit vectors (n, N, d) by the label of ``initial``, or (N, d) for all rows.
    variable
        Which variable (..., step) is written over each image. By default ``"hidden_overlap"``, else
        ``"target_overlap"``, else none.
    size
        Pixels of the width of an image.

    Returns
    -------
    hv.Overlay
        One `hv.Image`, or `hv.RGB` for colours, with `hv.Labels`.

    Raises
    ------
    TypeError, ValueError
        For wrong arguments and for too many images.

    Notes
    -----
    Pixels beyond the range of the encoder are cut: tokens of a running network need not be those of any image. Grey
    is from black for the lowest pixel to white for the highest. Runs that are not finite leave their place empty.
    A token near -ξ looks as dark as one of no pixels, and not like the negative of the image; its overlap tells.

    Examples
    --------
    >>> from dmfx import plot
    >>> patches = dmfx.tokens.Patches((8, 8), patch=2)
    >>> tokens = patches.encode(np.random.default_rng(0).random((3, 8, 8)))
    >>> net = dmfx.VectorAttention(dmfx.couplings.hebbian(tokens), tokens)
    >>> ds = dmfx.denoising(net, tokens, beta=1.0, gamma=0.0, steps=3, variables=["target_overlap", "tokens"])
    >>> [type(element).__name__ for element in plot.images(ds, patches, clean=tokens)]
    ['Image', 'Labels']
    """
    problems = dataset("plot.images", ds)
    if not callable(getattr(encoder, "decode", None)):
        problems.add("encoder", "an encoder with a method decode, such as a dmfx.tokens.Patches", encoder, is_type=True)
    size = problems.count("size", size, minimum=16)
    runs, places = _runs(problems, ds, steps)
    values = _values(problems, ds, variable)
    if runs is None or problems.messages:
        problems.raise_any()
    rows = [dim for dim in runs.dims if dim not in ("step", "token", "component")]
    varying = [dim for dim in rows if runs.sizes[dim] > 1]
    n_rows = int(np.prod([runs.sizes[dim] for dim in rows]))
    if not 1 <= n_rows <= MOST:
        sizes = ", ".join(f"{dim} ({runs.sizes[dim]})" for dim in varying or rows)
        problems.say(f"ds has {n_rows} runs, and from 1 to {MOST} can be drawn: select some along {sizes}")
    if missing := [dim for dim in varying if dim not in runs.coords]:
        problems.say(f"ds must have coordinates along {', '.join(missing)}")
    first = _clean(problems, clean, runs)
    problems.raise_any()

    runs = runs.isel(step=places).transpose(*rows, "step", "token", "component").compute()
    points = [runs.isel(dict(zip(rows, index, strict=True))) for index in np.ndindex(*(runs.sizes[d] for d in rows))]
    grid = np.stack([point.values for point in points])
    columns = [str(label) for label in runs["step"].values.tolist()]
    texts = _texts(values, rows, places, grid.shape[:2])
    if first is not None:
        shown = first[[_place(point, len(first)) for point in points]]
        grid = np.concatenate([shown[:, None], grid], axis=1)
        columns, texts = ["clean", *columns], np.concatenate([np.full((len(grid), 1), "", object), texts], axis=1)
    titles = [panel_title(point, varying) for point in points]
    _style.load()
    return _table(encoder, grid, columns, titles, texts, size, "step" if "tokens" in ds else "")


def _runs(problems: Problems, ds: xr.Dataset, steps: object) -> tuple[xr.DataArray | None, np.ndarray]:
    """Configurations with the dim step, and places of the steps to draw."""
    inner = {"token", "component"}
    if "tokens" in ds and {"step", *inner} <= set(ds["tokens"].dims):
        runs = ds["tokens"]
        runs = runs if "step" in runs.coords else runs.assign_coords(step=np.arange(runs.sizes["step"]))
    elif "final_tokens" in ds and inner <= set(ds["final_tokens"].dims):
        if steps is not None:
            problems.say("steps goes with the variable tokens, which ds does not have")
        return ds["final_tokens"].expand_dims(step=["end"]), np.zeros(1, dtype=int)
    else:
        problems.say("ds must have tokens (..., step, token, component) or final_tokens: ask for the variable tokens")
        return None, np.zeros(1, dtype=int)
    labels = runs["step"].values.tolist()
    if steps is None:
        return runs, _sparser(len(labels))
    wanted = [steps] if np.ndim(steps) == 0 else list(steps)
    if lost := [label for label in wanted if isinstance(label, (bool, str)) or label not in labels]:
        problems.add("steps", f"labels of step ({labels[0]} to {labels[-1]})", lost[0])
    elif not 1 <= len(wanted) <= MOST:
        problems.say(f"steps must be from 1 to {MOST} labels, not {len(wanted)}")
    else:
        return runs, np.array([labels.index(label) for label in wanted])
    return runs, np.zeros(1, dtype=int)


def _sparser(count: int) -> np.ndarray:
    """All places of a few, else the first, the last, and between them such that each is further from the next."""
    if count <= FEW:
        return np.arange(count)
    powers = np.round((count - 1) ** np.linspace(0, 1, FEW - 1)).astype(int)
    for place in range(1, powers.size):  # no place twice
        powers[place] = max(powers[place], powers[place - 1] + 1)
    return np.r_[0, np.minimum(powers, count - 1)]


def _values(problems: Problems, ds: xr.Dataset, variable: object) -> xr.DataArray | None:
    """The overlaps to write, None for none."""
    if variable is None:
        variable = next((name for name in VARIABLES if name in ds), None)
        return None if variable is None else ds[variable]
    has = isinstance(variable, str) and variable in ds and {"step"} == set(ds[variable].dims) & {"step", "pattern"}
    if not has:
        known = [name for name, array in ds.data_vars.items() if "step" in array.dims and array.dtype.kind == "f"]
        known = [name for name in known if not {"pattern", "token"} & set(ds[name].dims)]
        problems.add("variable", "one of " + (", ".join(map(repr, known)) or "none that ds has"), variable)
        return None
    return ds[variable]


def _texts(values: xr.DataArray | None, rows: list[str], places: np.ndarray, shape: tuple[int, int]) -> np.ndarray:
    """What stands over each image (row, column)."""
    texts = np.full(shape, "", object)
    if values is None or not set(values.dims) - {"step"} <= set(rows):
        return texts
    chosen = values.isel(step=places if values.sizes["step"] > places.max() and shape[1] > 1 else [-1])
    chosen = chosen.transpose(*(dim for dim in rows if dim in values.dims), "step").values.reshape(shape)
    for index, value in np.ndenumerate(chosen):
        texts[index] = f"{value:.2f}".replace("-", "\u2212") if np.isfinite(value) else "–"
    return texts


def _clean(problems: Problems, clean: object, runs: xr.DataArray) -> np.ndarray | None:
    if clean is None:
        return None
    tokens = check_tokens(problems, "clean", clean, runs.sizes["token"], runs.sizes["component"])
    if tokens is not None and len(tokens) > 1:
        labels = np.atleast_1d(runs["initial"].values) if "initial" in runs.coords else np.zeros(1, dtype=int)
        if labels.dtype.kind not in "iu" or labels.max() >= len(tokens):
            problems.say(f"clean must have an example for each label of initial, to {labels.max()}, not {len(tokens)}")
            return None
    return tokens


def _place(point: xr.DataArray, count: int) -> int:
    return int(point["initial"]) if count > 1 and "initial" in point.coords else 0


def _table(
    encoder: Any, grid: np.ndarray, columns: list[str], titles: list[str], texts: np.ndarray, size: int, xlabel: str
) -> Any:
    """Images (row, column, token, component) side by side in one picture."""
    import holoviews as hv

    decoded = np.asarray(encoder.decode(grid), dtype=float)
    n_rows, n_columns, height, width = decoded.shape[:4]
    low, high = getattr(encoder, "pixel_range", None) or (np.nanmin(decoded), np.nanmax(decoded))
    decoded = np.clip((decoded - low) / ((high - low) or 1.0), 0.0, 1.0)
    repeats = max(round(size / width / GRAIN), 1)
    decoded = decoded.repeat(repeats, axis=2).repeat(repeats, axis=3)
    height, width = height * repeats, width * repeats
    scale = width / size  # of pixels of the images, for those of the screen
    above, between = (max(round(pixels * scale / 2), 1) * 2 for pixels in (ABOVE, BETWEEN))
    full = n_rows * (height + above), n_columns * (width + between)
    canvas = np.full((*full, *decoded.shape[4:]), np.nan)
    labels = []
    for i, j in np.ndindex(n_rows, n_columns):
        top, left = i * (height + above) + above, j * (width + between) + between // 2
        canvas[top : top + height, left : left + width] = decoded[i, j]
        labels.append((left + width / 2, full[0] - top + 3 * scale, texts[i, j]))
    bounds, dims = (0, 0, full[1], full[0]), ["across", "up"]
    if canvas.ndim == 3:
        opaque = np.isfinite(canvas).all(axis=-1)
        picture = hv.RGB(np.dstack([np.nan_to_num(canvas), opaque.astype(float)]), kdims=dims, bounds=bounds)
        picture = _style.both(picture, {}, {"interpolation": "nearest"})
    else:
        picture = hv.Image(canvas, kdims=dims, vdims=[hv.Dimension("pixel", range=(0.0, 1.0))], bounds=bounds)
        picture = _style.raster(picture, sequence(256, ["#000000", "#ffffff"]), (0.0, 1.0))
    written = _style.both(
        hv.Labels([each for each in labels if each[2]], dims, "overlap"),
        {"text_font_size": f"{LETTERS}px", "text_baseline": "bottom", "text_color": "#303030"},
        {"size": 0.72 * LETTERS, "verticalalignment": "bottom", "color": "#303030"},
    )
    ticks = [(j * (width + between) + between // 2 + width / 2, name) for j, name in enumerate(columns)]
    middles = [full[0] - i * (height + above) - above - height / 2 for i in range(n_rows)]
    left, right, bottom, top = _style.MARGINS
    framed = _style.picture(
        hv.Overlay([picture, written]),
        round(full[1] / scale) + left + right,
        round(full[0] / scale) + bottom + top,
        xlabel=xlabel,
        ylabel="",
        xlim=(0, full[1]),
        ylim=(0, full[0]),
        xticks=ticks,
        yticks=list(zip(middles, map(_folded, titles), strict=True)),
    )
    return _style.both(framed, {"hooks": [_no_lines]}, {"hooks": [_no_lines]}, show_frame=False)


def _folded(title: str) -> str:
    """A title in lines that fit left of the images."""
    lines = title.replace(", ", ",\n").split("\n")
    return "\n".join("\n".join(textwrap.wrap(line, LETTERS_LEFT)) for line in lines)


def _no_lines(plot: Any, _element: Any) -> None:
    """Leave the axes' names of rows and columns, and nothing else of them."""
    axes = plot.handles.get("axis")
    if axes is None:  # Bokeh
        for axis in (plot.handles["xaxis"], plot.handles["yaxis"]):
            axis.update(axis_line_color=None, major_tick_line_color=None, minor_tick_line_color=None)
    else:
        axes.spines[:].set_visible(False)
        axes.tick_params(length=0)
