import numpy as np
import pytest
import xarray as xr

import dmfx
from dmfx import analysis, plot
from dmfx.plot._exponents import exponent_range


def named(overlay):
    return {element.label: element for element in overlay if element.label}


def elements(overlay, sort):
    return [element for element in overlay if type(element).__name__ == sort]


def test_exponents_over_beta(spectrum, options):
    ds = spectrum([-0.2, 0.0, 0.1], beta=[1.3, 1.1, 1.2], n=3)
    overlay = plot.lyapunov(ds)
    curves = named(overlay)
    assert list(curves) == ["λ₁", "λ₂", "λ₃"]
    for number, curve in enumerate(curves.values()):
        assert curve.dimension_values(0).tolist() == [1.1, 1.2, 1.3]
        np.testing.assert_allclose(curve.dimension_values(1), np.array([0.0, 0.1, -0.2]) - 0.1 * number)
    assert len({options(curve)["color"] for curve in curves.values()}) == 3
    for backend in ("bokeh", "matplotlib"):
        drawn = options(overlay, backend)
        assert drawn["xlim"] == pytest.approx((1.05, 1.35))
        assert drawn["xlabel"] == "inverse temperature β"
        assert drawn["ylabel"] == "Lyapunov exponent λ (nats per step)"


def test_bands_hold_95_percent(spectrum):
    overlay = plot.lyapunov(spectrum([0.0, 0.1], error=0.02))
    bands = elements(overlay, "Area")
    assert len(bands) == 3
    lower, upper = (bands[0].dimension_values(number) for number in (1, 2))
    np.testing.assert_allclose(upper - lower, 2 * 1.96 * 0.02)
    np.testing.assert_allclose((upper + lower) / 2, [0.0, 0.1], atol=1e-12)
    without = plot.lyapunov(spectrum([0.0, 0.1]).drop_vars("lyapunov_error"))
    assert not elements(without, "Area")


def test_bands_have_the_colour_of_their_curve_in_both_backends(spectrum):
    """Matplotlib's defaults are cycles, which win over a colour that is not given twice."""
    import holoviews as hv

    overlay = plot.lyapunov(spectrum([0.0, 0.1], n=2))
    figure = hv.renderer("matplotlib").get_plot(overlay).state
    bands = [each.get_facecolor()[0] for each in figure.axes[0].collections[:2]]
    lines = [line.get_color() for line in figure.axes[0].lines[1:3]]
    from matplotlib.colors import to_rgb

    for band, line in zip(bands, lines, strict=True):
        assert tuple(band[:3]) == pytest.approx(to_rgb(line))


def test_zero_is_marked(spectrum):
    zero = [curve for curve in elements(plot.lyapunov(spectrum([-0.1, -0.2])), "Curve") if not curve.label]
    assert len(zero) == 1
    assert zero[0].dimension_values(1).tolist() == [0.0, 0.0]
    assert plot.lyapunov(spectrum([-0.1, -0.2])).opts.get("plot", backend="bokeh").kwargs["ylim"][1] > 0


def test_very_negative_exponents_do_not_hide_those_near_zero(spectrum, options):
    ds = spectrum([0.1, -0.1, 0.05], n=12)
    ds["lyapunov"][..., 3:] -= 20.0
    low, high = options(plot.lyapunov(ds))["ylim"]
    assert -0.5 < low < -0.3
    assert 0.1 < high < 0.2
    labels = list(named(plot.lyapunov(ds)))
    assert labels == ["λ₁", "λ₂", "λ₃"], "the legend has what can be seen"
    assert options(plot.lyapunov(ds, lowest=-25.0))["ylim"][0] == -25.0
    assert "λ₁₂" in named(plot.lyapunov(ds, lowest=-25.0))


