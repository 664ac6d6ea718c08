"""Pictures of basin sizes, capacities and interference."""

import numpy as np
import pytest
import xarray as xr

import dmfx
from dmfx import plot


def elements(overlay, sort):
    return [element for element in overlay if type(element).__name__ == sort]


def labels(overlay):
    return [element.label for element in overlay if element.label]


def noisy(fractions, trials=20, levels=(0.3, 0.1, 0.2)):
    """Runs (beta, noise, replica, initial, step) of which such fractions (beta, initial, noise) succeed."""
    fractions = np.moveaxis(np.asarray(fractions, float), 1, 2)
    good = np.arange(trials)[:, None] < np.round(fractions * trials)[:, :, None]
    values = np.where(good, 0.9, 0.1)[..., None]
    dims = "beta", "noise", "replica", "initial", "step"
    coords = {"beta": np.arange(len(values)) + 1.0, "noise": list(levels)}
    return xr.Dataset({"target_overlap": (dims, values)}, coords)


@pytest.fixture
def runs():
    return noisy([[[0.1, 0.9, 0.5], [0.3, 1.0, 0.8]]])


def test_basin_size(runs, options):
    overlay = plot.basin_size(runs)
    found = dmfx.basin_size(runs).isel(beta=0)
    assert labels(overlay) == ["all patterns"]
    dots = next(each for each in elements(overlay, "Scatter") if each.label)
    assert dots.dimension_values(0).tolist() == [0.1, 0.2, 0.3]
    np.testing.assert_allclose(dots.dimension_values(1), [0.95, 0.65, 0.2])
    diamond = next(each for each in elements(overlay, "Scatter") if not each.label)
    assert diamond.dimension_values(0)[0] == found.pooled_basin_size
    assert diamond.dimension_values(1)[0] == 0.5
    bars, interval = elements(overlay, "Segments")
    assert bars.dimension_values(0).tolist() == [0.1, 0.2, 0.3]
    assert interval.array().ravel()[[0, 2]].tolist() == [found.pooled_basin_size_low, found.pooled_basin_size_high]
    fit = elements(overlay, "Curve")[1]
    at, part = fit.dimension_values(0), fit.dimension_values(1)
    assert np.interp(found.pooled_basin_size, at, part) == pytest.approx(0.5, abs=1e-3)
    assert (np.diff(part) < 0).all()
    drawn = options(overlay)
    assert drawn["ylabel"] == "fraction recalled"
    assert drawn["ylim"][0] < 0 < 1 < drawn["ylim"][1]


def test_basin_sizes_of_patterns(runs):
    overlay = plot.basin_size(dmfx.basin_size(runs), pattern=[1, 0])
    assert labels(overlay) == ["pattern 1", "pattern 0"]
    assert labels(plot.basin_size(runs, pattern=1, threshold=0.5)) == ["pattern 1"]


def test_basin_sizes_that_are_bounds():
    """A curve that is vertical, or straight lines; no diamond where there is no size."""
    certain = noisy([[[0.0, 1.0, 1.0], [1.0, 1.0, 1.0], [0.0, 0.0, 0.0]]])
    sharp = plot.basin_size(certain, pattern=0)
    assert elements(sharp, "Curve")[1].dimension_values(1).tolist() == [1, 1, 0, 0]
    np.testing.assert_allclose(elements(sharp, "Curve")[1].dimension_values(0)[1:3], 0.25)
    for pattern, end in ((1, -1), (2, 0)):
        overlay = plot.basin_size(certain, pattern=pattern)
        assert len(elements(overlay, "Scatter")) == 1
        assert elements(overlay, "Curve")[1].dimension_values(1).tolist() == [float(pattern == 1)] * 3
        x = elements(overlay, "Segments")[1].array().ravel()[[0, 2]]
        assert (x[1] > 0.3) if end else (x[0] < 0.1)


def stored(fractions, numbers):
    """Runs (beta, stored, initial, step) that recall such fractions (beta, stored) of the patterns."""
    fractions, numbers = np.asarray(fractions), np.asarray(numbers)
    start = np.arange(numbers.max())
    values = np.where(start < np.round(fractions * numbers)[..., None], 0.9, 0.1)
    values = np.where(start < numbers[:, None], values, np.nan)[..., None]
    coords = {"beta": np.arange(len(values)) + 1.0, "stored": numbers}
    return xr.Dataset({"target_overlap": (("beta", "stored", "initial", "step"), values)}, coords)


