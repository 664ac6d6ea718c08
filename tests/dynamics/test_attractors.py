"""Maps with known attractors: which runs are on the same one, and which are the same at neighbouring parameters."""

import functools
import itertools
import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dmfx.dynamics.attractors import (
    MOST_COORDINATES,
    coordinates,
    group,
    n_coordinates,
    run_of,
    same_attractor,
    same_orbit,
)
from dmfx.dynamics.matching import label_along, set_distance, shape_of
from dmfx.variables import KINDS

PERIODIC, TORUS, CHAOTIC, TRANSIENT, DIVERGED = (
    KINDS.index(kind) for kind in ("periodic", "quasi_periodic", "chaotic", "transient", "diverged")
)
GOLDEN, SILVER = (math.sqrt(5) - 1) / 2, math.sqrt(2) - 1


def follow(step, starts, steps=8000, transient=3000):
    """Orbits (start, step, coordinate) of a map."""
    state = np.asarray(starts, dtype=float)
    orbits = []
    with np.errstate(over="ignore", invalid="ignore"):  # some starts diverge
        for _ in range(transient):
            state = step(state)
        for _ in range(steps):
            state = step(state)
            orbits.append(state)
    return np.stack(orbits, axis=1)


def cubic(a):
    return lambda x: a * x - x**3


def henon(a, b=0.3):
    return lambda s: np.stack([1 - a * s[:, 0] ** 2 + s[:, 1], b * s[:, 0]], axis=1)


def period_of(orbit):
    """By definition: the smallest shift that changes nothing."""
    if not np.isfinite(orbit).all():
        return 0
    return next((p for p in range(1, 200) if np.abs(orbit[p - 400 :] - orbit[-400 : len(orbit) - p]).max() < 1e-9), 0)


def runs_of(orbits, kind=CHAOTIC):
    found = [period_of(orbit[-800:]) for orbit in orbits]
    return [run_of(PERIODIC if p else kind, p, 0.0, orbit) for p, orbit in zip(found, orbits, strict=True)]


def torus(radius, phase, *, middle=1.0, steps=12000, frequencies=(GOLDEN, SILVER)):
    """A torus around a circle, or that circle for radius 0."""
    t = np.arange(steps)
    first = 2 * np.pi * (frequencies[0] * t + phase[0])
    second = 2 * np.pi * (frequencies[1] * t + phase[1])
    away = middle + radius * np.cos(second)
    return np.stack([away * np.cos(first), away * np.sin(first), radius * np.sin(second)], axis=1)


def phases(n, seed=0):
    return np.random.default_rng(seed).uniform(size=(n, 2))


# Periodic orbits


@settings(max_examples=200, deadline=None)
@given(
    period=st.integers(1, 12),
    shift=st.integers(0, 11),
    changed=st.integers(0, 11),
    size=st.sampled_from([0.0, 1e-7, 1e-3]),
    seed=st.integers(0, 99),
)
def test_same_orbit_by_the_definition(period, shift, changed, size, seed):
    # Few distinct values: many shifts match at first.
    orbit = np.random.default_rng(seed).integers(0, 2, (period, 2)).astype(float)
    other = np.roll(orbit, shift, axis=0)
    other[changed % period] += size
    smallest = min(np.abs(np.roll(other, s, axis=0) - orbit).max() for s in range(period))
    assert same_orbit(orbit, other, 1e-5) == (smallest < 1e-5)
    assert same_orbit(other, orbit, 1e-5) == (smallest < 1e-5)


def test_orbits_with_the_same_points_in_another_order_are_different():
    orbit = np.array([[0.0], [1.0], [2.0], [3.0]])
    assert not same_orbit(orbit, orbit[[0, 2, 1, 3]], 1e-5)
    assert same_orbit(orbit, orbit[[3, 0, 1, 2]], 1e-5)


def test_orbits_of_different_periods_are_different():
    once, twice = (run_of(PERIODIC, p, 0.0, np.tile([[0.1], [0.2]], (50, 1))) for p in (2, 4))
    assert not same_attractor(once, twice)


