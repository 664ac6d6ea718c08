"""The QR step on maps whose exponents are known exactly, and against NumPy's QR."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numba import njit

from dmfx.kernels.gram_schmidt import add_logs, orthonormalise
from dmfx.kernels.lanes import WIDTH, fma, load, splat, store, workspace
from dmfx.kernels.settings import OPTIONS


@njit(**OPTIONS)
def follow(work, jacobians, size, n, steps, every, one):
    """Carry n vectors of the given size through the Jacobians; rows: frame, image of one vector, lengths, sums."""
    image = n * size
    lengths = image + size
    sums = lengths + n
    weighted = sums + n
    for t in range(steps):
        for i in range(n):
            for a in range(size):
                x = splat(0.0)
                for b in range(size):
                    x = fma(load(jacobians, (t * size + a) * size + b), load(work, i * size + b), x)
                store(work, image + a, x)
            for a in range(size):
                store(work, i * size + a, load(work, image + a))
        if (t + 1) % every == 0:
            orthonormalise(work, 0, n, one, size, one - 1, lengths)
            add_logs(work, lengths, n, sums, weighted, 0.5)


def exponents(jacobians, n, every=1):
    """Exponents of the cocycle of Jacobians (step, lane, size, size), shape (lane, n), and the final frame."""
    steps, _, size, _ = jacobians.shape
    work = workspace(n * size + size + 3 * n)
    work[:] = 0.0
    start = np.linalg.qr(np.random.default_rng(1).standard_normal((size, size)))[0][:, :n].T
    work[: n * size] = start.reshape(-1, 1)
    rows = np.ascontiguousarray(np.moveaxis(jacobians, 1, -1)).ravel()
    follow(work.reshape(-1), rows, size, n, steps, every, 1)
    logs = work[n * size + size + n :].reshape(2, n, WIDTH)
    np.testing.assert_allclose(logs[1], logs[0] / 2, rtol=1e-12, atol=1e-300)
    return logs[0].T / steps, work[: n * size].reshape(n, size, WIDTH)


def same_in_all_lanes(matrices):
    return np.repeat(np.asarray(matrices)[:, None], WIDTH, axis=1)


def test_a_linear_map_has_the_logarithms_of_its_eigenvalues():
    rng = np.random.default_rng(3)
    values = np.array([2.0, 1.1, 0.9, -0.5, 0.1, 1e-4])
    basis = rng.standard_normal((6, 6))
    matrix = basis @ np.diag(values) @ np.linalg.inv(basis)
    found, _ = exponents(same_in_all_lanes([matrix] * 4000), 6)
    np.testing.assert_allclose(found, np.broadcast_to(np.log(np.abs(values)), found.shape), rtol=0, atol=3e-3)


def test_rotations_have_exponents_of_exactly_zero_on_average():
    angle = 0.3
    turn = np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])
    found, _ = exponents(same_in_all_lanes([turn] * 1000), 2, every=4)
    np.testing.assert_allclose(found, 0.0, rtol=0, atol=1e-15)


@pytest.mark.parametrize("every", [1, 2, 4])
def test_coupled_logistic_maps_have_ln_2_each(every):
    # Three logistic maps at r = 4, seen in coordinates that mix them: x = C z. 4z(1 - z) is conjugate to the tent map.
    rng = np.random.default_rng(5)
    steps, dims = 40_000, 3
    mix = rng.standard_normal((dims, dims))
    back = np.linalg.inv(mix)
    z = rng.uniform(0.1, 0.9, (WIDTH, dims))
    jacobians = np.empty((steps, WIDTH, dims, dims))
    for t in range(steps):
        jacobians[t] = mix @ ((4 - 8 * z)[:, :, None] * back)
        z = np.clip(4 * z * (1 - z), 1e-12, 1 - 1e-12)
    found, _ = exponents(jacobians, dims, every)
    assert abs(found.mean() - np.log(2)) < 1e-3
    np.testing.assert_allclose(found, np.log(2), rtol=0, atol=0.015)  # the maps of a lane: 40,000 steps of spread π/√3
    np.testing.assert_allclose(found.mean(axis=0), np.log(2), rtol=0, atol=6e-3)


@pytest.mark.parametrize("every", [1, 4])
def test_the_henon_map(every):
    rng = np.random.default_rng(7)
    steps = 60_000
    x, y = rng.uniform(-0.1, 0.1, (2, WIDTH))
    jacobians = np.zeros((steps, WIDTH, 2, 2))
    for t in range(-100, steps):
        if t >= 0:
            jacobians[t, :, 0, 0], jacobians[t, :, 0, 1], jacobians[t, :, 1, 0] = -2.8 * x, 1.0, 0.3
        x, y = 1 - 1.4 * x**2 + y, 0.3 * x
    found, _ = exponents(jacobians, 2, every)
    np.testing.assert_allclose(found.mean(axis=0), [0.4192, -1.6232], rtol=0, atol=1e-3)
    np.testing.assert_allclose(found.sum(axis=1), np.log(0.3), rtol=0, atol=1e-12)  # det = -b at every step


@given(st.integers(1, 9), st.integers(0, 2**32 - 1))
@settings(deadline=None, max_examples=30)
def test_agrees_with_numpy_and_is_orthonormal(size, seed):
    rng = np.random.default_rng(seed)
    # Columns of very different length and nearly parallel ones: where a single pass loses orthogonality.
    matrices = rng.standard_normal((5, WIDTH, size, size)) * 10.0 ** rng.uniform(-3, 3, size)
    found, frame = exponents(matrices, size)
    for lane in range(WIDTH):
        q = np.linalg.qr(np.random.default_rng(1).standard_normal((size, size)))[0]
        logs = np.zeros(size)
        for matrix in matrices[:, lane]:
            q, r = np.linalg.qr(matrix @ q)
            logs += np.log(np.abs(np.diag(r)))
        if np.isnan(found[lane]).any():
            continue  # below what rounding resolves; tested on its own
        np.testing.assert_allclose(found[lane], logs / len(matrices), rtol=0, atol=1e-3)
        np.testing.assert_allclose(found[lane].sum(), logs.sum() / len(matrices), rtol=0, atol=1e-4)
        np.testing.assert_allclose(frame[..., lane] @ frame[..., lane].T, np.eye(size), rtol=0, atol=1e-13)


def test_what_rounding_hides_is_nan_and_the_rest_is_not():
    matrix = np.diag([1.0, 0.5, 1e-30, 0.1])
    found, _ = exponents(same_in_all_lanes([matrix] * 50), 4)
    np.testing.assert_allclose(found[:, :3].max(axis=0), np.log([1.0, 0.5, 0.1]), rtol=0, atol=0.2)
    assert np.isnan(found[:, 3]).all()
    none, _ = exponents(np.zeros((3, WIDTH, 2, 2)), 2)
    assert np.isnan(none).all()


def test_a_lane_does_not_see_the_others():
    rng = np.random.default_rng(11)
    jacobians = rng.standard_normal((50, WIDTH, 4, 4))
    alone = same_in_all_lanes(jacobians[:, 3])
    jacobians[:, 5] = 0.0
    jacobians[:, 6] = np.nan
    assert np.array_equal(exponents(jacobians, 4)[0][3], exponents(alone, 4)[0][0])
