"""Residence near attractors of the published network, between which the mean field never moves."""

import numpy as np
import pytest
import xarray as xr

import dmfx
from dmfx.analysis.residence import residence

NET = dmfx.SelfAttention.paper()


@pytest.fixture(scope="module")
def starts():
    """Final states of many starts where two orbits coexist, of periods 28 and 56."""
    options = {"gamma": 220.0, "initial": "random", "starts": 24, "steps": 1, "transient": 40_000}
    return dmfx.simulate(NET, beta=[1.27, 1.272], **options).compute()


@pytest.fixture(scope="module")
def found(starts):
    return dmfx.basins(starts, steps=2000)


@pytest.fixture(scope="module")
def mean_field(starts):
    """Runs of the mean field that go on from there, on their attractors."""
    return dmfx.simulate(
        NET, beta=starts.beta.values, gamma=220.0, initial=starts, steps=1200, variables="attention"
    ).compute()


@pytest.fixture(scope="module")
def orbits(starts, found, mean_field):
    """One run on each of the attractors at β = 1.27, (initial, step, pattern), and their labels."""
    of = found.attractor_of.sel(beta=1.27).squeeze().values
    labels = np.unique(of[of >= 0])
    first = [int(np.flatnonzero(of == label)[0]) for label in labels]
    return mean_field.sel(beta=[1.27]).isel(initial=first), labels


def test_runs_of_the_mean_field_stay_on_their_attractor(found, mean_field):
    result = residence(mean_field, found)
    assert result.residence_label.dims == ("beta", "gamma", "seed", "initial", "step")
    np.testing.assert_array_equal(result.residence_label.step, np.arange(3, 1200, 4))
    reached = found.attractor_of
    assert (reached >= 0).all()
    assert len(np.unique(reached.sel(beta=1.27))) == 2
    assert (result.residence_label == reached).all()
    assert result.escapes.sum() == 0
    count = found.basin_count
    xr.testing.assert_equal(result.residence_count.drop_attrs(), count.rename("residence_count").drop_attrs())
    np.testing.assert_allclose(result.occupation, count / 24)
    assert np.isinf(result.residence_time.where(count > 0, np.inf)).all()
    assert np.isnan(result.residence_time.where(count == 0)).all()
    # No escape in the time of all runs: 3.69 is the 97.5 % quantile of an exponential.
    expected = -np.log(0.025) / (1196 * count).where(count > 0)
    np.testing.assert_allclose(result.escape_rate_high, expected)
    np.testing.assert_allclose(result.residence_time_low, 1 / expected)
    assert (result.residence_radius.notnull() == (count > 0)).all()
    at = found.attractor_points.sel(beta=1.27).squeeze()
    near = result.residence_radius.sel(beta=1.27).squeeze()
    assert near.values[count.sel(beta=1.27).squeeze().values > 0] == pytest.approx(distance_of(at.values[:4]) / 3)


def distance_of(points):
    """Smallest root mean square difference between four successive steps on two of the attractors."""
    a, b = (each for each in points if np.isfinite(each).all())
    windows = [np.stack([each[i : i + 4].ravel() for i in range(len(each) - 3)]) for each in (a, b)]
    return np.sqrt(((windows[0][:, None] - windows[1]) ** 2).mean(axis=-1)).min()


def test_runs_that_are_joined_have_the_labels_of_their_parts(found, orbits):
    runs, labels = orbits
    order, lengths = [0, 1, 0], [400, 300, 500]
    # Each part begins at another phase of its orbit.
    parts = [runs.attention.values[..., i, 7 * i : 7 * i + n, :] for i, n in zip(order, lengths, strict=True)]
    joined = runs.isel(initial=0).assign(attention=runs.attention[..., 0, :, :].copy(data=np.concatenate(parts, -2)))
    result = residence(joined, found, every=1).squeeze()
    edges = np.cumsum([0, *lengths])
    expected = np.repeat(labels[order], lengths)[3:]
    near_edge = np.zeros(1200, bool)
    for edge in edges[1:-1]:
        near_edge[edge : edge + 8] = True
    np.testing.assert_array_equal(result.residence_label.values[~near_edge[3:]], expected[~near_edge[3:]])
    a, b = labels
    assert result.escapes.sel(attractor=a, to=b) == result.escapes.sel(attractor=b, to=a) == 1
    assert result.residence_count.sel(attractor=labels).values.tolist() == [2, 1]
    lengths = result.stay_length.sel(attractor=a).dropna("stay").values
    assert np.abs(lengths - [397, 499]).max() <= 8
    assert result.stay_ended.sel(attractor=a).values[:2].tolist() == [1, 0]
    assert float(result.escape_rate.sel(attractor=a)) == pytest.approx(1 / lengths.sum())
    # Looks every four steps see the same.
    coarse = residence(joined, found).squeeze()
    assert (coarse.residence_label == result.residence_label.isel(step=slice(0, None, 4))).mean() > 0.99


