"""Picture of autocorrelations."""

from __future__ import annotations

from typing import Any

import xarray as xr

from dmfx import analysis
from dmfx.plot._curves import analysis_curves
from dmfx.plot._shading import Range, around

__all__ = ["autocorrelation"]


def autocorrelation(
    ds: xr.Dataset,
    max_lag: int | None = None,
    *,
    variable: str | None = None,
    pattern: int | None = 0,
    width: int = 560,
    height: int = 340,
    columns: int = 2,
) -> Any:
    """Draw the normalised autocorrelation C(τ) over the lag τ.

    Parameters
    ----------
    ds
        Trajectories, for which `dmfx.autocorrelation` is computed first, or what that returned.
    max_lag, variable
        As of `dmfx.autocorrelation`, with its defaults; only for trajectories.
    pattern
        One pattern, or all of them, told apart by colour, for None.
    width, height
        Pixels of each panel.
    columns
        Panels side by side, one for each point of the sweep.

    Returns
    -------
    hv.Overlay or hv.Layout
        A `hv.Curve` for each pattern in each panel.

    Raises
    ------
    TypeError, ValueError
        For wrong arguments and for more than 12 panels.

    Examples
    --------
    >>> from dmfx import plot
    >>> ds = dmfx.simulate(dmfx.SelfAttention.paper(), beta=[1.255, 1.28], gamma=220.0, steps=64)
    >>> len(plot.autocorrelation(ds, max_lag=16))
    2
    """
    return analysis_curves(
        "plot.autocorrelation",
        ds,
        analysis.autocorrelation,
        "autocorrelation",
        "lag",
        pattern=pattern,
        width=width,
        height=height,
        columns=columns,
        view=_view,
        max_lag=max_lag,
        variable=variable,
    )


def _view(values: xr.DataArray) -> tuple[xr.DataArray, Range]:
    return values, around(values.values)
