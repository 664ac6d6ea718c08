import numpy as np
import pytest
import xarray as xr

from dmfx import analysis, plot
from dmfx.plot import _style
from dmfx.plot._colours import KINDS, UNKNOWN
from dmfx.plot._shading import edges

NAMES = list(KINDS)


def labels(overlay):
    return [element.label for element in overlay if element.label]


def at(overlay, name, x, y):
    """Value of the pixel that holds a point."""
    picture = next(element for element in overlay if element.vdims and element.vdims[0].name == name)
    left, bottom, right, top = picture.bounds.lbrt()
    values = picture.dimension_values(2, flat=False)
    height, width = values.shape
    return values[int((y - bottom) / (top - bottom) * height), int((x - left) / (right - left) * width)]


def told(overlay):
    """What the mouse tells: an image (y, x, variable) and the options of the tool."""
    return next(element for element in overlay if element.vdims and element.vdims[0].name.startswith("point "))


@pytest.fixture
def uneven(kinds):
    beta, gamma = np.array([1.0, 1.1, 1.15, 1.4]), np.array([50.0, 100.0, 300.0])
    rng = np.random.default_rng(0)
    kind = rng.permutation(np.arange(12) % 6).reshape(4, 3)
    return kinds(kind, beta, gamma, period=np.where(kind == 1, 28, 0), lyapunov=rng.normal(size=(4, 3)))


def test_every_cell_reaches_halfway_to_its_neighbours(uneven, options):
    overlay = plot.phase_diagram(uneven)[()]
    picture = overlay.get(0)
    limits = edges(uneven.beta.values), edges(uneven.gamma.values)
    assert picture.bounds.lbrt() == pytest.approx((limits[0][0], limits[1][0], limits[0][-1], limits[1][-1]))
    size = _style.frame(760, 560, labels(overlay), "kind of attractor")
    assert picture.dimension_values(2, flat=False).shape == size[::-1]
    for i, j in np.ndindex(4, 3):
        for part in (0.02, 0.5, 0.98):
            x, y = (each[k] + part * (each[k + 1] - each[k]) for each, k in zip(limits, (i, j), strict=True))
            assert at(overlay, "kind", x, y) == uneven.kind[i, j] + 1
    for backend in ("bokeh", "matplotlib"):
        drawn = options(overlay, backend)
        assert drawn["xlim"] == pytest.approx((limits[0][0], limits[0][-1]))
        assert drawn["xlabel"] == "inverse temperature β"
        assert drawn["ylabel"] == "attention strength γ"


def test_kinds_have_their_colours_and_a_legend_of_those_there_are(kinds, options):
    overlay = plot.phase_diagram(kinds([[0, 3], [1, 3]]))[()]
    assert labels(overlay) == ["fixed", "periodic", "chaotic"]
    assert options(overlay.get(0))["cmap"] == ["#00000000", *KINDS.values()]
    assert options(overlay.get(0))["clim"] == (0, 7)
    keys = [element for element in overlay if element.label]
    assert [options(key)["color"] for key in keys] == [KINDS["fixed"], KINDS["periodic"], KINDS["chaotic"]]


def test_unsorted_and_transposed(uneven):
    mixed = uneven.isel(beta=[2, 0, 3, 1]).transpose("gamma", "beta")
    first, second = (plot.phase_diagram(each)[()].get(0).dimension_values(2) for each in (uneven, mixed))
    assert np.array_equal(first, second)


def test_axes_can_be_any_two_sweep_dims(uneven, titles):
    swapped = plot.phase_diagram(uneven, x="gamma", y="beta")[()]
    assert [str(dim) for dim in swapped.get(0).kdims] == ["gamma", "beta"]
    seeds = uneven.expand_dims(seed=[3, 8])
    layout = plot.phase_diagram(seeds)
    assert titles(layout, "bokeh") == ["kind of attractor, seed = 3", "kind of attractor, seed = 8"]
    assert titles(layout, "matplotlib") == titles(layout, "bokeh")
    assert len(plot.phase_diagram(seeds, y="seed")) == 3
    only = plot.phase_diagram(seeds.isel(gamma=[0]))[()]
    assert [str(dim) for dim in only.get(0).kdims] == ["beta", "seed"]
    assert [str(dim) for dim in plot.phase_diagram(seeds.isel(beta=[0]))[()].get(0).kdims] == ["gamma", "seed"]


