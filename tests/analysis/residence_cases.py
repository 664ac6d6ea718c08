"""Attractors and runs of which the residence times are known."""

import numpy as np
import xarray as xr

__all__ = ["chain", "fixed_points", "runs_of", "same"]


def fixed_points(values, labels=None, **coords):
    """Attractors that are single states, (attractor, pattern)."""
    values = np.asarray(values, float)
    values = values[:, None] if values.ndim == 1 else values
    ds = xr.Dataset(
        {
            "attractor_points": (("attractor", "point", "pattern"), np.repeat(values[:, None], 8, axis=1)),
            "attractor_period": ("attractor", np.ones(len(values), int)),
            "attractor_kind": ("attractor", np.zeros(len(values), np.int8)),
        },
        {"attractor": np.arange(len(values)) if labels is None else labels},
    )
    return ds.assign_coords(coords)


def runs_of(states, dims=("replica", "step"), noise=0.05, seed=0, **coords):
    """Runs whose values are these states and a little noise."""
    states = np.asarray(states, float)
    values = states + noise * np.random.default_rng(seed).uniform(-1, 1, states.shape)
    return xr.Dataset({"attention": ((*dims, "pattern"), values[..., None])}, coords)


def chain(leave, steps, runs, seed=0):
    """States 0 and 1 of Markov chains that leave each with these probabilities, (run, step)."""
    rng = np.random.default_rng(seed)
    states = np.zeros((runs, steps), np.int64)
    for t in range(1, steps):
        goes = rng.random(runs) < np.take(leave, states[:, t - 1])
        states[:, t] = np.where(goes, 1 - states[:, t - 1], states[:, t - 1])
    return states


def same(a, b):
    """The same values, coordinates and names; attributes of the Datasets may differ."""
    assert a.drop_attrs(deep=False).identical(b.drop_attrs(deep=False))
