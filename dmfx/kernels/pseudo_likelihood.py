"""Probability of one token given all others, and its derivative by what the token feels of each, for a batch.

Token i of N feels u_j = J_ij x_j of the others. Its law, a mixture of von Mises-Fisher laws, and the derivative are

    P = Σ_{j≠i} exp(β x_i·u_j) / Σ_{j≠i} K_d(β|u_j|),    ∂ log P / ∂u_j = β [ α_j x_i - ω_j β (R_d(κ_j)/κ_j) u_j ]

with κ_j = β|u_j|, α the softmax of β x_i·u_j and ω that of log K_d(κ_j): the second term is ω_j times the mean of x
under the law of j. Where tokens have a vocabulary of vectors v, sums over it take the place of the integral: K becomes
Z_j = Σ_v exp(β v·u_j), the mean Σ_v v exp(β v·u_j) / Z_j.

Arrays hold a batch of examples along the last axis, in whole lanes; lanes that no example fills hold zeros, and with
their tokens their part of every gradient is 0.
"""

from __future__ import annotations

from numba import njit

from dmfx.kernels.lanes import WIDTH, exp, fma, load, log, maximum, splat, store
from dmfx.kernels.settings import INLINED, OPTIONS
from dmfx.kernels.von_mises_fisher import normaliser

__all__ = ["discrete_token", "scratch_rows", "sphere_token", "vocabulary_means"]

_LOWEST = -1.7976931348623157e308


def scratch_rows(n_tokens: int) -> int:
    """Rows of sixteen lanes that the functions for one token need to work in."""
    return 4 * n_tokens


@njit(**OPTIONS)
def sphere_token(token, u, x, n_tokens, n_components, width, beta, table, log_p, scratch, derive):
    """Find log P of a token on the sphere, and its derivative.

    Parameters
    ----------
    token
        i.
    u
        What token i feels of each, shape (N, d, width), flat; the derivative by it takes its place if ``derive``.
    x
        The tokens, shape (N, d, width), flat.
    n_tokens, n_components, width
        N, d and the number of examples, a multiple of 16.
    beta
        β.
    table
        `von_mises_fisher.normaliser_table` of d.
    log_p
        Takes log P, shape (width,).
    scratch
        Rows to work in, flat.
    derive
        Whether the derivative is wanted.
    """
    inverse_temperature, squared = splat(beta), splat(beta * beta)
    stride = width // WIDTH
    for block in range(stride):
        first = token * n_components * stride + block
        for j in range(n_tokens):
            if j == token:
                continue
            at = j * n_components * stride + block
            product, length = splat(0.0), splat(0.0)
            for a in range(n_components):
                felt = load(u, at + a * stride)
                product = fma(felt, load(x, first + a * stride), product)
                length = fma(felt, felt, length)
            exponent, factor, mean = normaliser(squared * length, table)
            store(scratch, 4 * j, inverse_temperature * product)
            store(scratch, 4 * j + 1, exponent)
            store(scratch, 4 * j + 2, factor)
            store(scratch, 4 * j + 3, mean)
        log_score, log_size = _normalise(token, n_tokens, scratch)
        store(log_p, block, log_score - log_size)
        if not derive:
            continue
        for j in range(n_tokens):
            at = j * n_components * stride + block
            if j == token:
                for a in range(n_components):
                    store(u, at + a * stride, splat(0.0))
                continue
            drawn = inverse_temperature * load(scratch, 4 * j)
            pushed = splat(0.0) - squared * load(scratch, 4 * j + 1) * load(scratch, 4 * j + 3)
            for a in range(n_components):
                felt = pushed * load(u, at + a * stride)
                store(u, at + a * stride, fma(drawn, load(x, first + a * stride), felt))


