import dask
import dask.array as da
import numpy as np
import pytest
import xarray as xr
from hypothesis import given, settings
from hypothesis import strategies as st

from dmfx.analysis import bifurcation
from dmfx.kernels import reductions

GOLDEN = (np.sqrt(5) - 1) / 2


def dataset(values, **chunks):
    """A dataset of an array (step,), (step, pattern) or (beta, step, pattern)."""
    values = np.asarray(values, dtype=float)
    values = values[:, None] if values.ndim == 1 else values
    dims = ("beta", "step", "pattern")[-values.ndim :]
    ds = xr.Dataset({"m_o_semantic": (dims, values)})
    return ds.chunk(chunks) if chunks else ds


def noise(*shape):
    return np.random.default_rng(5).uniform(-1.2, 1.2, shape)


# Densities


@settings(max_examples=150, deadline=None)
@given(
    low=st.floats(-1e6, 1e6),
    width=st.floats(1e-9, 1e6),
    bins=st.integers(1, 400),
    data=st.data(),
)
def test_histogram_is_exact(low, width, bins, data):
    edges = np.linspace(low, low + width, bins + 1)
    if not (np.diff(edges) > 0).all():
        with pytest.raises(ValueError, match="value_range must be cut into"):
            bifurcation(dataset([0.0]), bins=bins, value_range=(low, low + width))
        return
    near = data.draw(st.lists(st.integers(0, bins), max_size=30))
    values = np.concatenate(
        [
            edges[near],
            np.nextafter(edges[near], np.inf),
            np.nextafter(edges[near], -np.inf),
            data.draw(st.lists(st.floats(low, low + width), min_size=1, max_size=30)),
            data.draw(st.lists(st.floats(), max_size=5)),
        ]
    )
    result = bifurcation(dataset(values), bins=bins, value_range=(low, low + width))
    finite = values[np.isfinite(values)]
    np.testing.assert_array_equal(result.density, np.histogram(finite, edges)[0])
    assert result.outside == ((finite < edges[0]) | (finite > edges[-1])).sum()


@pytest.mark.parametrize("plane", [None, {"pattern": 2, "value": -0.3}])
def test_density_against_numpy(plane):
    values = noise(4, 3000, 3)
    values[2] = np.nan
    values[1, :5, 1] = [1.0, -1.0, np.inf, -np.inf, np.nan]
    result = bifurcation(dataset(values), pattern=1, plane=plane, tolerance=0.2, bins=50)
    prefix = "" if plane is None else "section_"
    for beta, orbit in enumerate(values):
        seen = orbit[:, 1] if plane is None else orbit[np.abs(orbit[:, 2] + 0.3) < 0.2, 1]
        seen = seen[np.isfinite(seen)]
        expected = np.histogram(seen, np.linspace(-1, 1, 51))[0]
        np.testing.assert_array_equal(result[prefix + "density"][beta], expected)
        assert result[prefix + "outside"][beta] == (abs(seen) > 1).sum()
    assert result[prefix + "density"].dtype == result[prefix + "outside"].dtype == np.uint32
    np.testing.assert_allclose(result.value, np.arange(-0.98, 1, 0.04))


def test_attributes():
    attrs = bifurcation(dataset(noise(10, 3)), pattern=2, plane={"pattern": 1}).section_density.attrs
    assert attrs["plane"] == "pattern 1 = 0"
    assert (attrs["tolerance"], attrs["pattern"], attrs["variable"]) == (1e-3, 2, "m_o_semantic")
    assert (attrs["value_min"], attrs["value_max"], attrs["units"]) == (-1.0, 1.0, "count")
    ds = dataset(noise(10, 3)).assign(attention=lambda x: x.m_o_semantic)
    result = bifurcation(ds, kind="points", plane={"pattern": 0, "value": 0.25, "variable": "attention"})
    assert result.points.attrs["plane"] == "attention pattern 0 = 0.25"


def test_whole_orbit_and_section_merge_without_computing():
    def raiser(*args, **kwargs):
        raise AssertionError("computed")

    ds = dataset(noise(4, 30, 3), beta=2, step=10)
    with dask.config.set(scheduler=raiser):
        both = xr.merge([bifurcation(ds), bifurcation(ds, plane={"pattern": 1})])
    assert set(both.data_vars) == {"density", "outside", "section_density", "section_outside", "period"}


def test_kernel_runs_once_per_block(monkeypatch):
    calls = []
    original = reductions.histogram
    monkeypatch.setattr(reductions, "histogram", lambda *args: calls.append(1) or original(*args))
    bifurcation(dataset(noise(4, 30, 3), beta=2, step=10)).compute()
    assert len(calls) == 6


def test_blocks_are_read_in_place(monkeypatch):
    seen = []
    monkeypatch.setattr(reductions, "histogram", lambda values, *args: seen.append(values))
    ds = dataset(noise(4, 30, 3)).expand_dims(seed=1, axis=1)
    bifurcation(ds, pattern=1)
    assert np.shares_memory(seen[0], ds.m_o_semantic.values)


# Points


def test_points_are_the_last_values():
    values = noise(2, 40, 2)
    points = bifurcation(dataset(values), pattern=1, kind="points", n_points=7).points
    np.testing.assert_array_equal(points, values[:, -7:, 1])
    points = bifurcation(dataset(values), pattern=1, kind="points", n_points=50).points
    np.testing.assert_array_equal(points[:, :40], values[:, :, 1])
    assert np.isnan(points[:, 40:]).all()
    assert points.dims == ("beta", "point")


