"""A vocabulary on the sphere: known clusters, the fixed point it must be, what it is rebuilt from."""

import json

import numpy as np
import pytest
import xarray as xr
from threadpoolctl import threadpool_limits

from dmfx import tokens
from dmfx.tokens import Codebook

CENTRES = tokens.normalise([[1.0, 0, 0], [0, 1, 0], [0, 0, 1], [-1, -1, -1]])


def clusters(n=50, spread=0.1):
    """Tokens around the four centres, in turn."""
    clean = np.tile(CENTRES, (n, 1, 1))
    return tokens.corrupt(clean, spread), np.tile(np.arange(4), (n, 1))


def test_known_clusters():
    x, which = clusters()
    book = Codebook.fit(x, size=4, restarts=5)
    nearest = (book.vectors @ CENTRES.T).argmax(axis=1)
    assert sorted(nearest) == [0, 1, 2, 3]
    assert (book.vectors * CENTRES[nearest]).sum(axis=1).min() > 0.998
    assert np.array_equal(nearest[book.encode(x)], which)


def test_each_word_is_the_direction_of_the_mean_of_its_tokens():
    x = tokens.random(60, 10, 4, seed=5)
    book = Codebook.fit(x, size=12)
    words = book.encode(x)
    assert np.array_equal(words, np.einsum("nid,vd->niv", x, book.vectors).argmax(axis=-1))
    for word in range(12):
        mean = x[words == word].mean(axis=0)
        assert book.vectors[word] == pytest.approx(mean / np.linalg.norm(mean), abs=1e-14)


def test_as_many_words_as_different_tokens():
    x = np.repeat(tokens.random(1, 6, 3), 4, axis=0)
    book = Codebook.fit(x, size=6)
    assert book.decode(book.encode(x)) == pytest.approx(x, abs=1e-14)
    with pytest.raises(ValueError, match="size must be at most the number of different tokens, 6, not 7"):
        Codebook.fit(x, size=7)


def test_opposite_tokens_have_a_word_too():
    book = Codebook.fit([[1.0, 0.0], [-1.0, 0.0]], size=1)
    assert np.abs(book.vectors).tolist() == [[1, 0]]


def test_the_same_for_any_number_of_threads_and_in_parts():
    x, _ = clusters(600, 0.5)
    books = []
    for threads in (1, 2):
        with threadpool_limits(threads):
            books.append(Codebook.fit(x, size=9, seed=3))
    assert books[0].vectors.tobytes() == books[1].vectors.tobytes()
    assert books[0] == books[1]
    assert books[0] != Codebook.fit(x, size=9, seed=4)
    whole = books[0].encode(x)
    assert np.array_equal(np.concatenate([books[0].encode(x[:7]), books[0].encode(x[7:])]), whole)


def test_equal_products_give_the_first_word():
    book = Codebook([[1.0, 0], [0, 1], [1, 0]])
    assert book.encode([[1.0, 0], [0, -1]]).tolist() == [[0, 0]]
    assert book.encode(tokens.normalise([[1.0, 1.0]])).tolist() == [[0]]


def test_decode():
    book = Codebook(np.eye(3))
    assert np.array_equal(book.decode([[0, 2], [1, 1]]), np.eye(3)[[[0, 2], [1, 1]]])
    assert book.decode(np.array([2, 0], dtype=np.uint8)).shape == (1, 2, 3)


def test_any_dims_before():
    book = Codebook(np.eye(3))
    x = tokens.random(24, 5, 3)
    words = book.encode(x)
    many = x.reshape(2, 3, 4, 5, 3)
    assert np.array_equal(book.encode(many), words.reshape(2, 3, 4, 5))
    assert book.decode(book.encode(many)).shape == many.shape
    turned = xr.DataArray(many, dims=("beta", "seed", "step", "token", "component")).transpose(
        "component", "token", ...
    )
    assert np.array_equal(book.encode(turned), words.reshape(2, 3, 4, 5))
    for wrong in (many[..., :2], many[:0], 2 * many):
        with pytest.raises(ValueError, match=r"Codebook\.encode: tokens must be unit vectors"):
            book.encode(wrong)


def test_travels():
    book = Codebook.fit(clusters()[0], size=4)
    spec = json.loads(json.dumps(book.spec()))
    rebuilt = Codebook.from_spec(spec, {"vectors": book.parameters["vectors"].copy()})
    assert rebuilt == book
    assert hash(rebuilt) == hash(book)
    assert (book.size, book.n_components) == (4, 3)
    assert book.digest in repr(book)
    for wrong in ((spec | {"kind": "patches"}, book.parameters), (spec, {}), (spec, {"vectors": np.eye(3)})):
        with pytest.raises(ValueError, match=r"Codebook\.from_spec: "):
            Codebook.from_spec(*wrong)


def test_frozen():
    given = np.eye(3)
    book = Codebook(given)
    given[:] = 0
    assert np.array_equal(book.vectors, np.eye(3))
    with pytest.raises(ValueError, match="read-only"):
        book.vectors[0, 0] = 2
    with pytest.raises(AttributeError):
        book.vectors = given


class TestWrong:
    def test_vectors(self):
        with pytest.raises(ValueError, match=r"Codebook: vectors must be unit vectors, but has others: .* length 2"):
            Codebook(2 * np.eye(3))
        with pytest.raises(ValueError, match=r"unit vectors of shape \(words, components\)"):
            Codebook(np.ones((1, 2, 3)))
        with pytest.raises(TypeError, match="vectors must be"):
            Codebook("words")

    def test_fit(self):
        with pytest.raises(ValueError, match=r"4 problems: tokens must .* size must .* seed must .* restarts must"):
            Codebook.fit(np.zeros((2, 3)), 0, -1, restarts=1.5)

    def test_encode(self):
        with pytest.raises(ValueError, match=r"Codebook.encode: tokens must be unit vectors of shape \(n, N, 3\)"):
            Codebook(np.eye(3)).encode(np.eye(2))

    @pytest.mark.parametrize("words", [[[0, 3]], [[-1]], [[[3]]], 0, np.zeros((0, 2), dtype=int)])
    def test_decode(self, words):
        with pytest.raises(ValueError, match="words must be whole numbers from 0 to 2"):
            Codebook(np.eye(3)).decode(words)

    @pytest.mark.parametrize("words", [[[0.0]], "a", [[True]]])
    def test_decode_of_what_are_no_numbers(self, words):
        with pytest.raises(TypeError, match="words must be whole numbers from 0 to 2"):
            Codebook(np.eye(3)).decode(words)
