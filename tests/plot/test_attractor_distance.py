import numpy as np
import pytest
import xarray as xr

from dmfx import analysis, plot
from dmfx.variables import describe_dataset

SIZES = [1e6, np.inf, 1e2, 1e4]


def found(beta=(1.2,), replicas=5, patterns=3, floor=1e-3):
    """What `dmfx.attractor_distance` returns: N^-1/2 times 1, 2, 3 for the patterns, replicas within a factor of 2."""
    size = np.array(SIZES)
    spread = np.linspace(0.5, 1.0, replicas)
    distance = size[:, None, None] ** -0.5 * spread[:, None] * (1.0 + np.arange(patterns))
    distance = np.stack([distance] * len(beta))
    return describe_dataset(
        xr.Dataset(
            {
                "distance": (("beta", "size", "replica", "pattern"), distance, {"variable": "m_o_semantic"}),
                "joint_distance": (("beta", "size", "replica"), distance.mean(axis=-1)),
                "distance_floor": (("beta", "pattern"), np.full((len(beta), patterns), floor)),
                "joint_distance_floor": ("beta", np.full(len(beta), floor)),
            },
            {"beta": list(beta), "size": size, "replica": np.arange(replicas), "pattern": np.arange(patterns)},
        )
    )


def elements(overlay, sort):
    return [element for element in overlay if type(element).__name__ == sort]


def curves(overlay, label=None):
    """The curves with an extent, not those for the legend."""
    drawn = [each for each in elements(overlay, "Curve") if np.ptp(each.dimension_values(0)) > 0]
    return [each for each in drawn if np.ptp(each.dimension_values(1)) == 0] if label == "floor" else drawn


def labels(overlay):
    return [element.label for element in overlay if element.label]


def test_points_and_bars(options):
    overlay = plot.attractor_distance(found())
    marks, bars = elements(overlay, "Scatter"), elements(overlay, "ErrorBars")
    assert [each.label for each in marks] == ["mᵒ₀", "mᵒ₁", "mᵒ₂", "all patterns"]
    assert len(bars) == 4
    for number, (mark, bar) in enumerate(zip(marks[:3], bars, strict=False)):
        high = (number + 1) * np.array([0.1, 0.01, 0.001])
        assert mark.dimension_values(0).tolist() == [1e2, 1e4, 1e6], "sorted, without the mean field"
        np.testing.assert_allclose(mark.dimension_values(1), 0.75 * high)
        np.testing.assert_allclose(bar.dimension_values(2), 0.25 * high)
        np.testing.assert_allclose(bar.dimension_values(3), 0.25 * high)
        assert options(mark)["color"] == options(bar)["color"] == options(bar, "matplotlib")["edgecolor"]
    assert len({options(mark)["color"] for mark in marks}) == 4
    for backend in ("bokeh", "matplotlib"):
        drawn = options(overlay, backend)
        assert drawn["logx"]
        assert drawn["logy"]
        assert drawn["xlim"][0] < 1e2 < 1e6 < drawn["xlim"][1]
        assert drawn["ylim"][0] < 0.5e-3 < 0.3 < drawn["ylim"][1]
        assert drawn["xlabel"] == "number of spins N"
        assert drawn["ylabel"].replace("\n", " ") == "Wasserstein distance to the mean\u2011field attractor W₁"


def test_floor_and_guide(options):
    overlay = plot.attractor_distance(found(floor=2e-3))
    assert labels(overlay)[:2] == ["floor", "slope -1/2"]
    floors = curves(overlay, "floor")
    assert len(floors) == 4
    assert all(floor.dimension_values(1).tolist() == [2e-3, 2e-3] for floor in floors)
    assert len({options(floor)["color"] for floor in floors}) == 4
    guide = next(each for each in curves(overlay) if options(each)["line_dash"] == [2, 3])
    (x0, x1), (y0, y1) = guide.dimension_values(0), guide.dimension_values(1)
    assert np.log(y1 / y0) / np.log(x1 / x0) == pytest.approx(-0.5)
    assert y0 > 0.3, "above the points"


def test_a_floor_far_below_is_left_out(options):
    overlay = plot.attractor_distance(found(floor=1e-18))
    assert "floor" not in labels(overlay)
    assert options(overlay)["ylim"][0] > 1e-4
    assert "floor" not in labels(plot.attractor_distance(found(floor=0.0)))
    assert "floor" not in labels(plot.attractor_distance(found(floor=np.nan)))


def test_what_is_drawn():
    ds = found()
    assert labels(plot.attractor_distance(ds, joint=False))[2:] == ["mᵒ₀", "mᵒ₁", "mᵒ₂"]
    one = plot.attractor_distance(ds, pattern=1)
    assert labels(one) == ["floor", "slope -1/2"]
    assert len(elements(one, "Scatter")) == 1
    assert len(elements(plot.attractor_distance(found(patterns=1)), "Scatter")) == 1
    bare = plot.attractor_distance(ds[["distance"]].drop_vars("pattern"))
    assert labels(bare) == ["slope -1/2", "mᵒ₀", "mᵒ₁", "mᵒ₂"]


def test_colours_stay_with_their_pattern(options):
    every = elements(plot.attractor_distance(found()), "Scatter")
    one = elements(plot.attractor_distance(found(), pattern=2), "Scatter")
    assert options(one[0])["color"] == options(every[2])["color"]


