"""Pictures of trajectories and of what the analyses return, as HoloViews objects.

Every function takes a Dataset: trajectories, which it analyses first, or the result of the analysis. The
libraries that draw take seconds to import and are imported by the first picture.
"""

from dmfx.plot._namespace import Plots
from dmfx.plot.attractor_distance import attractor_distance
from dmfx.plot.attractors import attractors
from dmfx.plot.autocorrelation import autocorrelation
from dmfx.plot.basin_size import basin_size
from dmfx.plot.basins import basins
from dmfx.plot.bifurcation import bifurcation
from dmfx.plot.capacity import capacity
from dmfx.plot.continuation import continuation
from dmfx.plot.fluctuations import fluctuations
from dmfx.plot.images import images
from dmfx.plot.interference import interference
from dmfx.plot.lyapunov import lyapunov
from dmfx.plot.phase_diagram import phase_diagram
from dmfx.plot.poincare import poincare
from dmfx.plot.portrait import portrait
from dmfx.plot.recall import recall
from dmfx.plot.residence import residence
from dmfx.plot.saving import save
from dmfx.plot.spectrum import fft, power_spectrum
from dmfx.plot.task import task
from dmfx.plot.trajectory import trajectory

__all__ = [
    "Plots",
    "attractor_distance",
    "attractors",
    "autocorrelation",
    "basin_size",
    "basins",
    "bifurcation",
    "capacity",
    "continuation",
    "fft",
    "fluctuations",
    "images",
    "interference",
    "lyapunov",
    "phase_diagram",
    "poincare",
    "portrait",
    "power_spectrum",
    "recall",
    "residence",
    "save",
    "task",
    "trajectory",
]
