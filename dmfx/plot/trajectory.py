"""Picture of overlaps over time."""

from __future__ import annotations

from typing import Any

import xarray as xr

from dmfx.analysis._labelled import pick_patterns
from dmfx.analysis._labelled import trajectory as pick
from dmfx.plot._curves import curves
from dmfx.plot._inputs import dataset, pixels, sweep
from dmfx.plot._labels import axis_label, overlap_label

__all__ = ["trajectory"]


def trajectory(
    ds: xr.Dataset,
    *,
    variable: str = "m_o_semantic",
    pattern: int | None = 0,
    steps: int = 200,
    width: int = 560,
    height: int = 340,
    columns: int = 2,
) -> Any:
    """Draw an overlap over time, as in Fig. 5 of [PLA24]_.

    Parameters
    ----------
    ds
        Trajectories from `dmfx.simulate`; only what is drawn is kept in memory.
    variable
        Which variable with dims (..., step, pattern); ``overlap``, of vector spins, where the default is missing.
    pattern
        One pattern, or all of them, told apart by colour, for None.
    steps
        How many steps to draw at most, the first ones.
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

    References
    ----------
    .. [PLA24] Poc-López & Aguilera, *Dynamical Mean-Field Theory of Self-Attention Neural Networks*,
       arXiv:2406.07247 (2024).

    Examples
    --------
    >>> from dmfx import plot
    >>> ds = dmfx.simulate(dmfx.SelfAttention.paper(), beta=[1.255, 1.28], gamma=220.0, steps=64)
    >>> len(plot.trajectory(ds, pattern=None))
    2
    """
    problems = dataset("plot.trajectory", ds)
    array = pick(problems, ds, variable)
    picked = pick_patterns(problems, array, pattern)
    steps = problems.count("steps", steps, minimum=2)
    width, height = pixels(problems, width, height)
    columns = problems.count("columns", columns)
    if picked is not None:
        sweep(problems, picked, "step", "pattern")
    problems.raise_any()

    values = picked.isel(step=slice(steps)).compute()
    variable = array.name
    label = axis_label(ds, variable) if pattern is None else overlap_label(ds, variable, pattern)
    return curves(ds, values, "step", variable, label, width=width, height=height, columns=columns)
