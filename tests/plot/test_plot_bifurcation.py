import numpy as np
import pytest
import xarray as xr

import dmfx
from dmfx import plot
from dmfx.plot import _style
from dmfx.plot._colours import KINDS, PERIODIC
from dmfx.plot._diagram import BOTH_WAYS, ONE_WAY
from dmfx.plot._shading import cells, edges, extent


def columns_of(beta, size, pixels):
    """Position of the pixel that holds each β."""
    low, high = extent(beta)
    return np.floor((beta - low) / (high - low) * pixels).astype(int)


def test_images_show_every_occupied_bin(diagram, layer):
    overlay = plot.bifurcation(diagram)[()]
    flat = diagram.squeeze(["gamma", "seed"])
    periodic = flat.period.values > 0
    assert 5 < periodic.sum() < periodic.size
    visits, kind = layer(overlay, "visits"), layer(overlay, "kind")
    assert visits.shape == kind.shape == _style.frame(900, 520)[::-1]
    columns = columns_of(flat.beta.values, 81, visits.shape[1])
    occupied = np.isfinite(visits).any(axis=0)
    assert occupied[columns[~periodic]].all()
    assert not occupied[columns[periodic]].any()
    assert (kind[:, columns[periodic]] == 2).any(axis=0).all()
    with_section = ~periodic & (flat.section_density > 0).any("value").values
    assert (kind[:, columns[with_section]] == 1).any(axis=0).all()
    assert np.nanmax(visits) == flat.density.values[~periodic].max()


def test_no_blank_columns_when_upsampled_or_downsampled(density, layer):
    rng = np.random.default_rng(0)
    for points in (7, 700, 5003):
        counts = np.zeros((points, 50), int)
        counts[np.arange(points), rng.integers(0, 50, points)] = 3
        visits = layer(plot.bifurcation(density(counts, np.zeros(points)))[()], "visits")
        assert np.isfinite(visits).any(axis=0).all()
        assert set(np.unique(visits[np.isfinite(visits)])) == {3}


def test_max_keeps_a_single_bin_among_many(density, layer):
    counts = np.zeros((3000, 2000), int)
    counts[1234, 567] = 1
    visits = layer(plot.bifurcation(density(counts, np.zeros(3000)))[()], "visits")
    assert np.isfinite(visits).sum() == 1
    row, column = np.argwhere(np.isfinite(visits))[0]
    height, width = visits.shape
    assert column == int(1234.5 / 3000 * width)
    assert row == int(567.5 / 2000 * height)


def test_extent_and_limits_include_half_a_bin(density, options):
    overlay = plot.bifurcation(density(np.ones((5, 4)), np.zeros(5), low=-0.5, high=0.3))[()]
    visits = next(iter(overlay))
    assert visits.bounds.lbrt() == pytest.approx((-0.5, -0.5, 4.5, 0.3))
    for backend in ("bokeh", "matplotlib"):
        assert options(overlay, backend)["xlim"] == pytest.approx((-0.5, 4.5))
        assert options(overlay, backend)["ylim"] == pytest.approx((-0.5, 0.3))


def test_uneven_and_unsorted_axis(density, layer):
    beta = np.array([3.0, 0.0, 1.0, 1.1, 1.2])
    counts = np.diag(np.arange(1, 6))
    visits = layer(plot.bifurcation(density(counts, np.zeros(5), beta))[()], "visits")
    order = np.argsort(beta)
    limits = edges(beta[order])
    width = visits.shape[1]
    for rank, number in enumerate(order):
        middle = (limits[rank] + limits[rank + 1]) / 2
        column = int((middle - limits[0]) / (limits[-1] - limits[0]) * width)
        assert np.nanmax(visits[:, column]) == number + 1


def test_cells_in_a_zoomed_range():
    values = xr.DataArray(np.arange(12.0).reshape(4, 3), dims=("x", "y"), coords={"x": range(4), "y": range(3)})
    pixels = cells(values, "x", "y", (0.5, 2.5), (-0.5, 2.5), (2, 3))
    assert np.array_equal(pixels, values.values[1:3].T)


