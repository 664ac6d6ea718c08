import warnings

import numpy as np
import pytest
import xarray as xr

import dmfx
from dmfx import plot

DIMS = ("pattern", "token", "component")


def alike(similarity, patterns=6, seed=0):
    """Configurations of 40 tokens that overlap with each other by about a number."""
    rng = np.random.default_rng(seed)
    own = rng.normal(size=(patterns, 40, 30))
    own *= np.sqrt(1 - similarity) / np.linalg.norm(own, axis=-1, keepdims=True)
    own[..., 0] += np.sqrt(similarity)
    return own / np.linalg.norm(own, axis=-1, keepdims=True)


def runs(patterns):
    values = np.random.default_rng(1).uniform(0, 1, (3, len(patterns), 8))
    return xr.Dataset(
        {"target_overlap": (("noise", "initial", "step"), values), "patterns": (DIMS, patterns)},
        {"noise": [0.1, 0.2, 0.3], "target": ("initial", np.arange(len(patterns)))},
    )


def calls():
    """Each way to ask, as a function of runs and further arguments."""
    return {
        "recall": lambda ds, **more: dmfx.recall(ds, **more),
        "basin_size": lambda ds, **more: dmfx.basin_size(ds, **more),
        "interference": lambda ds, **more: dmfx.interference(ds, **more),
        "capacity": lambda ds, **more: dmfx.capacity(ds.rename(noise="stored") * 1.0, dim="stored", **more),
        "accessor": lambda ds, **more: ds.dmft.basin_size(**more),
        "plot": lambda ds, **more: plot.basin_size(ds, **more),
        "plot accessor": lambda ds, **more: ds.dmft.plot.basin_size(**more),
    }


@pytest.mark.parametrize("name", calls())
def test_the_default_does_not_tell_similar_patterns_apart(name):
    call, ds = calls()[name], runs(alike(0.93))
    ds = ds.assign_coords(noise=[10, 20, 30])
    with pytest.warns(
        UserWarning, match=r"by 0\.9\d* \(median\), more than the threshold 0\.8.*pass threshold=0\.9"
    ) as seen:
        call(ds)
    assert [each.filename for each in seen] == [__file__], "once, at the line of the user"
    call(ds, threshold=0.8)
    call(ds, threshold=0.95)
    call(runs(alike(0.5)).assign_coords(noise=[10, 20, 30]))


def test_none_is_the_default():
    ds = runs(alike(0.3))
    xr.testing.assert_identical(dmfx.basin_size(ds), dmfx.basin_size(ds, 0.8))
    xr.testing.assert_identical(dmfx.recall(ds, threshold=None), dmfx.recall(ds, threshold=0.8))
    assert dmfx.recall(ds).target_final.attrs["threshold"] == 0.8


@pytest.mark.parametrize(("similarity", "low", "high"), [(0.85, 0.85, 1), (0.99, 0.99, 1), (0.995, 0.995, 1)])
def test_the_advice_is_possible(similarity, low, high):
    with pytest.warns(UserWarning, match="pass threshold") as seen:
        dmfx.basin_size(runs(alike(similarity)))
    advice = float(str(seen[0].message).split("threshold=")[1].split(",")[0])
    assert low < advice < high


def test_what_is_not_looked_at():
    patterns = alike(0.95)
    copies = runs(np.repeat(patterns[:1], 6, axis=0))
    with pytest.warns(UserWarning, match="leave the copies out"):
        dmfx.basin_size(copies)
    ds = runs(patterns)
    others = [
        ds.drop_vars("patterns"),
        ds.assign(patterns=ds.patterns.chunk(pattern=2)),
        ds.assign(patterns=ds.patterns.expand_dims(seed=2)),
        ds.drop_vars("patterns").assign(patterns=ds.patterns.isel(pattern=[0])),
        ds.assign(patterns=ds.patterns.where(ds.patterns != ds.patterns[2])),
        ds.drop_vars("patterns").assign(patterns=(DIMS, np.repeat(patterns[:1, :1], 2001, axis=0))),
    ]
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        for each in others:
            dmfx.basin_size(each)


def test_configurations_that_are_given_are_what_is_looked_at():
    patterns = alike(0.95)
    ds = xr.Dataset({"tokens": (("step", "token", "component"), patterns[[0] * 4])})
    with pytest.warns(UserWarning, match="pass threshold"):
        dmfx.recall(ds, patterns)
    dmfx.recall(ds.assign(patterns=(DIMS, patterns)), alike(0.2), variable=None)
