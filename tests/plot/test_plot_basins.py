import numpy as np
import pytest
import xarray as xr

from dmfx import analysis, plot
from dmfx.plot._attractors import attractor_colour, attractor_text
from dmfx.plot._colours import NOTHING, OTHERS

COUNT = [[10, 0, 0], [6, 3, 0], [0, 9, 0]]
KIND = [[0, 6, 6], [2, 1, 6], [6, 3, 6]]
PERIOD = [[4, 0, 0], [0, 28, 0], [0, 0, 0]]


def labels(overlay):
    return [element.label for element in overlay if element.label]


def elements(overlay, sort):
    return [element for element in overlay if type(element).__name__ == sort]


def columns(element, count=4):
    return [element.dimension_values(number).tolist() for number in range(count)]


@pytest.fixture
def found(coexisting):
    """Label 0: fixed, then quasi-periodic, then gone; label 1: periodic, then chaotic; label 2 never."""
    return coexisting(COUNT, 10, KIND, PERIOD, beta=[1.0, 1.1, 1.3])


def test_fractions_stand_on_each_other(found, options):
    overlay = plot.basins(found, width=400)
    first, second, none = elements(overlay, "Rectangles")
    left, low, right, high = columns(first)
    assert low == [0, 0]
    assert high == [1.0, 0.6]
    assert 0.95 < left[0] < right[0] < 1.05 < left[1] < right[1] < 1.2
    left, low, right, high = columns(second)
    assert (low, high) == ([0.6, 0.0], pytest.approx([0.9, 0.9]))
    assert 1.25 < left[1] < right[1] < 1.35, "as wide as the narrowest spacing"
    assert columns(none)[3] == pytest.approx([1.0, 1.0])
    colours = [options(bars)["color"] for bars in (first, second, none)]
    assert colours == [attractor_colour(0), attractor_colour(1), NOTHING]
    assert labels(overlay) == ["0: fixed (4), quasi-periodic", "1: periodic (28), chaotic", "no attractor"]
    for backend in ("bokeh", "matplotlib"):
        drawn = options(overlay, backend)
        assert drawn["xlim"] == pytest.approx((0.95, 1.35))
        assert drawn["ylim"] == (0, 1)
        assert drawn["xlabel"] == "inverse temperature β"


def test_intervals_stand_at_the_top_of_each(found):
    first, second = elements(plot.basins(found), "Segments")
    x, low, same, high = columns(first)
    assert low == pytest.approx([0.9, 0.54])
    assert high == pytest.approx([1.0, 0.66])
    assert x == same
    others = columns(second)
    assert others[1] == pytest.approx([0.6 + 0.27, 0.81])
    assert others[3] == pytest.approx([0.6 + 0.33, 0.99])
    assert not set(x) & set(others[0]), "side by side"
    without = found.drop_vars(["basin_fraction_low", "basin_fraction_high"])
    assert all(len(each) == 0 for each in elements(plot.basins(without), "Segments"))


def test_starts_on_attractors_beyond_those_that_are_labelled(coexisting, options):
    overlay = plot.basins(coexisting([[5], [6]], 10, [[1], [1]], [[8], [8]], other=3))
    assert labels(overlay) == ["0: periodic (8)", "other attractors", "no attractor"]
    _, other, none = elements(overlay, "Rectangles")
    assert columns(other)[1] == pytest.approx([0.5, 0.6])
    assert columns(other)[3] == pytest.approx([0.8, 0.9])
    assert columns(none)[3] == pytest.approx([1.0, 1.0])
    assert options(other)["color"] == OTHERS


def test_a_single_point_side_by_side(found, options):
    overlay = plot.basins(found.isel(beta=[1]))
    bars = elements(overlay, "Rectangles")
    assert [columns(each)[3] for each in bars] == [[0.6], [pytest.approx(0.3)], [pytest.approx(0.1)]]
    assert [columns(each)[1] for each in bars] == [[0], [0], [0]]
    assert options(overlay)["xticks"] == [(0, "0"), (1, "1"), (2, "none")]
    assert options(overlay)["xlabel"] == "label of the attractor"
    first = elements(overlay, "Segments")[0]
    assert columns(first)[1::2] == [[pytest.approx(0.54)], [pytest.approx(0.66)]]
    assert len(elements(plot.basins(found.isel(beta=1)), "Rectangles")) == 3


def test_the_mouse_tells_what_a_bar_is(found, options):
    bars = elements(plot.basins(found), "Rectangles")[1]
    told = [bars.dimension_values(dim).tolist() for dim in bars.vdims]
    assert told[0] == ["1", "1"]
    assert told[1] == ["periodic (28)", "chaotic"]
    assert told[2] == ["0.3 (0.27 to 0.33)", "0.9 (0.81 to 0.99)"]
    assert told[3] == ["0.1", "0.1"]
    assert options(bars)["tools"] == ["hover"]


