"""Threads that share the tokens, while matrix products keep to the thread that asks for them."""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor

__all__ = ["Workers", "one_thread_each"]

_lock = threading.Lock()
_users = 0
_keeper: _Keeper | None = None


@contextlib.contextmanager
def one_thread_each() -> Iterator[None]:
    """Keep BLAS from starting threads of its own, which could change the order of its sums.

    The setting is that of the process: it holds until the last of those who asked for it is done.
    """
    global _users, _keeper
    with _lock:
        if _users == 0:
            _keeper = _Keeper()
        _users += 1
    try:
        yield
    finally:
        with _lock:
            _users -= 1
            if _users == 0:
                _keeper.end()
                _keeper = None


class _Keeper:
    """A thread that holds the setting: threadpoolctl lets only the thread that limits BLAS take the limit back."""

    def __init__(self):
        from threadpoolctl import threadpool_limits

        self._limits, self._held, self._over = threadpool_limits, threading.Event(), threading.Event()
        self._thread = threading.Thread(target=self._hold, name="dmfx-blas-limit", daemon=True)
        self._thread.start()
        try:
            self._held.wait()
        except BaseException:  # Ctrl-C: nobody would take the limit back
            self.end()
            raise

    def _hold(self) -> None:
        try:
            with self._limits(1, user_api="blas"):
                self._held.set()
                self._over.wait()
        finally:
            self._held.set()

    def end(self) -> None:
        """Take the limit back."""
        self._over.set()
        self._thread.join()


class Workers:
    """Runs pieces of work on a number of threads; on none where there is one."""

    def __init__(self, count: int):
        self.count = count
        self._pool = ThreadPoolExecutor(count, thread_name_prefix="dmfx-training") if count > 1 else None

    def each(self, task: Callable[[int], None], n: int) -> None:
        """Call ``task`` with 0 to n - 1, and wait for all of them."""
        if self._pool is None:
            for number in range(n):
                task(number)
            return
        for future in [self._pool.submit(task, number) for number in range(n)]:
            future.result()

    def __enter__(self) -> Workers:
        return self

    def __exit__(self, *_: object) -> None:
        if self._pool is not None:
            self._pool.shutdown(cancel_futures=True)
