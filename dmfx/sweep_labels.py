"""What the points of a Dataset that runs go on from are: in order along its dims, of one model, with their noise."""

from __future__ import annotations

import numpy as np
import xarray as xr

from dmfx.finite_size import COMMON_NOISE, MOST_SPINS, noise_keys, selected_labels
from dmfx.validation import Problems

__all__ = ["along", "joined", "noise_of"]

#: Dims of the weights of one model.
WEIGHT_DIMS = ("seed", "matrix", "pattern", "column", "bit")


def along(array: xr.DataArray, like: xr.DataArray, sweep: tuple[str, ...], expand: bool = True) -> xr.DataArray:
    """The array with every sweep dim in order, of full size, or of size 1 where it does not vary."""
    array = array.drop_vars(list(array.coords))
    missing = {dim: like.sizes[dim] if expand else 1 for dim in sweep if dim not in array.dims}
    return array.expand_dims(missing).transpose(*sweep)


def joined(ds: xr.Dataset) -> str | None:
    """Weights that depend on more than the seed, as after joining runs of several models, of which one is described."""
    for name in ("field_weights", "overlap_weights", "position_weights"):
        extra = [dim for dim in ds[name].dims if dim not in WEIGHT_DIMS] if name in ds else []
        if extra and not bool((ds[name] == ds[name].isel(dict.fromkeys(extra, 0))).all()):
            return name
    return None


def noise_of(
    problems: Problems,
    ds: xr.Dataset,
    clock: xr.DataArray,
    parameters: dict[str, np.ndarray],
    attention: xr.DataArray,
    sweep: tuple[str, ...],
) -> tuple[np.ndarray | xr.DataArray, ...]:
    """The ``noise`` of `States`."""
    if "size" not in ds.coords:
        return ()
    size = ds.coords["size"]
    if not set(size.dims) <= set(sweep) or size.dtype.kind not in "iuf":
        problems.say(f"ds: size must be a coordinate of numbers along {', '.join(sweep) or 'no dims'}")
        return ()
    sizes = along(size, attention, sweep, expand=False).to_numpy().astype(float)
    if np.isinf(sizes).all():
        return ()
    bad = ~((sizes >= 1) & ((sizes <= MOST_SPINS) & (sizes == np.round(sizes)) | np.isinf(sizes)))
    if bad.any():
        problems.say(f"ds: the coordinate size must be whole numbers of at least 1 or infinity, not {sizes[bad][0]:g}")
        return ()
    labels = parameters | {"size": sizes}
    for name in ("replica", *(dim for dim in sweep if dim not in (*labels, "replica"))):
        labels[name] = np.zeros((1,) * len(sweep), dtype=np.int64)
        if name in ds.coords and set(ds.coords[name].dims) <= set(sweep):
            labels[name] = along(ds.coords[name], attention, sweep, expand=False).to_numpy()
    labels |= {name: np.array(label) for name, label in selected_labels(attention).items()}
    shape = tuple(attention.sizes[dim] for dim in sweep)
    points = {name: np.broadcast_to(values, shape).ravel() for name, values in labels.items()}
    common = str(ds.attrs.get(COMMON_NOISE, "")).split()
    return sizes, noise_keys(points, common).reshape(*shape, 2), along(clock, attention, sweep)
