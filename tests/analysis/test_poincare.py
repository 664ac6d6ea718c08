import numpy as np
import pytest
import xarray as xr
from hypothesis import given, settings
from hypothesis import strategies as st

from dmfx.analysis import poincare


def dataset(values):
    """A dataset of an array (step, pattern) or (beta, step, pattern)."""
    values = np.asarray(values, dtype=float)
    return xr.Dataset({"m_o_semantic": (("beta", "step", "pattern")[-values.ndim :], values)})


def near_by_definition(orbit, times, pattern, value, tolerance):
    on_plane = np.abs(orbit[:, pattern] - value) < tolerance
    return orbit[on_plane], times[on_plane]


def crossings_by_definition(orbit, times, pattern, value, direction):
    states, when = [], []
    for step in range(len(orbit) - 1):
        before, after = orbit[step : step + 2, pattern] - value
        if np.isnan(before) or np.isnan(after) or (before < 0) == (after < 0):
            continue
        if direction in ("both", "up" if before < 0 else "down"):
            part = before / (before - after)
            states.append(orbit[step] + part * (orbit[step + 1] - orbit[step]))
            when.append(times[step] + part * (times[step + 1] - times[step]))
    return np.array(states).reshape(-1, orbit.shape[1]), np.array(when)


@settings(max_examples=100, deadline=None)
@given(
    steps=st.integers(1, 40),
    pattern=st.integers(0, 2),
    max_points=st.integers(1, 30),
    direction=st.sampled_from(["near", "both", "up", "down"]),
    seed=st.integers(0, 99),
)
def test_against_the_definition(steps, pattern, max_points, direction, seed):
    rng = np.random.default_rng(seed)
    # Few distinct values, so that many lie exactly on the plane.
    values = rng.integers(-2, 3, (2, steps, 3)) / 2 + 0.5
    values[1, steps // 2 :] = np.nan
    times = np.cumsum(rng.integers(1, 4, steps))
    ds = dataset(values).assign_coords(step=times)
    plane = {"pattern": pattern, "value": 0.5}
    if direction == "near":
        result = poincare(ds, plane, 0.6, max_points=max_points)
        found = [near_by_definition(orbit, times, pattern, 0.5, 0.6) for orbit in values]
    else:
        result = poincare(ds, plane, interpolate=True, max_points=max_points, direction=direction)
        found = [crossings_by_definition(orbit, times, pattern, 0.5, direction) for orbit in values]
    for beta, (states, when) in enumerate(found):
        kept = min(len(when), max_points)
        assert result.section_count[beta] == len(when)
        np.testing.assert_array_equal(result.section[beta, :kept], states[:kept])
        np.testing.assert_array_equal(result.section_step[beta, :kept], when[:kept])
        assert np.isnan(result.section[beta, kept:]).all()
        assert np.isnan(result.section_step[beta, kept:]).all()


def test_shapes_and_attributes():
    ds = dataset(np.random.default_rng(0).normal(size=(2, 50, 3))).assign_coords(pattern=[4, 5, 6])
    result = poincare(ds, {"pattern": 5}, max_points=12)
    assert dict(result.section.sizes) == {"beta": 2, "point": 12, "pattern": 3}
    assert dict(result.section_step.sizes) == {"beta": 2, "point": 12}
    assert dict(result.section_count.sizes) == {"beta": 2}
    assert result.section_count.dtype == np.int64
    assert result.pattern.values.tolist() == [4, 5, 6]
    for name in ("section", "section_step", "section_count"):
        assert result[name].attrs["plane"] == "pattern 5 = 0"
        assert result[name].attrs["tolerance"] == 1e-3
    assert "tolerance" not in poincare(ds, {"pattern": 5}, interpolate=True).section.attrs


def test_interpolated_crossings_of_a_slow_circle():
    angle = 0.05 * np.arange(1000)
    ds = dataset(np.stack([np.cos(angle), np.sin(angle)], axis=-1))
    up = poincare(ds, {"pattern": 1}, interpolate=True, direction="up", max_points=10)
    down = poincare(ds, {"pattern": 1}, interpolate=True, direction="down", max_points=10)
    both = poincare(ds, {"pattern": 1}, interpolate=True, max_points=20)
    turns = 2 * np.pi / 0.05
    assert (up.section_count, down.section_count, both.section_count) == (7, 8, 15)
    np.testing.assert_allclose(up.section_step[:7], turns * np.arange(1, 8), atol=1e-3)
    np.testing.assert_allclose(down.section_step[:8], turns * (np.arange(8) + 0.5), atol=1e-3)
    np.testing.assert_allclose(up.section[:7], np.tile([1.0, 0.0], (7, 1)), atol=1e-3)


def test_a_state_on_the_plane_is_one_crossing():
    orbit = np.array([-1.0, 0.0, 1.0, 0.0, -1.0])[:, None]
    result = poincare(dataset(orbit), {"pattern": 0}, interpolate=True)
    assert result.section_count == 2
    np.testing.assert_array_equal(result.section_step[:2], [1.0, 3.0])


def test_plane_of_another_variable():
    ds = dataset([[1.0, 2.0], [3.0, 4.0]]).assign(attention=(("step", "pattern"), [[0.0, 7.0], [7.0, 0.0]]))
    result = poincare(ds, {"pattern": 1, "variable": "attention"}, max_points=1)
    np.testing.assert_array_equal(result.section, [[3.0, 4.0]])
    assert result.section.attrs["plane"] == "attention pattern 1 = 0"
    swapped = poincare(ds, {"pattern": 0, "value": 3}, variable="attention", max_points=1)
    assert swapped.section_count == 0


@pytest.mark.parametrize(
    ("arguments", "error", "message"),
    [
        ({"max_points": 0}, ValueError, "max_points must be a whole number of at least 1"),
        ({"interpolate": 1}, TypeError, r"interpolate must be True or False, not 1 \(int\)"),
        ({"direction": "left"}, ValueError, "direction must be one of 'both', 'up', 'down', not 'left'"),
        ({"direction": "up"}, ValueError, "direction='up' needs interpolate=True"),
        ({"max_points": -1, "tolerance": 0}, ValueError, "2 problems: tolerance .*; max_points "),
    ],
)
def test_wrong_input(arguments, error, message):
    with pytest.raises(error, match=message):
        poincare(dataset(np.zeros((5, 2))), {"pattern": 0}, **arguments)


def test_steps_must_be_numbers():
    ds = dataset(np.zeros((2, 2))).assign_coords(step=["a", "b"])
    with pytest.raises(ValueError, match="the step coordinate must be numbers, but has dtype <U1"):
        poincare(ds, {"pattern": 0})
