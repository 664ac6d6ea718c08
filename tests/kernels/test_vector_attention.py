"""Attention between vector spins: known cases by hand, the equations, symmetries, and the same bits in every lane."""

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dmfx import couplings
from dmfx.kernels.lanes import WIDTH
from dmfx.kernels.vector_attention import run
from tests import oracle_vectors as oracle

ALL = ("overlap", "target_overlap", "tokens", "energy", "change")


def parameters_of(J):
    if J.kind == "low_rank":
        return J.parameters["left"], J.parameters["right"]
    return J.parameters["matrices"].reshape(-1, J.n_components, J.n_components), J.which


def follow(J, tokens, beta, gamma, *, steps=1, transient=0, patterns=None, record=("tokens",), **more):
    """A run of one configuration, or of several, with couplings or an array of them."""
    J = J if isinstance(J, couplings.Couplings) else couplings.full(J)
    tokens = np.asarray(tokens, dtype=float)
    tokens = tokens[None] if tokens.ndim == 2 else tokens
    beta, gamma = (np.broadcast_to(np.asarray(each, dtype=float), len(tokens)) for each in (beta, gamma))
    patterns = np.zeros((0, *tokens.shape[1:])) if patterns is None else np.asarray(patterns)
    if "target_overlap" in record and "target" not in more:
        more |= {"target": tokens, "share": np.full(tokens.shape[:2], 1 / tokens.shape[1])}
    arguments = {"transient": transient, "steps": steps, "record": record} | more
    return run(J.kind, parameters_of(J), patterns, tokens, beta, gamma, **arguments)


