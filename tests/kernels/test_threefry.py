"""The random numbers: those that were published, their mapping to (0, 1), and that they look independent."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numba import njit
from scipy import stats

from dmfx.kernels import lanes
from dmfx.kernels.settings import OPTIONS
from dmfx.kernels.threefry import uniforms

WIDTH = lanes.WIDTH
MASK = 2**64 - 1
# Random123, tests/kat_vectors, threefry2x64 with 20 rounds: counter, key, result.
KNOWN = [
    ((0, 0), (0, 0), (0xC2B6E3A8C2C69865, 0x6F81ED42F350084D)),
    ((MASK, MASK), (MASK, MASK), (0xE02CB7C4D95D277A, 0xD06633D0893B8B68)),
    (
        (0x243F6A8885A308D3, 0x13198A2E03707344),
        (0xA4093822299F31D0, 0x082EFA98EC4E6C89),
        (0x263C7D30BB0F0AF1, 0x56BE8361D3311526),
    ),
]


def threefry(counter, key):
    """Threefry-2x64 with 20 rounds, in whole numbers, from the paper."""
    keys = [*key, 0x1BD11BDAA9FC1A22 ^ key[0] ^ key[1]]
    x = [(c + k) & MASK for c, k in zip(counter, key, strict=True)]
    for done in range(20):
        turn = (16, 42, 12, 31, 16, 32, 24, 21)[done % 8]
        x[0] = (x[0] + x[1]) & MASK
        x[1] = ((x[1] << turn | x[1] >> (64 - turn)) & MASK) ^ x[0]
        if done % 4 == 3:
            s = done // 4 + 1
            x = [(x[0] + keys[s % 3]) & MASK, (x[1] + keys[(s + 1) % 3] + s) & MASK]
    return tuple(x)


def unit(word):
    """(k + 1/2) 2^-52 of the upper 52 bits; Python divides whole numbers with one rounding, here with none."""
    return (2 * (word >> 12) + 1) / 2**53


@njit(**OPTIONS)
def draw_pairs(work, times, draws):
    first, second, clock = lanes.load(work, 0), lanes.load(work, 1), lanes.load(work, 2)
    for i in range(len(times)):
        a, b = uniforms(first, second, clock, times[i], draws[i])
        lanes.store(work, 3 + 2 * i, a)
        lanes.store(work, 4 + 2 * i, b)


def draw(key, clock, times, draws):
    """Pairs of uniform numbers, (time, pair, lane), for keys (lane, 2) and clocks (lane,)."""
    times, draws = (np.asarray(a, dtype=np.int64) for a in (times, draws))
    work = np.zeros((3 + 2 * len(times), WIDTH))
    work[:2] = np.broadcast_to(np.asarray(key, dtype=np.uint64), (WIDTH, 2)).T.copy().view(np.float64)
    work[2] = np.broadcast_to(np.asarray(clock, dtype=np.uint64), (WIDTH,)).copy().view(np.float64)
    draw_pairs(work.reshape(-1), times, draws)
    return work[3:].reshape(len(times), 2, WIDTH)


def signed(word):
    return word - 2**64 if word >= 2**63 else word


@pytest.mark.parametrize(("counter", "key", "result"), KNOWN)
def test_published_vectors(counter, key, result):
    assert threefry(counter, key) == result
    # The kernel adds the time to the clock: any split gives the same.
    for time in (0, 1, -5, 12345):
        clock = (counter[0] - time) & MASK
        got = draw(key, clock, [time], [signed(counter[1])])
        assert ([unit(word) for word in result] == got[0].T).all()


@given(st.lists(st.integers(0, MASK), min_size=4, max_size=4), st.integers(-(2**31), 2**31))
@settings(deadline=None, max_examples=100)
def test_kernel_is_the_published_algorithm(words, time):
    got = draw(words[:2], words[2], [time], [signed(words[3])])[0]
    expected = threefry(((words[2] + time) & MASK, words[3]), words[:2])
    assert ([unit(word) for word in expected] == got.T).all()


def test_lanes_have_their_own_key_and_clock():
    rng = np.random.default_rng(1)
    key = rng.integers(0, 2**64, (WIDTH, 2), dtype=np.uint64)
    clock = rng.integers(0, 2**64, WIDTH, dtype=np.uint64)
    got = draw(key, clock, [0, 7, -3], [0, 1, 2])
    for lane in range(WIDTH):
        for i, (time, number) in enumerate(((0, 0), (7, 1), (-3, 2))):
            counter = ((int(clock[lane]) + time) & MASK, number)
            words = threefry(counter, (int(key[lane, 0]), int(key[lane, 1])))
            assert got[i, :, lane].tolist() == [unit(word) for word in words]


def test_open_interval_and_exact_complement():
    for word, expected in ((0, 2.0**-53), (MASK, 1 - 2.0**-53), (1 << 63, 0.5 + 2.0**-53), (2**63 - 1, 0.5 - 2.0**-53)):
        assert unit(word) == expected
        assert 0 < unit(word) < 1
    u = draw((3, 4), 0, np.arange(5000), np.zeros(5000)).ravel()
    assert (u > 0).all()
    assert (u < 1).all()
    assert ((1 - u) + u == 1).all()
    assert (1 - (1 - u) == u).all()
    scaled = u * 2**53
    assert (scaled % 2 == 1).all()


# What follows would catch a wrong rotation or a lost counter, not a weakness of a generator that passes BigCrush. Each
# check fails once in 10^6 runs of a right generator; the numbers are fixed.
RARE = 1e-6


def streams():
    """Numbers along each thing that they are functions of, (number, many)."""
    n = 20_000
    rng = np.random.default_rng(5)
    keys = rng.integers(0, 2**64, (n, 2), dtype=np.uint64)
    by_key = np.concatenate([draw(keys[i : i + WIDTH], 0, [0], [0])[0] for i in range(0, n, WIDTH)], axis=1)
    nearby = np.stack([np.arange(n), np.zeros(n)], axis=1).astype(np.uint64)
    by_close_key = np.concatenate([draw(nearby[i : i + WIDTH], 0, [0], [0])[0] for i in range(0, n, WIDTH)], axis=1)
    return {
        "time": draw((1, 2), 10**6, np.arange(n), np.zeros(n))[:, :, 0].T,
        "draw": draw((1, 2), 10**6, np.zeros(n), np.arange(n))[:, :, 0].T,
        "key": by_key,
        "close keys": by_close_key,
    }


@pytest.mark.parametrize("along", ["time", "draw", "key", "close keys"])
def test_uniform_and_uncorrelated(along):
    u = streams()[along]
    for each in u:
        assert stats.kstest(each, "uniform").pvalue > RARE
        assert stats.kstest(2.0**20 * each % 1, "uniform").pvalue > RARE  # lower bits
        assert abs(np.corrcoef(each[:-1], each[1:])[0, 1]) * np.sqrt(each.size) < stats.norm.isf(RARE / 2)
    assert abs(np.corrcoef(*u)[0, 1]) * np.sqrt(u.shape[1]) < stats.norm.isf(RARE / 2)
    cells = np.bincount((u[0] * 16).astype(int) * 16 + (u[1] * 16).astype(int), minlength=256)
    assert stats.chisquare(cells).pvalue > RARE
    pairs = np.bincount((u[0, :-1] * 16).astype(int) * 16 + (u[0, 1:] * 16).astype(int), minlength=256)
    assert stats.chisquare(pairs).pvalue > RARE


def test_no_number_comes_twice():
    u = np.concatenate([part.ravel() for part in streams().values()])
    repeated = u.size - np.unique(u).size
    # The first counter along time is the first along draw; by chance n² / 2^53 pairs of 52 bits are equal, 3e-6.
    assert repeated == 2


@pytest.mark.parametrize("bit", [0, 1, 31, 32, 63])
def test_one_bit_of_anything_changes_half_of_all_bits(bit):
    base = [11, 22, 33, 44]
    flips = []
    for word in range(4):
        for start in range(40):
            words = [base[0], base[1], base[2] + start, base[3]]
            other = list(words)
            other[word] ^= 1 << bit
            a, b = (draw(w[:2], w[2], [0], [signed(w[3])])[0, :, 0] * 2**53 for w in (words, other))
            flips += [int(x) ^ int(y) for x, y in zip(a, b, strict=True)]
    ones = sum(flip.bit_count() for flip in flips)
    n = 52 * len(flips)
    assert abs(ones - n / 2) / np.sqrt(n / 4) < stats.norm.isf(RARE / 2)
