"""What the analyses share: checking and picking their input, running over blocks, assembling the result."""

from __future__ import annotations

import math
import numbers
from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np
import xarray as xr

from dmfx.validation import Problems
from dmfx.variables import describe_dataset

#: Points transformed together. Every transform sees exactly this many, the last group filled up, so that
#: vector code never meets a remainder and a point's result has the same bits in any chunk.
ROWS = 8


@dataclass(frozen=True)
class Plane:
    """The plane x_b = value: all x_a, and the heights x_b, with dims (..., step, pattern), pattern of length 1."""

    whole: xr.DataArray
    heights: xr.DataArray
    value: float
    text: str


def trajectory(problems: Problems, ds: object, variable: object, argument: str = "variable") -> xr.DataArray | None:
    """The variable to analyse with dims (..., step, pattern), or None when a problem was recorded.

    Where ``m_o_semantic``, the default of most analyses, is missing, ``overlap`` stands for it: that of vector spins.
    """
    if not isinstance(ds, xr.Dataset):
        problems.add("ds", "a Dataset from dmfx.simulate", ds, is_type=True)
        return None
    valid = [name for name, array in ds.data_vars.items() if {"step", "pattern"} <= set(array.dims)]
    if not valid:
        problems.say("ds must have a variable with dims step and pattern, but has none")
        return None
    if isinstance(variable, str) and variable == "m_o_semantic" and variable not in ds and "overlap" in valid:
        variable = "overlap"
    if not isinstance(variable, str) or variable not in valid:
        expected = "one of " + ", ".join(map(repr, valid)) + " (the variables with dims step and pattern)"
        problems.add(argument, expected, variable, is_type=not isinstance(variable, str))
        return None
    array = ds[variable].transpose(..., "step", "pattern")
    if array.dtype.kind not in "fiu":
        problems.say(f"{argument} must be real numbers, but {variable!r} has dtype {array.dtype}")
        return None
    if array.sizes["step"] == 0:
        problems.say(f"{argument} must have at least one step, but {variable!r} has none")
        return None
    if "pattern" not in array.coords:  # labels that stay with a pattern that is picked
        array = array.assign_coords(pattern=np.arange(array.sizes["pattern"]))
    return array.astype(np.float64, copy=False)


def pick_pattern(
    problems: Problems, array: xr.DataArray | None, label: object, argument: str = "pattern"
) -> xr.DataArray | None:
    """One pattern by its label, as a view with a ``pattern`` dimension of length 1."""
    if array is None:
        return None
    labels = array["pattern"].values
    found = np.empty(0, dtype=int)
    if np.ndim(label) == 0 and not isinstance(label, (bool, np.bool_)):
        found = np.flatnonzero(labels == label)
    if found.size == 0:
        names = ", ".join(str(each) for each in labels[:20]) + (", ..." if labels.size > 20 else "")
        problems.add(argument, f"a label of the pattern coordinate ({names})", label)
        return None
    return array.isel(pattern=slice(int(found[0]), int(found[0]) + 1))


def pick_patterns(problems: Problems, array: xr.DataArray | None, label: object) -> xr.DataArray | None:
    """All patterns for None, otherwise the one with the label."""
    return array if label is None else pick_pattern(problems, array, label)


def pick_plane(problems: Problems, ds: object, plane: object, array: xr.DataArray | None) -> Plane | None:
    """The plane that a mapping with ``pattern`` and maybe ``value`` and ``variable`` describes.

    ``array`` is the variable that is cut, also the one that ``pattern`` belongs to unless another is named.
    """
    if not isinstance(plane, Mapping):
        problems.add("plane", 'a mapping such as {"pattern": 1, "value": 0.0}', plane, is_type=True)
        return None
    unknown = [key for key in plane if key not in ("pattern", "value", "variable")]
    if unknown or "pattern" not in plane:
        problems.say(
            "plane must have the key 'pattern' and may have 'value' and 'variable', but has "
            + (", ".join(map(repr, plane)) or "no keys")
        )
        return None
    value = problems.real('plane["value"]', plane.get("value", 0.0)) + 0.0  # turns -0.0 into 0.0
    other = array
    if "variable" in plane and isinstance(ds, xr.Dataset):
        other = trajectory(problems, ds, plane["variable"], 'plane["variable"]')
    heights = pick_pattern(problems, other, plane["pattern"], 'plane["pattern"]')
    if heights is None or array is None:
        return None
    if set(heights.dims) != set(array.dims):
        problems.say(f'plane["variable"] must have the dims {array.dims}, but has {heights.dims}')
        return None
    name = "" if other.name == array.name else f"{other.name} "
    text = f"{name}pattern {plane['pattern']} = {repr(value).removesuffix('.0')}"
    return Plane(other.transpose(*array.dims), heights.transpose(*array.dims), value, text)


def spacing(problems: Problems, array: xr.DataArray | None) -> float:
    """Time between the steps that were kept, 1 without labels; uneven steps are a problem."""
    if array is None or "step" not in array.coords or array.sizes["step"] < 2:
        return 1
    apart = np.diff(array["step"].values)
    if (apart != apart[0]).any() or apart[0] <= 0:
        problems.say("ds must have evenly spaced, increasing steps, but the labels of step are not")
        return 1
    return apart[0].item()


