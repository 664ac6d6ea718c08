"""How far a store is, without opening its values."""

from __future__ import annotations

import os
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from dmfx.archive.parts import failures_of, is_sweep, load_parts
from dmfx.archive.records import working_folder
from dmfx.sweeps.lock import holder
from dmfx.sweeps.sessions import read_sessions

__all__ = ["StoreProgress", "progress_of"]


@dataclass(frozen=True)
class StoreProgress:
    """How far the sweep of a store is.

    Attributes
    ----------
    points, done, failed
        Numbers of points: all, those that are computed, and those of them that failed.
    boxes, boxes_done
        Numbers of boxes, which are computed and written whole.
    finished
        Whether all is computed and sealed.
    running
        Who is computing it, in words; None if nobody does.
    failures
        Points that failed: their labels and ``reason``.
    sessions
        Calls that computed some of it, in order.
    reductions
        Analyses by name.
    """

    points: int
    done: int
    failed: int
    boxes: int
    boxes_done: int
    finished: bool
    running: str | None
    failures: list[dict[str, Any]] = field(repr=False)
    sessions: list[dict[str, Any]] = field(repr=False)
    reductions: dict[str, str]

    @property
    def missing(self) -> int:
        """Number of points that are not computed."""
        return self.points - self.done


def progress_of(path: str | os.PathLike[str]) -> StoreProgress | None:
    """How far a store of `dmfx.sweep` is, also while it is being computed.

    Parameters
    ----------
    path
        Folder of the store.

    Returns
    -------
    StoreProgress or None
        None if there is no store of a sweep.

    Raises
    ------
    dmfx.archive.ArchiveError
        If what describes the store is damaged.
    """
    path = Path(os.path.abspath(Path(path).expanduser()))
    if not is_sweep(path):
        return None
    parts = load_parts(path)
    points = done = boxes = boxes_done = failed = 0
    failures: list[dict[str, Any]] = []
    for part in parts:
        inner = part.meta["inner_points"]
        numbers = [box for box in part.records.numbers() if box < part.boxes.count]
        points += part.boxes.points * inner
        boxes += part.boxes.count
        boxes_done += len(numbers)
        complete = len(numbers) == part.boxes.count
        done += inner * (part.boxes.points if complete else sum(map(part.boxes.points_of, numbers)))
        own = list(failures_of([part]))
        failed += len(own) * inner
        failures += own
    folder = working_folder(path)
    return StoreProgress(
        points,
        done,
        failed,
        boxes,
        boxes_done,
        boxes_done == boxes and all(part.sealed for part in parts),
        holder(folder / "lock"),
        failures,
        read_sessions(folder / "sessions.jsonl"),
        {entry["name"]: entry["analysis"] for entry in parts[0].meta["call"]["reduce"]},
    )
