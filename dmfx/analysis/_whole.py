"""Running a function over the points of a sweep that needs several arrays, or all of a dim, at once."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping

import numpy as np
import xarray as xr

from dmfx.analysis._labelled import assemble
from dmfx.version import versions

__all__ = ["Result", "assemble_lazily", "call_blocks", "whole"]

#: Dims, sizes and type of one result, behind the dims of the sweep.
Result = tuple[tuple[str, ...], tuple[int, ...], type]


def whole(array: xr.DataArray, *dims: str) -> xr.DataArray:
    """Bring all of some dims into one block, of fewer points where it would grow too big."""
    if array.chunks is None:
        return array
    import dask
    from dask.utils import parse_bytes

    variable = array.variable  # alone: chunking a DataArray chunks its coordinates too
    dims = tuple(dim for dim in dims if dim in array.dims)
    chunks: dict[object, object] = dict.fromkeys(dims, -1)
    if any(len(variable.chunksizes[dim]) > 1 for dim in dims):
        others = [dim for dim in array.dims if dim not in dims]
        points = math.prod(max(variable.chunksizes[dim]) for dim in others)
        size = points * math.prod(array.sizes[dim] for dim in dims) * array.dtype.itemsize
        if size > parse_bytes(dask.config.get("array.chunk-size")):
            chunks |= dict.fromkeys(others, "auto")
    return array.copy(data=variable.chunk(chunks).data)


def call_blocks(
    function: Callable[..., tuple[np.ndarray, ...]],
    shared: object,
    *arrays: xr.DataArray,
    inner: tuple[str, ...],
    results: Mapping[str, Result],
) -> dict[str, xr.DataArray]:
    """Call a function once for each block of a sweep, lazily when one of the arrays is lazy.

    Parameters
    ----------
    function
        Gets ``shared`` and a block of every array; returns a tuple of the results. Defined in a module.
    shared
        What all calls get.
    *arrays
        The dims of the first that are not ``inner`` are the sweep. The others have some of them with the same labels;
        their blocks have size 1 along the rest.
    inner
        Dims of which every block is whole; in a block they come last, in the order of the array.
    results
        What is returned, by name.

    Returns
    -------
    dict
        The results with the dims of the sweep before their own, and the coordinates of the first array that have no
        inner dim.
    """
    sweep = [dim for dim in arrays[0].dims if dim not in inner]
    ordered = [
        array.variable.transpose(*(dim for dim in sweep if dim in array.dims), *(d for d in array.dims if d in inner))
        for array in arrays
    ]
    lazy = [variable for variable in ordered if variable.chunks is not None]
    sizes = {dim: arrays[0].sizes[dim] for dim in sweep}
    inputs = [_broadcast(variable, sweep) for variable in ordered]
    if not lazy:
        computed = dict(zip(results, function(shared, *inputs), strict=True))
    else:
        from dask.base import tokenize

        from dmfx.tasks import views

        chunks = {
            dim: next((each.chunksizes[dim] for each in lazy if dim in each.dims), (size,))
            for dim, size in sizes.items()
        }
        inputs = [
            _broadcast(each.chunk({dim: chunks.get(dim, -1) for dim in each.dims}), sweep)
            if each.chunks is not None
            else given
            for each, given in zip(ordered, inputs, strict=True)
        ]
        name = f"{function.__module__}.{function.__qualname__}"
        computed = views(
            tokenize(name, inputs, shared, versions()["dmfx"]),
            function,
            inputs,
            {name: (shape, dtype) for name, (_, shape, dtype) in results.items()},
            tuple(chunks.values()),
            shared,
        )
    coords = {name: coord for name, coord in arrays[0].coords.items() if not set(inner) & set(coord.dims)}
    return {name: xr.DataArray(computed[name], coords, dims=(*sweep, *dims)) for name, (dims, _, _) in results.items()}


def _broadcast(variable: xr.Variable, sweep: list[str]) -> object:
    """The data with an axis of size 1 for every dim of the sweep that is missing."""
    return variable.data[tuple(slice(None) if dim in variable.dims else None for dim in sweep)]


def assemble_lazily(ds: xr.Dataset, arrays: dict[str, xr.DataArray]) -> xr.Dataset:
    """`assemble` for several inputs: all is lazy, also the status, if one of the results is."""
    if all(array.chunks is None for array in arrays.values()):
        return assemble(ds, arrays)
    if "status" in ds:
        ds = ds.assign(status=_lazy(ds["status"]))
    return assemble(ds, {name: _lazy(array) for name, array in arrays.items()})


def _lazy(array: xr.DataArray) -> xr.DataArray:
    # The variable alone: chunking a DataArray chunks its coordinates too.
    return array if array.chunks is not None else array.copy(data=array.variable.chunk().data)
