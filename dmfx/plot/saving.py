"""Pictures in files: HTML that needs no network, and PNG for print."""

from __future__ import annotations

import math
import re
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
        sizes = _frames(still)
        if len(sizes) == len(figure.axes) and None not in sizes:
            _place(figure, sizes, getattr(still, "_max_cols", 1))
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


def _frames(still: Any) -> list[tuple[int, int] | None]:
    """Pixels of the frame of each panel."""
    import holoviews as hv

    sizes = []
    for part in still if isinstance(still, hv.Layout) else [still]:
        options = part.opts.get("plot", backend="bokeh").kwargs
        size = options.get("frame_width"), options.get("frame_height")
        sizes.append(None if None in size else size)
    return sizes


def _place(figure: Any, sizes: list[tuple[int, int]], columns: int) -> None:
    """Give every frame exactly its pixels, so that none of an image is lost or doubled, and room for labels.

    Matplotlib's own layouts fit the frames to the labels.
    """
    left, right, bottom, top = _style.MARGINS
    columns = min(columns, len(sizes))
    width = max(size[0] for size in sizes) + left + right
    height = max(size[1] for size in sizes) + bottom + top
    rows = math.ceil(len(sizes) / columns)
    figure.set_layout_engine("none")
    figure.set_size_inches(columns * width / PER_INCH, rows * height / PER_INCH)
    for number, (axes, size) in enumerate(zip(figure.axes, sizes, strict=True)):
        row, column = divmod(number, columns)
        corner = column * width + left, (rows - row) * height - top - size[1]
        axes.set_aspect("auto")
        axes.set_position(
            [
                corner[0] / (columns * width),
                corner[1] / (rows * height),
                size[0] / (columns * width),
                size[1] / (rows * height),
            ]
        )
