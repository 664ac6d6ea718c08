import math

import numpy as np
import pytest
import xarray as xr
from scipy.special import ndtri
from scipy.stats import wasserstein_distance, wasserstein_distance_nd

import dmfx
from dmfx.analysis import attractor_distance
from dmfx.dynamics.wasserstein import spread_directions

NET = dmfx.SelfAttention.paper()
NAMES = ["distance", "joint_distance", "distance_floor", "joint_distance_floor"]


def sizes(values, size, **coords):
    """A dataset of arrays (size, [replica], step, pattern)."""
    values = np.asarray(values, float)
    dims = ("size", "replica", "step", "pattern") if values.ndim == 4 else ("size", "step", "pattern")
    return xr.Dataset({"m_o_semantic": (dims, values)}, {"size": np.asarray(size, float), **coords})


def normal(steps):
    """Quantiles of the normal distribution, in an order of no meaning."""
    return np.random.default_rng(0).permutation(ndtri((np.arange(steps) + 0.5) / steps))


def by_definition(x, y, directions):
    """Distances of (step, pattern) from another, by SciPy."""
    patterns = x.shape[-1]
    single = [wasserstein_distance(x[:, a], y[:, a]) for a in range(patterns)]
    sliced = [wasserstein_distance(x @ u, y @ u) for u in spread_directions(patterns, directions)]
    return single, np.mean(sliced)


@pytest.mark.parametrize("steps", [50, 37])
@pytest.mark.parametrize("patterns", [1, 2, 3, 5, 9])
def test_against_scipy(steps, patterns):
    rng = np.random.default_rng(patterns)
    ds = sizes(rng.normal(size=(3, 4, steps, patterns)), [1e3, np.inf, 1e2])
    reference = None
    against = ds.m_o_semantic.sel(size=np.inf).isel(replica=0)
    if steps == 37:  # a reference of another length
        against = against.pad(step=(0, 15), constant_values=0.3)
        reference = xr.Dataset({"m_o_semantic": against.drop_vars("size")})
    found = attractor_distance(ds, reference, directions=6)
    for size in range(3):
        for replica in range(4):
            run = ds.m_o_semantic[size, replica].values
            single, joint = by_definition(run, against.values, 6)
            np.testing.assert_allclose(found.distance[size, replica], single, rtol=1e-12, atol=1e-15)
            assert found.joint_distance[size, replica] == pytest.approx(joint, rel=1e-12)


def test_a_shifted_law_is_as_far_as_the_shift():
    rng = np.random.default_rng(1)
    attractor = rng.normal(size=(1000, 3))
    shift = np.array([[0.1, -0.02, 0.3], [0.0, 0.0, 0.0], [0.05, 0.05, 0.05]])
    shuffled = rng.permutation(attractor)
    found = attractor_distance(sizes([attractor, *(shuffled + each for each in shift)], [np.inf, 10, 100, 1000]))
    np.testing.assert_allclose(found.distance[0], 0.0)
    np.testing.assert_allclose(found.distance[1:], np.abs(shift), atol=1e-15)
    # All projections are shifted by the shift times a cosine, whose mean absolute value is 1/2 in three dimensions.
    np.testing.assert_allclose(found.joint_distance[1:], np.linalg.norm(shift, axis=1) / 2, rtol=0.03)
    assert found.joint_distance[0] == found.joint_distance.values.min() == 0.0


@pytest.mark.parametrize(
    ("patterns", "directions", "low", "high"),
    [
        (1, 32, 1, 1),
        (2, 32, 0.999, 1.001),
        (3, 32, 0.964, 1.03),
        (4, 32, 0.82, 1.11),
        (3, 256, 0.996, 1.004),
        (4, 256, 0.95, 1.04),
    ],
)
def test_directions_are_as_even_as_they_are_said_to_be(patterns, directions, low, high):
    shift = np.random.default_rng(0).normal(size=(100_000, patterns))
    shift /= np.linalg.norm(shift, axis=1, keepdims=True)
    spread = spread_directions(patterns, directions)
    found = np.mean([np.abs(shift @ u) for u in spread], axis=0)
    mean = math.gamma(patterns / 2) / (math.sqrt(math.pi) * math.gamma((patterns + 1) / 2))
    assert low - 1e-12 <= found.min() / mean
    assert found.max() / mean <= high + 1e-12


