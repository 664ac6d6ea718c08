"""Networks of finite size: how many spins, and what the noise of each sweep point is a function of."""

from __future__ import annotations

import hashlib
from collections.abc import Collection, Mapping
from typing import NamedTuple

import numpy as np
import xarray as xr

from dmfx.validation import Problems, real_numbers
from dmfx.variables import COORDINATES, VARIABLES

__all__ = ["COMMON_NOISE", "MOST_SPINS", "Noise", "noise_keys", "parse_common_noise", "parse_sizes", "selected_labels"]

#: Floats are whole numbers up to here.
MOST_SPINS = 2**53

#: Attribute of a Dataset that names the dims along which its points share their noise.
COMMON_NOISE = "dmfx_common_noise"

#: Coordinates that the noise of every point depends on, whether they are dims or not.
ALWAYS = {"seed": int, "replica": int, "size": float, "beta": float, "gamma": float, "epsilon": float}

#: Coordinates that are not of starts, which may have any name but those of other things.
OTHERS = {*COORDINATES, *VARIABLES} - {"initial", "direction"}


class Noise(NamedTuple):
    """What is known of the size and the noise of all points of a sweep, besides their labels.

    Attributes
    ----------
    size, replica
        Number of spins and realisation of the noise, where they are not dims.
    common
        Dims along which points share their noise.
    selected
        Names and labels of coordinates along which the start of the runs was one of several.
    """

    size: float = np.inf
    replica: int = 0
    common: tuple[str, ...] = ()
    selected: tuple[tuple[str, object], ...] = ()

    def coordinates(self, n_points: int) -> dict[str, np.ndarray]:
        """The coordinates that are the same for all points, shape (point,) each."""
        same = {"size": self.size, "replica": self.replica, **dict(self.selected)}
        return {name: np.full(n_points, label) for name, label in same.items()}


def selected_labels(array: xr.DataArray) -> dict[str, object]:
    """Labels that are left where one of several starts was selected: the noise of its run depends on them."""
    coords = array.coords.items()
    return {name: np.asarray(coord).item() for name, coord in coords if coord.ndim == 0 and name not in OTHERS}


def parse_sizes(problems: Problems, size: object) -> np.ndarray:
    """Numbers of spins as floats, infinity for the mean field."""
    expected = "whole numbers from 1 to 2^53 (9e15), or np.inf for the mean field"
    stand_in = np.array([np.inf])
    array = real_numbers(size)
    if array is None:
        problems.add("size", f"a number or a 1-D array: {expected}", size, is_type=True)
        return stand_in
    if array.ndim > 1 or array.size == 0:
        problems.add("size", f"a number or a 1-D array: {expected}", array)
        return stand_in
    array = np.atleast_1d(array)
    sizes = array.astype(float)
    if isinstance(size, (list, tuple)):  # next to a float, 2^53 + 1 would have become 2^53
        array = np.array([MOST_SPINS + 1 if isinstance(n, int) and n > MOST_SPINS else float(n) for n in size], object)
    with np.errstate(invalid="ignore"):
        whole = (sizes >= 1) & (array <= MOST_SPINS) & (sizes == np.round(sizes))
    good = whole | (sizes == np.inf)
    if not good.all():
        first = int(np.flatnonzero(~good)[0])
        where = f" at position {first}" if array.size > 1 else ""
        shown = np.atleast_1d(np.asarray(size, dtype=object))[first] if array.dtype == object else array[first].item()
        problems.say(f"size must be {expected}, not {shown!r}{where}")
        return stand_in
    if np.unique(sizes).size != sizes.size:
        problems.say("size has repeated values: every value labels one point of the sweep")
    return sizes


def parse_common_noise(
    problems: Problems, common_noise: object, dims: Collection[str], finite: bool
) -> tuple[str, ...]:
    """The dims along which points share their noise."""
    if common_noise is None:
        return ()
    if isinstance(common_noise, str):
        common_noise = (common_noise,)
    try:
        names = tuple(dict.fromkeys(common_noise))
        if isinstance(common_noise, bytes):
            raise TypeError
    except TypeError:
        problems.add("common_noise", "names of dims of the sweep", common_noise, is_type=True)
        return ()
    if names and not finite:
        problems.say("common_noise goes with a finite size=: the mean field has no noise")
        return ()
    for name in names:
        if name == "replica":
            problems.say("common_noise: replicas are what has different noise; name another dim, such as initial")
        elif name not in dims:
            known = ", ".join(dim for dim in dims if dim != "replica")
            problems.say(f"common_noise: there is no dim {name!r}; the dims are {known}")
    return names


def noise_keys(label: Mapping[str, np.ndarray], common: Collection[str] = ()) -> np.ndarray:
    """The keys of the noise: 128 bits from the coordinates of each point, whatever other points there are.

    Parameters
    ----------
    label
        Coordinates by name, each of shape (point,): those of `ALWAYS`, and those of any further dims.
    common
        Coordinates that the noise does not depend on.

    Returns
    -------
    np.ndarray
        Shape (point, 2), unsigned 64-bit words.
    """
    names = [*ALWAYS, *sorted(set(label) - set(ALWAYS))]
    n_points = len(label["seed"])
    words = np.zeros((n_points, 0), dtype="<u8")
    for name in names:
        kept = label[name].astype(ALWAYS[name]) if name in ALWAYS else label[name]
        values = np.zeros(n_points, "<u8") if name in common else _words(kept)
        parts = [values] if name in ALWAYS else [np.full(n_points, _digest(name)), values]
        words = np.column_stack([words, *parts])
    keys = b"".join(hashlib.blake2b(row.tobytes(), digest_size=16, person=b"dmfx noise").digest() for row in words)
    return np.frombuffer(keys, dtype="<u8").reshape(n_points, 2).astype(np.uint64)


def _words(labels: np.ndarray) -> np.ndarray:
    """A word for each label: the bits of numbers, a digest of anything else."""
    if labels.dtype.kind in "iub":
        return labels.astype(np.int64).view("<u8")
    if labels.dtype.kind == "f":
        return (labels.astype(np.float64) + 0.0).view("<u8")  # 0.0 and -0.0 are the same coordinate
    return np.array([_digest(str(each)) for each in labels.tolist()], dtype="<u8")


def _digest(text: str) -> int:
    return int.from_bytes(hashlib.blake2b(text.encode(), digest_size=8).digest(), "little")
