import numpy as np
import pytest
import xarray as xr

import dmfx
from dmfx.analysis import capacity
from dmfx.analysis.basins import wilson
from dmfx.variables import CAPACITY_KINDS
from tests.analysis.contract import chunks_do_not_matter, memory_is_only_read, nothing_is_computed

STORED = np.array([2, 4, 8, 16])


def networks(fractions, replicas=1, stored=STORED, seed=0):
    """Overlaps (beta, stored, replica, initial, step) of which such fractions (beta, stored) of the stored succeed."""
    rng = np.random.default_rng(seed)
    values = np.full((len(fractions), stored.size, replicas, max(stored), 3), np.nan)
    for index in np.ndindex(len(fractions), stored.size):
        good = np.arange(stored[index[1]]) < round(fractions[index[0]][index[1]] * stored[index[1]])
        good = rng.permuted(np.tile(good, (replicas, 1)), axis=1)
        values[index][:, : good.shape[1]] = np.where(good, 0.9, 0.2)[..., None]
    dims = "beta", "stored", "replica", "initial", "step"
    return xr.Dataset({"target_overlap": (dims, values)}, {"stored": stored, "beta": np.arange(len(fractions)) + 1.0})


def test_a_curve_that_falls_once():
    found = capacity(networks([[1, 0.75, 0.25, 0]]), size=10).isel(beta=0)
    np.testing.assert_allclose(found.recall_fraction, [1, 0.75, 0.25, 0])
    assert found.recall_trials.values.tolist() == [2, 4, 8, 16]
    assert found.capacity == pytest.approx(6)
    assert found.capacity_load == pytest.approx(0.6)
    assert CAPACITY_KINDS[found.capacity_known.item()] == "crossed"
    low, high = wilson(np.array([2, 3, 2, 0]), STORED)
    np.testing.assert_array_equal(found.recall_fraction_low, low)
    np.testing.assert_array_equal(found.recall_fraction_high, high)
    # The lower end is below one half from the start, the upper one falls through it after 8.
    assert found.capacity_low == 0
    assert found.capacity_high == pytest.approx(8 + 8 * (high[2] - 0.5) / (high[2] - high[3]))
    assert found.capacity_load_high == found.capacity_high / 10


def test_kinds():
    curves = [[1, 1, 1, 1], [0, 0, 0, 0], [1, 0, 1, 0], [1, 0, 0, 1], [0, 0, 1, 1], [0, 1, 0, 0], [1, 1, 1, 0.5]]
    found = capacity(networks(curves))
    names = ["always", "never", "crossed_again", "crossed_again", "crossed_again", "crossed_again", "always"]
    assert [CAPACITY_KINDS[each] for each in found.capacity_known.values] == names
    np.testing.assert_allclose(found.capacity, [np.nan, np.nan, 3, 3, np.nan, 6, np.nan])
    assert found.capacity_high[0] == np.inf
    assert found.capacity_low[1] == 0
    assert "capacity_load" not in found
    nothing = capacity(networks(curves[:1]) * np.nan)
    assert CAPACITY_KINDS[nothing.capacity_known.item()] == "no_trials"
    assert np.isnan(nothing.recall_fraction).all()


def test_patterns_are_the_trials():
    """Replicas give each pattern a fraction; they do not narrow the interval."""
    ds = networks([[0.5, 0.5, 0.5, 0.25]], replicas=40)
    found = capacity(ds).isel(beta=0)
    np.testing.assert_allclose(found.recall_fraction, [0.5, 0.5, 0.5, 0.25])
    assert found.recall_trials.values.tolist() == [2, 4, 8, 16]
    np.testing.assert_allclose(found.recall_fraction_low, wilson(np.array([1, 2, 4, 4]), STORED)[0])
    apart = capacity(ds, pool=())
    assert apart.capacity.dims == ("beta", "replica")


