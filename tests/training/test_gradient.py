"""The gradient: against finite differences, the plain implementation, and by hand."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.special import ive

from benchmarks import plain_training
from dmfx.training.objective import Objective
from dmfx.training.symmetry import start_symmetric, symmetric_part
from dmfx.training.threads import Workers
from tests import oracle_vectors as oracle
from tests.training import forms

IN_LINE = Workers(1)


def objective(couplings, beta=1.0, vocabulary=None, n_examples=64, workers=IN_LINE):
    return Objective(couplings, beta, vocabulary, n_examples, workers)


def mean_log_p(couplings, tokens, beta, vocabulary=None):
    """What is made large: Σ_i log P, mean over the examples."""
    J = couplings.dense()
    return np.mean([oracle.log_pseudo_likelihood(J, x, beta, vocabulary).sum() for x in tokens])


@settings(max_examples=60, deadline=None)
@given(
    kind=st.sampled_from(forms.KINDS),
    n=st.integers(2, 5),
    d=st.integers(2, 5),
    examples=st.integers(1, 18),
    beta=st.floats(0.2, 4),
    discrete=st.booleans(),
    symmetric=st.booleans(),
    seed=st.integers(0, 999),
)
def test_against_finite_differences(kind, n, d, examples, beta, discrete, symmetric, seed):
    rng = np.random.default_rng(seed)
    couplings = forms.some_couplings(rng, kind, n, d)
    vocabulary = oracle.random_tokens(rng, 5, d) if discrete else None
    tokens = vocabulary[rng.integers(5, size=(examples, n))] if discrete else oracle.random_tokens(rng, examples, n, d)
    if symmetric:
        couplings = start_symmetric(couplings)
        J = couplings.dense()
        np.testing.assert_allclose(J, J.transpose(1, 0, 3, 2), atol=1e-14)
    log_p, gradient = objective(couplings, beta, vocabulary).gradient(couplings.parameters, tokens)
    if symmetric:
        gradient = symmetric_part(couplings, gradient)
    expected = [oracle.log_pseudo_likelihood(couplings.dense(), x, beta, vocabulary) for x in tokens]
    np.testing.assert_allclose(log_p, expected, rtol=1e-10, atol=1e-10)
    # Along random directions, within the symmetric couplings where these are meant; J_ii stays 0.
    towards = {name: rng.standard_normal(array.shape) for name, array in couplings.parameters.items()}
    if kind != "low_rank":
        towards["matrices"][couplings.which == -1 if kind == "full" else len(towards["matrices"]) // 2] = 0.0
    if symmetric:
        towards = symmetric_part(couplings, towards)
    step = 1e-4
    values = [
        mean_log_p(
            couplings.replace(
                **{name: array + k * step * towards[name] for name, array in couplings.parameters.items()}
            ),
            tokens,
            beta,
            vocabulary,
        )
        for k in (-2, -1, 1, 2)
    ]
    slope = (values[0] - 8 * values[1] + 8 * values[2] - values[3]) / (12 * step)
    product = sum(float((gradient[name] * towards[name]).sum()) for name in gradient)
    size = np.sqrt(sum((gradient[name] ** 2).sum() for name in gradient))
    assert product == pytest.approx(slope, rel=1e-6, abs=1e-6 * size)


@pytest.mark.parametrize("kind", forms.KINDS)
def test_every_entry(kind):
    rng = np.random.default_rng(3)
    couplings = forms.some_couplings(rng, kind, 4, 3)
    tokens = oracle.random_tokens(rng, 2, 4, 3)
    _, gradient = objective(couplings).gradient(couplings.parameters, tokens)
    step = 1e-3
    for name, array in couplings.parameters.items():
        largest = np.abs(gradient[name]).max()
        for at in np.ndindex(array.shape):
            if (kind == "full" and at[0] == at[1]) or (kind == "relative" and at[0] == len(array) // 2):
                assert gradient[name][at] == 0.0
                continue
            values = []
            for k in (-2, -1, 1, 2):
                moved = array.copy()
                moved[at] += k * step
                values.append(mean_log_p(couplings.replace(**{name: moved}), tokens, 1.0))
            slope = (values[0] - 8 * values[1] + 8 * values[2] - values[3]) / (12 * step)
            assert gradient[name][at] == pytest.approx(slope, rel=1e-6, abs=1e-8 * largest)


@pytest.mark.parametrize(("n", "d", "examples"), [(49, 17, 50), (7, 2, 3), (5, 100, 17)])
def test_against_the_plain_implementation(n, d, examples):
    rng = np.random.default_rng(d)
    couplings = forms.some_couplings(rng, "full", n, d, scale=2 / d**0.5)
    tokens = oracle.random_tokens(rng, examples, n, d)
    log_p, gradient = objective(couplings, 1.3).gradient(couplings.parameters, tokens)
    expected, by_matrices = plain_training.gradient(couplings.parameters["matrices"], tokens, 1.3)
    np.testing.assert_allclose(log_p, expected, rtol=1e-11, atol=1e-11)
    np.testing.assert_allclose(gradient["matrices"], by_matrices, rtol=1e-9, atol=1e-12)


def test_row_i_is_trained_by_token_i_alone():
    rng = np.random.default_rng(5)
    couplings = forms.some_couplings(rng, "full", 4, 3)
    tokens = oracle.random_tokens(rng, 6, 4, 3)
    _, gradient = objective(couplings).gradient(couplings.parameters, tokens)
    before = gradient["matrices"].copy()
    J = couplings.parameters["matrices"].copy()
    J[1:] = 0.0
    _, gradient = objective(couplings).gradient({"matrices": J}, tokens)
    assert np.array_equal(gradient["matrices"][0], before[0])
    assert not np.array_equal(gradient["matrices"][1], before[1])


def test_two_tokens_on_the_circle_by_hand():
    # One law, no mixture: ∂ log P_1/∂J_12 = β [x_1 - A(κ) u/|u|] x_2ᵀ with A = I_1/I_0, κ = β |J_12 x_2|.
    first, second = np.array([1.0, 0.0]), np.array([0.0, 1.0])
    J = np.zeros((2, 2, 2, 2))
    J[0, 1] = [[0.0, 3.0], [0.0, 4.0]]
    from dmfx.couplings import full

    log_p, gradient = objective(full(J), beta=0.5).gradient({"matrices": J}, np.stack([[first, second]]))
    kappa, direction = 2.5, np.array([0.6, 0.8])
    assert log_p[0, 0] == pytest.approx(0.5 * 3 - np.log(2 * np.pi * ive(0, kappa)) - kappa, rel=1e-13)
    assert log_p[0, 1] == pytest.approx(-np.log(2 * np.pi), rel=1e-13)
    expected = 0.5 * np.outer(first - ive(1, kappa) / ive(0, kappa) * direction, second)
    np.testing.assert_allclose(gradient["matrices"][0, 1], expected, rtol=1e-12, atol=1e-15)
    np.testing.assert_allclose(gradient["matrices"][1, 0], 0.5 * np.outer(second, first), rtol=1e-13)


@pytest.mark.parametrize("kind", forms.KINDS)
@pytest.mark.parametrize("discrete", [False, True])
def test_the_same_bits_on_any_number_of_threads(kind, discrete):
    rng = np.random.default_rng(7)
    couplings = forms.some_couplings(rng, kind, 24, 6)
    vocabulary = oracle.random_tokens(rng, 9, 6) if discrete else None
    tokens = oracle.random_tokens(rng, 21, 24, 6)
    found = []
    for count in (1, 2, 5):
        with Workers(count) as workers:
            several = objective(couplings, 1.0, vocabulary, workers=workers)
            several.gradient(couplings.parameters, tokens[:3])  # of other examples, in the same memory
            log_p, gradient = several.gradient(couplings.parameters, tokens)
        found.append((log_p, *(gradient[name].copy() for name in gradient)))
    for other in found[1:]:
        assert all(np.array_equal(a, b) for a, b in zip(found[0], other, strict=True))


@pytest.mark.parametrize("kind", forms.KINDS)
def test_large_batches_are_taken_in_parts(kind, monkeypatch):
    rng = np.random.default_rng(9)
    couplings = forms.some_couplings(rng, kind, 6, 4)
    tokens = oracle.random_tokens(rng, 150, 6, 4)
    whole = objective(couplings, n_examples=150).gradient(couplings.parameters, tokens)
    monkeypatch.setattr("dmfx.training.objective.FIELDS", 100)
    several = objective(couplings, n_examples=150)
    assert several.at_once < 65
    for _ in range(2):
        parts = several.gradient(couplings.parameters, tokens)
        assert np.array_equal(whole[0], parts[0])
        for name in whole[1]:
            np.testing.assert_allclose(whole[1][name], parts[1][name], rtol=1e-10, atol=1e-13)


def test_many_vectors_are_taken_in_parts(monkeypatch):
    rng = np.random.default_rng(8)
    couplings = forms.some_couplings(rng, "full", 7, 3)
    vocabulary, tokens = oracle.random_tokens(rng, 30, 3), oracle.random_tokens(rng, 5, 7, 3)
    whole = objective(couplings, 1.0, vocabulary).gradient(couplings.parameters, tokens)
    monkeypatch.setattr("dmfx.training.objective.PROBABILITIES", 2 * 30 * 16)
    parts = objective(couplings, 1.0, vocabulary).gradient(couplings.parameters, tokens)
    assert np.array_equal(whole[0], parts[0])
    np.testing.assert_allclose(whole[1]["matrices"], parts[1]["matrices"], rtol=1e-13, atol=1e-15)