def test_ranges_of_exponents():
    def limits(*values, lowest=None):
        return exponent_range(xr.DataArray(np.array(values, float), dims=("beta", "exponent")), lowest)

    assert limits([-0.3, -0.4], [-0.2, -0.5])[0] < -0.5  # all are seen
    assert limits([0.1, -5.0])[0] == pytest.approx(-0.3)
    assert limits([np.nan, np.nan])[0] < 0 < limits([np.nan, np.nan])[1]
    assert limits([np.nan, np.nan], lowest=2.0)[0] == 2.0
    assert limits([0.0, 0.0])[0] < 0 < limits([0.0, 0.0])[1]
    assert limits([-1.0, -2.0], lowest=-0.5) == pytest.approx((-0.5, 0.03))


def test_only_some_exponents(spectrum):
    ds = spectrum([0.0, 0.1], n=5)
    assert list(named(plot.lyapunov(ds, 2))) == ["λ₁", "λ₂"]
    single = plot.lyapunov(ds, 1)
    assert not named(single)
    assert single.opts.get("plot", backend="bokeh").kwargs["ylabel"].startswith("Lyapunov exponent λ₁")


def test_lone_points_are_seen(spectrum):
    """A line shows nothing of a value between two that are not known."""
    ds = spectrum(np.zeros(200), n=1)
    ds["lyapunov"][9:30] = np.nan
    ds["lyapunov"][20] = 0.3
    marks = elements(plot.lyapunov(ds), "Scatter")
    assert [tuple(mark.dimension_values(number) for number in (0, 1)) for mark in marks] == [([20.0], [0.3])]
    assert len(elements(plot.lyapunov(spectrum([0.0, 0.1], n=1)), "Scatter")[0]) == 2


def test_one_point_converges(spectrum, options):
    ds = spectrum([0.1], n=2)
    overlay = plot.lyapunov(ds)
    curves = named(overlay)
    assert list(curves) == ["λ₁", "λ₂"]
    for number, curve in enumerate(curves.values()):
        assert curve.dimension_values(0).tolist() == [100, 200, 300, 400]
        np.testing.assert_allclose(curve.dimension_values(1), ds.lyapunov_running.squeeze()[:, number])
    assert options(overlay)["xlabel"] == "last step of the window (steps)"
    (first, _) = elements(overlay, "Area")
    np.testing.assert_allclose(first.dimension_values(1), 0.1 - 1.96 * 0.01)
    dots = elements(overlay, "Scatter")[0]
    np.testing.assert_allclose(dots.dimension_values(1), ds.finite_time_lyapunov.squeeze()[:, 0])


def test_convergence_of_several_points(spectrum, titles):
    layout = plot.lyapunov(spectrum([0.1, 0.2], beta=[1.2, 1.3]), x="window")
    assert len(layout) == 2
    assert titles(layout, "bokeh") == titles(layout, "matplotlib") == ["β = 1.2", "β = 1.3"]
    few = spectrum([0.1]).drop_vars(["lyapunov_error", "finite_time_lyapunov"])
    assert not elements(plot.lyapunov(few), "Area")


def converging(windows, **others):
    """Exponents (window, exponent) and the running mean of them."""
    windows = np.asarray(windows, float)
    running = np.cumsum(windows, axis=0) / np.arange(1, len(windows) + 1)[:, None]
    dims = ("window", "exponent")
    return xr.Dataset(
        {
            "lyapunov": ("exponent", running[-1]),
            "lyapunov_running": (dims, running),
            "finite_time_lyapunov": (dims, windows),
        },
        {"window": 100 * np.arange(1, len(windows) + 1), "exponent": np.arange(windows.shape[1])},
    )


def triangles(overlay, options):
    return [each for each in elements(overlay, "Scatter") if "triangle" in str(options(each).get("marker"))]


def test_the_range_holds_every_window(options):
    """Chaotic at first, then settled: the mean is still far above what it is on."""
    ds = converging([[0.1]] * 30 + [[-0.9], [-1.0]])
    low, high = options(plot.lyapunov(ds))["ylim"]
    assert -1.2 < low < -1.0
    assert 0.1 < high < 0.2
    assert not triangles(plot.lyapunov(ds), options)
    above = converging([[-0.1]] * 30 + [[0.5]])
    assert 0.5 < options(plot.lyapunov(above))["ylim"][1] < 0.6