def test_starts_count_where_their_pattern_is_stored():
    ds = networks([[1, 0.75, 0.25, 0]]).fillna(0.95)
    with_patterns = xr.Dataset()
    values = np.full((1, 4, 1, 16, 3, 16), 0.99)
    values[..., np.arange(16), :, np.arange(16)] = np.moveaxis(ds.target_overlap.values, 3, 0)
    with_patterns["overlap"] = (*ds.target_overlap.dims, "pattern"), values
    with_patterns = with_patterns.assign_coords(ds.coords).assign_coords(target=("initial", np.arange(16)))
    found, expected = capacity(with_patterns), capacity(networks([[1, 0.75, 0.25, 0]]))
    for name in expected:
        np.testing.assert_array_equal(found[name], expected[name])
    order = [2, 0, 3, 1]
    xr.testing.assert_identical(capacity(with_patterns.isel(stored=order)), found)


def test_the_size_of_the_network():
    ds = networks([[1, 0.75, 0.25, 0]])
    assert capacity(ds.assign_coords(size=30.0)).capacity_load == pytest.approx(0.2)
    assert capacity(ds.assign(final_tokens=("token", np.zeros(60)))).capacity_load == pytest.approx(0.1)
    assert "capacity_load" not in capacity(ds.assign_coords(size=np.inf))


def test_coverage():
    """The capacity is in the interval more often than 95 %, as both ends must be missed by as many curves at once."""
    rng = np.random.default_rng(1)
    stored = np.arange(10, 101, 10)
    fraction = 1 / (1 + np.exp(0.1 * (stored - 52)))
    success = rng.random((400, stored.size, 1, 100, 1)) < fraction[:, None, None, None]
    values = np.where(np.arange(100)[:, None] < stored[:, None, None, None], np.where(success, 0.9, 0.1), np.nan)
    ds = xr.Dataset({"target_overlap": (("beta", "stored", "replica", "initial", "step"), values)}, {"stored": stored})
    found = capacity(ds)
    inside = (found.capacity_low <= 52) & (found.capacity_high >= 52)
    assert inside.mean() > 0.93
    assert abs(found.capacity.mean() - 52) < 1


@pytest.mark.parametrize("chunks", [{"beta": 1}, {"stored": 3, "initial": 5}, {"step": 1, "replica": 1}])
def test_chunks_do_not_matter(chunks):
    rng = np.random.default_rng(2)
    ds = networks(rng.random((3, 4)), replicas=3).assign(status=("beta", np.zeros(3, np.int8)))
    chunks_do_not_matter(ds, lambda data: capacity(data, size=7), chunks)


def test_laziness():
    ds = networks([[1, 0.5, 0.5, 0]])
    nothing_is_computed(ds, capacity)
    memory_is_only_read(ds, capacity)
    assert capacity(ds.isel(beta=slice(0))).sizes["beta"] == 0
    xr.testing.assert_identical(ds.dmft.capacity(0.5, size=3), dmfx.capacity(ds, 0.5, size=3))


def test_wrong_arguments():
    ds = networks([[1, 0.5, 0.5, 0]])
    with pytest.raises(TypeError, match="capacity: ds must be a Dataset of runs, not"):
        capacity(ds.target_overlap)
    with pytest.raises(ValueError, match="with the dim stored, but it has"):
        capacity(ds.isel(stored=0))
    with pytest.raises(ValueError, match=r"2 problems: .*numbers above 0 for coordinate of stored; size must be"):
        capacity(ds.assign_coords(stored=[0, 1, 2, 3]), size=-1)
    with pytest.raises(TypeError, match="dim must be the name"):
        capacity(ds, dim=None)
    with pytest.raises(ValueError, match="when must be"):
        capacity(ds, when="never")
    with pytest.raises(ValueError, match="pool must be"):
        capacity(ds, pool="stored")


def test_starts_that_a_network_has_not_stored_are_no_trials():
    stored = np.array([2, 4])
    overlaps = np.array([[0.9, 0.9, 0.3, 0.3], [0.9, 0.9, 0.9, 0.9]])  # the last two are unknown to the first network
    ds = xr.Dataset(
        {"target_overlap": (("stored", "initial", "step"), overlaps[..., None])},
        {"stored": stored, "target": ("initial", np.arange(4))},
    )
    found = dmfx.capacity(ds)
    assert found.recall_fraction.values.tolist() == [1.0, 1.0]
    assert found.recall_trials.values.tolist() == [2, 4]
    # Targets that are texts have no order: all count.
    named = dmfx.capacity(ds.assign_coords(target=("initial", list("abcd"))))
    assert named.recall_fraction.values.tolist() == [0.5, 1.0]
