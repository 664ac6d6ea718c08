"""The equations of attention between vector spins (system C): slow, obvious, and independent of the package.

Functions take the couplings as one array J[i, j], a d by d matrix for each pair, and a configuration x, (N, d).
"""

import itertools
import math

import numpy as np
from scipy.special import ive


def fields(J, x):
    """u_ij = J_ij x_j, shape (N, N, d)."""
    n = len(x)
    return np.array([[J[i, j] @ x[j] for j in range(n)] for i in range(n)])


def attention(J, x, beta):
    """α_{i←j}, shape (N, N): rows sum to 1, the diagonal is 0."""
    n, u = len(x), fields(J, x)
    weights = np.zeros((n, n))
    for i in range(n):
        others = [j for j in range(n) if j != i]
        scores = np.array([beta * float(x[i] @ u[i, j]) for j in others])
        exponentials = np.exp(scores - scores.max())
        weights[i, others] = exponentials / exponentials.sum()
    return weights


def local_fields(J, x, beta, gamma):
    """What is normalised in a step: Σ_j α_{i←j} u_ij + γ x_i, shape (N, d)."""
    n, u, weights = len(x), fields(J, x), attention(J, x, beta)
    return np.array([sum(weights[i, j] * u[i, j] for j in range(n) if j != i) + gamma * x[i] for i in range(n)])


def step(J, x, beta, gamma, held=None):
    """The next configuration; held tokens stay."""
    h = local_fields(J, x, beta, gamma)
    moved = np.array([each / math.sqrt(float(each @ each)) for each in h])
    return moved if held is None else np.where(np.asarray(held)[:, None], x, moved)


def run(J, x, beta, gamma, n_steps, held=None):
    """The states after 0, 1, ... steps, shape (n_steps + 1, N, d)."""
    states = [np.asarray(x, dtype=float)]
    for _ in range(n_steps):
        states.append(step(J, states[-1], beta, gamma, held))
    return np.array(states)


def local_energies(J, x, beta, gamma):
    """e_i = -(1/β) log Σ_{j≠i} exp(β x_i · u_ij) - (γ/2) |x_i|², shape (N,); β > 0."""
    n, u, energies = len(x), fields(J, x), []
    for i in range(n):
        scores = [beta * float(x[i] @ u[i, j]) for j in range(n) if j != i]
        top = max(scores)
        energies.append(
            -(top + math.log(sum(math.exp(s - top) for s in scores))) / beta - gamma / 2 * float(x[i] @ x[i])
        )
    return np.array(energies)


def overlaps(x, patterns):
    """q_μ = (1/N) Σ_i x_i · ξ_i^μ for every pattern."""
    return np.array([sum(float(a @ b) for a, b in zip(x, xi, strict=True)) / len(x) for xi in patterns])


def log_sphere_integral(kappa, d):
    """log K_d(κ), the integral of exp(κ · x) over the unit sphere of R^d; K_d(0) is its area."""
    if kappa == 0:
        return math.log(2) + d / 2 * math.log(math.pi) - math.lgamma(d / 2)
    order = d / 2 - 1
    return d / 2 * math.log(2 * math.pi) + math.log(ive(order, kappa)) + kappa - order * math.log(kappa)


def log_pseudo_likelihood(J, x, beta, vocabulary=None):
    """log P(x_i | rest) = log Σ_j exp(β x_i · u_ij) - log Σ_j K_d(β |u_ij|), shape (N,).

    With a vocabulary, Σ_v exp(β v · u_ij) over its vectors v takes the place of K_d.
    """
    n, d = x.shape
    u, out = fields(J, x), []
    for i in range(n):
        others = [j for j in range(n) if j != i]
        above = [beta * float(x[i] @ u[i, j]) for j in others]
        if vocabulary is None:
            below = [log_sphere_integral(beta * float(np.linalg.norm(u[i, j])), d) for j in others]
        else:
            below = [beta * float(v @ u[i, j]) for j in others for v in vocabulary]
        out.append(np.logaddexp.reduce(above) - np.logaddexp.reduce(below))
    return np.array(out)


def hebbian(patterns, scale=1.0):
    """J_ij = s Σ_μ ξ_i^μ (ξ_j^μ)^T, J_ii = 0, shape (N, N, d, d)."""
    n, d = patterns.shape[1:]
    J = np.zeros((n, n, d, d))
    for i, j in itertools.permutations(range(n), 2):
        J[i, j] = scale * sum(np.outer(xi[i], xi[j]) for xi in patterns)
    return J


def dense_relative(matrices, grid):
    """All J_ij of couplings that belong to the offset from j to i on a grid filled row by row, pair by pair."""
    places = list(itertools.product(*(range(size) for size in grid)))
    n, d = len(places), matrices.shape[-1]
    J = np.zeros((n, n, d, d))
    for (i, to), (j, source) in itertools.permutations(enumerate(places), 2):
        number = 0
        for a, b, size in zip(to, source, grid, strict=True):
            number = number * (2 * size - 1) + (a - b) + size - 1
        J[i, j] = matrices[number]
    return J


def dense_low_rank(left, right):
    """All J_ij = left_i right_j^T, J_ii = 0, pair by pair."""
    n, d, _ = left.shape
    J = np.zeros((n, n, d, d))
    for i, j in itertools.permutations(range(n), 2):
        J[i, j] = left[i] @ right[j].T
    return J


def random_tokens(rng, *shape):
    """Unit vectors, shape (..., N, d)."""
    x = rng.standard_normal(shape)
    return x / np.sqrt((x**2).sum(axis=-1, keepdims=True))


def random_matrices(rng, n, d, scale=1.0):
    """Matrices of all pairs, none of a token and itself."""
    J = scale * rng.standard_normal((n, n, d, d))
    J[np.arange(n), np.arange(n)] = 0
    return J
