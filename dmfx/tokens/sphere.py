"""Tokens as points of the unit sphere: checked, put there, compared, drawn."""

from __future__ import annotations

import numpy as np
import xarray as xr

from dmfx.memory import check_memory
from dmfx.validation import Problems, real_numbers
from dmfx.weights.streams import START_STREAM, generator

__all__ = [
    "check_tokens",
    "describe_place",
    "index_text",
    "lengths",
    "normalise",
    "overlap",
    "project",
    "random",
    "token_order",
]

#: How far from 1 the length of a token may be; single precision stays well within.
TOLERANCE = 1e-6


def check_tokens(
    problems: Problems,
    argument: str,
    tokens: object,
    n_tokens: int | None = None,
    n_components: int | None = None,
) -> np.ndarray | None:
    """The tokens of a set of examples as an array of its own form, or None when a problem was recorded.

    Parameters
    ----------
    problems
        Takes what is wrong.
    argument
        Name of the argument.
    tokens
        What was given: unit vectors, shape (n, N, d), or (N, d) for one example; a DataArray with the dims token and
        component in any order.
    n_tokens, n_components
        N and d of the couplings that the tokens go with; None where any will do.

    Returns
    -------
    np.ndarray or None
        Shape (n, N, d), float64, in C order; it may share memory with what was given.
    """
    n, d = ("N" if n_tokens is None else n_tokens), ("d" if n_components is None else n_components)
    expected = f"unit vectors of shape (n, {n}, {d}), or ({n}, {d}) for one example"
    array = real_numbers(token_order(tokens))
    if array is None:
        problems.add(argument, expected, tokens, is_type=True)
        return None
    fits = all(want in (None, size) for want, size in zip((n_tokens, n_components), array.shape[-2:], strict=False))
    if array.ndim not in (2, 3) or array.size == 0 or not fits:
        problems.add(argument, expected, array)
        return None
    single = array.ndim == 2
    array = np.ascontiguousarray(array, dtype=np.float64)
    places = ("token",) if single else ("example", "token")
    finite = np.isfinite(array)
    if not finite.all():
        where = describe_place(~finite, (*places, "component"))
        problems.say(f"{argument} must be finite, but has NaN or infinities: {where}")
    length = np.where(finite.all(axis=-1), lengths(array), 1.0)
    zero, off = length == 0, (np.abs(length - 1) > TOLERANCE) & (length > 0)
    if zero.any():
        problems.say(f"{argument} must be unit vectors, but has zero vectors: {describe_place(zero, places)}")
    if off.any():
        problems.say(
            f"{argument} must be unit vectors, but has others: {describe_place(off, places)}, of length "
            f"{length[off][0]:.6g}; dmfx.tokens.normalise puts them on the sphere"
        )
    if zero.any() or off.any() or not finite.all():
        return None
    return array[None] if single else array


def token_order(tokens: object) -> object:
    """What was given, but of a DataArray with the dims token and component these two last."""
    if isinstance(tokens, xr.DataArray) and {"token", "component"} <= set(tokens.dims):
        return tokens.transpose(..., "token", "component")
    return tokens


def describe_place(bad: np.ndarray, names: tuple[str, ...]) -> str:
    """Say where an array of booleans is first True, with a name for each of its dims, and how often."""
    first, n = np.argwhere(bad)[0], np.count_nonzero(bad)
    place = ", ".join(f"{name} {index}" for name, index in zip(names, first, strict=True))
    return place if n == 1 else f"the first of {n} at {place}"


def lengths(vectors: np.ndarray) -> np.ndarray:
    """Length of each vector along the last axis, with the same bits whatever other vectors there are."""
    vectors = np.ascontiguousarray(vectors)
    scale = _scale(vectors)
    return np.ldexp(np.sqrt(np.add.reduce(np.ldexp(vectors, -scale[..., None]) ** 2, axis=-1)), scale)


def project(vectors: np.ndarray) -> np.ndarray:
    """Each vector along the last axis divided by its length; nothing is checked, a zero vector becomes NaN."""
    vectors = np.ascontiguousarray(vectors)
    scaled = np.ldexp(vectors, -_scale(vectors)[..., None])
    with np.errstate(invalid="ignore"):
        return scaled / np.sqrt(np.add.reduce(scaled**2, axis=-1, keepdims=True))


def _scale(vectors: np.ndarray) -> np.ndarray:
    """Exponent of the largest component: dividing by that power of two is exact, and squares cannot overflow."""
    return np.frexp(np.abs(vectors).max(axis=-1, initial=0.0))[1]


