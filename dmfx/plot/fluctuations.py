"""Picture of how the fluctuations of finite networks fall with their size."""

from __future__ import annotations

from typing import Any

import numpy as np
import xarray as xr

from dmfx import analysis
from dmfx.analysis._labelled import pick_patterns
from dmfx.plot._colours import COLOURS
from dmfx.plot._inputs import analysed, dataset, has_dims, panels, pixels, sweep
from dmfx.plot._labels import overlap_symbol
from dmfx.plot._scaling import Line, Panel, Series, finite_sizes, scaling

__all__ = ["fluctuations"]


def fluctuations(
    ds: xr.Dataset,
    *,
    pattern: int | None = None,
    width: int = 620,
    height: int = 440,
    columns: int = 2,
    variable: str | None = None,
    min_size: float | None = None,
    max_size: float | None = None,
) -> Any:
    """Draw the standard deviation between replicas over the number of spins, with the fitted power law.

    Bars are one standard error up and down. Solid lines are the fits, over the sizes that they take; the legend has
    their exponents, with the standard error of the last digits in parentheses. A dotted line has the slope -1/2.

    Parameters
    ----------
    ds
        Trajectories, for which `dmfx.fluctuations` is computed first, or what that returned.
    pattern
        One pattern; by default all of them, told apart by colour.
    width, height
        Pixels of each panel.
    columns
        Panels side by side, one for each point of the sweep.
    variable, min_size, max_size
        As of `dmfx.fluctuations`, with its defaults; only for trajectories.

    Returns
    -------
    hv.Overlay or hv.Layout
        A `hv.Scatter` with `hv.ErrorBars` for each pattern in each panel, and a `hv.Curve` where there is a fit.

    Raises
    ------
    TypeError, ValueError
        For wrong arguments and for more than 12 panels.

    Examples
    --------
    >>> from dmfx import plot
    >>> found = xr.Dataset({"fluctuation": (("size", "pattern"), [[0.1], [0.01]])}, {"size": [1e2, 1e4]})
    >>> found = found.assign(fluctuation_exponent=("pattern", [-0.5]), fluctuation_amplitude=("pattern", [1.0]))
    >>> [element.label for element in plot.fluctuations(found) if element.label]
    ['slope -1/2', 'exponent -0.5']
    """
    problems = dataset("plot.fluctuations", ds)
    width, height = pixels(problems, width, height)
    columns = problems.count("columns", columns)
    options = {"variable": variable, "min_size": min_size, "max_size": max_size}
    result = analysed(problems, ds, "fluctuation", analysis.fluctuations, options)
    has_dims(problems, result["fluctuation"], "size", "pattern")
    result = result if "pattern" in result.coords else result.assign_coords(pattern=np.arange(result.sizes["pattern"]))
    picked = pick_patterns(problems, result["fluctuation"], pattern)
    sweep(problems, result["fluctuation"], "size", "pattern")
    problems.raise_any()

    names = ["fluctuation", "fluctuation_error"]
    names += ["fluctuation_exponent", "fluctuation_exponent_error", "fluctuation_amplitude"]
    drawn = result[[name for name in names if name in result]].isel(size=finite_sizes(problems, result["fluctuation"]))
    drawn = drawn.compute()
    labels = picked["pattern"].values.tolist()
    parts = [Panel(title, *_drawn(part, labels)) for title, part in panels(drawn, "size", "pattern")]
    return scaling(problems, result, "fluctuation", parts, width, height, columns)


def _drawn(part: xr.Dataset, labels: list) -> tuple[list[Series], list[Line]]:
    """The points of one panel, and their fits."""
    sizes = part["size"].values.astype(float)
    places = part["pattern"].values.tolist()
    variable = part["fluctuation"].attrs.get("variable", "m_o_semantic")
    series, fits = [], []
    for label in labels:
        here = part.sel(pattern=label)
        colour = COLOURS[places.index(label) % len(COLOURS)]
        value = here["fluctuation"].values
        error = here["fluctuation_error"].values if "fluctuation_error" in here else np.full_like(value, np.nan)
        texts = [overlap_symbol(part, variable, label)] if len(labels) > 1 else []
        fit = _fit(here, sizes, colour)
        if fit is not None:
            fits.append(fit)
            texts.append(f"exponent {_exponent(here)}")
        series.append(Series(": ".join(texts), colour, sizes, value, value - error, value + error, False))
    return series, fits


def _fit(here: xr.Dataset, sizes: np.ndarray, colour: str) -> Line | None:
    """The fitted line over the sizes that it was fitted to, or None."""
    if not {"fluctuation_exponent", "fluctuation_amplitude"} <= set(here.data_vars):
        return None
    exponent, amplitude = float(here["fluctuation_exponent"]), float(here["fluctuation_amplitude"])
    attrs = here["fluctuation_exponent"].attrs
    taken = sizes[(sizes >= attrs.get("min_size", 0.0)) & (sizes <= attrs.get("max_size", np.inf))]
    if not (np.isfinite(exponent) and taken.size):
        return None
    ends = float(taken.min()), float(taken.max())
    return Line("", colour, ends, tuple(amplitude * end**exponent for end in ends), "solid")


def _exponent(here: xr.Dataset) -> str:
    """An exponent with its error as in -0.498(12)."""
    exponent = float(here["fluctuation_exponent"])
    error = float(here["fluctuation_exponent_error"]) if "fluctuation_exponent_error" in here else np.nan
    if not error > 0:
        return f"{exponent:.3g}"
    digits = max(0, 1 - int(np.floor(np.log10(error))))  # two digits of the error
    last = round(error * 10**digits)
    return f"{exponent:.{digits}f}({last})" if error < 1 else f"{exponent:.1f} ± {error:.1f}"
