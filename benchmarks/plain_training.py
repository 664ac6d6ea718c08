"""Training of vector spins straight from the equations [DN24]: einsum over whole batches, SciPy's Bessel functions."""

from __future__ import annotations

import numpy as np
from scipy.special import ive

__all__ = ["Adam", "gradient", "log_likelihood", "log_normaliser", "mean_length", "train"]


def log_normaliser(kappa: np.ndarray, d: int) -> np.ndarray:
    """log K_d(κ), κ > 0."""
    nu = d / 2 - 1
    return d / 2 * np.log(2 * np.pi) + np.log(ive(nu, kappa)) + kappa - nu * np.log(kappa)


def mean_length(kappa: np.ndarray, d: int) -> np.ndarray:
    """R_d(κ)."""
    return ive(d / 2, kappa) / ive(d / 2 - 1, kappa)


def softmax(logarithms: np.ndarray) -> np.ndarray:
    """Along the last axis."""
    weights = np.exp(logarithms - logarithms.max(axis=-1, keepdims=True))
    return weights / weights.sum(axis=-1, keepdims=True)


def log_sum(logarithms: np.ndarray) -> np.ndarray:
    """log Σ exp along the last axis."""
    top = logarithms.max(axis=-1)
    return top + np.log(np.exp(logarithms - top[..., None]).sum(axis=-1))


def _parts(J: np.ndarray, x: np.ndarray, beta: float) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """u_ij, κ_ij, the scores β x_i·u_ij and log K_d(κ_ij), without j = i, which is -inf."""
    n, d = x.shape[1:]
    u = np.einsum("ijab,njb->nija", J, x)
    kappa = np.maximum(beta * np.sqrt(np.einsum("nija,nija->nij", u, u)), 1e-10)
    kappa[:, np.arange(n), np.arange(n)] = 1.0
    score = beta * np.einsum("nia,nija->nij", x, u)
    size = log_normaliser(kappa, d)
    score[:, np.arange(n), np.arange(n)] = -np.inf
    size[:, np.arange(n), np.arange(n)] = -np.inf
    return u, kappa, score, size


def log_likelihood(J: np.ndarray, x: np.ndarray, beta: float) -> np.ndarray:
    """log P(x_i | rest), shape (example, token)."""
    _, _, score, size = _parts(J, x, beta)
    return log_sum(score) - log_sum(size)


def gradient(J: np.ndarray, x: np.ndarray, beta: float) -> tuple[np.ndarray, np.ndarray]:
    """The same, and the gradient of its sum over tokens and mean over examples by J."""
    u, kappa, score, size = _parts(J, x, beta)
    drawn = np.einsum("nij,nia->nija", softmax(score), x)
    pushed = np.einsum("nij,nija->nija", softmax(size) * mean_length(kappa, x.shape[2]) * beta / kappa, u)
    return log_sum(score) - log_sum(size), beta * np.einsum("nija,njb->ijab", drawn - pushed, x) / len(x)


class Adam:
    """Kingma & Ba (2014), algorithm 1, uphill."""

    def __init__(self, rate: float):
        self.rate, self.number, self.mean, self.square = rate, 0, 0.0, 0.0

    def step(self, J: np.ndarray, g: np.ndarray) -> np.ndarray:
        """J after a step along the gradient g."""
        self.number += 1
        self.mean = 0.9 * self.mean + 0.1 * g
        self.square = 0.999 * self.square + 0.001 * g**2
        mean, square = self.mean / (1 - 0.9**self.number), self.square / (1 - 0.999**self.number)
        return J + self.rate * mean / (np.sqrt(square) + 1e-8)


def train(J: np.ndarray, x: np.ndarray, beta: float, orders: list[np.ndarray], batch: int, adam: Adam) -> np.ndarray:
    """J after an epoch for each order of the examples."""
    for order in orders:
        for start in range(0, len(order), batch):
            J = adam.step(J, gradient(J, x[order[start : start + batch]], beta)[1])
    return J
