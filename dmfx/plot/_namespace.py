"""The pictures of one Dataset, as ``ds.dmft.plot``."""

from __future__ import annotations

import xarray as xr

from dmfx.plot._of_attractors import AttractorPlots
from dmfx.plot._of_finite_networks import FiniteNetworkPlots
from dmfx.plot._of_memories import MemoryPlots
from dmfx.plot._of_tasks import TaskPlots
from dmfx.plot._of_trajectories import TrajectoryPlots

__all__ = ["Plots"]


class Plots(TrajectoryPlots, AttractorPlots, FiniteNetworkPlots, TaskPlots, MemoryPlots):
    """The pictures of a Dataset: every method delegates to the function of the same name in `dmfx.plot`.

    Parameters
    ----------
    ds
        Trajectories, or the result of an analysis.
    """

    def __init__(self, ds: xr.Dataset):
        self._ds = ds
