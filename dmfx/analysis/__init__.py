"""Analyses of runs: labelled data in, labelled data out, lazy when the input is lazy."""

from dmfx.analysis.autocorrelation import autocorrelation
from dmfx.analysis.basin_size import basin_size
from dmfx.analysis.basins import basins
from dmfx.analysis.bifurcation import bifurcation
from dmfx.analysis.capacity import capacity
from dmfx.analysis.classify import classify
from dmfx.analysis.continuation import continuation
from dmfx.analysis.distance import attractor_distance
from dmfx.analysis.doubling import doubled_orbits
from dmfx.analysis.fluctuations import fluctuations
from dmfx.analysis.interference import interference
from dmfx.analysis.lyapunov import lyapunov
from dmfx.analysis.orbits import periodic_orbits
from dmfx.analysis.poincare import poincare
from dmfx.analysis.recall import recall
from dmfx.analysis.residence import residence
from dmfx.analysis.spectrum import fft, power_spectrum

__all__ = [
    "attractor_distance",
    "autocorrelation",
    "basin_size",
    "basins",
    "bifurcation",
    "capacity",
    "classify",
    "continuation",
    "doubled_orbits",
    "fft",
    "fluctuations",
    "interference",
    "lyapunov",
    "periodic_orbits",
    "poincare",
    "power_spectrum",
    "recall",
    "residence",
]