@pytest.mark.parametrize(
    ("step", "dims", "box", "expected"),
    [
        (cubic(1.8), 1, 1.0, [1, 1]),  # two fixed points
        (cubic(2.1), 1, 1.0, [2, 2]),
        (cubic(2.3), 1, 1.0, [16, 16]),
        (cubic(1.8), 2, 1.0, [1] * 4),
        (cubic(2.1), 2, 1.0, [2] * 8),  # four combinations of signs, in phase or out of phase
        (henon(1.07), 2, 0.6, [0, 6]),  # chaos beside a periodic orbit
        (henon(1.08), 2, 0.6, [0, 0]),  # two chaotic attractors: Simó, J. Stat. Phys. 21, 465 (1979)
        (cubic(2.4), 1, 1.0, [0, 0]),
        (cubic(2.5), 2, 1.0, [0] * 4),
    ],
)
def test_maps_with_a_known_number_of_attractors(step, dims, box, expected):
    starts = np.random.default_rng(0).uniform(-box, box, (96, dims))
    orbits = follow(step, starts)
    found = group(runs_of(orbits))
    assert sorted(found.period) == sorted(expected)
    np.testing.assert_array_equal(found.of >= 0, np.isfinite(orbits).all(axis=(1, 2)))
    assert found.count.sum() > 80
    assert (np.diff(found.count) <= 0).all()
    np.testing.assert_array_equal(np.bincount(found.of[found.of >= 0]), found.count)
    assert all(found.of[each] == number for number, each in enumerate(found.representative))


def test_the_basin_is_that_of_the_sign():
    starts = np.random.default_rng(1).uniform(-1, 1, (64, 2))
    found = group(runs_of(follow(cubic(2.5), starts)))
    signs = {tuple(sign) for sign in np.sign(starts)}
    # Every combination of signs has one label, and the other way round.
    assert len({(*np.sign(start), label) for start, label in zip(starts, found.of, strict=True)}) == len(signs) == 4


# Tori


@pytest.mark.parametrize(("radius", "middle"), [(0.0, 1.01), (0.0, 1.002), (0.002, 1.0)])
def test_closed_curves_close_to_each_other_are_told_apart(radius, middle):
    first = [run_of(TORUS, 0, 0.0, torus(0.0, phase)) for phase in phases(6)]
    second = run_of(TORUS, 0, 0.0, torus(radius, (0.3, 0.4), middle=middle))
    assert all(same_attractor(first[0], each) for each in first)
    assert not any(same_attractor(second, each) for each in first)


@pytest.mark.parametrize("radius", [0.303, 0.35, 0.5])
def test_tori_within_each_other_are_told_apart(radius):
    runs = [run_of(TORUS, 0, 0.0, torus(r, phase)) for r in (0.3, radius) for phase in phases(8)]
    found = group(runs)
    assert found.count.tolist() == [8, 8]
    assert len(set(found.of[:8])) == len(set(found.of[8:])) == 1


@pytest.mark.parametrize("detuning", [1e-1, 1e-2, 1e-3, 3e-4, 1e-4, 1e-5])
def test_runs_on_one_torus_near_resonance_are_together(detuning):
    # 28 turns of almost no advance: the run moves slowly along the curve and is densest where it started.
    frequencies = 9 / 28 + detuning / 28, SILVER
    runs = [run_of(TORUS, 0, 0.0, torus(0.0, phase, frequencies=frequencies)) for phase in phases(12)]
    assert group(runs).count.tolist() == [12]


def test_mirror_images_are_told_apart():
    orbits = [torus(0.2, phase) + np.array([0.3, 0.0, 0.0]) for phase in phases(8)]
    runs = [run_of(TORUS, 0, 0.0, sign * orbit) for sign in (1, -1) for orbit in orbits]
    assert group(runs).count.tolist() == [8, 8]


def test_the_same_states_in_another_order_of_time_are_told_apart():
    # One circle, turning one way or the other: successive states tell.
    runs = [
        run_of(TORUS, 0, 0.0, torus(0.0, phase, frequencies=(sign * GOLDEN, SILVER)))
        for sign in (1, -1)
        for phase in phases(6)
    ]
    assert group(runs).count.tolist() == [6, 6]


# Chaos


def test_many_runs_on_one_chaotic_attractor_are_together():
    starts = np.random.default_rng(2).uniform(-0.1, 0.1, (60, 2))
    runs = runs_of(follow(henon(1.4), starts, steps=6000, transient=100))
    assert group(runs).count.tolist() == [60]


def test_a_set_within_another_is_told_apart():
    # The logistic map at 4 fills [0, 1]; at the band-merging point it fills two bands.
    def logistic(r):
        return lambda x: r * x * (1 - x)

    starts = np.random.default_rng(3).uniform(0.2, 0.8, (10, 1))
    whole = follow(logistic(3.99), starts)
    bands = follow(logistic(3.59), starts)
    assert group(runs_of(np.concatenate([whole, bands]))).count.tolist() == [10, 10]


def test_a_run_that_changed_set_on_the_way_ended_on_none():
    run = follow(cubic(2.4), [[0.5]])[0]
    assert run_of(CHAOTIC, 0, 0.1, run).settled
    changed = np.concatenate([run[:4000], -run[4000:]])
    found = group([run_of(CHAOTIC, 0, 0.1, each) for each in (changed, run, -run)])
    assert found.of.tolist()[0] == -1
    assert sorted(found.of.tolist()[1:]) == [0, 1]


# Groups


