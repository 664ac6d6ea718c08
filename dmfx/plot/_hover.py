"""What the mouse tells of a point of a sweep, in HTML and notebooks."""

from __future__ import annotations

import json
from typing import Any

import numpy as np
import xarray as xr

from dmfx.plot import _style
from dmfx.plot._labels import coordinate_symbol, exponent_symbol_of, flag_names, kind_name
from dmfx.plot._shading import Range

__all__ = ["hover"]

#: What is said of values that are not known, and of whole numbers that are 0 because there is nothing to count.
MISSING = "–"

#: Stands for NaN, of which HoloViews warns where there is nothing else.
UNKNOWN = -1e30

#: How numbers are shown: a name for its value, 0 as missing, everything as it is.
SCRIPT = """
const names = %s, zero_is_missing = %s;
if (value < %g) return "%s";
if (names.length > 0) return names[value] ?? String(value);
if (zero_is_missing && value == 0) return "%s";
return String(Number(value.toPrecision(5)));
"""

NAMES = {
    "kind": "kind",
    "period": "period",
    "frequencies": "frequencies",
    "settled": "settled at step",
    "agree": "criteria",
}


def hover(ds: xr.Dataset, pixels: dict[str, np.ndarray], x_range: Range, y_range: Range, dims: list[str]) -> Any:
    """An image that is not seen, of which the mouse tells the values.

    Parameters
    ----------
    ds
        What the variables are.
    pixels
        Values (y, x) by name, NaN where there is none.
    x_range, y_range, dims
        What the pixels cover, and the dims along x and y.
    """
    import holoviews as hv

    names = list(pixels)
    stack = np.dstack([pixels[name][::-1] for name in names])
    stack = np.where(np.isfinite(stack), stack, UNKNOWN).astype(np.float32)
    bounds = (x_range[0], y_range[0], x_range[1], y_range[1])
    told = hv.Image(stack, kdims=dims, vdims=[f"point {name}" for name in names], bounds=bounds)
    # HoloViews calls the first one "image" towards Bokeh, and says so in what it is told to show.
    tips = [(coordinate_symbol(ds, dim), f"${axis}{{0[.][0000]}}") for dim, axis in zip(dims, "xy", strict=True)]
    sources = ["@image", *(f"@{{point_{name}}}" for name in names[1:])]
    tips += [(_name(ds, name), source + "{custom}") for name, source in zip(names, sources, strict=True)]
    scripts = {source: _script(ds[name]) for name, source in zip(names, sources, strict=True)}

    def format_values(plot: Any, element: Any) -> None:
        """Bokeh's models belong to one document: make new ones for every drawing."""
        from bokeh.models import CustomJSHover

        tool = plot.handles.get("hover")
        if tool is not None:
            tool.tooltips = tips
            tool.formatters = {source: CustomJSHover(code=script) for source, script in scripts.items()}

    bokeh = {"tools": ["hover"], "hover_tooltips": tips, "hooks": [format_values]}
    return _style.both(told, bokeh, {}, alpha=0.0, cmap=["#ffffff", "#ffffff"], clim=(0, 1))


def _name(ds: xr.Dataset, name: str) -> str:
    return exponent_symbol_of(ds[name]) if name == "lyapunov" else NAMES.get(name, name)


def _script(values: xr.DataArray) -> str:
    names = [kind_name(flag) for flag in flag_names(values)]
    if values.name == "agree":
        names = ["disagree", "agree"]
    counted = json.dumps(values.dtype.kind in "iu")
    return SCRIPT % (json.dumps(names), counted, UNKNOWN / 2, MISSING, MISSING)
