import numpy as np
import pytest
import xarray as xr

import dmfx
from dmfx import plot
from dmfx.plot._shading import scatter


@pytest.fixture(scope="module")
def layout(few):
    return plot.portrait(few, x=0, y=2)


def test_periodic_orbits_are_points_and_others_shaded(few, layout):
    import holoviews as hv

    periodic, quasi, chaotic = layout
    (points,) = periodic
    assert isinstance(points, hv.Points)
    assert len(points) == 4
    orbit = few.m_o_semantic.isel(beta=0, gamma=0, seed=0)
    for dim, pattern in enumerate((0, 2)):
        assert np.isin(points.dimension_values(dim), orbit.sel(pattern=pattern)).all()
    for panel in (quasi, chaotic):
        (image,) = panel[()]
        assert isinstance(image, hv.Image)


def test_every_state_is_in_its_pixel(few, layout):
    (image,) = list(layout)[2][()]
    counts = image.dimension_values(2, flat=False)
    left, bottom, right, top = image.bounds.lbrt()
    height, width = counts.shape
    orbit = few.m_o_semantic.isel(beta=2, gamma=0, seed=0).compute()
    columns = np.floor((orbit.sel(pattern=0) - left) / (right - left) * width).astype(int)
    rows = np.floor((orbit.sel(pattern=2) - bottom) / (top - bottom) * height).astype(int)
    assert np.isfinite(counts[rows, columns]).all()


@pytest.mark.parametrize("backend", ["bokeh", "matplotlib"])
def test_each_panel_has_its_own_title(layout, titles, backend):
    """Also where some are drawn on demand and others are not."""
    assert titles(layout, backend) == ["β = 0.9", "β = 1.255", "β = 1.4"]


def test_panels_share_a_range_or_not(few, layout, options):
    drawn = [options(panel) for panel in layout]
    assert len({each["xlim"] for each in drawn}) == 1
    assert drawn[0]["xlabel"] == "semantic output overlap mᵒ₀"
    assert drawn[0]["ylabel"] == "semantic output overlap mᵒ₂"
    own = [options(panel) for panel in plot.portrait(few, shared=False)]
    assert len({each["xlim"] for each in own}) == 3
    assert np.ptp(own[0]["xlim"]) < 0.5 * np.ptp(drawn[0]["xlim"])


def test_a_lone_point_is_seen_among_many():
    across = np.r_[np.full(5000, 0.5), 0.1]
    counts = scatter(across, np.r_[np.full(5000, 0.5), 0.9], (0.0, 1.0), (0.0, 1.0), (40, 40))
    assert counts[20, 20] == 5000
    assert np.isfinite(counts[36, 4])


def test_the_same_overlap_on_both_axes(few):
    (points,) = plot.portrait(few.isel(beta=[0]), x=1, y=1)
    assert np.array_equal(points.dimension_values(0), points.dimension_values(1))


def test_poincare_of_trajectories_and_of_results(few):
    result = dmfx.poincare(few, {"pattern": 1}, 0.05).compute()
    for layout in (plot.poincare(few, {"pattern": 1}, 0.05), plot.poincare(result)):
        for number, panel in enumerate(layout):
            (points,) = panel
            assert [str(dim) for dim in points.kdims] == ["m_o_semantic 0", "m_o_semantic 2"]
            section = result.section.isel(beta=number, gamma=0, seed=0)
            for dim, pattern in enumerate((0, 2)):
                drawn, expected = points.dimension_values(dim), section.sel(pattern=pattern).dropna("point").values
                assert np.isin(drawn, expected).all()
                assert drawn.size == 0 or np.ptp(drawn) == pytest.approx(np.ptp(expected), abs=1e-3)
    assert len(points) > 50


@pytest.mark.parametrize(
    ("given", "expected"), [({}, (0, 2)), ({"x": 2}, (2, 0)), ({"y": 0}, (2, 0)), ({"x": 1, "y": 1}, (1, 1))]
)
def test_axes_of_poincare(few, given, expected):
    panel = next(iter(plot.poincare(few, {"pattern": 1}, 0.05, **given)))
    assert [str(dim) for dim in panel.get(0).kdims] == [f"m_o_semantic {each}" for each in expected]


def test_empty_section(few, tmp_path):
    picture = plot.poincare(few, {"pattern": 1, "value": 5.0})
    assert plot.save(picture, tmp_path / "empty.png").exists()


def test_two_patterns_only():
    orbit = np.random.default_rng(0).normal(size=(500, 2))
    ds = xr.Dataset({"m_o_semantic": (("step", "pattern"), orbit)}, {"pattern": [0, 1], "step": np.arange(500)})
    (points,) = plot.poincare(ds, {"pattern": 0}, 0.5)
    assert [str(dim) for dim in points.kdims] == ["m_o_semantic 1", "m_o_semantic 0"]


def test_bad_input(few, net):
    for draw in (plot.portrait, plot.poincare):
        with pytest.raises(TypeError, match=rf"plot\.{draw.__name__}: ds must be a Dataset"):
            draw(net)
    with pytest.raises(ValueError, match=r"3 problems: x must be a label .*; y must be .*; shared must be"):
        plot.portrait(few, x=5, y="a", shared=1)
    with pytest.raises(ValueError, match=r"variable must be one of"):
        plot.portrait(few, variable="status")
    with pytest.raises(TypeError, match=r"plot\.poincare: plane must be a mapping"):
        plot.poincare(few)
    with pytest.raises(ValueError, match=r"y must be a label"):
        plot.poincare(few, {"pattern": 1}, y=9)
    with pytest.raises(ValueError, match=r"poincare: tolerance"):
        plot.poincare(few, {"pattern": 1}, tolerance=-1.0)
    with pytest.raises(ValueError, match=r"plane: only for trajectories, but ds already holds 'section'"):
        plot.poincare(dmfx.poincare(few, {"pattern": 1}), {"pattern": 0})
    many = dmfx.simulate(net, beta=np.linspace(0, 1, 13), gamma=1.0, steps=8)
    for draw in (plot.portrait, lambda ds: plot.poincare(ds, {"pattern": 1})):
        with pytest.raises(ValueError, match=r"13 sweep points.*along beta \(13\)"):
            draw(many)
