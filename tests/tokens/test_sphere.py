"""Unit vectors: checked, made, compared, drawn."""

import itertools

import numpy as np
import pytest
import xarray as xr
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from dmfx import tokens
from dmfx.validation import Problems


def checked(value, *shape):
    problems = Problems("call")
    return tokens.check_tokens(problems, "tokens", value, *shape), "; ".join(problems.messages)


class TestCheckTokens:
    def test_good_ones_are_passed_on_without_a_copy(self):
        x = tokens.random(3, 5, 4)
        array, said = checked(x, 5, 4)
        assert said == ""
        assert np.shares_memory(array, x)

    def test_one_configuration(self):
        x = tokens.random(1, 5, 4)
        assert np.array_equal(checked(x[0], 5, 4)[0], x)

    def test_dims_in_any_order(self):
        x = tokens.random(5, 5, 5)
        given = xr.DataArray(x, dims=("initial", "token", "component"))
        for dims in itertools.permutations(given.dims):
            assert np.array_equal(checked(given.transpose(*dims))[0], x)
        assert np.array_equal(checked(given[2].T)[0], x[2:3])
        assert np.array_equal(checked(given.rename(token="patch"))[0], x)

    @pytest.mark.parametrize("order", ["C", "F"])
    @pytest.mark.parametrize("dtype", [np.float32, np.float64])
    def test_form(self, order, dtype):
        x = np.asarray(tokens.random(3, 5, 4), dtype=dtype, order=order)
        array, _ = checked(x)
        assert array.dtype == np.float64
        assert array.flags.c_contiguous
        assert np.array_equal(array, x)

    @pytest.mark.parametrize(
        ("shape", "wanted", "expected"),
        [
            ((3, 5, 4), (6, 4), "(n, 6, 4), or (6, 4) for one example, not an array of shape (3, 5, 4)"),
            ((3, 5, 4), (5, 3), "(n, 5, 3)"),
            ((3, 5, 4), (None, 3), "(n, N, 3)"),
            ((3, 5, 4), (6, None), "(n, 6, d)"),
            ((4,), (5, 4), "(n, 5, 4)"),
            ((2, 3, 5, 4), (5, 4), "not an array of shape (2, 3, 5, 4)"),
            ((0, 5, 4), (5, 4), "not an array of shape (0, 5, 4)"),
            ((), (None, None), "(n, N, d)"),
        ],
    )
    def test_another_shape(self, shape, wanted, expected):
        array, said = checked(np.ones(shape), *wanted)
        assert array is None
        assert expected in said

    @pytest.mark.parametrize("value", ["tokens", None, [["a"]], np.ones((2, 2), dtype=complex)])
    def test_no_numbers(self, value):
        array, said = checked(value)
        assert array is None
        assert "must be unit vectors" in said

    def test_all_that_is_wrong_is_said_with_its_place(self):
        x = tokens.random(3, 5, 4)
        x[0, 1] *= 1.1
        x[1, 2] = 0
        x[2, 3, 1] = np.nan
        x[2, 4, 0] = np.inf
        array, said = checked(x)
        assert array is None
        assert "NaN or infinities: the first of 2 at example 2, token 3, component 1" in said
        assert "zero vectors: example 1, token 2" in said
        assert "others: example 0, token 1, of length 1.1; dmfx.tokens.normalise" in said

    def test_places_of_one_configuration(self):
        assert "zero vectors: the first of 5 at token 0" in checked(np.zeros((5, 4)))[1]

    def test_tolerance(self):
        x = tokens.random(1, 1, 3)
        assert checked(x * (1 + 0.9e-6))[0] is not None
        assert checked(x * (1 + 1.1e-6))[0] is None


vectors = hnp.arrays(
    np.float64, hnp.array_shapes(min_dims=1, max_dims=3, max_side=6), elements=st.floats(-1e200, 1e200, width=64)
)


class TestNormalise:
    @given(vectors)
    def test_length_and_direction(self, array):
        array[..., 0] = np.where(np.abs(array).max(axis=-1) < 1e-200, 1.0, array[..., 0])
        unit = tokens.normalise(array)
        assert np.abs(np.sqrt((unit**2).sum(axis=-1)) - 1).max() < 1e-14
        largest = np.abs(array).max(axis=-1, keepdims=True)
        cosine = (unit * (array / largest)).sum(axis=-1) / np.sqrt(((array / largest) ** 2).sum(axis=-1))
        assert cosine == pytest.approx(1, abs=1e-14)

    def test_known(self):
        assert tokens.normalise([3, -4]).tolist() == [0.6, -0.8]
        assert tokens.normalise([[3e-300, 4e-300], [3e300, 4e300]]) == pytest.approx(np.tile([0.6, 0.8], (2, 1)))

    def test_powers_of_two_do_not_change_a_bit(self):
        x = np.random.default_rng(0).normal(size=(20, 7))
        assert tokens.normalise(x * 2.0**40).tobytes() == tokens.normalise(x).tobytes()

    def test_a_vector_does_not_know_the_others(self):
        x = np.random.default_rng(0).normal(size=(9, 5, 17))
        together = tokens.normalise(x)
        for i, j in np.ndindex(9, 5):
            assert tokens.normalise(x[i, j]).tobytes() == together[i, j].tobytes()
        assert tokens.normalise(np.asfortranarray(x)).tobytes() == together.tobytes()

    def test_what_was_given_stays(self):
        x = np.full((2, 3), 5.0)
        tokens.normalise(x)
        assert (x == 5).all()

    def test_bad_ones_by_index(self):
        x = np.ones((2, 3, 4))
        x[1, 2] = 0
        with pytest.raises(ValueError, match=r"zero vectors, which have no direction: index \(1, 2\)"):
            tokens.normalise(x)
        x[0, 0, 3] = np.nan
        x[0, 1, 0] = -np.inf
        with pytest.raises(ValueError, match=r"2 problems.*the first of 2 at index \(0, 0, 3\).*index \(1, 2\)"):
            tokens.normalise(x)

    @pytest.mark.parametrize("value", [3.0, [], np.ones((0, 3)), np.ones((3, 0))])
    def test_no_vectors(self, value):
        with pytest.raises(ValueError, match=r"real numbers of shape \(\.\.\., component\)"):
            tokens.normalise(value)

    def test_no_numbers(self):
        with pytest.raises(TypeError, match="array must be"):
            tokens.normalise("north")