def test_few_periods_have_a_colour_each(kinds, options):
    ds = kinds([[1, 1], [1, 3]], period=[[44, 4], [28, 0]])
    overlay = plot.phase_diagram(ds, variable="period")[()]
    assert labels(overlay) == ["4", "28", "44"]
    found = [at(overlay, "period", *place) for place in ((0, 1), (1, 0), (0, 0), (1, 1))]
    assert found == [1, 2, 3, 0]
    assert options(overlay.get(0))["cmap"][0] == "#00000000"
    assert overlay.label == "period of the orbit (steps)"


def test_many_periods_share_colours_by_powers_of_two(kinds):
    period = np.array([1, 2, 3, 4, 5, 8, 12, 28, 44, 100, 500, 0]).reshape(3, 4)
    overlay = plot.phase_diagram(kinds(np.ones((3, 4)), period=period), variable="period")[()]
    assert labels(overlay) == ["1", "2", "3–4", "5–8", "12", "28", "44", "100", "500"]
    codes = [at(overlay, "period", *place) for place in np.ndindex(3, 4)]
    assert codes == [1, 2, 3, 3, 4, 4, 5, 6, 7, 8, 10, 0]


def test_numbers_of_frequencies(kinds):
    ds = kinds([[2, 2], [0, 3]], frequencies=[[1, 2], [0, 0]])
    overlay = plot.phase_diagram(ds, variable="frequencies")[()]
    assert labels(overlay) == ["1", "2"]
    assert overlay.label == "number of incommensurate frequencies"


def test_exponents_are_white_at_zero(spectrum, options):
    two = xr.concat([spectrum([-3.0, 0.1, -0.05]), spectrum([0.2, 0.0, -0.1]).assign_coords(gamma=[300.0])], "gamma")
    overlay = plot.phase_diagram(two, variable="lyapunov")[()]
    picture = overlay.get(0)
    for backend in ("bokeh", "matplotlib"):
        drawn = options(picture, backend)
        assert drawn["clim"] == (-0.2, 0.2), "what half of the values and all that are positive need"
        assert drawn["colorbar"] is True
        assert drawn["cmap"][127] == "#f7f7f7"
        assert options(overlay, backend)["bgcolor"] == UNKNOWN
    assert at(overlay, "lyapunov", 0, 300.0) == np.float32(0.2)
    assert at(overlay, "lyapunov", 0, 220.0) == -3.0
    assert overlay.label == "largest Lyapunov exponent λ₁ (nats per step)"
    assert not labels(overlay)


def test_second_exponent(spectrum):
    two = xr.concat([spectrum([0.1, 0.2]), spectrum([0.3, 0.4]).assign_coords(gamma=[300.0])], "gamma")
    overlay = plot.phase_diagram(two.isel(exponent=[1]), variable="lyapunov")[()]
    assert at(overlay, "lyapunov", 0, 220.0) == pytest.approx(0.0, abs=1e-7)
    assert overlay.label == "Lyapunov exponent λ₂ (nats per step)"


def test_what_is_not_known(kinds, options):
    ds = kinds([[1, 5], [3, 3]], lyapunov=[[-0.1, np.nan], [0.1, 0.2]])
    ds["lyapunov"].attrs["units"] = "1/step"
    overlay = plot.phase_diagram(ds, variable="lyapunov")[()]
    assert labels(overlay) == ["not known"]
    assert np.isnan(at(overlay, "lyapunov", 0, 1))
    assert options(next(element for element in overlay if element.label))["color"] == UNKNOWN


