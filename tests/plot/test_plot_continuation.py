import numpy as np
import pytest
import xarray as xr

from dmfx import analysis, plot


def labels(overlay):
    return [element.label for element in overlay if element.label]


def lines(overlay):
    """Curves that are drawn, not those of the legend."""
    return [element for element in overlay if type(element).__name__ == "Curve" and not element.label]


def path(curve):
    return np.stack([curve.dimension_values(number) for number in (0, 1)], axis=-1)


def test_stable_is_solid_and_unstable_dashed(branch, options):
    overlay = plot.continuation(branch.isel(orbit=[0]))
    stable, unstable = lines(overlay)
    # Up to the Neimark-Sacker point the orbit is stable, from there on it is not.
    np.testing.assert_allclose(path(stable), [[1.0, 0.0], [1.1, 0.1], [1.2, 0.2]])
    drawn = path(unstable)
    np.testing.assert_allclose(drawn[:4], [[1.2, 0.2], [1.3, 0.3], [1.25, 0.4], [1.2, 0.5]])
    assert np.isnan(drawn[4:]).any(axis=1).all()
    assert "line_dash" not in options(stable)
    assert options(unstable)["line_dash"] == [5, 4]
    assert "linestyle" in options(unstable, "matplotlib")
    assert options(stable)["color"] == options(unstable)["color"]


def test_parts_are_joined_across_a_gap(branch):
    ds = branch.isel(orbit=[0]).copy(deep=True)
    ds["unstable"][..., :6] = [0, 2, 2, 0, 0, 0]
    ds["special"][..., :6] = [0, 0, 0, 0, 0, 0]
    stable, unstable = lines(plot.continuation(ds))
    np.testing.assert_allclose(path(stable)[:3], [[1.3, 0.3], [1.25, 0.4], [1.2, 0.5]])
    # A step between a stable and an unstable point is drawn as unstable.
    np.testing.assert_allclose(path(unstable)[:4], [[1.0, 0.0], [1.1, 0.1], [1.2, 0.2], [1.3, 0.3]])
    ds["unstable"][..., :6] = [0, 0, 2, 0, 0, 0]
    stable, _ = lines(plot.continuation(ds))
    assert np.isnan(path(stable)[2]).all(), "nothing is drawn between two parts"


def test_bifurcations_are_marked_and_named(branch, options):
    overlay = plot.continuation(branch)
    assert labels(overlay) == ["period 4", "period 8", "stable", "unstable", "fold", "Neimark-Sacker"]
    symbols = {element.label: element for element in overlay if type(element).__name__ == "Points"}
    np.testing.assert_allclose(path(symbols["fold"]), [[1.3, 0.3]])
    np.testing.assert_allclose(path(symbols["Neimark-Sacker"]), [[1.2, 0.2]])
    markers = {options(each, backend)["marker"] for each in symbols.values() for backend in ("bokeh", "matplotlib")}
    assert len(markers) == 4
    assert symbols["Neimark-Sacker"].dimension_values("critical angle").tolist() == ["1.5"]


def test_the_same_bifurcation_of_several_branches_is_one(branch):
    overlay = plot.continuation(branch)
    points = next(element for element in overlay if element.label == "fold")
    assert len(points) == 1
    apart = branch.copy(deep=True)
    apart["orbit_max"][:, 1] += 0.5
    points = next(element for element in plot.continuation(apart) if element.label == "fold")
    assert len(points) == 2
    assert points.dimension_values("period").tolist() == ["4", "8"]


def test_branches_share_a_panel_and_periods_a_colour(branch, options, titles):
    drawn = lines(plot.continuation(branch))
    assert len(drawn) == 4
    assert len({options(each)["color"] for each in drawn}) == 2
    same = branch.assign(period=0 * branch["period"] + 4)
    assert len({options(each)["color"] for each in lines(plot.continuation(same))}) == 1
    several = xr.concat([branch, branch], "beta").assign_coords(beta=[1.0, 1.1])
    several["parameter"].attrs["along"] = "beta"
    assert len(lines(plot.continuation(several))) == 8
    two = xr.concat([branch, branch.assign_coords(gamma=[300.0])], "gamma")
    assert titles(plot.continuation(two), "bokeh") == ["γ = 220", "γ = 300"]


def test_branches_of_several_calls_share_a_panel(branch, options, titles):
    first = branch.isel(orbit=[0])
    second = branch.assign(orbit_max=branch["orbit_max"] + 1.0).isel(orbit=[1], branch_point=slice(5))
    overlay = plot.continuation([first, second])
    assert labels(overlay) == ["period 4", "period 8", "stable", "unstable", "fold", "Neimark-Sacker"]
    drawn = lines(overlay)
    assert len(drawn) == 4
    colours = [options(each)["color"] for each in drawn]
    assert colours[0] == colours[1] != colours[2] == colours[3]
    low, high = options(overlay)["ylim"]
    assert low < 0 < 1.4 < high
    alone = plot.continuation([first])
    assert [path(each).tolist() for each in lines(alone)[:1]] == [path(lines(overlay)[0]).tolist()]
    # At other points of the sweep they do not mix.
    apart = plot.continuation([first, second.assign_coords(gamma=[300.0])])
    assert titles(apart, "bokeh") == ["γ = 220", "γ = 300"]
    assert [len(lines(panel)) for panel in apart] == [2, 2]
    two = xr.concat([first, first.assign_coords(gamma=[300.0])], "gamma")
    layout = plot.continuation((two, second.isel(gamma=0)))
    assert [len(lines(panel)) for panel in layout] == [4, 2]