def test_texts_of_attractors(coexisting):
    ds = coexisting([[1], [1], [1], [1]], 1, [[1], [1], [1], [2]], [[12], [28], [56], [0]])
    assert attractor_text(ds, 0) == "0: periodic (12–56), quasi-periodic"
    assert attractor_text(ds.isel(beta=[0, 1]), 0) == "0: periodic (12, 28)"
    long = coexisting([[1], [1], [1]], 1, [[1], [2], [3]], [[1200], [0], [0]])
    assert attractor_text(long, 0) == "0: periodic, quasi-periodic, chaotic"
    assert attractor_text(ds.drop_vars("attractor_period"), 0) == "0: periodic, quasi-periodic"
    assert len({attractor_colour(label) for label in range(8)}) == 8


def test_panels(found, titles):
    two = found.expand_dims(gamma=[200.0, 220.0])
    layout = plot.basins(two)
    assert titles(layout, "bokeh") == titles(layout, "matplotlib") == ["γ = 200", "γ = 220"]
    assert len(plot.basins(two, x="gamma")) == 3


def test_many_points_have_no_gaps_between_bars(coexisting):
    ds = coexisting(np.full((200, 1), 5), 10, np.ones((200, 1)), np.full((200, 1), 4))
    bars = elements(plot.basins(ds), "Rectangles")[0]
    left, _, right, _ = columns(bars)
    np.testing.assert_allclose(right[:-1], left[1:])


def test_uneven_points_have_equal_bars(coexisting):
    beta = np.array([1.26, 1.262, 1.28, 1.3])
    ds = coexisting(np.full((4, 1), 5), 10, np.ones((4, 1)), np.full((4, 1), 4), beta=beta)
    left, _, right, _ = map(np.array, columns(elements(plot.basins(ds), "Rectangles")[0]))
    np.testing.assert_allclose((left + right) / 2, beta)
    np.testing.assert_allclose(right - left, 0.002 * 0.94)
    # Two that are too close to be seen: no bar reaches over the middle to the next, and the others are seen.
    close = ds.assign_coords(beta=[1.26, 1.260001, 1.28, 1.3])
    left, _, right, _ = map(np.array, columns(elements(plot.basins(close), "Rectangles")[0]))
    assert (left[1:] >= right[:-1] - 1e-12).all()
    assert (right - left)[2:] == pytest.approx(3 * 0.04 / 766, rel=0.01)


def test_unsorted(found):
    first, second = (plot.basins(each) for each in (found, found.isel(beta=[2, 0, 1])))
    assert columns(elements(first, "Rectangles")[0]) == columns(elements(second, "Rectangles")[0])


def test_files(found, tmp_path):
    from matplotlib.image import imread

    path = plot.save(plot.basins(found), tmp_path / "a.png")
    picture = imread(path)[..., :3]
    assert picture.shape[1::-1] == (1800, 840)
    for label in (0, 1):
        colour = [int(attractor_colour(label)[i : i + 2], 16) / 255 for i in (1, 3, 5)]
        assert (np.abs(picture - colour).max(axis=-1) < 0.01).mean() > 0.05
    assert plot.save(plot.basins(found.isel(beta=[0])), tmp_path / "b.html").exists()


def test_attractors_have_the_colours_of_the_basins(found, options, titles):
    layout = plot.attractors(found, x=0, y=2)
    assert titles(layout, "bokeh") == ["β = 1", "β = 1.1", "β = 1.3"]
    present = [[0], [0, 1], [1]]
    texts = [["0: fixed (4)"], ["0: quasi-periodic", "1: periodic (28)"], ["1: chaotic"]]
    for panel, expected, legend in zip(layout, present, texts, strict=True):
        clouds = [each for each in elements(panel, "Points") if not each.label]
        assert {options(each)["color"] for each in clouds} == {attractor_colour(label) for label in expected}
        assert labels(panel) == legend
    narrow = plot.attractors(found, width=300)
    assert len({options(each)["frame_height"] for each in narrow}) == 1
    assert ["title" in options(each)["legend_opts"] for each in narrow] == [True, False, True], "for a second row"
    points = found.attractor_points.isel(beta=2, attractor=1)
    assert np.isin(clouds[0].dimension_values(0).round(7), points.sel(pattern=0).values.round(7)).all()
    assert np.isin(clouds[0].dimension_values(1).round(7), points.sel(pattern=2).values.round(7)).all()
    assert len(clouds[0]) == 40
    assert options(panel)["xlabel"] == "attention value A₀"
    assert options(panel)["ylabel"] == "attention value A₂"
    assert len({options(each)["xlim"] for each in layout}) == 1
    assert len({options(each)["xlim"] for each in plot.attractors(found, shared=False)}) == 3


