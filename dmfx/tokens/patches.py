"""Images cut into patches on the unit sphere, and back."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from dmfx.tokens.images import as_images, check_pixels
from dmfx.tokens.sphere import index_text, project
from dmfx.validation import Problems, real_numbers

__all__ = ["Patches"]

#: Pixels beyond which `Patches.of` takes floats for bytes that were not divided by 255.
MOST = 10.0


@dataclass(frozen=True, init=False)
class Patches:
    """Encoder of images: each patch of pixels becomes a unit vector.

    A patch with the pixels p becomes the token ``(p, c) / √(|p|² + c²)`` with a constant c. The constant keeps what
    dividing by the length would lose, so that the pixels come back as ``p = c x / x_last``, and a dark patch has a
    direction too.

    Parameters
    ----------
    image_shape
        Shape of an image: (rows, columns), or (rows, columns, channels) for colours.
    patch
        Rows and columns of a patch; one number for squares. It must divide the image.
    constant
        c above 0, in units of the pixels. The larger it is, the closer to each other are the tokens of all images; the
        smaller, the more do dark patches depend on noise.
    pixel_range
        Lowest and highest pixel there can be. Images with others are refused. It bounds from below what the last
        component of a token of an image can be: see `decode`.

    Attributes
    ----------
    grid : tuple
        Rows and columns of patches.
    n_tokens : int
        N, number of patches, which are numbered along the rows of the grid.
    n_components : int
        d, number of pixels of a patch in all channels, and one more.

    Raises
    ------
    TypeError, ValueError
        For wrong parameters, all of them named in one message.

    Examples
    --------
    >>> patches = dmfx.tokens.Patches((28, 28), patch=4)
    >>> patches.grid, patches.n_tokens, patches.n_components
    ((7, 7), 49, 17)
    >>> images = np.random.default_rng(0).random((3, 28, 28))
    >>> tokens = patches.encode(images)
    >>> tokens.shape, bool(np.allclose(patches.decode(tokens), images))
    ((3, 49, 17), True)
    """

    image_shape: tuple[int, ...]
    patch: tuple[int, int]
    constant: float
    pixel_range: tuple[float, float]

    def __init__(
        self,
        image_shape: tuple[int, ...],
        patch: int | tuple[int, int] = (4, 4),
        constant: float = 1.0,
        pixel_range: tuple[float, float] = (0.0, 1.0),
    ):
        problems = Problems("Patches")
        shape = _sizes(problems, "image_shape", image_shape, "(rows, columns) or (rows, columns, channels)", (2, 3))
        size = _sizes(problems, "patch", patch, "a number of pixels or (rows, columns)", (0, 2))
        if size is not None:
            size = size * 2 if len(size) == 1 else size
        if shape is not None and size is not None:
            for what, whole, part in zip(("rows", "columns"), shape, size, strict=False):
                if part > whole:
                    problems.say(f"patch must not be larger than the image, but has {part} {what} of {whole}")
                elif whole % part:
                    problems.say(f"patch must divide the image, but {part} {what} do not divide {whole}")
        constant = problems.real("constant", constant, minimum=1e-100, maximum=1e100)
        bounds = real_numbers(pixel_range)
        expected = "(lowest, highest), two numbers from -1e100 to 1e100, the first below the second"
        if bounds is None:
            problems.add("pixel_range", expected, pixel_range, is_type=True)
        elif bounds.shape != (2,) or not -1e100 <= bounds[0] < bounds[1] <= 1e100:
            problems.add("pixel_range", expected, pixel_range)
        problems.raise_any()
        object.__setattr__(self, "image_shape", shape)
        object.__setattr__(self, "patch", size)
        object.__setattr__(self, "constant", constant)
        object.__setattr__(self, "pixel_range", (float(bounds[0]), float(bounds[1])))

    @classmethod
    def of(cls, images: object, patch: int | tuple[int, int] = 4, constant: float = 1.0) -> Patches:
        """Make an encoder for images like these.

        Parameters
        ----------
        images
            Shape (n, rows, columns), or (n, rows, columns, channels).
        patch, constant
            As in `Patches`.

        Returns
        -------
        Patches
            The range of pixels is 0 to 1 if these images keep to it, and otherwise what they have.

        Raises
        ------
        TypeError, ValueError
            For what is no set of images or has NaN or infinities; for pixels beyond ±10, which are rather bytes turned
            to floats, beside which a constant of 1 is next to nothing.

        Examples
        --------
        >>> dmfx.tokens.Patches.of(np.zeros((5, 32, 32, 3)), patch=8).n_components
        193
        """
        problems = Problems("Patches.of")
        array = as_images(problems, images)
        if array is not None:
            check_pixels(problems, array, -np.inf, np.inf)
        problems.raise_any()
        low, high = float(array.min()), float(array.max())
        if max(-low, high) > MOST:
            problems.say(
                f"images have pixels from {low:g} to {high:g}, far beyond 0 to 1: divide bytes by 255, or make "
                "Patches(image_shape, ...) with their pixel_range and a constant in their units"
            )
            problems.raise_any()
        if low >= 0 and high <= 1:
            low, high = 0.0, 1.0
        elif low == high:
            low, high = min(low, 0.0), max(high, 0.0)
        return cls(array.shape[1:], patch, constant, (low, high))

    @property
    def grid(self) -> tuple[int, int]:
        """Rows and columns of patches."""
        return self.image_shape[0] // self.patch[0], self.image_shape[1] // self.patch[1]

    @property
    def n_tokens(self) -> int:
        """N, number of patches."""
        return self.grid[0] * self.grid[1]

    @property
    def n_components(self) -> int:
        """d, number of pixels of a patch in all channels, and one more."""
        return self.patch[0] * self.patch[1] * self._channels + 1

    @property
    def lowest_last(self) -> float:
        """The smallest last component of a token of any image: all pixels are as far from 0 as they can be."""
        most = max(abs(bound) for bound in self.pixel_range)
        return 1 / float(np.hypot(1.0, np.sqrt(self.n_components - 1) * most / self.constant))

    def encode(self, images: object) -> np.ndarray:
        """Turn images into tokens.

        Parameters
        ----------
        images
            Shape (n, rows, columns), or (n, rows, columns, channels) where the encoder has channels; one image
            without n. Floats, or uint8, which is divided by 255.

        Returns
        -------
        np.ndarray
            Unit vectors, shape (n, N, d), float64. Components are the pixels of the patch along its rows, the channels
            of a pixel side by side, and the constant.

        Raises
        ------
        TypeError, ValueError
            For images of another shape, NaN, infinities, or pixels outside the range of the encoder, with the number of
            the image.
        """
        problems = Problems("Patches.encode")
        array = as_images(problems, images, self.image_shape)
        if array is not None:
            check_pixels(problems, array, *self.pixel_range)
        problems.raise_any()
        (rows, columns), (height, width) = self.grid, self.patch
        cut = array.reshape(len(array), rows, height, columns, width, self._channels).transpose(0, 1, 3, 2, 4, 5)
        vectors = np.empty((len(array), self.n_tokens, self.n_components))
        vectors[..., :-1] = cut.reshape(len(array), self.n_tokens, -1)
        vectors[..., -1] = self.constant
        return project(vectors)

    def decode(self, tokens: object, *, clip: bool = False) -> np.ndarray:
        """Turn tokens back into images.

        Parameters
        ----------
        tokens
            Shape (..., N, d): vectors of any length but 0. NaN or infinities give NaN, so that runs without a result
            can be among them.
        clip
            True: pixels are brought into the range of the encoder.

        Returns
        -------
        np.ndarray
            Shape (..., rows, columns) or (..., rows, columns, channels). For tokens that `encode` made, the images up
            to rounding.

        Raises
        ------
        TypeError, ValueError
            For tokens of another shape, and for zero vectors.

        Notes
        -----
        Tokens of a running network need not be tokens of any image: where the last component is below `lowest_last`,
        or negative, no pixels in the range give this token, and the direction of the pixels is all that it says.
        They are then scaled as if the last component were `lowest_last`, which is as bright as an image can be, and
        continuous in the token. Pixels can still be outside the range, which ``clip`` cuts.
        """
        problems = Problems("Patches.decode")
        array = real_numbers(tokens)
        expected = f"an array of real numbers of shape (..., {self.n_tokens}, {self.n_components})"
        if array is None:
            problems.add("tokens", expected, tokens, is_type=True)
        elif array.shape[-2:] != (self.n_tokens, self.n_components) or array.size == 0:
            problems.add("tokens", expected, array)
        elif not array.any(axis=-1).all():
            problems.say(f"tokens must not be zero vectors, but some are: {index_text(~array.any(axis=-1))}")
        if not isinstance(clip, (bool, np.bool_)):
            problems.add("clip", "True or False", clip, is_type=True)
        problems.raise_any()
        finite = np.isfinite(array).all(axis=-1, keepdims=True)
        vectors = project(np.where(finite, array, np.nan).astype(np.float64))
        # A little below, so that the pixels at the ends of the range come back exactly.
        last = np.maximum(vectors[..., -1:], self.lowest_last * (1 - 1e-5))
        pixels = self.constant * (vectors[..., :-1] / last)
        before, (rows, columns), (height, width) = array.shape[:-2], self.grid, self.patch
        cut = pixels.reshape(-1, rows, columns, height, width, self._channels).transpose(0, 1, 3, 2, 4, 5)
        images = cut.reshape(*before, *self.image_shape)
        return np.clip(images, *self.pixel_range) if clip else images

    def spec(self) -> dict[str, object]:
        """Everything that `from_spec` needs, in JSON types."""
        return {
            "kind": "patches",
            "image_shape": list(self.image_shape),
            "patch": list(self.patch),
            "constant": self.constant,
            "pixel_range": list(self.pixel_range),
        }

    @classmethod
    def from_spec(cls, spec: Mapping[str, object]) -> Patches:
        """Rebuild an encoder from its `spec`.

        Raises
        ------
        ValueError
            If it is not the description of an encoder.
        """
        names = ("image_shape", "patch", "constant", "pixel_range")
        if not isinstance(spec, Mapping) or spec.get("kind") != "patches" or set(spec) != {"kind", *names}:
            raise ValueError(
                f"Patches.from_spec: spec must be what spec() gave, with kind 'patches' and {', '.join(names)}"
            )
        shape, patch, constant, bounds = (spec[name] for name in names)
        return cls(shape, patch, constant, bounds)

    def __dask_tokenize__(self) -> tuple[str, str]:
        return ("dmfx.tokens.Patches", json.dumps(self.spec()))

    @property
    def _channels(self) -> int:
        return self.image_shape[2] if len(self.image_shape) == 3 else 1


def _sizes(
    problems: Problems, argument: str, value: object, expected: str, n: tuple[int, ...]
) -> tuple[int, ...] | None:
    """So many whole numbers of at least 1 (n is 0 for a number alone), or None when a problem was recorded."""
    expected = f"{expected}, whole numbers of at least 1"
    array = real_numbers(value)
    if array is None:
        problems.add(argument, expected, value, is_type=True)
    elif (
        array.ndim > 1
        or (len(array) if array.ndim else 0) not in n
        or not np.all((array >= 1) & (array < 2**31) & (array == np.floor(array)))
    ):
        problems.add(argument, expected, value)
    else:
        return tuple(int(each) for each in np.atleast_1d(array))
    return None
