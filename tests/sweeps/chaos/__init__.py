"""Real processes of a real Dask cluster, and how to kill, freeze, cut off and compare what they leave.

Run as scripts by other processes: ``caller.py`` (calls what a user would call), ``nursery.py`` (forks workers that have
their kernels compiled already) and ``faults.py`` (a ``--preload`` module that makes a worker misbehave).
"""

from tests.sweeps.chaos.cluster import Client, Cluster, client
from tests.sweeps.chaos.processes import Process, Processes, wait_until
from tests.sweeps.chaos.stores import boxes_done, differences, leftovers

__all__ = [
    "Client",
    "Cluster",
    "Process",
    "Processes",
    "boxes_done",
    "client",
    "differences",
    "leftovers",
    "wait_until",
]