def test_without_replicas():
    overlay = plot.attractor_distance(found().isel(replica=0))
    for bar in elements(overlay, "ErrorBars"):
        assert bar.dimension_values(2).tolist() == bar.dimension_values(3).tolist() == [0.0, 0.0, 0.0]


def test_diverged_and_zero():
    ds = found()
    ds["distance"][0, 0, :, :] = np.nan
    ds["distance"][0, 2, 1, 0] = np.nan
    ds["distance"][0, 3, 0, 0] = 0.0
    overlay = plot.attractor_distance(ds, pattern=0)
    (mark,), (bar,) = elements(overlay, "Scatter"), elements(overlay, "ErrorBars")
    assert mark.dimension_values(0).tolist() == [1e2, 1e4]
    kept = 0.1 * np.array([0.5, 0.75, 0.875, 1.0])
    assert mark.dimension_values(1)[0] == pytest.approx(np.median(kept))
    assert 0 < bar.dimension_values(2)[1] < mark.dimension_values(1)[1], "a logarithmic axis does not show 0"


def test_panels(titles, options):
    layout = plot.attractor_distance(found(beta=(1.2, 1.3)))
    assert titles(layout, "bokeh") == titles(layout, "matplotlib") == ["β = 1.2", "β = 1.3"]
    first, second = layout
    assert options(first)["ylim"] == options(second)["ylim"]
    nothing = found(beta=(1.2, 1.3))
    nothing["distance"][1] = nothing["joint_distance"][1] = np.nan
    assert len(plot.attractor_distance(nothing)) == 2


@pytest.mark.parametrize("suffix", ["png", "html"])
def test_kept(tmp_path, suffix):
    nothing = found(beta=(1.2, 1.3))
    for values in nothing.values():
        values[1] = np.nan
    assert plot.save(plot.attractor_distance(nothing), tmp_path / f"picture.{suffix}").exists()


def test_trajectories_are_analysed(monkeypatch, few):
    given = {}

    def attractor_distance(ds, **options):
        given.update(options, ds=ds)
        return found()

    monkeypatch.setattr(analysis, "attractor_distance", attractor_distance)
    plot.attractor_distance(few, reference=few, variable="attention", directions=5)
    assert given == {"ds": few, "reference": few, "variable": "attention", "directions": 5}
    given.clear()
    few.dmft.plot.attractor_distance()
    assert given == {"ds": few}


def test_trajectories():
    runs = np.random.default_rng(0).normal(size=(3, 4, 100, 2)) * np.array([1e-1, 1e-2, 0])[:, None, None, None]
    dims = ("size", "replica", "step", "pattern")
    ds = xr.Dataset({"m_o_semantic": (dims, runs)}, {"size": [1e2, 1e4, np.inf]})
    assert labels(plot.attractor_distance(ds)) == ["slope -1/2", "mᵒ₀", "mᵒ₁", "all patterns"]
    assert labels(plot.attractor_distance(ds.chunk(size=1), directions=3))[-1] == "all patterns"


@pytest.mark.parametrize(
    ("arguments", "error", "text"),
    [
        ({"pattern": 7}, ValueError, r"pattern must be a label of the pattern coordinate \(0, 1, 2\), not 7"),
        ({"joint": 1}, TypeError, "joint must be True or False"),
        ({"width": 3, "columns": 0}, ValueError, "2 problems: width .*; columns must be"),
        ({"directions": 3}, ValueError, "directions: only for trajectories, but ds already holds 'distance'"),
    ],
)
def test_wrong_arguments(arguments, error, text):
    with pytest.raises(error, match=rf"plot\.attractor_distance: .*{text}"):
        plot.attractor_distance(found(), **arguments)


def test_unfit_datasets():
    with pytest.raises(TypeError, match="ds must be a Dataset"):
        plot.attractor_distance(3)
    with pytest.raises(ValueError, match=r"'distance' with the dims size, pattern"):
        plot.attractor_distance(found().isel(size=0))
    for wrong in (found().isel(size=[1]), found().drop_vars("size")):
        with pytest.raises(ValueError, match=r"ds must have finite sizes, numbers above 0 along size"):
            plot.attractor_distance(wrong)
    with pytest.raises(ValueError, match="14 sweep points"):
        plot.attractor_distance(found(beta=np.arange(14.0)))
    nothing = found()
    nothing["distance"][:] = nothing["joint_distance"][:] = np.nan
    with pytest.raises(ValueError, match="ds has no finite values of 'distance' above 0 to draw"):
        plot.attractor_distance(nothing)


def test_floors_of_joined_results_follow_the_size():
    ds = xr.Dataset(
        {
            "distance": (("size", "pattern"), [[0.3], [0.2], [0.1]]),
            "distance_floor": (("size", "pattern"), [[0.03], [0.02], [0.01]]),
        },
        {"size": [1e2, 1e3, 1e4], "pattern": [0]},
    )
    lines = [each for each in plot.attractor_distance(ds) if type(each).__name__ == "Curve"]
    ends = [tuple(line.dimension_values(1)) for line in lines]
    assert (0.03, 0.02) in ends
    assert (0.02, 0.01) in ends


def test_the_axis_holds_two_powers_of_ten(options):
    ds = xr.Dataset({"distance": (("size", "pattern"), [[0.3], [0.2]])}, {"size": [100.0, 300.0], "pattern": [0]})
    low, high = options(plot.attractor_distance(ds), "matplotlib")["ylim"]
    assert low <= 0.1
    assert high >= 1.0