def test_gaussians_of_different_width():
    """∫ |σ₁ - σ₂| |z(p)| dp = |σ₁ - σ₂| √(2/π)."""
    steps = 20_001
    widths = np.array([0.3, 0.5, 0.1, 0.3])
    found = attractor_distance(sizes((widths[:, None] * normal(steps))[..., None], [np.inf, 1, 2, 3]))
    expected = np.abs(widths - 0.3) * math.sqrt(2 / math.pi)
    np.testing.assert_allclose(found.distance[:, 0], expected, rtol=1e-3, atol=1e-15)
    assert found.joint_distance.values == pytest.approx(found.distance[:, 0].values, abs=1e-15)


def test_joint_distance_sees_how_patterns_move_together():
    """A circle and the rectangle of its marginals: no overlap alone tells them apart."""
    steps = 4000
    angle = 2 * np.pi * np.arange(steps) / steps
    circle = np.stack([np.cos(angle), np.sin(angle)], axis=1)
    loose = np.stack([circle[:, 0], np.random.default_rng(0).permutation(circle[:, 1])], axis=1)
    found = attractor_distance(sizes([circle, loose], [np.inf, 100]))
    np.testing.assert_allclose(found.distance, 0.0, atol=1e-15)
    assert found.joint_distance[1] > 0.05


def test_joint_distance_is_below_the_distance_in_space():
    rng = np.random.default_rng(5)
    one, other = rng.normal(size=(60, 2)), 0.7 * rng.normal(size=(60, 2)) + 0.4
    found = attractor_distance(sizes([one, other], [np.inf, 100])).joint_distance[1]
    whole = wasserstein_distance_nd(one, other)
    assert 2 / np.pi * 0.5 * whole < found < whole


def test_noise_that_falls_with_the_size():
    """A fixed point with noise of standard deviation N^-1/2 is N^-1/2 √(2/π) away."""
    rng = np.random.default_rng(2)
    size = np.array([np.inf, 1e2, 1e4, 1e6])
    runs = 0.2 + rng.normal(size=(4, 8, 5000, 2)) / np.sqrt(size)[:, None, None, None]
    found = attractor_distance(sizes(runs, size)).distance.mean("replica")
    expected = np.broadcast_to((math.sqrt(2 / math.pi) / np.sqrt(size))[:, None], (4, 2))
    np.testing.assert_allclose(found, expected, rtol=0.02)  # the mean of 40,000 is known to 0.4 %


def test_any_replica_is_the_reference_and_distances_at_infinity_are_0():
    rng = np.random.default_rng(3)
    runs = rng.normal(size=(2, 3, 40, 2))
    runs[1] = runs[1, 0]
    found = attractor_distance(sizes(runs, [10.0, np.inf]))
    assert (found.distance[1] == 0).all()
    backwards = attractor_distance(sizes(runs[:, ::-1], [10.0, np.inf]))
    np.testing.assert_array_equal(found.distance, backwards.distance[:, ::-1])


def test_the_network_itself():
    """Of period 4 at β = 0.9: where the noise is weaker than its values are apart, they are as wide as it, N^-1/2."""
    ds = dmfx.simulate(
        NET, beta=0.9, gamma=220.0, size=[1e8, 1e10, 1e12, np.inf], replica=range(8), steps=800, transient=1000
    )
    found = attractor_distance(ds).squeeze().compute()
    assert (found.distance_floor < 1e-12).all()
    assert (found.distance.sel(size=np.inf) == 0).all()
    mean = found.distance.mean("replica")
    for small, large in ((1e8, 1e10), (1e10, 1e12)):
        np.testing.assert_allclose(mean.sel(size=small) / mean.sel(size=large), 10, rtol=0.25)


# The floor.


def test_floor_by_definition():
    rng = np.random.default_rng(4)
    run = rng.normal(size=(43, 2))
    found = attractor_distance(sizes([run, run], [np.inf, 1.0]), directions=5)
    a, b, c, d = run[:40].reshape(4, 10, 2)
    cuts = [((a, b), (c, d)), ((a, c), (b, d)), ((a, d), (b, c))]
    expected = [by_definition(np.concatenate(one), np.concatenate(other), 5) for one, other in cuts]
    np.testing.assert_allclose(found.distance_floor, np.mean([single for single, _ in expected], axis=0))
    assert found.joint_distance_floor == pytest.approx(np.mean([joint for _, joint in expected]))


