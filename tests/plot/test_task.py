"""Pictures of tasks: what is drawn is what the runs have."""

import holoviews as hv
import numpy as np
import pytest
import xarray as xr

import dmfx
from dmfx import plot
from dmfx.variables import describe_dataset


@pytest.fixture
def runs():
    """Made up: dims (ablation, beta, noise, replica, initial, step)."""
    values = np.random.default_rng(0).random((4, 2, 3, 5, 6, 4))
    dims = ("ablation", "beta", "noise", "replica", "initial", "step")
    coords = {"ablation": list(dmfx.variables.ABLATIONS), "beta": [1.0, 2.0], "noise": [0.4, 0.0, 0.2]}
    ds = xr.Dataset({"target_overlap": (dims, values)}, coords | {"step": np.arange(4)})
    return describe_dataset(ds)


def curves(overlay):
    return {each.label: each for each in overlay if type(each) is hv.Curve}  # an Area is one, too


def test_curves_are_means_and_bands_hold_a_part(runs):
    picture = plot.task(runs.sel(beta=1.0))
    ordered = runs.sel(beta=1.0).isel(step=-1).sortby("noise").target_overlap
    for number, label in enumerate(["whole network", "no residual", "uniform attention", "symmetric"]):
        mean = ordered.isel(ablation=number).mean(["replica", "initial"])
        found = curves(picture)[label]
        assert [str(dim) for dim in found.dimensions()] == ["noise", "target_overlap"]
        np.testing.assert_allclose(found.dimension_values(0), [0.0, 0.2, 0.4])
        np.testing.assert_allclose(found.dimension_values(1), mean)
    band = next(each for each in picture if isinstance(each, hv.Area))
    ends = ordered.isel(ablation=0).quantile([0.16, 0.84], ["replica", "initial"])
    np.testing.assert_allclose([band.dimension_values(1), band.dimension_values(2)], ends)


def test_panels_steps_and_what_is_told_apart(runs):
    panels = list(plot.task(runs, x="step", by="noise"))
    assert len(panels) == 8
    assert panels[3].label == "ablation = no residual, β = 2"
    assert list(curves(panels[0])) == ["noise = 0.4", "noise = 0", "noise = 0.2"]
    mean = runs.target_overlap.isel(ablation=1, beta=1, noise=1).mean(["replica", "initial"])
    np.testing.assert_allclose(curves(panels[3])["noise = 0"].dimension_values(1), mean)
    one = plot.task(runs.isel(ablation=0, beta=0), x="noise", step=2, band=0.0)
    assert not any(isinstance(each, hv.Area) for each in one)
    expected = runs.isel(ablation=0, beta=0).sel(step=2).sortby("noise").target_overlap.mean(["replica", "initial"])
    np.testing.assert_allclose(curves(one)[""].dimension_values(1), expected)


def test_runs_that_are_not_finite_are_left_out(runs):
    values = runs.target_overlap.copy()
    values[..., 0, :, -1] = np.nan
    values[:, :, 1] = np.nan  # noise 0
    picture = plot.task(runs.assign(target_overlap=values).isel(ablation=0, beta=0))
    expected = values.isel(ablation=0, beta=0, step=-1, noise=2).isel(replica=slice(1, None)).mean()
    drawn = curves(picture)[""].dimension_values(1)
    assert np.isnan(drawn[0])
    assert drawn[1] == pytest.approx(float(expected))


def test_a_lazy_task_is_drawn_in_both_ways(net_runs, tmp_path):
    for picture in (net_runs.dmft.plot.task(), net_runs.dmft.plot.task(variable="hidden_error", x="step")):
        for name in ("a.png", "a.html"):
            assert plot.save(picture, tmp_path / name, overwrite=True).stat().st_size > 10_000


@pytest.fixture(scope="module")
def net_runs():
    patterns = dmfx.tokens.random(30, 8, 4)
    net = dmfx.VectorAttention(dmfx.couplings.hebbian(patterns), patterns)
    nets = {1: net.with_patterns(patterns[:1]), 30: net}
    return dmfx.masked_prediction(nets, patterns[:3], beta=1.0, gamma=0.0, fraction=[0.2, 0.5], steps=3)


def test_numbers_of_stored_examples_have_a_logarithmic_axis(net_runs, options):
    picture = plot.task(net_runs, x="stored")
    assert options(picture)["logx"]
    assert [text for _, text in options(picture)["xticks"]] == [str(n) for n in net_runs.stored.values]
    assert "logx" not in options(plot.task(net_runs))


def test_starts_count_in_networks_that_have_stored_their_example():
    values = np.random.default_rng(1).random((3, 6, 4))
    coords = {"stored": [2, 4, 6], "target": ("initial", [0, 1, 2, 3, 4, 5]), "step": np.arange(4)}
    ds = xr.Dataset({"target_overlap": (("stored", "initial", "step"), values)}, coords)
    expected = [values[place, :number, -1].mean() for place, number in enumerate([2, 4, 6])]
    np.testing.assert_allclose(curves(plot.task(ds, x="stored"))[""].dimension_values(1), expected)
    by = curves(plot.task(ds, x="step"))
    np.testing.assert_allclose(by["stored = 4"].dimension_values(1), values[1, :4].mean(axis=0))
    one = curves(plot.task(ds.isel(stored=0)))[""].dimension_values(1)
    np.testing.assert_allclose(one, values[0].mean(axis=0), err_msg="all starts of one number")
    unknown = curves(plot.task(ds.drop_vars("target"), x="stored"))[""].dimension_values(1)
    np.testing.assert_allclose(unknown, values[..., -1].mean(axis=1))
    with pytest.raises(ValueError, match="from an example that is stored; select one number"):
        plot.task(ds.assign_coords(target=ds.target + 6), x="stored")


@pytest.mark.parametrize(
    ("kwargs", "expected"),
    [
        ({"variable": "overlap"}, "ds must have the variable 'overlap'"),
        ({"x": "gamma"}, "x must be a sweep dim"),
        ({"x": "ablation"}, "x must be a dim with numbers"),
        ({"by": "noise", "x": "noise"}, "by must be a dim other than the horizontal axis"),
        ({"by": "step", "x": "noise"}, "by must be a dim other than the horizontal axis"),
        ({"by": "initial"}, "by must be a dim with coordinate"),
        ({"step": 7}, "step must be a label of step (0 to 3)"),
        ({"step": 1, "x": "step"}, "step goes with another x"),
        ({"band": 1.5}, "band must be"),
        ({"columns": 0}, "columns must be"),
        ({"width": 10}, "width must be"),
        ({"x": "replica"}, "with numbers for coordinate"),
    ],
)
def test_wrong_arguments(runs, kwargs, expected):
    with pytest.raises(ValueError, match=r"^plot\.task: ") as caught:
        plot.task(runs, **kwargs)
    assert expected in str(caught.value)


def test_too_many_curves_or_panels(runs):
    wide = xr.concat([runs.isel(beta=[0]).assign_coords(beta=[b]) for b in range(13)], "beta")
    with pytest.raises(ValueError, match="gives 13 curves, and at most 10"):
        plot.task(wide, by="beta")
    with pytest.raises(ValueError, match="13 sweep points, one panel each"):
        plot.task(wide)
    with pytest.raises(TypeError, match="ds must be a Dataset"):
        plot.task(None)
