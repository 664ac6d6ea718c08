"""Attempts: what was being computed when a worker died.

A task leaves a file while it works, named by its boxes, or by the one point that it is at, and removes it at the end.
What is left over was killed. The count belongs to the store, not to a scheduler: it outlives both. A worker that is
asked to end, as batch systems do with jobs whose time is over, marks its files: that says little about the points.
"""

from __future__ import annotations

import atexit
import contextlib
import os
import signal
import threading
import uuid
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

__all__ = ["CLUSTER", "THREADS", "Attempts", "Killed", "mark_open", "watch_termination"]

#: Ends the names of attempts whose process was asked to end. A nanny asks so too, of workers that take too much memory:
#: these attempts count, but less.
ASKED = "~asked"
ASKED_COUNT = 0.25

#: First letters of the names of sessions: on a cluster, or on threads of the client.
CLUSTER, THREADS = "c", "t"

_open: set[Path] = set()


class _Attempt(NamedTuple):
    first: int
    last: int
    point: int | None
    asked: bool
    path: Path


class Killed(NamedTuple):
    """Attempts that were killed: how many at boxes as a whole, and how many at each point."""

    boxes: int
    points: dict[int, float]


class Attempts:
    """The attempts of one part.

    Parameters
    ----------
    folder
        Where the files are.
    session
        Name of this session.
    """

    def __init__(self, folder: Path, session: str):
        self.folder, self.session = folder, session

    def begin(self, first: int, last: int, point: int | None = None) -> Path:
        """Leave a file that says that boxes ``first`` to ``last``, or one point of a box, are being computed."""
        suffix = "" if point is None else f".{point}"
        path = self.folder / f"{first}-{last}{suffix}~{self.session}~{uuid.uuid4().hex[:12]}"
        path.touch()
        _open.add(path)
        return path

    def end(self, path: Path) -> None:
        """Remove it again."""
        _open.discard(path)
        for each in (path, path.with_name(path.name + ASKED)):  # a worker may close without its process ending
            each.unlink(missing_ok=True)

    def killed(self, first: int, last: int) -> Killed:
        """What is left over of attempts at some of these boxes."""
        boxes, points = 0, Counter[int]()
        for each in self._all():
            if each.first <= last and each.last >= first:
                if each.point is None:
                    boxes += 1
                else:
                    points[each.point] += ASKED_COUNT if each.asked else 1
        return Killed(boxes, dict(points))

    def forget(self, first: int, last: int) -> None:
        """Remove what is left over of attempts at these boxes and no others."""
        for each in self._all():
            if first <= each.first and each.last <= last:
                each.path.unlink(missing_ok=True)

    def forget_all(self, *, of_clusters: bool = False) -> None:
        """Remove everything, or what sessions on clusters left."""
        for each in self._all():
            # A cluster ends with its client, or forgets its tasks: its workers were not killed by what they did.
            if not of_clusters or each.path.name.partition("~")[2].startswith(CLUSTER):
                each.path.unlink(missing_ok=True)

    def _all(self) -> Iterator[_Attempt]:
        with contextlib.suppress(FileNotFoundError):
            for path in list(self.folder.iterdir()):
                span, _, point = path.name.partition("~")[0].partition(".")
                first, _, last = span.partition("-")
                yield _Attempt(int(first), int(last), int(point) if point else None, path.name.endswith(ASKED), path)


def watch_termination() -> None:
    """Mark what is being computed when this process is asked to end."""
    if threading.current_thread() is not threading.main_thread():
        return
    # Someone who handles the signal ends the process in order.
    if signal.getsignal(signal.SIGTERM) == signal.SIG_DFL:
        signal.signal(signal.SIGTERM, _on_termination)
    atexit.register(mark_open)


def _on_termination(number: int, frame: Any) -> None:
    mark_open()
    signal.signal(number, signal.SIG_DFL)
    os.kill(os.getpid(), number)


def mark_open() -> None:
    """Mark what this process is computing."""
    for path in list(_open):
        with contextlib.suppress(OSError):
            path.rename(path.with_name(path.name + ASKED))
