"""Corruption by noise, against the integral for what overlap it leaves."""

import numpy as np
import pytest
from scipy import integrate, stats

from dmfx import tokens
from dmfx.tokens.noise import noise_of
from dmfx.weights.streams import NOISE_STREAM, generator


def expected_overlap(noise: float, d: int) -> float:
    """Mean of x·ξ by integration: along ξ the vector is 1 + σ z, across it σ r with r from the χ law of d-1."""

    def integrand(r, z):
        along, across = 1 + noise * z, noise * r
        return along / np.hypot(along, across) * stats.norm.pdf(z) * stats.chi.pdf(r, d - 1)

    return integrate.dblquad(integrand, -8, 8, 0, np.sqrt(d) + 8, epsabs=1e-5)[0]


@pytest.mark.parametrize(("noise", "d"), [(0.3, 17), (1.0, 3), (0.1, 2)])
def test_overlap_left_is_the_integral(noise, d):
    clean = tokens.random(400, 49, d)
    left = tokens.overlap(clean, tokens.corrupt(clean, noise))
    assert left.mean() == pytest.approx(expected_overlap(noise, d), abs=4 * left.std() / np.sqrt(len(left)))


def test_the_reference():
    assert expected_overlap(0.3, 17) == pytest.approx(0.63, abs=0.005)


def test_definition():
    clean = tokens.random(3, 5, 4)
    z = np.stack([generator(2, NOISE_STREAM, number).standard_normal((5, 4)) for number in range(3)])
    by_hand = clean + 0.7 * z
    by_hand /= np.sqrt((by_hand**2).sum(axis=-1, keepdims=True))
    assert tokens.corrupt(clean, 0.7, replica=2) == pytest.approx(by_hand, abs=1e-15)


def test_coordinates_alone_decide():
    clean = tokens.random(6, 5, 4)
    whole = tokens.corrupt(clean, 0.5, replica=1)
    part = tokens.corrupt(clean[[4, 1, 1]], 0.5, replica=1, numbers=[4, 1, 1])
    assert part.tobytes() == whole[[4, 1, 1]].tobytes()
    assert not np.allclose(whole, tokens.corrupt(clean, 0.5, replica=2))
    same = tokens.corrupt(np.repeat(clean[:1], 2, axis=0), 0.5)
    assert not np.allclose(same[0], same[1])


def test_noise_of_all_strengths_is_the_same():
    clean = tokens.random(1, 5, 4)
    far = tokens.corrupt(clean, 1e12)[0]
    z = noise_of(0, 0, 5, 4)
    assert far == pytest.approx(z / np.linalg.norm(z, axis=-1, keepdims=True), abs=1e-10)


def test_no_noise():
    clean = tokens.random(2, 5, 4)
    same = tokens.corrupt(clean, 0)
    assert same.tobytes() == clean.tobytes()
    assert not np.shares_memory(same, clean)


def test_one_configuration():
    clean = tokens.random(1, 5, 4)
    assert tokens.corrupt(clean[0], 0.3).tobytes() == tokens.corrupt(clean, 0.3).tobytes()


def test_all_wrong_arguments_at_once():
    with pytest.raises(ValueError, match=r"4 problems: tokens must .* noise must .* replica must .* numbers must"):
        tokens.corrupt(np.zeros((2, 3, 4)), -0.1, 1.5, numbers="a")


@pytest.mark.parametrize("noise", [np.nan, np.inf, "0.3", [0.3], True])
def test_wrong_noise(noise):
    with pytest.raises((TypeError, ValueError), match="noise must be a finite number of at least 0"):
        tokens.corrupt(tokens.random(2, 3, 4), noise)


@pytest.mark.parametrize("numbers", [[0], [0, 1, 2], [0, -1], [0, 0.5], [0, np.nan], [[0, 1]]])
def test_wrong_numbers(numbers):
    with pytest.raises(ValueError, match="numbers must be 2 whole numbers of at least 0, one for each example"):
        tokens.corrupt(tokens.random(2, 3, 4), 0.1, numbers=numbers)
