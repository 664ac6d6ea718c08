"""Couplings that stay symmetric, J_ij = J_jiᵀ, while they are trained.

Transposition, J_ij → J_jiᵀ, is a linear map of the arrays of each form. The arrays that it leaves alone are symmetric
couplings, and the gradient along them is the mean of the gradient and its transpose.
"""

from __future__ import annotations

import math
from collections.abc import Mapping

import numpy as np

from dmfx.couplings import Couplings

__all__ = ["start_symmetric", "symmetric_part"]


def symmetric_part(couplings: Couplings, arrays: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
    """The mean of arrays of a form and what they are after transposition."""
    other = _transposed(couplings, arrays)
    return {name: np.ascontiguousarray((array + other[name]) / 2) for name, array in arrays.items()}


def start_symmetric(couplings: Couplings) -> Couplings:
    """The symmetric part of couplings, in arrays that transposition leaves alone.

    Low rank doubles, left = (L, R)/√2 and right = (R, L)/√2, unless the factors already are of this kind.
    """
    if couplings.kind != "low_rank" or _has_halves(couplings):
        return couplings.replace(**symmetric_part(couplings, couplings.parameters))
    left, right = (couplings.parameters[name] / math.sqrt(2) for name in ("left", "right"))
    both = {"left": np.concatenate([left, right], axis=-1), "right": np.concatenate([right, left], axis=-1)}
    return Couplings("low_rank", couplings.n_tokens, couplings.n_components, both)


def _has_halves(couplings: Couplings) -> bool:
    """Whether low-rank factors are (L, R) and (R, L)."""
    if couplings.rank % 2:
        return False
    return np.array_equal(couplings.parameters["left"], _transposed(couplings, couplings.parameters)["left"])


def _transposed(couplings: Couplings, arrays: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
    """The arrays of J_jiᵀ in place of J_ij."""
    if couplings.kind == "full":
        return {"matrices": arrays["matrices"].transpose(1, 0, 3, 2)}
    if couplings.kind == "relative":
        return {"matrices": arrays["matrices"][::-1].transpose(0, 2, 1)}
    half = arrays["left"].shape[-1] // 2
    return {"left": np.roll(arrays["right"], half, axis=-1), "right": np.roll(arrays["left"], half, axis=-1)}
