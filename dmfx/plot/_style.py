"""How pictures look, once for the two backends: Bokeh on screen and in HTML, Matplotlib in PNG."""

from __future__ import annotations

from typing import Any

__all__ = [
    "COLOURS",
    "DARK",
    "MARGINS",
    "PERIODIC",
    "SHADES",
    "VISITED",
    "curve",
    "dots",
    "frame",
    "key",
    "load",
    "picture",
    "raster",
]

#: Pixels around the frame of a picture: left, right, bottom, top.
MARGINS = (98, 36, 58, 44)

DARK = "#08205c"
PERIODIC = "#e65100"
#: All values of an orbit, faint, under the points on a plane.
VISITED = ["#e3e9f1", "#cfdae8", "#bacbdf", "#a5bcd6", "#90adcd"]
#: All values of an orbit where nothing is drawn over them.
SHADES = ["#a9c4e2", "#7fa6d3", "#5687c1", "#3268a8", "#1a4a86", DARK]
#: Of patterns; told apart with any colour vision (Okabe and Ito).
COLOURS = ["#0072b2", "#d55e00", "#009e73", "#cc79a7", "#e69f00", "#56b4e9", "#000000"]

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


def frame(width: int, height: int) -> tuple[int, int]:
    """Pixels of the frame inside a picture of some size."""
    left, right, bottom, top = MARGINS
    return width - left - right, height - bottom - top


def both(element: Any, bokeh: dict, matplotlib: dict, **common: object) -> Any:
    """Set the options of an element for the two backends."""
    element = element.opts(**common, **bokeh, backend="bokeh")
    return element.opts(**common, **matplotlib, backend="matplotlib")


def raster(image: Any, colours: list[str], limits: tuple[float, float], *, log: bool = False) -> Any:
    """Style an image; NaN is transparent."""
    return both(image, {}, {"interpolation": "nearest"}, cmap=colours, clim=limits, logz=log)


def dots(points: Any) -> Any:
    """Style points that can be seen one by one, larger if they are very few."""
    size = 5 if len(points) <= 100 else 3
    # Matplotlib asks for the area, in square points.
    return both(points, {"size": size, "line_color": None}, {"s": (0.72 * size) ** 2, "linewidth": 0}, color=DARK)


def curve(line: Any, number: int) -> Any:
    """Style the curve of some number."""
    return both(line, {"line_width": 1.2}, {"linewidth": 0.9}, color=COLOURS[number % len(COLOURS)])


def key(points: Any, colour: str) -> Any:
    """Style what stands in the legend for a colour of an image."""
    return both(
        points,
        {"marker": "square", "size": 9, "line_color": None},
        {"marker": "s", "s": 42, "linewidth": 0},
        color=colour,
    )


def _has_legend(overlay: Any) -> bool:
    """Whether more than one of its elements has a label."""
    import holoviews as hv

    return isinstance(overlay, hv.Overlay) and sum(bool(element.label) for element in overlay) > 1


def picture(overlay: Any, width: int, height: int, title: str = "", **common: object) -> Any:
    """Style what has a frame of its own: its size, fonts, legend and tools.

    The title is the label of the element, as HoloViews mixes up the options of panels drawn on demand.
    """
    inner = frame(width, height)
    bokeh = {
        "frame_width": inner[0],
        "frame_height": inner[1],
        "fontsize": {name: f"{size}px" for name, size in SIZES.items()},
        "legend_position": "top",
        "legend_opts": {
            "border_line_color": None,
            "padding": 0,
            "margin": 2,
            "spacing": 18,
            "background_fill_alpha": 0,
        },
        "backend_opts": {
            "xaxis.axis_label_text_font_style": "normal",
            "yaxis.axis_label_text_font_style": "normal",
            "title.text_font_style": "normal",
            "plot.outline_line_color": "#404040",
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
            "ncols": 4,
            "frameon": False,
            "handletextpad": 0.3,
            "columnspacing": 1.6,
            "borderaxespad": 0.3,
        },
        "fig_rcparams": {
            "axes.linewidth": 0.7,
            "font.family": "DejaVu Sans",
            # A legend stands above the frame on the left; the title then makes room for it.
            "axes.titlelocation": "right" if _has_legend(overlay) else "center",
        },
    }
    return both(overlay.relabel(title), bokeh, matplotlib, title="{label}", show_frame=True, **common)