@njit(**OPTIONS)
def discrete_token(token, u, x, means, log_sizes, n_tokens, n_components, width, beta, log_p, scratch, derive):
    """Find log P of a token out of a vocabulary, and its derivative, as `sphere_token`.

    ``means`` (N, d, width) and ``log_sizes`` (N, width) are the mean of the vocabulary under the law of each j, and
    the logarithm of its sum, from `vocabulary_means`; both flat.
    """
    inverse_temperature = splat(beta)
    stride = width // WIDTH
    for block in range(stride):
        first = token * n_components * stride + block
        for j in range(n_tokens):
            if j == token:
                continue
            at = j * n_components * stride + block
            product = splat(0.0)
            for a in range(n_components):
                product = fma(load(u, at + a * stride), load(x, first + a * stride), product)
            store(scratch, 4 * j, inverse_temperature * product)
            store(scratch, 4 * j + 1, load(log_sizes, j * stride + block))
            store(scratch, 4 * j + 2, splat(1.0))
        log_score, log_size = _normalise(token, n_tokens, scratch)
        store(log_p, block, log_score - log_size)
        if not derive:
            continue
        for j in range(n_tokens):
            at = j * n_components * stride + block
            drawn, pushed = splat(0.0), splat(0.0)
            if j != token:
                drawn = inverse_temperature * load(scratch, 4 * j)
                pushed = splat(0.0) - inverse_temperature * load(scratch, 4 * j + 1)
            for a in range(n_components):
                mean = pushed * load(means, at + a * stride)
                store(u, at + a * stride, fma(drawn, load(x, first + a * stride), mean))


@njit(**INLINED)
def _normalise(token, n_tokens, scratch):
    """Make weights of scores and sizes, which stand in the first and the second and third of every four rows.

    A score is a logarithm, a size an exponent and a factor. The weights, in the first and second row, add up to 1 over
    j. Returned are the logarithms of the sums.
    """
    top, top_size = splat(_LOWEST), splat(_LOWEST)
    for j in range(n_tokens):
        if j != token:
            top = maximum(load(scratch, 4 * j), top)
            top_size = maximum(load(scratch, 4 * j + 1), top_size)
    total, total_size = splat(0.0), splat(0.0)
    for j in range(n_tokens):
        if j != token:
            score = exp(load(scratch, 4 * j) - top)
            size = load(scratch, 4 * j + 2) * exp(load(scratch, 4 * j + 1) - top_size)
            total, total_size = total + score, total_size + size
            store(scratch, 4 * j, score)
            store(scratch, 4 * j + 1, size)
    part, part_size = splat(1.0) / total, splat(1.0) / total_size
    for j in range(n_tokens):
        if j != token:
            store(scratch, 4 * j, part * load(scratch, 4 * j))
            store(scratch, 4 * j + 1, part_size * load(scratch, 4 * j + 1))
    return top + log(total), top_size + log(total_size)


@njit(**OPTIONS)
def vocabulary_means(products, n_tokens, n_vectors, width, beta, log_sizes):
    """Replace v·u_j by the probabilities of the vectors v, the softmax of β v·u_j over them.

    Parameters
    ----------
    products
        Shape (N, V, width), flat.
    n_tokens, n_vectors, width
        N, V and the number of examples.
    beta
        β.
    log_sizes
        Takes log Σ_v exp(β v·u_j), shape (N, width), flat.
    """
    inverse_temperature = splat(beta)
    stride = width // WIDTH
    for j in range(n_tokens):
        for block in range(stride):
            at = j * n_vectors * stride + block
            top = splat(_LOWEST)
            for v in range(n_vectors):
                top = maximum(inverse_temperature * load(products, at + v * stride), top)
            total = splat(0.0)
            for v in range(n_vectors):
                size = exp(inverse_temperature * load(products, at + v * stride) - top)
                total = total + size
                store(products, at + v * stride, size)
            part = splat(1.0) / total
            for v in range(n_vectors):
                store(products, at + v * stride, part * load(products, at + v * stride))
            store(log_sizes, j * stride + block, top + log(total))
