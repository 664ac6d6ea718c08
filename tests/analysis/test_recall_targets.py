"""What `dmfx.recall` says of runs that know the pattern of their own."""

import numpy as np
import pytest
import xarray as xr

from dmfx.analysis import recall
from tests.analysis.contract import chunks_do_not_matter
from tests.analysis.test_recall import KIND, runs


def test_targets():
    run = np.zeros((4, 10, 3))
    run[0, :, 1], run[1, :4, 2], run[1, 4:, 0], run[2, :, 0] = 0.9, 0.95, 0.85, 1.0
    ds = runs(run, ("initial",), target=("initial", [11, 12, -1, 10]), pattern=[10, 11, 12])
    found = recall(ds, window=4)
    assert found.correct.values.tolist() == [1, 0, 2, 1]
    assert found.correct.attrs["flag_meanings"] == "no yes no_target not_stored"
    np.testing.assert_allclose(found.target_peak, [0.9, 0.95, np.nan, 0.0])
    np.testing.assert_allclose(found.target_final, [0.9, 0.0, np.nan, 0.0])
    np.testing.assert_allclose(found.target_lifetime, [10, 4, np.nan, 0.0])
    part = recall(ds, [10, 12], window=4)
    assert part.correct.values.tolist() == [2, 0, 2, 1], "no target among those that are followed"
    assert recall(ds.isel(initial=1), window=4).correct == 0
    assert "correct" not in recall(ds.drop_vars("target"))


def test_starts_from_patterns_that_a_network_does_not_store():
    run = np.full((2, 4, 5, 4), 0.1)
    run[..., np.arange(4), :, np.arange(4)] = 0.9
    ds = runs(run, ("stored", "initial"), stored=[2, 3], target=("initial", [0, 2, 3, -1]), pattern=[0, 1, 2, 3])
    found = recall(ds)
    assert found.correct.attrs["flag_meanings"] == "no yes no_target not_stored"
    assert found.correct.dims == ("stored", "initial")
    assert found.correct.dtype == np.int8
    assert found.correct.values.tolist() == [[1, 3, 3, 2], [1, 0, 3, 2]]
    np.testing.assert_allclose(found.target_final[0], [0.9, 0.1, 0.1, np.nan])
    assert np.isfinite(found.target_final.where(found.stored > found.target)).sum() == 1 + 2
    named = ds.assign_coords(pattern=list("abcd"), target=("initial", ["a", "c", "d", ""]))
    np.testing.assert_array_equal(recall(named).correct, found.correct)
    np.testing.assert_array_equal(recall(ds.isel(stored=0)).correct, found.correct[0])
    np.testing.assert_array_equal(recall(ds, [2, 3]).correct, [[2, 3, 3, 2], [2, 1, 3, 2]])
    chunks_do_not_matter(ds, recall, {"stored": 1, "initial": 3})


def test_overlaps_with_a_pattern_of_its_own():
    rng = np.random.default_rng(8)
    values = rng.uniform(0.6, 1.0, (3, 20, 4))
    values[:, 15:] = values[:, 15:16]
    every = runs(values.repeat(4, axis=0), ("initial",), target=("initial", np.tile(np.arange(4), 3)))
    own = every.overlap.isel(pattern=every.target, drop=True).to_dataset(name="target_overlap")
    change = xr.DataArray(np.full((12, 20), 0.1), dims=("initial", "step"))
    for ds in (own, own.drop_vars("target"), own.assign_coords(target=("initial", np.full(12, -1)))):
        found, expected = recall(ds, window=5), recall(every, window=5)
        assert set(found.data_vars) == {
            "target_final", "target_peak", "target_lifetime", "target_lifetime_ended", "final_kind", "final_period"
        }  # fmt: skip
        for name in found.data_vars:
            np.testing.assert_array_equal(found[name], expected[name], err_msg=name)
    mine = np.arange(12), np.tile(np.arange(4), 3)
    np.testing.assert_array_equal(found.target_lifetime_ended, expected.lifetime_ended.values[mine])
    both = every.assign(target_overlap=own.target_overlap, change=change)
    found = recall(both, variable="target_overlap", window=5)
    assert "nearest" not in found
    assert (found.final_kind == KIND["moving"]).all()
    assert found.target.dims == ("initial",)
    assert "nearest" in recall(both)
    chunks_do_not_matter(own, recall, {"initial": 5})
    with pytest.raises(ValueError, match="patterns must be left out for 'target_overlap'"):
        recall(both, [0], variable="target_overlap")
