"""What stops a sweep. Whatever it is, the store stays good, and the same call goes on from there."""

from __future__ import annotations

__all__ = [
    "SchedulerLost",
    "StoreInUse",
    "StoreMismatch",
    "StoreNotWritable",
    "SweepError",
    "SweepFailed",
    "WorkerMismatch",
]


class SweepError(Exception):
    """A sweep cannot begin, or go on."""


class StoreMismatch(SweepError, ValueError):
    """A store was made with other arguments than those given now."""


class StoreInUse(SweepError, RuntimeError):
    """Another sweep is running on the store."""


class WorkerMismatch(SweepError, RuntimeError):
    """A worker runs another dmfx than the client, or another NumPy, SciPy or Numba."""


class SweepFailed(SweepError, RuntimeError):
    """Everything fails, whatever point is computed."""


class SchedulerLost(SweepError, ConnectionError):
    """The scheduler of the cluster went away."""


class StoreNotWritable(SweepError, OSError):
    """The store cannot be written: the disk is full, or it is read-only."""
