"""A call of `dmfx.sweep` in plain values, by which the next call on a store is compared with the one that made it."""

from __future__ import annotations

import inspect
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import xarray as xr
from dask.base import tokenize

from dmfx.finite_size import COMMON_NOISE
from dmfx.sweeps.reductions import Reduction
from dmfx.sweeps.run import TASKS, Run
from dmfx.version import dmfx_version

__all__ = ["described_call"]

#: Arguments that are compared in another way, or that change no value.
LEFT_OUT = ("steps", "chunks", "variables")
#: Attributes of Datasets that decide values.
TELLING = ("dmfx_model", COMMON_NOISE)


def described_call(run: Run, reductions: Sequence[Reduction], variables: object) -> dict[str, Any]:
    """Everything that decides the values of a sweep but its labels and its length."""
    function = TASKS[run.task if run.task != "ablations" else run.arguments["ablated"]]
    defaults = {
        name: parameter.default
        for name, parameter in inspect.signature(function).parameters.items()
        if parameter.default is not parameter.empty
    }
    arguments = {**defaults, **run.arguments}
    return {
        "dmfx": dmfx_version(),
        "task": run.task,
        "model": f"{type(run.model).__name__} {tokenize(run.model)}",
        "arguments": {
            name: _described(value)
            for name, value in arguments.items()
            if name not in LEFT_OUT and name not in run.labels
        },
        "swept": list(run.labels),
        "reduce": [
            {
                "name": each.name,
                "analysis": each.analysis,
                "of": each.of,
                "settings": {name: _described(value) for name, value in each.settings.items()},
            }
            for each in reductions
        ],
        "variables": _described([variables] if isinstance(variables, str) else variables),
    }


def steps_of(run: Run) -> int | None:
    """Steps that the call asks for, the default of the task where it does not say."""
    if "steps" in run.arguments:
        return run.arguments["steps"]
    function = TASKS[run.task if run.task != "ablations" else run.arguments["ablated"]]
    default = inspect.signature(function).parameters["steps"].default
    return None if default is inspect.Parameter.empty else default


def _described(value: Any) -> Any:
    """An argument as JSON holds it; of arrays and Datasets a digest."""
    if isinstance(value, np.generic):
        value = value.item()
    if value is None or isinstance(value, (bool, int, float, str)):
        return value
    if isinstance(value, (list, tuple, range)) and all(isinstance(each, (bool, int, float, str)) for each in value):
        return list(value)
    if isinstance(value, Mapping) and all(isinstance(key, str) for key in value):
        return {key: _described(each) for key, each in value.items()}
    if isinstance(value, (xr.Dataset, xr.DataArray)):
        # When and where it was computed changes nothing.
        value = value.drop_attrs().assign_attrs({name: value.attrs[name] for name in TELLING if name in value.attrs})
    return f"{type(value).__name__} {tokenize(value)}"
