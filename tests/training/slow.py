"""The pseudo-likelihood token by token, straight from the equations, with dense couplings."""

import numpy as np
from scipy.special import ive

import dmfx

KINDS = ("full", "relative", "low_rank")


def log_k(kappa, d):
    """log K_d(κ) for κ > 0."""
    nu = d / 2 - 1
    return d / 2 * np.log(2 * np.pi) + np.log(ive(nu, kappa)) + kappa - nu * np.log(kappa)


def log_sum(values):
    top = max(values)
    return top + np.log(sum(np.exp(value - top) for value in values))


def log_likelihood(J, x, beta, vocabulary=None):
    """log P(x_i | rest) of one configuration, shape (N,)."""
    n, d = x.shape
    result = np.empty(n)
    for i in range(n):
        scores, sizes = [], []
        for j in range(n):
            if j == i:
                continue
            u = J[i, j] @ x[j]
            scores.append(beta * x[i] @ u)
            if vocabulary is None:
                sizes.append(log_k(max(beta * np.linalg.norm(u), 1e-12), d))
            else:
                sizes.append(log_sum(beta * vocabulary @ u))
        result[i] = log_sum(scores) - log_sum(sizes)
    return result


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


def some_tokens(rng, *shape):
    return dmfx.tokens.normalise(rng.standard_normal(shape))
