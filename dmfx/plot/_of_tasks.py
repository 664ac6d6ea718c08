"""The pictures of tasks of networks of vector spins, as ``ds.dmft.plot``."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import xarray as xr

from dmfx.plot.images import images
from dmfx.plot.task import task

__all__ = ["TaskPlots"]


class TaskPlots:
    """Pictures of how tasks are done."""

    _ds: xr.Dataset

    def task(
        self,
        *,
        variable: str | None = None,
        x: str | None = None,
        by: str | None = None,
        step: int | None = None,
        band: float = 0.68,
        width: int = 620,
        height: int = 440,
        columns: int = 2,
    ) -> Any:
        """How well a task is done over steps or a parameter: see `dmfx.plot.task`."""
        return task(
            self._ds,
            variable=variable,
            x=x,
            by=by,
            step=step,
            band=band,
            width=width,
            height=height,
            columns=columns,
        )

    def images(
        self,
        encoder: Any,
        *,
        steps: Sequence[int] | None = None,
        clean: object = None,
        variable: str | None = None,
        size: int = 84,
    ) -> Any:
        """What runs look like as images: see `dmfx.plot.images`."""
        return images(self._ds, encoder, steps=steps, clean=clean, variable=variable, size=size)
