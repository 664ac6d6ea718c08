import numpy as np
import pytest
import xarray as xr

import dmfx
from dmfx.analysis import basin_size
from dmfx.analysis.basins import wilson
from dmfx.dynamics.half_point import half_points
from dmfx.variables import HALF_POINTS
from tests.analysis.contract import chunks_do_not_matter, memory_is_only_read, nothing_is_computed

NOISE = np.array([0.3, 0.1, 0.2, 0.5, 0.4])
LABELS = [3, 7, 9]


def trials(rng, beta=2, replicas=12, starts=(7, 3, -1, 7, 9), steps=6, sizes=(0.2, 0.3, 0.4)):
    """Overlaps (beta, noise, replica, initial, step, pattern) that fall from step to step, or grow."""
    size = dict(zip(LABELS, sizes, strict=True))
    shape = beta, NOISE.size, replicas, len(starts)
    values = rng.uniform(-0.3, 0.5, (*shape, steps, len(LABELS)))
    for place, target in enumerate(starts):
        if target not in size:
            continue
        kept = rng.random(shape[:3]) < 1 / (1 + np.exp(30 * (NOISE[:, None] - size[target])))
        run = np.where(kept[..., None], 0.9 + 0.01 * np.arange(steps), 0.95 - 0.1 * np.arange(steps))
        values[..., place, :, LABELS.index(target)] = run
    dims = ("beta", "noise", "replica", "initial", "step", "pattern")
    coords = {"beta": np.arange(beta) + 1.0, "noise": NOISE, "pattern": LABELS, "step": np.arange(steps)}
    return xr.Dataset({"overlap": (dims, values)}, coords | {"target": ("initial", list(starts))})


@pytest.fixture(scope="module")
def ds():
    ds = trials(np.random.default_rng(0))
    ds.overlap[0, 1, 3, 0, 5:, 1] = np.nan
    return ds.assign(status=("beta", np.zeros(2, np.int8)))


def counts(ds, threshold, beta, label, step):
    """Successes and trials of one pattern at each level, one run after another."""
    hits, total = np.zeros(NOISE.size, int), np.zeros(NOISE.size, int)
    for level in range(NOISE.size):
        for start in range(ds.sizes["initial"]):
            for replica in range(ds.sizes["replica"]):
                if ds.target.values[start] == label:
                    value = ds.overlap.values[beta, level, replica, start, step, LABELS.index(label)]
                    total[level] += np.isfinite(value)
                    hits[level] += value >= threshold
    return hits, total


@pytest.mark.parametrize(("when", "step"), [("end", -1), (2, 2)])
def test_against_the_definition(ds, when, step):
    found = basin_size(ds, 0.75, when=when)
    assert found.pattern.values.tolist() == LABELS
    assert found.recall_fraction.dims == ("beta", "noise", "pattern")
    for beta in range(2):
        pooled = np.zeros((2, NOISE.size), int)
        for label in LABELS:
            hits, total = counts(ds, 0.75, beta, label, step)
            pooled += hits, total
            here = found.isel(beta=beta).sel(pattern=label)
            np.testing.assert_array_equal(here.recall_trials, total)
            np.testing.assert_allclose(here.recall_fraction, hits / total)
            low, high = wilson(hits, total)
            np.testing.assert_array_equal(here.recall_fraction_low, low)
            np.testing.assert_array_equal(here.recall_fraction_high, high)
            curve = half_points(NOISE, hits[None], total[None])
            names = "basin_size", "basin_size_low", "basin_size_high", "basin_steepness", "basin_known"
            for name, value in zip(names, curve, strict=True):
                assert here[name].item() == pytest.approx(value[0], nan_ok=True), name
        curve = half_points(NOISE, *pooled[:, None])
        np.testing.assert_array_equal(found.pooled_basin_size[beta], curve.value[0])
        np.testing.assert_array_equal(found.pooled_basin_size_high[beta], curve.high[0])
        np.testing.assert_array_equal(found.pooled_trials[beta], pooled[1])


def test_the_peak(ds):
    found = basin_size(ds, 0.8, when="peak")
    assert (found.recall_fraction == 1).all(), "the start itself is above the threshold"
    ds = trials(np.random.default_rng(2))
    later = basin_size(ds.isel(step=slice(3, None)), when="peak")
    assert (later.recall_fraction >= basin_size(ds).recall_fraction).all()
    np.testing.assert_array_equal(later.recall_fraction, basin_size(ds, when=3).recall_fraction)


def test_error_between_patterns(ds):
    found = basin_size(ds)
    sizes = []
    for label in LABELS:
        rest = ds.isel(initial=np.flatnonzero(~np.isin(ds.target, [label])))
        sizes.append(basin_size(rest).pooled_basin_size.values)
    sizes = np.array(sizes)
    expected = np.sqrt(2 / 3 * ((sizes - sizes.mean(axis=0)) ** 2).sum(axis=0))
    np.testing.assert_allclose(found.pooled_basin_size_error, expected, rtol=1e-9)
    two = basin_size(ds.isel(initial=[0, 1]))
    assert np.isnan(two.pooled_basin_size_error).all()


def test_sizes_are_found():
    found = basin_size(trials(np.random.default_rng(1), beta=1, replicas=400)).isel(beta=0)
    assert [HALF_POINTS[each] for each in found.basin_known.values] == ["fitted"] * 3
    off = np.abs(found.basin_size - [0.2, 0.3, 0.4])
    assert (off < 0.02).all()
    assert (found.basin_size_low < found.basin_size).all()
    np.testing.assert_allclose(found.basin_steepness, 30, rtol=0.3)
    certain = basin_size(trials(np.random.default_rng(1), sizes=(5.0, -5.0, 0.3)))
    assert [HALF_POINTS[each] for each in certain.basin_known[0, :2].values] == ["always", "never"]


