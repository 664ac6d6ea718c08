"""The attractors of the mean field that finite networks are compared with."""

from __future__ import annotations

import numpy as np
import xarray as xr

from dmfx.analysis._matching import at_labels
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
    before = len(problems.messages)
    found = _whole_numbers(attractors[[name for name in NAMES if name in attractors]])
    _check_values(problems, found)
    if array is None or len(problems.messages) > before:
        return None
    found = _mean_field(problems, found)
    found = None if found is None else at_labels(problems, array, found, "attractors", own=INNER[:2])
    if found is None or len(problems.messages) > before:
        return None
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


def _mean_field(problems: Problems, found: xr.Dataset) -> xr.Dataset | None:
    """The attractors without the dims along which they are the same."""
    for dim in NOISY:
        if found.sizes.get(dim, 1) != 1:
            problems.say(f"attractors has {found.sizes[dim]} entries along {dim}: select those of the mean field")
            return None
    return found.squeeze([dim for dim in NOISY if dim in found.dims]).drop_vars(NOISY, errors="ignore")
