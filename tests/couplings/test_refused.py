"""Couplings that are refused: each wrong argument, and what memory does not hold."""

import time
import tracemalloc

import numpy as np
import psutil
import pytest

import dmfx
from dmfx import couplings, memory

REFUSED = [
    (
        lambda: couplings.full("J"),
        TypeError,
        r"full: matrices must be an array of real numbers with the axes .*, not 'J'",
    ),
    (lambda: couplings.full(np.zeros((3, 3))), ValueError, r"matrices .* not an array of shape \(3, 3\)"),
    (lambda: couplings.full(np.zeros((3, 2, 2, 2))), ValueError, r"shape \(N, N, d, d\) .* not \(3, 2, 2, 2\)"),
    (lambda: couplings.full(np.zeros((3, 3, 2, 1))), ValueError, r"not \(3, 3, 2, 1\)"),
    (lambda: couplings.full(np.zeros((1, 1, 2, 2))), ValueError, "N and d at least 2"),
    (lambda: couplings.full(np.ones((2, 2, 2, 2))), ValueError, r"matrices\[i, i\] = 0"),
    (lambda: couplings.full(np.full((2, 2, 2, 2), np.nan)), ValueError, r"finite, but matrices\[0, 0, 0, 0\] is nan"),
    (lambda: couplings.full(np.zeros((2, 2, 2, 2), complex)), TypeError, "real numbers"),
    (lambda: couplings.relative(np.zeros((14, 3, 3)), (2, 3)), ValueError, r"\(15, d, d\) for the grid \(2, 3\)"),
    (lambda: couplings.relative(np.zeros((15, 3, 2)), (2, 3)), ValueError, r"not \(15, 3, 2\)"),
    (lambda: couplings.relative(np.ones((15, 3, 3)), (2, 3)), ValueError, r"matrices\[7\], of a token and itself"),
    (lambda: couplings.relative(np.zeros((1, 3, 3)), 1), ValueError, "grid must have at least two places"),
    (lambda: couplings.relative(np.zeros(3), "7x7"), ValueError, r"2 problems: grid .* not '7x7'.*; matrices"),
    (lambda: couplings.relative(np.zeros((15, 3, 3)), (2, 3.0)), TypeError, "grid must be the shape"),
    (lambda: couplings.relative(np.zeros((3, 2, 2)), (2**40, 2**40)), ValueError, "for the grid"),
    (
        lambda: couplings.low_rank(np.zeros((3, 2, 2)), np.zeros((3, 2, 1))),
        ValueError,
        r"not \(3, 2, 2\) and \(3, 2, 1\)",
    ),
    (lambda: couplings.low_rank(np.zeros((3, 2, 0)), np.zeros((3, 2, 0))), ValueError, "r at least 1"),
    (lambda: couplings.low_rank("a", None), TypeError, "2 problems: left .*; right"),
    (
        lambda: couplings.zeros(1, 1),
        ValueError,
        "2 problems: n_tokens .* at least 2, not 1.*; n_components .* at least 2",
    ),
    (
        lambda: couplings.zeros(4, 3, "dense"),
        ValueError,
        "kind must be one of 'full', 'relative', 'low_rank', not 'dense'",
    ),
    (lambda: couplings.zeros(4, 3, rank=2), ValueError, "rank goes with kind='low_rank'"),
    (lambda: couplings.zeros(4, 3, grid=(2, 2)), ValueError, "grid goes with kind='relative'"),
    (lambda: couplings.zeros(4, 3, "low_rank"), TypeError, "rank must be a whole number"),
    (lambda: couplings.zeros(4, 3, "relative"), TypeError, "grid must be the shape of the grid"),
    (lambda: couplings.zeros(4, 3, "relative", grid=(2, 3)), ValueError, r"grid must have 4 places, .* not 6"),
    (lambda: couplings.zeros(4, 3, seed=-1), ValueError, "seed must be a whole number of at least 0"),
    (
        lambda: couplings.random(4, 3, scale=-1, symmetry=2),
        ValueError,
        "2 problems: scale .* at least 0.*; symmetry .* -1 to 1",
    ),
    (lambda: couplings.random(4, 3, symmetry=0.5, kind="low_rank", rank=2), ValueError, "symmetry must be 0"),
    (lambda: couplings.random("4", 3), TypeError, "n_tokens must be a whole number of at least 2, not '4'"),
    (lambda: couplings.hebbian(np.ones((2, 3, 4))), ValueError, "patterns must be unit vectors"),
    (
        lambda: couplings.hebbian(dmfx.tokens.random(1, 3, 2), kind="relative"),
        ValueError,
        "kind must be one of 'full', 'low_rank'",
    ),
    (lambda: couplings.hebbian(dmfx.tokens.random(1, 3, 2), scale=None), TypeError, "scale must be a finite number"),
    (
        lambda: couplings.hebbian(dmfx.tokens.random(1, 1, 2)),
        ValueError,
        "n_tokens must be a whole number of at least 2",
    ),
]