def test_times_over_orders_of_magnitude_are_logarithmic(kinds, options):
    ds = kinds(np.ones((2, 2)), settled=[[0.0, 5.0], [300.0, 1e5]])
    drawn = options(plot.phase_diagram(ds, variable="settled")[()].get(0))
    assert drawn["logz"]
    assert drawn["clim"] == (5.0, 1e5)
    ds["settled"] = ds["settled"].clip(max=400.0)
    drawn = options(plot.phase_diagram(ds, variable="settled")[()].get(0))
    assert not drawn["logz"]
    assert drawn["clim"] == (0.0, 400.0)


def test_flags_and_other_numbers(kinds, options):
    ds = kinds([[0, 3], [1, 3]], status=[[0, 1], [0, 0]], agree=[[1, 1], [0, 1]], spectral_floor=[[-9.0, -2], [-8, -3]])
    assert labels(plot.phase_diagram(ds, variable="status")[()]) == ["ok", "diverged"]
    assert labels(plot.phase_diagram(ds, variable="agree")[()]) == ["no", "yes"]
    floor = plot.phase_diagram(ds, variable="spectral_floor")[()]
    assert options(floor.get(0))["clim"] == (-9.0, -2.0)
    flat = ds.assign(spectral_floor=0 * ds["spectral_floor"])
    low, high = options(plot.phase_diagram(flat, variable="spectral_floor")[()].get(0))["clim"]
    assert low < high


def test_verdicts_have_a_panel_for_each_criterion(kinds, titles):
    ds = kinds([[0, 3], [1, 3]])
    verdict = xr.concat([ds["kind"], 0 * ds["kind"] + 6], "criterion").assign_coords(
        criterion=["recurrence", "spectrum"]
    )
    layout = plot.phase_diagram(ds.assign(verdict=verdict.assign_attrs(ds["kind"].attrs)), variable="verdict")
    assert titles(layout, "bokeh") == [f"kind of attractor, criterion = {each}" for each in ("recurrence", "spectrum")]
    assert labels(list(layout)[1][()]) == ["fixed", "periodic", "chaotic", "none"], "the same legend in all panels"


def test_points_that_the_criteria_disagree_on_are_striped(kinds):
    agree = np.ones((6, 5), int)
    agree[2, 3] = 0
    ds = kinds(np.full((6, 5), 3), agree=agree)
    overlay = plot.phase_diagram(ds)[()]
    assert labels(overlay) == ["chaotic", "striped: criteria disagree"]
    codes = overlay.get(0).dimension_values(2, flat=False)
    height, width = codes.shape
    cell = codes[int(3.1 / 5 * height) : int(3.9 / 5 * height), int(2.1 / 6 * width) : int(2.9 / 6 * width)]
    assert 0.2 < (cell == 0).mean() < 0.5
    assert (cell[cell != 0] == 4).all()
    codes[int(3 / 5 * height) - 1 : int(4 / 5 * height) + 2, int(2 / 6 * width) - 1 : int(3 / 6 * width) + 2] = 4
    assert (codes == 4).all()
    plain = plot.phase_diagram(ds, mark=False)[()]
    assert labels(plain) == ["chaotic"]
    assert (plain.get(0).dimension_values(2) == 4).all()
    assert labels(plot.phase_diagram(ds, variable="agree")[()]) == ["no", "yes"]


