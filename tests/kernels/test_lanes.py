import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numba import njit

from dmfx.kernels import lanes
from dmfx.kernels.settings import OPTIONS

WIDTH = lanes.WIDTH


@njit(**OPTIONS)
def apply_exp(work, n):
    for row in range(n):
        lanes.store(work, row, lanes.exp(lanes.load(work, row)))


@njit(**OPTIONS)
def apply_tanh(work, n):
    for row in range(n):
        lanes.store(work, row, lanes.tanh(lanes.load(work, row)))


@njit(**OPTIONS)
def arithmetic(work):
    a, b, c = lanes.load(work, 0), lanes.load(work, 1), lanes.load(work, 2)
    lanes.store(work, 3, a + b)
    lanes.store(work, 4, a - b)
    lanes.store(work, 5, a * b)
    lanes.store(work, 6, a / b)
    lanes.store(work, 7, lanes.fma(a, b, c))
    lanes.store(work, 8, lanes.maximum(a, b))
    lanes.store(work, 9, lanes.splat(work[5]))


@njit(**OPTIONS)
def apply_log(work, n):
    for row in range(n):
        lanes.store(work, row, lanes.log(lanes.load(work, row)))


@njit(**OPTIONS)
def apply_sqrt(work, n):
    for row in range(n):
        lanes.store(work, row, lanes.sqrt(lanes.load(work, row)))


@njit(**OPTIONS)
def compare(work):
    a, b = lanes.load(work, 0), lanes.load(work, 1)
    lanes.store(work, 2, lanes.choose(a, b, lanes.splat(1.0), lanes.splat(-1.0)))
    return lanes.any_above(a, b)


def evaluate(function, x):
    rows = -(-x.size // WIDTH)
    work = np.zeros(rows * WIDTH)
    work[: x.size] = x
    function(work, rows)
    return work[: x.size]


def ulps(value, exact):
    spacing = np.spacing(np.abs(exact.astype(np.float64)))
    return np.abs((value.astype(np.longdouble) - exact) / spacing).astype(float)


@pytest.fixture(scope="module")
def rng():
    return np.random.default_rng(20240611)


def test_exp_within_one_ulp(rng):
    x = np.concatenate([-rng.uniform(0, 1, 20_000), -rng.uniform(0, 707, 20_000), -(10 ** rng.uniform(-18, 0, 5_000))])
    assert ulps(evaluate(apply_exp, x), np.exp(x.astype(np.longdouble))).max() < 1.0


def test_tanh_within_two_and_a_half_ulp(rng):
    x = np.concatenate([rng.uniform(-1, 1, 20_000), rng.uniform(-25, 25, 20_000), 10 ** rng.uniform(-300, 3, 5_000)])
    assert ulps(evaluate(apply_tanh, x), np.tanh(x.astype(np.longdouble))).max() < 2.5


def test_exact_values():
    x = np.array([0.0, -0.0, np.inf, -np.inf, np.nan, 1e-320, -1e300])
    got = evaluate(apply_tanh, x)
    np.testing.assert_array_equal(got, [0.0, -0.0, 1.0, -1.0, np.nan, 1e-320, -1.0])
    np.testing.assert_array_equal(np.signbit(got[:2]), [False, True])
    assert evaluate(apply_exp, np.array([0.0]))[0] == 1.0
    assert np.isnan(evaluate(apply_exp, np.array([np.nan]))[0])
    assert 0 < evaluate(apply_exp, np.array([-np.inf]))[0] < 1e-300


def test_tanh_is_odd_to_the_bit(rng):
    x = rng.normal(0, 3, 4096)
    np.testing.assert_array_equal(evaluate(apply_tanh, -x), -evaluate(apply_tanh, x))


@given(st.floats(-30, 30), st.integers(0, WIDTH - 1), st.integers(0, 2**32 - 1))
@settings(deadline=None, max_examples=50)
def test_a_lane_does_not_see_the_others(x, lane, seed):
    alone = evaluate(apply_tanh, np.full(WIDTH, x))[0]
    among = np.random.default_rng(seed).choice([np.nan, np.inf, -5.0, 1e-300, 0.3], WIDTH)
    among[lane] = x
    assert evaluate(apply_tanh, among)[lane].tobytes() == alone.tobytes()


def test_arithmetic_is_that_of_numpy(rng):
    work = np.zeros((10, WIDTH))
    work[:3] = rng.normal(size=(3, WIDTH))
    a, b, c = work[:3].copy()
    arithmetic(work.reshape(-1))
    for row, expected in zip(work[3:7], (a + b, a - b, a * b, a / b), strict=True):
        np.testing.assert_array_equal(row, expected)
    exact = a.astype(np.longdouble) * b.astype(np.longdouble) + c.astype(np.longdouble)
    np.testing.assert_allclose(work[7], exact.astype(float), rtol=3e-16, atol=1e-17)
    np.testing.assert_array_equal(work[8], np.maximum(a, b))
    np.testing.assert_array_equal(work[9], np.full(WIDTH, a[5]))


def test_maximum_lets_nan_through_from_the_second_operand_only():
    work = np.zeros((10, WIDTH))
    work[0], work[1] = np.nan, 1.0
    arithmetic(work.reshape(-1))
    assert (work[8] == 1.0).all()


@pytest.mark.parametrize(("n_points", "n_blocks"), [(1, 1), (WIDTH, 1), (WIDTH + 1, 2), (5 * WIDTH - 1, 5)])
def test_blocks_cover_all_points(n_points, n_blocks):
    assert lanes.blocks(n_points) == n_blocks
    covered = np.concatenate([lanes.lanes_of(block, n_points) for block in range(n_blocks)])
    np.testing.assert_array_equal(np.unique(covered), np.arange(n_points))
    assert covered.size == n_blocks * WIDTH


def test_log_within_one_ulp(rng):
    x = np.concatenate(
        [10 ** rng.uniform(-307, 308, 30_000), rng.uniform(0.5, 2, 30_000), 1 + rng.normal(0, 1e-8, 999)]
    )
    assert ulps(evaluate(apply_log, x), np.log(x.astype(np.longdouble)))[x != 1].max() < 1.0
    assert evaluate(apply_log, np.ones(1))[0] == 0.0


def test_log_of_what_has_none_is_nan():
    x = np.array([0.0, -0.0, -1.0, np.inf, -np.inf, np.nan, 5e-324, 2.2250738585072014e-308])
    assert np.isnan(evaluate(apply_log, x)).tolist() == [True] * 7 + [False]


def test_sqrt_is_numpys(rng):
    x = 10 ** rng.uniform(-300, 300, 1000)
    assert np.array_equal(evaluate(apply_sqrt, x), np.sqrt(x))


def test_comparisons(rng):
    work = np.zeros((3, WIDTH))
    work[0], work[1] = rng.normal(size=(2, WIDTH))
    work[0, :2] = np.nan, 1.0
    work[1, 1:3] = 1.0, np.nan
    assert compare(work.reshape(-1))
    assert np.array_equal(work[2], np.where(work[0] > work[1], 1.0, -1.0))
    work[0] = np.nan
    assert not compare(work.reshape(-1))
    work[0], work[1], work[0, -1] = 0.0, 0.0, 1e-300
    assert compare(work.reshape(-1))
