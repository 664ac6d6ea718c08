import math

import numpy as np
import pytest
import xarray as xr
from scipy.signal import lfilter

import dmfx
from dmfx.analysis import fluctuations

SIZES = np.array([1e2, 1e3, 1e4, 1e5])


def dataset(values, size=None):
    """A dataset of an array (..., replica, step, pattern) with sizes before the replicas, or without."""
    dims = ("replica", "step", "pattern") if size is None else ("size", "replica", "step", "pattern")
    dims = ("beta", *dims)[-np.ndim(values) :]
    return xr.Dataset({"m_o_semantic": (dims, values)}, {} if size is None else {"size": size})


def autoregression(rng, shape, keep):
    """x(t) = keep · x(t-1) + noise along the last axis but one, of unit variance from the first step on."""
    noise = rng.normal(size=shape)
    noise[..., 1:, :] *= math.sqrt(1 - keep**2)
    return lfilter([1.0], [1.0, -keep], noise, axis=-2)


def networks(rng, repeats=1, replicas=20, steps=100, keep=0.0, exponent=-0.5, size=SIZES):
    """Replicas around an orbit of period 4, with noise that falls as a power of the size: (beta, size, ...)."""
    noise = autoregression(rng, (repeats, len(size), replicas, steps, 1), keep)
    orbit = np.resize([0.3, -0.2, 0.5, 0.1], steps)[:, None]
    return dataset(orbit + noise * (size**exponent)[:, None, None, None], size)


def slow(ds, sizes):
    """The definition, for a Dataset with size, replica, step and pattern."""
    runs = ds.m_o_semantic.transpose("size", "replica", "step", "pattern").values
    sigma = np.sqrt(runs.var(axis=1, ddof=1).mean(axis=1))
    count = runs.shape[1]
    without = np.stack([np.sqrt(np.delete(runs, r, 1).var(axis=1, ddof=1).mean(axis=1)) for r in range(count)])
    error = np.sqrt((count - 1) / count * ((without - without.mean(axis=0)) ** 2).sum(axis=0))
    lines = np.array(
        [
            [
                np.polyfit(np.log(sizes), np.log(each[:, a]), 1, w=sigma[:, a] / error[:, a])
                for a in range(runs.shape[-1])
            ]
            for each in (sigma, *without)
        ]
    )
    slopes = lines[1:, :, 0]
    slope_error = np.sqrt((count - 1) / count * ((slopes - slopes.mean(axis=0)) ** 2).sum(axis=0))
    return sigma, error, lines[0, :, 0], slope_error, np.exp(lines[0, :, 1])


@pytest.mark.parametrize("replicas", [3, 4, 11])
def test_against_the_definition(replicas):
    rng = np.random.default_rng(replicas)
    scale = rng.uniform(0.5, 2, size=(4, 1, 1, 3)) / np.sqrt(SIZES)[:, None, None, None]
    ds = dataset(rng.normal(size=(4, replicas, 40, 3)) * scale + rng.normal(size=(40, 3)), SIZES)
    found = fluctuations(ds)
    expected = slow(ds, SIZES)
    names = ["fluctuation", "fluctuation_error", "fluctuation_exponent", "fluctuation_exponent_error"]
    for name, values in zip([*names, "fluctuation_amplitude"], expected, strict=True):
        np.testing.assert_allclose(found[name], values, rtol=1e-9, err_msg=name)
    assert found.fluctuation.dims == found.fluctuation_error.dims == ("size", "pattern")
    assert found.fluctuation_exponent.dims == ("pattern",)