@pytest.mark.parametrize(("call", "error", "message"), REFUSED)
def test_wrong_arguments(call, error, message):
    with pytest.raises(error, match=message):
        call()


TOO_BIG = [
    (
        lambda: couplings.zeros(3000, 200),
        "full couplings of 3000 tokens .* 2.88e.03 GB.*: kind='relative' .* or kind='low_rank'",
    ),
    (lambda: couplings.random(3000, 200), "full couplings"),
    (lambda: couplings.zeros(10**6, 10**5, "low_rank", rank=10**6), "smaller rank"),
    (lambda: couplings.zeros(10**6, 2, "relative", grid=10**6), "relative couplings"),
    (lambda: couplings.random(10**6, 10**5, kind="low_rank", rank=10**5), "low_rank couplings"),
    (lambda: couplings.relative(np.zeros((2 * 10**6 - 1, 2, 2)), 10**6), "offsets of the pairs"),
    (lambda: couplings.low_rank(*np.zeros((2, 3 * 10**6, 2, 1))).dense(), "keep the factored form"),
    (
        lambda: couplings.full(np.broadcast_to(0.0, (10**4, 10**4, 10**2, 10**2))),
        "a copy of matrices .* would take 8e.03 GB",
    ),
]


@pytest.mark.parametrize(("call", "message"), TOO_BIG)
def test_what_memory_does_not_hold_is_refused_before_it_is_allocated(call, message):
    memory.available()  # imports what it needs
    tracemalloc.start()
    start = time.perf_counter()
    with pytest.raises(ValueError, match=message):
        call()
    took, (_, peak) = time.perf_counter() - start, tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak < 2e8, "what is refused was allocated"
    assert took < 5


def test_the_free_memory_decides(monkeypatch):
    monkeypatch.setattr(memory, "available", lambda: 10_000)
    patterns = dmfx.tokens.random(2, 10, 5)
    few = np.zeros((10, 5, 2))
    some = couplings.Couplings("full", 10, 5, {"matrices": np.zeros((10, 10, 5, 5))})
    for size, call in (
        (20, lambda: couplings.zeros(10, 5)),
        (60, lambda: couplings.random(10, 5)),
        (40, lambda: couplings.hebbian(patterns)),
        (20, lambda: couplings.full(some.dense())),
        (20, lambda: couplings.low_rank(few, few).dense()),
        (40, some.symmetrised),
    ):
        with pytest.raises(ValueError, match=f"would take {size} kB, at most 80% of the free 10 kB may be used: "):
            call()
    assert couplings.hebbian(patterns, kind="low_rank").nbytes == 1600
    monkeypatch.setattr(memory, "available", lambda: 25_001)
    couplings.zeros(10, 5)


@pytest.mark.parametrize(
    ("copies", "make"),
    [
        (2, lambda: couplings.hebbian(dmfx.tokens.random(2, 30, 20))),
        (3, lambda: couplings.random(30, 20, symmetry=0.5).draw(1)),
        (2, lambda: GIVEN.symmetrised()),
    ],
)
def test_what_is_asked_for_is_what_is_taken(copies, make):
    make()
    tracemalloc.start()
    made = make()
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert (copies - 0.5) * made.nbytes < peak < (copies + 0.3) * made.nbytes


GIVEN = couplings.random(30, 20).draw(2)


def test_free_memory_is_known(monkeypatch):
    assert 1e6 < memory.available() < 1e14
    monkeypatch.setattr("distributed.system.MEMORY_LIMIT", psutil.Process().memory_info().rss + 10**8)
    assert memory.available() < 1.5e8, "the container allows no more"
    monkeypatch.setattr("distributed.system.MEMORY_LIMIT", 1)
    assert memory.available() == 0
    assert [memory.readable(n) for n in (0, 999, 1e3, 5.4321e7, 2e12)] == [
        "0 bytes",
        "999 bytes",
        "1 kB",
        "54.3 MB",
        "2e+03 GB",
    ]
