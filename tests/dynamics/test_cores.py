import numpy as np
import pytest

from dmfx.dynamics.cores import (
    NOWHERE,
    UNKNOWN,
    core_radius,
    label_run,
    state_set,
    states_of,
    too_close,
)

GOLDEN = (np.sqrt(5) - 1) / 2


def distance(state, orbit, window):
    """Root mean square difference from the nearest of the states of an orbit."""
    states = [orbit[i : i + window] for i in range(len(orbit) - window + 1)]
    return min(np.sqrt(np.mean((state - each) ** 2)) for each in states)


def slow_labels(values, orbits, radius, window, every):
    label, labels = NOWHERE, []
    for last in range(window - 1, len(values), every):
        state = values[last - window + 1 : last + 1]
        if np.isnan(state).any():
            label = UNKNOWN
        else:
            d = [distance(state, orbit, window) for orbit in orbits]
            for a in range(len(orbits)):
                others = [d[b] for b in range(len(orbits)) if b != a]
                if d[a] <= radius[a] and all(d[a] <= other / 2 for other in others):
                    label = a
        labels.append(label)
    return labels


@pytest.mark.parametrize("seed", range(8))
def test_labels_against_the_definition(seed):
    rng = np.random.default_rng(seed)
    window, every, patterns = int(rng.integers(1, 5)), int(rng.integers(1, 6)), int(rng.integers(1, 4))
    orbits = [rng.normal(size=(int(rng.integers(window, 9)), patterns)) for _ in range(3)]
    # Near one, then near another, then anywhere.
    runs = [np.concatenate([orbit] * 4) for orbit in orbits]
    values = np.concatenate([runs[0], runs[1], 3 * rng.normal(size=(20, patterns)), runs[2], runs[0]])
    values += 0.2 * rng.normal(size=values.shape)
    if seed % 2:
        values[len(values) // 2 : len(values) // 2 + 3] = np.nan
    sets = [state_set(orbit, len(orbit), window) for orbit in orbits]
    radius = rng.uniform(0.1, 0.8, 3)
    around = [orbit[np.arange(len(orbit) + window - 1) % len(orbit)] for orbit in orbits]
    expected = slow_labels(values, around, radius, window, every)
    assert label_run(values, sets, radius, window, every)[0].tolist() == expected


def test_many_states_are_looked_up_in_parts(monkeypatch):
    rng = np.random.default_rng(0)
    sets = [state_set(np.full((1, 2), each), 1, 3) for each in (0.0, 1.0)]
    values = rng.integers(0, 2, (200, 1)).repeat(5, axis=0) + rng.normal(scale=0.2, size=(1000, 2))
    whole = label_run(values, sets, np.full(2, 0.3), 3, 2)
    monkeypatch.setattr("dmfx.dynamics.cores.AT_ONCE", 7)
    for one, other in zip(label_run(values, sets, np.full(2, 0.3), 3, 2), whole, strict=True):
        np.testing.assert_array_equal(one, other)


def test_no_flicker_at_the_border():
    """Noise around the middle: the nearest attractor changes all the time, the label does not."""
    rng = np.random.default_rng(1)
    values = np.r_[0.0, 0.5 + 0.1 * rng.normal(size=500), 1.0, 0.5 + 0.1 * rng.normal(size=500)][:, None]
    sets = [state_set(np.full((1, 1), each), 1, 1) for each in (0.0, 1.0)]
    labels = label_run(values, sets, np.full(2, 0.05), 1, 1)[0]
    np.testing.assert_array_equal(labels, np.r_[np.zeros(501), np.ones(501)])
    assert (np.diff(values[1:501, 0] > 0.5) != 0).sum() > 100


def test_successive_steps_tell_sets_apart_that_cross():
    """Both orbits visit 0, 1 and 2, one up and one down."""
    up, down = np.array([[0.0], [1.0], [2.0]]), np.array([[2.0], [1.0], [0.0]])
    run = np.concatenate([np.tile(up, (5, 1)), np.tile(down, (5, 1))])
    one = [state_set(orbit, 3, 1) for orbit in (up, down)]
    assert {(a, b) for a, b, _ in too_close(one, core_radius(one))} == {(0, 1), (1, 0)}
    two = [state_set(orbit, 3, 2) for orbit in (up, down)]
    radius = core_radius(two)
    assert too_close(two, radius) == []
    # The state 2, 2 between them is in no core.
    np.testing.assert_array_equal(label_run(run, two, radius, 2, 1)[0], np.r_[np.zeros(15), np.ones(14)])


def test_distances_do_not_grow_with_the_number_of_values():
    values = np.random.default_rng(0).normal(size=(4000, 3))
    for window in (1, 4, 16):
        states = states_of(values, window, window)
        moved = states_of(values + 0.1, window, window)
        np.testing.assert_allclose(np.sqrt(((states - moved) ** 2).sum(axis=1)), 0.1)
    assert states_of(values, 4, 7).shape == (571, 12)


def test_radius_of_orbits_is_a_third_of_their_distance():
    sets = [state_set(np.array([[each], [each + 0.5]]), 2, 2) for each in (0.0, 3.0, 10.0)]
    np.testing.assert_allclose(core_radius(sets), [1.0, 1.0, 7 / 3])
    assert core_radius(sets, 0.2).tolist() == [0.2, 0.2, 0.2]
    np.testing.assert_allclose(core_radius(sets[:1]), [0.25 / 3])


def torus(n, size, shift=0.0, start=0.0):
    angle = 2 * np.pi * (GOLDEN * np.arange(n) + start)
    return np.stack([shift + size * np.cos(angle), size * np.sin(angle)], axis=1)


def test_radius_of_a_torus_holds_states_between_the_samples():
    sets = [state_set(torus(200, 1.0), 0, 1), state_set(np.array([[1.03, 0.0]]), 1, 1)]
    radius = core_radius(sets)
    assert radius[0] > 0.8 * 2 * np.pi / 200 / np.sqrt(2)
    assert radius[1] < 0.03
    assert too_close(sets, radius) == []
    labels = label_run(torus(3000, 1.0, start=0.123), sets, radius, 1, 1)[0]
    assert (labels[20:] == 0).all()
    assert core_radius(sets, 1e-9)[0] == pytest.approx(np.quantile(sets[0].spacing, 0.9))
    assert core_radius(sets, 1e-9)[1] == 1e-9


def test_samples_of_one_set_are_too_close():
    """Two runs on the same torus: states of one are as close to the other as to their own."""
    sets = [state_set(torus(200, 1.0, start=start), 0, 2) for start in (0.0, 0.3141)]
    found = too_close(sets, core_radius(sets))
    assert {(0, 1), (1, 0)} <= {(a, b) for a, b, _ in found}
    apart = [state_set(torus(200, size), 0, 2) for size in (1.0, 1.3)]
    assert too_close(apart, core_radius(apart)) == []


def test_orbits_that_have_a_state_in_common_are_too_close():
    # In one step they cross; what they have in common has no core.
    sets = [state_set(np.array(orbit)[:, None], 3, 1) for orbit in ([0.0, 1.0, 2.0], [2.0, 5.0, 7.0])]
    found = too_close(sets, np.full(2, 0.1))
    assert [(a, b, round(part, 3)) for a, b, part in found] == [(1, 0, 0.333), (0, 1, 0.333)]


def test_a_period_longer_than_the_orbit_makes_samples():
    orbit = torus(50, 1.0)
    assert state_set(orbit, 60, 4).tree.n == 47
    assert (state_set(orbit, 60, 4).spacing > 0).all()
    assert state_set(orbit, 50, 4).tree.n == 50
    assert (state_set(orbit, 50, 4).spacing == 0).all()


def test_no_attractors():
    values = np.zeros((5, 1))
    values[3] = np.nan
    assert label_run(values, [], np.empty(0), 1, 1)[0].tolist() == [NOWHERE] * 3 + [UNKNOWN] * 2
