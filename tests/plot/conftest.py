import holoviews
import numpy as np
import pytest
import xarray as xr

import dmfx


@pytest.fixture(scope="session")
def net():
    return dmfx.SelfAttention.paper()


@pytest.fixture(scope="session")
def few(net):
    """A periodic, a quasi-periodic and a chaotic point."""
    ds = dmfx.simulate(net, beta=[0.9, 1.255, 1.4], gamma=220.0, steps=4000, transient=2000, chunks={"beta": 1})
    return ds


@pytest.fixture(scope="session")
def sweep(net):
    """Lazy, across the Neimark-Sacker bifurcation near β = 1.243."""
    return dmfx.simulate(net, beta=np.linspace(1.23, 1.27, 81), gamma=220.0, steps=2000, transient=20_000)


@pytest.fixture(scope="session")
def diagram(sweep):
    """Both densities of the sweep, computed."""
    whole = dmfx.bifurcation(sweep, bins=400, value_range=(-0.3, 0.3))
    section = dmfx.bifurcation(sweep, plane={"pattern": 1}, bins=400, value_range=(-0.3, 0.3))
    return whole.assign(section_density=section["section_density"]).compute()


@pytest.fixture
def density():
    """Makes a diagram of given counts (beta, value) and periods."""

    def make(counts, period, beta=None, low=-1.0, high=1.0):
        counts = np.asarray(counts, np.uint32)
        edges = np.linspace(low, high, counts.shape[1] + 1)
        beta = np.arange(len(counts), dtype=float) if beta is None else np.asarray(beta, float)
        return xr.Dataset(
            {
                "density": (("beta", "value"), counts, {"variable": "m_o_semantic", "pattern": 0}),
                "period": (("beta",), np.asarray(period, np.int32)),
            },
            {"beta": beta, "value": (edges[1:] + edges[:-1]) / 2},
        )

    return make


def layer(overlay, name):
    """Pixels (y, x), the lowest y first, of the image of some name."""
    return next(element for element in overlay if element.vdims and element.vdims[0].name == name).dimension_values(
        2, flat=False
    )


@pytest.fixture(name="layer")
def _layer():
    return layer


@pytest.fixture
def options():
    """Plot and style options of an element."""

    def look_up(element, backend="bokeh"):
        element = element[()] if isinstance(element, holoviews.DynamicMap) else element
        return {
            **element.opts.get("plot", backend=backend).kwargs,
            **element.opts.get("style", backend=backend).kwargs,
        }

    return look_up


@pytest.fixture
def titles():
    """Titles that a backend draws over the panels of a layout."""

    def look_up(layout, backend):
        plots = holoviews.renderer(backend).get_plot(layout).subplots.values()
        parts = [plot.subplots["main"] for plot in plots]
        return [
            part.handles["title"].get_text() if backend == "matplotlib" else part.state.title.text for part in parts
        ]

    return look_up
