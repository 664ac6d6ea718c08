import numpy as np
import pytest
import xarray as xr

from dmfx import analysis, plot
from dmfx.plot._attractors import attractor_colour

SIZES = [1e4, 1e5, 1e6, np.inf]
#: Steps that a chain stays near each of three attractors, by size; the mean field is never left.
STAYS = [[20, 10, 40], [100, 20, 400], [500, 40, 10**6], [10**6, 10**6, 10**6]]


def elements(overlay, sort):
    return [element for element in overlay if type(element).__name__ == sort]


def columns(element, count=2):
    return [element.dimension_values(number).tolist() for number in range(count)]


def labels(overlay):
    return [element.label for element in overlay if element.label]


def attractors():
    points = np.arange(3.0)[:, None, None] * np.ones((3, 8, 1))
    return xr.Dataset(
        {
            "attractor_points": (("attractor", "point", "pattern"), points),
            "attractor_period": ("attractor", [1, 1, 1]),
            "attractor_kind": ("attractor", [1, 3, 1]),
        },
        {"attractor": [0, 1, 2]},
    )


def chain(stays, steps, runs, rng):
    states = np.zeros((runs, steps))
    states[:, 0] = np.arange(runs) % 3
    for t in range(1, steps):
        goes = rng.random(runs) < 1 / np.take(stays, states[:, t - 1].astype(int))
        states[:, t] = np.where(goes, (states[:, t - 1] + rng.integers(1, 3, runs)) % 3, states[:, t - 1])
    return states


@pytest.fixture(scope="module")
def runs():
    rng = np.random.default_rng(0)
    values = np.stack([chain(stays, 3000, 6, rng) for stays in STAYS])[..., None]
    dims = ("size", "replica", "step", "pattern")
    return xr.Dataset({"attention": (dims, values)}, {"size": SIZES, "replica": np.arange(6)})


@pytest.fixture(scope="module")
def stayed(runs):
    return analysis.residence(runs, attractors(), window=1, every=1)


def test_times_over_the_size(stayed, options):
    first, second = plot.residence(stayed)
    dots = [each for each in elements(first, "Scatter") if len(each.vdims) > 1]
    for label, each in enumerate(dots):
        part = stayed.sel(attractor=label).isel(size=slice(3))
        seen = np.isfinite(part.residence_time.values)
        assert columns(each) == [part.size.values[seen].tolist(), part.residence_time.values[seen].tolist()]
        assert options(each)["color"] == attractor_colour(label)
    # The mean field, which has no size, is left out.
    assert max(columns(dots[0])[0]) == 1e6
    for label, each in enumerate(elements(first, "Segments")):
        part = stayed.sel(attractor=label).isel(size=slice(3))
        _, low, _, high = columns(each, 4)
        expected = part.residence_time_low.values[np.isfinite(part.residence_time.values)]
        assert low == pytest.approx(expected.tolist())
        assert len(high) == len(low)
    assert [each.label for each in elements(first, "Points")] == [
        "0: periodic (1)",
        "1: chaotic (1)",
        "2: periodic (1)",
    ]
    for backend in ("bokeh", "matplotlib"):
        style = options(first, backend)
        assert style["logx"]
        assert style["logy"]
        assert style["xlabel"] == "number of spins N"
        assert style["ylabel"].startswith("mean residence time τ (steps)")
    assert options(second)["logy"]


def test_bounds_where_no_escape_was_seen(stayed, options):
    first, _ = plot.residence(stayed)
    bounds = [each for each in elements(first, "Scatter") if len(each.vdims) == 1]
    assert labels(first)[-1] == "bound: no escape seen"
    assert columns(bounds[0]) == [[1e6], [float(stayed.residence_time_low.sel(size=1e6, attractor=2))]]
    assert options(bounds[0])["marker"] == "triangle"
    first, _ = plot.residence(stayed, variable="escape_rate")
    bounds = [each for each in elements(first, "Scatter") if len(each.vdims) == 1]
    assert columns(bounds[0]) == [[1e6], [float(stayed.escape_rate_high.sel(size=1e6, attractor=2))]]
    assert options(bounds[0])["marker"] == "inverted_triangle"
    assert options(first)["ylabel"].startswith("escape rate 1/τ (per step)")
    all_left, _ = plot.residence(stayed.isel(size=[0, 1]))
    assert "bound: no escape seen" not in labels(all_left)


