"""Handing out the boxes of a sweep and taking in what became of them."""

from __future__ import annotations

import math
import time
from collections import deque
from collections.abc import Callable, Sequence

from dmfx.archive.boxes import Boxes
from dmfx.sweeps.errors import StoreNotWritable, SweepFailed, WorkerMismatch
from dmfx.sweeps.identity import identity
from dmfx.sweeps.pools import Killed, Lost, Pool
from dmfx.sweeps.spec import Spec
from dmfx.sweeps.task import Batch, Outcome, check_boxes, compute_boxes

__all__ = ["check", "compute"]

#: Length of a task: many times what is spent on each by a worker (30 ms, mostly to build its graph), and by scheduler
#: and client (2 ms), and longer where many threads want one each.
BATCH_SECONDS, BATCH_SECONDS_PER_THREAD = 2.0, 0.01
#: Work that is in the hands of the scheduler, in seconds, so that no worker waits and an adaptive cluster sees it.
AHEAD_SECONDS = 30.0
#: Tasks that the scheduler has at most: a fraction of a second of its time, and a few megabytes.
MOST_TASKS = 5000
#: Tasks that a cluster without workers sees: it may be one that starts them when there is work.
FIRST_TASKS = 32
#: Boxes that one task checks, or computes, at most.
MOST_CHECKED, MOST_BOXES = 256, 1024
#: Bytes of results that one task holds for several boxes.
BATCH_BYTES = 64 * 2**20
#: Tasks in a row that killed all workers that had them, after which it is not the points that are to blame.
MOST_KILLED = 50
#: Points of which at least one must succeed.
FIRST_POINTS, FIRST_BOXES = 32, 3


class _Queue:
    """Boxes to hand out, in order, and again if they must be."""

    def __init__(self, boxes: Boxes, numbers: Sequence[int]):
        self._boxes, self._numbers, self._next = boxes, numbers, 0
        self._again: deque[tuple[int, int, bool]] = deque()

    def __len__(self) -> int:
        return len(self._numbers) - self._next + sum(count for _, count, _ in self._again)

    def again(self, first: int, count: int, last_try: bool) -> None:
        """Hand out boxes once more."""
        self._again.append((first, count, last_try))

    def take(self, most: int, *, same_row: bool = True) -> tuple[int, int, bool]:
        """Boxes that follow each other and can be computed together: the first, how many, if it is the last try."""
        if self._again:
            return self._again.popleft()
        first = self._numbers[self._next]
        row = self._boxes.row(first) if same_row and most > 1 else None
        count = 1
        while count < most and self._next + count < len(self._numbers):
            number = self._numbers[self._next + count]
            if number != first + count or (row is not None and self._boxes.row(number) != row):
                break
            count += 1
        self._next += count
        return first, count, False


def check(pool: Pool, spec: Spec, numbers: Sequence[int], advance: Callable[[int], None]) -> list[int]:
    """Check boxes that have records; return those that must be computed again."""
    bad: list[int] = []
    todo, busy = _Queue(spec.boxes, numbers), {}
    tags = iter(range(2**62))
    while todo or busy:
        while todo and len(busy) < max(2, 3 * pool.threads):
            first, count, last_try = todo.take(MOST_CHECKED, same_row=False)
            tag = next(tags)
            busy[tag] = (first, count)
            pool.submit(tag, check_boxes, _batch(spec, first, count, last_try))
        answer = pool.next(0.5)
        if answer is None:
            continue
        first, count = busy.pop(answer.tag)
        if isinstance(answer.error, (Killed, Lost)):
            if isinstance(answer.error, Lost):
                pool.wait_until_back()
            todo.again(first, count, False)
        elif answer.error is not None:
            raise _translated(answer.error) from answer.error
        else:
            bad += answer.result
            advance(count)
    return sorted(bad)


