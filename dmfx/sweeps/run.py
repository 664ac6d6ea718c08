"""The run of a sweep: which function makes it, with which labels along the dims that can be cut."""

from __future__ import annotations

import contextlib
import inspect
import threading
import warnings
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import xarray as xr

from dmfx.experiments import ablations, denoising, free_running, masked_prediction
from dmfx.simulate import simulate
from dmfx.validation import Problems
from dmfx.variables import OVERLAPS, VECTOR_VARIABLES

__all__ = ["KNOWN", "TASKS", "Run", "parse_run", "quietly"]

#: What makes a run, by name.
TASKS: dict[str, Callable[..., xr.Dataset]] = {
    function.__name__: function for function in (simulate, masked_prediction, denoising, free_running, ablations)
}
#: Arguments whose labels are points: a part of them gives that part of the result.
CUT = ("beta", "gamma", "seed", "epsilon", "size", "replica", "fraction", "noise")
#: Those of them that are dims even where a number is given.
ALWAYS = ("beta", "gamma", "seed")
#: Variables that a run can keep of its trajectories.
KNOWN = (*OVERLAPS, *VECTOR_VARIABLES)


@dataclass(frozen=True, eq=False)
class Run:
    """What is run, apart from where it is kept.

    Attributes
    ----------
    task
        Name of the function.
    model
        Its model.
    labels
        Labels along the dims that can be cut.
    arguments
        Its other arguments.
    """

    task: str
    model: object
    labels: dict[str, np.ndarray]
    arguments: dict[str, Any]

    def dataset(self, labels: Mapping[str, np.ndarray] | None = None, chunks: object = "auto") -> xr.Dataset:
        """The lazy Dataset of the whole run, or of the points with these labels."""
        function: Callable[..., xr.Dataset] = TASKS[self.task]
        arguments = self.arguments | (self.labels if labels is None else dict(labels))
        if self.task == "ablations":
            arguments = dict(arguments)
            ablated = arguments.pop("ablated")
            return ablations(ablated, self.model, **arguments, chunks=chunks)
        return function(self.model, **arguments, chunks=chunks)

    def quiet(self, labels: Mapping[str, np.ndarray] | None = None, chunks: object = "auto") -> xr.Dataset:
        """The same without the warnings that the whole run has given."""
        with quietly():
            return self.dataset(labels, chunks)

    def beside_finite(self, labels: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
        """Labels of some points, with a finite size behind those of the mean field if there are finite ones elsewhere.

        The mean field alone has no state of noise, and some starts and arguments are refused.
        """
        found, sizes = dict(labels), self.labels.get("size")
        if sizes is not None and np.isinf(found["size"]).all() and np.isfinite(sizes).any():
            found["size"] = np.append(found["size"], sizes[np.isfinite(sizes)].min())
        return found

    def with_arguments(self, **arguments: Any) -> Run:
        """The same with some arguments changed."""
        return replace(self, arguments=self.arguments | arguments)

    @property
    def steps(self) -> int | None:
        """Steps that are kept, None where the task does not say."""
        return self.arguments.get("steps")


_filters = threading.RLock()


@contextlib.contextmanager
def quietly() -> Iterator[None]:
    """Without warnings of users' arguments; one thread at a time, as all threads have the same filters."""
    with _filters, warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)
        yield


def parse_run(
    problems: Problems, task: object, model: object, axes: Mapping[str, object], arguments: dict[str, Any]
) -> Run:
    """Normalise what is run; the function itself checks values later, this only what its arguments are called."""
    name = problems.choice("task", task, TASKS)
    arguments = dict(arguments)
    if name == "ablations":
        ablated = problems.choice("ablated", arguments.get("ablated"), [each for each in TASKS if each in _ABLATED])
        arguments["ablated"] = ablated
        known = [*list(inspect.signature(TASKS[ablated]).parameters)[1:], "ablated"]
    else:
        known = list(inspect.signature(TASKS[name]).parameters)[1:]
    for argument in arguments:
        if argument not in known or argument in ("chunks", "variables"):
            problems.say(f"{name} has no argument {argument!r}; it has {', '.join(known)}")
    given = {**axes, **arguments}
    labels = {}
    for argument in CUT:
        value = given.get(argument)
        if argument in ALWAYS or (argument in given and value is not None and np.ndim(value) > 0):
            labels[argument] = _as_labels(value)
    return Run(str(name), model, labels, {key: value for key, value in given.items() if key not in labels})


_ABLATED = ("masked_prediction", "denoising", "free_running")


def _as_labels(value: object) -> Any:
    """A 1-D array where the value is one; anything else is left for the function to refuse."""
    try:
        array = np.asarray(value)
    except ValueError:
        return value
    if isinstance(value, (range, list, tuple)) or array.ndim > 0 or array.dtype.kind in "iuf":
        return np.atleast_1d(array) if array.dtype.kind in "iuf" else value
    return value
