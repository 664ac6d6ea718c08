import numpy as np
import pytest
import xarray as xr

from dmfx import analysis, plot
from dmfx.plot.fluctuations import _exponent
from dmfx.variables import describe_dataset

SIZES = [1e6, np.inf, 1e2, 1e4]


def found(beta=(1.2,), patterns=3, exponent=-0.5, error=0.012, **bounds):
    """What `dmfx.fluctuations` returns: N^exponent times 1, 2, 3 for the patterns."""
    size = np.array(SIZES)
    amplitude = np.stack([1.0 + np.arange(patterns)] * len(beta))
    value = np.where(np.isfinite(size), size**exponent, 0.0)[:, None] * amplitude[:, None, :]
    per_size, dims = ("beta", "size", "pattern"), ("beta", "pattern")
    attrs = {"variable": "m_o_semantic"}
    return describe_dataset(
        xr.Dataset(
            {
                "fluctuation": (per_size, value, attrs),
                "fluctuation_error": (per_size, 0.1 * value),
                "fluctuation_exponent": (dims, np.full_like(amplitude, exponent), attrs | bounds),
                "fluctuation_exponent_error": (dims, np.full_like(amplitude, error)),
                "fluctuation_amplitude": (dims, amplitude),
            },
            {"beta": list(beta), "size": size, "pattern": np.arange(patterns)},
        )
    )


def elements(overlay, sort):
    return [element for element in overlay if type(element).__name__ == sort]


def labels(overlay):
    return [element.label for element in overlay if element.label]


def fits(overlay, options):
    """The curves that are drawn solid."""
    return [each for each in elements(overlay, "Curve") if options(each)["line_dash"] == []]


def test_points_bars_and_fits(options):
    overlay = plot.fluctuations(found())
    assert labels(overlay) == ["slope -1/2", *(f"mᵒ{n}: exponent -0.500(12)" for n in "₀₁₂")]
    marks, bars, lines = elements(overlay, "Scatter"), elements(overlay, "ErrorBars"), fits(overlay, options)
    assert len(marks) == len(bars) == len(lines) == 3
    for number, (mark, bar, line) in enumerate(zip(marks, bars, lines, strict=True)):
        value = (number + 1) * np.array([0.1, 0.01, 0.001])
        assert mark.dimension_values(0).tolist() == [1e2, 1e4, 1e6], "sorted, without the mean field"
        np.testing.assert_allclose(mark.dimension_values(1), value)
        np.testing.assert_allclose(bar.dimension_values(2), 0.1 * value)
        np.testing.assert_allclose(bar.dimension_values(3), 0.1 * value)
        assert line.dimension_values(0).tolist() == [1e2, 1e6]
        np.testing.assert_allclose(line.dimension_values(1), value[[0, 2]])
        assert options(mark)["color"] == options(bar)["color"] == options(line)["color"]
    for backend in ("bokeh", "matplotlib"):
        drawn = options(overlay, backend)
        assert drawn["logx"]
        assert drawn["logy"]
        assert drawn["xlabel"] == "number of spins N"
        assert drawn["ylabel"].replace("\n", " ") == "standard deviation between replicas σ"
        assert drawn["ylim"][0] < 0.9e-3 < 0.33 < drawn["ylim"][1]


def test_guide(options):
    overlay = plot.fluctuations(found(exponent=0.0))
    curves = [each for each in elements(overlay, "Curve") if options(each)["line_dash"] == [2, 3]]
    guide = next(each for each in curves if not each.label)
    (x0, x1), (y0, y1) = guide.dimension_values(0), guide.dimension_values(1)
    assert np.log(y1 / y0) / np.log(x1 / x0) == pytest.approx(-0.5)
    assert y0 > 3.3


def test_the_fit_is_drawn_where_it_was_made(options):
    for bounds, ends in (({"min_size": 200.0}, [1e4, 1e6]), ({"max_size": 1e4}, [1e2, 1e4])):
        overlay = plot.fluctuations(found(**bounds))
        assert fits(overlay, options)[0].dimension_values(0).tolist() == ends
        assert len(elements(overlay, "Scatter")[0]) == 3


@pytest.mark.parametrize(
    ("exponent", "error", "text"),
    [
        (-0.4984, 0.0123, "-0.498(12)"),
        (-0.4984, 0.00123, "-0.4984(12)"),
        (-0.5, 0.0995, "-0.500(100)"),
        (0.02, 0.3, "0.02(30)"),
        (-2.0, 3.14, "-2.0 ± 3.1"),
        (-0.4984, 0.0, "-0.498"),
        (-0.4984, np.nan, "-0.498"),
    ],
)
def test_exponents_with_their_errors(exponent, error, text):
    one = found(exponent=exponent, error=error).isel(beta=0, pattern=0)
    assert _exponent(one) == text