def test_one_mixed_level():
    """Fits that are infinitely steep do not put the size on a level, of a pattern or pooled."""
    noise, hits = np.array([0.0, 0.2, 0.5, 1.0]), np.array([[30, 30, 28, 0], [30, 30, 30, 25], [30, 1, 0, 0]])
    values = np.where(np.arange(30)[:, None] < hits.T[:, None], 0.9, 0.1)[..., None]
    ds = xr.Dataset({"target_overlap": (("noise", "replica", "initial", "step"), values)}, {"noise": noise})
    found = basin_size(ds)
    assert [HALF_POINTS[each] for each in found.basin_known.values] == ["separated", "always", "separated"]
    np.testing.assert_allclose(found.basin_size, [0.75, np.nan, 0.1])
    assert (found.basin_size_low <= [0.5, 1.0, 0.0]).all()
    assert (found.basin_size_high >= [1.0, np.inf, 0.2]).all()
    for place, (known, size) in enumerate([("separated", 0.75), ("always", np.nan), ("separated", 0.1)]):
        alone = basin_size(ds.isel(initial=[place, place, place]).assign_coords(initial=[0, 1, 2]))
        assert HALF_POINTS[alone.pooled_basin_known.item()] == known
        np.testing.assert_allclose(alone.pooled_basin_size, size)
        assert np.isnan(alone.pooled_basin_size_error)


def test_own_overlaps_give_the_same(ds):
    """What tasks record: the overlap of each run with its own pattern."""
    places = [LABELS.index(each) if each in LABELS else 0 for each in ds.target.values]
    own = ds.overlap.isel(pattern=xr.DataArray(places, dims="initial"), drop=True).drop_vars("pattern")
    tasks = ds.drop_vars("overlap").assign(target_overlap=own)
    xr.testing.assert_equal(basin_size(tasks), basin_size(ds))
    # Without targets each start is a pattern.
    alone = basin_size(tasks.drop_vars("target"))
    assert alone.pattern.values.tolist() == [0, 1, 2, 3, 4]
    np.testing.assert_array_equal(alone.basin_size.sel(pattern=1), basin_size(ds).basin_size.sel(pattern=3))
    one = basin_size(tasks.isel(initial=1))
    assert one.basin_size.dims == ("beta", "pattern")
    np.testing.assert_array_equal(one.basin_size, basin_size(ds).basin_size.sel(pattern=[3]))


def test_other_dims(ds):
    renamed = basin_size(ds.rename(noise="fraction"), dim="fraction")
    np.testing.assert_array_equal(renamed.basin_size, basin_size(ds).basin_size)
    assert renamed.basin_size.attrs["along"] == "fraction"
    pooled = basin_size(ds, pool=["replica", "beta", "seed"])
    assert pooled.basin_size.dims == ("pattern",)
    assert (pooled.recall_trials.sum("noise") == basin_size(ds).recall_trials.sum(["beta", "noise"])).all()
    apart = basin_size(ds, pool=())
    assert apart.basin_size.dims == ("beta", "replica", "pattern")


@pytest.mark.parametrize("chunks", [{"beta": 1}, {"noise": 2, "replica": 5, "initial": 2}, {"step": 2, "pattern": 1}])
def test_chunks_do_not_matter(ds, chunks):
    for when in ("end", "peak"):
        chunks_do_not_matter(ds, lambda data: basin_size(data, when=when), chunks)  # noqa: B023


def test_laziness(ds):
    nothing_is_computed(ds.reset_coords("target", drop=True).assign_coords(target=7), basin_size)
    memory_is_only_read(ds, basin_size)
    assert basin_size(ds.isel(beta=slice(0))).sizes["beta"] == 0
    xr.testing.assert_identical(ds.dmft.basin_size(0.7, when="peak"), basin_size(ds, 0.7, when="peak"))
    assert dmfx.basin_size is basin_size


def test_wrong_arguments(ds):
    with pytest.raises(TypeError, match="basin_size: ds must be a Dataset of runs, not"):
        basin_size(ds.overlap)
    with pytest.raises(ValueError, match="with the dim noise, but it has"):
        basin_size(ds.isel(noise=0))
    with pytest.raises(ValueError, match="the coordinate target along initial, the label of the pattern"):
        basin_size(ds.drop_vars("target"))
    with pytest.raises(ValueError, match="none labelled 5"):
        basin_size(ds.assign_coords(target=("initial", [5] * 5)))
    with pytest.raises(ValueError, match="all targets are -1"):
        basin_size(ds.assign_coords(target=("initial", [-1] * 5)))
    with pytest.raises(ValueError, match="target along initial alone"):
        basin_size(ds.assign_coords(target=("beta", [3, 7])))
    with pytest.raises(
        ValueError, match=r"2 problems: threshold must be .*; when must be 'end', 'peak' or a label of step"
    ):
        basin_size(ds, np.nan, when=77)
    for when in ("start", True, [1], np.array([1, 2])):
        with pytest.raises(ValueError, match="when must be"):
            basin_size(ds, when=when)
    for pool in ("initial", ["noise"], "step"):
        with pytest.raises(ValueError, match="pool must be names of dims other than step, pattern, initial, noise"):
            basin_size(ds, pool=pool)
    with pytest.raises(TypeError, match="pool must be"):
        basin_size(ds, pool=3)
    with pytest.raises(ValueError, match="finite numbers for coordinate of noise"):
        basin_size(ds.drop_vars("noise"))
    with pytest.raises(TypeError, match="dim must be the name"):
        basin_size(ds, dim=3)
    with pytest.raises(ValueError, match="variable must be one of"):
        basin_size(ds, variable="m_o")