@functools.cache
def mixed_runs():
    periodic = follow(cubic(2.1), [[0.5], [-0.5], [0.6], [-0.6]])
    orbits = [torus(0.2, phase)[:, :1] for phase in phases(6)] + [torus(0.3, phase)[:, :1] for phase in phases(3)]
    chaotic = follow(cubic(2.4), [[0.5], [-0.5], [-0.6]])
    runs = [run_of(PERIODIC, 2, 0.1 * i, orbit) for i, orbit in enumerate(periodic)]
    runs += [run_of(TORUS, 0, 0.01 * i, orbit) for i, orbit in enumerate(orbits)]
    runs += [run_of(CHAOTIC, 0, 0.2, orbit) for orbit in chaotic]
    return [*runs, run_of(TRANSIENT, 0, 0.3, chaotic[0]), run_of(DIVERGED, 0, np.nan, np.full((50, 1), np.nan))]


@settings(max_examples=20, deadline=None)
@given(order=st.permutations(range(18)))
def test_the_order_of_the_starts_does_not_matter(order):
    runs = mixed_runs()
    before, after = group(runs), group([runs[i] for i in order])
    np.testing.assert_array_equal(after.of, before.of[list(order)])
    for name in ("count", "kind", "period", "exponent"):
        np.testing.assert_array_equal(getattr(after, name), getattr(before, name))
    assert [order[i] for i in after.representative] == before.representative.tolist()


def test_an_orbit_at_another_phase_is_the_same():
    orbits = follow(cubic(2.3), np.random.default_rng(4).uniform(0.1, 1, (5, 1)))
    runs = [run_of(PERIODIC, 16, 0.0, orbit[: len(orbit) - shift]) for shift in range(16) for orbit in orbits]
    assert group(runs).count.tolist() == [80]


def test_numbering_by_count_then_kind_and_period():
    orbits = follow(cubic(2.1), [[0.5], [-0.5], [0.6], [-0.6], [-0.7]])
    other = np.tile([[0.0], [0.1], [0.2]], (3000, 1))
    kinds = [(PERIODIC, 2)] * 5 + [(PERIODIC, 3)] * 2 + [(TRANSIENT, 0), (DIVERGED, 0)]
    tails = [*orbits, other, other, other, np.full((100, 1), np.nan)]
    found = group([run_of(k, p, 0.5, tail) for (k, p), tail in zip(kinds, tails, strict=True)])
    assert found.count.tolist() == [3, 2, 2]
    assert found.period.tolist() == [2, 2, 3]
    assert found.of.tolist() == [1, 0, 1, 0, 0, 2, 2, -1, -1]
    assert found.exponent.tolist() == [0.5] * 3


def test_what_most_runs_say_is_the_kind():
    kinds = [CHAOTIC] * 5 + [TORUS] * 3
    runs = [
        run_of(kind, 0, i / 10, torus(0.2, phase)) for i, (kind, phase) in enumerate(zip(kinds, phases(8), strict=True))
    ]
    found = group(runs)
    assert (found.count.tolist(), found.kind.tolist()) == ([8], [CHAOTIC])
    assert found.exponent[0] == pytest.approx(0.2)  # of those that say chaotic only: it never contradicts the kind
    unknown = [run._replace(exponent=math.nan) for run in runs]
    assert group([*unknown[:4], runs[4], *unknown[5:]]).exponent[0] == 0.4
    assert math.isnan(group([*unknown[:5], *runs[5:]]).exponent[0])
    assert math.isnan(group(unknown).exponent[0])


def test_no_runs_and_none_that_ended_anywhere():
    for runs in ([], [run_of(TRANSIENT, 0, 0.1, np.zeros((100, 2)))] * 3):
        found = group(runs)
        assert len(found.count) == 0
        assert (found.of == -1).all()
        assert len(found.of) == len(runs)


def test_a_long_period_that_was_not_seen_is_a_set():
    orbit = torus(0.0, (0.1, 0.2), frequencies=(1 / 6000.5, 0.0))
    runs = [run_of(PERIODIC, 0, -0.01, orbit), run_of(PERIODIC, 0, -0.01, np.roll(orbit, 1234, axis=0))]
    assert group(runs).count.tolist() == [2]


@pytest.mark.parametrize("patterns", [1, 2, 3, 4, 5, 40])
def test_coordinates(patterns):
    orbit = np.random.default_rng(0).normal(size=(50, patterns))
    states = coordinates(orbit)
    assert states.shape[1] == n_coordinates(patterns) <= MOST_COORDINATES
    if patterns * 2 <= MOST_COORDINATES:
        np.testing.assert_array_equal(states[3, :patterns], orbit[3])
        np.testing.assert_array_equal(states[3, patterns : 2 * patterns], orbit[4])


