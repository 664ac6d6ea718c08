"""Picture of orbits in the plane of two overlaps."""

from __future__ import annotations

from typing import Any

import xarray as xr

from dmfx.analysis._labelled import pick_pattern
from dmfx.analysis._labelled import trajectory as pick
from dmfx.plot._clouds import clouds
from dmfx.plot._inputs import dataset, flag, pixels, sweep

__all__ = ["portrait"]


def portrait(
    ds: xr.Dataset,
    x: int = 0,
    y: int = 1,
    *,
    variable: str = "m_o_semantic",
    shared: bool = True,
    width: int = 400,
    height: int = 400,
    columns: int = 3,
) -> Any:
    """Draw each orbit in the plane of two overlaps, as in Fig. 4 of [PLA24]_.

    Orbits of up to 3000 distinct states are drawn point by point, others shaded by the number of visits.

    Parameters
    ----------
    ds
        Trajectories from `dmfx.simulate`.
    x, y
        Patterns along the horizontal and the vertical axis.
    variable
        Which variable with dims (..., step, pattern); ``overlap``, of vector spins, where the default is missing.
    shared
        Give all panels the same range; otherwise each has its own.
    width, height
        Pixels of each panel.
    columns
        Panels side by side, one for each point of the sweep.

    Returns
    -------
    hv.Overlay, hv.DynamicMap or hv.Layout
        `hv.Points` or a `hv.Image` in each panel. In a live notebook, zooming shades it again.

    Raises
    ------
    TypeError, ValueError
        For wrong arguments and for more than 12 panels.

    References
    ----------
    .. [PLA24] Poc-López & Aguilera, *Dynamical Mean-Field Theory of Self-Attention Neural Networks*,
       arXiv:2406.07247 (2024).

    Examples
    --------
    >>> from dmfx import plot
    >>> ds = dmfx.simulate(dmfx.SelfAttention.paper(), beta=[1.255, 1.28], gamma=220.0, steps=64)
    >>> len(plot.portrait(ds, x=0, y=2))
    2
    """
    problems = dataset("plot.portrait", ds)
    array = pick(problems, ds, variable)
    pick_pattern(problems, array, x, "x")
    pick_pattern(problems, array, y, "y")
    shared = flag(problems, "shared", shared)
    width, height = pixels(problems, width, height)
    columns = problems.count("columns", columns)
    if array is not None:
        sweep(problems, array, "step", "pattern")
    problems.raise_any()

    states = array.sel(pattern=list(dict.fromkeys([x, y]))).compute()
    return clouds(states, "step", array.name, x, y, shared=shared, width=width, height=height, columns=columns)