@pytest.mark.parametrize("keep", [0.0, 0.9])
def test_noise_of_known_variance(keep):
    """The fluctuation is N^-1/2 and its exponent -1/2, within errors that mean what they say."""
    repeats = 400
    ds = networks(np.random.default_rng(1), repeats, steps=60, keep=keep)
    found = fluctuations(ds)
    off = (found.fluctuation.isel(pattern=0) * np.sqrt(SIZES) - 1) / (found.fluctuation_error[..., 0] * np.sqrt(SIZES))
    exponent = ((found.fluctuation_exponent + 0.5) / found.fluctuation_exponent_error).values.ravel()
    # Student's distribution with 19 degrees of freedom; the weights, not known exactly, widen it a little.
    spread = math.sqrt(0.67 * 0.33 / repeats)
    assert abs((np.abs(exponent) < 1).mean() - 0.66) < 4 * spread
    assert (np.abs(exponent) < 2).mean() > 0.94 - 4 * math.sqrt(0.06 * 0.94 / repeats)
    assert abs((np.abs(off.values) < 1).mean() - 0.67) < 4 * spread / 2
    assert abs(exponent.mean()) < 4 * 1.1 / math.sqrt(repeats)
    error = found.fluctuation_exponent_error.mean() / found.fluctuation_exponent.std()
    assert error == pytest.approx(1, abs=4 * 0.05)


@pytest.mark.parametrize("exponent", [-0.5, -0.25, 0.0])
def test_exponents(exponent):
    ds = networks(np.random.default_rng(2), steps=2000, exponent=exponent)
    found = fluctuations(ds).squeeze()
    assert found.fluctuation_exponent == pytest.approx(exponent, abs=5 * found.fluctuation_exponent_error.item())
    assert found.fluctuation_exponent_error < 0.003
    assert found.fluctuation_amplitude == pytest.approx(1, rel=0.05)


def test_replicas_of_a_chaotic_map_are_as_far_apart_as_the_attractor_is_wide():
    """x → 4x(1-x) forgets all but the invariant density, of standard deviation 1/√8."""
    rng = np.random.default_rng(3)
    x = 0.3 + rng.normal(size=(4, 20)) * 1e-3 / np.sqrt(SIZES)[:, None]
    runs = np.empty((4, 20, 3000, 1))
    for step in range(-200, 3000):
        x = 4 * x * (1 - x)
        runs[..., max(step, 0), 0] = x
    found = fluctuations(dataset(runs, SIZES)).squeeze()
    np.testing.assert_allclose(found.fluctuation, math.sqrt(1 / 8), rtol=0.02)
    assert found.fluctuation_exponent == pytest.approx(0, abs=5 * found.fluctuation_exponent_error.item())


def test_equal_noise_at_all_sizes():
    """The exponent is then exact, and the jackknife knows."""
    noise = np.random.default_rng(4).normal(size=(5, 30, 2))
    found = fluctuations(dataset(noise / np.sqrt(SIZES)[:, None, None, None], SIZES))
    np.testing.assert_allclose(found.fluctuation_exponent, -0.5, atol=1e-12)
    np.testing.assert_allclose(found.fluctuation_exponent_error, 0.0, atol=1e-12)
    assert (found.fluctuation_error > 0).all()


def test_the_mean_field_does_not_fluctuate_and_is_not_fitted():
    rng = np.random.default_rng(5)
    values = np.concatenate(
        [rng.normal(size=(4, 7, 50, 2)) / np.sqrt(SIZES)[:, None, None, None], np.zeros((1, 7, 50, 2))]
    )
    values += rng.normal(size=(50, 2))
    ds = dataset(values, [*SIZES, np.inf])
    found = fluctuations(ds)
    assert (found.fluctuation.sel(size=np.inf) == 0).all()
    assert (found.fluctuation_error.sel(size=np.inf) == 0).all()
    finite = fluctuations(ds.isel(size=slice(4)))
    for name in ("fluctuation_exponent", "fluctuation_exponent_error", "fluctuation_amplitude"):
        np.testing.assert_array_equal(found[name], finite[name])


def test_a_range_of_sizes():
    rng = np.random.default_rng(6)
    ds = networks(rng)
    whole = fluctuations(ds)
    for bounds, sizes in (
        ({"min_size": 500}, SIZES[1:]),
        ({"max_size": 1e4}, SIZES[:3]),
        ({"min_size": 1e3, "max_size": 1e4}, SIZES[1:3]),
    ):
        found, part = fluctuations(ds, **bounds), fluctuations(ds.sel(size=sizes))
        np.testing.assert_array_equal(found.fluctuation, whole.fluctuation)
        np.testing.assert_allclose(found.fluctuation_exponent, part.fluctuation_exponent, rtol=1e-12)
        np.testing.assert_allclose(found.fluctuation_exponent_error, part.fluctuation_exponent_error, rtol=1e-12)
        noted = {name: found.fluctuation_exponent.attrs.get(name) for name in ("min_size", "max_size")}
        assert noted == {"min_size": None, "max_size": None} | bounds