def test_floor_of_independent_noise():
    """Two samples of T/2 uniform numbers: E W₁ = √(2/(T/2)) E∫|B| du, with E∫|B(u)| du = √(2π) / 8."""
    steps = 4000
    runs = np.random.default_rng(5).uniform(size=(400, steps))
    floors = [attractor_distance(sizes([run[:, None]] * 2, [np.inf, 1.0]), directions=1) for run in runs]
    floor = np.array([each.distance_floor.item() for each in floors])
    expected = math.sqrt(4 / steps) * math.sqrt(2 * math.pi) / 8
    assert floor.mean() == pytest.approx(expected, abs=5 * floor.std() / 20)
    # A network of the same law but other numbers is by √2 nearer.
    apart = [attractor_distance(sizes(np.stack(pair)[..., None], [np.inf, 1.0])) for pair in runs.reshape(200, 2, -1)]
    apart = np.array([each.distance[1, 0].item() for each in apart])
    assert apart.mean() == pytest.approx(expected / math.sqrt(2), abs=5 * apart.std() / math.sqrt(200))


def test_floor_of_periodic_orbits():
    orbit = np.random.default_rng(6).normal(size=(5, 1))
    found = attractor_distance(sizes([np.tile(orbit, (40, 1))] * 2, [np.inf, 1.0]))
    assert found.distance_floor.item() < 1e-15
    # 31 steps do not divide the quarter of 50: it falls like 1/T.
    longer = np.random.default_rng(7).normal(size=(31, 1))
    floors = [
        attractor_distance(sizes([np.tile(longer, (50, 1))[:steps]] * 2, [np.inf, 1.0])).distance_floor.item()
        for steps in (200, 1500)
    ]
    assert 0 < floors[1] < floors[0] / 3


def test_floor_of_a_rotation_falls_as_one_over_the_steps():
    angle = (math.sqrt(5) - 1) / 2 * np.arange(64_000)
    run = np.cos(2 * np.pi * angle)[:, None]
    floors = [
        attractor_distance(sizes([run[:steps]] * 2, [np.inf, 1.0])).distance_floor.item() for steps in (1000, 64_000)
    ]
    assert floors[1] < floors[0] / 20


def test_quarters_hold_whole_periods_of_the_drive():
    """17 steps at L = 4 leave quarters of 4, of which each has all phases."""
    ds = dmfx.simulate(NET, beta=0.5, gamma=220.0, steps=31, transient=2000).compute()
    found = attractor_distance(ds.squeeze(), ds.isel(step=slice(17)), directions=3)
    assert (found.distance_floor < 1e-15).all()
    assert (found.distance > 1e-6).all(), "31 steps hold one phase less often than the others"
    blind = attractor_distance(ds.squeeze().drop_attrs(), ds.isel(step=slice(30)).drop_attrs(), directions=3)
    assert (blind.distance_floor > 1e-6).all(), "without the model the drive is not known"


def test_quarters_of_runs_of_which_only_some_steps_were_kept():
    ds = dmfx.simulate(NET, beta=0.5, gamma=220.0, steps=80, transient=2000).compute().squeeze()
    second = ds.isel(step=slice(None, 28, 2))  # 14 steps, the drive has period 2 in them
    found = attractor_distance(second, second)
    assert (found.distance_floor < 1e-15).all()
    third = ds.isel(step=slice(None, 70, 3))  # 24 steps, period 4
    assert (attractor_distance(third, third).distance_floor < 1e-15).all()


@pytest.mark.parametrize("steps", [1, 3])
def test_too_short_for_a_floor(steps):
    found = attractor_distance(sizes(np.ones((2, steps, 2)), [np.inf, 1.0]))
    assert np.isnan(found.distance_floor).all()
    assert np.isnan(found.joint_distance_floor)
    assert (found.distance == 0).all()


def test_floor_is_of_as_many_steps_as_the_networks_have():
    long = np.random.default_rng(8).normal(size=(4000, 1))
    ds = sizes(long[None, :400] + 1.0, [100.0])
    found = attractor_distance(ds, xr.Dataset({"m_o_semantic": (("step", "pattern"), long)}))
    short = attractor_distance(ds, xr.Dataset({"m_o_semantic": (("step", "pattern"), long[:400])}))
    np.testing.assert_array_equal(found.distance_floor, short.distance_floor)


# What diverged.


