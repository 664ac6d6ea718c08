"""Bifurcation diagrams: the values that each orbit of a sweep visits, and its period."""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial

import numpy as np
import xarray as xr

from dmfx.analysis._labelled import (
    Plane,
    assemble,
    flatten,
    map_blocks,
    pick_pattern,
    pick_plane,
    positive,
    trajectory,
    whole_patterns,
    whole_steps,
)
from dmfx.validation import Problems, describe

__all__ = ["bifurcation"]


def bifurcation(
    ds: xr.Dataset,
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
    """The values that one overlap visits along each orbit, all of them or those on a plane, and the period.

    Plotted over β this is the bifurcation diagram of [PLA24]_; with a plane, its cut, where a closed
    curve leaves a few points and a chaotic attractor a cloud.

    Parameters
    ----------
    ds
        Trajectories from `dmfx.simulate`, lazy or not.
    variable
        Which variable with dims (..., step, pattern); ``overlap``, of vector spins, where the default is missing.
    pattern
        Which pattern a, a label of the ``pattern`` coordinate.
    plane
        Keep only the steps with ``|x_b - v| < tolerance``: a mapping with ``"pattern"``: b and, if wanted,
        ``"value"``: v (default 0) and ``"variable"``: whose x_b (default ``variable``).
    tolerance
        Half the thickness of the plane, in units of x_b; [PLA24]_ has 0.001.
    bins
        Number of equal bins.
    value_range
        Lowest and highest edge of the bins. Each bin holds its lower edge, the last one also its upper edge.
    kind
        ``"density"`` counts visits per bin; ``"points"`` lists the last values visited.
    n_points
        How many values ``"points"`` lists.
    max_period
        Longest period looked for; at most half the number of steps is used. Periods count the steps that were
        kept: of every fourth step, an orbit of period 4 shows one value.
    period_tolerance
        Differences below this count as a repetition.

    Returns
    -------
    xr.Dataset
        Lazy if and only if the input is.

        - ``"density"``: ``density`` (..., value), counts of visits, with ``value`` the centres of the bins,
          and ``outside`` (...), the number of finite values in no bin. With a plane they are called
          ``section_density`` and ``section_outside``, to merge with those of the whole orbit.
        - ``"points"``: ``points`` (..., point), in order of time, filled up with NaN.
        - Always ``period`` (...): the smallest T up to P = ``max_period`` such that
          ``|x_a(t) - x_a(t - T)| < period_tolerance`` for all patterns a at each of the last P steps t, or 0
          where there is none; and ``status``.

        Points that diverged have counts and period 0 and NaN points.

    Raises
    ------
    TypeError, ValueError
        For wrong arguments, all of them named in one message.

    Notes
    -----
    Densities are sums over blocks of steps, and the period reads the last 2 P steps only; points on a plane
    bring all steps of the two overlaps into one block.

    References
    ----------
    .. [PLA24] Poc-López & Aguilera, *Dynamical Mean-Field Theory of Self-Attention Neural Networks*,
       arXiv:2406.07247 (2024).

    Examples
    --------
    >>> import numpy as np, xarray as xr
    >>> from dmfx.analysis import bifurcation
    >>> orbit = np.tile([0.5, 0.0, -0.5, 0.0], 10)
    >>> ds = xr.Dataset({"m_o_semantic": (("step", "pattern"), orbit[:, None])})
    >>> diagram = bifurcation(ds, bins=4)
    >>> diagram.density.values, int(diagram.period)
    (array([ 0, 10, 20, 10], dtype=uint32), 4)
    """
    problems = Problems("bifurcation")
    array = trajectory(problems, ds, variable)
    values = pick_pattern(problems, array, pattern)
    section = None if plane is None else pick_plane(problems, ds, plane, array)
    tolerance = positive(problems, "tolerance", tolerance)
    bins = problems.count("bins", bins, maximum=10**7)
    low, high = _value_range(problems, value_range, bins)
    kind = problems.choice("kind", kind, ("density", "points"))
    n_points = problems.count("n_points", n_points, maximum=10**7)
    max_period = problems.count("max_period", max_period)
    period_tolerance = positive(problems, "period_tolerance", period_tolerance)
    problems.raise_any()

    if kind == "density":
        result = _density(array, values, section, tolerance, bins, low, high)
    else:
        result = _points(values, section, tolerance, n_points)
    chosen = {"variable": array.name, "pattern": values["pattern"].item()}
    if section is not None:
        chosen |= {"plane": section.text, "tolerance": tolerance}
    for each in result.values():
        each.attrs = chosen | each.attrs
    result["period"] = _period(array, max_period, period_tolerance)
    result["period"].attrs["variable"] = array.name
    return assemble(ds, result)


def _value_range(problems: Problems, value_range: object, bins: int) -> tuple[float, float]:
    try:
        low, high = value_range
    except (TypeError, ValueError):
        problems.add("value_range", "two finite numbers, the lower one first", value_range)
        return -1.0, 1.0
    before = len(problems.messages)
    low, high = problems.real("value_range[0]", low), problems.real("value_range[1]", high)
    if len(problems.messages) > before:
        return -1.0, 1.0
    if low >= high:
        problems.add("value_range", "two finite numbers, the lower one first", value_range)
        return -1.0, 1.0
    if not np.isfinite(high - low) or (np.diff(np.linspace(low, high, bins + 1)) <= 0).any():
        problems.say(f"value_range must be cut into {bins} bins, but {describe(value_range)} cannot be")
    return low, high


def _density(
    array: xr.DataArray,
    values: xr.DataArray,
    section: Plane | None,
    tolerance: float,
    bins: int,
    low: float,
    high: float,
) -> dict[str, xr.DataArray]:
    # Blocks of all patterns, of which the kernel reads one: Dask would copy the part of a block that is picked.
    task = partial(_count_block, pattern=_position(array, values), bins=bins, low=low, high=high)
    arrays, prefix = [whole_patterns(array)], ""
    if section is not None:
        at = _position(section.whole, section.heights)
        task = partial(task, height_pattern=at, height=section.value, tolerance=tolerance)
        arrays, prefix = [*arrays, whole_patterns(section.whole)], "section_"
    counts = map_blocks(task, *arrays, step=1, pattern=bins + 1, dtype=np.uint32)
    # Each block of steps has counts of its own; adding up a single one would cost a pass over all counts.
    alone = {"step": 0} if counts.sizes["step"] == 1 else {}
    counts = counts if alone else counts.sum("step", dtype=np.uint32)
    edges = np.linspace(low, high, bins + 1)
    density = counts.isel(alone | {"pattern": slice(bins)}).rename(pattern="value")
    density = density.assign_coords(value=(edges[:-1] + edges[1:]) / 2)
    result = {prefix + "density": density, prefix + "outside": counts.isel(alone | {"pattern": bins})}
    for each in result.values():
        each.attrs = {"value_min": low, "value_max": high}
    return result


def _position(array: xr.DataArray, picked: xr.DataArray) -> int:
    """Position of the pattern that was picked."""
    return int(np.flatnonzero(array["pattern"].values == picked["pattern"].item())[0])


def _count_block(
    values: np.ndarray,
    heights: np.ndarray | None = None,
    *,
    pattern: int,
    bins: int,
    low: float,
    high: float,
    height_pattern: int = 0,
    height: float = 0.0,
    tolerance: float = 0.0,
) -> np.ndarray:
    """Counts (..., 1, bins + 1) of one pattern of values (..., step, pattern)."""
    from dmfx.kernels.reductions import histogram, section_histogram

    edges = np.linspace(low, high, bins + 1)
    series = flatten(values)[..., pattern]
    counts = np.zeros((len(series), bins + 1), np.uint32)
    if heights is None:
        histogram(series, edges, counts)
    else:
        section_histogram(series, flatten(heights)[..., height_pattern], height, tolerance, edges, counts)
    return counts.reshape(*values.shape[:-2], 1, bins + 1)


def _points(values: xr.DataArray, section: Plane | None, tolerance: float, n_points: int) -> dict[str, xr.DataArray]:
    if section is None:
        arrays = [values.isel(step=slice(-n_points, None))]
        task = partial(_last_block, n_points=n_points)
    else:
        arrays = [values, section.heights]
        task = partial(_last_on_plane_block, n_points=n_points, height=section.value, tolerance=tolerance)
    arrays = [whole_steps(array) for array in arrays]
    points = map_blocks(task, *arrays, step=n_points, pattern=1, dtype=np.float64)
    points = points.isel(pattern=0).rename(step="point").assign_coords(point=np.arange(n_points))
    return {"points": points}


def _last_block(values: np.ndarray, *, n_points: int) -> np.ndarray:
    out = np.full((*values.shape[:-2], n_points, 1), np.nan)
    out[..., : values.shape[-2], :] = values
    return out


def _last_on_plane_block(
    values: np.ndarray, heights: np.ndarray, *, n_points: int, height: float, tolerance: float
) -> np.ndarray:
    from dmfx.kernels.reductions import last_on_plane

    series = flatten(values)[..., 0]
    out = np.full((len(series), n_points), np.nan)
    last_on_plane(series, flatten(heights)[..., 0], height, tolerance, out)
    return out.reshape(*values.shape[:-2], n_points, 1)


def _period(array: xr.DataArray, max_period: int, tolerance: float) -> xr.DataArray:
    max_period = min(max_period, array.sizes["step"] // 2)
    # A single step has no half; the kernel then finds nothing in it.
    tail = whole_steps(array.isel(step=slice(-max(2 * max_period, 1), None)))
    task = partial(_period_block, tolerance=tolerance)
    period = map_blocks(task, tail, step=1, pattern=1, dtype=np.int32).isel(step=0, pattern=0)
    period.attrs = {"max_period": max_period, "tolerance": tolerance}
    return period


def _period_block(states: np.ndarray, *, tolerance: float) -> np.ndarray:
    from dmfx.kernels.reductions import periods

    series = flatten(states)
    out = np.zeros(len(series), np.int32)
    periods(series, tolerance, out)
    return out.reshape(*states.shape[:-2], 1, 1)
