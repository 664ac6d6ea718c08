"""Picture of how well patterns are recalled over their overlap with the others."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import xarray as xr

from dmfx import analysis
from dmfx.plot import _style
from dmfx.plot._colours import DARK, PERIODIC, blend
from dmfx.plot._inputs import analysed, dataset, has_dims, panels, pixels, sweep
from dmfx.plot._labels import fold
from dmfx.plot._layout import arrange
from dmfx.plot._shading import around

__all__ = ["interference"]

#: Names of the axes.
SIMILARITIES = {
    "largest": "largest overlap with another pattern",
    "mean": "mean overlap with the other patterns",
    "given": "similarity of the pattern to the others",
}
MEASURES = {
    "final": "final overlap with the pattern",
    "peak": "largest overlap with the pattern in time",
    "lifetime": "lifetime of the memory (steps)",
    "fraction": "fraction of trials that recall it",
}


def interference(
    ds: xr.Dataset,
    *,
    similarity: str | None = None,
    measure: str = "final",
    width: int = 620,
    height: int = 440,
    columns: int = 2,
    threshold: float | None = None,
    correlation: np.ndarray | xr.DataArray | None = None,
    variable: str | None = None,
    pool: str | Sequence[str] | None = None,
    bins: int | None = None,
    window: int | None = None,
) -> Any:
    """Draw how well each pattern is recalled over its overlap with the others.

    A dot is a pattern. The line joins the means over bins of patterns, with their standard errors. The legend has the
    rank correlation ρ of all dots, with its 95 % interval.

    Parameters
    ----------
    ds
        What `dmfx.interference` returned, or runs, for which it is computed first.
    similarity
        ``"largest"`` overlap with another pattern, ``"mean"`` of those with all others, or ``"given"``; by default the
        first that there is.
    measure
        ``"final"`` overlap with the pattern, ``"peak"``, ``"lifetime"``, or ``"fraction"`` of trials that recall it.
    width, height
        Pixels of each panel.
    columns
        Panels side by side, one for each point of the sweep.
    threshold, correlation, variable, pool, bins, window
        As of `dmfx.interference`, with its defaults; only for runs.

    Returns
    -------
    hv.Overlay or hv.Layout
        In each panel an `hv.Scatter`, and an `hv.Curve` with `hv.ErrorBars` for the bins. In HTML the mouse tells
        patterns.

    Raises
    ------
    TypeError, ValueError
        For wrong arguments and for more than 12 panels.

    Examples
    --------
    >>> from dmfx import plot
    >>> final = np.array([0.9, 0.7, 0.4, 0.5, 0.1])[:, None]
    >>> ds = xr.Dataset({"target_overlap": (("initial", "step"), final)})
    >>> picture = plot.interference(ds, correlation=np.array([0.1, 0.2, 0.3, 0.4, 0.5]), bins=2)
    >>> [element.label for element in picture if element.label]
    ['ρ = -0.90 (-1.00 to 0.17)', 'means of bins']
    """
    problems = dataset("plot.interference", ds)
    width, height = pixels(problems, width, height)
    columns = problems.count("columns", columns)
    measure = problems.choice("measure", measure, MEASURES)
    options = {
        "threshold": threshold,
        "correlation": correlation,
        "variable": variable,
        "pool": pool,
        "bins": bins,
        "window": window,
    }
    result = analysed(problems, ds, "recall_measure", lambda ds, **given: analysis.interference(ds, **given), options)
    has_dims(problems, result["recall_measure"], "measure", "pattern")
    there = result["similarity"].values.tolist()
    similarity = there[0] if similarity is None else problems.choice("similarity", similarity, there)
    own = ("measure", "pattern", "similarity", "bin")
    sweep(problems, result["recall_measure"], *own)
    problems.raise_any()

    names = ["recall_measure", "similarity_value", "spearman", "spearman_low", "spearman_high"]
    names += ["binned_similarity", "binned_recall", "binned_recall_error"]
    drawn = result[names].sel(similarity=similarity, measure=measure).compute()
    _style.load()
    values = drawn["recall_measure"].values
    y_range = (-0.03, 1.04) if measure == "fraction" else around(values, 0.06)
    x_range = around(drawn["similarity_value"].values, 0.06)
    inner = _style.frame(width, height)
    style = {
        "xlabel": SIMILARITIES[similarity],
        "ylabel": fold(MEASURES[measure], inner[1]),
        "xlim": x_range,
        "ylim": y_range,
    }
    frames = [
        _style.picture(_overlay(part, measure), width, height, title, **style) for title, part in panels(drawn, *own)
    ]
    return arrange(frames, columns)


def _overlay(part: xr.Dataset, measure: str) -> Any:
    """Dots, and the means of bins."""
    import holoviews as hv

    names = part["pattern"].values if "pattern" in part.coords else np.arange(part.sizes["pattern"])
    known = np.isfinite(part["recall_measure"].values)
    columns = [each[known] for each in (part["similarity_value"].values, part["recall_measure"].values)]
    told = np.array([str(each) for each in names[known]], object)
    dots = hv.Scatter((*columns, told), "similarity", [measure, "pattern"], label=_coefficient(part))
    size = 6 if known.sum() <= 100 else 4
    dots = _style.both(
        dots,
        {"size": size, "line_color": None, "tools": ["hover"], "hover_tooltips": [("pattern", "@pattern")]},
        {"s": (0.72 * size) ** 2, "linewidth": 0},
        color=blend(DARK, "#ffffff", 0.45),
    )
    like, mean, error = (part[name].values for name in ("binned_similarity", "binned_recall", "binned_recall_error"))
    seen = np.isfinite(like) & np.isfinite(mean)
    like, mean, error = like[seen], mean[seen], np.nan_to_num(error[seen])
    line = hv.Curve((like, mean), "similarity", measure, label="means of bins")
    bars = hv.ErrorBars((like, mean, error), "similarity", [measure, "error"])
    return hv.Overlay(
        [
            dots,
            _style.both(line, {"line_width": 2}, {"linewidth": 1.5}, color=PERIODIC),
            _style.both(
                bars,
                {"line_width": 1.6, "color": PERIODIC, "upper_head": None, "lower_head": None},
                {"edgecolor": PERIODIC, "linewidth": 1.2, "capsize": 0},
            ),
        ]
    )


def _coefficient(part: xr.Dataset) -> str:
    """The rank correlation with its interval, as the legend has it."""
    value, low, high = (float(part[f"spearman{end}"]) for end in ("", "_low", "_high"))
    if not np.isfinite(value):
        return "patterns"
    return f"ρ = {value:.2f}" + (f" ({low:.2f} to {high:.2f})" if np.isfinite(low) else "")