def test_noise_within_the_cores_changes_nothing(found, orbits):
    runs, labels = orbits
    noise = np.random.default_rng(0).normal(scale=0.001, size=(20, *runs.attention.shape))
    noisy = runs.assign(attention=runs.attention + xr.DataArray(noise, dims=("replica", *runs.attention.dims)))
    result = residence(noisy, found)
    assert result.escapes.sum() == 0
    assert (result.residence_label.squeeze() == xr.DataArray(labels, dims="initial")).all()


def test_finite_networks_leave_and_the_mean_field_does_not(starts, found, orbits):
    """At N = 10^7 noise soon drives networks from the orbit of period 56 to that of period 28, and not back."""
    _, labels = orbits
    of = found.attractor_of.sel(beta=1.27).squeeze().values
    first = starts.sel(beta=[1.27]).isel(initial=[int(np.flatnonzero(of == label)[0]) for label in labels])
    options = {"size": [1e7, np.inf], "replica": range(4), "steps": 10_000, "variables": "attention"}
    runs = dmfx.simulate(NET, beta=[1.27], gamma=220.0, initial=first, **options)
    result = residence(runs, found).squeeze().compute()
    assert result.residence_label.dims == ("size", "replica", "initial", "step")
    at = result.sel(size=np.inf)
    assert (at.residence_label == xr.DataArray(labels, dims="initial")).all()
    assert at.escapes.sum() == 0
    assert (at.core_fraction.sel(attractor=labels) == 1).all()
    at, period = result.sel(size=1e7), found.attractor_period.sel(beta=1.27, attractor=labels).squeeze().values
    stable, weak = labels[np.argsort(period)]
    assert (at.residence_label.isel(step=-1) == stable).all()
    assert at.escapes.sel(attractor=weak, to=stable) >= 4
    assert at.residence_time_high.sel(attractor=weak) < at.residence_time_low.sel(attractor=stable)
    assert at.core_fraction.sel(attractor=stable) > 0.8


def test_a_time_that_is_one_of_the_attractor(starts, found):
    """As the docstring of `residence` has it: 216 steps near the orbit of period 56, and hardly other ones."""
    of, period = (found[name].sel(beta=1.27).squeeze().values for name in ("attractor_of", "attractor_period"))
    weak = int(np.flatnonzero(period == 56)[0])
    first = starts.sel(beta=[1.27]).isel(initial=[int(np.flatnonzero(of == weak)[0])])
    options = {"size": [1e5, 1e7], "replica": range(100), "steps": 2000, "variables": "attention"}
    runs = dmfx.simulate(NET, beta=[1.27], gamma=220.0, initial=first, **options).compute()
    # With 100 escapes the standard error is a tenth; the other ways to look give 3 % less to 9 % more.
    for other in ({}, {"every": 1}, {"every": 1, "window": 28}, {"every": 1, "radius": 0.002}):
        at = residence(runs, found, **other).squeeze().sel(attractor=weak)
        assert 150 < at.residence_time.sel(size=1e7) < 300
    at = residence(runs, found).squeeze().sel(attractor=weak)
    assert 0.58 < at.core_fraction.sel(size=1e7) < 0.72
    assert at.core_fraction.sel(size=1e5) < 0.015
    assert at.residence_radius == pytest.approx(0.0038, abs=5e-5)


def test_the_model_says_how_many_steps_make_a_state(mean_field, found):
    given = residence(mean_field, found, window=4, every=4)
    assert mean_field.dmft.residence(found).drop_attrs(deep=False).identical(given.drop_attrs(deep=False))
