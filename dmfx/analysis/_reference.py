"""The mean-field run that finite networks are compared with."""

from __future__ import annotations

import numpy as np
import xarray as xr

from dmfx.analysis._labelled import trajectory
from dmfx.analysis._matching import at_labels
from dmfx.validation import Problems

__all__ = ["pick_reference"]


def pick_reference(
    problems: Problems, array: xr.DataArray | None, reference: object, variable: object
) -> xr.DataArray | None:
    """The mean field for every point of a sweep: (..., step, pattern), without the dims size and replica.

    Parameters
    ----------
    array
        Trajectories of the networks, (..., step, pattern).
    reference
        A Dataset of mean-field runs, or None for the entry size = inf of ``array``.
    variable
        Name of the variable in the reference.
    """
    if reference is not None:
        found = _variable_of(problems, reference, variable)
        if array is None or found is None:
            return None
        return at_labels(problems, array, found, "reference", own=("step",))
    if array is None:
        return None
    found = _mean_field(problems, array, "ds")
    if found is None:
        return None
    if "size" not in array.dims:
        problems.say(
            "ds is a mean-field run itself and has no dim size: a distance needs finite networks, or reference="
        )
        return None
    return found


def _variable_of(problems: Problems, reference: object, variable: object) -> xr.DataArray | None:
    if not isinstance(reference, xr.Dataset):
        problems.add("reference", "a Dataset of mean-field runs from dmfx.simulate, or None", reference, is_type=True)
        return None
    own = Problems("reference")
    found = trajectory(own, reference, variable)
    for message in own.messages:
        problems.say("reference: " + message)
    return None if found is None else _mean_field(problems, found, "reference")


def _mean_field(problems: Problems, array: xr.DataArray, argument: str) -> xr.DataArray | None:
    """The entry size = inf, of any replica: all are equal there; runs that do not tell their size are mean field."""
    if "size" in array.dims:
        found = np.flatnonzero(np.isinf(_numbers(array, "size")))
        if found.size == 0:
            problems.say(f"{argument} must have an entry size = inf, the mean field{_or_reference(argument)}")
            return None
        array = array.isel(size=found[0], drop=True)
    elif "size" in array.coords and not np.isinf(_numbers(array, "size")):
        size = array["size"].item()
        problems.say(f"{argument} must have an entry size = inf, but has size {size:g} only{_or_reference(argument)}")
        return None
    if "replica" in array.dims:
        if array.sizes["replica"] == 0:
            problems.say(f"{argument} must have at least one replica")
            return None
        array = array.isel(replica=0, drop=True)
    return array.drop_vars(["size", "replica"], errors="ignore")


def _numbers(array: xr.DataArray, name: str) -> np.ndarray:
    """A coordinate as floats; without one, or without numbers, nothing is infinite."""
    if name not in array.coords or array[name].dtype.kind not in "iuf":
        return np.zeros(array.sizes.get(name, ()))
    return array[name].values.astype(float)


def _or_reference(argument: str) -> str:
    return "; or give the mean-field runs as reference=" if argument == "ds" else ""
