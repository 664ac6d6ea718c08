import holoviews
import numpy as np
import pytest
import xarray as xr

import dmfx
from dmfx import plot
from dmfx.plot._colours import COLOURS, NOTHING, OTHERS, UNKNOWN, blend


@pytest.fixture(scope="module")
def ds():
    """Runs (beta, initial) that leave their target after 4 steps or more, for pattern 12."""
    rng = np.random.default_rng(0)
    values = rng.uniform(0, 0.3, (2, 5, 20, 9))
    for start in range(5):
        values[:, start, : 4 + 3 * start, start] = 0.9
        values[:, start, 4 + 3 * start :, 8] = 0.95
    coords = {"beta": [1.0, 2.0], "initial": np.arange(5), "step": np.arange(20), "pattern": np.arange(4, 13)}
    ds = xr.Dataset({"overlap": (("beta", "initial", "step", "pattern"), values)}, coords)
    return ds.assign_coords(target=("initial", np.arange(4, 9)))


def elements(overlay, sort):
    return [element for element in overlay if type(element).__name__ == sort]


def labels(overlay):
    return [element.label for element in overlay if element.label]


def test_overlaps(ds, options):
    layout = plot.recall(ds.isel(beta=0, initial=[0, 1]), most=3)
    assert len(layout) == 2
    first = next(iter(layout))
    assert labels(first) == ["4", "5", "12", "threshold 0.8", "others"]
    lines = {each.label: each for each in elements(first, "Curve")}
    np.testing.assert_array_equal(lines["12"].dimension_values(1), ds.overlap[0, 0].sel(pattern=12))
    assert lines["threshold 0.8"].dimension_values(1).tolist() == [0.8, 0.8]
    area = elements(first, "Area")[0]
    others = ds.overlap[0, 0].drop_sel(pattern=[4, 5, 12])
    np.testing.assert_array_equal(area.dimension_values(1), others.min("pattern"))
    np.testing.assert_array_equal(area.dimension_values(2), others.max("pattern"))
    assert options(area, "matplotlib")["facecolor"] == options(area)["color"] == NOTHING
    dots = elements(first, "Scatter")
    assert [each.dimension_values(0).tolist() for each in dots] == [[0, 1, 2, 3], list(range(4, 20))]
    assert [options(each)["color"] for each in dots] == [COLOURS[0], COLOURS[2]]
    assert options(first)["xlabel"] == "time t (steps)"


def test_the_same_pattern_has_the_same_colour_in_all_panels(ds, options):
    pictures = list(plot.recall(ds.isel(initial=[1, 3]), most=3))
    assert len(pictures) == 4
    assert len({tuple(labels(each)) for each in pictures}) == 1
    assert len({options(each)["ylim"] for each in pictures}) == 1


def test_some_patterns(ds):
    overlay = plot.recall(ds.isel(beta=0, initial=0), patterns=[12, 4], threshold=0.92)
    assert labels(overlay) == ["4", "12", "threshold 0.92"]
    assert not elements(overlay, "Area")
    negative = plot.recall(-ds.isel(beta=0, initial=0), absolute=True, patterns=12)
    assert (elements(negative, "Curve")[0].dimension_values(1) > 0).all()


def test_the_nearest_pattern(ds, options):
    layout = plot.recall(ds, view="nearest", most=2)
    assert len(layout) == 2
    overlay = next(iter(layout))
    image = elements(overlay, "Image")[0]
    pixels = image.dimension_values(2, flat=False)
    assert pixels.shape == (5, 20)
    palette = options(image)["cmap"]
    assert [palette[int(each)] for each in pixels[0]] == [OTHERS] * 4 + [COLOURS[1]] * 16
    assert [palette[int(each)] for each in pixels[4]] == [COLOURS[0]] * 16 + [COLOURS[1]] * 4
    assert labels(overlay) == ["8", "12", "others"]
    assert image.bounds.lbrt() == (-0.5, -0.5, 19.5, 4.5)


def test_what_is_not_near_is_pale_and_what_diverged_grey(ds, options):
    broken = ds.isel(beta=[0]).copy(deep=True)
    broken.overlap[0, 1, 6:] = np.nan
    overlay = plot.recall(broken, view="nearest", threshold=0.93)
    image = elements(overlay, "Image")[0]
    pixels, palette = image.dimension_values(2, flat=False), options(image)["cmap"]
    colour = {label: COLOURS[place] for place, label in enumerate(labels(overlay)[:-1])}
    assert [palette[int(each)] for each in pixels[1]][:6] == [blend(colour["5"], "#ffffff", 0.72)] * 6
    assert [palette[int(each)] for each in pixels[1]][6:] == [UNKNOWN] * 14
    assert labels(overlay)[-1] == "diverged"
    one = plot.recall(ds.isel(beta=0, initial=0), view="nearest")
    assert elements(one, "Image")[0].dimension_values(2, flat=False).shape == (1, 20)
    other = plot.recall(ds.isel(initial=[0]), view="nearest", y="beta")
    assert elements(other, "Image")[0].dimension_values(2, flat=False).shape == (2, 20)