def test_what_is_drawn(options):
    one = plot.fluctuations(found(), pattern=1)
    assert labels(one) == ["slope -1/2", "exponent -0.500(12)"]
    assert (
        options(elements(one, "Scatter")[0])["color"]
        == options(elements(plot.fluctuations(found()), "Scatter")[1])["color"]
    )
    no_fit = found(exponent=np.nan).fillna(0.1)
    no_fit["fluctuation_exponent"][:] = np.nan
    assert labels(plot.fluctuations(no_fit)) == ["slope -1/2", "mᵒ₀", "mᵒ₁", "mᵒ₂"]
    bare = found()[["fluctuation"]].drop_vars("pattern")
    assert labels(plot.fluctuations(bare)) == ["slope -1/2", "mᵒ₀", "mᵒ₁", "mᵒ₂"]
    assert not fits(plot.fluctuations(bare), options)


def test_bars_that_reach_zero_or_are_not_known(options):
    ds = found()
    ds["fluctuation_error"][0, 0] = 10.0
    ds["fluctuation_error"][0, 2] = np.nan
    overlay = plot.fluctuations(ds, pattern=0)
    (bar,) = elements(overlay, "ErrorBars")
    assert bar.dimension_values(2)[0] == bar.dimension_values(3)[0] == 0.0
    assert 0 < bar.dimension_values(2)[2] < 1e-3
    assert options(overlay)["ylim"][0] > 1e-5


def test_panels(titles, tmp_path):
    ds = found(beta=(1.2, 1.3))
    ds["fluctuation"][1] = ds["fluctuation_exponent"][1] = np.nan
    layout = plot.fluctuations(ds)
    assert titles(layout, "bokeh") == titles(layout, "matplotlib") == ["β = 1.2", "β = 1.3"]
    for suffix in ("png", "html"):
        assert plot.save(layout, tmp_path / f"picture.{suffix}").exists()


def test_one_size(tmp_path):
    ds = found().isel(size=[2])
    ds["fluctuation_exponent"][:] = np.nan
    assert plot.save(plot.fluctuations(ds), tmp_path / "one.png").exists()


def test_trajectories_are_analysed(monkeypatch, few):
    given = {}

    def fluctuations(ds, **options):
        given.update(options, ds=ds)
        return found()

    monkeypatch.setattr(analysis, "fluctuations", fluctuations)
    plot.fluctuations(few, variable="attention", min_size=1e3, max_size=1e9)
    assert given == {"ds": few, "variable": "attention", "min_size": 1e3, "max_size": 1e9}
    given.clear()
    few.dmft.plot.fluctuations()
    assert given == {"ds": few}


def test_trajectories(options):
    runs = np.random.default_rng(0).normal(size=(3, 4, 300, 2)) * np.array([1e-1, 1e-2, 0])[:, None, None, None]
    dims = ("size", "replica", "step", "pattern")
    ds = xr.Dataset({"m_o_semantic": (dims, runs)}, {"size": [1e2, 1e4, np.inf]})
    for data in (ds, ds.chunk(size=1)):
        overlay = plot.fluctuations(data)
        assert [label.partition(" -")[0] for label in labels(overlay)[1:]] == ["mᵒ₀: exponent", "mᵒ₁: exponent"]
        assert len(fits(overlay, options)) == 2


@pytest.mark.parametrize(
    ("arguments", "error", "text"),
    [
        ({"pattern": 7}, ValueError, r"pattern must be a label of the pattern coordinate \(0, 1, 2\), not 7"),
        ({"height": 3, "columns": "2"}, ValueError, "2 problems: height .*; columns must be"),
        ({"min_size": 3}, ValueError, "min_size: only for trajectories, but ds already holds 'fluctuation'"),
    ],
)
def test_wrong_arguments(arguments, error, text):
    with pytest.raises(error, match=rf"plot\.fluctuations: .*{text}"):
        plot.fluctuations(found(), **arguments)


def test_unfit_datasets():
    with pytest.raises(TypeError, match="ds must be a Dataset"):
        plot.fluctuations(3)
    with pytest.raises(ValueError, match=r"'fluctuation' with the dims size, pattern"):
        plot.fluctuations(found().isel(size=0))
    with pytest.raises(ValueError, match=r"ds must have finite sizes"):
        plot.fluctuations(found().isel(size=[1]))
    with pytest.raises(ValueError, match="ds has no finite values of 'fluctuation' above 0 to draw"):
        plot.fluctuations(0.0 * found())
