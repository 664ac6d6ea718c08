"""The network of N spins, drawn spin by spin: slow, obvious, and independent of the kernels.

Weights are written out for every spin: matrices o, v, q, k of shape (pattern, spin). Given the attention value A of the
token before, spin i of a new token is ±1 with probability (1 ± tanh(β Σ_a w^o_{a,i} A_a)) / 2, independently of all
others. Arrays have the replica first: replicas differ by the numbers that are drawn, and by nothing else.
"""

from fractions import Fraction

import numpy as np

VARIABLES = ("m_o_semantic", "m_o", "m_v", "m_q", "m_k", "attention")
#: Spins of all replicas that are drawn at once: what a cache holds.
BATCH = 400_000


def write_out(types, fraction, size):
    """One column for each of N spins, from columns by type: by largest remainders, of equal ones the first.

    In whole numbers and fractions of Python's, which do not round.
    """
    exact = [Fraction(float(p)).limit_denominator(10**9) for p in fraction]
    ideal = [p / sum(exact) * size for p in exact]
    count = [int(x) for x in ideal]
    by_remainder = sorted(range(len(exact)), key=lambda j: (count[j] - ideal[j], j))
    for j in by_remainder[: size - sum(count)]:
        count[j] += 1
    return np.repeat(types, count, axis=-1)


def position_term(position, phase):
    """P^α_a: mean over the bits of weight times ±1, most significant bit first, phase 0 all -1; (matrix, pattern)."""
    n_bits = position.shape[-1]
    if n_bits == 0:
        return np.zeros(position.shape[:-1])
    return sum(position[..., i] * (1 if phase >> (n_bits - 1 - i) & 1 else -1) for i in range(n_bits)) / n_bits


def draw_token(attention, field, beta, rng):
    """The spins ±1 of a token, (replica, spin), from the attention value before it, (replica, pattern)."""
    up = (1 + np.tanh(beta * (attention @ field))) / 2
    return 2.0 * (rng.random(up.shape) < up) - 1.0


def overlaps(spins, weights, position, epsilon, phase):
    """m^α_a of each token with and without the position term, each a list over α of (replica, pattern)."""
    n_matrices, n_patterns, size = weights.shape
    sums = spins @ weights.reshape(n_matrices * n_patterns, size).T  # Σ_i w^α_{a,i} x_i
    semantic = [(1 - epsilon) * each / size for each in np.split(sums, n_matrices, axis=1)]
    term = position_term(position, phase)
    return [m + epsilon * p for m, p in zip(semantic, term, strict=True)], semantic


def attend(query, tokens, gamma):
    """A' = Σ_d softmax_d(γ/√M m^q · m^k(d)) m^v(d) over tokens of (value, key)."""
    logits = np.stack([gamma / np.sqrt(query.shape[1]) * (query * key).sum(axis=1) for _, key in tokens])
    weight = np.exp(logits - logits.max(axis=0))
    weight /= weight.sum(axis=0)
    return sum(c[:, None] * value for c, (value, _) in zip(weight, tokens, strict=True))


def _run(field, weights, position, beta, gamma, epsilon, context_size, steps, replicas, rng, context, phase, token):
    out = {name: np.empty((replicas, steps, weights.shape[1])) for name in VARIABLES}
    tokens = []  # (value, key), newest first: they never change as they age
    if token is None:
        for lag in range(context_size - 1, 0, -1):
            before = np.broadcast_to(np.asarray(context[lag], dtype=float), (replicas, weights.shape[1]))
            spins = draw_token(before, field, beta, rng)
            (_, v, _, k), _ = overlaps(spins, weights, position, epsilon, (phase - lag) % context_size)
            tokens.insert(0, (v, k))
        attention = np.broadcast_to(np.asarray(context[0], dtype=float), (replicas, weights.shape[1]))
    else:
        if isinstance(token, str):
            first = rng.choice([-1.0, 1.0], (replicas, weights.shape[-1]))
        else:
            first = np.broadcast_to(np.asarray(token, dtype=float), (replicas, weights.shape[-1]))
        (_, v, _, k), _ = overlaps(first, weights, position, epsilon, 0)
        tokens.insert(0, (v, k))
        attention, phase = v, 1  # attention to a context of one token
    for t in range(steps):
        spins = draw_token(attention, field, beta, rng)
        (o, v, q, k), semantic = overlaps(spins, weights, position, epsilon, (phase + t) % context_size)
        tokens = [(v, k), *tokens][:context_size]
        attention = attend(q, tokens, gamma)
        for name, value in zip(VARIABLES, (semantic[0], o, v, q, k, attention), strict=True):
            out[name][:, t] = value
    return out


def run(
    weights,
    position,
    *,
    beta,
    gamma,
    epsilon,
    context_size,
    steps,
    replicas,
    rng,
    context=None,
    phase=0,
    token=None,
    field=None,
):
    """Trajectories of many replicas: by variable, (replica, step, pattern).

    They start from a context (attention values, newest first, and the phase of the next token), the older tokens of
    which are drawn; or from a token at phase 0, given by its spins, or ``"random"``. Local fields are made of
    ``field``, (pattern, spin), where that is not the output weights.
    """
    field = weights[0] if field is None else field
    most = max(1, BATCH // weights.shape[-1])
    parts = []
    for first in range(0, replicas, most):
        n = min(most, replicas - first)
        parts.append(
            _run(field, weights, position, beta, gamma, epsilon, context_size, steps, n, rng, context, phase, token)
        )
    return {name: np.concatenate([part[name] for part in parts]) for name in VARIABLES}
