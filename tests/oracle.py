"""The equations of self-attention in plain Python: slow, obvious, and independent of the kernels.

Every step makes all tokens of the context anew from the attention values behind them; there is no ring, no array.
"""

import math


def position_term(position_weights, phase):
    """P_a of one matrix: mean over the bits of weight times ±1, most significant bit first, phase 0 all -1."""
    n_bits = len(position_weights[0])
    bits = [1 if (phase >> (n_bits - 1 - i)) & 1 else -1 for i in range(n_bits)]
    return [sum(w * b for w, b in zip(row, bits, strict=True)) / n_bits if n_bits else 0.0 for row in position_weights]


def token_overlaps(spins, overlap, position, epsilon, phase):
    """m^α_a of one token, for every matrix: with and without the position term."""
    semantic = [
        [(1 - epsilon) * sum(w * s for w, s in zip(row, spins, strict=True)) for row in matrix] for matrix in overlap
    ]
    full = [
        [m + epsilon * p for m, p in zip(row, position_term(weights, phase), strict=True)]
        for row, weights in zip(semantic, position, strict=True)
    ]
    return full, semantic


def mean_spins(attention, field, beta):
    columns = range(len(field[0]))
    return [math.tanh(beta * sum(field[a][j] * attention[a] for a in range(len(field)))) for j in columns]


def attend(tokens, gamma):
    """Attention value of the newest token over all tokens of the context, newest first."""
    n_patterns = len(tokens[0][0])
    query = tokens[0][2]
    logits = [
        gamma / math.sqrt(n_patterns) * sum(q * k for q, k in zip(query, token[3], strict=True)) for token in tokens
    ]
    weights = [math.exp(z - max(logits)) for z in logits]
    return [
        sum(w * token[1][a] for w, token in zip(weights, tokens, strict=True)) / sum(weights) for a in range(n_patterns)
    ]


def run(field, overlap, position, *, beta, gamma, epsilon, context_size, steps, context=None, phase=None, spins=None):
    """Trajectory from a context (attention values, newest first, and the phase of the next token), or from a token.

    Returns a list of dicts, one per step, and the final context.
    """
    attentions = [] if context is None else [list(row) for row in context]
    first = None
    if spins is not None:
        first, _ = token_overlaps(spins, overlap, position, epsilon, 0)
        attentions = [attend([first], gamma)]
        phase = 1
    trajectory = []
    for _ in range(steps):
        tokens = []
        for lag in range(min(context_size, len(attentions))):
            made, semantic = token_overlaps(
                mean_spins(attentions[lag], field, beta), overlap, position, epsilon, (phase - lag) % context_size
            )
            tokens.append(made)
            if lag == 0:
                newest_semantic = semantic[0]
        if first is not None and len(tokens) < context_size:
            tokens.append(first)
        attention = attend(tokens, gamma)
        newest = dict(zip(("m_o", "m_v", "m_q", "m_k"), tokens[0], strict=True))
        trajectory.append(newest | {"m_o_semantic": newest_semantic, "attention": attention})
        attentions.insert(0, attention)
        phase += 1
    return trajectory, attentions[:context_size], phase % context_size


def step_jacobian(attentions, field, overlap, position, *, beta, gamma, epsilon, phase):
    """Derivative of the next state by the context of attention values (newest first), rows and columns (lag, pattern).

    With V_d, K_d and Q written as matrices,
    δA' = Σ_d c_d V_d δA_d + (γ/√M) Σ_d c_d (m^v(d) - A') [m^k(d)·Q δA_0 + m^q·K_d δA_d].
    """
    size, lags = len(field), len(attentions)
    patterns, columns = range(size), range(len(field[0]))
    tokens, derivatives = [], []
    for lag, attention in enumerate(attentions):
        spins = mean_spins(attention, field, beta)
        tokens.append(token_overlaps(spins, overlap, position, epsilon, (phase - lag) % lags)[0])
        slopes = [beta * (1 - s * s) for s in spins]
        derivatives.append(
            [
                [
                    [
                        (1 - epsilon) * sum(overlap[matrix][a][j] * slopes[j] * field[b][j] for j in columns)
                        for b in patterns
                    ]
                    for a in patterns
                ]
                for matrix in range(4)
            ]
        )
    query = tokens[0][2]
    scale = gamma / math.sqrt(size)
    logits = [scale * sum(query[a] * token[3][a] for a in patterns) for token in tokens]
    weights = [math.exp(z - max(logits)) for z in logits]
    shares = [w / sum(weights) for w in weights]
    new = [sum(c * token[1][a] for c, token in zip(shares, tokens, strict=True)) for a in patterns]
    rows = [[0.0] * (size * lags) for _ in range(size * lags)]
    for a in patterns:
        for b in patterns:
            for d in range(lags):
                by_key = sum(query[i] * derivatives[d][3][i][b] for i in patterns)
                rows[a][d * size + b] += shares[d] * derivatives[d][1][a][b]
                rows[a][d * size + b] += scale * shares[d] * (tokens[d][1][a] - new[a]) * by_key
                by_query = sum(tokens[d][3][i] * derivatives[0][2][i][b] for i in patterns)
                rows[a][b] += scale * shares[d] * (tokens[d][1][a] - new[a]) * by_query
    for i in range(size, size * lags):
        rows[i][i - size] = 1.0
    return rows