@pytest.mark.parametrize("count", [1, 2])
def test_few_sizes(count):
    found = fluctuations(networks(np.random.default_rng(7), size=SIZES[:count]))
    assert np.isfinite(found.fluctuation).all()
    for name in ("fluctuation_exponent", "fluctuation_exponent_error", "fluctuation_amplitude"):
        assert np.isfinite(found[name]).all() == (count == 2), name


def test_without_the_dim_size():
    ds = networks(np.random.default_rng(8))
    whole = fluctuations(ds)
    single = fluctuations(ds.sel(size=1e3))
    assert single.fluctuation.dims == ("beta", "pattern")
    assert single["size"] == 1e3
    np.testing.assert_array_equal(single.fluctuation, whole.fluctuation.sel(size=1e3))
    np.testing.assert_array_equal(single.fluctuation_error, whole.fluctuation_error.sel(size=1e3))
    assert np.isnan(single.fluctuation_exponent).all()
    xr.testing.assert_identical(fluctuations(ds.chunk(size=1, step=10).sel(size=1e3)).compute(), single)
    nameless = fluctuations(ds.sel(size=1e3, drop=True))
    assert "size" not in nameless.variables
    np.testing.assert_array_equal(nameless.fluctuation, single.fluctuation)


def test_diverged_replicas_are_left_out():
    ds = networks(np.random.default_rng(9), replicas=8)
    values = ds.m_o_semantic.values
    values[0, 1, 3, 17], values[0, 1, 5], values[0, 2, 0, 0] = np.nan, np.nan, np.inf
    found = fluctuations(ds)
    for size, kept in ((0, range(8)), (1, [0, 1, 2, 4, 6, 7]), (2, range(1, 8))):
        alone = fluctuations(ds.isel(size=[size], replica=list(kept)))
        for name in ("fluctuation", "fluctuation_error"):
            np.testing.assert_allclose(found[name][:, size], alone[name][:, 0], rtol=1e-12)
    assert np.isfinite(found.fluctuation_exponent_error).all()
    # One pattern is enough to leave a replica out of all of them.
    two = xr.concat([ds.m_o_semantic, 0.0 * ds.m_o_semantic.fillna(0.0).clip(-1, 1)], "pattern").to_dataset()
    np.testing.assert_array_equal(fluctuations(two).fluctuation[..., 0], found.fluctuation[..., 0])


def test_errors_after_a_replica_is_left_out_are_right():
    repeats = 300
    ds = networks(np.random.default_rng(10), repeats, steps=50)
    ds.m_o_semantic[:, 2, 4:, 20:] = np.nan
    found = fluctuations(ds)
    off = ((found.fluctuation_exponent + 0.5) / found.fluctuation_exponent_error).values
    assert off.std() == pytest.approx(1.05, abs=0.25)


def test_too_few_replicas_are_left():
    ds = networks(np.random.default_rng(11), replicas=4)
    ds.m_o_semantic[:, 1, 1:] = np.nan
    found = fluctuations(ds)
    assert np.isnan(found.fluctuation).values.squeeze().tolist() == [False, True, False, False]
    rest = fluctuations(ds.isel(size=[0, 2, 3]))
    np.testing.assert_allclose(found.fluctuation_exponent, rest.fluctuation_exponent, rtol=1e-12)
    np.testing.assert_allclose(found.fluctuation_exponent_error, rest.fluctuation_exponent_error, rtol=1e-12)
    # Two are left at one size: a fluctuation without an error, and a fit that weights all sizes alike.
    ds = networks(np.random.default_rng(11), replicas=4)
    ds.m_o_semantic[:, 1, 2:] = np.nan
    found = fluctuations(ds)
    assert np.isfinite(found.fluctuation).all()
    assert np.isnan(found.fluctuation_error).values.squeeze().tolist() == [False, True, False, False]
    expected = np.polyfit(np.log(SIZES), np.log(found.fluctuation.values.squeeze()), 1)[0]
    assert found.fluctuation_exponent.item() == pytest.approx(expected)
    assert np.isnan(found.fluctuation_exponent_error).all()


