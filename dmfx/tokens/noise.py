"""Corruption of tokens by noise that depends on coordinates alone."""

from __future__ import annotations

import numpy as np

from dmfx.tokens.sphere import check_tokens, project
from dmfx.validation import Problems, real_numbers
from dmfx.weights.streams import NOISE_STREAM, generator

__all__ = ["corrupt", "noise_of"]


def corrupt(tokens: object, noise: float, replica: int = 0, *, numbers: object = None) -> np.ndarray:
    """Add Gaussian noise to every component of every token and go back to the sphere.

    ``x = normalise(ξ + σ z)`` with z independent normal numbers. On average over the noise the overlap x · ξ is
    about 1/√(1 + d σ²), whatever ξ is: 0.63 for d = 17 and σ = 0.3.

    Parameters
    ----------
    tokens
        Unit vectors ξ, shape (n, N, d), or (N, d) for one example.
    noise
        Standard deviation σ of the noise of one component. 0 leaves the tokens as they are.
    replica
        Number of the realisation of the noise.
    numbers
        Number of each example, n whole numbers; by default 0, 1, ... in order. Equal numbers have equal noise.

    Returns
    -------
    np.ndarray
        Unit vectors, shape (n, N, d).

    Raises
    ------
    TypeError, ValueError
        For wrong arguments, all of them named in one message.

    Notes
    -----
    The normal numbers z are a function of the replica and the number of the example, and of nothing else. So a part of
    the examples, with their numbers, is corrupted as it is among all of them, and all strengths of the noise have
    the same z: what changes along σ changes because of σ.

    Examples
    --------
    >>> x = dmfx.tokens.random(200, 49, 17)
    >>> dmfx.tokens.overlap(x, dmfx.tokens.corrupt(x, 0.3)).mean().round(2)
    np.float64(0.63)
    """
    problems = Problems("corrupt")
    array = check_tokens(problems, "tokens", tokens)
    noise = problems.real("noise", noise, minimum=0)
    replica = problems.count("replica", replica, minimum=0)
    which = np.arange(1 if array is None else len(array)) if numbers is None else _numbers(problems, numbers, array)
    problems.raise_any()
    if noise == 0:
        return array.copy()
    result = np.empty_like(array)
    for number, clean, corrupted in zip(which.tolist(), array, result, strict=True):
        corrupted[:] = project(clean + noise * noise_of(replica, number, *clean.shape))
    return result


def noise_of(replica: int, number: int, n_tokens: int, n_components: int) -> np.ndarray:
    """The normal numbers that one example is corrupted with, shape (token, component)."""
    return generator(replica, NOISE_STREAM, number).standard_normal((n_tokens, n_components))


def _numbers(problems: Problems, numbers: object, array: np.ndarray | None) -> np.ndarray:
    """Numbers of the examples, each once or more often."""
    n = None if array is None else len(array)
    expected = f"{'a' if n is None else n} whole number{'s' if n != 1 else ''} of at least 0, one for each example"
    values = real_numbers(numbers)
    if values is None:
        problems.add("numbers", expected, numbers, is_type=True)
    elif values.ndim != 1 or (n is not None and len(values) != n):
        problems.add("numbers", expected, values)
    elif not np.all((values >= 0) & (values < 2.0**53) & (values == np.floor(values))):
        problems.add("numbers", expected, numbers)
    else:
        return values.astype(np.int64)
    return np.zeros(1, dtype=np.int64)