def test_without_section_periodic_orbits_are_told_apart(density, layer, options):
    overlay = plot.bifurcation(density(np.ones((4, 3)), [0, 4, 0, 0]))[()]
    kind = layer(overlay, "kind")
    assert [int(kind[0, int(part * kind.shape[1])]) for part in (0.1, 0.4, 0.6, 0.9)] == [0, 1, 0, 0]
    labels = [element.label for element in overlay if not element.vdims]
    assert labels == ["all values", "periodic orbit"]
    image = [element for element in overlay if element.vdims][1]
    assert options(image)["cmap"][1] == PERIODIC


def test_section_alone(diagram, layer):
    overlay = plot.bifurcation(diagram.drop_vars("density"))[()]
    assert [element.vdims[0].name for element in overlay if element.vdims] == ["kind"]
    assert [element.label for element in overlay if not element.vdims] == ["values where mᵒ₁ = 0", "periodic orbit"]


def test_points(sweep, layer):
    points = dmfx.bifurcation(sweep, kind="points", n_points=64).compute()
    overlay = plot.bifurcation(points)[()]
    kind = layer(overlay, "kind")
    assert [element.label for element in overlay if not element.vdims] == ["last values", "periodic orbit"]
    columns = columns_of(points.beta.values, 81, kind.shape[1])
    periodic = points.period.values.ravel() > 0
    assert (kind[:, columns[~periodic]] == 1).any(axis=0).all()
    assert (kind[:, columns[periodic]] == 2).any(axis=0).all()


def test_diverged_points_leave_a_gap(density, layer):
    counts = np.ones((5, 4))
    counts[2] = 0
    visits = layer(plot.bifurcation(density(counts, np.zeros(5)))[()], "visits")
    middle = visits.shape[1] // 2
    assert np.isnan(visits[:, middle]).all()
    assert np.isfinite(visits[:, 10]).all()


def test_nothing_but_diverged_points(density, tmp_path):
    picture = plot.bifurcation(density(np.zeros((5, 4)), np.zeros(5)))
    assert plot.save(picture, tmp_path / "empty.png").exists()


def test_labels_and_panels(diagram, options, titles):
    two = xr.concat([diagram, diagram.assign_coords(gamma=[300.0])], "gamma", join="outer", data_vars="minimal")
    layout = plot.bifurcation(two)
    assert len(layout) == 2
    assert titles(layout, "bokeh") == titles(layout, "matplotlib") == ["γ = 220", "γ = 300"]
    first = next(iter(layout))
    assert options(first)["xlabel"] == "inverse temperature β"
    assert options(first)["ylabel"] == "semantic output overlap mᵒ₀"
    assert plot.bifurcation(diagram)[()].label == ""


def test_another_axis(net):
    ds = dmfx.simulate(net, beta=1.3, gamma=[100.0, 150.0, 220.0], steps=50)
    picture = plot.bifurcation(ds, x="gamma", bins=20)
    assert [str(dim) for dim in picture[()].get(0).kdims] == ["gamma", "m_o_semantic 0"]


@pytest.mark.parametrize("plane", [None, {"pattern": 1}])
def test_trajectories_are_simulated_once(monkeypatch, net, plane, layer):
    from dmfx import tasks

    runs = []
    run_block = tasks.run_block
    monkeypatch.setattr(tasks, "run_block", lambda *args, **kwargs: runs.append(1) or run_block(*args, **kwargs))
    ds = dmfx.simulate(net, beta=np.linspace(1.2, 1.3, 8), gamma=220.0, steps=300, chunks={"beta": 4})
    overlay = plot.bifurcation(ds, plane=plane, tolerance=0.05, bins=100)[()]
    assert len(runs) == 2
    kinds = ["all values", "values where mᵒ₁ = 0"] if plane else ["all values"]
    assert [element.label for element in overlay if not element.vdims][: len(kinds)] == kinds


@pytest.fixture
def by_kind(density):
    """Makes a diagram of kinds and counts."""

    def make(kind, counts=None, **others):
        kind = np.asarray(kind, np.int8)
        counts = np.full((len(kind), 6), 4) if counts is None else counts
        return density(counts, np.zeros(len(kind))).assign(kind=("beta", kind), **others)

    return make