def test_times_of_finding_cores_are_hollow(stayed, options):
    assert "rarely in the core" not in labels(plot.residence(stayed, survival=False))
    spread = stayed.copy(deep=True)
    spread["core_fraction"].loc[{"size": 1e4, "attractor": 1}] = 0.05
    first = plot.residence(spread, survival=False)
    assert labels(first)[-1] == "rarely in the core"
    dots = [each for each in elements(first, "Scatter") if len(each.vdims) > 1]
    assert [len(each) for each in dots] == [3, 2, 2, 1]
    assert columns(dots[3]) == [[1e4], [float(stayed.residence_time.sel(size=1e4, attractor=1))]]
    assert options(dots[3])["fill_color"] == "#ffffff"
    assert options(dots[3])["line_color"] == options(dots[3], "matplotlib")["edgecolors"] == attractor_colour(1)
    told = {str(each): dots[3].dimension_values(each)[0] for each in dots[3].vdims[1:]}
    assert told["attractor"] == "1"
    assert told["in the core"] == "5.0%"
    assert told["stays"] == int(stayed.residence_count.sel(size=1e4, attractor=1))


def test_stays_follow_the_exponential_law(stayed, options):
    _, second = plot.residence(stayed)
    *curves, law = elements(second, "Curve")
    assert law.label == "exponential law"
    time, part = map(np.array, columns(law))
    np.testing.assert_allclose(part, np.exp(-time))
    time, part = map(np.array, columns(curves[0]))
    known = np.isfinite(part) & (time < 3)
    assert np.abs(part - np.exp(-time))[known].max() < 0.1
    assert (time[0], part[0]) == (0, 1)
    assert labels(second) == ["exponential law", "N = 10⁴", "N = 10⁶"]
    colours = [options(each)["color"] for each in curves]
    assert len(set(colours)) == len(colours) == 8, "at 1e6 the last is never left"
    assert colours[2] == attractor_colour(0)
    assert options(curves[0])["interpolation"] == "steps-post"


def test_a_single_point_side_by_side(stayed, options):
    first, second = plot.residence(stayed.isel(size=[1]))
    dots = [each for each in elements(first, "Scatter") if len(each.vdims) > 1]
    assert [columns(each)[0] for each in dots] == [[0], [1], [2]]
    assert options(first)["xticks"] == [(0, "0"), (1, "1"), (2, "2")]
    assert options(first)["xlabel"] == "label of the attractor"
    assert not options(first).get("logx")
    assert labels(second) == ["exponential law"]
    assert len(plot.residence(stayed.isel(size=1), survival=False)) == len(first)


def test_over_another_dim(stayed, titles, options):
    by_beta = xr.concat([stayed, stayed], xr.DataArray([1.27, 1.28], dims="beta", name="beta"), join="exact")
    by_beta = by_beta.isel(size=[0, 1])
    layout = plot.residence(by_beta)
    assert titles(layout, "bokeh") == ["β = 1.27", "β = 1.27", "β = 1.28", "β = 1.28"]
    layout = plot.residence(by_beta, x="beta", survival=False)
    assert titles(layout, "matplotlib") == ["N = 10⁴", "N = 10⁵"]
    first = next(iter(layout))
    assert columns(elements(first, "Scatter")[0])[0] == [1.27, 1.28]
    assert options(first)["xlabel"] == "inverse temperature β"
    turned = plot.residence(by_beta.isel(beta=[1, 0]), x="beta", survival=False)
    assert columns(elements(next(iter(turned)), "Scatter")[0]) == columns(elements(first, "Scatter")[0])


