"""The pictures of attractors, as ``ds.dmft.plot``."""

from __future__ import annotations

from typing import Any

import xarray as xr

from dmfx.plot.attractors import attractors
from dmfx.plot.basins import basins
from dmfx.plot.continuation import continuation
from dmfx.plot.lyapunov import lyapunov
from dmfx.plot.phase_diagram import phase_diagram

__all__ = ["AttractorPlots"]


class AttractorPlots:
    """Pictures of the attractors that runs are on."""

    _ds: xr.Dataset

    def lyapunov(
        self,
        n: int | None = None,
        *,
        x: str | None = None,
        lowest: float | None = None,
        width: int = 900,
        height: int = 420,
        columns: int = 1,
        steps: int | None = None,
        transient: int | None = None,
        every: int | None = None,
        windows: int | None = None,
    ) -> Any:
        """Lyapunov exponents over a parameter, or how they converge: see `dmfx.plot.lyapunov`."""
        return lyapunov(
            self._ds,
            n,
            x=x,
            lowest=lowest,
            width=width,
            height=height,
            columns=columns,
            steps=steps,
            transient=transient,
            every=every,
            windows=windows,
        )

    def phase_diagram(
        self,
        *,
        variable: str = "kind",
        x: str | None = None,
        y: str | None = None,
        mark: bool = True,
        width: int = 760,
        height: int = 560,
        columns: int = 2,
        n: int | None = None,
        steps: int | None = None,
    ) -> Any:
        """Kind of attractor, period or exponent over two parameters: see `dmfx.plot.phase_diagram`."""
        return phase_diagram(
            self._ds,
            variable=variable,
            x=x,
            y=y,
            mark=mark,
            width=width,
            height=height,
            columns=columns,
            n=n,
            steps=steps,
        )

    def basins(
        self,
        *,
        x: str | None = None,
        width: int = 900,
        height: int = 420,
        columns: int = 1,
        steps: int | None = None,
        along: str | None = None,
        max_attractors: int | None = None,
    ) -> Any:
        """Fractions of starts that reach each attractor: see `dmfx.plot.basins`."""
        return basins(
            self._ds,
            x=x,
            width=width,
            height=height,
            columns=columns,
            steps=steps,
            along=along,
            max_attractors=max_attractors,
        )

    def attractors(
        self,
        x: int = 0,
        y: int = 1,
        *,
        shared: bool = True,
        width: int = 460,
        height: int = 480,
        columns: int = 3,
        steps: int | None = None,
        along: str | None = None,
        max_attractors: int | None = None,
    ) -> Any:
        """Coexisting attractors in the plane of two attention values: see `dmfx.plot.attractors`."""
        return attractors(
            self._ds,
            x,
            y,
            shared=shared,
            width=width,
            height=height,
            columns=columns,
            steps=steps,
            along=along,
            max_attractors=max_attractors,
        )

    def continuation(
        self,
        *,
        pattern: int = 0,
        statistic: str = "max",
        width: int = 900,
        height: int = 480,
        columns: int = 1,
        along: str | None = None,
        limits: tuple[float, float] | None = None,
        step: float | None = None,
        max_points: int | None = None,
    ) -> Any:
        """Branches of periodic orbits over a parameter: see `dmfx.plot.continuation`."""
        return continuation(
            self._ds,
            pattern=pattern,
            statistic=statistic,
            width=width,
            height=height,
            columns=columns,
            along=along,
            limits=limits,
            step=step,
            max_points=max_points,
        )
