"""The attractors of the mean field that finite networks are compared with."""

from __future__ import annotations

import numpy as np
import xarray as xr

from dmfx.validation import Problems
from dmfx.variables import KINDS

__all__ = ["INNER", "NOISY", "pick_attractors"]

#: Dims of the runs along which the mean field, and what coexists in it, is the same.
NOISY = ("size", "replica", "initial")
#: Dims of the states of the attractors.
INNER = ("attractor", "point", "pattern")
NAMES = ("attractor_points", "attractor_period", "attractor_kind")


def pick_attractors(problems: Problems, array: xr.DataArray | None, attractors: object) -> xr.Dataset | None:
    """The attractors at each point of a sweep, or None when a problem was recorded.

    Parameters
    ----------
    array
        Trajectories, (..., step, pattern).
    attractors
        What `dmfx.basins` returned, or some of its entries.

    Returns
    -------
    xr.Dataset
        ``attractor_points`` (..., attractor, point, pattern) with the patterns of the array, ``attractor_period``
        (..., attractor) and, if there is one, ``attractor_kind``; their other dims are dims of the array, with its
        labels.
    """
    if not isinstance(attractors, xr.Dataset):
        problems.add("attractors", "a Dataset from dmfx.basins", attractors, is_type=True)
        return None
    missing = [name for name in NAMES[:2] if name not in attractors]
    if missing or not set(INNER) <= set(attractors["attractor_points"].dims):
        what = f"lacks {', '.join(missing)}" if missing else "has attractor_points without those dims"
        problems.say(
            "attractors must be what dmfx.basins returned, with attractor_points (..., attractor, point, pattern) "
            f"and attractor_period (..., attractor), but {what}"
        )
        return None
    found = _whole_numbers(attractors[[name for name in NAMES if name in attractors]])
    _check_values(problems, found)
    if array is None or problems.messages:
        return None
    for dim in [each for each in found.dims if each not in INNER[:2]]:
        found = _matched(problems, array, found, str(dim))
        if found is None:
            return None
    _check_scalars(problems, array, found)
    own = {*array.dims, *INNER}
    found = found.drop_vars([name for name in found.coords if name not in own])
    if "attractor" not in found.coords:
        found = found.assign_coords(attractor=np.arange(found.sizes["attractor"]))
    return found


def _whole_numbers(found: xr.Dataset) -> xr.Dataset:
    """Periods and kinds as whole numbers, also where masking some attractors made floats of them."""
    empty = {"attractor_period": 0, "attractor_kind": KINDS.index("none")}
    floats = [name for name in empty if name in found and found[name].dtype.kind == "f"]
    return found.assign({name: found[name].fillna(empty[name]).astype(np.int64) for name in floats})


def _check_values(problems: Problems, found: xr.Dataset) -> None:
    if found["attractor_points"].dtype.kind not in "fiu" or found["attractor_period"].dtype.kind not in "iu":
        problems.say("attractors: attractor_points must be real numbers and attractor_period whole ones")
    if not set(found["attractor_period"].dims) <= set(found["attractor_points"].dims) - set(INNER[1:]):
        problems.say("attractors: attractor_period has dims that attractor_points lacks")
    for dim in INNER[:2]:
        if found.sizes[dim] == 0:
            problems.say(f"attractors has no entries along {dim}")
    if "attractor" in found.coords:
        labels = found["attractor"].values
        if labels.dtype.kind not in "iu" or (labels < 0).any() or np.unique(labels).size != labels.size:
            problems.say("attractors must have labels from 0 along attractor, each once")
    if "point" in found.coords and (np.diff(found["point"].values) != 1).any():
        problems.say("attractors must have all points, which are successive steps, but some are left out along point")


def _matched(problems: Problems, array: xr.DataArray, found: xr.Dataset, dim: str) -> xr.Dataset | None:
    """The attractors at the labels that the runs have along a dim."""
    if dim in NOISY:
        if found.sizes[dim] > 1:
            problems.say(f"attractors has {found.sizes[dim]} entries along {dim}: select those of the mean field")
            return None
        return found.isel({dim: 0}, drop=True)
    if dim not in array.dims and dim not in array.coords:
        if found.sizes[dim] > 1:
            problems.say(f"attractors has the dim {dim} ({found.sizes[dim]}), which ds has not: select from it")
            return None
        return found.isel({dim: 0}, drop=True)
    if dim not in array.coords or dim not in found.coords:
        if array.sizes.get(dim) != found.sizes[dim]:
            problems.say(f"attractors must have labels along {dim}, or as many entries as ds")
            return None
        return found
    wanted = array[dim].values
    same = _equal(np.atleast_1d(wanted)[:, None], found[dim].values[None, :])
    if not same.any(axis=1).all():
        missing = np.atleast_1d(wanted)[~same.any(axis=1)]
        problems.say(f"attractors has no {dim} = {_listed(missing)}")
        return None
    place = same.argmax(axis=1)
    if wanted.ndim == 0:
        return found.isel({dim: place[0]}, drop=True)
    # Labels that differ by rounding become those of the runs.
    return found.isel({dim: place}).assign_coords({dim: array[dim].variable})


def _check_scalars(problems: Problems, array: xr.DataArray, found: xr.Dataset) -> None:
    """A parameter that was selected away must have had the value that the runs have."""
    for name, coord in found.coords.items():
        single = coord.ndim == 0 and name in array.coords and name not in NOISY
        if single and not _equal(array[name].values, coord.values).all():
            problems.say(f"attractors is at {name} = {coord.item()!r}, but ds at {_listed(array[name].values)}")


def _equal(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    """Whether labels are the same; floats may differ by rounding."""
    if a.dtype.kind in "iuf" and b.dtype.kind in "iuf":
        return np.isclose(a, b, rtol=1e-12, atol=1e-12)
    return np.asarray(a == b)


def _listed(values: np.ndarray) -> str:
    texts = [repr(value) for value in np.ravel(values)[:5].tolist()]
    return ", ".join(texts) + (", ..." if values.size > 5 else "")
