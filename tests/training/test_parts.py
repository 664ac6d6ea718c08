"""Optimisers, symmetry and threads, each by itself."""

import threading
from types import SimpleNamespace

import numpy as np
import pytest
from threadpoolctl import threadpool_info

import dmfx
from dmfx.training import threads
from dmfx.training.objective import Objective, n_bytes
from dmfx.training.optimisers import OPTIMISERS
from dmfx.training.symmetry import start_symmetric, symmetric_part
from dmfx.training.threads import Workers, one_thread_each
from tests import oracle_vectors as oracle
from tests.training import forms


def test_adam_against_its_definition(monkeypatch):
    monkeypatch.setattr("dmfx.training.optimisers.PIECE", 5)
    rng = np.random.default_rng(0)
    adam, arrays = OPTIMISERS["adam"], {"a": rng.standard_normal((3, 4)), "b": rng.standard_normal(2)}
    moments = {name: {k: np.zeros_like(v) for k, v in arrays.items()} for name in adam.moments}
    expected = {name: array.copy() for name, array in arrays.items()}
    means, squares = ({name: 0.0 for name in arrays} for _ in range(2))
    with Workers(2) as workers:
        for t in range(1, 6):
            gradient = {name: rng.standard_normal(array.shape) for name, array in arrays.items()}
            adam.step(arrays, gradient, moments, t, 0.1 / t, workers)
            for name, g in gradient.items():
                means[name] = 0.9 * means[name] + 0.1 * g
                squares[name] = 0.999 * squares[name] + 0.001 * g**2
                root = np.sqrt(squares[name] / (1 - 0.999**t))
                expected[name] += 0.1 / t * means[name] / (1 - 0.9**t) / (root + 1e-8)
    for name in arrays:
        np.testing.assert_allclose(arrays[name], expected[name], rtol=1e-13)


def test_the_first_step_of_adam_is_the_learning_rate():
    arrays, gradient = {"a": np.zeros(3)}, {"a": np.array([1e-3, -5.0, 0.0])}
    moments = {name: {"a": np.zeros(3)} for name in ("mean", "square")}
    OPTIMISERS["adam"].step(arrays, gradient, moments, 1, 0.05, Workers(1))
    np.testing.assert_allclose(arrays["a"], [0.05, -0.05, 0.0], rtol=1e-4)


def test_plain_is_the_gradient():
    arrays = {"a": np.ones(2)}
    OPTIMISERS["plain"].step(arrays, {"a": np.array([1.0, -2.0])}, {}, 1, 0.5, Workers(1))
    assert arrays["a"].tolist() == [1.5, 0.0]


@pytest.mark.parametrize("kind", forms.KINDS)
def test_symmetric_part_of_each_form(kind):
    couplings = forms.some_couplings(np.random.default_rng(1), kind, 6, 3)
    J = couplings.dense()
    symmetric = start_symmetric(couplings)
    np.testing.assert_allclose(symmetric.dense(), (J + J.transpose(1, 0, 3, 2)) / 2, atol=1e-14)
    again = symmetric_part(symmetric, symmetric.parameters)
    assert all(np.array_equal(again[name], symmetric.parameters[name]) for name in again)
    assert start_symmetric(symmetric) == symmetric


def test_low_rank_with_an_odd_rank_doubles():
    left, right = np.random.default_rng(2).standard_normal((2, 4, 3, 3))
    assert start_symmetric(dmfx.couplings.low_rank(left, right)).rank == 6


def blas_threads():
    return {each["num_threads"] for each in threadpool_info() if each["user_api"] == "blas"}


def test_blas_keeps_to_one_thread_until_the_last_is_done():
    before = blas_threads()
    entered, leave = threading.Event(), threading.Event()

    def other():
        with one_thread_each():
            entered.set()
            leave.wait(10)

    thread = threading.Thread(target=other)
    with one_thread_each():
        assert blas_threads() == {1}
        thread.start()
        entered.wait(10)
    assert blas_threads() == {1}
    leave.set()
    thread.join()
    assert blas_threads() == before


def test_an_interrupt_on_the_way_leaves_no_limit(monkeypatch):
    class Interrupted(threading.Event):
        def wait(self, timeout=None):
            super().wait(timeout)
            if threading.current_thread() is threading.main_thread():
                raise KeyboardInterrupt

    before = blas_threads()
    monkeypatch.setattr(threads, "threading", SimpleNamespace(Event=Interrupted, Thread=threading.Thread))
    with pytest.raises(KeyboardInterrupt), one_thread_each():
        pass
    assert blas_threads() == before
    assert threads._users == 0


@pytest.mark.parametrize("count", [1, 3])
def test_errors_of_threads_are_raised(count):
    def fail(number):
        if number == 2:
            raise RuntimeError("no")

    with Workers(count) as workers, pytest.raises(RuntimeError, match="no"):
        workers.each(fail, 4)


@pytest.mark.parametrize("kind", forms.KINDS)
@pytest.mark.parametrize("n_vectors", [0, 40])
def test_the_memory_that_is_asked_for_is_what_is_taken(kind, n_vectors):
    import tracemalloc

    rng = np.random.default_rng(3)
    couplings = forms.some_couplings(rng, kind, 30, 12)
    vocabulary = oracle.random_tokens(rng, n_vectors, 12) if n_vectors else None
    tokens = oracle.random_tokens(rng, 64, 30, 12)
    with Workers(2) as workers:
        Objective(couplings, 1.0, vocabulary, 64, workers).gradient(couplings.parameters, tokens)
        tracemalloc.start()
        Objective(couplings, 1.0, vocabulary, 64, workers).gradient(couplings.parameters, tokens)
        _, peak = tracemalloc.get_traced_memory()
        tracemalloc.stop()
    expected = n_bytes(couplings, 64, n_vectors, 2)
    assert 0.5 * expected < peak < 1.1 * expected + 500_000
