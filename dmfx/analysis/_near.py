"""Which of the coexisting attractors runs are near: labels of all points of a sweep."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import xarray as xr

from dmfx.analysis._coexisting import INNER
from dmfx.analysis._whole import call_blocks, whole
from dmfx.dynamics.cores import NOWHERE, UNKNOWN, StateSet, core_radius, label_run, state_set, too_close
from dmfx.validation import Problems

__all__ = ["Looks", "core_radii", "near_labels"]


class Looks(NamedTuple):
    """How a run is looked at: successive steps that make a state, and steps from one look to the next."""

    window: int
    every: int


def core_radii(found: xr.Dataset, window: int, radius: float | None) -> xr.DataArray:
    """Radius of the core of each attractor; an error where they do not tell the attractors apart."""
    points = whole(found["attractor_points"].transpose(..., *INNER), *INNER)
    results = {"radius": (("attractor",), (found.sizes["attractor"],), np.float64)}
    shared = window, radius, tuple(found["attractor"].values.tolist())
    given = points, found["attractor_period"].transpose(..., "attractor"), _where(found)
    radii = call_blocks(_radius_block, shared, *given, inner=INNER, results=results)["radius"]
    return radii.assign_coords(attractor=found["attractor"])


def _radius_block(
    shared: tuple[int, float | None, tuple[int, ...]], points: np.ndarray, period: np.ndarray, where: np.ndarray
) -> tuple[np.ndarray]:
    window, given, labels = shared
    problems = Problems("residence")
    radii = np.full(points.shape[:-2], np.nan)
    for index in np.ndindex(*points.shape[:-3]):
        at, text = _of(points, index), str(_of(where, index))
        there = _there(at)
        if short := [labels[i] for i in there if _known(at[i]) < window]:
            problems.say(
                f"attractors has fewer than {window} successive states of attractor {short[0]}{text}: "
                "take more of them, as dmfx.basins(..., n_points=), or a smaller window"
            )
            continue
        sets = _sets(at, _of(period, index), there, window)
        radius = core_radius(sets, given)
        radii[index][there] = radius
        for a, b, part in too_close(sets, radius):
            problems.say(_overlap(labels[there[a]], labels[there[b]], part, text))
        if (radius == 0).any() and len(sets) == 1:
            problems.say(
                f"attractor {labels[there[0]]}{text} is alone and a single state: give radius, that of its core"
            )
    problems.raise_any()
    return (radii,)


def _where(found: xr.Dataset) -> xr.DataArray:
    """How messages call each point of the sweep of the attractors."""
    dims = [dim for dim in found["attractor_points"].dims if dim not in INNER]
    texts = np.empty([found.sizes[dim] for dim in dims], object)
    for index in np.ndindex(*texts.shape):
        at = dict(zip(dims, index, strict=True))
        said = [f"{dim} = {found[dim][i].item()!r}" for dim, i in at.items() if dim in found.coords]
        texts[index] = " at " + ", ".join(said) if said else ""
    return xr.DataArray(texts.astype(str), dims=dims)


def _overlap(a: int, b: int, part: float, where: str) -> str:
    """What is wrong with cores, and what to do."""
    if a == b:
        said = f"only {part:.1%} of the states of attractor {a}{where} would be in its core"
    else:
        said = f"{part:.1%} of the states of attractor {b}{where} would be in the core of {a}"
    return (
        f"attractors: {said}, as they lie too close for what is known of them. More states, dmfx.basins(..., "
        "n_points=4096), or another number of successive steps, window=, may tell them apart; or leave one out, "
        f"attractors.drop_sel(attractor={b})"
    )


def near_labels(
    array: xr.DataArray, found: xr.Dataset, radii: xr.DataArray, looks: Looks
) -> tuple[xr.DataArray, xr.DataArray]:
    """Positions of the attractors that runs are near, and whether they are in the cores, both (..., step)."""
    steps = np.arange(looks.window - 1, array.sizes["step"], looks.every)
    given = (
        whole(array, "step", "pattern"),
        whole(found["attractor_points"].transpose(..., *INNER), *INNER),
        whole(found["attractor_period"].transpose(..., "attractor"), "attractor"),
        radii,
    )
    results = {name: (("step",), (len(steps),), dtype) for name, dtype in (("label", np.int16), ("inside", np.bool_))}
    found = call_blocks(_label_block, looks, *given, inner=("step", *INNER), results=results)
    coords = {"step": array["step"][steps]} if "step" in array.coords else {}
    return found["label"].assign_coords(coords), found["inside"]


def _label_block(
    looks: Looks, values: np.ndarray, points: np.ndarray, period: np.ndarray, radii: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    sweep = values.shape[:-2]
    labels = np.empty((*sweep, (values.shape[-2] - looks.window) // looks.every + 1), np.int16)
    inside = np.empty(labels.shape, np.bool_)
    known: dict[tuple[int, ...], tuple[np.ndarray, list[StateSet], np.ndarray]] = {}
    for index in np.ndindex(*sweep):
        place = _index(points, index)
        if place not in known:
            at = points[place]
            there = _there(at)
            radius = _of(radii, index)[there]
            # Behind those that there are: what is looked up at -1 and -2.
            numbers = np.append(there, [UNKNOWN, NOWHERE])
            known[place] = numbers, _sets(at, _of(period, index), there, looks.window), radius
        numbers, sets, radius = known[place]
        positions, inside[index] = label_run(values[index], sets, radius, looks.window, looks.every)
        labels[index] = numbers[positions]
    return labels, inside


def _index(array: np.ndarray, index: tuple[int, ...]) -> tuple[int, ...]:
    """Where the entry for a point of the sweep is in an array that has size 1 along some of it."""
    return tuple(i if size > 1 else 0 for i, size in zip(index, array.shape, strict=False))


def _of(array: np.ndarray, index: tuple[int, ...]) -> np.ndarray:
    array = np.asarray(array)  # a single text is no array
    return array[_index(array, index)]


def _known(points: np.ndarray) -> int:
    """Number of states (point, pattern) before the first that has NaN."""
    missing = np.flatnonzero(~np.isfinite(points).all(axis=-1))
    return int(missing[0]) if missing.size else len(points)


def _there(points: np.ndarray) -> np.ndarray:
    """Positions of the attractors (attractor, point, pattern) that there are."""
    return np.flatnonzero(np.isfinite(points).any(axis=(-2, -1)))


def _sets(points: np.ndarray, period: np.ndarray, there: np.ndarray, window: int) -> list[StateSet]:
    return [state_set(points[i, : _known(points[i])], int(period[i]), window) for i in there]
