"""The accessor ``ds.dmft``: every method delegates to the function of the same name."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
import xarray as xr

from dmfx import analysis, archive
from dmfx.analysis.recall import TOLERANCE
from dmfx.dynamics.exponents import EVERY, WINDOWS
from dmfx.models import SelfAttention, VectorAttention, model_from_dataset

__all__ = ["DmftAccessor"]


@xr.register_dataset_accessor("dmft")
class DmftAccessor:
    """What dmfx does with a Dataset, as ``ds.dmft``.

    xarray caches the object per Dataset, so it holds nothing but the Dataset.
    """

    def __init__(self, ds: xr.Dataset):
        self._ds = ds

    @property
    def model(self) -> SelfAttention | VectorAttention:
        """The model that the Dataset was computed from, rebuilt from its attributes and the arrays of couplings.

        Raises
        ------
        ValueError
            If the Dataset does not say.

        Examples
        --------
        >>> ds = dmfx.simulate(dmfx.SelfAttention.paper(), beta=1.0, gamma=220.0, steps=4)
        >>> ds.dmft.model == dmfx.SelfAttention.paper()
        True
        """
        if "dmfx_model" not in self._ds.attrs:
            raise ValueError(
                "ds.dmft.model: the Dataset has no attribute dmfx_model; expected one from dmfx.simulate or dmfx.open"
            )
        return model_from_dataset(self._ds)

    @property
    def plot(self):
        """Pictures of the Dataset: see `dmfx.plot`."""
        from dmfx.plot import Plots

        return Plots(self._ds)

    def save(self, path: str | Path, *, overwrite: bool = False, progress: bool = False) -> Path:
        """Keep the Dataset in an archive: see `dmfx.save`."""
        return archive.save(self._ds, path, overwrite=overwrite, progress=progress)

    def bifurcation(
        self,
        variable: str = "m_o_semantic",
        pattern: int = 0,
        plane: Mapping[str, object] | None = None,
        *,
        tolerance: float = 1e-3,
        bins: int = 2000,
        value_range: tuple[float, float] = (-1.0, 1.0),
        kind: str = "density",
        n_points: int = 256,
        max_period: int = 1000,
        period_tolerance: float = 1e-6,
    ) -> xr.Dataset:
        """Values visited at each sweep point: see `dmfx.bifurcation`."""
        return analysis.bifurcation(
            self._ds,
            variable,
            pattern,
            plane,
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
        plane: Mapping[str, object],
        tolerance: float = 1e-3,
        interpolate: bool = False,
        *,
        variable: str = "m_o_semantic",
        max_points: int = 1000,
        direction: str = "both",
    ) -> xr.Dataset:
        """Points on a Poincaré section: see `dmfx.poincare`."""
        return analysis.poincare(
            self._ds,
            plane,
            tolerance,
            interpolate,
            variable=variable,
            max_points=max_points,
            direction=direction,
        )

    def autocorrelation(
        self, max_lag: int | None = None, *, variable: str = "m_o_semantic", pattern: int | None = None
    ) -> xr.Dataset:
        """Normalised autocorrelation C(τ): see `dmfx.autocorrelation`."""
        return analysis.autocorrelation(self._ds, max_lag, variable=variable, pattern=pattern)

    def fft(
        self,
        *,
        variable: str = "m_o_semantic",
        pattern: int | None = None,
        window: str = "boxcar",
        detrend: bool = True,
    ) -> xr.Dataset:
        """Complex Fourier amplitudes: see `dmfx.fft`."""
        return analysis.fft(self._ds, variable=variable, pattern=pattern, window=window, detrend=detrend)

    def power_spectrum(
        self,
        *,
        variable: str = "m_o_semantic",
        pattern: int | None = None,
        window: str = "hann",
        segment: int | None = None,
    ) -> xr.Dataset:
        """Power spectral density: see `dmfx.power_spectrum`."""
        return analysis.power_spectrum(self._ds, variable=variable, pattern=pattern, window=window, segment=segment)

    def lyapunov(
        self,
        n: int | None = None,
        *,
        steps: int = 20_000,
        transient: int = 1_000,
        every: int = EVERY,
        windows: int = WINDOWS,
        chunks: object = "auto",
    ) -> xr.Dataset:
        """Lyapunov exponents and their convergence: see `dmfx.lyapunov`."""
        return analysis.lyapunov(
            self._ds, n, steps=steps, transient=transient, every=every, windows=windows, chunks=chunks
        )

    def classify(
        self,
        *,
        steps: int | None = None,
        n: int = 3,
        tolerance: float = 1e-8,
        every: int = 4,
        chunks: object = "auto",
    ) -> xr.Dataset:
        """Kind of attractor of every point, and what says so: see `dmfx.classify`."""
        return analysis.classify(self._ds, steps=steps, n=n, tolerance=tolerance, every=every, chunks=chunks)

    def basins(
        self,
        *,
        steps: int | None = None,
        along: str | None = "beta",
        max_attractors: int = 8,
        tolerance: float = 1e-8,
        link: float = 0.1,
        n_points: int = 256,
        chunks: object = "auto",
    ) -> xr.Dataset:
        """Attractors that coexist, and the fraction of starts that reach each: see `dmfx.basins`."""
        return analysis.basins(
            self._ds,
            steps=steps,
            along=along,
            max_attractors=max_attractors,
            tolerance=tolerance,
            link=link,
            n_points=n_points,
            chunks=chunks,
        )

    def periodic_orbits(
        self,
        *,
        max_period: int = 100,
        steps: int = 4_000,
        guesses: int = 15,
        max_orbits: int = 20,
        tolerance: float = 1e-10,
        chunks: object = "auto",
    ) -> xr.Dataset:
        """Periodic orbits, stable or not, and their multipliers: see `dmfx.periodic_orbits`."""
        return analysis.periodic_orbits(
            self._ds,
            max_period=max_period,
            steps=steps,
            guesses=guesses,
            max_orbits=max_orbits,
            tolerance=tolerance,
            chunks=chunks,
        )

    def continuation(
        self,
        along: str = "beta",
        *,
        limits: tuple[float, float],
        step: float = 0.01,
        max_points: int = 500,
        max_period: int | None = None,
        chunks: object = "auto",
    ) -> xr.Dataset:
        """Branches of periodic orbits along a parameter, and their bifurcations: see `dmfx.continuation`."""
        return analysis.continuation(
            self._ds,
            along,
            limits=limits,
            step=step,
            max_points=max_points,
            max_period=max_period,
            chunks=chunks,
        )

    def residence(
        self,
        attractors: xr.Dataset,
        *,
        variable: str = "attention",
        radius: float | None = None,
        window: int | None = None,
        every: int | None = None,
        pool: str | Sequence[str] = ("replica", "initial"),
        max_stays: int = 1000,
    ) -> xr.Dataset:
        """How long finite networks stay near each attractor of the mean field: see `dmfx.residence`."""
        return analysis.residence(
            self._ds,
            attractors,
            variable=variable,
            radius=radius,
            window=window,
            every=every,
            pool=pool,
            max_stays=max_stays,
        )

    def doubled_orbits(self, *, amplitude: float = 1e-3) -> xr.Dataset:
        """Orbits of twice the period next to the period doublings of a branch: see `dmfx.doubled_orbits`."""
        return analysis.doubled_orbits(self._ds, amplitude=amplitude)

    def attractor_distance(
        self, reference: xr.Dataset | None = None, *, variable: str = "m_o_semantic", directions: int = 32
    ) -> xr.Dataset:
        """Distance between the attractors of finite networks and the mean field: see `dmfx.attractor_distance`."""
        return analysis.attractor_distance(self._ds, reference, variable=variable, directions=directions)

    def fluctuations(
        self,
        *,
        variable: str = "m_o_semantic",
        min_size: float | None = None,
        max_size: float | None = None,
    ) -> xr.Dataset:
        """Deviation between replicas, and its power of the size: see `dmfx.fluctuations`."""
        return analysis.fluctuations(self._ds, variable=variable, min_size=min_size, max_size=max_size)

    def recall(
        self,
        patterns: object | Sequence[object] | np.ndarray | xr.DataArray | None = None,
        threshold: float | None = None,
        *,
        variable: str | None = None,
        window: int | None = None,
        tolerance: float = TOLERANCE,
        absolute: bool = False,
    ) -> xr.Dataset:
        """Nearest pattern, peaks and lifetimes of overlaps, and what runs end in: see `dmfx.recall`."""
        return analysis.recall(
            self._ds,
            patterns,
            threshold,
            variable=variable,
            window=window,
            tolerance=tolerance,
            absolute=absolute,
        )

    def basin_size(
        self,
        threshold: float | None = None,
        *,
        dim: str = "noise",
        variable: str | None = None,
        when: str | int = "end",
        pool: str | Sequence[str] = ("replica",),
    ) -> xr.Dataset:
        """Corruption from which half of the trials recall a pattern: see `dmfx.basin_size`."""
        return analysis.basin_size(self._ds, threshold, dim=dim, variable=variable, when=when, pool=pool)

    def interference(
        self,
        threshold: float | None = None,
        *,
        correlation: np.ndarray | xr.DataArray | None = None,
        variable: str | None = None,
        pool: str | Sequence[str] = ("replica",),
        bins: int = 10,
        window: int | None = None,
    ) -> xr.Dataset:
        """Recall against the overlap of the patterns with each other: see `dmfx.interference`."""
        return analysis.interference(
            self._ds, threshold, correlation=correlation, variable=variable, pool=pool, bins=bins, window=window
        )

    def capacity(
        self,
        threshold: float | None = None,
        *,
        dim: str = "stored",
        variable: str | None = None,
        when: str | int = "end",
        pool: str | Sequence[str] = ("replica",),
        size: float | None = None,
    ) -> xr.Dataset:
        """Recall against the number of stored patterns: see `dmfx.capacity`."""
        return analysis.capacity(self._ds, threshold, dim=dim, variable=variable, when=when, pool=pool, size=size)
