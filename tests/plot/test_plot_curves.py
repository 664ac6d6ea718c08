import numpy as np
import pytest
import xarray as xr

import dmfx
from dmfx import plot


def values(panel):
    return [curve.dimension_values(1) for curve in panel]


def test_trajectory_of_each_point(few, options, titles):
    layout = plot.trajectory(few, pattern=1, steps=50)
    assert len(layout) == 3
    for number, panel in enumerate(layout):
        (drawn,) = values(panel)
        expected = few.m_o_semantic.isel(beta=number, gamma=0, seed=0, step=slice(50)).sel(pattern=1)
        assert np.array_equal(drawn, expected)
        assert np.array_equal(panel.get(0).dimension_values(0), few.step[:50])
    assert titles(layout, "bokeh") == titles(layout, "matplotlib") == ["β = 0.9", "β = 1.255", "β = 1.4"]
    assert options(panel)["xlabel"] == "time t (steps)"
    assert options(panel)["ylabel"] == "semantic output overlap mᵒ₁"


def test_trajectory_of_all_patterns(few, options):
    overlay = plot.trajectory(few.isel(beta=[0]), variable="attention", pattern=None)
    assert [curve.label for curve in overlay] == ["A₀", "A₁", "A₂"]
    assert options(overlay)["ylabel"] == "attention value A"
    assert len({options(curve)["color"] for curve in overlay}) == 3


def test_trajectory_needs_only_what_is_drawn(monkeypatch, net):
    from dmfx import tasks

    runs = []
    run_block = tasks.run_block
    monkeypatch.setattr(tasks, "run_block", lambda *args, **kwargs: runs.append(1) or run_block(*args, **kwargs))
    ds = dmfx.simulate(net, beta=[1.0, 1.3], gamma=220.0, steps=100, chunks={"step": 50, "beta": 1})
    plot.trajectory(ds.isel(beta=[0]), steps=20)
    assert len(runs) == 1


def test_nan_leaves_a_gap(few):
    ds = few.isel(beta=[0])[["m_o_semantic"]].compute()
    ds.m_o_semantic[..., 5:10, :] = np.nan
    (drawn,) = values(plot.trajectory(ds))
    assert np.isnan(drawn[5:10]).all()
    assert np.isfinite(drawn[10:]).all()


def test_autocorrelation(few, options):
    result = dmfx.autocorrelation(few, 30)
    for layout in (plot.autocorrelation(few, 30, pattern=2), plot.autocorrelation(result, pattern=2)):
        for number, panel in enumerate(layout):
            expected = result.autocorrelation.isel(beta=number, gamma=0, seed=0).sel(pattern=2)
            np.testing.assert_array_equal(values(panel)[0], expected)
        assert options(panel)["xlabel"] == "lag τ (steps)"
        assert options(panel)["ylabel"] == "normalised autocorrelation\nC(τ)"


def test_fft(few, options):
    result = dmfx.fft(few, pattern=0)
    for layout in (plot.fft(few), plot.fft(result)):
        for number, panel in enumerate(layout):
            expected = abs(result.amplitude.isel(beta=number, gamma=0, seed=0, pattern=0))
            np.testing.assert_array_equal(values(panel)[0], expected)
        assert options(panel)["xlabel"] == "frequency f (cycles per step)"
        assert options(panel)["ylim"][0] == 0


def test_power_spectrum_spans_ten_decades(few, options):
    result = dmfx.power_spectrum(few, pattern=0).compute()
    layout = plot.power_spectrum(result)
    peak = float(result.power.max())
    assert float(result.power.min()) < 1e-12 * peak
    for number, panel in enumerate(layout):
        expected = result.power.isel(beta=number, gamma=0, seed=0, pattern=0).clip(min=1e-10 * peak)
        np.testing.assert_array_equal(values(panel)[0], expected)
        assert options(panel)["logy"]
        assert options(panel)["ylim"] == pytest.approx((1e-10 * peak, 3 * peak))
    assert options(panel)["ylabel"] == "power spectral density S(f)\n(steps)"


def test_power_of_a_fixed_point(tmp_path):
    ds = xr.Dataset({"m_o_semantic": (("step", "pattern"), np.full((64, 1), 0.5))}, {"pattern": [0]})
    assert plot.save(plot.power_spectrum(ds), tmp_path / "flat.png").exists()
    assert plot.save(plot.autocorrelation(ds), tmp_path / "undefined.png").exists()


@pytest.mark.parametrize("draw", [plot.trajectory, plot.autocorrelation, plot.fft, plot.power_spectrum])
def test_bad_input(draw, few, net):
    name = f"plot.{draw.__name__}" if draw is plot.trajectory else draw.__name__
    with pytest.raises(TypeError, match=rf"plot\.{draw.__name__}: ds must be a Dataset"):
        draw(net)
    with pytest.raises(ValueError, match=rf"{name}: .*pattern must be a label of the pattern coordinate \(0, 1, 2\)"):
        draw(few, pattern=3)
    with pytest.raises(ValueError, match=rf"{name}: variable must be one of 'm_o_semantic'"):
        draw(few, variable="m")
    with pytest.raises(ValueError, match=rf"plot\.{draw.__name__}: 2 problems: width .*; columns"):
        draw(few, width=3.5, columns=0)
    many = dmfx.simulate(net, beta=np.linspace(0, 1, 13), gamma=[1.0, 2.0], steps=8)
    with pytest.raises(ValueError, match=r"26 sweep points.*at most 12.*along beta \(13\), gamma \(2\)"):
        draw(many)


def test_bad_input_of_results(few):
    result = dmfx.fft(few)
    with pytest.raises(ValueError, match=r"plot\.fft: window: only for trajectories"):
        plot.fft(result, window="hann")
    with pytest.raises(ValueError, match=r"'amplitude' with the dims frequency, pattern"):
        plot.fft(result.isel(pattern=0))
    with pytest.raises(ValueError, match=r"steps must be a whole number of at least 2"):
        plot.trajectory(few, steps=1)


def test_nothing_finite_is_said():
    """As after a start that was not complete: all points are NaN."""
    values = np.full((2, 64, 3), np.nan)
    ds = xr.Dataset({"m_o_semantic": (("beta", "step", "pattern"), values)}, {"beta": [1.0, 2.0]})
    with pytest.raises(ValueError, match=r"no finite values of 'power' to draw: see the status of its points"):
        plot.power_spectrum(ds)