def positive(problems: Problems, argument: str, value: object) -> float:
    """One finite number above 0."""
    is_number = isinstance(value, numbers.Real) and not isinstance(value, (bool, np.bool_))
    if is_number and np.isfinite(value) and value > 0:
        return float(value)
    problems.add(argument, "a finite number above 0", value, is_type=not is_number)
    return 1.0


def whole_patterns(array: xr.DataArray) -> xr.DataArray:
    """Bring all patterns into one block."""
    if array.chunks is None or len(array.variable.chunksizes["pattern"]) == 1:
        return array
    return array.copy(data=array.variable.chunk({"pattern": -1}).data)


def whole_steps(array: xr.DataArray) -> xr.DataArray:
    """Bring all steps of a point into one block, of fewer points where it would grow too big."""
    if array.chunks is None:
        return array
    # The variable alone: chunking a DataArray chunks its coordinates too.
    variable = array.variable
    chunks: dict[object, object] = {"pattern": -1}
    if len(variable.chunksizes["step"]) > 1:
        import dask
        from dask.utils import parse_bytes

        chunks["step"] = -1
        sweep = [dim for dim in array.dims if dim not in ("step", "pattern")]
        points = math.prod(max(variable.chunksizes[dim]) for dim in sweep)
        size = points * array.sizes["step"] * array.sizes["pattern"] * array.dtype.itemsize
        if size > parse_bytes(dask.config.get("array.chunk-size")):
            chunks |= dict.fromkeys(sweep, "auto")
    return array.copy(data=variable.chunk(chunks).data)


def map_blocks(
    function: Callable[..., np.ndarray], *arrays: xr.DataArray, step: int, pattern: int, dtype: type
) -> xr.DataArray:
    """Apply a function to each block of arrays (..., step, pattern), lazily when the first one is lazy.

    Parameters
    ----------
    function
        Gets one block of every array and returns one of shape (..., step, pattern), of the sizes given below.
        It is defined in a module, or a partial of such a function: Dask's keys are then the same in every
        process.
    *arrays
        The first has all dims, (..., step, pattern), and one block along pattern; the others some of them.
    step, pattern
        Sizes of the result along these dims, in each block of steps.
    dtype
        Type of the result.

    Returns
    -------
    xr.DataArray
        Dims (..., step, pattern) with the coordinates of the sweep.
    """
    dims = arrays[0].dims
    if arrays[0].chunks is None:
        data = function(*(array.data for array in arrays))
    else:
        import dask.array as da

        # Keeping step and pattern in the index, with new sizes, spares the copy that contracting them makes.
        lazy = [array.variable if array.chunks is not None else array.variable.chunk() for array in arrays]
        pairs = [part for variable in lazy for part in (variable.data, variable.dims)]
        data = da.blockwise(
            function,
            dims,
            *pairs,
            adjust_chunks={"step": step, "pattern": pattern},
            dtype=dtype,
            meta=np.empty((0,) * len(dims), dtype),
        )
    coords = {
        name: coord
        for name, coord in arrays[0].coords.items()
        if "step" not in coord.dims and "pattern" not in coord.dims
    }
    return xr.DataArray(data, dims=dims, coords=coords)


def flatten(block: np.ndarray) -> np.ndarray:
    """A block (..., step, pattern) as (points, step, pattern), without a copy where the sweep is in order."""
    return block.reshape(math.prod(block.shape[:-2]), *block.shape[-2:])


def map_rows(transform: Callable[[np.ndarray], np.ndarray], block: np.ndarray, size: int, dtype: type) -> np.ndarray:
    """Transform the series of a block, a few points at a time, so that the work space stays small.

    Parameters
    ----------
    transform
        Maps a contiguous (rows, pattern, step), which it may overwrite, to (rows, pattern, size).
    block
        Array (..., step, pattern).
    size, dtype
        Length and type of the result.

    Returns
    -------
    np.ndarray
        Array (..., size, pattern).
    """
    series = flatten(block)
    points, steps, patterns = series.shape
    out = np.empty((points, size, patterns), dtype)
    buffer = np.zeros((ROWS, patterns, steps))
    for start in range(0, points, ROWS):
        part = series[start : start + ROWS]
        buffer[: len(part)] = part.transpose(0, 2, 1)
        with np.errstate(all="ignore"):  # infinities and NaN give NaN
            out[start : start + ROWS] = transform(buffer)[: len(part)].transpose(0, 2, 1)
    return out.reshape(*block.shape[:-2], size, patterns)


def assemble(ds: xr.Dataset, arrays: dict[str, xr.DataArray]) -> xr.Dataset:
    """Make the result: the arrays, the status of the points, and the attributes of the input."""
    if "status" in ds:
        arrays = arrays | {"status": ds["status"]}
    # Blocks that were split by points differ from those of the status and the coordinates.
    return describe_dataset(xr.Dataset(arrays, attrs=ds.attrs).unify_chunks())
