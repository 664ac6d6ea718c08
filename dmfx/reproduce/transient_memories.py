"""Images that a trained network holds for some steps: the transient memories of D'Amico & Negri, on small digits.

Networks that store 10 to 1000 of scikit-learn's digits are trained without backpropagation and left to themselves, from
images that they store and from others. The first of them come back to what they store; the last one forgets it.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

import numpy as np
import xarray as xr

from dmfx import tokens
from dmfx.analysis import capacity
from dmfx.couplings import zeros
from dmfx.experiments import free_running
from dmfx.models import VectorAttention
from dmfx.models.vector_archive import variables_of
from dmfx.variables import describe_dataset

__all__ = ["BETA", "GAMMA", "STORED", "draw_memories", "memories", "trained"]

BETA, GAMMA = 2.0, 5.0
STORED = (10, 20, 50, 100, 200, 500, 1000)
PATCH, CONSTANT = 2, 0.25
#: Examples of a batch and batches of a training, the same for all networks; by what the learning rate falls in all.
BATCH, BATCHES, FALL = 50, 600, 0.05
#: Images from here on are for tests.
TEST = 1000
NOISE = 0.3
#: Runs of each kind, and their steps.
STARTS, STEPS = 100, 50
#: Numbers of the images whose runs are shown: stored, test, random.
SHOWN, SHOWN_TEST, SHOWN_RANDOM = 4, 4, 1
#: Steps that are drawn: as images, and as curves over the number of stored images.
IMAGES, CURVES = (0, 1, 2, 3, 5, 10, 20, 50), (1, 5, 50)
HALF = 0.5
#: Pixels of an image, of the panels.
PIXELS, WIDE, NARROW, HIGH = 86, 880, 560, 430
ABOVE, BELOW = 36, 58
GUIDE = "#505050"


def memories(stored: Sequence[int] = STORED, starts: int = STARTS, steps: int = STEPS) -> xr.Dataset:
    """Train networks that store more and more images, and follow how long they hold them.

    Parameters
    ----------
    stored
        Numbers of stored images, the first of the digits; at most 1000.
    starts
        Number of runs of each kind.
    steps
        Steps of the runs.

    Returns
    -------
    xr.Dataset
        Lazy, but networks are trained when this is called. ``target_overlap`` (..., start, initial, step) with the
        image that a run of the largest network started from: a stored one, one for tests, a stored one with noise;
        ``identified`` (..., stored, initial, step), whether the stored image that a run is nearest to is the one that
        it started from, NaN if that is not stored; ``tokens`` and ``shown_overlap`` of the runs that are drawn
        (..., shown, step); ``similarity_value``, how much the images of the largest network overlap with each other;
        and that network.
    """
    images = tokens.digits()["image"].values
    encoder = tokens.Patches.of(images, patch=PATCH, constant=CONSTANT)
    every = encoder.encode(images)
    networks = {number: trained(every[:number]) for number in stored}
    few, many = networks[min(stored)], networks[max(stored)]
    some, test = np.arange(min(starts, many.n_patterns)), every[TEST : TEST + starts]
    point = {"beta": BETA, "gamma": GAMMA, "steps": steps}

    by_kind = {
        "stored": free_running(many, some, **point, variables="target_overlap"),
        "test": free_running(many, test, **point, variables="target_overlap"),
        "corrupted": free_running(many, some, **point, noise=NOISE, variables="target_overlap"),
    }
    overlaps = _joined("start", {kind: runs["target_overlap"] for kind, runs in by_kind.items()})
    by_stored = free_running(networks, some, **point, variables="overlap")

    target = {"variables": ["target_overlap", "tokens"]}
    shown = {
        f"one of\n{few.n_patterns} stored": free_running(few, [SHOWN], **point, **target),
        f"one of\n{many.n_patterns} stored": free_running(many, [SHOWN], **point, **target),
        "test image": free_running(many, every[[TEST + SHOWN_TEST]], **point, **target),
        f"stored, with\nnoise {NOISE:g}": free_running(many, [SHOWN], **point, noise=NOISE, **target),
        "random": _nearest(
            free_running(many, "random", starts=SHOWN_RANDOM + 1, **point, variables=["overlap", "tokens"]).isel(
                initial=[SHOWN_RANDOM]
            )
        ),
    }
    ds = xr.Dataset(
        {
            "target_overlap": overlaps,
            "identified": _identified(by_stored),
            "tokens": _joined("shown", {name: runs["tokens"].isel(initial=0) for name, runs in shown.items()}),
            "shown_overlap": _joined(
                "shown", {name: runs["target_overlap"].isel(initial=0) for name, runs in shown.items()}
            ),
            "similarity_value": _similarities(many.patterns),
            **variables_of(many),
        }
    )
    ds["shown_overlap"].attrs = {
        "long_name": "overlap with the image that the run started from; of the random start, with the nearest one"
    }
    ds.attrs = by_kind["stored"].attrs | {"dmfx_encoder": json.dumps(encoder.spec())}
    ds.attrs["history"] = "\n".join(dict.fromkeys(runs.attrs["history"] for runs in (*by_kind.values(), by_stored)))
    return describe_dataset(ds).chunk()


def trained(patterns: np.ndarray) -> VectorAttention:
    """A network that stores these configurations, after as many steps of the optimiser whatever their number."""
    count = len(patterns)
    size = min(BATCH, count)
    epochs = max(round(BATCHES * size / count), 1)
    empty = VectorAttention(zeros(*patterns.shape[1:]))
    return empty.fit(patterns, beta=BETA, epochs=epochs, batch_size=size, decay=FALL ** (1 / epochs), progress=False)


def _joined(dim: str, parts: dict[str, xr.DataArray]) -> xr.DataArray:
    """Runs of several kinds, with the names of the kinds as labels."""
    plain = [part.drop_vars([name for name in part.coords if name not in part.dims]) for part in parts.values()]
    plain = [part.squeeze([each for each in ("noise", "replica") if each in part.dims], drop=True) for part in plain]
    joined = xr.concat(plain, dim, coords="minimal", compat="override", join="exact")
    joined = joined.assign_coords({dim: list(parts)})
    return joined.transpose(
        *(each for each in plain[0].dims if each not in ("initial", "step", "token", "component")), dim, ...
    )


def _nearest(runs: xr.Dataset) -> xr.Dataset:
    """Runs from random states, with the overlap with the nearest stored image, as they have none of their own."""
    return runs[["tokens"]].assign(target_overlap=runs["overlap"].max("pattern"))


def _identified(runs: xr.Dataset) -> xr.DataArray:
    """Whether the nearest of the images that a network stores is the one that the run started from."""
    overlap = runs["overlap"].drop_vars("target").chunk(step=-1, pattern=-1)
    nearest = overlap.where(overlap["pattern"] < overlap["stored"], -2.0).argmax("pattern")
    found = (nearest == overlap["initial"]).astype(float).where(overlap["initial"] < overlap["stored"])
    found = found.transpose(*overlap.dims[:-1])
    found.attrs = {"long_name": "whether the nearest stored image is the one that the run started from", "units": "1"}
    return found


def _similarities(patterns: np.ndarray) -> xr.DataArray:
    """Overlap of each stored image with the one most like it, and the mean of those with all others."""
    overlap = tokens.overlap(patterns, patterns, pairs=True)
    np.fill_diagonal(overlap, np.nan)
    found = np.stack([np.nanmax(overlap, axis=1), np.nanmean(overlap, axis=1)])
    return xr.DataArray(found, {"similarity": ["largest", "mean"]}, ("similarity", "pattern"))


def draw_memories(ds: xr.Dataset) -> Any:
    """Draw runs as images, overlaps and identified images over time, and these over the number that is stored."""
    from dmfx import plot
    from dmfx.plot._layout import arrange

    ds = ds.squeeze([dim for dim in ("beta", "gamma", "seed") if dim in ds.dims], drop=True).load()
    encoder = tokens.Patches.from_spec(json.loads(ds.attrs["dmfx_encoder"]))
    runs = ds[["tokens", "shown_overlap"]].assign_coords(shown=np.arange(ds.sizes["shown"]))
    steps = [step for step in IMAGES if step in ds["step"]]
    pictures = plot.images(runs, encoder, steps=steps, variable="shown_overlap", size=PIXELS)
    pictures = _labelled(pictures, ds["shown"].values.tolist())
    height = round(pictures.opts.get("plot", backend="matplotlib").kwargs["fig_inches"][1] * 100)
    first = [_with_borders(panel) for panel in (pictures, _over_stored(ds, height))]
    return arrange([*first, _overlaps(ds), _over_time(ds)], 2)


def _labelled(pictures: Any, names: list[str]) -> Any:
    """The rows of images with names for labels."""
    ticks = pictures.opts.get("plot", backend="bokeh").kwargs["yticks"]
    ticks = [(place, name) for (place, _), name in zip(ticks, names, strict=True)]
    return pictures.opts(yticks=ticks, backend="bokeh").opts(yticks=ticks, backend="matplotlib")


def _with_borders(panel: Any) -> Any:
    """The same room above and below, as Bokeh cuts off labels where a panel with a legend is beside one without."""
    options = panel.opts.get("plot", backend="bokeh").kwargs["backend_opts"]
    borders = {"plot.min_border_top": ABOVE, "plot.min_border_bottom": BELOW}
    return panel.opts(backend_opts=options | borders, backend="bokeh")


def _overlaps(ds: xr.Dataset) -> Any:
    """Overlaps over time, means and two thirds of the runs, with how much images overlap with each other."""
    import holoviews as hv

    from dmfx.plot import _style
    from dmfx.plot._colours import COLOURS
    from dmfx.plot._labels import axis_label
    from dmfx.plot._shading import around

    _style.load()
    step, dims, bands, lines = ds["step"].values, ["step", "overlap"], [], []
    names = {"stored": "stored image", "test": "test image", "corrupted": f"stored, with noise {NOISE:g}"}
    for colour, kind in zip(COLOURS, ds["start"].values.tolist(), strict=False):
        values = ds["target_overlap"].sel(start=kind).transpose("initial", "step").values
        low, high = np.quantile(values, [1 / 6, 5 / 6], axis=0)
        band = hv.Area((step, low, high), "step", ["overlap", "upper"])
        bands.append(
            _style.both(band, {"line_width": 0}, {"facecolor": colour, "linewidth": 0}, color=colour, alpha=0.16)
        )
        line = hv.Curve((step, values.mean(axis=0)), *dims, label=names.get(kind, kind))
        lines.append(_style.both(line, {"line_width": 2.2}, {"linewidth": 1.6}, color=colour))
    for kind, name, dashes in (("largest", "most similar image", (2, 3)), ("mean", "another image", (7, 4))):
        level = float(ds["similarity_value"].sel(similarity=kind).mean())
        guide = hv.Curve((step[[0, -1]], [level, level]), *dims, label=name)
        style = {"line_width": 1.3, "line_dash": list(dashes)}, {"linewidth": 1.0, "linestyle": (0, dashes)}
        lines.append(_style.both(guide, *style, color=GUIDE))
    return _style.picture(
        hv.Overlay([*bands, *lines]),
        WIDE,
        HIGH,
        above=(2, 2),
        xlabel=axis_label(ds, "step"),
        ylabel="overlap with the image at the start",
        xlim=around(step.astype(float), 0.015),
        ylim=(0.7, 1.015),
    )


def _over_time(ds: xr.Dataset) -> Any:
    """The part of the runs that are nearest to where they started, over time."""
    import holoviews as hv

    from dmfx.plot import _style
    from dmfx.plot._colours import sequence
    from dmfx.plot._labels import axis_label
    from dmfx.plot._shading import around

    _style.load()
    step, part, lines = ds["step"].values, ds["identified"].mean("initial"), []
    for colour, number in zip(sequence(ds.sizes["stored"] + 1)[1:], ds["stored"].values.tolist(), strict=True):
        line = hv.Curve(
            (step, part.sel(stored=number).values),
            "step",
            "identified",
            label=f"M = {number}" if not lines else str(number),
        )
        lines.append(_style.both(line, {"line_width": 2.0}, {"linewidth": 1.5}, color=colour))
    return _style.picture(
        hv.Overlay(lines),
        NARROW,
        HIGH,
        above=(2, 2),
        xlabel=axis_label(ds, "step"),
        ylabel="fraction identified",
        xlim=around(step.astype(float), 0.015),
        ylim=(-0.03, 1.06),
    )


def _over_stored(ds: xr.Dataset, height: int) -> Any:
    """The same part over the number of stored images, at some steps."""
    from dmfx.plot import _style
    from dmfx.plot._colours import COLOURS
    from dmfx.plot._fractions import RANGE, Curve, fraction_frame

    _style.load()
    stored = ds["stored"].values.astype(float)
    x_range = float(stored[0]) / 1.3, float(stored[-1]) * 1.3
    fine = np.unique(np.concatenate([stored, np.geomspace(stored[0], stored[-1], 300)]))
    curves = []
    for colour, step in zip(COLOURS, (step for step in CURVES if step in ds["step"]), strict=False):
        found = capacity(ds[["identified"]], HALF, variable="identified", when=step)
        value, low, high = (found[f"recall_fraction{end}"].values for end in ("", "_low", "_high"))
        half = tuple(float(found[f"capacity{end}"]) for end in ("", "_low", "_high"))
        line = fine, np.interp(fine, stored, value)
        name = f"after {step} step{'s' if step > 1 else ''}"
        curves.append(Curve(name, colour, stored, value, low, high, line, half))
    return _style.picture(
        fraction_frame(curves, "stored", x_range),
        NARROW,
        height,
        xlabel="number of stored images M",
        ylabel="fraction identified",
        xlim=x_range,
        ylim=RANGE,
        logx=True,
        xticks=[(number, f"{number:.0f}") for number in stored],
    )