def test_diverged_runs_are_nan_and_the_others_are_not():
    runs = np.random.default_rng(9).normal(size=(2, 3, 40, 2))
    runs[1] = runs[1, 0]
    whole = attractor_distance(sizes(runs, [10.0, np.inf]))
    runs[0, 1, 7, 0] = np.nan
    runs[0, 2, :, 1] = np.inf
    found = attractor_distance(sizes(runs, [10.0, np.inf]))
    assert np.isnan(found.distance[0]).values.tolist() == [[False, False], [True, False], [False, True]]
    assert np.isnan(found.joint_distance[0]).values.tolist() == [False, True, True]
    np.testing.assert_array_equal(found.distance[0, 0], whole.distance[0, 0])
    runs[1] = np.nan
    assert all(np.isnan(each).all() for each in attractor_distance(sizes(runs, [10.0, np.inf])).values())


# References.


@pytest.fixture(scope="module")
def noisy():
    """Mean-field runs at two β, and networks of two sizes with three replicas, which are the same with noise."""
    mean_field = dmfx.simulate(NET, beta=[0.9, 1.255], gamma=220.0, steps=64, transient=500).compute()
    size = xr.DataArray([1e2, 1e4], dims="size")
    noise = xr.DataArray(
        np.random.default_rng(0).normal(size=(2, 3, 64, 3)), dims=("size", "replica", "step", "pattern")
    )
    run = (mean_field.m_o_semantic + noise / np.sqrt(size)).transpose(..., "size", "replica", "step", "pattern")
    networks = mean_field[[]].assign(m_o_semantic=run).assign_coords(size=size.values, replica=[4, 5, 6])
    own = mean_field.m_o_semantic.expand_dims(size=[np.inf], replica=[4, 5, 6])
    both = xr.concat([run.assign_coords(networks.coords), own], "size").transpose(*run.dims)
    return mean_field, networks, mean_field[[]].assign(m_o_semantic=both)


def test_the_mean_field_from_within_or_without(noisy):
    mean_field, networks, both = noisy
    within, without = attractor_distance(both), attractor_distance(networks, mean_field)
    assert without.distance.dims == ("beta", "gamma", "seed", "size", "replica", "pattern")
    assert without.distance_floor.dims == ("beta", "gamma", "seed", "pattern")
    for name in NAMES:
        expected = within[name] if "floor" in name else within[name].sel(size=[1e2, 1e4])
        np.testing.assert_array_equal(without[name], expected)
    assert (without.distance[..., 0, :, :] > without.distance[..., 1, :, :]).all()


def test_references_are_matched_by_label(noisy):
    mean_field, networks, _ = noisy
    expected = attractor_distance(networks, mean_field)
    backwards = mean_field.isel(beta=[1, 0], pattern=[2, 0, 1])
    xr.testing.assert_identical(attractor_distance(networks, backwards), expected)
    with_size = mean_field.expand_dims(size=[np.inf], replica=[0])
    xr.testing.assert_identical(attractor_distance(networks, with_size), expected)
    marked = mean_field.assign_coords(size=np.inf)
    xr.testing.assert_identical(attractor_distance(networks, marked), expected)
    part = networks.sel(beta=1.255, size=1e4)
    for reference in (mean_field, mean_field.sel(beta=1.255)):
        found = attractor_distance(part, reference)
        assert found.distance.dims == ("gamma", "seed", "replica", "pattern")
        np.testing.assert_array_equal(found.distance, expected.distance.sel(beta=1.255, size=1e4))
        np.testing.assert_array_equal(found.distance_floor, expected.distance_floor.sel(beta=1.255))
    one_beta = networks.sel(beta=[1.255])
    found = attractor_distance(one_beta, mean_field.sel(beta=1.255).squeeze())
    np.testing.assert_array_equal(found.distance, expected.distance.sel(beta=[1.255]))
    assert found.distance_floor.dims == ("pattern",)


def test_starts_share_a_reference_without_that_dim(noisy):
    mean_field, networks, _ = noisy
    starts = networks.expand_dims(initial=2)
    found = attractor_distance(starts, mean_field)
    expected = attractor_distance(networks, mean_field)
    assert found.distance.dims == ("initial", *expected.distance.dims)
    np.testing.assert_array_equal(found.distance, np.stack([expected.distance] * 2))


