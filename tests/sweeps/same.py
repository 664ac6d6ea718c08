"""What a sweep must give: the same as calls without it, bit for bit."""

from __future__ import annotations

import json

import numpy as np
import xarray as xr

import dmfx
from dmfx.sweeps.run import TASKS

__all__ = ["assert_same", "direct_run", "reductions_of"]

#: Attributes of a Dataset that tell when, where and how it was made.
OF_THE_CALL = {"history", "Conventions", "dmfx_machine", "dmfx_command", "dmfx_reductions", "dmfx_failures"}


def direct_run(model, task="simulate", variables=None, **arguments):
    """The run of a sweep without a sweep."""
    tokens = (arguments.pop("tokens"),) if "tokens" in arguments else ()
    if variables is not None:
        arguments["variables"] = variables
    if task == "ablations":
        return dmfx.ablations(arguments.pop("ablated"), model, *tokens, **arguments)
    return TASKS[task](model, *tokens, **arguments)


def reductions_of(run, reduce):
    """What reductions give, by name, called one after the other on the whole run."""
    results = {}
    for entry in reduce:
        entry = {"analysis": entry} if isinstance(entry, str) else dict(entry)
        name = entry.pop("analysis")
        label, of = entry.pop("name", name), entry.pop("of", None)
        results[label] = getattr(dmfx, name)(run if of is None else results[of], **entry)
    return results


def assert_same(found: xr.Dataset, expected: xr.Dataset, *, less: bool = False):
    """The same variables, dims, dtypes, bits, coordinates and attributes; with ``less``, found may have more."""
    for kind in ("data_vars", "coords"):
        names, wanted = set(getattr(found, kind)), set(getattr(expected, kind))
        assert names >= wanted if less else names == wanted, kind
    for name, var in expected.variables.items():
        again = found.variables[name]
        assert again.dims == var.dims, name
        assert again.dtype == var.dtype, name
        assert again.shape == var.shape, name
        assert _bits(again) == _bits(var), name
        assert _plain(again.attrs) == _plain(var.attrs), name
    attrs, wanted = ({k: v for k, v in ds.attrs.items() if k not in OF_THE_CALL} for ds in (found, expected))
    if less:
        attrs = {key: value for key, value in attrs.items() if key in wanted}
    assert _plain(attrs) == _plain(wanted)


def _bits(var):
    values = np.ascontiguousarray(var.values)
    return values.tolist() if values.dtype.kind in "UO" else values.tobytes()


def _plain(attrs):
    return json.loads(json.dumps({str(key): _as_python(value) for key, value in attrs.items()}, sort_keys=True))


def _as_python(value):
    if isinstance(value, (np.ndarray, np.generic)):
        value = value.tolist()
    return list(value) if isinstance(value, tuple) else value
