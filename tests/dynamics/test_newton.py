import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dmfx.dynamics import newton
from dmfx.dynamics.cycles import canonical, contexts, cut, same_cycle, shortest_period, starts_of
from dmfx.dynamics.newton import multipliers_of, refine
from dmfx.dynamics.recurrences import first_return, guesses, strobes
from tests.dynamics.textbook import HENON, LOGISTIC


def solve(family, starts, parameter, tolerance=1e-12):
    count = len(starts)
    lengths = np.ones(starts.shape[1], int)
    return refine(family, starts, np.full(count, parameter), np.zeros(count, int), lengths, tolerance=tolerance)


def found_in_a_run(family, start, parameter, period, most, steps=3000):
    """Different orbits of exactly this period, from the recurrences of a run, with their multipliers."""
    run = family.orbit(start, parameter, steps)[100:]
    solved = solve(family, guesses(run, period, most), parameter)
    orbits = []
    for pieces, matrix in zip(solved.pieces[solved.found], solved.matrices[solved.found], strict=True):
        if shortest_period(pieces, 1) == period and not any(same_cycle(pieces, other, 1) for other, _ in orbits):
            orbits.append((pieces, multipliers_of(matrix[None])[0]))
    return orbits


@pytest.mark.parametrize("period", range(1, 9))
def test_orbits_of_the_logistic_map_at_4(period):
    # x = sin²(π θ) with θ = k / (2^T ± 1); the derivative of F^T is ∓ 2^T.
    for sign in (-1, 1):
        k = np.arange(1, (2**period + sign + 1) // 2)
        if len(k) == 0:
            continue
        angle = np.pi * k[:, None] * 2.0 ** np.arange(period) / (2**period + sign)
        exact = np.sin(angle)[..., None] ** 2
        solved = solve(LOGISTIC, exact + 1e-3 / 2**period, 4.0)
        assert solved.found.all()
        np.testing.assert_allclose(solved.pieces, exact, atol=1e-14)
        np.testing.assert_allclose(solved.matrices[:, 0, 0], -sign * 2.0**period, rtol=1e-9)


@pytest.mark.parametrize(("period", "number"), [(1, 2), (2, 1), (3, 2), (4, 3), (5, 6), (6, 9)])
def test_all_orbits_of_the_logistic_map_are_in_a_run(period, number):
    orbits = found_in_a_run(LOGISTIC, [0.3], 4.0, period, 40)
    assert len(orbits) == number
    for pieces, multipliers in orbits:
        at_the_edge = period == 1 and pieces[0, 0] < 0.1
        np.testing.assert_allclose(abs(multipliers[0]), 4.0 if at_the_edge else 2.0**period, rtol=1e-9)


@pytest.mark.parametrize(("period", "number"), [(1, 2), (2, 1), (3, 0), (4, 1), (5, 0), (6, 2), (7, 4), (8, 7)])
def test_all_orbits_of_the_henon_attractor_are_in_a_run(period, number):
    # The numbers are those of Cvitanović, Gunaratne & Procaccia, PRA 38:1503 (1988), and the fixed point on the edge of
    # the basin.
    orbits = found_in_a_run(HENON, [0.1, 0.1], 1.4, period, 60)
    assert len(orbits) == number
    for _, multipliers in orbits:
        np.testing.assert_allclose(np.prod(multipliers), (-0.3) ** period, rtol=1e-6)
        assert abs(multipliers[0]) > 1 > abs(multipliers[1])


def test_fixed_point_of_the_henon_map():
    (pieces, multipliers), *_ = found_in_a_run(HENON, [0.1, 0.1], 1.4, 1, 5)
    x = (-0.7 + np.sqrt(0.49 + 5.6)) / 2.8
    np.testing.assert_allclose(pieces, [[x, 0.3 * x]], rtol=1e-13)
    root = np.sqrt((1.4 * x) ** 2 + 0.3)
    np.testing.assert_allclose(multipliers, [-1.4 * x - root, -1.4 * x + root], rtol=1e-12)


def test_each_start_is_on_its_own(monkeypatch):
    rng = np.random.default_rng(1)
    starts = rng.uniform(-1, 1, (12, 4, 2))
    starts[3, 1, 0] = np.nan
    starts[4] = 1e200  # runs off
    together = solve(HENON, starts, 1.4)
    assert together.found.any()
    assert not together.found[[3, 4]].any()
    alone = [solve(HENON, starts[i : i + 1], 1.4) for i in range(12)]
    monkeypatch.setattr(newton, "_MOST_ELEMENTS", 3 * 4 * 4)
    in_parts = solve(HENON, starts, 1.4)
    for name in ("found", "pieces", "matrices"):
        whole = getattr(together, name)
        assert np.array_equal(whole, np.concatenate([getattr(each, name) for each in alone]), equal_nan=True)
        assert np.array_equal(whole, getattr(in_parts, name), equal_nan=True)


def test_a_family_without_isolated_orbits_has_none():
    def rest(states, parameters, points, steps):
        return states, np.broadcast_to(np.eye(2), (len(states), 2, 2))

    assert not solve(rest, np.ones((3, 2, 2)), 0.0).found.any()


def test_no_starts():
    assert solve(HENON, np.empty((0, 4, 2)), 1.4).pieces.shape == (0, 4, 2)


def test_order_of_the_multipliers():
    turn = np.array([[0.0, -2.0, 0.0], [2.0, 0.0, 0.0], [0.0, 0.0, -3.0]])
    np.testing.assert_allclose(multipliers_of(turn[None]), [[-3, 2j, -2j]], atol=1e-15)


@settings(max_examples=50, deadline=None)
@given(
    stride=st.sampled_from([1, 2, 4]),
    pieces=st.integers(1, 5),
    repeats=st.integers(1, 4),
    shift=st.integers(0, 9),
    lags=st.integers(1, 6),
    seed=st.integers(0, 99),
)
def test_orbits_as_sets(stride, pieces, repeats, shift, lags, seed):
    orbit = np.random.default_rng(seed).uniform(-1, 1, (stride * pieces, 2))
    longer = np.tile(orbit, (repeats, 1))
    assert shortest_period(longer, stride) == len(orbit)
    shifted = np.roll(orbit, shift * stride, axis=0)
    assert same_cycle(orbit, shifted, stride)
    assert not same_cycle(orbit, shifted + 1e-3, stride)
    first = canonical(orbit, lags, stride)
    np.testing.assert_array_equal(canonical(shifted, lags, stride), first)
    assert first[-1, 0] == orbit[stride - 1 :: stride, 0].min()
    states = contexts(first, lags, np.arange(0, len(first), stride)).reshape(pieces, lags, 2)
    for k, lag in np.ndindex(pieces, lags):
        np.testing.assert_array_equal(states[k, lag], first[(k * stride - 1 - lag) % len(orbit)])


def test_where_an_orbit_begins_when_pattern_0_does_not_tell():
    orbit = np.array([[0.5, 3.0], [0.5, 1.0], [0.5 + 1e-12, 2.0]])
    np.testing.assert_array_equal(canonical(orbit, 2, 1)[-1], [0.5, 1.0])


def test_strobes_are_contexts_at_equal_phase():
    attention = np.arange(20.0)[:, None]  # two of them are the context at the start
    np.testing.assert_array_equal(strobes(attention, 2, 4, 3), [[2, 1], [6, 5], [10, 9], [14, 13], [18, 17]])
    np.testing.assert_array_equal(strobes(attention, 2, 4, 0)[0], [1, 0])
    np.testing.assert_array_equal(strobes(attention, 2, 1, 3)[:, 0], np.arange(1, 20))


def test_first_return():
    states = np.array([[0.0, 1.0], [0.5, 1.0], [0.0, 1.0 + 1e-9], [0.5, 1.0]])
    assert first_return(states) == 2
    assert first_return(states[1:3]) == 0
    assert first_return(states[:1]) == 0
    assert first_return(np.full((3, 2), np.nan)) == 0


def test_guesses_differ():
    run = LOGISTIC.orbit([0.3], 3.83, 2000)[1000:]  # settled on period 3
    assert len(guesses(run, 3, 10)) == 2  # one return and the mean
    tried = guesses(LOGISTIC.orbit([0.3], 4.0, 2000), 3, 10)
    starts = tried[:-1, :, 0]
    assert 3 <= len(starts) <= 10
    apart = np.abs(starts[:, None, :] - starts[:, :1, None].transpose(1, 0, 2)).min(axis=2)  # loop, start of another
    assert (apart[np.tril_indices(len(starts), -1)[::-1]] > 0.009).all()
    assert guesses(run[:3], 3, 10).shape == (0, 3, 1)


@given(units=st.integers(1, 60), stride=st.integers(1, 30))
def test_pieces_of_a_period(units, stride):
    lengths = cut(units * stride, stride)
    assert lengths.sum() == units * stride
    assert (lengths % stride == 0).all()
    assert lengths.min() >= stride
    assert np.ptp(lengths) <= stride
    assert lengths.max() <= max(12, stride)
    assert starts_of(lengths).tolist() == [0, *np.cumsum(lengths)[:-1].tolist()]


@pytest.mark.parametrize("lengths", [[8], [3, 3, 2], [1] * 8])
def test_pieces_of_any_length(lengths):
    angle = np.pi * 19 * 2.0 ** np.arange(8) / (2**8 - 1)
    exact = np.sin(angle)[starts_of(np.array(lengths)), None] ** 2
    starts = exact[None] + 1e-6
    solved = refine(LOGISTIC, starts, np.array([4.0]), np.zeros(1, int), np.array(lengths), tolerance=1e-12)
    np.testing.assert_allclose(solved.pieces[0], exact, atol=1e-13)
    np.testing.assert_allclose(solved.matrices[0, 0, 0], 2.0**8, rtol=1e-9)
