"""Pictures in files: HTML that needs no network, and PNG for print."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from dmfx.plot import _style
from dmfx.plot._inputs import flag
from dmfx.validation import Problems

__all__ = ["check_target", "save"]

#: Pixels of a PNG for each pixel of the picture.
SCALE = 2

#: Panel's page has its icons on the web.
ICONS = re.compile(r'<link rel="(apple-touch-icon|icon)"[^>]*>')

#: Matplotlib figures have so many of the picture's pixels to the inch.
PER_INCH = 100


def check_target(path: str | Path, overwrite: bool, problems: Problems | None = None) -> Path:
    """The path to draw to, refused with what to do unless a picture may be put there.

    Parameters
    ----------
    path, overwrite
        As in `save`.
    problems
        What else is wrong with the call, raised together.
    """
    problems = problems or Problems("plot.save")
    if not isinstance(path, (str, Path)):
        problems.add("path", "a path", path, is_type=True)
        problems.raise_any()
    flag(problems, "overwrite", overwrite)
    path = Path(path)
    if path.suffix.lower() not in (".html", ".png"):
        problems.say(f"path must end in .html or .png, not in {path.suffix!r}")
    problems.raise_any()
    if not path.parent.is_dir():
        raise FileNotFoundError(f"plot.save: there is no folder {path.parent}: create it first")
    if path.exists() and not overwrite:
        raise FileExistsError(f"plot.save: {path} exists; overwrite=True replaces it")
    return path


def save(picture: Any, path: str | Path, *, overwrite: bool = False) -> Path:
    """Keep a picture: ``.html`` can be zoomed and opens without a network, ``.png`` is for print.

    HTML is drawn by Bokeh and PNG by Matplotlib, as HoloViews' backends: style a picture for both, such as with
    ``picture.opts(xlim=(1.2, 1.3), backend="bokeh").opts(xlim=(1.2, 1.3), backend="matplotlib")``.

    Parameters
    ----------
    picture
        What a function of `dmfx.plot` returned, or another HoloViews object.
    path
        Where to; the suffix says what.
    overwrite
        Replace a file that is there.

    Returns
    -------
    Path
        The path. A PNG has twice the pixels of the picture, 1800 for the width of 900.

    Raises
    ------
    FileExistsError
        If there is a file and ``overwrite`` is False.
    ValueError, TypeError
        For another suffix, and for what is no picture.

    Examples
    --------
    >>> import tempfile
    >>> from dmfx import plot
    >>> ds = dmfx.simulate(dmfx.SelfAttention.paper(), beta=1.27, gamma=220.0, steps=64)
    >>> plot.save(plot.trajectory(ds), Path(tempfile.mkdtemp()) / "trajectory.png").name
    'trajectory.png'
    """
    problems = Problems("plot.save")
    _style.load()
    import holoviews as hv

    if not isinstance(picture, hv.core.Dimensioned):
        problems.add("picture", "a HoloViews object such as dmfx.plot makes", picture, is_type=True)
    path = check_target(path, overwrite, problems)
    if path.suffix.lower() == ".png":
        _save_png(picture, path)
    else:
        _save_html(picture, path)
    return path


def _save_html(picture: Any, path: Path) -> None:
    import hvplot

    hvplot.save(_still(picture, 1), path, backend="bokeh", resources="inline", title="dmfx")
    text = path.read_text(encoding="utf-8")
    path.write_text(ICONS.sub("", text), encoding="utf-8")


def _save_png(picture: Any, path: Path) -> None:
    import holoviews as hv
    import matplotlib

    still = _still(picture, SCALE)
    with matplotlib.rc_context({"font.family": "DejaVu Sans"}):
        no_letters = {"sublabel_format": ""} if isinstance(still, hv.Layout) else {}
        figure = hv.renderer("matplotlib").get_plot(still, **no_letters).state
        panels = _panels(still)
        if len(panels) == len(_frames(figure)) and None not in panels:
            _place(figure, panels, getattr(still, "_max_cols", 1))
        figure.savefig(path, dpi=SCALE * PER_INCH)
    matplotlib.pyplot.close(figure)


def _still(picture: Any, scale: int) -> Any:
    """The whole picture, drawn once at a multiple of its pixels, however far it is zoomed on the screen."""
    import holoviews as hv
    from holoviews.core.spaces import get_nested_streams

    def draw(part: Any) -> Any:
        streams = get_nested_streams(part)
        before = [stream.contents for stream in streams]
        for stream in streams:
            if isinstance(stream, hv.streams.PlotSize):
                stream.update(width=scale * stream.width, height=scale * stream.height)
            elif isinstance(stream, hv.streams.RangeXY):
                stream.update(x_range=None, y_range=None)
        drawn = part[()]
        for stream, contents in zip(streams, before, strict=True):
            stream.update(**contents)
        return drawn

    if isinstance(picture, hv.DynamicMap):
        return draw(picture)
    return picture.map(draw, [hv.DynamicMap])


@dataclass(frozen=True)
class _Panel:
    """Pixels of a panel and of the frame inside it: (width, height)."""

    size: tuple[float, float]
    frame: tuple[int, int]


def _panels(still: Any) -> list[_Panel | None]:
    """What is known of the size of each panel."""
    import holoviews as hv

    panels = []
    for part in still if isinstance(still, hv.Layout) else [still]:
        if isinstance(part, hv.Empty):
            panels.append(_Panel((0.0, 0.0), (1, 1)))
            continue
        bokeh, matplotlib = (part.opts.get("plot", backend=name).kwargs for name in ("bokeh", "matplotlib"))
        frame = bokeh.get("frame_width"), bokeh.get("frame_height")
        inches = matplotlib.get("fig_inches")
        known = None not in frame and isinstance(inches, tuple)
        panels.append(_Panel((inches[0] * PER_INCH, inches[1] * PER_INCH), frame) if known else None)
    return panels


def _place(figure: Any, panels: list[_Panel], columns: int) -> None:
    """Give every frame exactly its pixels, so that none of an image is lost or doubled, and room for labels.

    Matplotlib's own layouts fit the frames to the labels.
    """
    columns = min(columns, len(panels))
    places = [divmod(number, columns) for number in range(len(panels))]
    widths, heights = [0.0] * columns, [0.0] * (places[-1][0] + 1)
    for panel, (row, column) in zip(panels, places, strict=True):
        widths[column] = max(widths[column], panel.size[0])
        heights[row] = max(heights[row], panel.size[1])
    whole = sum(widths), sum(heights)
    left, _, bottom, _ = _style.MARGINS
    bars = _colour_bars(figure)
    figure.set_layout_engine("none")
    figure.set_size_inches(whole[0] / PER_INCH, whole[1] / PER_INCH)

    def put(axes: Any, corner: tuple[float, float], size: tuple[float, float]) -> None:
        axes.set_position([corner[0] / whole[0], corner[1] / whole[1], size[0] / whole[0], size[1] / whole[1]])

    for axes, panel, (row, column) in zip(_frames(figure), panels, places, strict=True):
        corner = sum(widths[:column]) + left, sum(heights[row + 1 :]) + bottom
        axes.set_aspect("auto")
        put(axes, corner, panel.frame)
        if axes in bars:
            put(
                bars[axes], (corner[0] + panel.frame[0] + _style.BAR_GAP, corner[1]), (_style.BAR_WIDTH, panel.frame[1])
            )


def _colour_bars(figure: Any) -> dict[Any, Any]:
    """Axes of the colour bars by the axes that they belong to."""
    bars = {}
    for axes in figure.axes:
        for drawn in (*axes.images, *axes.collections):
            if getattr(drawn, "colorbar", None) is not None:
                bars[axes] = drawn.colorbar.ax
    return bars


def _frames(figure: Any) -> list[Any]:
    """Axes of the panels, in order."""
    bars = set(_colour_bars(figure).values())
    return [axes for axes in figure.axes if axes not in bars]
