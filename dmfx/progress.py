"""Computing with a progress bar, on whatever scheduler is active."""

from __future__ import annotations

import sys
import time
from types import TracebackType
from typing import Any

import dask
from dask.base import get_scheduler
from dask.callbacks import Callback

__all__ = ["Progress", "compute_with_progress"]


class Progress:
    """Counts finished pieces of work on standard error.

    A bar on a terminal and in a notebook; elsewhere, as in the log of a batch job, a line now and then.

    Parameters
    ----------
    description
        What is being done, at the start of the bar.
    total
        Number of pieces.
    unit
        What one piece is called.
    interval
        Least time between two lines where there is no bar, in seconds.

    Examples
    --------
    >>> with Progress("sweeping", total=2) as progress:
    ...     progress.advance()
    """

    def __init__(self, description: str, total: int, *, unit: str = "task", interval: float = 30.0):
        self.description, self.total, self.unit, self.interval = description, total, unit, interval
        self.done = 0
        self._bar: Any = None
        self._last_line = time.monotonic()

    def __enter__(self) -> Progress:
        bar = _bar_class()
        if bar is not None:
            self._bar = bar(desc=self.description, total=self.total, unit=self.unit)
        return self

    def advance(self, pieces: int = 1) -> None:
        """Count ``pieces`` as finished."""
        self.done += pieces
        if self._bar is not None:
            self._bar.update(pieces)
        elif time.monotonic() - self._last_line >= self.interval:
            self._last_line = time.monotonic()
            line = f"{self.description}: {self.done} of {self.total} {self.unit}s"
            print(line, file=sys.stderr, flush=True)

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._bar is not None:
            self._bar.close()


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
    client = _active_client(collections)
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
        self._progress = Progress(self.description, total).__enter__()

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
    with Progress(description, len(futures), unit="block") as progress:
        for _ in as_completed(futures):
            progress.advance()
    return tuple(client.gather(client.compute(persisted)))


def _active_client(collections: tuple[Any, ...]) -> Any:
    """The distributed client that would compute these collections, if one would."""
    if "distributed" not in sys.modules:
        return None
    from distributed import Client

    owner = getattr(get_scheduler(collections=collections), "__self__", None)
    return owner if isinstance(owner, Client) else None


def _bar_class() -> Any:
    """The bar that fits where standard error goes, None where no bar does."""
    if sys.stderr.isatty():
        from tqdm import tqdm

        return tqdm
    shell = sys.modules["IPython"].get_ipython() if "IPython" in sys.modules else None
    if shell is not None and "IPKernelApp" in shell.config:
        from tqdm.auto import tqdm as notebook_tqdm

        return notebook_tqdm
    return None