def normalise(array: object) -> np.ndarray:
    """Divide vectors by their lengths, which puts them on the unit sphere.

    Parameters
    ----------
    array
        Shape (..., component): real numbers of any scale.

    Returns
    -------
    np.ndarray
        Unit vectors, the same shape, float64.

    Raises
    ------
    TypeError, ValueError
        For NaN, infinities and zero vectors, which have no direction, with the index of the first; for an array without
        numbers.

    Examples
    --------
    >>> dmfx.tokens.normalise([[3.0, 4.0], [0.0, -2.0]])
    array([[ 0.6,  0.8],
           [ 0. , -1. ]])
    """
    problems = Problems("normalise")
    expected = "an array of real numbers of shape (..., component)"
    values = real_numbers(array)
    if values is None:
        problems.add("array", expected, array, is_type=True)
    elif values.ndim == 0 or values.size == 0:
        problems.add("array", expected, values)
    else:
        values = np.ascontiguousarray(values, dtype=np.float64)
        finite = np.isfinite(values)
        zero = ~values.any(axis=-1)
        if not finite.all():
            problems.say(f"array must be finite, but has NaN or infinities: {index_text(~finite)}")
        if zero.any():
            problems.say(f"array has zero vectors, which have no direction: {index_text(zero)}")
    problems.raise_any()
    return project(values)


def index_text(bad: np.ndarray) -> str:
    """Say at which index an array of booleans is first True, and how often."""
    first, n = tuple(np.argwhere(bad)[0].tolist()), np.count_nonzero(bad)
    place = f"index {first}" if bad.ndim else "the only one"
    return place if n == 1 else f"the first of {n} at {place}"


def overlap(a: object, b: object, *, pairs: bool = False) -> np.ndarray:
    """Overlap of configurations: the mean over tokens of the scalar product.

    ``q = (1/N) Σ_i a_i · b_i``, between -1 and 1 for unit vectors, 1 if and only if they are equal, and near 0 for
    independent random ones (standard deviation 1/√(N d)).

    Parameters
    ----------
    a, b
        Configurations, shape (..., token, component). What is before the last two dims is broadcast.
    pairs
        True: of each configuration of ``a`` with each of ``b``.

    Returns
    -------
    np.ndarray
        Shape (...), or with ``pairs`` that of ``a`` followed by that of ``b``. NaN where a configuration has NaN.

    Raises
    ------
    TypeError, ValueError
        If the arrays are not of real numbers, or their shapes do not go together.

    Notes
    -----
    With ``pairs`` this is a product of matrices, whose last bits can depend on how many there are.

    Examples
    --------
    >>> x = dmfx.tokens.random(3, 49, 17, seed=0)
    >>> dmfx.tokens.overlap(x, x).round(12), dmfx.tokens.overlap(x, x[:2], pairs=True).shape
    (array([1., 1., 1.]), (3, 2))
    """
    problems = Problems("overlap")
    arrays = []
    for argument, value in (("a", a), ("b", b)):
        array = real_numbers(value)
        expected = "an array of real numbers of shape (..., token, component)"
        if array is None:
            problems.add(argument, expected, value, is_type=True)
        elif array.ndim < 2 or 0 in array.shape[-2:]:
            problems.add(argument, expected, array)
        else:
            arrays.append(np.ascontiguousarray(array, dtype=np.float64))
    if not isinstance(pairs, (bool, np.bool_)):
        problems.add("pairs", "True or False", pairs, is_type=True)
    if len(arrays) == 2 and not _go_together(*arrays, pairs=bool(pairs)):
        problems.say(
            f"a and b must have the same tokens and components, but have shapes {arrays[0].shape} and {arrays[1].shape}"
        )
    problems.raise_any()
    first, second = arrays
    n = first.shape[-2]
    if not pairs:
        return np.add.reduce(np.add.reduce(first * second, axis=-1), axis=-1) / n
    flat = [array.reshape(-1, n * array.shape[-1]) for array in arrays]
    return (flat[0] @ flat[1].T / n).reshape(*first.shape[:-2], *second.shape[:-2])


def _go_together(a: np.ndarray, b: np.ndarray, *, pairs: bool) -> bool:
    if a.shape[-2:] != b.shape[-2:]:
        return False
    before = zip(reversed(a.shape[:-2]), reversed(b.shape[:-2]), strict=False)
    return pairs or all(i == j or 1 in (i, j) for i, j in before)


def random(n: int, n_tokens: int, n_components: int, seed: int = 0) -> np.ndarray:
    """Independent configurations, every token uniform on the sphere.

    Parameters
    ----------
    n
        How many.
    n_tokens, n_components
        N and d.
    seed
        Number of the realisation. Configuration i of a seed is the same however many there are.

    Returns
    -------
    np.ndarray
        Unit vectors, shape (n, N, d).

    Raises
    ------
    TypeError, ValueError
        For wrong arguments, all of them named in one message.

    Examples
    --------
    >>> dmfx.tokens.random(2, 5, 3, seed=1).shape
    (2, 5, 3)
    """
    problems = Problems("random")
    n, n_tokens, n_components = (
        problems.count(argument, value)
        for argument, value in (("n", n), ("n_tokens", n_tokens), ("n_components", n_components))
    )
    seed = problems.count("seed", seed, minimum=0)
    check_memory(problems, "the tokens", 8.0 * n * n_tokens * n_components, "draw fewer at a time")
    problems.raise_any()
    result = np.empty((n, n_tokens, n_components))
    for number, configuration in enumerate(result):
        configuration[:] = project(generator(seed, START_STREAM, number).standard_normal((n_tokens, n_components)))
    return result
