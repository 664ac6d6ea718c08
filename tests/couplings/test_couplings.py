"""Forms of couplings: against the definition pair by pair, what identifies them, and what is kept."""

import json
import math
import pickle

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import dmfx
from dmfx import couplings
from dmfx.couplings.offsets import offset_numbers
from tests import oracle_vectors as oracle

FORMS = ("full", "relative", "low_rank", "random")


def example(kind, seed=0):
    rng = np.random.default_rng(seed)
    if kind == "full":
        return couplings.full(oracle.random_matrices(rng, 4, 3))
    if kind == "relative":
        matrices = rng.standard_normal((15, 3, 3))
        matrices[7] = 0
        return couplings.relative(matrices, (2, 3))
    if kind == "low_rank":
        return couplings.low_rank(*rng.standard_normal((2, 4, 3, 2)))
    return couplings.random(4, 3, scale=0.5 + seed, symmetry=0.25)


@settings(max_examples=40, deadline=None)
@given(st.integers(2, 6), st.integers(2, 5), st.integers(0, 2**32))
def test_full(n, d, seed):
    J = oracle.random_matrices(np.random.default_rng(seed), n, d)
    made = couplings.full(J)
    np.testing.assert_array_equal(made.dense(), J)
    assert (made.kind, made.n_tokens, made.n_components, made.rank, made.grid) == ("full", n, d, None, None)
    assert made.n_parameters == n * (n - 1) * d * d
    for i in range(n):
        for j in range(n):
            number = made.which[i, j]
            assert number == (-1 if i == j else i * n + j)
            assert i == j or np.array_equal(made.parameters["matrices"].reshape(-1, d, d)[number], J[i, j])


