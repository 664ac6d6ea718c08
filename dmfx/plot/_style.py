"""How pictures look, once for the two backends: Bokeh on screen and in HTML, Matplotlib in PNG."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np

from dmfx.plot._colours import COLOURS, DARK

__all__ = [
    "MARGINS",
    "colour_bar",
    "curve",
    "dots",
    "entry",
    "frame",
    "legend",
    "load",
    "picture",
    "raster",
    "rows_above",
]

#: Pixels around the frame of a picture: left, right, bottom, top.
MARGINS = (98, 36, 58, 44)

#: Pixels that a colour bar takes with its numbers, its own width, and what is between it and the frame.
BAR, BAR_WIDTH, BAR_GAP = 84, 16, 14
#: Pixels of another row of the legend.
ROW = 24
#: Pixels that Bokeh takes for it, and for the text of an empty title of a legend.
BOKEH_ROW, BLANK = 26, 10
#: Pixels that an entry of the legend takes beside its text, and that a letter takes.
ENTRY, LETTER = 42, 7

SIZES = {"title": 15, "labels": 15, "ticks": 13, "legend": 14}


def load() -> None:
    """Load both backends; the one that is in use stays, and is Bokeh if there was none.

    In a notebook, importing hvplot sends Bokeh's scripts to each cell that draws, so that each can be shown alone.
    """
    import holoviews as hv

    backend = hv.Store.current_backend if hv.Store.loaded_backends() else "bokeh"
    import holoviews.plotting.mpl
    import hvplot.xarray  # noqa: F401

    hv.Store.set_current_backend(backend)


def frame(
    width: int, height: int, labels: Sequence[str] = (), title: str = "", *, bar: bool = False, rows: int = 1
) -> tuple[int, int]:
    """Pixels of the frame inside a picture of some size, with these labels in its legend and maybe a colour bar.

    There is room above it for at least ``rows`` rows.
    """
    left, right, bottom, top = MARGINS
    inner = width - left - right - (BAR if bar else 0)
    return inner, height - bottom - top - ROW * (max(rows, _rows(labels, title, inner)[0]) - 1)


def rows_above(width: int, height: int, labels: Sequence[str], title: str) -> tuple[int, int]:
    """Rows that legend and title take above the frame, and those of the legend."""
    rows, columns = _rows(labels, title, frame(width, height)[0])
    return rows, math.ceil(len(labels) / columns)


def _rows(labels: Sequence[str], title: str, inner: int) -> tuple[int, int]:
    """Rows that legend and title take above a frame, and columns of the legend."""
    if not labels:
        return 1, 1
    widths = [ENTRY + LETTER * len(label) for label in labels]
    beside = sum(widths) + LETTER * (len(title) + 2 * bool(title)) <= inner
    for columns in range(len(labels), 0, -1):
        # Bokeh fills column by column, Matplotlib all columns alike.
        rows = math.ceil(len(labels) / columns)
        filled = [widths[first : first + rows] for first in range(0, len(labels), rows)]
        alike = np.array_split(widths, columns)
        if len(filled) == columns and all(sum(map(max, split)) <= inner for split in (filled, alike)):
            return rows + (bool(title) and not beside), columns
    return len(labels) + bool(title), 1


def both(element: Any, bokeh: dict, matplotlib: dict, **common: object) -> Any:
    """Set the options of an element for the two backends."""
    element = element.opts(**common, **bokeh, backend="bokeh")
    return element.opts(**common, **matplotlib, backend="matplotlib")


def raster(image: Any, colours: list[str], limits: tuple[float, float], *, log: bool = False) -> Any:
    """Style an image; NaN is transparent."""
    return both(image, {}, {"interpolation": "nearest"}, cmap=colours, clim=limits, logz=log)


def dots(points: Any, colour: str = DARK, size: int | None = None) -> Any:
    """Style points that can be seen one by one, larger if they are very few."""
    size = size or (5 if len(points) <= 100 else 3)
    # Matplotlib asks for the area, in square points.
    return both(points, {"size": size, "line_color": None}, {"s": (0.72 * size) ** 2, "linewidth": 0}, color=colour)


def curve(line: Any, number: int) -> Any:
    """Style the curve of some number."""
    return both(line, {"line_width": 1.2}, {"linewidth": 0.9}, color=COLOURS[number % len(COLOURS)])


def entry(label: str, colour: str, dims: list[str]) -> Any:
    """What stands in the legend for a colour: a square that is not in the picture."""
    import holoviews as hv

    outline = "#606060" if colour == "#ffffff" else None
    return both(
        hv.Points([(np.nan, np.nan)], dims, label=label),
        {"marker": "square", "size": 9, "line_color": outline},
        {"marker": "s", "s": 42, "edgecolors": outline or "none", "linewidth": 0.7 if outline else 0},
        color=colour,
    )


def colour_bar(element: Any) -> Any:
    """Put a bar right of the frame that says what the colours of an image mean."""
    bokeh = {
        "colorbar_opts": {
            "width": BAR_WIDTH,
            "margin": BAR_GAP,
            "padding": 0,
            "major_label_text_font_size": f"{SIZES['ticks']}px",
            "major_tick_line_color": "#404040",
            "bar_line_color": "#404040",
        }
    }
    return both(element, bokeh, {}, colorbar=True, clabel="")


def picture(
    overlay: Any,
    width: int,
    height: int,
    title: str = "",
    *,
    bar: bool = False,
    above: tuple[int, int] = (1, 1),
    **common: object,
) -> Any:
    """Style what has a frame of its own: its size, fonts, legend and tools; ``bar`` leaves room for a colour bar.

    Panels whose legends differ get frames of the same size by ``above``, the largest `rows_above` of them.
    The title is the label of the element, as HoloViews mixes up the options of panels drawn on demand.
    """
    labels = legend(overlay)
    inner = frame(width, height, labels, title, bar=bar, rows=above[0])
    rows, columns = _rows(labels, title, inner[0])
    bokeh = {
        "frame_width": inner[0],
        "frame_height": inner[1],
        "fontsize": {name: f"{size}px" for name, size in SIZES.items()},
        "legend_position": "top",
        "legend_offset": (0, 5),
        **({"legend_cols": columns} if rows > 1 else {}),
        "legend_opts": {
            "border_line_color": None,
            "padding": 0,
            "margin": 2,
            "spacing": 18 if rows == 1 else 7,
            "background_fill_alpha": 0,
            # Bokeh puts title and legend over each other where those of the next panel are higher.
            **_blank(above[1] - math.ceil(len(labels) / columns)),
        },
        "backend_opts": {
            "xaxis.axis_label_text_font_style": "normal",
            "yaxis.axis_label_text_font_style": "normal",
            "title.text_font_style": "normal",
            "plot.outline_line_color": "#404040",
            "plot.min_border_left": MARGINS[0],  # frames above each other start at the same place
        },
        "toolbar": "right",
        "active_tools": ["box_zoom"],
        "default_tools": ["pan", "wheel_zoom", "box_zoom", "reset", "save"],
    }
    # The same sizes: Matplotlib's points are 1/72 inch, and a picture has 100 pixels to the inch.
    matplotlib = {
        "fig_inches": (width / 100, height / 100),
        "aspect": inner[0] / inner[1],
        "fontsize": {name: size * 0.72 for name, size in SIZES.items()},
        "legend_opts": {
            "loc": "lower left",
            "bbox_to_anchor": (0, 1),
            "ncols": columns,
            "frameon": False,
            "handlelength": 1.4,
            "handletextpad": 0.4,
            "columnspacing": 1.3,
            "borderaxespad": 0.3,
        },
        "fig_rcparams": {
            "axes.linewidth": 0.7,
            "font.family": "DejaVu Sans",
            # A legend stands above the frame on the left; the title makes room for it, beside or above it.
            "axes.titlelocation": "right" if labels and rows == 1 else "center",
            "axes.titlepad": 6 + 0.72 * ROW * (rows - 1),
            "axes.formatter.limits": (-3, 5),  # longer numbers would push the label out of the picture
        },
        "hooks": [_put_power_aside, _no_ticks_between],
    }
    if labels:
        common["legend_limit"] = len(overlay)  # HoloViews leaves out the legend of more elements than this
    # Without a label of its own an overlay of one element has that element's, which stands in the legend.
    title_text = "{label}" if title else ""
    return both(overlay.relabel(title), bokeh, matplotlib, title=title_text, show_frame=True, **common)


def _blank(rows: int) -> dict[str, object]:
    """Options of Bokeh's legend that leave so many rows above it free: a title without text takes the room."""
    if rows < 1:
        return {}
    return {"title": " ", "title_text_font_size": f"{BLANK}px", "title_standoff": BOKEH_ROW * rows - BLANK}


def _put_power_aside(plot: Any, _element: Any) -> None:
    """Move the power of ten that the vertical axis has in common from where the legend is to the left of the frame."""
    axis = plot.handles.get("axis")
    if axis is not None:
        axis.yaxis.get_offset_text().set_horizontalalignment("right")


def _no_ticks_between(plot: Any, _element: Any) -> None:
    """Leave out the ticks of a logarithmic axis between those that were chosen, whose texts are in the way."""
    from matplotlib.ticker import FixedLocator, NullLocator

    axis = plot.handles.get("axis")
    if axis is not None and isinstance(axis.xaxis.get_major_locator(), FixedLocator):
        axis.xaxis.set_minor_locator(NullLocator())


def legend(overlay: Any) -> list[str]:
    """Labels in the legend of an overlay."""
    import holoviews as hv

    return [element.label for element in overlay if element.label] if isinstance(overlay, hv.Overlay) else []