def test_lazy_if_one_of_them_is(noisy):
    mean_field, networks, _ = noisy
    networks = networks.assign(status=mean_field.status)
    expected = attractor_distance(networks, mean_field)
    chunks = {"beta": 1, "size": 1, "step": 10}
    for ds, reference in (
        (networks.chunk(chunks), mean_field),
        (networks, mean_field.chunk({"step": 7, "beta": 1})),
        (networks.chunk(chunks), mean_field.chunk(beta=2)),
        (networks.isel(beta=[1, 0]).chunk(chunks), mean_field.chunk(beta=1)),
    ):
        found = attractor_distance(ds, reference)
        assert all(found[name].chunks is not None for name in [*NAMES, "status"])
        xr.testing.assert_identical(found.compute().sel(beta=expected.beta), expected)


def test_another_variable_and_what_is_noted():
    mean_field = dmfx.simulate(NET, beta=0.9, gamma=220.0, steps=16).compute()
    found = attractor_distance(mean_field.isel(step=slice(8)), mean_field, variable="attention", directions=7)
    assert found.distance.attrs["variable"] == "attention"
    assert found.joint_distance.attrs["directions"] == 7
    single, joint = by_definition(*(mean_field.attention.squeeze().values[:n] for n in (8, 16)), 7)
    np.testing.assert_allclose(found.distance.squeeze(), single)
    assert found.joint_distance.item() == pytest.approx(joint)


# Wrong arguments.


def test_no_mean_field(noisy):
    mean_field, networks, _ = noisy
    with pytest.raises(ValueError, match=r"ds must have an entry size = inf, the mean field; or give .* as reference="):
        attractor_distance(networks)
    with pytest.raises(ValueError, match=r"ds must have an entry size = inf, but has size 100 only; or give"):
        attractor_distance(networks.sel(size=1e2))
    for ds in (mean_field, mean_field.assign_coords(size=np.inf)):
        with pytest.raises(ValueError, match="ds is a mean-field run itself and has no dim size"):
            attractor_distance(ds)
    with pytest.raises(ValueError, match="entry size = inf"):
        attractor_distance(networks.drop_vars("size"))
    with pytest.raises(ValueError, match="reference must have an entry size = inf, the mean field"):
        attractor_distance(networks, networks)
    with pytest.raises(ValueError, match="reference must have an entry size = inf, but has size 100 only"):
        attractor_distance(networks, networks.sel(size=1e2))
    with pytest.raises(ValueError, match="reference must have at least one replica"):
        attractor_distance(networks, mean_field.expand_dims(replica=0))


def test_wrong_references(noisy):
    mean_field, networks, _ = noisy
    for wrong in ("run.nc", mean_field.m_o_semantic, 3):
        with pytest.raises(TypeError, match="reference must be a Dataset of mean-field runs"):
            attractor_distance(networks, wrong)
    with pytest.raises(ValueError, match=r"reference has no beta = 0\.9"):
        attractor_distance(networks, mean_field.isel(beta=[1]))
    with pytest.raises(ValueError, match=r"reference has no pattern = 1, 2"):
        attractor_distance(networks, mean_field.isel(pattern=[0]))
    with pytest.raises(ValueError, match=r"reference is at beta = 0\.9, but ds at 1\.255"):
        attractor_distance(networks.isel(beta=1), mean_field.isel(beta=0))
    with pytest.raises(ValueError, match=r"reference is at beta = 0\.9, but ds at 0\.9, 1\.255"):
        attractor_distance(networks, mean_field.isel(beta=0))
    with pytest.raises(ValueError, match=r"reference has the dim initial \(2\), which ds has not"):
        attractor_distance(networks, mean_field.expand_dims(initial=2))
    with pytest.raises(ValueError, match="reference must have labels along beta, or as many entries as ds"):
        attractor_distance(networks, mean_field.drop_vars("beta").isel(beta=[0]))
    with pytest.raises(ValueError, match="reference: variable must be one of 'm_o_semantic'"):
        attractor_distance(networks.assign(m_v=networks.m_o_semantic), mean_field, variable="m_v")


def test_all_problems_at_once(noisy):
    with pytest.raises(
        ValueError, match=r"3 problems: variable must .*; directions must .*; reference must be a Dataset"
    ):
        attractor_distance(noisy[1], 4, variable="m", directions=0)
    with pytest.raises(TypeError, match="directions must be a whole number"):
        attractor_distance(noisy[2], directions="many")
    with pytest.raises(ValueError, match="directions must be a whole number of at least 1 and at most"):
        attractor_distance(noisy[2], directions=10**9)