def test_capacity(options):
    ds = stored([[0.2, 1.0, 0.7], [1.0, 1.0, 1.0]], [40, 10, 20])
    first, second = plot.capacity(ds)
    found = dmfx.capacity(ds)
    dots, diamond = sorted(elements(first, "Scatter"), key=len, reverse=True)
    assert dots.dimension_values(0).tolist() == [10, 20, 40]
    np.testing.assert_allclose(dots.dimension_values(1), [1, 0.7, 0.2])
    assert diamond.dimension_values(0)[0] == found.capacity[0]
    assert elements(first, "Curve")[1].dimension_values(1).tolist() == [1, 0.7, 0.2]
    assert len(elements(second, "Scatter")) == 1
    assert not options(first)["logx"]
    wide = plot.capacity(dmfx.capacity(stored([[1.0, 0.7, 0.2]], [10, 20, 400])))
    assert options(wide)["logx"]
    assert options(wide)["xticks"] == [(10, "10"), (20, "20"), (400, "400")]
    line = elements(wide, "Curve")[1]
    np.testing.assert_allclose(np.interp(210, line.dimension_values(0), line.dimension_values(1)), 0.45, atol=1e-3)


@pytest.fixture
def patterns():
    rng = np.random.default_rng(0)
    like = rng.uniform(0, 0.5, 40)
    values = (0.9 - like + 0.05 * rng.normal(size=(2, 40)))[..., None]
    return xr.Dataset({"target_overlap": (("beta", "initial", "step"), values)}, {"beta": [1.0, 2.0]}), like


def test_interference(patterns, options):
    ds, like = patterns
    first, _ = plot.interference(ds, correlation=like, bins=4)
    found = dmfx.interference(ds, correlation=like, bins=4).isel(beta=0, similarity=0)
    dots = elements(first, "Scatter")[0]
    order = np.argsort(like)
    np.testing.assert_array_equal(np.sort(dots.dimension_values(0)), like[order])
    assert labels(first)[0].startswith(f"ρ = {found.spearman.sel(measure='final').item():.2f} (-0.")
    curve = elements(first, "Curve")[0]
    np.testing.assert_array_equal(curve.dimension_values(0), found.binned_similarity)
    np.testing.assert_array_equal(curve.dimension_values(1), found.binned_recall.sel(measure="final"))
    bars = elements(first, "ErrorBars")[0]
    np.testing.assert_array_equal(bars.dimension_values(2), found.binned_recall_error.sel(measure="final"))
    assert options(first)["xlabel"] == "similarity of the pattern to the others"
    fraction = plot.interference(dmfx.interference(ds, correlation=like), measure="fraction")
    assert options(next(iter(fraction)))["ylim"] == (-0.03, 1.04)
    square = np.add.outer(like, like)
    mean = plot.interference(ds, correlation=square, similarity="mean")
    assert options(next(iter(mean)))["xlabel"] == "mean overlap with the other patterns"


def test_interference_without_a_coefficient():
    ds = xr.Dataset({"target_overlap": (("initial", "step"), np.full((6, 2), 0.9))})
    assert labels(plot.interference(ds, correlation=np.arange(6.0))) == ["patterns", "means of bins"]


@pytest.mark.parametrize("backend", ["bokeh", "matplotlib"])
def test_both_backends(backend, runs, patterns, titles):
    ds, like = patterns
    assert titles(plot.interference(ds, correlation=like), backend) == ["β = 1", "β = 2"]
    two = xr.concat([runs, runs.assign_coords(beta=[2.0])], "beta")
    assert titles(plot.basin_size(two, pattern=[0, 1]), backend) == ["β = 1", "β = 2"]
    assert titles(plot.capacity(stored([[1, 0.2], [1, 1]], [10, 200])), backend) == ["β = 1", "β = 2"]


def test_wrong_arguments(runs, patterns):
    ds, like = patterns
    for draw in (plot.basin_size, plot.capacity, plot.interference):
        with pytest.raises(TypeError, match="ds must be a Dataset"):
            draw(runs.target_overlap)
    with pytest.raises(ValueError, match=r"pattern must be None or at most 7 labels of patterns \(0, 1\)"):
        plot.basin_size(runs, pattern=2)
    with pytest.raises(ValueError, match="threshold: only for trajectories"):
        plot.basin_size(dmfx.basin_size(runs), threshold=0.7)
    with pytest.raises(ValueError, match="measure must be one of 'final', 'peak', 'lifetime', 'fraction'"):
        plot.interference(ds, correlation=like, measure="most")
    with pytest.raises(ValueError, match="similarity must be one of 'given'"):
        plot.interference(ds, correlation=like, similarity="mean")
    with pytest.raises(ValueError, match="columns must be"):
        plot.capacity(stored([[1, 0.2]], [10, 200]), columns=0)
