"""Computing with a progress bar, on whatever scheduler is active."""

from __future__ import annotations

import contextlib
import functools
import os
import sys
import time
import warnings
from collections import deque
from types import TracebackType
from typing import Any

import dask
from dask.base import get_scheduler
from dask.callbacks import Callback

__all__ = ["Progress", "active_client", "compute_with_progress", "dashboard_of", "in_words"]

#: Longest time between two lines of a log, in seconds, and how much of the time so far it is at most.
LONGEST_INTERVAL, INTERVAL_SHARE = 600.0, 1 / 30
#: The rate in a log is that since this many lines ago.
LINES_OF_RATE = 10


class Progress:
    """Counts finished pieces of work on standard error.

    A bar on a terminal and in a notebook; elsewhere, as in the log of a batch job, a line at the start, one now
    and then, and one at the end. That something cannot be shown, as when the terminal is closed, stops nothing.

    Parameters
    ----------
    description
        What is being done, at the start of the bar.
    total
        Number of pieces. The attribute of this name may be set later, when there is more to do.
    unit
        What one piece is called.
    initial
        Pieces that were finished before; they do not count for the rate.
    failed
        How many of these failed.
    dashboard
        Address of Dask's dashboard, written once before anything else.
    ends
        Whether a log has lines at the start and the end even if all is done before the first one is due.
    interval
        Least time between two lines of a log, in seconds. It grows with the time so far, up to ten minutes.
    shown
        Whether to show anything; without, it only counts.

    Examples
    --------
    >>> with Progress("sweeping", total=2, unit="point", ends=False) as progress:
    ...     progress.advance()
    ...     progress.total = 3
    ...     progress.note("2 workers")
    """

    def __init__(
        self,
        description: str,
        total: int,
        *,
        unit: str = "task",
        initial: int = 0,
        failed: int = 0,
        dashboard: str | None = None,
        ends: bool = True,
        interval: float = 30.0,
        shown: bool = True,
    ):
        self.description, self.unit, self.dashboard = description, unit, dashboard
        self.initial, self.done, self.failed = initial, initial, failed
        self.ends, self.interval, self.shown = ends, interval, shown
        self._total, self._note = total, ""
        self._bar: Any = None
        self._lines = 0
        self._start = self._last_line = time.monotonic()
        self._past: deque[tuple[float, int]] = deque([(self._start, initial)], maxlen=LINES_OF_RATE)

    def __enter__(self) -> Progress:
        self._start = self._last_line = time.monotonic()
        self._past[-1] = (self._start, self.done)
        if not self.shown:
            return self
        bar = _bar_class()
        if self.dashboard and (bar is not None or self.ends):
            _print(f"Dask dashboard: {self.dashboard}")
        if bar is not None:
            self._bar = bar(
                desc=self.description,
                total=self.total,
                unit=self.unit,
                initial=self.done,
                postfix=", ".join(self._remarks()) or None,
            )
        elif self.ends:
            _print(self._counts())
        return self

    @property
    def total(self) -> int:
        """Number of pieces."""
        return self._total

    @total.setter
    def total(self, total: int) -> None:
        self._total = total
        if self._bar is not None:
            self._bar.total = total
            self._bar.refresh()

    def advance(self, pieces: int = 1, *, failed: int = 0) -> None:
        """Count ``pieces`` as finished, ``failed`` of them without a result."""
        self.done += pieces
        self.failed += failed
        if self._bar is not None:
            if failed:
                self._show_remarks()
            self._bar.update(pieces)
        else:
            self._write_line_if_due()

    def note(self, text: str) -> None:
        """Say something behind the bar, such as how many workers there are; an empty text takes it away.

        Called again and again while nothing is finished, it keeps the bar and the log alive.
        """
        self._note = text
        if self._bar is not None:
            self._show_remarks()
            self._bar.refresh()
        else:
            self._write_line_if_due()

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._bar is not None:
            self._bar.close()
            self._bar = None
        elif self.shown and (self.ends or self._lines):
            elapsed = time.monotonic() - self._start
            rate = (self.done - self.initial) / elapsed if elapsed > 0 else 0.0
            how = "stopped after" if kind is not None else "ended after"
            _print(", ".join([self._counts(), f"{how} {in_words(elapsed)}", *self._rate(rate), *self._failures()]))

    def _remarks(self) -> list[str]:
        return [*self._failures(), *([self._note] if self._note else [])]

    def _failures(self) -> list[str]:
        return [f"{self.failed:,} failed"] if self.failed else []

    def _show_remarks(self) -> None:
        self._bar.set_postfix_str(", ".join(self._remarks()), refresh=False)

    def _counts(self) -> str:
        share = f" ({_percent(self.done, self.total)})" if self.total else ""
        return f"{self.description}: {self.done:,} of {self.total:,} {self.unit}s{share}"

    def _rate(self, rate: float) -> list[str]:
        if rate <= 0:
            return []
        return [
            f"{rate:,.{1 if rate < 100 else 0}f} {self.unit}s/s"
            if rate >= 1
            else f"one {self.unit} in {in_words(1 / rate)}"
        ]

    def _write_line_if_due(self) -> None:
        if not self.shown:
            return
        now = time.monotonic()
        longer = min(LONGEST_INTERVAL, INTERVAL_SHARE * (now - self._start))
        if now - self._last_line < (max(self.interval, longer) if self.interval else 0):
            return
        before, done_before = self._past[0]
        rate = (self.done - done_before) / (now - before) if now > before else 0.0
        left = [f"{in_words((self.total - self.done) / rate)} left"] if rate > 0 else []
        _print(", ".join([self._counts(), *self._rate(rate), *left, *self._remarks()]))
        self._lines += 1
        self._last_line = now
        self._past.append((now, self.done))


