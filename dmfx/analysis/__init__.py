"""Analyses of trajectories: labelled data in, labelled data out, lazy when the input is lazy."""

from dmfx.analysis.autocorrelation import autocorrelation
from dmfx.analysis.bifurcation import bifurcation
from dmfx.analysis.poincare import poincare
from dmfx.analysis.spectrum import fft, power_spectrum

__all__ = ["autocorrelation", "bifurcation", "fft", "poincare", "power_spectrum"]
