"""Dynamical mean-field theory of attention networks, as labelled xarray Datasets.

Simulate with `simulate`, analyse through the accessor ``ds.dmft``, keep and share with `save` and `open`.
"""

from dmfx import analysis, plot, weights
from dmfx.accessor import DmftAccessor
from dmfx.analysis import (
    attractor_distance,
    autocorrelation,
    basins,
    bifurcation,
    classify,
    continuation,
    doubled_orbits,
    fft,
    fluctuations,
    lyapunov,
    periodic_orbits,
    poincare,
    power_spectrum,
    residence,
)
from dmfx.archive import open, save
from dmfx.models import SelfAttention
from dmfx.simulate import simulate
from dmfx.version import dmfx_version

__all__ = [
    "DmftAccessor",
    "SelfAttention",
    "analysis",
    "attractor_distance",
    "autocorrelation",
    "basins",
    "bifurcation",
    "classify",
    "continuation",
    "doubled_orbits",
    "fft",
    "fluctuations",
    "lyapunov",
    "open",
    "periodic_orbits",
    "plot",
    "poincare",
    "power_spectrum",
    "residence",
    "save",
    "simulate",
    "weights",
]

__version__ = dmfx_version()
