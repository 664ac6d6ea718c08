"""How stays near attractors are distributed, in one frame."""

from __future__ import annotations

from typing import Any

import numpy as np
import xarray as xr

from dmfx.dynamics.residence import survival
from dmfx.plot import _style
from dmfx.plot._attractors import attractor_colour
from dmfx.plot._colours import blend
from dmfx.plot._labels import panel_title

__all__ = ["survival_frame"]

#: Fewer stays that ended than this say nothing of their law.
FEWEST = 5
#: Part of white in the colour of the first value of a parameter; that of the last is pure.
PALEST = 0.65
#: Mean residence times that the axis shows, and smallest parts of the stays, as far as there are any.
SHORTEST, LONGEST = 3.0, 8.0
MOST, LEAST = 0.04, 1e-3
GREY, LAW = "#505050", "#202020"
DIMS = "time", "part of the stays"


def survival_frame(ds: xr.Dataset, x: str | None, labels: list[int]) -> tuple[Any, dict[str, object]]:
    """Parts of the stays (x, attractor, stay) that last longer than a time, over the mean residence time.

    The colours are those of the attractors, the paler the smaller ``x``; a dashed line is the exponential law. What is
    drawn, and the style of its frame.
    """
    import holoviews as hv

    values = [None] if x is None else ds[x].values.tolist()
    curves, longest, fewest = [], 1.0, 1.0
    for label in labels:
        for number, _ in enumerate(values):
            part = ds.sel(attractor=label) if x is None else ds.sel(attractor=label).isel({x: number})
            found = _scaled(part)
            if found is None:
                continue
            time, remaining = found
            longest, fewest = max(longest, time[-1]), min(fewest, remaining[remaining > 0].min())
            colour = _shade(attractor_colour(label), number, len(values))
            curves.append(_steps(time, np.where(remaining > 0, remaining, np.nan), colour))
    x_range = 0.0, max(min(1.05 * longest, LONGEST), SHORTEST)
    style = {
        "xlabel": "length of the stay t/τ (mean residence times)",
        "ylabel": "part of the stays that last",
        "xlim": x_range,
        "ylim": (max(min(0.7 * fewest, MOST), LEAST), 1.3),
        "logy": True,
    }
    return hv.Overlay([*curves, _law(x_range[1]), *_shades(ds, x)]), style


def _scaled(part: xr.Dataset) -> tuple[np.ndarray, np.ndarray] | None:
    """Times in units of the mean, and parts; None where too few stays ended."""
    length, ended = part["stay_length"].values, part["stay_ended"].values.astype(bool)
    known = np.isfinite(length)
    mean = float(part["residence_time"])
    if ended[known].sum() < FEWEST or not np.isfinite(mean):
        return None
    time, remaining = survival(length[known], ended[known])
    return time / mean, remaining


def _shade(colour: str, number: int, count: int) -> str:
    return blend(colour, "#ffffff", PALEST * (1 - number / (count - 1))) if count > 1 else colour


def _steps(time: np.ndarray, part: np.ndarray, colour: str) -> Any:
    import holoviews as hv

    curve = hv.Curve((time, part), *DIMS)
    return _style.both(curve, {"line_width": 1.6}, {"linewidth": 1.15}, color=colour, interpolation="steps-post")


def _law(longest: float) -> Any:
    import holoviews as hv

    time = np.linspace(0, longest, 100)
    law = hv.Curve((time, np.exp(-time)), *DIMS, label="exponential law")
    return _style.both(
        law, {"line_width": 1.4, "line_dash": [5, 4]}, {"linewidth": 1.0, "linestyle": (0, (5, 4))}, color=LAW
    )


def _shades(ds: xr.Dataset, x: str | None) -> list[Any]:
    """What the shades mean: the first and the last value of the parameter, in grey."""
    if x is None or ds.sizes[x] < 2:
        return []
    return [
        _style.entry(panel_title(ds.isel({x: number}), [x]), _shade(GREY, number, ds.sizes[x]), list(DIMS))
        for number in (0, ds.sizes[x] - 1)
    ]
