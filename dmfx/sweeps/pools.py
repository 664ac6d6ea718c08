"""Where the tasks of a sweep run: the workers of a distributed cluster, or threads of this process."""

from __future__ import annotations

import concurrent.futures
import contextlib
import itertools
import os
import queue
import threading
import time
import uuid
from collections import deque
from collections.abc import Callable, Iterator
from typing import Any, NamedTuple

import dask

from dmfx.progress import active_client
from dmfx.sweeps.errors import SchedulerLost, WorkerMismatch
from dmfx.sweeps.identity import identity, mismatch

__all__ = ["Killed", "Lost", "Pool", "open_pool"]

#: How often a pool looks whether its workers are still there.
LOOK_SECONDS = 2.0
#: For how long workers are asked what they run, before the first task.
ANSWER_SECONDS = 10.0
#: Results that are fetched with one question.
MOST_AT_ONCE = 200


class Killed(Exception):
    """A task was given up because several workers died while they had it."""


class Lost(Exception):
    """A task was forgotten because the connection to the scheduler broke; it can be sent again."""


class Answer(NamedTuple):
    """What came of a task: its tag, and its result or the exception that it ended with."""

    tag: Any
    result: Any
    error: BaseException | None


class _Threads:
    """Threads of this process; kernels release the GIL."""

    dashboard = None
    name = "threads"
    is_cluster = False

    def __init__(self, threads: int):
        self.threads = threads
        self.memory_per_thread: float | None = None
        self._answers: queue.SimpleQueue[Answer] = queue.SimpleQueue()
        self._executor = concurrent.futures.ThreadPoolExecutor(threads, "dmfx-sweep")

    def note(self) -> str:
        """What to say of the workers."""
        return ""

    def submit(self, tag: Any, function: Callable[..., Any], *args: Any) -> None:
        """Start ``function(*args)``."""
        future = self._executor.submit(function, *args)
        future.add_done_callback(lambda done: None if done.cancelled() else self._answers.put(_answer(tag, done)))

    def next(self, timeout: float) -> Answer | None:
        """The next task that ended, None if none does in time."""
        with contextlib.suppress(queue.Empty):
            return self._answers.get(timeout=timeout)
        return None

    def wait_until_back(self) -> None:
        """Nothing: threads are not lost."""

    def check_workers(self) -> None:
        """Nothing: threads run the dmfx of this process."""

    def close(self) -> None:
        """Start nothing more, and wait for what is running."""
        self._executor.shutdown(wait=True, cancel_futures=True)


def _answer(tag: Any, done: concurrent.futures.Future) -> Answer:
    error = done.exception()
    return Answer(tag, None if error else done.result(), error)