def test_windows_beyond_the_range_are_marked(options):
    ds = converging([[0.1]] * 30 + [[-0.9], [-1.0]])
    overlay = plot.lyapunov(ds, lowest=-0.2)
    assert options(overlay)["ylim"][0] == -0.2
    (under,) = triangles(overlay, options)
    assert under.dimension_values(0).tolist() == [3100, 3200]
    assert (under.dimension_values(1) > -0.2).all()
    # One that is out of all proportion is cut off.
    values = np.full((200, 1), 0.1)
    values[-1] = -500.0
    values[-2] = 499.9
    ds = converging(values)
    ds["lyapunov_running"][-2:] = 0.1
    overlay = plot.lyapunov(ds)
    assert -1 < options(overlay)["ylim"][0] < options(overlay)["ylim"][1] < 1
    assert [each.dimension_values(0).tolist() for each in triangles(overlay, options)] == [[20000], [19900]]


def test_windows_of_very_negative_exponents_do_not_count(options):
    ds = converging(np.full((20, 4), [0.1, -0.1, -0.2, -30.0]))
    overlay = plot.lyapunov(ds)
    assert options(overlay)["ylim"][0] > -1
    assert not triangles(overlay, options)


def test_panels_and_another_axis(spectrum, titles):
    two = xr.concat([spectrum([0.0, 0.1, 0.2]), spectrum([0.0, 0.1, 0.3]).assign_coords(gamma=[300.0])], "gamma")
    layout = plot.lyapunov(two)
    assert titles(layout, "bokeh") == ["γ = 220", "γ = 300"]
    assert len(plot.lyapunov(two, x="gamma")) == 3
    over_gamma = plot.lyapunov(two.isel(beta=[0]))
    assert [str(dim) for dim in named(over_gamma)["λ₁"].kdims] == ["gamma"]


def test_states_are_analysed(monkeypatch, spectrum, few):
    given = {}

    def lyapunov(ds, **options):
        given.update(options, ds=ds)
        return spectrum([0.0, 0.1], n=2)

    monkeypatch.setattr(analysis, "lyapunov", lyapunov)
    plot.lyapunov(few, 2, steps=500)
    assert given == {"ds": few, "n": 2, "steps": 500}
    plot.lyapunov(few)
    assert given["n"] == 2, "None leaves the default of the analysis"


@pytest.mark.slow
def test_exponents_of_a_simulation(net):
    ds = dmfx.simulate(net, beta=[1.0, 1.3], gamma=220.0, steps=1, transient=2000)
    curves = named(plot.lyapunov(ds, 2, steps=400, transient=100))
    assert list(curves) == ["λ₁", "λ₂"]
    largest = curves["λ₁"].dimension_values(1)
    assert largest[0] < -0.01
    assert largest[1] > 0.05


@pytest.mark.parametrize(
    ("arguments", "error", "text"),
    [
        ({"x": "time"}, ValueError, "x must be a sweep dim, one of 'beta', 'gamma', 'seed', or 'window', not 'time'"),
        ({"x": 3}, TypeError, "x must be a sweep dim"),
        ({"x": "gamma"}, ValueError, "at least two points, and 'gamma' has 1"),
        ({"n": 0}, ValueError, "n must be a whole number of at least 1"),
        ({"n": 4}, ValueError, "n must be at most the number of exponents that ds has, 3, not 4"),
        ({"lowest": np.nan, "width": 3}, ValueError, "2 problems: width .*; lowest must be a finite number"),
        ({"columns": 0.5}, ValueError, "columns must be"),
        ({"steps": 10, "every": 2}, ValueError, "steps, every: only for trajectories.* already holds 'lyapunov'"),
    ],
)
def test_bad_arguments(spectrum, arguments, error, text):
    with pytest.raises(error, match=rf"plot\.lyapunov: .*{text}"):
        plot.lyapunov(spectrum([0.1, 0.2]), **arguments)