@settings(max_examples=40, deadline=None)
@given(st.lists(st.integers(1, 4), min_size=1, max_size=3).filter(lambda g: 2 <= math.prod(g) <= 16), st.integers(2, 4))
def test_relative(grid, d):
    rng = np.random.default_rng(len(grid) + d)
    n_offsets, n = math.prod(2 * size - 1 for size in grid), math.prod(grid)
    matrices = rng.standard_normal((n_offsets, d, d))
    matrices[n_offsets // 2] = 0
    made = couplings.relative(matrices, grid)
    np.testing.assert_array_equal(made.dense(), oracle.dense_relative(matrices, grid))
    assert (made.n_tokens, made.grid, made.n_parameters) == (n, tuple(grid), (n_offsets - 1) * d * d)
    assert (made.which[np.eye(n, dtype=bool)] == -1).all()
    numbers = offset_numbers(tuple(grid))
    np.testing.assert_array_equal(numbers + numbers.T, n_offsets - 1)  # minus an offset is counted from the end
    # Every offset occurs, and as often as the docstring's count of pairs says.
    assert np.array_equal(np.unique(numbers), np.arange(n_offsets))
    np.testing.assert_array_equal(made.symmetrised().dense(), couplings.full(made.dense()).symmetrised().dense())


def test_the_number_of_an_offset_by_hand():
    # On a grid of 2 rows and 3 columns, token 5 is at (1, 2), token 1 at (0, 1): the offset from 1 to 5 is (1, 1).
    assert offset_numbers((2, 3))[5, 1] == (1 + 1) * 5 + 1 + 2
    assert offset_numbers((2, 3))[1, 5] == (-1 + 1) * 5 - 1 + 2
    np.testing.assert_array_equal(offset_numbers((3,)), [[2, 1, 0], [3, 2, 1], [4, 3, 2]])


@settings(max_examples=40, deadline=None)
@given(st.integers(2, 6), st.integers(2, 5), st.integers(1, 7), st.integers(0, 2**32))
def test_low_rank(n, d, rank, seed):
    left, right = np.random.default_rng(seed).standard_normal((2, n, d, rank))
    made = couplings.low_rank(left, right)
    np.testing.assert_allclose(made.dense(), oracle.dense_low_rank(left, right), rtol=1e-13, atol=1e-13)
    assert (made.rank, made.n_parameters, made.nbytes) == (rank, 2 * n * d * rank, 16 * n * d * rank)
    assert made.symmetrised().rank == 2 * rank
    expected = couplings.full(made.dense()).symmetrised().dense()
    np.testing.assert_allclose(made.symmetrised().dense(), expected, rtol=1e-13, atol=1e-13)


@settings(max_examples=40, deadline=None)
@given(st.integers(1, 4), st.integers(2, 6), st.integers(2, 5), st.floats(-3, 3), st.integers(0, 2**32))
def test_hebbian(m, n, d, scale, seed):
    patterns = oracle.random_tokens(np.random.default_rng(seed), m, n, d)
    expected = oracle.hebbian(patterns, scale)
    for kind in ("full", "low_rank"):
        made = couplings.hebbian(patterns, scale, kind)
        np.testing.assert_allclose(made.dense(), expected, atol=1e-14)
        assert made.kind == kind
        np.testing.assert_allclose(made.symmetrised().dense(), expected, atol=1e-14)  # Hebb's rule is symmetric


def test_hebbian_of_one_configuration():
    x = dmfx.tokens.random(1, 5, 3)
    assert couplings.hebbian(x[0]) == couplings.hebbian(x)


@pytest.mark.parametrize("kind", ["full", "relative"])
def test_symmetrised(kind):
    J = example(kind)
    dense, half = J.dense(), J.symmetrised().dense()
    for i in range(J.n_tokens):
        assert not dense[i, i].any()
        for j in range(J.n_tokens):
            np.testing.assert_allclose(half[i, j], (dense[i, j] + dense[j, i].T) / 2, rtol=1e-15)
            np.testing.assert_array_equal(half[i, j], half[j, i].T)
    np.testing.assert_array_equal(J.replace(matrices=J.transposed()).dense(), dense.transpose(1, 0, 3, 2))


@pytest.mark.parametrize("kind", ["full", "relative"])
def test_zeros(kind):
    grid = (2, 3) if kind == "relative" else None
    J = couplings.zeros(6, 4, kind, grid=grid)
    assert not J.dense().any()
    assert J.dense().shape == (6, 6, 4, 4)


def test_zeros_of_low_rank_are_small_and_random():
    J = couplings.zeros(40, 10, "low_rank", rank=5, seed=3)
    values = np.concatenate([array.ravel() for array in J.parameters.values()])
    # 4000 Gaussian numbers: the mean is off by more than 5 standard errors with a probability below 1e-6, and so on.
    assert abs(values.mean()) < 5 * 0.1 / math.sqrt(values.size)
    assert abs(values.std() / 0.1 - 1) < 5 / math.sqrt(2 * values.size)
    assert couplings.zeros(40, 10, "low_rank", rank=5, seed=3) == J
    assert couplings.zeros(40, 10, "low_rank", rank=5, seed=4) != J


@pytest.mark.parametrize("kind", FORMS)
def test_what_identifies_couplings(kind):
    J, other = example(kind), example(kind, seed=1)
    assert example(kind) == J
    assert hash(J) == hash(example(kind))
    assert other != J
    assert other != "couplings"
    assert len({each.digest for each in map(example, FORMS)}) == len(FORMS)
    again = pickle.loads(pickle.dumps(J))
    assert again == J
    assert again.spec() == J.spec()
    assert repr(again) == repr(J)
    assert all(not array.flags.writeable for array in again.parameters.values())


@pytest.mark.parametrize("kind", ["full", "relative", "low_rank"])
def test_the_digest_changes_with_every_number(kind):
    J = example(kind)
    digests = {J.digest}
    count = 1
    for name, array in J.parameters.items():
        for index in np.ndindex(array.shape):
            of_itself = {"full": index[0] == index[1], "relative": index[0] == len(array) // 2}
            if of_itself.get(kind):
                continue
            changed = array.copy()
            changed[index] = np.nextafter(changed[index], np.inf)
            digests.add(J.replace(**{name: changed}).digest)
            count += 1
    assert len(digests) == count


def test_the_digest_tells_grids_and_laws_apart():
    matrices = np.zeros((15, 3, 3))
    assert couplings.relative(matrices, (2, 3)) != couplings.relative(matrices, (3, 2))
    laws = [couplings.random(6, 3), couplings.random(6, 3, scale=2), couplings.random(6, 3, symmetry=1)]
    laws += [couplings.random(6, 3, kind="relative", grid=grid) for grid in [(2, 3), (3, 2), 6]]
    laws += [couplings.random(6, 3, kind="low_rank", rank=rank) for rank in (1, 2)]
    assert len({law.digest for law in laws}) == len(laws)


@pytest.mark.parametrize("kind", FORMS)
def test_spec_and_arrays_make_the_couplings_again(kind):
    J = example(kind)
    spec = json.loads(json.dumps(J.spec()))
    assert couplings.couplings_from_spec(spec, J.parameters) == J
    with pytest.raises(ValueError, match="lacks digest, law"):
        couplings.couplings_from_spec({k: v for k, v in spec.items() if k not in ("law", "digest")}, J.parameters)
    if kind != "random":
        with pytest.raises(ValueError, match="changed, averaged or cut"):
            couplings.couplings_from_spec(spec, {name: 2 * array for name, array in J.parameters.items()})


def test_the_caller_keeps_his_arrays():
    J = oracle.random_matrices(np.random.default_rng(0), 3, 2)
    made = couplings.full(J)
    again = made.replace(matrices=J)
    patterns = dmfx.tokens.random(1, 4, 3)
    stored = [couplings.hebbian(patterns, kind=kind) for kind in ("full", "low_rank")]
    before = [each.dense().copy() for each in (made, again, *stored)]
    J[0, 1] = 7
    patterns[:] = 0
    for each, dense in zip((made, again, *stored), before, strict=True):
        np.testing.assert_array_equal(each.dense(), dense)
    with pytest.raises(ValueError, match="read-only"):
        made.parameters["matrices"][0, 1] = 1
    with pytest.raises(TypeError):
        made.parameters["matrices"] = J


def test_replace():
    J = example("low_rank")
    left = np.ones((4, 3, 2))
    np.testing.assert_allclose(J.replace(left=left).dense(), oracle.dense_low_rank(left, J.parameters["right"]))
    with pytest.raises(
        ValueError, match=r"replace: 2 problems: low_rank couplings have no array 'matrices'; .* left, right; left"
    ):
        J.replace(matrices=left, left=left[:2])
    with pytest.raises(ValueError, match="matrices must be 0 for every token and itself"):
        example("full").replace(matrices=np.ones((4, 4, 3, 3)))
    with pytest.raises(ValueError, match="matrices must be finite"):
        example("relative").replace(
            matrices=np.where(np.arange(15)[:, None, None] == 7, 0, np.full((15, 3, 3), np.nan))
        )
    with pytest.raises(ValueError, match="random couplings have no array 'left'; they have none"):
        example("random").replace(left=left)


def test_random_couplings_have_no_matrices_before_they_are_drawn():
    J = example("random")
    for call in ("dense", "symmetrised"):
        with pytest.raises(ValueError, match=rf"couplings.{call}: random couplings .* \.draw\(seed\)"):
            getattr(J, call)()
    with pytest.raises(ValueError, match="transposed: random couplings have no matrices"):
        J.transposed()
    assert example("full").draw(3) == example("full")