def test_bad_lists(branch, net):
    for bad in ([], (), None):
        with pytest.raises(TypeError, match=r"plot\.continuation: ds must be a Dataset"):
            plot.continuation(bad)
    with pytest.raises(TypeError, match=r"plot\.continuation: ds\[1\] must be a Dataset from dmfx.continuation"):
        plot.continuation([branch, net])
    other = branch.copy(deep=True)
    other["parameter"].attrs["along"] = "gamma"
    with pytest.raises(ValueError, match=r"ds must be branches along one parameter, not beta, gamma"):
        plot.continuation([branch, other.isel(gamma=0)])
    seeds = xr.concat([branch, branch], "seed").assign_coords(seed=[0, 1])
    with pytest.raises(ValueError, match=r"every Dataset of ds must have the coordinate 'seed'"):
        plot.continuation([branch, seeds])
    many = [branch.assign_coords(gamma=[float(number)]) for number in range(13)]
    with pytest.raises(ValueError, match=r"13 sweep points in all"):
        plot.continuation(many)


def test_statistics_and_patterns(branch, options):
    overlay = plot.continuation(branch, pattern=1, statistic="mean")
    assert options(overlay)["ylabel"] == "mean of A₁ along the orbit"
    assert options(overlay)["xlabel"] == "inverse temperature β"
    np.testing.assert_allclose(path(lines(overlay)[0])[:, 1], [0.0, 0.1, 0.2])
    doubled = plot.continuation(branch, pattern=1)
    np.testing.assert_allclose(path(lines(doubled)[0])[:, 1], [0.0, 0.2, 0.4])
    assert options(doubled)["ylabel"] == "largest value of A₁ along the orbit"
    low, high = options(doubled)["xlim"]
    assert low < 1.0 < 1.3 < high


def test_orbits_are_followed(monkeypatch, few, branch):
    given = {}
    monkeypatch.setattr(analysis, "continuation", lambda ds, **options: given.update(options) or branch, raising=False)
    plot.continuation(few, limits=(1.0, 1.3), along="beta", step=0.1)
    assert given == {"limits": (1.0, 1.3), "along": "beta", "step": 0.1}


@pytest.mark.slow
def test_a_branch_of_the_published_network(net):
    import dmfx

    ds = dmfx.simulate(net, beta=1.2, gamma=220.0, steps=1, transient=2000)
    overlay = plot.continuation(ds, limits=(1.2, 1.26), step=0.2)
    point = next(element for element in overlay if element.label == "Neimark-Sacker")
    assert point.dimension_values(0) == pytest.approx([1.2434], abs=1e-4)


@pytest.mark.parametrize(
    ("arguments", "error", "text"),
    [
        ({"pattern": 5}, ValueError, r"pattern must be a label of the pattern coordinate \(0, 1\), not 5"),
        ({"statistic": "median"}, ValueError, "statistic must be one of 'max', 'mean', 'min', not 'median'"),
        ({"height": 2, "columns": 0}, ValueError, "2 problems: height .*; columns"),
        ({"limits": (0, 1), "step": 0.1}, ValueError, "limits, step: only for trajectories.*already holds 'parameter'"),
        ({"statistic": "min"}, ValueError, "must have the variable 'orbit_min'"),
    ],
)
def test_bad_arguments(branch, arguments, error, text):
    with pytest.raises(error, match=rf"plot\.continuation: .*{text}"):
        plot.continuation(branch, **arguments)


def test_bad_datasets(branch, few, net):
    with pytest.raises(TypeError, match=r"plot\.continuation: ds must be a Dataset"):
        plot.continuation(net)
    with pytest.raises(TypeError, match=r"limits must be the lowest and the highest value of the parameter"):
        plot.continuation(few)
    for name in ("unstable", "special", "period"):
        with pytest.raises(ValueError, match=rf"ds must have the variable '{name}'"):
            plot.continuation(branch.drop_vars(name))
    with pytest.raises(ValueError, match=r"'parameter' with the dims branch_point"):
        plot.continuation(branch.isel(branch_point=0))
    nameless = branch.assign(parameter=branch["parameter"].drop_attrs())
    with pytest.raises(ValueError, match=r"attribute 'along' of 'parameter'"):
        plot.continuation(nameless)
    many = branch.isel(gamma=0, drop=True).expand_dims(seed=range(13))
    with pytest.raises(ValueError, match=r"13 sweep points.*along seed \(13\)"):
        plot.continuation(many)


def test_files(branch, tmp_path):
    from matplotlib.image import imread

    path = plot.save(plot.continuation(branch), tmp_path / "a.png")
    assert imread(path).shape[1::-1] == (1800, 960)
    assert plot.save(plot.continuation(branch), tmp_path / "a.html").exists()
    empty = branch.assign(parameter=branch["parameter"] * np.nan)
    empty["parameter"].attrs["along"] = "beta"
    assert plot.save(plot.continuation(empty), tmp_path / "b.png").exists()