def compute(
    pool: Pool,
    spec: Spec,
    numbers: Sequence[int],
    advance: Callable[[int, int], None],
    note: Callable[[str], None],
    point_bytes: int,
) -> int:
    """Compute boxes, whatever happens to workers meanwhile; return the number of points that failed.

    Parameters
    ----------
    pool
        Where.
    spec
        The part.
    numbers
        Its boxes that are missing, in order.
    advance
        Called with the number of points of every box that is complete, and how many of these failed.
    note
        Called with what there is to say of the workers.
    point_bytes
        Bytes of the results of a point.
    """
    boxes = spec.boxes
    todo, busy = _Queue(boxes, numbers), {}
    box_bytes = max(point_bytes * (boxes.points_of(0) if boxes.count else 1), 1)
    most_by_bytes = max(1, int(BATCH_BYTES / box_bytes))
    seconds: float | None = None
    tags = iter(range(2**62))
    killed_in_a_row, failed_points, noted = 0, 0, 0.0
    # Where some of the store has been computed already, what fails are points.
    hopeless: list[Outcome] | None = [] if spec.part == spec.store and len(numbers) == boxes.count else None
    try:
        while todo or busy:
            threads = max(pool.threads, 1)
            length = max(BATCH_SECONDS, BATCH_SECONDS_PER_THREAD * threads)
            size = 1 if seconds is None else math.ceil(length / max(seconds, 1e-6))
            size = max(1, min(size, most_by_bytes, MOST_BOXES, len(todo) // (3 * threads) + 1))
            window = 2 * threads + 2 if pool.threads else FIRST_TASKS
            if seconds is not None:
                window = max(2 * threads + 2, min(MOST_TASKS, int(threads * AHEAD_SECONDS / max(seconds * size, 1e-3))))
            while todo and len(busy) < window:
                first, count, last_try = todo.take(size)
                tag = next(tags)
                busy[tag] = (first, count)
                pool.submit(tag, compute_boxes, _batch(spec, first, count, last_try))
            answer = pool.next(0.5)
            if time.monotonic() - noted > 1.0:
                noted = time.monotonic()
                note(pool.note())
            if answer is None:
                continue
            first, count = busy.pop(answer.tag)
            if isinstance(answer.error, Lost):
                todo.again(first, count, False)
                pool.wait_until_back()
            elif isinstance(answer.error, Killed):
                killed_in_a_row += 1
                if killed_in_a_row > MOST_KILLED:
                    raise SweepFailed(
                        f"workers die whatever they are given ({answer.error}): look at their logs, and at the memory "
                        "that they have"
                    )
                for box in range(first, first + count):
                    todo.again(box, 1, True)
            elif answer.error is not None:
                raise _translated(answer.error) from answer.error
            else:
                killed_in_a_row = 0
                for outcome in answer.result:
                    if outcome.failed is None:
                        todo.again(outcome.box, 1, True)
                        continue
                    if outcome.seconds is not None:
                        seconds = outcome.seconds if seconds is None else 0.8 * seconds + 0.2 * outcome.seconds
                    failed_points += outcome.failed
                    advance(outcome.points, outcome.failed)
                    if outcome.failed < outcome.points:
                        hopeless = None
                    elif hopeless is not None:
                        hopeless.append(outcome)
                if hopeless:
                    _check_hope(spec, hopeless)
    except BaseException:
        # What is taken back was not killed; what workers are still doing they finish, and tidy up themselves.
        pool.close()
        for first, count in busy.values():
            spec.attempts.forget(first, first + count - 1)
            if hopeless:  # and meanwhile failed too
                for box in range(first, first + count):
                    spec.records.drop(box)
        raise
    return failed_points


def _batch(spec: Spec, first: int, count: int, last_try: bool) -> Batch:
    return Batch(str(spec.store), spec.session, spec.part.name, first, count, last_try, identity())


def _check_hope(spec: Spec, failed: Sequence[Outcome]) -> None:
    """Give up where every point fails from the beginning: then it is not the points."""
    n_points = sum(outcome.points for outcome in failed)
    if len(failed) < FIRST_BOXES or n_points < FIRST_POINTS:
        return
    reasons = [each["reason"] for each in spec.records.failures(failed[-1].box)] or ["of which nothing can be read yet"]
    for outcome in failed:
        spec.records.drop(outcome.box)
    raise SweepFailed(f"all of the first {n_points} points failed, the last one with: {reasons[-1]}")


def _translated(error: BaseException) -> BaseException:
    """What an exception of a task means for the sweep."""
    if isinstance(error, (WorkerMismatch, StoreNotWritable, SweepFailed)):
        return type(error)(*error.args)
    if isinstance(error, (ImportError, AttributeError)) or "deserialize" in str(error):
        return WorkerMismatch(f"a worker cannot run the tasks of this dmfx ({error}): install the same dmfx on both")
    return SweepFailed(f"a task of the sweep ended with {type(error).__name__}: {error}")
