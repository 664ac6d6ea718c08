"""The pictures of trajectories, as ``ds.dmft.plot``."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import xarray as xr

from dmfx.plot.autocorrelation import autocorrelation
from dmfx.plot.bifurcation import bifurcation
from dmfx.plot.poincare import poincare
from dmfx.plot.portrait import portrait
from dmfx.plot.spectrum import fft, power_spectrum
from dmfx.plot.trajectory import trajectory

__all__ = ["TrajectoryPlots"]


class TrajectoryPlots:
    """Pictures of what runs did."""

    _ds: xr.Dataset

    def bifurcation(
        self,
        *,
        plane: Mapping[str, object] | None = None,
        x: str | None = None,
        width: int = 900,
        height: int = 520,
        columns: int = 1,
        lowest: float | None = None,
        variable: str | None = None,
        pattern: int | None = None,
        tolerance: float | None = None,
        bins: int | None = None,
        value_range: tuple[float, float] | None = None,
        kind: str | None = None,
        n_points: int | None = None,
        max_period: int | None = None,
        period_tolerance: float | None = None,
    ) -> Any:
        """Values visited over a parameter: see `dmfx.plot.bifurcation`."""
        return bifurcation(
            self._ds,
            plane=plane,
            x=x,
            width=width,
            height=height,
            columns=columns,
            lowest=lowest,
            variable=variable,
            pattern=pattern,
            tolerance=tolerance,
            bins=bins,
            value_range=value_range,
            kind=kind,
            n_points=n_points,
            max_period=max_period,
            period_tolerance=period_tolerance,
        )

    def poincare(
        self,
        plane: Mapping[str, object] | None = None,
        tolerance: float | None = None,
        interpolate: bool | None = None,
        *,
        x: int | None = None,
        y: int | None = None,
        variable: str | None = None,
        max_points: int | None = None,
        direction: str | None = None,
        shared: bool = True,
        width: int = 400,
        height: int = 400,
        columns: int = 3,
    ) -> Any:
        """States on a plane: see `dmfx.plot.poincare`."""
        return poincare(
            self._ds,
            plane,
            tolerance,
            interpolate,
            x=x,
            y=y,
            variable=variable,
            max_points=max_points,
            direction=direction,
            shared=shared,
            width=width,
            height=height,
            columns=columns,
        )

    def portrait(
        self,
        x: int = 0,
        y: int = 1,
        *,
        variable: str = "m_o_semantic",
        shared: bool = True,
        width: int = 400,
        height: int = 400,
        columns: int = 3,
    ) -> Any:
        """Orbits in the plane of two overlaps: see `dmfx.plot.portrait`."""
        return portrait(
            self._ds,
            x,
            y,
            variable=variable,
            shared=shared,
            width=width,
            height=height,
            columns=columns,
        )

    def trajectory(
        self,
        *,
        variable: str = "m_o_semantic",
        pattern: int | None = 0,
        steps: int = 200,
        width: int = 560,
        height: int = 340,
        columns: int = 2,
    ) -> Any:
        """Overlaps over time: see `dmfx.plot.trajectory`."""
        return trajectory(
            self._ds,
            variable=variable,
            pattern=pattern,
            steps=steps,
            width=width,
            height=height,
            columns=columns,
        )

    def autocorrelation(
        self,
        max_lag: int | None = None,
        *,
        variable: str | None = None,
        pattern: int | None = 0,
        width: int = 560,
        height: int = 340,
        columns: int = 2,
    ) -> Any:
        """Autocorrelation over the lag: see `dmfx.plot.autocorrelation`."""
        return autocorrelation(
            self._ds,
            max_lag,
            variable=variable,
            pattern=pattern,
            width=width,
            height=height,
            columns=columns,
        )

    def fft(
        self,
        *,
        variable: str | None = None,
        pattern: int | None = 0,
        window: str | tuple | None = None,
        detrend: bool | None = None,
        width: int = 560,
        height: int = 340,
        columns: int = 2,
    ) -> Any:
        """Absolute Fourier amplitudes over the frequency: see `dmfx.plot.fft`."""
        return fft(
            self._ds,
            variable=variable,
            pattern=pattern,
            window=window,
            detrend=detrend,
            width=width,
            height=height,
            columns=columns,
        )

    def power_spectrum(
        self,
        *,
        variable: str | None = None,
        pattern: int | None = 0,
        window: str | tuple | None = None,
        segment: int | None = None,
        width: int = 560,
        height: int = 340,
        columns: int = 2,
    ) -> Any:
        """Power spectral density over the frequency: see `dmfx.plot.power_spectrum`."""
        return power_spectrum(
            self._ds,
            variable=variable,
            pattern=pattern,
            window=window,
            segment=segment,
            width=width,
            height=height,
            columns=columns,
        )