def test_orbits_lie_over_clouds_and_repeated_states_are_one(found, options):
    ds = found.isel(beta=[1]).copy(deep=True)
    ds["attractor_points"][0, 0] = np.tile([[0.1, 0.2, 0.3], [0.3, 0.2, 0.1]], (20, 1))
    first, second, *_ = elements(plot.attractors(ds), "Points")
    assert [len(first), len(second)] == [40, 2]
    assert options(second)["color"] == attractor_colour(0)


def test_the_smaller_of_two_sets_lies_over_the_larger(found, options):
    ds = found.isel(beta=[1]).copy(deep=True)
    for small in (0, 1):
        scaled = ds.copy(deep=True)
        scaled["attractor_points"][0, small] = scaled["attractor_points"][0, small] * 0.02
        drawn = [each for each in elements(plot.attractors(scaled), "Points") if not each.label]
        assert [len(each) for each in drawn] == [40, 40]
        assert options(drawn[-1])["color"] == attractor_colour(small)


def test_a_panel_without_attractors(found, tmp_path):
    ds = found.copy(deep=True)
    ds["attractor_points"][1] = np.nan
    layout = plot.attractors(ds)
    assert [labels(panel) for panel in layout] == [["0: fixed (4)"], [], ["1: chaotic"]]
    assert plot.save(layout, tmp_path / "a.png").exists()
    assert plot.save(layout, tmp_path / "a.html").exists()


def test_many_points_are_put_into_pixels(found):
    import holoviews as hv

    points = xr.DataArray(np.random.default_rng(0).normal(size=(1, 2, 5000, 3)), dims=found.attractor_points.dims)
    ds = found.isel(beta=[1], attractor=[0, 1]).drop_vars("attractor_points").assign(attractor_points=points)
    picture = plot.attractors(ds)
    assert isinstance(picture, hv.DynamicMap)
    codes = picture[()].get(0).dimension_values(2)
    assert set(np.unique(codes)) == {0, 1, 2}


def test_states_are_analysed(monkeypatch, few, found):
    given = []
    monkeypatch.setattr(analysis, "basins", lambda ds, **options: given.append(options) or found, raising=False)
    plot.basins(few, steps=500, max_attractors=3)
    plot.attractors(few, along="gamma")
    assert given == [{"steps": 500, "max_attractors": 3}, {"along": "gamma"}]


@pytest.mark.parametrize(
    ("arguments", "error", "text"),
    [
        ({"x": "gamma"}, ValueError, "x must be a sweep dim, one of 'beta', not 'gamma'"),
        ({"x": 2}, TypeError, "x must be a sweep dim"),
        ({"width": 1, "columns": 0}, ValueError, "2 problems: width .*; columns"),
        (
            {"steps": 5, "along": "beta"},
            ValueError,
            "steps, along: only for trajectories.*already holds 'basin_fraction'",
        ),
    ],
)
def test_bad_arguments(found, arguments, error, text):
    with pytest.raises(error, match=rf"plot\.basins: .*{text}"):
        plot.basins(found, **arguments)


def test_bad_arguments_of_attractors(found):
    with pytest.raises(TypeError, match=r"plot\.attractors: shared must be True or False"):
        plot.attractors(found, shared=2)
    with pytest.raises(ValueError, match=r"plot\.attractors: 2 problems: x must be a label .*; y must be a label"):
        plot.attractors(found, x=7, y="a")
    with pytest.raises(ValueError, match=r"max_attractors: only for trajectories"):
        plot.attractors(found, max_attractors=2)


@pytest.mark.parametrize("draw", [plot.basins, plot.attractors])
def test_bad_datasets(draw, found, net):
    name = rf"plot\.{draw.__name__}"
    with pytest.raises(TypeError, match=rf"{name}: ds must be a Dataset"):
        draw(net)
    with pytest.raises(ValueError, match=rf"{name}: .*with the dims attractor"):
        draw(found.isel(attractor=0))
    with pytest.raises(ValueError, match=rf"{name}: ds must have the variable 'attractor_kind'"):
        draw(found.drop_vars("attractor_kind"))
    many = found.isel(beta=slice(2)).expand_dims(seed=range(13))
    with pytest.raises(ValueError, match=r"(13|26) sweep points.*along seed \(13\)"):
        draw(many)


def test_no_starts_reached_anything(coexisting, tmp_path):
    ds = coexisting(np.zeros((2, 2), int), 10, np.full((2, 2), 6), np.zeros((2, 2), int))
    assert labels(plot.basins(ds)) == ["no attractor"]
    assert plot.save(plot.basins(ds), tmp_path / "a.png").exists()
    with pytest.raises(ValueError, match=r"no attractors to draw: no start reached one"):
        plot.attractors(ds)