def test_two_replicas():
    found = fluctuations(networks(np.random.default_rng(12), replicas=2, steps=3000))
    np.testing.assert_allclose(found.fluctuation.squeeze() * np.sqrt(SIZES), 1, rtol=0.1)
    assert np.isnan(found.fluctuation_error).all()
    assert found.fluctuation_exponent.item() == pytest.approx(-0.5, abs=0.02)
    assert np.isnan(found.fluctuation_exponent_error).all()


def test_sizes_that_do_not_fluctuate_are_not_fitted():
    """Where every spin is frozen."""
    ds = networks(np.random.default_rng(13))
    expected = fluctuations(ds.isel(size=slice(3)))
    ds.m_o_semantic[:, 3] = 1.0
    found = fluctuations(ds)
    assert (found.fluctuation[:, 3] == 0).all()
    np.testing.assert_allclose(found.fluctuation_exponent, expected.fluctuation_exponent, rtol=1e-12)
    np.testing.assert_allclose(found.fluctuation_exponent_error, expected.fluctuation_exponent_error, rtol=1e-12)


def test_the_network_itself():
    """Of period 4 at β = 0.9; the mean field among the sizes does not count."""
    ds = dmfx.simulate(
        dmfx.SelfAttention.paper(),
        beta=0.9,
        gamma=220.0,
        size=[1e4, 1e6, 1e8, np.inf],
        replica=range(12),
        steps=400,
        transient=1000,
    )
    found = fluctuations(ds).squeeze().compute()
    assert (found.fluctuation.sel(size=np.inf) == 0).all()
    off = np.abs(found.fluctuation_exponent + 0.5)
    assert (off < 5 * found.fluctuation_exponent_error + 0.003).all()  # N = 10^4 is not quite linear
    assert (found.fluctuation_exponent_error < 0.01).all()


def test_small_noise_on_large_values():
    noise = 1e-9 * np.random.default_rng(14).normal(size=(20, 500, 1))
    exact = math.sqrt(noise.var(axis=0, ddof=1).mean())
    assert fluctuations(dataset(1.0 + noise)).fluctuation.item() == pytest.approx(exact, rel=1e-6)


@pytest.mark.parametrize(
    ("options", "error", "text"),
    [
        ({"min_size": -1}, ValueError, "min_size must be a finite number above 0, not -1"),
        ({"max_size": np.inf}, ValueError, "max_size must be a finite number above 0"),
        ({"min_size": "many"}, TypeError, "min_size must be a finite number above 0, not 'many'"),
        ({"min_size": 5e4, "max_size": 100}, ValueError, "min_size must be at most max_size, but 50000 is above 100"),
        ({"min_size": 5e4}, ValueError, "must leave at least two finite sizes, but leave 1"),
        ({"variable": "m", "max_size": 0}, ValueError, "2 problems: variable must be .*; max_size must be"),
    ],
)
def test_wrong_arguments(options, error, text):
    with pytest.raises(error, match=f"fluctuations: .*{text}"):
        fluctuations(networks(np.random.default_rng(0), steps=4), **options)


def test_unfit_datasets():
    ds = networks(np.random.default_rng(0), steps=4)
    for wrong in (ds.isel(replica=0), ds.isel(replica=[0])):
        with pytest.raises(ValueError, match="ds must have at least two replicas"):
            fluctuations(wrong)
    for wrong in (
        ds.drop_vars("size"),
        ds.assign_coords(size=[0.0, 1.0, 2.0, 3.0]),
        ds.assign_coords(size=list("abcd")),
    ):
        with pytest.raises(ValueError, match="ds must have numbers above 0 for coordinate of size"):
            fluctuations(wrong)