def texts(overlay):
    return [element.label for element in overlay if element.label]


def test_values_have_the_colour_of_their_kind(by_kind, layer, options):
    overlay = plot.bifurcation(by_kind([0, 1, 2, 3, 4, 5, 3]))[()]
    assert texts(overlay) == ["fixed", "periodic", "quasi-periodic", "chaotic", "transient"]
    codes = layer(overlay, "kind")
    picture = next(element for element in overlay if element.vdims)
    colours = options(picture)["cmap"]
    width = codes.shape[1]
    seen = [colours[codes[0, int((place + 0.5) / 7 * width)]] for place in range(7)]
    assert seen[0] == KINDS["fixed"]
    assert seen[1] == KINDS["periodic"]
    # All bins have the most visits that there are.
    assert seen[2:5] == [KINDS["quasi_periodic"], KINDS["chaotic"], KINDS["transient"]]
    assert seen[6] == seen[3]
    keys = [options(element)["color"] for element in overlay if element.label]
    assert keys == [KINDS[name] for name in ("fixed", "periodic", "quasi_periodic", "chaotic", "transient")]


def test_kinds_are_shaded_by_visits(by_kind, layer, options):
    counts = np.tile([1, 8, 50, 300, 3000, 0], (2, 1))
    overlay = plot.bifurcation(by_kind([3, 1], counts))[()]
    codes = layer(overlay, "kind")
    height, width = codes.shape
    rows = [int((place + 0.5) / 6 * height) for place in range(6)]
    chaotic = codes[rows, width // 4]
    assert (np.diff(chaotic[:5].astype(int)) > 0).all()
    assert chaotic[5] == 0
    assert len(set(codes[rows[:5], 3 * width // 4])) == 1, "periodic orbits are not shaded"
    assert options(next(element for element in overlay if element.vdims))["cmap"][chaotic[4]] == KINDS["chaotic"]


def test_on_a_plane_the_colour_is_full_and_elsewhere_faint(by_kind, layer, options):
    ds = by_kind([3, 1, 3])
    ds["section_density"] = ds["density"].copy(data=np.array([[4, 0, 0, 0, 0, 0], [4, 0, 0, 0, 0, 0], [0] * 6]))
    overlay = plot.bifurcation(ds)[()]
    assert texts(overlay) == ["periodic", "chaotic", "all values"]
    codes = layer(overlay, "kind")
    colours = options(next(element for element in overlay if element.vdims))["cmap"]
    seen = [[colours[codes[row, int((place + 0.5) / 3 * codes.shape[1])]] for place in range(3)] for row in (2, -2)]
    assert seen[0][:2] == [KINDS["chaotic"], KINDS["periodic"]]
    assert seen[1][1] == KINDS["periodic"], "all values of a periodic orbit"
    assert seen[0][2] == seen[1][0] == seen[1][2]
    assert seen[1][0] not in (KINDS["chaotic"], "#00000000")


def test_kinds_of_points(sweep):
    points = dmfx.bifurcation(sweep, kind="points", n_points=32).compute()
    kind = np.where(points.period > 0, 1, 3)
    overlay = plot.bifurcation(points.assign(kind=(points.period.dims, kind)))[()]
    assert texts(overlay) == ["periodic", "chaotic"]


def test_kinds_of_trajectories_that_were_classified(few):
    ds = few.assign(kind=(("beta", "gamma", "seed"), np.array([0, 2, 3]).reshape(3, 1, 1)))
    assert texts(plot.bifurcation(ds, bins=50)[()]) == ["fixed", "quasi-periodic", "chaotic"]


def test_panels_share_the_legend_of_kinds(by_kind):
    two = xr.concat([by_kind([0, 1]), by_kind([3, 3])], "gamma").assign_coords(gamma=[1.0, 2.0])
    layout = plot.bifurcation(two)
    assert [texts(panel[()]) for panel in layout] == 2 * [["fixed", "periodic", "chaotic"]]


def test_exponents_stand_below(by_kind, spectrum, options, titles, tmp_path):
    import holoviews as hv
    from matplotlib.image import imread

    exponents = spectrum([-0.1, 0.0, 0.1]).squeeze(["gamma", "seed"], drop=True)
    ds = by_kind([0, 2, 3]).merge(exponents[["lyapunov", "lyapunov_error"]])
    layout = plot.bifurcation(ds)
    assert isinstance(layout, hv.Layout)
    diagram, below = layout
    assert texts(below) == ["λ₁", "λ₂", "λ₃"]
    assert options(diagram)["xlim"] == options(below)["xlim"]
    assert [str(dim) for dim in below.get(0).kdims] == ["beta"]
    assert str(diagram[()].get(0).kdims[0]) == "beta", "axes of the same dim are zoomed together"
    assert options(diagram)["frame_width"] == options(below)["frame_width"]
    assert options(diagram)["xlabel"] == ""
    assert options(below)["xlabel"] == "inverse temperature β"
    figure = hv.renderer("bokeh").get_plot(layout).state
    frames = [frame for frame, *_ in figure.children]
    assert len({frame.min_border_left for frame in frames}) == 1
    assert frames[0].x_range is frames[1].x_range
    picture = imread(plot.save(layout, tmp_path / "a.png"))[..., :3]
    assert picture.shape[1::-1] == (1800, 1040 + 572)
    left = 2 * _style.MARGINS[0]
    for row in (400, 1400):  # the left side of both frames
        assert (picture[row, left - 2 : left + 3].min(axis=-1) < 0.5).any()
    single = plot.bifurcation(ds, lowest=-5.0)
    assert options(list(single)[1])["ylim"][0] == -5.0


def test_exponents_below_several_panels(by_kind, spectrum, titles, tmp_path):
    exponents = spectrum([-0.1, 0.1]).squeeze(["gamma", "seed"], drop=True)["lyapunov"]
    one = by_kind([0, 3]).assign(lyapunov=exponents)
    three = xr.concat([one, one, one], "gamma").assign_coords(gamma=[1.0, 2.0, 3.0])
    layout = plot.bifurcation(three)
    assert titles(layout, "bokeh") == ["γ = 1", "", "γ = 2", "", "γ = 3", ""]
    side_by_side = plot.bifurcation(three, columns=3, width=500)
    assert titles(side_by_side, "bokeh") == ["γ = 1", "γ = 2", "γ = 3", "", "", ""]
    uneven = plot.bifurcation(three, columns=2, width=500)
    assert plot.save(uneven, tmp_path / "a.png").exists()


def test_two_directions_are_told_apart_by_colour(density, layer, options):
    up, down = np.zeros((4, 4), int), np.zeros((4, 4), int)
    up[:, 0] = down[0:2, 0] = down[2:, 3] = 5
    both = xr.concat([density(each, [4, 0, 0, 0]) for each in (up, down)], "direction")
    overlay = plot.bifurcation(both.assign_coords(direction=["up", "down"]))[()]
    assert texts(overlay) == ["up only", "down only", "both"]
    codes = layer(overlay, "kind")
    height, width = codes.shape
    assert codes[height // 8, width // 8] == codes[height // 8, 3 * width // 8] == 3
    assert codes[height // 8, 7 * width // 8] == 1
    assert codes[-height // 8, 7 * width // 8] == 2
    assert codes[-height // 8, width // 8] == 0
    assert options(next(element for element in overlay if element.vdims))["cmap"][1:] == [*ONE_WAY, BOTH_WAYS]


def test_directions_with_a_plane_show_what_is_on_it_unless_periodic(density, layer):
    whole, on_plane = np.full((2, 4), 3), np.array([[1, 0, 0, 0], [1, 0, 0, 0]])
    ds = density(whole, [4, 0])
    ds["section_density"] = ds["density"].copy(data=on_plane)
    overlay = plot.bifurcation(xr.concat([ds, ds], "direction").assign_coords(direction=["up", "down"]))[()]
    codes = layer(overlay, "kind")
    assert (codes[:, : codes.shape[1] // 2] == 3).all()
    assert (codes[codes.shape[0] // 2 :, codes.shape[1] // 2 + 1 :] == 0).all()


def test_directions_with_kinds_are_panels(by_kind, titles):
    both = xr.concat([by_kind([0, 3]), by_kind([3, 3])], "direction").assign_coords(direction=["up", "down"])
    assert titles(plot.bifurcation(both), "bokeh") == ["direction = up", "direction = down"]


def test_carried_sweeps(net):
    ds = dmfx.simulate(
        net,
        beta=np.linspace(1.26, 1.275, 8),
        gamma=220.0,
        steps=300,
        carry="beta",
        direction="both",
        chunks={"beta": -1},
    )
    overlay = plot.bifurcation(ds, bins=50)[()]
    assert texts(overlay) == ["up only", "down only", "both"]
    assert str(overlay.get(0).kdims[0]) == "beta"


def test_bad_kinds_and_exponents(by_kind, spectrum):
    with pytest.raises(ValueError, match=r"'kind' along the sweep dims of 'density', but it has \('run',\)"):
        plot.bifurcation(by_kind([0, 1]).assign(kind=("run", [1, 2, 3])))
    with pytest.raises(ValueError, match=r"whole numbers, but 'kind' has float64"):
        plot.bifurcation(by_kind([0, 1]).assign(kind=("beta", [0.5, 1.0])))
    with pytest.raises(ValueError, match=r"'lyapunov' along the sweep dims of 'density', but it has \('beta',\)"):
        plot.bifurcation(by_kind([0, 1]).assign(lyapunov=("beta", [0.5, 1.0])))
    with pytest.raises(ValueError, match=r"lowest must be a finite number"):
        plot.bifurcation(by_kind([0, 1]), lowest=np.inf)


def test_zooming_shades_again(diagram):
    import holoviews as hv

    picture = plot.bifurcation(diagram)
    picture.event(x_range=(1.25, 1.26), y_range=(-0.1, 0.1), width=100, height=50)
    visits = picture[()].get(0)
    assert isinstance(visits, hv.Image)
    assert visits.bounds.lbrt() == pytest.approx((1.25, -0.1, 1.26, 0.1))
    assert visits.dimension_values(2, flat=False).shape == (50, 100)


@pytest.mark.parametrize(
    ("arguments", "error", "text"),
    [
        ({"x": "gamma"}, ValueError, "at least two points, and 'gamma' has 1"),
        ({"x": "value"}, ValueError, "x must be a sweep dim, one of 'beta', 'gamma', 'seed'"),
        ({"x": 1}, TypeError, "x must be a sweep dim"),
        ({"width": 10, "height": "a"}, ValueError, "2 problems: width .* height"),
        ({"columns": 0}, ValueError, "columns must be"),
        ({"bins": 10, "plane": {"pattern": 1}}, ValueError, "plane, bins: only for trajectories.*leave it out"),
    ],
)
def test_bad_arguments(diagram, arguments, error, text):
    with pytest.raises(error, match=rf"plot\.bifurcation: .*{text}"):
        plot.bifurcation(diagram, **arguments)


def test_bad_arguments_of_the_analysis(sweep):
    with pytest.raises(ValueError, match=r"pattern must be a label .*value_range"):
        plot.bifurcation(sweep, pattern=7, value_range=(1, 0))
    with pytest.raises(ValueError, match=r"bins must be at least 2"):
        plot.bifurcation(sweep, bins=1)


def test_bad_datasets(net, density):
    with pytest.raises(TypeError, match=r"ds must be a Dataset from dmfx.simulate"):
        plot.bifurcation(net)
    with pytest.raises(ValueError, match=r"step and pattern"):
        plot.bifurcation(xr.Dataset())
    with pytest.raises(ValueError, match=r"'density' with the dims value"):
        plot.bifurcation(xr.Dataset({"density": ("beta", [1, 2])}))
    labels = density(np.ones((2, 3)), [0, 0]).assign_coords(beta=["a", "b"])
    with pytest.raises(ValueError, match=r"numbers for coordinate"):
        plot.bifurcation(labels)
    many = density(np.ones((2, 3)), [0, 0]).expand_dims(seed=range(13))
    with pytest.raises(ValueError, match=r"13 sweep points.*at most 12.*along seed \(13\)"):
        plot.bifurcation(many)
    with pytest.raises(ValueError, match=r"coordinates along run"):
        plot.bifurcation(density(np.ones((2, 3)), [0, 0]).expand_dims(run=2))
