"""Sweeps that survive: resumable, distributed, watched, and the same to the last bit.

A store is the parts of a sweep (`stretches`), each a rectangle of points that is cut into boxes. The client (`sweep`,
`drive`) hands out boxes on a pool (`pools`); workers (`task`) compute and write them. What workers need to know is in a
file of the store (`spec`); what they did is in its records (`dmfx.archive.records`).
"""

from dmfx.sweeps.errors import (
    SchedulerLost,
    StoreInUse,
    StoreMismatch,
    StoreNotWritable,
    SweepError,
    SweepFailed,
    WorkerMismatch,
)
from dmfx.sweeps.report import StoreProgress, progress_of
from dmfx.sweeps.sweep import sweep

__all__ = [
    "SchedulerLost",
    "StoreInUse",
    "StoreMismatch",
    "StoreNotWritable",
    "StoreProgress",
    "SweepError",
    "SweepFailed",
    "WorkerMismatch",
    "progress_of",
    "sweep",
]