def test_stripes_go_through_every_cell_however_small(kinds):
    overlay = plot.phase_diagram(kinds(np.full((200, 150), 3), agree=np.zeros((200, 150))))[()]
    codes = overlay.get(0).dimension_values(2, flat=False)
    height, width = codes.shape
    columns, rows = (np.arange(size) * count // size for size, count in ((width, 200), (height, 150)))
    struck = np.zeros((150, 200), bool)
    np.logical_or.at(struck, np.ix_(rows, columns), codes == 0)
    assert struck.all()


def test_the_mouse_tells_names(uneven, options):
    overlay = plot.phase_diagram(uneven, variable="period")[()]
    image = told(overlay)
    assert [dim.name for dim in image.vdims] == ["point kind", "point period", "point lyapunov"]
    assert options(image)["tools"] == ["hover"]
    assert options(image)["alpha"] == 0
    values = {dim.name: image.dimension_values(dim, flat=False) for dim in image.vdims}
    i, j = 1, 2
    limits = edges(uneven.beta.values), edges(uneven.gamma.values)
    height, width = values["point kind"].shape
    column = int((1.1 - limits[0][0]) / np.ptp(limits[0]) * width)
    row = int((300.0 - limits[1][0]) / np.ptp(limits[1]) * height)
    assert values["point kind"][row, column] == uneven.kind[i, j]
    assert values["point period"][row, column] == uneven.period[i, j]
    assert values["point lyapunov"][row, column] == np.float32(uneven.lyapunov[i, j])


def test_the_tool_of_the_mouse_can_be_drawn_twice(uneven):
    """Bokeh's models belong to one document each."""
    import holoviews as hv
    from bokeh.models import HoverTool

    picture = plot.phase_diagram(uneven)
    for _ in range(2):
        figure = hv.renderer("bokeh").get_plot(picture).state
        tool = next(tool for tool in figure.tools if isinstance(tool, HoverTool))
        names = [name for name, _ in tool.tooltips]
        assert names == ["β", "γ", "kind", "period", "λ₁"]
        sources = [source for _, source in tool.tooltips]
        assert sources[2:] == ["@image{custom}", "@{point_period}{custom}", "@{point_lyapunov}{custom}"]
        assert set(tool.formatters) == {"@image", "@{point_period}", "@{point_lyapunov}"}
        assert "quasi-periodic" in tool.formatters["@image"].code
        (image,) = [each for each in figure.renderers if "point_period" in each.data_source.data]
        assert tool.renderers == [image]


def test_zooming_draws_the_cells_that_are_seen(uneven):
    picture = plot.phase_diagram(uneven)
    picture.event(x_range=(0.0, 1.08), y_range=(60.0, 90.0), width=100, height=50)
    codes = picture[()].get(0).dimension_values(2, flat=False)
    assert codes.shape == (50, 100)
    assert (codes[:, :80] == 0).all(), "left of the first cell there is nothing"
    assert at(picture[()], "kind", 1.0, 70.0) == uneven.kind[0, 0] + 1


def test_zooming_to_what_is_not_known(spectrum):
    import holoviews as hv

    two = xr.concat([spectrum([np.nan, 0.1]), spectrum([np.nan, -0.1]).assign_coords(gamma=[300.0])], "gamma")
    picture = plot.phase_diagram(two, variable="lyapunov")
    hv.renderer("bokeh").get_plot(picture)
    for x_range in ((-0.4, 0.4), (0.0, 1.0), (5.0, 6.0)):
        picture.event(x_range=x_range, y_range=(200.0, 320.0), width=60, height=40)
        assert [type(element).__name__ for element in picture[()]] == ["Image", "Image", "Points"]


def test_states_go_to_the_analysis_of_the_variable(monkeypatch, few, kinds, spectrum):
    given = []

    def classify(ds, **options):
        given.append(("classify", options))
        return kinds([[0, 3], [1, 3]], period=[[4, 0], [28, 0]])

    def lyapunov(ds, **options):
        given.append(("lyapunov", options))
        return xr.concat([spectrum([0.1, 0.2]), spectrum([0.3, 0.4]).assign_coords(gamma=[300.0])], "gamma")

    monkeypatch.setattr(analysis, "classify", classify, raising=False)
    monkeypatch.setattr(analysis, "lyapunov", lyapunov, raising=False)
    plot.phase_diagram(few)
    plot.phase_diagram(few, variable="period", steps=500)
    plot.phase_diagram(few, variable="lyapunov", n=1)
    assert given == [("classify", {}), ("classify", {"steps": 500}), ("lyapunov", {"n": 1})]


@pytest.mark.parametrize(
    ("arguments", "error", "text"),
    [
        ({"x": "time"}, ValueError, "x must be a sweep dim, one of 'beta', 'gamma', not 'time'"),
        ({"y": 1}, TypeError, "y must be a sweep dim"),
        ({"x": "beta", "y": "beta"}, ValueError, "x and y must be two dims, not both 'beta'"),
        ({"variable": "color"}, ValueError, "must have the variable 'color', but has 'kind', 'period', 'lyapunov'"),
        ({"variable": 3}, TypeError, "variable must be the name of a variable"),
        ({"mark": "yes", "width": 0}, ValueError, "2 problems: width .*; mark must be True or False"),
        ({"columns": 0}, ValueError, "columns must be"),
        ({"n": 2, "steps": 9}, ValueError, "n, steps: only for trajectories"),
    ],
)
def test_bad_arguments(uneven, arguments, error, text):
    with pytest.raises(error, match=rf"plot\.phase_diagram: .*{text}"):
        plot.phase_diagram(uneven, **arguments)


def test_bad_datasets(uneven, net):
    with pytest.raises(TypeError, match=r"plot\.phase_diagram: ds must be a Dataset"):
        plot.phase_diagram(net)
    with pytest.raises(ValueError, match=r"must have the variable 'kind', but has none"):
        plot.phase_diagram(xr.Dataset())
    with pytest.raises(ValueError, match=r"at least two points, and 'gamma' has 1"):
        plot.phase_diagram(uneven.isel(gamma=[0]))
    with pytest.raises(ValueError, match=r"y must be a sweep dim, one of 'beta', not 'gamma'"):
        plot.phase_diagram(uneven.isel(gamma=0))
    with pytest.raises(ValueError, match=r"13 sweep points.*at most 12.*along seed \(13\)"):
        plot.phase_diagram(uneven.expand_dims(seed=range(13)))
    with pytest.raises(ValueError, match=r"variable must be of real numbers, but 'kind' has dtype complex"):
        plot.phase_diagram(uneven.assign(kind=uneven.kind * 1j))
    with pytest.raises(ValueError, match=r"x must be a dim with numbers for coordinate, and 'beta' has none"):
        plot.phase_diagram(uneven.assign_coords(beta=list("abcd")), x="beta")


def test_nothing_known_at_all(kinds, tmp_path):
    ds = kinds(np.full((2, 2), 5), period=np.zeros((2, 2), int), lyapunov=np.full((2, 2), np.nan))
    for variable in ("kind", "period", "lyapunov"):
        picture = plot.phase_diagram(ds, variable=variable)
        assert plot.save(picture, tmp_path / f"{variable}.png").exists()


def test_files_show_every_colour(kinds, tmp_path):
    from matplotlib.image import imread

    kind = np.arange(6).reshape(2, 3)
    path = plot.save(plot.phase_diagram(kinds(kind)), tmp_path / "a.png")
    picture = (imread(path)[..., :3] * 255).round().astype(int)
    assert picture.shape[1::-1] == (1520, 1120)
    for name in NAMES[:6]:
        colour = [int(KINDS[name][i : i + 2], 16) for i in (1, 3, 5)]
        assert (picture == colour).all(axis=-1).mean() > 0.08


def test_colour_bar_stands_beside_the_frame(spectrum, tmp_path):
    from matplotlib.image import imread

    two = xr.concat([spectrum([-0.1, 0.1]), spectrum([0.2, -0.2]).assign_coords(gamma=[300.0])], "gamma")
    for ds, size in ((two, (1520, 1120)), (two.squeeze("seed").expand_dims(seed=[0, 1]), (3040, 1120))):
        path = plot.save(plot.phase_diagram(ds, variable="lyapunov"), tmp_path / "a.png", overwrite=True)
        picture = imread(path)[..., :3]
        assert picture.shape[1::-1] == size
        left, right, _, top = (2 * each for each in _style.MARGINS)
        frame_right = 1520 - right - 2 * _style.BAR
        row = picture[top + 200]
        assert (row[left + 4 : frame_right - 4].min(axis=-1) < 1).all()
        gap = row[frame_right + 4 : frame_right + 2 * _style.BAR_GAP - 4]
        assert (gap == 1).all()
        bar = frame_right + 2 * _style.BAR_GAP + 4
        assert (row[bar : bar + 2 * _style.BAR_WIDTH - 10].min(axis=-1) < 1).all()
        for edge in (picture[0], picture[-1], picture[:, 0], picture[:, -1]):
            assert (edge == 1).all(), "something is cut off"