def some_couplings(rng, form, n, d, scale=1.0):
    """Couplings of a form, and their dense array from the oracle."""
    if form == "full":
        J = oracle.random_matrices(rng, n, d, scale)
        return couplings.full(J), J
    if form == "relative":
        grid = (n // 2, 2) if n % 2 == 0 else (n,)
        matrices = scale * rng.standard_normal((math.prod(2 * size - 1 for size in grid), d, d))
        matrices[len(matrices) // 2] = 0
        return couplings.relative(matrices, grid), oracle.dense_relative(matrices, grid)
    rank = int(rng.integers(1, d + 3))
    left, right = (math.sqrt(scale) * rng.standard_normal((n, d, rank)) for _ in range(2))
    return couplings.low_rank(left, right), oracle.dense_low_rank(left, right)


def tolerance(J, x, beta, gamma):
    """Rounding of the scores goes through the softmax, and is divided by the length of the field."""
    largest = np.abs(oracle.fields(J, x)).max()
    shortest = np.linalg.norm(oracle.local_fields(J, x, beta, gamma), axis=1).min()
    return 1e-14 * (1 + beta * largest) * (1 + largest + abs(gamma)) / shortest


networks = st.fixed_dictionaries(
    {
        "form": st.sampled_from(["full", "relative", "low_rank"]),
        "n": st.integers(2, 7),
        "d": st.integers(2, 6),
        "beta": st.one_of(st.just(0.0), st.floats(1e-3, 1e3)),
        "gamma": st.floats(-3, 3),
        "seed": st.integers(0, 2**32),
    }
)


@settings(max_examples=80, deadline=None)
@given(networks)
def test_every_step_is_that_of_the_equations(network):
    rng = np.random.default_rng(network["seed"])
    form, n, d, beta, gamma = (network[key] for key in ("form", "n", "d", "beta", "gamma"))
    kernel, J = some_couplings(rng, form, n, d)
    x, patterns, target = (oracle.random_tokens(rng, *shape, n, d) for shape in ((), (3,), ()))
    share = rng.uniform(-1, 1, n)
    done = follow(
        kernel,
        x,
        beta,
        gamma,
        steps=4,
        with_start=True,
        patterns=patterns,
        record=ALL,
        target=target[None],
        share=share[None],
    )
    states = done.tokens[0]
    assert states.shape == (5, n, d)
    np.testing.assert_array_equal(states[0], x)
    np.testing.assert_array_equal(done.final[0], states[-1])
    for t, state in enumerate(states):
        np.testing.assert_allclose(np.linalg.norm(state, axis=1), 1, atol=1e-14 * d)
        np.testing.assert_allclose(done.overlap[0, t], oracle.overlaps(state, patterns), atol=1e-13)
        expected = sum(share[i] * float(state[i] @ target[i]) for i in range(n))
        np.testing.assert_allclose(done.target_overlap[0, t], expected, atol=1e-13)
        if beta > 0:
            expected = oracle.local_energies(J, state, beta, gamma).mean()
            np.testing.assert_allclose(done.energy[0, t], expected, rtol=1e-12, atol=1e-13 * (1 + 1 / beta))
        if t:
            before = states[t - 1]
            bound = tolerance(J, before, beta, gamma)
            np.testing.assert_allclose(state, oracle.step(J, before, beta, gamma), atol=bound, rtol=0)
            moved = math.sqrt(((state - before) ** 2).sum() / n)
            np.testing.assert_allclose(done.change[0, t], moved, atol=1e-14)
    assert np.isnan(done.change[0, 0])
    assert not done.undefined.any()


def test_two_tokens_in_the_plane_by_hand():
    # Alone with one other token, attention is 1: x_1' = normalise(J_12 x_2 + γ x_1), whatever β is.
    quarter = np.array([[0.0, -1.0], [1.0, 0.0]])
    J = np.zeros((2, 2, 2, 2))
    J[0, 1], J[1, 0] = quarter, 2 * np.eye(2)
    x = np.array([[1.0, 0.0], [1.0, 0.0]])
    done = follow(J, np.stack([x, x, x]), [0.3, 50.0, 1.0], [0.0, 0.0, 3.0], record=ALL, with_start=True)
    np.testing.assert_allclose(done.tokens[:2, 1], np.broadcast_to([[0, 1], [1, 0]], (2, 2, 2)), atol=1e-15)
    np.testing.assert_allclose(done.tokens[2, 1], [np.array([3, 1]) / math.sqrt(10), [1, 0]], atol=1e-15)
    # e_1 = -x_1 · J_12 x_2 - γ/2 = 0 - γ/2, e_2 = -2 - γ/2.
    np.testing.assert_allclose(done.energy[:, 0], [-1.0, -1.0, -2.5], atol=1e-14)
    np.testing.assert_allclose(done.change[:2, 1], 1.0, atol=1e-15)  # the first token moves by √2, the other stays


def test_a_rotation_turns_forever():
    angle = 2 * math.pi / 7
    J = np.zeros((2, 2, 2, 2))
    J[0, 1] = J[1, 0] = [[math.cos(angle), -math.sin(angle)], [math.sin(angle), math.cos(angle)]]
    x = np.array([[1.0, 0.0], [1.0, 0.0]])
    states = follow(J, x, 1.0, 0.0, steps=7).tokens[0]
    turned = angle * np.arange(1, 8)
    np.testing.assert_allclose(states[:, 0], np.stack([np.cos(turned), np.sin(turned)], axis=1), atol=1e-14)


def test_three_tokens_by_hand():
    # Scores of the first token are log 2 and 0: attention 2/3 and 1/3, field (2, 1)/3.
    J = np.zeros((3, 3, 2, 2))
    J[0, 1], J[0, 2] = np.eye(2), np.eye(2)
    J[1, 0] = J[1, 2] = J[2, 0] = J[2, 1] = np.eye(2)
    x = np.array([[1.0, 0.0], [1.0, 0.0], [0.0, 1.0]])
    beta = math.log(2)
    done = follow(J, x, beta, 0.0, record=("tokens", "energy"), with_start=True)
    np.testing.assert_allclose(done.tokens[0, 1, 0], np.array([2, 1]) / math.sqrt(5), atol=1e-15)
    e = -np.array([math.log(3), math.log(3), math.log(2)]) / beta
    np.testing.assert_allclose(done.energy[0, 0], e.mean(), rtol=1e-14)


@pytest.mark.parametrize("form", ["full", "relative", "low_rank"])
def test_uniform_attention_at_beta_zero(form):
    rng = np.random.default_rng(1)
    kernel, J = some_couplings(rng, form, 6, 3)
    x = oracle.random_tokens(rng, 6, 3)
    mean = np.array([sum(J[i, j] @ x[j] for j in range(6)) / 5 for i in range(6)])
    expected = mean / np.linalg.norm(mean, axis=1)[:, None]
    np.testing.assert_allclose(follow(kernel, x, 0.0, 0.0).final[0], expected, atol=1e-14)


@pytest.mark.parametrize("form", ["full", "relative", "low_rank"])
@pytest.mark.parametrize("beta", [1e3, 1e10, 1e100, 1e300])
def test_at_huge_beta_the_best_token_takes_all(form, beta):
    rng = np.random.default_rng(2)
    kernel, J = some_couplings(rng, form, 6, 4)
    x = oracle.random_tokens(rng, 6, 4)
    u = oracle.fields(J, x)
    scores = np.einsum("ia,ija->ij", x, u)
    scores[np.arange(6), np.arange(6)] = -np.inf
    order = np.sort(scores, axis=1)
    assert (order[:, -1] - order[:, -2]).min() > 0.04, "the case has a near tie"
    expected = u[np.arange(6), scores.argmax(axis=1)] + 0.25 * x
    done = follow(kernel, x, beta, 0.25, record=("tokens", "energy"), with_start=True)
    np.testing.assert_allclose(done.final[0], expected / np.linalg.norm(expected, axis=1)[:, None], atol=1e-13)
    np.testing.assert_allclose(done.energy[0, 0], -order[:, -1].mean() - 0.125, rtol=1e-13)


@pytest.mark.parametrize("scale", [1e-300, 1e-160, 1e-150, 1.0, 1e150, 1e160, 1e300])
def test_fields_of_any_size_have_a_direction(scale):
    rng = np.random.default_rng(3)
    J, x = oracle.random_matrices(rng, 5, 3), oracle.random_tokens(rng, 5, 3)
    expected = oracle.step(J, x, 0.0, 0.0)
    done = follow(scale * J, x, 0.0, 0.0)
    np.testing.assert_allclose(done.final[0], expected, atol=1e-13)
    assert not done.undefined.any()


@settings(max_examples=30, deadline=None)
@given(networks.map(lambda each: each | {"beta": min(max(each["beta"], 0.01), 20.0)}))
def test_the_update_is_minus_the_gradient_of_the_local_energy(network):
    rng = np.random.default_rng(network["seed"])
    form, n, d, beta, gamma = (network[key] for key in ("form", "n", "d", "beta", "gamma"))
    kernel, J = some_couplings(rng, form, n, d)
    x, small = oracle.random_tokens(rng, n, d), 1e-5
    gradient = np.zeros((n, d))
    for i in range(n):
        for a in range(d):
            ends = []
            for sign in (1, -1):
                moved = x.copy()
                moved[i, a] += sign * small
                ends.append(oracle.local_energies(J, moved, beta, gamma)[i])
            gradient[i, a] = (ends[0] - ends[1]) / (2 * small)
    np.testing.assert_allclose(-gradient, oracle.local_fields(J, x, beta, gamma), rtol=1e-5, atol=1e-5)
    lengths = np.linalg.norm(gradient, axis=1)
    new = follow(kernel, x, beta, gamma).final[0]
    np.testing.assert_allclose(new * lengths[:, None], -gradient, rtol=1e-5, atol=1e-5)


@settings(max_examples=30, deadline=None)
@given(st.integers(2, 8), st.integers(2, 6), st.integers(1, 9), st.floats(0, 20), st.integers(0, 2**32))
def test_low_rank_is_its_dense_form(n, d, rank, beta, seed):
    rng = np.random.default_rng(seed)
    left, right = rng.standard_normal((2, n, d, rank)) / math.sqrt(rank)
    factored = couplings.low_rank(left, right)
    x = oracle.random_tokens(rng, n, d)
    one, other = (follow(J, x, beta, 0.7, record=("energy",)) for J in (factored, couplings.full(factored.dense())))
    bound = tolerance(factored.dense(), x, beta, 0.7)
    np.testing.assert_allclose(one.final, other.final, atol=bound, rtol=0)


@pytest.mark.parametrize("form", ["full", "relative", "low_rank"])
def test_held_tokens_do_not_move(form):
    rng = np.random.default_rng(4)
    kernel, J = some_couplings(rng, form, 6, 3)
    x = oracle.random_tokens(rng, 5, 6, 3)
    held = rng.random((5, 6)) < 0.5
    held[0], held[1] = True, False
    done = follow(kernel, x, 2.0, 0.3, steps=3, held=held, record=ALL)
    for k in range(5):
        states = oracle.run(J, x[k], 2.0, 0.3, 3, held[k])
        np.testing.assert_allclose(done.tokens[k], states[1:], atol=1e-12)
        np.testing.assert_array_equal(done.final[k][held[k]], x[k][held[k]])
    np.testing.assert_array_equal(done.change[0], 0)
    np.testing.assert_allclose(done.target_overlap[0], 1, atol=1e-14)


def test_a_held_token_without_a_field_is_no_failure():
    J = np.zeros((3, 3, 2, 2))
    J[0, 1] = np.eye(2)  # tokens 1 and 2 feel nothing
    x = np.array([[1.0, 0], [0, 1], [0, 1]])
    done = follow(J, np.stack([x, x]), 1.0, 0.0, held=np.array([[False, True, True], [False, False, True]]))
    np.testing.assert_array_equal(done.undefined, [False, True])
    np.testing.assert_allclose(done.final[0], [[0, 1], [0, 1], [0, 1]])
    assert np.isnan(done.final[1, 1]).all()


@pytest.mark.parametrize("form", ["full", "low_rank"])
def test_transient_and_start_are_parts_of_one_run(form):
    rng = np.random.default_rng(5)
    kernel, _ = some_couplings(rng, form, 5, 3)
    x, patterns = oracle.random_tokens(rng, 3, 5, 3), oracle.random_tokens(rng, 2, 5, 3)
    arguments = {"patterns": patterns, "record": ALL, "target": x, "share": np.full((3, 5), 0.2)}
    whole = follow(kernel, x, 3.0, 0.2, steps=9, with_start=True, **arguments)
    later = follow(kernel, x, 3.0, 0.2, steps=5, transient=4, **arguments)
    for name in ALL:
        assert getattr(whole, name).shape[:2] == (3, 10)
        assert getattr(whole, name)[:, 5:].tobytes() == getattr(later, name).tobytes(), name
    assert whole.final.tobytes() == later.final.tobytes()
    nothing = follow(kernel, x, 3.0, 0.2, steps=0, with_start=True, **arguments)
    for name in ALL:
        assert getattr(whole, name)[:, :1].tobytes() == getattr(nothing, name).tobytes(), name
    assert nothing.final.tobytes() == x.tobytes()
    first = follow(kernel, x, 3.0, 0.2, steps=4, **arguments)
    rest = follow(kernel, first.final, 3.0, 0.2, steps=5, **arguments)
    for name in (*ALL, "final"):
        assert getattr(rest, name).tobytes() == getattr(later, name).tobytes(), name


def test_what_is_not_asked_for_is_not_kept():
    rng = np.random.default_rng(0)
    done = follow(oracle.random_matrices(rng, 4, 2), oracle.random_tokens(rng, 4, 2), 1.0, 0.0)
    assert {name: getattr(done, name).shape[1] for name in ALL} == dict.fromkeys(ALL, 0) | {"tokens": 1}


@pytest.mark.parametrize("form", ["full", "relative", "low_rank"])
def test_the_same_bits_in_any_lane_and_block(form):
    rng = np.random.default_rng(6)
    kernel, _ = some_couplings(rng, form, 5, 3)
    n = 2 * WIDTH + 5
    x, patterns, target = (oracle.random_tokens(rng, count, 5, 3) for count in (n, 2, n))
    beta, gamma = rng.uniform(0, 9, n), rng.uniform(-1, 1, n)
    held, share = rng.random((n, 5)) < 0.2, rng.random((n, 5))

    def results(chosen):
        return follow(
            kernel,
            x[chosen],
            beta[chosen],
            gamma[chosen],
            steps=6,
            patterns=patterns,
            record=ALL,
            held=held[chosen],
            target=target[chosen],
            share=share[chosen],
        )

    whole = results(np.arange(n))
    for chosen in (rng.permutation(n), np.array([7]), np.arange(3, 24), np.full(3, n - 1)):
        part = results(chosen)
        for all_of_it, some in zip(whole, part, strict=True):
            assert np.ascontiguousarray(all_of_it[chosen]).tobytes() == some.tobytes()


@pytest.mark.parametrize("form", ["full", "low_rank"])
@pytest.mark.parametrize("wrong", [np.nan, np.inf])
def test_a_lane_that_fails_leaves_the_others_alone(form, wrong):
    rng = np.random.default_rng(7)
    kernel, _ = some_couplings(rng, form, 5, 3)
    x = oracle.random_tokens(rng, 6, 5, 3)
    good = follow(kernel, x, 2.0, 0.5, steps=5, record=ALL)
    x[2, 1, 0] = wrong
    bad = follow(kernel, x, 2.0, 0.5, steps=5, record=ALL, target=x, share=np.full((6, 5), 0.2))
    others = [0, 1, 3, 4, 5]
    assert not np.isfinite(bad.final[2]).any()
    assert not bad.undefined.any()
    for a, b in zip(good[2:], bad[2:], strict=True):
        assert a[others].tobytes() == b[others].tobytes()


def test_a_field_that_vanishes_is_told_from_one_that_diverges():
    J = np.zeros((2, 2, 2, 2))
    J[0, 1] = J[1, 0] = np.eye(2)
    opposite, same = np.array([[1.0, 0], [-1, 0]]), np.array([[1.0, 0], [1, 0]])
    done = follow(J, np.stack([opposite, same]), 1.0, 1.0, steps=3)  # J x_2 + γ x_1 = 0
    np.testing.assert_array_equal(done.undefined, [True, False])
    assert np.isnan(done.final[0]).all()
    np.testing.assert_array_equal(done.final[1], same)


@settings(max_examples=25, deadline=None)
@given(st.integers(2, 6), st.integers(2, 5), st.floats(0, 5), st.floats(-1, 1), st.integers(0, 2**32))
def test_turning_and_renaming_tokens_changes_no_overlap(n, d, beta, gamma, seed):
    rng = np.random.default_rng(seed)
    J, x, patterns = (
        oracle.random_matrices(rng, n, d),
        oracle.random_tokens(rng, n, d),
        oracle.random_tokens(rng, 3, n, d),
    )
    bound = 10 * tolerance(J, x, beta, gamma)
    q = follow(J, x, beta, gamma, patterns=patterns, record=("overlap",)).overlap
    turn, _ = np.linalg.qr(rng.standard_normal((d, d)))
    turned = follow(turn @ J @ turn.T, x @ turn.T, beta, gamma, patterns=patterns @ turn.T, record=("overlap",)).overlap
    np.testing.assert_allclose(turned, q, atol=bound)
    order = rng.permutation(n)
    renamed = J[order][:, order]
    mixed = follow(renamed, x[order], beta, gamma, patterns=patterns[:, order], record=("overlap",)).overlap
    np.testing.assert_allclose(mixed, q, atol=bound)


@pytest.mark.parametrize(("n", "beta"), [(7, 0.0), (2, 3.0)])
@pytest.mark.parametrize("gamma", [-0.4, 0.0, 0.4])
def test_symmetric_couplings_with_constant_attention_end_in_cycles_of_at_most_two_steps(n, beta, gamma):
    # Fields are then A x with a symmetric A, and x(t+1) maximises y · A x(t): Σ_i |h_i(t)| = x(t+1) · A x(t) never
    # falls, since it is at least x(t-1) · A x(t) = x(t) · A x(t-1). Attention is constant at β = 0 and for two tokens.
    rng = np.random.default_rng(8)
    J = couplings.full(oracle.random_matrices(rng, n, 4)).symmetrised()
    x = oracle.random_tokens(rng, 5, n, 4)
    states = follow(J, x, beta, gamma, steps=3000, with_start=True).tokens
    for run_of in states:
        reached = [
            np.linalg.norm(oracle.local_fields(J.dense(), state, beta, gamma), axis=1).sum() for state in run_of[:60]
        ]
        assert (np.diff(reached) > -1e-12).all()
    np.testing.assert_allclose(states[:, -1], states[:, -3], atol=1e-6)
