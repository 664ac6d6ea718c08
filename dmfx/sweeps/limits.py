"""Whether a sweep fits: the memory of a task, and the disk."""

from __future__ import annotations

import errno
import shutil
from pathlib import Path

from dmfx.memory import available, readable
from dmfx.sweeps.plan import Plan, task_bytes
from dmfx.sweeps.pools import Pool
from dmfx.sweeps.store import stored_bytes
from dmfx.validation import Problems

__all__ = ["check_disk", "check_task", "memory_of"]

#: Part of the memory of a worker's thread that a task may take.
SHARE = 0.5
#: Memory of a thread of a cluster that has no workers yet, or whose workers know no limit.
UNKNOWN = 2e9


def memory_of(pool: Pool) -> float:
    """Bytes that one task may take where it runs."""
    if not pool.is_cluster:
        return SHARE * available() / max(pool.threads, 1)
    return SHARE * (pool.memory_per_thread or UNKNOWN)


def check_task(problems: Problems, plan: Plan, most: float) -> None:
    """Refuse tasks that need more memory than there is; with chunks of ``"auto"`` only if one point does."""
    points = 1
    for size in plan.sizes.values():
        points *= size
    needed = task_bytes(plan, points)
    if needed > most:
        problems.say(
            f"a task of {points} points would take about {readable(needed)} of memory, where {readable(most)} may be "
            f"used for each thread: {'smaller chunks=, ' if points > 1 else ''}fewer steps, variables or starts, or "
            "workers with more memory for each thread"
        )


def check_disk(path: Path, plan: Plan, already: float = 0.0) -> None:
    """Refuse a store that does not fit on its disk.

    Raises
    ------
    OSError
        If it does not.
    """
    needed, free = stored_bytes(plan) - already, shutil.disk_usage(path.parent).free
    if needed > free:
        raise OSError(
            errno.ENOSPC,
            f"sweep: the store would take about {readable(needed)}, but {readable(free)} are free at {path.parent}: "
            "keep fewer variables or steps, reduce in the tasks (reduce=), or choose another disk",
        )
