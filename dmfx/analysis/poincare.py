"""Poincaré sections: the states of an orbit on a plane."""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial

import numpy as np
import xarray as xr

from dmfx.analysis._labelled import (
    assemble,
    flatten,
    map_blocks,
    pick_plane,
    positive,
    trajectory,
    whole_steps,
)
from dmfx.validation import Problems

__all__ = ["poincare"]


def poincare(
    ds: xr.Dataset,
    plane: Mapping[str, object],
    tolerance: float = 1e-3,
    interpolate: bool = False,
    *,
    variable: str = "m_o_semantic",
    max_points: int = 1000,
    direction: str = "both",
) -> xr.Dataset:
    """The points of each orbit on the plane x_b = v, its Poincaré section.

    Parameters
    ----------
    ds
        Trajectories from `dmfx.simulate`, lazy or not.
    plane
        A mapping with ``"pattern"``: b, a label of the ``pattern`` coordinate, and, if wanted, ``"value"``: v
        (default 0) and ``"variable"``: whose x_b (default ``variable``).
    tolerance
        States with ``|x_b - v| < tolerance`` are on the plane; [PLA24]_ has 0.001. Not used when
        interpolating.
    interpolate
        Take, instead, the states where x_b - v changes sign between two successive steps, interpolated
        linearly to x_b = v. A state on the plane counts as above it. Time is discrete: what is interpolated
        lies on a chord between two states, which need not be near the attractor.
    variable
        Which variable with dims (..., step, pattern) gives the states; ``overlap``, of vector spins, where the default
        is missing.
    max_points
        How many points of each orbit to keep, the first ones.
    direction
        When interpolating, keep the crossings ``"up"``, ``"down"`` or ``"both"``.

    Returns
    -------
    xr.Dataset
        Lazy if and only if the input is. ``section`` (..., point, pattern), the states in order of time, and
        ``section_step`` (..., point), their labels of ``step`` (between two of them when interpolated), both
        filled up with NaN; ``section_count`` (...), the number of all points found, also those beyond
        ``max_points``; and ``status``. Points that diverged have count 0.

    Raises
    ------
    TypeError, ValueError
        For wrong arguments, all of them named in one message.

    Notes
    -----
    A crossing may lie between two blocks of steps, so all steps of a point are brought into one block.

    References
    ----------
    .. [PLA24] Poc-López & Aguilera, *Dynamical Mean-Field Theory of Self-Attention Neural Networks*,
       arXiv:2406.07247 (2024).

    Examples
    --------
    >>> import numpy as np, xarray as xr
    >>> from dmfx.analysis import poincare
    >>> orbit = np.array([[0.25, -1.0], [0.75, 1.0], [0.0, 3.0]])
    >>> ds = xr.Dataset({"m_o_semantic": (("step", "pattern"), orbit)})
    >>> section = poincare(ds, {"pattern": 1}, interpolate=True, max_points=1)
    >>> section.section.values, section.section_step.values, int(section.section_count)
    (array([[0.5, 0. ]]), array([0.5]), 1)
    """
    problems = Problems("poincare")
    array = trajectory(problems, ds, variable)
    section = pick_plane(problems, ds, plane, array)
    tolerance = positive(problems, "tolerance", tolerance)
    max_points = problems.count("max_points", max_points, maximum=10**7)
    direction = problems.choice("direction", direction, ("both", "up", "down"))
    if not isinstance(interpolate, (bool, np.bool_)):
        problems.add("interpolate", "True or False", interpolate, is_type=True)
    elif direction != "both" and not interpolate:
        problems.say(f"direction={direction!r} needs interpolate=True")
    if array is not None and array["step"].dtype.kind not in "fiu":
        problems.say(f"the step coordinate must be numbers, but has dtype {array['step'].dtype}")
    problems.raise_any()

    attrs = {"variable": array.name, "plane": section.text, "interpolate": int(interpolate)}
    attrs |= {"direction": direction} if interpolate else {"tolerance": tolerance}
    task = partial(
        _section_block,
        max_points=max_points,
        height=section.value,
        tolerance=None if interpolate else tolerance,
        direction=direction,
    )
    array, heights = whole_steps(array), whole_steps(section.heights)
    times = array["step"].astype(np.float64)
    patterns = array.sizes["pattern"]
    packed = map_blocks(task, array, heights, times, step=max_points + 1, pattern=patterns + 1, dtype=float)
    packed = packed.rename(step="point")
    points = packed.isel(point=slice(max_points)).assign_coords(point=np.arange(max_points))
    result = {
        "section": points.isel(pattern=slice(patterns)).assign_coords(pattern=array["pattern"]),
        "section_step": points.isel(pattern=patterns),
        "section_count": packed.isel(point=max_points, pattern=0).astype(np.int64),
    }
    for each in result.values():
        each.attrs = attrs
    return assemble(ds, result)


def _section_block(
    states: np.ndarray,
    heights: np.ndarray,
    times: np.ndarray,
    *,
    max_points: int,
    height: float,
    tolerance: float | None,
    direction: str,
) -> np.ndarray:
    """Section, times and count in one array, so that one run of the kernel gives all three.

    Shape (..., max_points + 1, pattern + 1): times in the last column, the count first in the last row.
    """
    from dmfx.kernels.reductions import crossings, near_plane

    series, levels = flatten(states), flatten(heights)[..., 0]
    points, _, patterns = series.shape
    packed = np.full((points, max_points + 1, patterns + 1), np.nan)
    out = packed[:, :max_points, :patterns], packed[:, :max_points, patterns], packed[:, max_points, 0]
    if tolerance is None:
        up, down = direction != "down", direction != "up"
        crossings(series, levels, height, up, down, times, *out)
    else:
        near_plane(series, levels, height, tolerance, times, *out)
    return packed.reshape(*states.shape[:-2], max_points + 1, patterns + 1)
