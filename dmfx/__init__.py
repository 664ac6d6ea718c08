"""Dynamical mean-field theory of attention networks, as labelled xarray Datasets.

Simulate with `simulate`, analyse through the accessor ``ds.dmft``, keep and share with `save` and `open`.
"""

from dmfx import analysis, couplings, plot, tokens, weights
from dmfx.accessor import DmftAccessor
from dmfx.analysis import (
    attractor_distance,
    autocorrelation,
    basin_size,
    basins,
    bifurcation,
    capacity,
    classify,
    continuation,
    doubled_orbits,
    fft,
    fluctuations,
    interference,
    lyapunov,
    periodic_orbits,
    poincare,
    power_spectrum,
    recall,
    residence,
)
from dmfx.archive import check, open, save
from dmfx.experiments import ablations, denoising, free_running, masked_prediction
from dmfx.models import SelfAttention, VectorAttention
from dmfx.simulate import simulate
from dmfx.sweeps import sweep
from dmfx.version import dmfx_version

__all__ = [
    "DmftAccessor",
    "SelfAttention",
    "VectorAttention",
    "ablations",
    "analysis",
    "attractor_distance",
    "autocorrelation",
    "basin_size",
    "basins",
    "bifurcation",
    "capacity",
    "check",
    "classify",
    "continuation",
    "couplings",
    "denoising",
    "doubled_orbits",
    "fft",
    "fluctuations",
    "free_running",
    "interference",
    "lyapunov",
    "masked_prediction",
    "open",
    "periodic_orbits",
    "plot",
    "poincare",
    "power_spectrum",
    "recall",
    "residence",
    "save",
    "simulate",
    "sweep",
    "tokens",
    "weights",
]

__version__ = dmfx_version()
