"""One token in a batch: its probability and derivative, against the equations and at the ends of the range."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dmfx.kernels.lanes import WIDTH
from dmfx.kernels.pseudo_likelihood import discrete_token, scratch_rows, sphere_token, vocabulary_means
from dmfx.kernels.von_mises_fisher import normaliser_table
from tests.oracle_vectors import log_sphere_integral, random_tokens


def on_sphere(u, x, token, beta, derive=True):
    """log P (B,) and derivative (N, d, B) for u (B, N, d) and x (B, N, d)."""
    examples, n, d = x.shape
    width = -(-examples // WIDTH) * WIDTH
    felt, batch = np.zeros((2, n, d, width))
    felt[..., :examples], batch[..., :examples] = u.transpose(1, 2, 0), x.transpose(1, 2, 0)
    log_p, scratch = np.empty(width), np.empty(scratch_rows(n) * WIDTH)
    flat = felt.reshape(-1)
    sphere_token(token, flat, batch.reshape(-1), n, d, width, beta, normaliser_table(d), log_p, scratch, derive)
    return log_p[:examples], felt[..., :examples], felt[..., examples:]


def in_vocabulary(u, x, token, beta, vocabulary):
    examples, n, d = x.shape
    width = -(-examples // WIDTH) * WIDTH
    felt, batch = np.zeros((2, n, d, width))
    felt[..., :examples], batch[..., :examples] = u.transpose(1, 2, 0), x.transpose(1, 2, 0)
    products = np.matmul(vocabulary, felt)
    log_sizes, log_p, scratch = np.empty(n * width), np.empty(width), np.empty(scratch_rows(n) * WIDTH)
    vocabulary_means(products.reshape(-1), n, len(vocabulary), width, beta, log_sizes)
    means = np.matmul(vocabulary.T, products).reshape(-1)
    arguments = means, log_sizes, n, d, width, beta, log_p, scratch, True
    discrete_token(token, felt.reshape(-1), batch.reshape(-1), *arguments)
    return log_p[:examples], felt[..., :examples]


def slow(u, x, token, beta, vocabulary=None):
    """log P of one example: u (N, d), x (d,)."""
    others = [j for j in range(len(u)) if j != token]
    scores = [beta * x @ u[j] for j in others]
    if vocabulary is None:
        sizes = [log_sphere_integral(beta * np.linalg.norm(u[j]), u.shape[1]) for j in others]
    else:
        sizes = [np.logaddexp.reduce(beta * vocabulary @ u[j]) for j in others]
    return np.logaddexp.reduce(scores) - np.logaddexp.reduce(sizes)


def slow_derivative(u, x, token, beta, vocabulary=None, step=1e-5):
    """By central differences."""
    result = np.empty_like(u)
    for at in np.ndindex(u.shape):
        off = np.zeros_like(u)
        off[at] = step
        result[at] = (slow(u + off, x, token, beta, vocabulary) - slow(u - off, x, token, beta, vocabulary)) / (
            2 * step
        )
    return result


@settings(max_examples=25, deadline=None)
@given(
    n=st.integers(2, 5),
    d=st.integers(2, 6),
    examples=st.sampled_from([1, 3, 16, 19]),
    beta=st.floats(0.1, 5),
    seed=st.integers(0, 99),
    discrete=st.booleans(),
)
def test_against_the_equations(n, d, examples, beta, seed, discrete):
    rng = np.random.default_rng(seed)
    x, u = random_tokens(rng, examples, n, d), rng.standard_normal((examples, n, d))
    token = seed % n
    vocabulary = random_tokens(rng, 4, d) if discrete else None
    log_p, derivative = in_vocabulary(u, x, token, beta, vocabulary) if discrete else on_sphere(u, x, token, beta)[:2]
    for e in range(examples):
        assert log_p[e] == pytest.approx(slow(u[e], x[e, token], token, beta, vocabulary), rel=1e-11, abs=1e-11)
    e = seed % examples
    expected = slow_derivative(u[e], x[e, token], token, beta, vocabulary)
    np.testing.assert_allclose(derivative[..., e], expected, rtol=1e-6, atol=1e-8)
    assert not derivative[token].any()


def test_lanes_that_no_example_fills_add_nothing():
    rng = np.random.default_rng(0)
    _, _, padding = on_sphere(rng.standard_normal((3, 4, 5)), random_tokens(rng, 3, 4, 5), 1, 2.0)
    assert padding.shape[-1] == WIDTH - 3
    assert not padding.any()


def test_without_the_derivative_nothing_is_changed():
    rng = np.random.default_rng(0)
    u, x = rng.standard_normal((20, 4, 5)), random_tokens(rng, 20, 4, 5)
    with_it, _, _ = on_sphere(u, x, 1, 2.0)
    log_p, felt, _ = on_sphere(u, x, 1, 2.0, derive=False)
    assert np.array_equal(log_p, with_it)
    assert np.array_equal(felt, u.transpose(1, 2, 0))


def test_no_field_is_the_uniform_law():
    x = random_tokens(np.random.default_rng(1), 2, 3, 4)
    log_p, derivative, _ = on_sphere(np.zeros((2, 3, 4)), x, 0, 1.5)
    np.testing.assert_allclose(log_p, -np.log(2 * np.pi**2), rtol=1e-13)  # the area of the sphere in R⁴
    for j in (1, 2):
        np.testing.assert_allclose(derivative[j].T, 0.75 * x[:, 0], rtol=1e-13)


@pytest.mark.parametrize("size", [1e3, 1e8, 1e100])
def test_fields_of_any_size(size):
    rng = np.random.default_rng(2)
    x = random_tokens(rng, 4, 3, 5)
    u = size * random_tokens(rng, 4, 3, 5)
    u[:, 1] *= 0.5
    log_p, derivative, _ = on_sphere(u, x, 0, 1.0)
    assert np.isfinite(log_p).all()
    assert np.isfinite(derivative).all()
    # Token 2 decides, and of the weight α - ω R u/|u| of its law only x - u/|u| is left, or nothing where token 1
    # agrees better with x.
    for e in range(4):
        wins = x[e, 0] @ u[e, 2] > x[e, 0] @ u[e, 1]
        expected = (x[e, 0] if wins else 0.0) - u[e, 2] / size
        np.testing.assert_allclose(derivative[2, :, e], expected, atol=5 / size)


def test_a_large_vocabulary_field():
    vocabulary = np.eye(3)
    u = np.zeros((1, 2, 3))
    u[0, 1] = [1e6, 0, -1e6]
    log_p, derivative = in_vocabulary(u, np.stack([vocabulary[:2]]), 0, 1.0, vocabulary)
    assert log_p[0] == 0.0
    assert np.abs(derivative).max() < 1e-300
