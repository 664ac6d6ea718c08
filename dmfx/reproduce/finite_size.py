"""Networks of 10^3 to 10^9 spins beside the mean field, at the point where the published program compares the two.

The published program draws every spin of one network of N = 990,000 at β = 1.26405, γ = 220, and lays its overlaps over
those of the mean field. Here the same network is one of eleven sizes with twenty realisations of the noise each, and
what is compared is the attractor: its picture, its distance from that of the mean field, its largest exponent.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import xarray as xr

from dmfx.analysis import attractor_distance
from dmfx.models import SelfAttention
from dmfx.models.published import GAMMA
from dmfx.simulate import simulate

__all__ = ["BETA", "SIZES", "draw_networks", "networks"]

#: Inverse temperature and number of spins of the published comparison.
BETA, PUBLISHED = 1.26405, 990_000.0
SIZES = (1e3, 1e4, 3e4, 1e5, 3e5, PUBLISHED, 3e6, 1e7, 3e7, 1e8, 1e9, np.inf)
#: Sizes whose attractors are drawn, and whether in the frame of the mean field's.
DRAWN = {1e4: False, 1e5: False, PUBLISHED: True, 1e9: True}
#: Trajectories are kept at equal phases of the position drive, where the torus is one closed curve: so many states.
KEPT = 3_000
STATE = ["final_attention", "final_phase", "noise_step", "field_weights", "overlap_weights", "position_weights"]
WIDTH, HEIGHT = 440, 430


def networks(sizes: Sequence[float], *, replicas: int, steps: int, transient: int) -> xr.Dataset:
    """Attractors of finite networks, their distances from that of the mean field, and their largest exponents.

    All networks start from where the mean field is after the transient, and discard as many steps again: from the
    published context, some would still be on a chaotic transient.

    Parameters
    ----------
    sizes
        Numbers of spins, and infinity.
    replicas
        Number of realisations of the noise.
    steps, transient
        Steps kept and discarded.

    Returns
    -------
    xr.Dataset
        Lazy; what `dmfx.attractor_distance` returns, ``lyapunov`` by replica, ``m_o_semantic`` of replica 0 at every
        L-th of the last steps, and the final states.
    """
    net, point = SelfAttention.paper(), {"beta": BETA, "gamma": GAMMA}
    mean_field = simulate(net, **point, steps=1, transient=transient - 1)
    runs = simulate(
        net,
        **point,
        size=sizes,
        replica=range(replicas),
        steps=steps,
        transient=transient,
        initial=mean_field,
        variables="m_o_semantic",
        lyapunov=1,
    )
    every = net.context_size
    first = max(steps - KEPT * every, 0)
    states = runs["m_o_semantic"].isel(replica=0, step=slice(first, None, every), drop=True)
    states.attrs["comment"] = f"replica 0, every {every} steps, where the phase of the position is the same"
    exponents = runs[["lyapunov", "lyapunov_error"]]
    parts = [attractor_distance(runs), exponents, states.to_dataset(name="m_o_semantic"), runs[STATE]]
    ds = xr.merge(parts, compat="override", combine_attrs="override", join="exact")
    ds.attrs["history"] = "\n".join(each.attrs["history"] for each in (mean_field, runs))
    return ds


def draw_networks(ds: xr.Dataset) -> Any:
    """Draw attractors over that of the mean field, then distances and exponents over the number of spins."""
    from dmfx import plot
    from dmfx.plot._layout import arrange

    ds = ds.squeeze([dim for dim in ("beta", "gamma", "seed") if dim in ds.dims], drop=True).load()
    distance = plot.attractor_distance(ds, pattern=0, width=WIDTH, height=HEIGHT)
    attractors = [_attractor(ds["m_o_semantic"], size, close) for size, close in DRAWN.items()]
    return arrange([*attractors, distance, _exponents(ds["lyapunov"].isel(exponent=0))], 3)


def _attractor(states: xr.DataArray, size: float, close: bool) -> Any:
    """States of one network in the plane of two overlaps, under those of the mean field."""
    import holoviews as hv

    from dmfx.plot import _style
    from dmfx.plot._colours import COLOURS, SHADES
    from dmfx.plot._labels import overlap_label, panel_title
    from dmfx.plot._shading import around

    _style.load()
    plane = states.sel(pattern=[0, 1])
    mean_field = plane.sel(size=np.inf)
    seen = mean_field if close else plane
    names = [overlap_label(states.to_dataset(name="m_o_semantic"), "m_o_semantic", pattern) for pattern in (0, 1)]
    dims = [f"{name}, {'close' if close else 'far'}" for name in names]  # axes of the same dims zoom together
    layers = []
    network = plane.sel(size=size)
    for values, label, colour, dot in (
        (network, panel_title(network, ["size"]), SHADES[2], 3),
        (mean_field, "mean field", COLOURS[1], 1),
    ):
        points = hv.Points((values.sel(pattern=0).values, values.sel(pattern=1).values), dims)
        layers += [_style.dots(points, colour, dot), _style.entry(label, colour, dims)]
    limits = [around(seen.sel(pattern=pattern).values, 0.12 if close else 0.04) for pattern in (0, 1)]
    return _style.picture(
        hv.Overlay(layers), WIDTH, HEIGHT, xlabel=names[0], ylabel=names[1], xlim=limits[0], ylim=limits[1]
    )


def _exponents(largest: xr.DataArray) -> Any:
    """Mean of the replicas and its error over the number of spins: the amount, of four decades, in a colour by sign."""
    import holoviews as hv

    from dmfx.plot import _style
    from dmfx.plot._colours import COLOURS
    from dmfx.plot._labels import axis_label

    _style.load()
    largest = largest.isel(size=np.isfinite(largest["size"]))
    size, mean = largest["size"].values, largest.mean("replica").values
    error = largest.std("replica", ddof=1).values / np.sqrt(largest.sizes["replica"])
    bottom, top = float(abs(mean).min()) / 3, 2 * float(abs(mean).max())
    layers = []
    for sign, label, colour in ((1, "λ₁ > 0", COLOURS[1]), (-1, "λ₁ < 0", COLOURS[0])):
        here = sign * mean > 0
        amount = abs(mean[here])
        below = amount - np.maximum(amount - error[here], bottom / 3)  # bars that reach 0 leave the picture
        bars = hv.ErrorBars((size[here], amount, below, error[here]), "size", ["amount", "below", "above"])
        style = {"line_width": 1.2, "upper_head": None, "lower_head": None, "color": colour}
        layers.append(_style.both(bars, style, {"linewidth": 1.0, "capsize": 0, "edgecolor": colour}))
        marks = hv.Scatter((size[here], amount), "size", "amount", label=label)
        layers.append(_style.dots(marks, colour, 6))
    return _style.picture(
        hv.Overlay(layers),
        WIDTH,
        HEIGHT,
        xlabel=axis_label(largest.to_dataset(name="lyapunov"), "size"),
        ylabel="exponent under common noise\n|λ₁| (nats per step)",
        xlim=(float(size.min()) / 1.6, float(size.max()) * 1.6),
        ylim=(bottom, top),
        logx=True,
        logy=True,
    )
