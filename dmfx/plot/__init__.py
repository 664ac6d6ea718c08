"""Pictures of trajectories and of what the analyses return, as HoloViews objects.

Every function takes a Dataset: trajectories, which it analyses first, or the result of the analysis. The
libraries that draw take seconds to import and are imported by the first picture.
"""

from dmfx.plot._namespace import Plots
from dmfx.plot.attractor_distance import attractor_distance
from dmfx.plot.attractors import attractors
from dmfx.plot.autocorrelation import autocorrelation
from dmfx.plot.basins import basins
from dmfx.plot.bifurcation import bifurcation
from dmfx.plot.continuation import continuation
from dmfx.plot.fluctuations import fluctuations
from dmfx.plot.lyapunov import lyapunov
from dmfx.plot.phase_diagram import phase_diagram
from dmfx.plot.poincare import poincare
from dmfx.plot.portrait import portrait
from dmfx.plot.residence import residence
from dmfx.plot.saving import save
from dmfx.plot.spectrum import fft, power_spectrum
from dmfx.plot.trajectory import trajectory

__all__ = [
    "Plots",
    "attractor_distance",
    "attractors",
    "autocorrelation",
    "basins",
    "bifurcation",
    "continuation",
    "fft",
    "fluctuations",
    "lyapunov",
    "phase_diagram",
    "poincare",
    "portrait",
    "power_spectrum",
    "residence",
    "save",
    "trajectory",
]
