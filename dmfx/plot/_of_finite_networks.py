"""The pictures of finite networks, as ``ds.dmft.plot``."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import xarray as xr

from dmfx.plot.attractor_distance import attractor_distance
from dmfx.plot.fluctuations import fluctuations
from dmfx.plot.residence import residence

__all__ = ["FiniteNetworkPlots"]


class FiniteNetworkPlots:
    """Pictures of what noise does to finite networks."""

    _ds: xr.Dataset

    def attractor_distance(
        self,
        *,
        pattern: int | None = None,
        joint: bool = True,
        width: int = 620,
        height: int = 440,
        columns: int = 2,
        reference: xr.Dataset | None = None,
        variable: str | None = None,
        directions: int | None = None,
    ) -> Any:
        """Distance to the mean-field attractor over the number of spins: see `dmfx.plot.attractor_distance`."""
        return attractor_distance(
            self._ds,
            pattern=pattern,
            joint=joint,
            width=width,
            height=height,
            columns=columns,
            reference=reference,
            variable=variable,
            directions=directions,
        )

    def fluctuations(
        self,
        *,
        pattern: int | None = None,
        width: int = 620,
        height: int = 440,
        columns: int = 2,
        variable: str | None = None,
        min_size: float | None = None,
        max_size: float | None = None,
    ) -> Any:
        """Deviation between replicas over the number of spins: see `dmfx.plot.fluctuations`."""
        return fluctuations(
            self._ds,
            pattern=pattern,
            width=width,
            height=height,
            columns=columns,
            variable=variable,
            min_size=min_size,
            max_size=max_size,
        )

    def residence(
        self,
        attractors: xr.Dataset | None = None,
        *,
        variable: str = "residence_time",
        x: str | None = None,
        survival: bool = True,
        width: int = 600,
        height: int = 420,
        columns: int = 2,
        radius: float | None = None,
        window: int | None = None,
        every: int | None = None,
        pool: str | Sequence[str] | None = None,
    ) -> Any:
        """How long finite networks stay near coexisting attractors: see `dmfx.plot.residence`."""
        return residence(
            self._ds,
            attractors,
            variable=variable,
            x=x,
            survival=survival,
            width=width,
            height=height,
            columns=columns,
            radius=radius,
            window=window,
            every=every,
            pool=pool,
        )