def test_bad_datasets(spectrum, net):
    with pytest.raises(TypeError, match=r"plot\.lyapunov: ds must be a Dataset"):
        plot.lyapunov(net)
    with pytest.raises(ValueError, match=r"'lyapunov' with the dims exponent"):
        plot.lyapunov(spectrum([0.1]).isel(exponent=0))
    with pytest.raises(ValueError, match=r"'lyapunov_running', but has 'lyapunov'"):
        plot.lyapunov(spectrum([0.1])[["lyapunov"]], x="window")
    with pytest.raises(ValueError, match=r"14 sweep points.*along beta \(14\)"):
        plot.lyapunov(spectrum(np.zeros(14)), x="window")
    with pytest.raises(ValueError, match=r"lyapunov: ds must"):
        plot.lyapunov(xr.Dataset())


def test_nothing_but_diverged_points(spectrum, tmp_path):
    ds = spectrum([np.nan, np.nan])
    assert plot.save(plot.lyapunov(ds), tmp_path / "empty.png").exists()
    assert plot.save(plot.lyapunov(ds.isel(beta=[0])), tmp_path / "one.html").exists()


def test_replicas_are_averaged_with_the_error_between_them(spectrum):
    values = np.array([[0.0, 0.1], [0.2, 0.1], [0.4, np.nan]])
    ds = xr.Dataset(
        {"lyapunov": (("replica", "beta", "exponent"), values[..., None])}, {"beta": [1.2, 1.3], "replica": [0, 1, 2]}
    )
    overlay = plot.lyapunov(ds)
    (curve,) = [each for each in elements(overlay, "Curve") if each.dimension_values(1).tolist() != [0.0, 0.0]]
    np.testing.assert_allclose(curve.dimension_values(1), [0.2, 0.1])
    (band,) = elements(overlay, "Area")
    lower, upper = (band.dimension_values(number) for number in (1, 2))
    np.testing.assert_allclose(upper - lower, [2 * 1.96 * 0.2 / np.sqrt(3), 0.0], atol=1e-12)


def test_over_the_number_of_spins_the_mean_field_is_a_line_across(options):
    ds = xr.Dataset(
        {"lyapunov": (("size", "exponent"), [[0.05, -0.3], [0.1, -0.1], [0.2, -0.2]])}, {"size": [np.inf, 1e6, 100.0]}
    )
    overlay = plot.lyapunov(ds)
    curves = named(overlay)
    assert list(curves) == ["mean field", "λ₁", "λ₂"]
    assert curves["λ₁"].dimension_values(0).tolist() == [100.0, 1e6]
    assert curves["λ₁"].dimension_values(1).tolist() == [0.2, 0.1]
    assert curves["mean field"].dimension_values(1).tolist() == [0.05, 0.05]
    for backend in ("bokeh", "matplotlib"):
        drawn = options(overlay, backend)
        assert drawn["logx"]
        assert drawn["xlim"] == pytest.approx((100 / 1.6, 1.6e6))


def test_an_axis_with_an_infinite_number_is_refused():
    ds = xr.Dataset({"lyapunov": (("beta", "exponent"), [[0.0], [0.1]])}, {"beta": [1.0, np.inf]})
    with pytest.raises(ValueError, match="x must be a dim of finite numbers: select those of 'beta'"):
        plot.lyapunov(ds)


def test_equal_replicas_keep_the_error_of_each():
    dims = ("size", "replica", "exponent")
    ds = xr.Dataset(
        {
            "lyapunov": (dims, [[[0.1], [0.3]], [[0.2], [0.2]]]),
            "lyapunov_error": (dims, [[[0.5], [0.5]], [[0.03], [0.03]]]),
        },
        {"size": [1e3, 1e6], "replica": [0, 1]},
    )
    (band,) = elements(plot.lyapunov(ds), "Area")
    lower, upper = (band.dimension_values(number) for number in (1, 2))
    np.testing.assert_allclose(upper - lower, 2 * 1.96 * np.array([0.1, 0.03]))