def test_frames_of_a_row_have_the_same_height(stayed):
    import holoviews

    layout = holoviews.renderer("bokeh").get_plot(plot.residence(stayed, height=300))
    heights = [each.subplots["main"].state.frame_height for each in layout.subplots.values()]
    assert len(heights) == 2
    assert heights[0] == heights[1]


def test_files(stayed, tmp_path):
    from matplotlib.image import imread

    path = plot.save(plot.residence(stayed), tmp_path / "a.png")
    picture = imread(path)[..., :3]
    assert picture.shape[1::-1] == (2400, 840)
    for label in range(3):
        colour = [int(attractor_colour(label)[i : i + 2], 16) / 255 for i in (1, 3, 5)]
        assert (np.abs(picture - colour).max(axis=-1) < 0.01).sum() > 300
    assert plot.save(plot.residence(stayed.isel(size=[0])), tmp_path / "b.html").exists()


def test_runs_are_analysed(runs, stayed):
    one = plot.residence(runs, attractors(), window=1, every=1, pool="replica")
    other = plot.residence(stayed)
    for first, second in zip(one, other, strict=True):
        drawn = [str([columns(each) for each in elements(overlay, "Scatter")]) for overlay in (first, second)]
        assert drawn[0] == drawn[1]
    assert len(runs.dmft.plot.residence(attractors(), window=1)) == 2


def test_nothing_was_seen(stayed, tmp_path):
    """No run was near anything; or all were never left."""
    nowhere = stayed.isel(size=[0, 1]).copy(deep=True)
    for name in ("residence_time", "escape_rate"):
        for end in ("", "_low", "_high"):
            nowhere[name + end][:] = np.nan
    nowhere["residence_count"][:] = 0
    nowhere["stay_length"][:] = np.nan
    assert labels(next(iter(plot.residence(nowhere)))) == []
    assert plot.save(plot.residence(nowhere), tmp_path / "a.png").exists()
    never = plot.residence(stayed.isel(size=3), variable="escape_rate")
    assert plot.save(never, tmp_path / "b.png").exists()
    assert plot.save(never, tmp_path / "b.html").exists()


@pytest.mark.parametrize(
    ("arguments", "error", "text"),
    [
        ({"x": "gamma"}, ValueError, "x must be a sweep dim, one of 'size', not 'gamma'"),
        ({"variable": "stays"}, ValueError, "variable must be one of 'residence_time', 'escape_rate'"),
        ({"survival": 1}, TypeError, "survival must be True or False"),
        ({"width": 1, "columns": 0}, ValueError, "2 problems: width .*; columns"),
        ({"radius": 0.1, "window": 2}, ValueError, "radius, window: only for trajectories.*holds 'residence_time'"),
    ],
)
def test_bad_arguments(stayed, arguments, error, text):
    with pytest.raises(error, match=rf"plot\.residence: .*{text}"):
        plot.residence(stayed, **arguments)


def test_bad_datasets(runs, stayed):
    with pytest.raises(TypeError, match=r"plot\.residence: ds must be a Dataset"):
        plot.residence(3)
    with pytest.raises(ValueError, match=r"ds must be what dmfx\.residence returned, or attractors given"):
        plot.residence(runs)
    with pytest.raises(ValueError, match=r"with the dims attractor"):
        plot.residence(stayed.isel(attractor=0))
    with pytest.raises(ValueError, match=r"ds must have the variable 'stay_length'"):
        plot.residence(stayed.drop_vars("stay_length"))
    assert plot.residence(stayed.drop_vars("stay_length"), survival=False) is not None
    with pytest.raises(ValueError, match=r"must have finite sizes"):
        plot.residence(stayed.isel(size=[3, 3]))
    with pytest.raises(ValueError, match=r"13 sweep points.*along seed \(13\)"):
        plot.residence(stayed.expand_dims(seed=range(13)))
