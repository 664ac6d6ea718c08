"""The pictures of how networks recall patterns, as ``ds.dmft.plot``."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import xarray as xr

from dmfx.plot.basin_size import basin_size
from dmfx.plot.capacity import capacity
from dmfx.plot.interference import interference
from dmfx.plot.recall import recall

__all__ = ["MemoryPlots"]


class MemoryPlots:
    """Pictures of stored patterns and how they are recalled."""

    _ds: xr.Dataset

    def recall(
        self,
        *,
        view: str = "overlaps",
        y: str | None = None,
        most: int = 6,
        width: int = 620,
        height: int = 400,
        columns: int = 2,
        patterns: object | Sequence[object] | None = None,
        threshold: float | None = None,
        variable: str | None = None,
        window: int | None = None,
        absolute: bool | None = None,
    ) -> Any:
        """Overlaps over time, nearest patterns, or lifetimes: see `dmfx.plot.recall`."""
        return recall(
            self._ds,
            view=view,
            y=y,
            most=most,
            width=width,
            height=height,
            columns=columns,
            patterns=patterns,
            threshold=threshold,
            variable=variable,
            window=window,
            absolute=absolute,
        )

    def basin_size(
        self,
        *,
        pattern: object | Sequence[object] | None = None,
        width: int = 620,
        height: int = 420,
        columns: int = 2,
        threshold: float | None = None,
        dim: str | None = None,
        variable: str | None = None,
        when: str | int | None = None,
        pool: str | Sequence[str] | None = None,
    ) -> Any:
        """Fraction recalled over the corruption: see `dmfx.plot.basin_size`."""
        return basin_size(
            self._ds,
            pattern=pattern,
            width=width,
            height=height,
            columns=columns,
            threshold=threshold,
            dim=dim,
            variable=variable,
            when=when,
            pool=pool,
        )

    def interference(
        self,
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
        """Recall over the overlap of the patterns with each other: see `dmfx.plot.interference`."""
        return interference(
            self._ds,
            similarity=similarity,
            measure=measure,
            width=width,
            height=height,
            columns=columns,
            threshold=threshold,
            correlation=correlation,
            variable=variable,
            pool=pool,
            bins=bins,
            window=window,
        )

    def capacity(
        self,
        *,
        width: int = 620,
        height: int = 420,
        columns: int = 2,
        threshold: float | None = None,
        dim: str | None = None,
        variable: str | None = None,
        when: str | int | None = None,
        pool: str | Sequence[str] | None = None,
    ) -> Any:
        """Fraction recalled over the number of stored patterns: see `dmfx.plot.capacity`."""
        return capacity(
            self._ds,
            width=width,
            height=height,
            columns=columns,
            threshold=threshold,
            dim=dim,
            variable=variable,
            when=when,
            pool=pool,
        )
