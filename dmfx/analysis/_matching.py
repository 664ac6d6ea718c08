"""Bringing a second Dataset, of the mean field, to the sweep of the first: the same points, of the same model."""

from __future__ import annotations

from typing import NamedTuple, TypeVar

import numpy as np
import xarray as xr

from dmfx.labels import positions
from dmfx.models import SelfAttention, self_attention_of
from dmfx.validation import Problems

__all__ = ["at_labels", "check_model"]

Labelled = TypeVar("Labelled", xr.DataArray, xr.Dataset)

#: What makes a model, but for its start, which does not matter to where runs end, and ε.
PARTS = ("weights", "context_size", "position_weights")
#: Labels that a message shows.
SHOWN = 5


def check_model(problems: Problems, ds: object, other: object, argument: str) -> SelfAttention | None:
    """Record in what the models of two Datasets differ, as far as both say it; return the one that is known.

    ε is what the coordinate says, where there is one, and that of the model otherwise. Where both have the coordinate,
    `at_labels` compares it.
    """
    own, its = _model_of(problems, "ds", ds), _model_of(problems, argument, other)
    if own is not None and its is not None:
        mine, theirs = own.spec(), its.spec()
        differs = [name for name in PARTS if mine[name] != theirs[name]]
        if differs:
            sizes = f" ({its.context_size}, not {own.context_size})"
            said = [name + sizes * (name == "context_size") for name in differs]
            problems.say(f"{argument} must be of the model of ds, but differs from it in {', '.join(said)}")
    here, there = (_epsilon(*each) for each in ((ds, own), (other, its)))
    if here is not None and there is not None and not (here.by_label and there.by_label):
        both = (here.values, there.values), (there.values, here.values)
        if any((_places(*each) < 0).any() for each in both):
            problems.say(f"{argument} is of epsilon = {_listed(there.values)}, but ds of {_listed(here.values)}")
    return its if own is None else own


def _model_of(problems: Problems, argument: str, ds: object) -> SelfAttention | None:
    """The model that a Dataset says it is of; None if it does not say, or when a problem was recorded."""
    if not isinstance(ds, xr.Dataset) or "dmfx_model" not in ds.attrs:
        return None
    return self_attention_of(problems, argument, ds)


class _Epsilon(NamedTuple):
    """The values of ε that a Dataset has, and whether its coordinate says them."""

    values: np.ndarray
    by_label: bool


def _epsilon(ds: object, model: SelfAttention | None) -> _Epsilon | None:
    if isinstance(ds, xr.Dataset) and "epsilon" in ds.coords:
        return _Epsilon(np.ravel(ds["epsilon"].values), True) if ds["epsilon"].size else None
    return None if model is None else _Epsilon(np.array([model.epsilon]), False)


def at_labels(
    problems: Problems, array: xr.DataArray, found: Labelled, argument: str, *, own: tuple[str, ...]
) -> Labelled | None:
    """The entries at the labels that the runs have, or None when a problem was recorded.

    Parameters
    ----------
    array
        The runs.
    found
        What is brought to their labels, those of dims and those of single points.
    argument
        What messages call it.
    own
        Its dims that have nothing to do with those of the runs.

    Returns
    -------
    xr.DataArray or xr.Dataset
        Its dims are ``own`` and dims of the runs, with the labels of the runs; it has no other coordinates.
    """
    for dim in [str(each) for each in found.dims if each not in own]:
        found = _selected(problems, array, found, argument, dim)
        if found is None:
            return None
    # What was selected away must have had the value that the runs have.
    for name, coord in found.coords.items():
        if coord.ndim == 0 and name in array.coords:
            at = array[name].values
            if (_places(np.ravel(coord.values), np.ravel(at)) < 0).any():
                problems.say(f"{argument} is at {name} = {coord.item()!r}, but ds at {_listed(at)}")
    return found.drop_vars([name for name in found.coords if name not in found.dims])


def _selected(problems: Problems, array: xr.DataArray, found: Labelled, argument: str, dim: str) -> Labelled | None:
    """The entries along a dim that have the labels of the runs, in their order."""
    if dim not in array.dims and dim not in array.coords:
        if found.sizes[dim] > 1:
            problems.say(f"{argument} has the dim {dim} ({found.sizes[dim]}), which ds has not: select from it")
            return None
        return found.isel({dim: 0}, drop=True)
    if dim not in array.coords or dim not in found.coords:
        if array.sizes.get(dim) != found.sizes[dim]:
            problems.say(f"{argument} must have labels along {dim}, or as many entries as ds")
            return None
        return found
    wanted, labels = array[dim].values, found[dim].values
    if np.array_equal(wanted, labels):
        return found
    if np.unique(labels).size != labels.size:
        problems.say(f"{argument} has repeated labels along {dim}")
        return None
    place = _places(labels, np.ravel(wanted))
    if (place < 0).any():
        problems.say(f"{argument} has no {dim} = {_listed(np.ravel(wanted)[place < 0])}")
        return None
    if wanted.ndim == 0:
        return found.isel({dim: place[0]}, drop=True)
    # Labels that differ by rounding become those of the runs.
    return found.isel({dim: place}).assign_coords({dim: array[dim].variable})


def _places(have: np.ndarray, want: np.ndarray) -> np.ndarray:
    """`positions`, also where there is nothing to find or nowhere."""
    return positions(have, want) if have.size and want.size else np.full(want.size, -1)


def _listed(values: np.ndarray) -> str:
    texts = [repr(value) for value in np.ravel(values)[:SHOWN].tolist()]
    return ", ".join(texts) + (", ..." if values.size > SHOWN else "")
