"""Matrix products of lanes: against NumPy in higher precision, and the same bits for every lane."""

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st
from numba import njit

from dmfx.kernels import lanes, products
from dmfx.kernels.settings import OPTIONS

WIDTH = lanes.WIDTH


@njit(**OPTIONS)
def apply_multiply(matrix, work, x, out):
    products.multiply(matrix, work, x, out)


@njit(**OPTIONS)
def apply_multiply_dot(matrix, work, x, out, other, dot):
    lanes.store(work, dot, products.multiply_dot(matrix, work, x, out, other))


@njit(**OPTIONS)
def apply_squares(work, x, n, out):
    lanes.store(work, out, products.squares(work, x, n))


def exactly(matrix, x):
    """Products in extended precision, and the sums of magnitudes that bound the rounding of any order of summation."""
    return (matrix.astype(np.longdouble) @ x.astype(np.longdouble)), np.abs(matrix) @ np.abs(x)


def workspace(*parts):
    """The parts one below the other, and a guard row of NaN between them that no result may depend on."""
    rows = [np.vstack([part, np.full((1, WIDTH), np.nan)]) for part in parts]
    work = lanes.workspace(sum(len(row) for row in rows))
    work[:] = np.vstack(rows)
    starts = np.cumsum([0] + [len(row) for row in rows])
    return work, [int(start) for start in starts[:-1]]


@settings(max_examples=60, deadline=None)
@given(st.integers(1, 13), st.integers(1, 13), st.integers(0, 2**32), st.sampled_from([1e-120, 1.0, 1e120]))
def test_products_agree_with_numpy(rows, n, seed, scale):
    rng = np.random.default_rng(seed)
    matrix, x = scale * rng.standard_normal((rows, n)), rng.standard_normal((n, WIDTH))
    other = rng.standard_normal((rows, WIDTH))
    work, (at, out, beside, dot) = workspace(x, np.zeros((rows, WIDTH)), other, np.zeros((1, WIDTH)))
    expected, size = exactly(matrix, x)
    tolerance = (n + 1) * 2.3e-16
    apply_multiply(matrix, work.reshape(-1), at, out)
    first = work[out : out + rows].copy()
    assert (np.abs(first - expected) <= tolerance * size).all()
    work[out : out + rows] = 0
    apply_multiply_dot(matrix, work.reshape(-1), at, out, beside, dot)
    assert work[out : out + rows].tobytes() == first.tobytes()
    total, bound = (expected * other).sum(axis=0), (size * np.abs(other)).sum(axis=0)
    assert (np.abs(work[dot] - total) <= (n + rows + 2) * 2.3e-16 * bound).all()
    assert np.isnan(work[[out - 1, out + rows, dot - 1]]).all(), "rows beside the result were written"


@settings(max_examples=30, deadline=None)
@given(st.integers(0, 20), st.integers(0, 2**32))
def test_squares(n, seed):
    x = np.random.default_rng(seed).standard_normal((n, WIDTH))
    work, (at, out) = workspace(x, np.zeros((1, WIDTH)))
    apply_squares(work.reshape(-1), at, n, out)
    np.testing.assert_allclose(
        work[out], (x.astype(np.longdouble) ** 2).sum(axis=0).astype(float), rtol=(n + 1) * 2.3e-16
    )


def test_lanes_do_not_see_each_other():
    rng = np.random.default_rng(0)
    matrix, column = rng.standard_normal((7, 11)), rng.standard_normal(11)
    results = []
    for lane in range(WIDTH):
        x = np.where(np.arange(WIDTH) == lane, column[:, None], rng.choice([np.nan, np.inf, 1e300], (11, WIDTH)))
        work, (at, out) = workspace(x, np.zeros((7, WIDTH)))
        apply_multiply(matrix, work.reshape(-1), at, out)
        results.append(work[out : out + 7, lane].tobytes())
    assert len(set(results)) == 1
