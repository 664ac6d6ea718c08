"""The published configuration as maps for pynamicalsys: functions of a state and the parameters β, γ, ε.

Two forms of the state, both starting with the newest attention value. `CONTEXT` is the equations' own: the attention
values of the last L tokens and the phase; every step makes all L tokens anew. `TOKENS` keeps the key and value overlaps
of the older tokens instead and makes one token a step, which is what dmfx does; it is the faster one.
The weights are constants of the compiled functions.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import NamedTuple

import numpy as np
from numba import njit

from dmfx.models import SelfAttention

__all__ = ["CONTEXT", "TOKENS", "Form", "start"]

_MODEL = SelfAttention.paper()
_REAL = _MODEL.realisation(0)
FIELD, OVERLAP, DRIVE = _REAL.field, _REAL.overlap, _REAL.drive
M, J = FIELD.shape
L = _MODEL.context_size
V, Q, K = 1, 2, 3  # numbers of the matrices
KEYS, VALUES = M + 1, M + 1 + (L - 1) * M  # where they stand in the state of `TOKENS`


@njit
def _spins(u, first, beta, out):
    for j in range(J):
        h = 0.0
        for a in range(M):
            h += FIELD[a, j] * u[first + a]
        out[j] = math.tanh(beta * h)


@njit
def _overlap(matrix, a, spins, phase, epsilon):
    m = 0.0
    for j in range(J):
        m += OVERLAP[matrix, a, j] * spins[j]
    return (1 - epsilon) * m + epsilon * DRIVE[phase, matrix, a]


@njit
def context_map(u, parameters):
    """State: attention values by lag and pattern, newest first; phase."""
    beta, gamma, epsilon = parameters[0], parameters[1], parameters[2]
    phase = int(u[L * M])
    new, spins, query, value, logits = np.empty(L * M + 1), np.empty(J), np.empty(M), np.empty((L, M)), np.empty(L)
    for d in range(L):
        token_phase = (phase - d) % L
        _spins(u, d * M, beta, spins)
        z = 0.0
        for a in range(M):
            if d == 0:
                query[a] = _overlap(Q, a, spins, token_phase, epsilon)
            value[d, a] = _overlap(V, a, spins, token_phase, epsilon)
            z += query[a] * _overlap(K, a, spins, token_phase, epsilon)
        logits[d] = gamma / math.sqrt(M) * z
    top, total = logits.max(), 0.0
    new[:M] = 0.0
    for d in range(L):
        weight = math.exp(logits[d] - top)
        total += weight
        for a in range(M):
            new[a] += weight * value[d, a]
    for a in range(M):
        new[a] /= total
    new[M : L * M] = u[: (L - 1) * M]
    new[L * M] = (phase + 1) % L
    return new


@njit
def token_map(u, parameters):
    """State: newest attention value; phase; key overlaps and value overlaps of the L-1 older tokens."""
    beta, gamma, epsilon = parameters[0], parameters[1], parameters[2]
    phase = int(u[M])
    new, spins, query, logits = np.empty(M + 1 + 2 * (L - 1) * M), np.empty(J), np.empty(M), np.empty(L)
    _spins(u, 0, beta, spins)
    newest = 0.0
    for a in range(M):
        query[a] = _overlap(Q, a, spins, phase, epsilon)
        new[VALUES + a] = _overlap(V, a, spins, phase, epsilon)
        new[KEYS + a] = _overlap(K, a, spins, phase, epsilon)
        newest += query[a] * new[KEYS + a]
    logits[0] = gamma / math.sqrt(M) * newest
    for d in range(1, L):
        z = 0.0
        for a in range(M):
            z += query[a] * u[KEYS + (d - 1) * M + a]
        logits[d] = gamma / math.sqrt(M) * z
    top = logits.max()
    total = math.exp(logits[0] - top)
    for a in range(M):
        new[a] = total * new[VALUES + a]
    for d in range(1, L):
        weight = math.exp(logits[d] - top)
        total += weight
        for a in range(M):
            new[a] += weight * u[VALUES + (d - 1) * M + a]
    for a in range(M):
        new[a] /= total
    for i in range((L - 2) * M):
        new[KEYS + M + i] = u[KEYS + i]
        new[VALUES + M + i] = u[VALUES + i]
    new[M] = (phase + 1) % L
    return new


def _context_state(attention: np.ndarray, phase: int, beta: float) -> np.ndarray:
    return np.append(attention.ravel(), phase)


def _token_state(attention: np.ndarray, phase: int, beta: float) -> np.ndarray:
    older = []
    for d in range(1, L):
        spins = np.tanh(beta * attention[d] @ FIELD)
        drive = DRIVE[(phase - d) % L]
        older.append((1 - _MODEL.epsilon) * OVERLAP @ spins + _MODEL.epsilon * drive)
    tokens = np.array(older)
    return np.concatenate([attention[0], [phase], tokens[:, K].ravel(), tokens[:, V].ravel()])


class Form(NamedTuple):
    """One form of the state: the map, the number of state variables, and the state of a context."""

    name: str
    mapping: Callable
    dimension: int
    state: Callable[[np.ndarray, int, float], np.ndarray]


CONTEXT = Form("state of contexts", context_map, L * M + 1, _context_state)
TOKENS = Form("state of tokens", token_map, M + 1 + 2 * (L - 1) * M, _token_state)


def start() -> tuple[np.ndarray, int]:
    """Attention values and phase of the published context."""
    return np.array(_MODEL.start.attention), _MODEL.start.phase