def test_lifetimes(ds):
    layout = plot.recall(ds, view="lifetimes")
    assert len(layout) == 2
    overlay = next(iter(layout))
    assert labels(overlay) == ["5 memories of targets, 0 cut off"]
    curve = elements(overlay, "Curve")[0]
    for length, part in ((4, 0.8), (7, 0.6), (16, 0.0)):
        place = np.searchsorted(curve.dimension_values(0), length, side="right") - 1
        assert curve.dimension_values(1)[place] == pytest.approx(part)
    free = plot.recall(ds.drop_vars("target").isel(beta=0), view="lifetimes")
    assert labels(free) == ["10 memories, 5 cut off"]
    assert len(elements(free, "Scatter")) == 1, "a mark where some were cut off"
    none = plot.recall(ds.isel(beta=0), view="lifetimes", threshold=0.99)
    assert labels(none) == ["0 memories of targets, 0 cut off"]


@pytest.mark.parametrize("backend", ["bokeh", "matplotlib"])
def test_both_backends_draw_every_view(ds, backend, titles):
    for view in ("overlaps", "nearest", "lifetimes"):
        picture = plot.recall(ds.isel(initial=[0, 2]), view=view)
        assert titles(picture, backend)[0].startswith("β = 1")


def test_rows_have_the_labels_of_the_runs(ds, options):
    two = plot.recall(ds.isel(initial=2).assign_coords(beta=[0.25, 4.0]), view="nearest")
    assert options(two)["yticks"] == [(0.0, "0.25"), (1.0, "4")]
    assert options(two)["ylabel"] == "inverse temperature β"
    some = plot.recall(ds.isel(beta=0, initial=[4, 1]), view="nearest")
    assert options(some)["yticks"] == [(0.0, "4"), (1.0, "1")]
    one = plot.recall(ds.isel(beta=0, initial=[3]), view="nearest", y="initial")
    assert options(one)["yticks"] == [(0.0, "3")]
    many = xr.concat([ds.isel(beta=0, initial=[0])] * 25, "initial").assign_coords(initial=np.arange(100, 125))
    assert options(plot.recall(many, view="nearest"))["yticks"] == [(n, str(n)) for n in range(100, 125, 5)]


def test_the_only_legend_is_no_title(ds):
    picture = plot.recall(ds.isel(beta=0), view="lifetimes")
    assert len(picture) == 1
    drawn = {backend: holoviews.renderer(backend).get_plot(picture) for backend in ("bokeh", "matplotlib")}
    assert drawn["bokeh"].state.title.text == ""
    assert drawn["matplotlib"].handles["title"].get_text() == ""


def test_of_results_and_of_lazy_runs(ds, tmp_path):
    found = dmfx.recall(ds, threshold=0.7)
    assert labels(plot.recall(found.isel(beta=0), view="lifetimes")) == ["5 memories of targets, 0 cut off"]
    assert len(found.dmft.plot.recall(view="nearest")) == 2
    assert len(plot.recall(ds.chunk(beta=1), view="nearest")) == 2
    path = plot.save(plot.recall(ds.isel(beta=0, initial=0)), tmp_path / "recall.png")
    assert path.stat().st_size > 5000


def test_wrong_arguments(ds):
    with pytest.raises(TypeError, match=r"plot\.recall: ds must be a Dataset"):
        plot.recall(ds.overlap)
    with pytest.raises(ValueError, match="view must be one of 'overlaps', 'nearest', 'lifetimes'"):
        plot.recall(ds.isel(beta=0, initial=0), view="all")
    with pytest.raises(ValueError, match=r"must have the trajectories for view='overlaps'"):
        plot.recall(dmfx.recall(ds))
    with pytest.raises(ValueError, match="threshold: only for trajectories"):
        plot.recall(dmfx.recall(ds), view="nearest", threshold=0.5)
    with pytest.raises(ValueError, match=r"most must be .* at most 7e"):
        plot.recall(ds.isel(beta=0, initial=0), most=8)
    with pytest.raises(ValueError, match=r"y must be a dim of the runs \('beta', 'initial'\)"):
        plot.recall(ds, view="nearest", y="seed")
    with pytest.raises(ValueError, match="20 sweep points, one panel each"):
        plot.recall(xr.concat([ds, ds], "seed").assign_coords(seed=[0, 1]))
    with pytest.raises(ValueError, match="at least two steps"):
        plot.recall(ds.isel(step=[0]), view="nearest")


def test_lifetimes_of_runs_with_a_pattern_of_their_own():
    values = np.full((5, 12), 0.9)
    for run, length in enumerate([3, 5, 8, 12]):
        values[run, length:] = 0.2
    values[4] = 0.1  # never near it
    own = xr.Dataset({"target_overlap": (("initial", "step"), values)}, {"target": ("initial", [0, 1, 0, 1, -1])})
    every = own.target_overlap.drop_vars("target").expand_dims(pattern=[0], axis=-1).to_dataset(name="overlap")
    every = every.assign_coords(target=("initial", [0] * 5))
    expected = plot.recall(every, view="lifetimes")
    for ds in (own, dmfx.recall(own), own.drop_vars("target")):
        for one, other in zip(plot.recall(ds, view="lifetimes"), expected, strict=True):
            for place in range(2):
                np.testing.assert_array_equal(one.dimension_values(place), other.dimension_values(place))
    with pytest.raises(ValueError, match="view must be 'lifetimes' for overlaps of runs with a pattern of their own"):
        plot.recall(own)