@pytest.mark.parametrize("n_points", [1, 6, 400])
def test_points_on_a_plane(n_points):
    values = noise(3, 300, 3)
    values[1] = np.nan
    points = bifurcation(
        dataset(values), "m_o_semantic", 2, {"pattern": 0}, tolerance=0.1, kind="points", n_points=n_points
    ).points
    for orbit, row in zip(values, points.values, strict=True):
        expected = orbit[np.abs(orbit[:, 0]) < 0.1, 2][-n_points:]
        np.testing.assert_array_equal(row[: expected.size], expected)
        assert np.isnan(row[expected.size :]).all()


# Periods


def period_by_definition(orbit, max_period, tolerance):
    steps = len(orbit)
    longest = min(max_period, steps // 2)
    for period in range(1, longest + 1):
        times = np.arange(steps - longest, steps)
        if (np.abs(orbit[times] - orbit[times - period]) < tolerance).all():
            return period
    return 0


@settings(max_examples=100, deadline=None)
@given(
    period=st.integers(1, 12),
    steps=st.integers(1, 60),
    max_period=st.integers(1, 40),
    start=st.integers(0, 20),
    seed=st.integers(0, 99),
)
def test_period_is_as_defined(period, steps, max_period, start, seed):
    rng = np.random.default_rng(seed)
    orbit = rng.integers(0, 3, (period, 2))[np.arange(steps) % period] * 1.0
    orbit[:start] += rng.normal(size=orbit[:start].shape)
    got = bifurcation(dataset(orbit), max_period=max_period, period_tolerance=1e-3).period
    assert got == period_by_definition(orbit, max_period, 1e-3)
    assert got.dtype == np.int32


@pytest.mark.parametrize("period", [1, 2, 4, 7, 44, 1000])
def test_known_periods(period):
    orbit = np.random.default_rng(period).normal(size=(period, 3))
    orbit = np.tile(orbit, (2000 // period + 1, 1))[:2000]
    assert bifurcation(dataset(orbit)).period == period


def test_period_needs_all_patterns():
    orbit = np.stack([np.tile([1.0, 2.0], 30), np.tile([1.0, 2.0, 3.0], 20)], axis=1)
    assert bifurcation(dataset(orbit)).period == 6


def test_no_period():
    time = np.arange(4000)
    rotation = np.cos(2 * np.pi * GOLDEN * time)
    chaos = np.empty(4000)
    chaos[0] = 0.1234
    for step in range(3999):
        chaos[step + 1] = 1 - 2 * chaos[step] ** 2
    diverged = np.full(4000, np.nan)
    late = np.where(time == 3999, np.nan, 0.5)
    orbits = np.stack([rotation, chaos, diverged, late])[..., None]
    np.testing.assert_array_equal(bifurcation(dataset(orbits)).period, 0)
    assert bifurcation(dataset([0.5])).period == 0, "one step repeats nothing"


def test_period_of_convergence_only_looks_at_the_end():
    time = np.arange(4000)
    orbit = (-1.0) ** time + np.exp(-time / 50)
    assert bifurcation(dataset(orbit)).period == 2
    assert bifurcation(dataset(orbit[:200])).period == 0


def test_period_reads_only_the_tail():
    def raiser(block):
        raise AssertionError("computed")

    values = da.from_array(np.tile([[1.0], [2.0]], (50, 1)), chunks=(10, 1))
    early = da.map_blocks(raiser, values[:80], dtype=float, meta=np.empty((0, 0)))
    ds = xr.Dataset({"m_o_semantic": (("step", "pattern"), da.concatenate([early, values[80:]]))})
    assert bifurcation(ds, max_period=10).period.compute() == 2
    points = bifurcation(ds, max_period=10, kind="points", n_points=15).points.compute()
    assert np.isfinite(points).all()


# Wrong input


@pytest.mark.parametrize(
    ("arguments", "error", "message"),
    [
        ({"bins": 0}, ValueError, "bins must be a whole number of at least 1"),
        ({"bins": 2.5}, ValueError, "bins must be a whole number"),
        ({"value_range": 1.0}, ValueError, "value_range must be two finite numbers"),
        ({"value_range": (1.0, -1.0)}, ValueError, "value_range must be two finite numbers, the lower one first"),
        ({"value_range": (0.0, np.nan)}, ValueError, r"value_range\[1\] must be a finite number, not nan"),
        ({"value_range": (-1e308, 1e308)}, ValueError, "value_range must be cut into 2000 bins, but"),
        ({"value_range": (1.0, 1.0 + 1e-15)}, ValueError, "must be cut into 2000 bins"),
        ({"kind": "lines"}, ValueError, "kind must be one of 'density', 'points', not 'lines'"),
        ({"n_points": 0}, ValueError, "n_points must be a whole number of at least 1"),
        ({"max_period": "9"}, TypeError, "max_period must be a whole number of at least 1"),
        ({"period_tolerance": 0}, ValueError, "period_tolerance must be a finite number above 0"),
        ({"bins": 0, "kind": "x", "n_points": -1}, ValueError, "3 problems: bins .*; kind .*; n_points "),
    ],
)
def test_wrong_input(arguments, error, message):
    with pytest.raises(error, match=message):
        bifurcation(dataset(noise(20, 3)), **arguments)
