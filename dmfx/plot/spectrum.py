"""Pictures of Fourier amplitudes and power spectra."""

from __future__ import annotations

from typing import Any

import numpy as np
import xarray as xr

from dmfx import analysis
from dmfx.plot._curves import analysis_curves
from dmfx.plot._shading import Range

__all__ = ["fft", "power_spectrum"]

#: What lies further below the highest peak is drawn as if at this distance: it is rounding error.
DYNAMIC_RANGE = 1e-10


def fft(
    ds: xr.Dataset,
    *,
    variable: str | None = None,
    pattern: int | None = 0,
    window: str | tuple | None = None,
    detrend: bool | None = None,
    width: int = 560,
    height: int = 340,
    columns: int = 2,
) -> Any:
    """Draw the absolute value of the Fourier amplitudes over the frequency.

    Parameters
    ----------
    ds
        Trajectories, for which `dmfx.fft` is computed first, or what that returned.
    variable, window, detrend
        As of `dmfx.fft`, with its defaults; only for trajectories.
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
    >>> len(plot.fft(ds))
    2
    """
    return analysis_curves(
        "plot.fft",
        ds,
        analysis.fft,
        "amplitude",
        "frequency",
        pattern=pattern,
        width=width,
        height=height,
        columns=columns,
        view=_absolute,
        label="amplitude of the Fourier component",
        variable=variable,
        window=window,
        detrend=detrend,
    )


def power_spectrum(
    ds: xr.Dataset,
    *,
    variable: str | None = None,
    pattern: int | None = 0,
    window: str | tuple | None = None,
    segment: int | None = None,
    width: int = 560,
    height: int = 340,
    columns: int = 2,
) -> Any:
    """Draw the power spectral density over the frequency, on a logarithmic scale of ten decades.

    What is lower, of periodic orbits mostly rounding error, is drawn along the lower edge.

    Parameters
    ----------
    ds
        Trajectories, for which `dmfx.power_spectrum` is computed first, or what that returned.
    variable, window, segment
        As of `dmfx.power_spectrum`, with its defaults; only for trajectories.
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
    >>> len(plot.power_spectrum(ds, segment=32))
    2
    """
    return analysis_curves(
        "plot.power_spectrum",
        ds,
        analysis.power_spectrum,
        "power",
        "frequency",
        pattern=pattern,
        width=width,
        height=height,
        columns=columns,
        view=_decades,
        log=True,
        variable=variable,
        window=window,
        segment=segment,
    )


def _absolute(values: xr.DataArray) -> tuple[xr.DataArray, Range]:
    values = abs(values)
    return values, (0.0, 1.05 * (_peak(values) or 1.0))


def _decades(values: xr.DataArray) -> tuple[xr.DataArray, Range]:
    peak = _peak(values) or 1.0
    return values.clip(min=DYNAMIC_RANGE * peak), (DYNAMIC_RANGE * peak, 3 * peak)


def _peak(values: xr.DataArray) -> float:
    finite = values.values[np.isfinite(values.values)]
    return float(finite.max()) if finite.size else 0.0
