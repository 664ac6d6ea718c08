"""What the pictures share in reading their input."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import xarray as xr

from dmfx.plot._labels import panel_title
from dmfx.validation import Problems

__all__ = ["analysed", "axis", "dataset", "default_axis", "flag", "has_dims", "held", "panels", "pixels", "sweep"]

#: More panels than this are no picture any more.
MOST_PANELS = 12


def dataset(call: str, ds: object) -> Problems:
    """Start the checks of a picture; raise if there is no Dataset to check anything against."""
    problems = Problems(call)
    if not isinstance(ds, xr.Dataset):
        problems.add("ds", "a Dataset from dmfx.simulate or from an analysis", ds, is_type=True)
        problems.raise_any()
    return problems


def analysed(
    problems: Problems, ds: xr.Dataset, name: str, function: Callable[..., xr.Dataset], options: dict
) -> xr.Dataset:
    """The Dataset itself if it holds the result of an analysis, which is done otherwise.

    Options left at None are the analysis' own defaults.
    """
    given = {key: value for key, value in options.items() if value is not None}
    if name not in ds:
        return function(ds, **given)
    if given:
        problems.say(f"{', '.join(given)}: only for trajectories, but ds already holds {name!r}; leave it out")
    problems.raise_any()
    return ds


def pixels(problems: Problems, width: object, height: object) -> tuple[int, int]:
    """Size of a picture, with room for its labels."""
    return problems.count("width", width, minimum=200), problems.count("height", height, minimum=160)


def flag(problems: Problems, argument: str, value: object) -> bool:
    """True or False."""
    if not isinstance(value, (bool, np.bool_)):
        problems.add(argument, "True or False", value, is_type=True)
    return bool(value)


def has_dims(problems: Problems, array: xr.DataArray, *dims: str) -> None:
    """Raise if an analysed variable lost a dim that the picture needs."""
    missing = [dim for dim in dims if dim not in array.dims]
    if missing:
        problems.say(f"ds must have {array.name!r} with the dims {', '.join(dims)}, but it has {array.dims}")
        problems.raise_any()


def held(problems: Problems, ds: xr.Dataset, name: str, *dims: str) -> xr.DataArray:
    """A variable of an analysis with the dims that its picture needs; raise if there is none."""
    if name not in ds:
        problems.say(f"ds must have the variable {name!r}, but has {', '.join(map(repr, ds.data_vars)) or 'none'}")
        problems.raise_any()
    has_dims(problems, ds[name], *dims)
    return ds[name]


def default_axis(array: xr.DataArray, *own: str, taken: str | None = None) -> str:
    """Dim of an axis that was not given: of those with several points and numbers, β, else γ, else the first."""
    first = [dim for dim in ("beta", "gamma") if dim != taken]
    several = [
        dim
        for dim, size in array.sizes.items()
        if size > 1 and dim not in own and dim != taken and not (dim in array.coords and array[dim].dtype.kind in "OUS")
    ]
    return next((dim for dim in [*first, *several] if dim in several), first[0])


def axis(
    problems: Problems,
    argument: str,
    value: object,
    array: xr.DataArray,
    *own: str,
    also: str = "",
    infinite: bool = False,
) -> bool:
    """Check that a sweep dim can be an axis, with numbers for coordinate and at least two points; whether it is one.

    Some of them may be infinite, as the size of the mean field is, if ``infinite`` says that the picture can show it.
    """
    dims = [dim for dim in array.dims if dim not in own]
    if not isinstance(value, str) or value not in dims:
        expected = "a sweep dim, one of " + ", ".join(map(repr, dims)) + also if dims else f"a sweep dim{also}"
        problems.add(argument, expected, value, is_type=not isinstance(value, str))
        return False
    if value not in array.coords or array[value].dtype.kind not in "iuf":
        problems.say(f"{argument} must be a dim with numbers for coordinate, and {value!r} has none")
    elif array.sizes[value] < 2:
        problems.say(f"{argument} must be a dim of at least two points, and {value!r} has {array.sizes[value]}")
    elif not infinite and not np.isfinite(array[value].values).all():
        problems.say(f"{argument} must be a dim of finite numbers: select those of {value!r} that are, with ds.sel")
    return True


def sweep(problems: Problems, array: xr.DataArray, *own: str) -> None:
    """Check that the dims beside ``own``, one panel for each point, give no more panels than one can see."""
    sizes = {dim: size for dim, size in array.sizes.items() if dim not in own and size != 1}
    n_panels = int(np.prod(list(sizes.values())))
    if unlabelled := [dim for dim in sizes if dim not in array.coords]:
        problems.say(f"ds must have coordinates along {', '.join(unlabelled)}")
    if n_panels == 0:
        problems.say(f"ds has no points: {_sizes(sizes)}")
    if n_panels > MOST_PANELS:
        problems.say(
            f"ds has {n_panels} sweep points, one panel each, and at most {MOST_PANELS} can be drawn: select "
            f"some with ds.sel or ds.isel along {_sizes(sizes)}"
        )


def panels(ds: xr.Dataset, *own: str) -> list[tuple[str, xr.Dataset]]:
    """Every sweep point with the title that tells it apart, which is empty if there is only one."""
    dims = [dim for dim in ds.dims if dim not in own]
    sizes = [ds.sizes[dim] for dim in dims]
    varying = [dim for dim, size in zip(dims, sizes, strict=True) if size > 1]
    points = [ds.isel(dict(zip(dims, index, strict=True))) for index in np.ndindex(*sizes)]
    return [(panel_title(point, varying), point) for point in points]


def _sizes(sizes: dict) -> str:
    return ", ".join(f"{dim} ({size})" for dim, size in sizes.items())