def in_words(seconds: float) -> str:
    """A duration in the words of a log.

    Examples
    --------
    >>> in_words(0.25), in_words(59), in_words(200), in_words(7800), in_words(300_000)
    ('0.2 s', '59 s', '3 min 20 s', '2 h 10 min', '3 d 11 h')
    """
    if seconds < 10:
        return f"{seconds:.1f} s"
    for size, unit, smaller, smaller_unit in ((86_400, "d", 3600, "h"), (3600, "h", 60, "min"), (60, "min", 1, "s")):
        if round(seconds / smaller) * smaller >= size:
            whole, rest = divmod(round(seconds / smaller), size // smaller)
            return f"{whole:,} {unit} {rest} {smaller_unit}" if rest else f"{whole:,} {unit}"
    return f"{seconds:.0f} s"


def compute_with_progress(*collections: Any, progress: bool = True, description: str = "computing") -> tuple[Any, ...]:
    """Compute Dask collections together, as :func:`dask.compute`, showing how far it is.

    Parameters
    ----------
    *collections
        Dask collections; what they share is computed once.
    progress
        Whether to show anything.
    description
        What is being done, at the start of the bar.

    Returns
    -------
    tuple
        One result per collection.

    Examples
    --------
    >>> import dask.array
    >>> compute_with_progress(dask.array.ones(4, chunks=2).sum(), progress=False)
    (np.float64(4.0),)
    """
    if not progress or not collections:
        return dask.compute(*collections)
    client = active_client(collections)
    if client is not None:
        return _compute_distributed(client, collections, description)
    with _TaskCounter(description):
        return dask.compute(*collections)


class _TaskCounter(Callback):
    """Shows the tasks of the schedulers that run in this process."""

    def __init__(self, description: str):
        super().__init__()
        self.description = description
        self._progress: Progress | None = None

    def _start_state(self, dsk: Any, state: dict[str, Any]) -> None:
        total = sum(len(state[kind]) for kind in ("ready", "waiting", "running"))
        self._progress = Progress(self.description, total, ends=False).__enter__()

    def _posttask(self, key: Any, result: Any, dsk: Any, state: dict[str, Any], worker: Any) -> None:
        if self._progress is not None:
            self._progress.advance()

    def _finish(self, dsk: Any, state: dict[str, Any], errored: bool) -> None:
        if self._progress is not None:
            self._progress.__exit__(None, None, None)


def _compute_distributed(client: Any, collections: tuple[Any, ...], description: str) -> tuple[Any, ...]:
    """Count the blocks of the results as they finish; their inputs are not seen from here."""
    from distributed import as_completed, futures_of

    persisted = client.persist(collections)
    futures = futures_of(persisted)
    dashboard = dashboard_of(client)
    with Progress(description, len(futures), unit="block", dashboard=dashboard, ends=False) as progress:
        for _ in as_completed(futures):
            progress.advance()
    return tuple(client.gather(client.compute(persisted)))


def active_client(collections: tuple[Any, ...] = ()) -> Any:
    """The distributed client that would compute these collections, None if none would."""
    if "distributed" not in sys.modules:
        return None
    from distributed import Client

    owner = getattr(get_scheduler(collections=collections), "__self__", None)
    return owner if isinstance(owner, Client) else None


def dashboard_of(client: Any) -> str | None:
    """Address of the dashboard of a client's scheduler, None where there is none."""
    try:
        return client.dashboard_link or None
    except (AttributeError, KeyError, ValueError, OSError):
        return None


def _percent(done: int, total: int) -> str:
    """A share that says 100% of nothing less than all.

    Examples
    --------
    >>> _percent(999_999, 1_000_000), _percent(3, 3), _percent(1, 3)
    ('99.9%', '100%', '33.3%')
    """
    return "100%" if done >= total else f"{1000 * done // total / 10:.1f}%"


def _print(line: str) -> None:
    """Write a line; a terminal or pipe that was closed is no reason to stop."""
    with contextlib.suppress(OSError, ValueError):
        print(line, file=sys.stderr, flush=True)


def _width() -> dict[str, Any]:
    """How wide a bar is: as the terminal; 80 columns where that says that it has none, as without a window."""
    with contextlib.suppress(OSError, ValueError, AttributeError):
        if os.get_terminal_size(sys.stderr.fileno()).columns == 0:
            return {"ncols": 80}
    return {"dynamic_ncols": True}


def _bar_class() -> Any:
    """The bar that fits where standard error goes, None where no bar does."""
    if sys.stderr is not None and not sys.stderr.closed and sys.stderr.isatty():
        from tqdm import tqdm

        return functools.partial(tqdm, **_width())
    shell = sys.modules["IPython"].get_ipython() if "IPython" in sys.modules else None
    if shell is not None and "IPKernelApp" in shell.config:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # without ipywidgets, the bar is text
            from tqdm.auto import tqdm as notebook_tqdm

        return notebook_tqdm
    return None
