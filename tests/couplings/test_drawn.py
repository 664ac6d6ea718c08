"""Random couplings: the same for the same seed, and distributed as they say.

Every statistic below is compared with five or six of its standard errors, so that a right program fails with a
probability below 1e-6 for each; the seeds are fixed, so that it either always does or never.
"""

import math

import numpy as np
import pytest

from dmfx import couplings

N, D = 24, 6
PAIRS = ~np.eye(N, dtype=bool)


def entries(seed=0, **law):
    return couplings.random(N, D, **law).draw(seed).dense()


@pytest.mark.parametrize("law", [{}, {"kind": "relative", "grid": (4, 6)}, {"kind": "low_rank", "rank": 3}])
def test_a_seed_has_its_couplings(law):
    J = couplings.random(N, D, **law)
    assert J.is_drawn
    assert J.draw(5) == couplings.random(N, D, **law).draw(5)
    assert J.draw(5) != J.draw(6)
    assert J.draw(5).kind == law.get("kind", "full")
    assert not J.draw(5).dense()[np.arange(N), np.arange(N)].any()
    assert J.draw(5).draw(7) == J.draw(5)


@pytest.mark.parametrize(("seed", "error"), [(-1, ValueError), (0.5, ValueError), ("a", TypeError)])
def test_seeds_are_whole_numbers(seed, error):
    with pytest.raises(error, match="draw: seed must be a whole number of at least 0"):
        couplings.random(N, D).draw(seed)


@pytest.mark.parametrize("symmetry", [-1.0, -0.3, 0.0, 0.6, 1.0])
@pytest.mark.parametrize("scale", [0.1, 3.0])
def test_mean_variance_and_symmetry(symmetry, scale):
    J = entries(scale=scale, symmetry=symmetry) / (scale / math.sqrt(D))
    values, mirrored = J[PAIRS], J.transpose(1, 0, 3, 2)[PAIRS]
    n = values.size / 2  # no fewer independent numbers than that
    assert abs(values.mean()) < 5 / math.sqrt(n)
    assert abs(values.var() - 1) < 5 * math.sqrt(2 / n)
    assert abs((values * mirrored).mean() - symmetry) < 5 * math.sqrt(2 / n)
    assert abs((values**4).mean() - 3) < 6 * math.sqrt(96 / n)  # Gaussian: the variance of x^4 is 105 - 9
    if abs(symmetry) == 1:
        np.testing.assert_array_equal(mirrored, symmetry * values)


def test_seeds_are_independent():
    a, b = (entries(seed)[PAIRS] * math.sqrt(D) for seed in (0, 1))
    assert abs((a * b).mean()) < 5 / math.sqrt(a.size)


@pytest.mark.parametrize(
    "law",
    [
        {"symmetry": 0.5},
        {"kind": "relative", "grid": (4, 6)},
        {"kind": "low_rank", "rank": 1},
        {"kind": "low_rank", "rank": 9},
    ],
)
def test_root_mean_square_length_of_what_tokens_feel(law):
    rng = np.random.default_rng(1)
    squares = []
    for seed in range(60):
        x = rng.standard_normal((N, D))
        x /= np.linalg.norm(x, axis=1)[:, None]
        u = np.einsum("ijab,jb->ija", entries(seed, scale=2.0, **law), x)
        squares.append((u**2).sum(axis=-1)[PAIRS].mean())
    error = np.std(squares) / math.sqrt(len(squares))
    assert abs(np.mean(squares) - 4) < 5 * error
    assert error < 0.2, "the test sees nothing"


@pytest.mark.parametrize("symmetry", [-1.0, 0.4, 1.0])
def test_relative_couplings_have_the_symmetry_too(symmetry):
    J = couplings.random(400, 3, symmetry=symmetry, kind="relative", grid=(20, 20)).draw(2)
    values, mirrored = J.parameters["matrices"] * math.sqrt(3), J.transposed() * math.sqrt(3)
    n = values.size / 2
    assert abs((values * mirrored).mean() - symmetry) < 5 * math.sqrt(2 / n)
    assert abs(values.var() - 1) < 5 * math.sqrt(2 / n)
    assert not values[len(values) // 2].any()