class TestOverlap:
    def test_definition(self):
        a, b = tokens.random(4, 6, 3), tokens.random(4, 6, 3, seed=1)
        by_hand = [sum(a[k, i] @ b[k, i] for i in range(6)) / 6 for k in range(4)]
        assert tokens.overlap(a, b) == pytest.approx(by_hand, abs=1e-15)

    def test_pairs(self):
        a, b = tokens.random(4, 6, 3), tokens.random(5, 6, 3, seed=1)
        by_hand = [[tokens.overlap(x, y) for y in b] for x in a]
        assert tokens.overlap(a, b, pairs=True) == pytest.approx(np.array(by_hand), abs=1e-15)
        assert tokens.overlap(a.reshape(2, 2, 6, 3), b, pairs=True).shape == (2, 2, 5)

    def test_broadcast(self):
        a, b = tokens.random(6, 7, 3).reshape(2, 3, 7, 3), tokens.random(3, 7, 3, seed=1)
        assert tokens.overlap(a, b)[1, 2] == tokens.overlap(a[1, 2], b[2])

    def test_with_itself_and_its_opposite(self):
        x = tokens.random(4, 6, 3)
        assert tokens.overlap(x, x) == pytest.approx(1)
        assert tokens.overlap(x, -x) == pytest.approx(-1)

    def test_spread_of_random_ones(self):
        a, b = tokens.random(2000, 10, 5), tokens.random(2000, 10, 5, seed=1)
        assert tokens.overlap(a, b).std() * np.sqrt(10 * 5) == pytest.approx(1, abs=4 / np.sqrt(2 * 2000))

    def test_nan_stays(self):
        a = tokens.random(2, 3, 4)
        b = a.copy()
        b[1, 0, 0] = np.nan
        assert np.isnan(tokens.overlap(a, b)).tolist() == [False, True]

    @pytest.mark.parametrize(
        ("a", "b", "pairs"), [((2, 3, 4), (2, 3, 5), False), ((2, 3, 4), (3, 3, 4), False), ((3, 4), (4, 3), True)]
    )
    def test_shapes_that_do_not_go_together(self, a, b, pairs):
        with pytest.raises(ValueError, match=r"a and b must have the same tokens and components, or|but have shapes"):
            tokens.overlap(np.ones(a), np.ones(b), pairs=pairs)

    def test_wrong_arguments(self):
        with pytest.raises(TypeError, match=r"3 problems: a must be .* b must be .* pairs must be True or False"):
            tokens.overlap("a", None, pairs=1)
        with pytest.raises(ValueError, match=r"b must be .* not an array of shape \(3,\)"):
            tokens.overlap(np.ones((2, 3)), np.ones(3))


class TestRandom:
    def test_unit_vectors_of_every_seed_by_number(self):
        many = tokens.random(7, 5, 4, seed=3)
        assert checked(many, 5, 4)[1] == ""
        assert tokens.random(2, 5, 4, seed=3).tobytes() == many[:2].tobytes()
        assert not np.array_equal(many[0], tokens.random(1, 5, 4, seed=4)[0])

    def test_uniform_on_the_sphere(self):
        # Archimedes: in three dimensions each component is uniform.
        heights = np.sort(tokens.random(200, 50, 3).reshape(-1, 3), axis=0)
        uniform = np.linspace(-1, 1, len(heights))[:, None]
        assert np.abs(heights - uniform).max() / 2 < 1.95 / np.sqrt(len(heights))  # Kolmogorov, p = 0.001

    @settings(max_examples=10)
    @given(st.integers(1, 4), st.integers(1, 4), st.integers(1, 4))
    def test_shape(self, n, n_tokens, n_components):
        assert tokens.random(n, n_tokens, n_components).shape == (n, n_tokens, n_components)

    def test_wrong_arguments(self):
        with pytest.raises(ValueError, match=r"4 problems: n must .* n_tokens must .* n_components must .* seed must"):
            tokens.random(0, 1.5, "d", -1)

    def test_more_than_memory_holds(self):
        with pytest.raises(ValueError, match="the tokens would take"):
            tokens.random(10**6, 10**6, 10)