class _Distributed:
    """The workers of a cluster, through the client that is active."""

    is_cluster = True

    def __init__(self, client: Any):
        self._client = client
        self._answers: queue.SimpleQueue[tuple[Any, Any]] = queue.SimpleQueue()
        self._heard: deque[Answer] = deque()
        self._futures: dict[Any, Any] = {}
        self._numbers = itertools.count()
        self._name = uuid.uuid4().hex[:8]
        self._looked = -LOOK_SECONDS
        self.name = f"distributed, {client.scheduler.address if client.scheduler else ''}"
        self.address = client.scheduler.address if client.scheduler else ""
        self.threads, self.workers = 0, 0
        self.memory_per_thread: float | None = None
        self._look()

    @property
    def dashboard(self) -> str | None:
        """Address of the dashboard."""
        with contextlib.suppress(Exception):
            return self._client.dashboard_link
        return None

    def note(self) -> str:
        """What to say of the workers."""
        if self._client.status != "running":
            return "scheduler does not answer"
        return f"{self.workers} worker{'' if self.workers == 1 else 's'}" if self.workers else "waiting for workers"

    def submit(self, tag: Any, function: Callable[..., Any], *args: Any) -> None:
        """Start ``function(*args)`` on some worker."""
        key = f"dmfx-sweep-{self._name}-{next(self._numbers)}"
        future = self._client.submit(function, *args, key=key, pure=False)
        self._futures[key] = (future, tag)
        future.add_done_callback(lambda done, key=key: self._answers.put(key))

    def next(self, timeout: float) -> Answer | None:
        """The next task that ended, None if none does in time.

        Raises
        ------
        SchedulerLost
            If the scheduler is gone for longer than the client waits for it.
        """
        self._look()
        if not self._heard:
            try:
                keys = [self._answers.get(timeout=timeout)]
            except queue.Empty:
                if self._client.status == "closed":
                    raise SchedulerLost(f"the Dask scheduler at {self.address} went away") from None
                return None
            with contextlib.suppress(queue.Empty):
                while len(keys) < MOST_AT_ONCE:
                    keys.append(self._answers.get_nowait())
            self._hear([self._futures.pop(key) for key in keys])
        return self._heard.popleft()

    def _hear(self, ended: list[tuple[Any, Any]]) -> None:
        """Fetch results, in one question to the scheduler where nothing is wrong with them."""
        if len(ended) > 1 and all(future.status == "finished" for future, _ in ended):
            with contextlib.suppress(Exception):
                results = self._client.gather([future for future, _ in ended])
                self._heard += [Answer(tag, result, None) for (_, tag), result in zip(ended, results, strict=True)]
                return
        self._heard += [self._heard_of(future, tag) for future, tag in ended]

    def _heard_of(self, future: Any, tag: Any) -> Answer:
        if future.status == "cancelled":
            return Answer(tag, None, Lost())
        try:
            return Answer(tag, future.result(timeout=60), None)
        except Exception as error:
            if type(error).__name__ == "KilledWorker":
                return Answer(tag, None, Killed(str(error)))
            if future.status != "error":  # not what the task said: the connection broke before it could be heard
                return Answer(tag, None, Lost())
            return Answer(tag, None, error)

    def wait_until_back(self) -> None:
        """Wait until the client has the scheduler again.

        Raises
        ------
        SchedulerLost
            If it gives up.
        """
        while self._client.status not in ("running", "closed"):
            time.sleep(0.1)
        if self._client.status == "closed":
            raise SchedulerLost(f"the Dask scheduler at {self.address} went away")

    def check_workers(self) -> None:
        """Refuse workers that run another dmfx; those that come later are refused by their first task.

        Raises
        ------
        WorkerMismatch
            With the address of the worker and what it runs.
        """
        own = identity()
        for address, theirs in self._identities().items():
            if isinstance(theirs, dict) and theirs != own:
                raise WorkerMismatch(mismatch(f"the worker {address}", theirs, own))
            if not isinstance(theirs, dict):
                raise WorkerMismatch(
                    f"the worker {address} runs no dmfx that can sweep ({theirs}), the client dmfx {own['version']}: "
                    "install the same dmfx on both"
                )

    def _identities(self) -> dict[str, Any]:
        """What every worker runs, or the exception that it answers with; nothing where one does not answer at all."""
        from dmfx.sweeps.plugin import MarkAttempts

        answers: dict[str, Any] = {}

        def ask() -> None:
            with contextlib.suppress(OSError, TimeoutError):  # the connection, of which others will hear
                try:
                    answers.update(self._client.run(identity, on_error="return"))
                    self._client.register_plugin(MarkAttempts())
                except (OSError, TimeoutError):
                    raise
                except Exception as error:  # a worker that does not even know what is asked
                    answers.setdefault("somewhere", error)

        asking = threading.Thread(target=ask, daemon=True)
        asking.start()
        asking.join(ANSWER_SECONDS)
        return dict(answers)

    def close(self) -> None:
        """Take back what has not been done; what workers are doing they finish."""
        futures = [future for future, _ in self._futures.values()]
        if futures and self._client.status == "running":
            with contextlib.suppress(Exception):
                self._client.cancel(futures, force=True)
        self._futures.clear()

    def _look(self) -> None:
        now = time.monotonic()
        if now - self._looked < LOOK_SECONDS or self._client.status != "running":
            return
        self._looked = now
        with contextlib.suppress(Exception):
            workers = self._client.scheduler_info(n_workers=-1)["workers"].values()
            self.workers = len(workers)
            self.threads = sum(each["nthreads"] for each in workers)
            limits = [each["memory_limit"] / max(each["nthreads"], 1) for each in workers if each["memory_limit"]]
            self.memory_per_thread = min(limits, default=None)


Pool = _Threads | _Distributed


@contextlib.contextmanager
def open_pool() -> Iterator[Pool]:
    """The active distributed client, or threads of this process: as many as Dask would take."""
    client = active_client(())
    pool: Pool = _Distributed(client) if client is not None else _Threads(_thread_count())
    try:
        yield pool
    finally:
        pool.close()


def _thread_count() -> int:
    if dask.config.get("scheduler", None) in ("synchronous", "sync", "single-threaded"):
        return 1
    return int(dask.config.get("num_workers", None) or os.cpu_count() or 1)