def test_attractors_of_many_patterns():
    rng = np.random.default_rng(5)
    directions = rng.normal(size=(3, 30))
    runs = [run_of(TORUS, 0, 0.0, torus(r, phase) @ directions) for r in (0.3, 0.32) for phase in phases(5)]
    assert group(runs).count.tolist() == [5, 5]


# Labels along a parameter


def points(*states):
    return shape_of(np.array(states, dtype=float), whole=True)


def circle(middle, radius=1.0, n=256, seed=0):
    angle = 2 * np.pi * np.random.default_rng(seed).uniform(size=n)
    return shape_of(np.stack([middle + radius * np.cos(angle), radius * np.sin(angle)], axis=1), whole=False)


def on_circle(n):
    angle = 2 * np.pi * np.arange(n) / n
    return np.stack([np.cos(angle), np.sin(angle)], axis=1)


def test_set_distance():
    assert set_distance(points([3.0, 4.0]), points([3.0, 4.5])) == pytest.approx(0.5 / math.hypot(3, 4.5))
    assert set_distance(points([0.0, 1.0]), points([0.0, 1.0], [0.0, -1.0])) == 0.5
    assert set_distance(points([0.0]), points([0.0])) == 0.0
    # Two samples of one set, and of two sets: the distance without the spacing.
    assert set_distance(circle(0.0), circle(0.0, seed=1)) < 0.01
    assert set_distance(circle(0.0), circle(0.0, 1.2, seed=1)) == pytest.approx(0.2 / 1.2, rel=0.1)


def test_labels_do_not_depend_on_the_order_at_each_value():
    rng = np.random.default_rng(6)
    where = np.array([-2.0, -1.0, 1.0, 2.0])
    orders = [rng.permutation(4) for _ in range(20)]
    sets = [[points([where[k] + 0.02 * i, 0.5]) for k in order] for i, order in enumerate(orders)]
    labels = label_along(sets)
    for order, label in zip(orders, labels, strict=True):
        np.testing.assert_array_equal(label[np.argsort(order)], labels[0][np.argsort(orders[0])])


def test_a_label_that_vanished_comes_back_where_it_was():
    near, far, elsewhere = points([1.0, 0.0]), points([0.0, 2.0]), points([-1.0, -1.0])
    labels = label_along([[near, far], [near], [], [near, elsewhere], [far]])
    assert [label.tolist() for label in labels] == [[0, 1], [0], [], [0, 2], [1]]


def test_the_set_decides_not_the_kind():
    # One point, then two close by; a circle, then many points of it, then the circle.
    doubling = label_along([[points([1.0, 0.0])], [points([1.05, 0.0], [0.95, 0.0])]])
    assert [label.tolist() for label in doubling] == [[0], [0]]
    labels = label_along([[circle(0.0)], [points(*on_circle(40))], [circle(0.0, seed=1)]])
    assert [label.tolist() for label in labels] == [[0], [0], [0]]


def test_a_set_comes_back_behind_a_window():
    window = points(*on_circle(5))
    labels = label_along([[circle(0.0)], [window], [window], [circle(0.0, seed=1)], [circle(0.01, seed=2), window]])
    assert [label.tolist() for label in labels] == [[0], [1], [1], [0], [0, 1]]


def test_what_is_too_far_gets_a_new_label():
    labels = label_along([[points([1.0])], [points([1.3])], [points([1.35])]], 0.1)
    assert [label.tolist() for label in labels] == [[0], [1], [1]]
    labels = label_along([[points([1.0])], [points([1.3])]], 0.5)
    assert [label.tolist() for label in labels] == [[0], [0]]


@settings(max_examples=100, deadline=None)
@given(n=st.integers(1, 4), m=st.integers(1, 4), seed=st.integers(0, 999))
def test_links_are_the_best_of_all_assignments(n, m, seed):
    rng = np.random.default_rng(seed)
    first, second = (rng.uniform(1, 2, size) for size in (n, m))
    threshold = 0.1
    label = label_along([[points([x]) for x in first], [points([x]) for x in second]], threshold)[1]
    apart = np.array([[set_distance(points([x]), points([y])) for y in second] for x in first])

    def worth(pairs):
        pairs = [pair for pair in pairs if apart[pair] <= threshold]
        return len(pairs), -sum(apart[pair] for pair in pairs)

    if n <= m:
        every = [list(enumerate(columns)) for columns in itertools.permutations(range(m), n)]
    else:
        every = [[(row, j) for j, row in enumerate(rows)] for rows in itertools.permutations(range(n), m)]
    best = max(map(worth, every))
    found = worth([(row, j) for j, row in enumerate(label) if row < n])
    assert found[0] == best[0]
    assert found[1] == pytest.approx(best[1])
    assert len(set(label)) == m
    assert (label[label >= n] == n + np.arange((label >= n).sum())).all()
