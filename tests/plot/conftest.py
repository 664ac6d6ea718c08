import holoviews
import numpy as np
import pytest
import xarray as xr

import dmfx
from dmfx.variables import describe_dataset


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


@pytest.fixture
def spectrum():
    """Makes exponents (beta, gamma, seed, exponent) as `dmfx.lyapunov` returns them, each λ₁ and then 0.1 lower."""

    def make(largest, beta=None, n=3, windows=4, error=0.01):
        largest = np.atleast_1d(np.asarray(largest, float))
        beta = np.arange(largest.size, dtype=float) if beta is None else np.asarray(beta, float)
        values = largest[:, None, None, None] - 0.1 * np.arange(n)
        drift = values[..., None, :] + error * np.array([3.0, 1.0, -2.0, -2.0])[:windows, None]
        dims = ("beta", "gamma", "seed", "exponent")
        ds = xr.Dataset(
            {
                "lyapunov": (dims, values),
                "lyapunov_error": (dims, np.full_like(values, error)),
                "finite_time_lyapunov": ((*dims[:3], "window", "exponent"), drift),
                "lyapunov_running": (
                    (*dims[:3], "window", "exponent"),
                    drift.cumsum(-2) / np.arange(1, windows + 1)[:, None],
                ),
            },
            {
                "beta": beta,
                "gamma": [220.0],
                "seed": [0],
                "exponent": np.arange(n),
                "window": 100 * np.arange(1, windows + 1),
            },
        )
        return describe_dataset(ds)

    return make


@pytest.fixture
def kinds():
    """Makes what `dmfx.classify` returns from kinds (beta, gamma)."""

    def make(kind, beta=None, gamma=None, **others):
        kind = np.asarray(kind, np.int8)
        axes = [
            np.arange(size, dtype=float) if given is None else np.asarray(given)
            for size, given in zip(kind.shape, (beta, gamma), strict=True)
        ]
        arrays = {"kind": kind, **{name: np.asarray(values) for name, values in others.items()}}
        ds = xr.Dataset(
            {name: (("beta", "gamma"), values) for name, values in arrays.items()}, {"beta": axes[0], "gamma": axes[1]}
        )
        return describe_dataset(ds)

    return make


@pytest.fixture
def coexisting():
    """Makes what `dmfx.basins` returns from counts (beta, attractor) out of a number of starts, kinds and periods."""

    def make(count, starts, kind, period, other=0, beta=None):
        count = np.asarray(count)
        kind, period = (np.where(count > 0, np.asarray(each), empty) for each, empty in ((kind, 6), (period, 0)))
        points = np.random.default_rng(0).normal(size=(*count.shape, 40, 3))
        points = np.where(count[..., None, None] > 0, points, np.nan)
        dims = ("beta", "attractor")
        fraction = count / starts
        ds = xr.Dataset(
            {
                "basin_count": (dims, count),
                "basin_fraction": (dims, fraction),
                "basin_fraction_low": (dims, 0.9 * fraction),
                "basin_fraction_high": (dims, np.minimum(1.1 * fraction, 1.0)),
                "basin_other": ("beta", np.full(len(count), other)),
                "basin_none": ("beta", starts - count.sum(axis=1) - other),
                "attractor_kind": (dims, kind.astype(np.int8)),
                "attractor_period": (dims, period),
                "attractor_lyapunov": (dims, np.where(count > 0, 0.1, np.nan)),
                "attractor_points": ((*dims, "point", "pattern"), points),
            },
            {
                "beta": np.arange(len(count), dtype=float) if beta is None else np.asarray(beta, float),
                "attractor": np.arange(count.shape[1]),
                "pattern": [0, 1, 2],
            },
        )
        return describe_dataset(ds)

    return make


@pytest.fixture
def branch():
    """A branch of period 4 with a fold, a Neimark-Sacker point and two points beyond its end, from two orbits."""
    parameter = [1.0, 1.1, 1.2, 1.3, 1.25, 1.2, np.nan, np.nan]
    values = np.array([0.0, 0.1, 0.2, 0.3, 0.4, 0.5, np.nan, np.nan])
    dims = ("gamma", "orbit", "branch_point")
    ds = xr.Dataset(
        {
            "parameter": (dims, [[parameter, parameter]]),
            "orbit_max": ((*dims, "pattern"), [[np.stack([values, 2 * values], axis=-1)] * 2]),
            "orbit_mean": ((*dims, "pattern"), [[np.stack([0 * values, values], axis=-1)] * 2]),
            "unstable": (dims, [[[0, 0, 0, 2, 3, 3, -1, -1]] * 2]),
            "special": (dims, np.array([[[0, 0, 3, 1, 0, 0, 0, 0]] * 2], np.int8)),
            "critical_angle": (dims, [[[np.nan, np.nan, 1.5, 0.0, *[np.nan] * 4]] * 2]),
            "period": (("gamma", "orbit"), [[4, 8]]),
        },
        {"gamma": [220.0], "orbit": [0, 1], "pattern": [0, 1]},
    )
    ds = describe_dataset(ds)
    ds["parameter"].attrs["along"] = "beta"
    return ds


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
