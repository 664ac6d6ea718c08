"""Random couplings of each form that can be trained."""

import numpy as np

import dmfx

KINDS = ("full", "relative", "low_rank")


def some_couplings(rng, kind, n, d, scale=0.7):
    """Random couplings of a form."""
    if kind == "full":
        J = scale * rng.standard_normal((n, n, d, d))
        J[np.arange(n), np.arange(n)] = 0.0
        return dmfx.couplings.full(J)
    if kind == "relative":
        grid = (2, n // 2) if n % 2 == 0 else (n,)
        n_offsets = int(np.prod([2 * size - 1 for size in grid]))
        matrices = scale * rng.standard_normal((n_offsets, d, d))
        matrices[n_offsets // 2] = 0.0
        return dmfx.couplings.relative(matrices, grid)
    left, right = rng.standard_normal((2, n, d, 2)) * scale
    return dmfx.couplings.low_rank(left, right)
