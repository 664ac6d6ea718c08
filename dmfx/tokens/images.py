"""Checks of images."""

from __future__ import annotations

import numpy as np
import xarray as xr

from dmfx.validation import Problems

__all__ = ["as_images", "check_pixels"]

PIXEL = ("row", "column", "channel")


def as_images(problems: Problems, images: object, shape: tuple[int, ...] | None = None) -> np.ndarray | None:
    """Images as floats, or None when a problem was recorded.

    Parameters
    ----------
    problems
        Takes what is wrong.
    images
        What was given: floats, or uint8, which is divided by 255.
    shape
        Of one image: (rows, columns) or (rows, columns, channels). None where any will do.

    Returns
    -------
    np.ndarray or None
        Shape (n, rows, columns) or (n, rows, columns, channels), float64. One image of a known shape becomes n = 1.
    """
    known = len(problems.messages)
    wanted = "(n, rows, columns) or (n, rows, columns, channels)" if shape is None else _text(("n", *shape))
    expected = f"an array of shape {wanted}" + ("" if shape is None else f", or {_text(shape)} for one image")
    if isinstance(images, xr.Dataset):
        hint = "ds.image" if "image" in images else "the variable that holds them"
        problems.add("images", f"{expected}, such as {hint}", images, is_type=True)
        return None
    try:
        array = np.asarray(images)
    except (TypeError, ValueError):
        problems.say(f"images must be {expected}{_odd_one(images, shape)}")
        return None
    one = shape is not None and array.ndim == len(shape)
    if (array.dtype != np.uint8 and array.dtype.kind != "f") or np.ma.is_masked(images):
        hint = ": divide by the largest value there can be, or turn bytes to uint8" if array.dtype.kind in "iu" else ""
        problems.add("images", f"floats, or uint8, which is scaled to [0, 1]{hint}", array, is_type=True)
    fits = array.ndim in (3, 4) if shape is None else one or array.ndim == len(shape) + 1
    if not fits or array.size == 0 or (shape is not None and array.shape[-len(shape) :] != shape):
        problems.add("images", expected, array)
    if len(problems.messages) > known:
        return None
    if one:
        array = array[None]
    return array / 255.0 if array.dtype == np.uint8 else array.astype(np.float64, copy=False)


def check_pixels(problems: Problems, array: np.ndarray, low: float, high: float) -> None:
    """Record pixels that are not finite, and pixels outside a range."""
    finite = np.isfinite(array)
    if not finite.all():
        problems.say(f"images must have finite pixels, but {_bad_images(~finite, array)}")
    slack = 1e-6 * (high - low)
    outside = finite & ((array < low - slack) | (array > high + slack))
    if outside.any():
        problems.say(
            f"images must have pixels from {low:g} to {high:g}, but {_bad_images(outside, array)}; scale or clip them, "
            "or make the encoder with their pixel_range"
        )


def _bad_images(bad: np.ndarray, array: np.ndarray) -> str:
    """Name the images that have bad pixels, the first few of many, and the first such pixel."""
    numbers = np.flatnonzero(bad.reshape(len(bad), -1).any(axis=1))
    first = tuple(np.argwhere(bad)[0])
    place = ", ".join(f"{name} {index}" for name, index in zip(PIXEL, first[1:], strict=False))
    others = ""
    if len(numbers) > 1:
        more = f" and {len(numbers) - 6} more" if len(numbers) > 6 else ""
        others = f"; so have images {', '.join(map(str, numbers[1:6]))}{more}"
    return f"image {numbers[0]} has {array[first]:g} at {place}{others}"


def _odd_one(images: object, shape: tuple[int, ...] | None) -> str:
    """Name the first image of a list that is of another shape than it should be, or than the first one."""
    try:
        shapes = [np.shape(image) for image in images]
    except (TypeError, ValueError):
        return ", not a list of lists of different lengths"
    wanted = shapes[0] if shape is None else shape
    odd = [k for k, each in enumerate(shapes) if each != wanted]
    return f", but image {odd[0]} has shape {shapes[odd[0]]}" if odd else ", not a list of other things"


def _text(shape: tuple[object, ...]) -> str:
    return f"({', '.join(map(str, shape))})"
