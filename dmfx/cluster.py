"""The cluster that a command computes on. Libraries use the scheduler that is active; only commands open one."""

from __future__ import annotations

import contextlib
import logging
import os
from collections.abc import Iterator
from typing import TYPE_CHECKING

from dmfx.validation import Problems

if TYPE_CHECKING:
    from distributed import Client

__all__ = ["cluster"]

CONNECT_SECONDS = 10
#: Networks and examples of many megabytes travel in the graph, once to each worker: nothing to warn of.
QUIET = {"distributed.admin.large-graph-warning-threshold": "1GB"}


@contextlib.contextmanager
def cluster(workers: int | None = None, scheduler: str | None = None) -> Iterator[Client]:
    """Open a client: of a scheduler that is already there, or of a new local cluster that ends with the block.

    Parameters
    ----------
    workers
        Number of worker processes of a local cluster, one thread each; by default one per core.
    scheduler
        Address of a scheduler, such as ``tcp://10.0.0.1:8786``.

    Yields
    ------
    distributed.Client

    Raises
    ------
    ValueError
        If both are given, or the number of workers is not a number of at least 1.
    ConnectionError
        If nobody answers at the address.
    """
    problems = Problems("cluster")
    if workers is not None:
        workers = problems.count("workers", workers)
        if scheduler is not None:
            problems.say("give either workers, for a new local cluster, or the address of a scheduler, not both")
    problems.raise_any()
    import dask
    from distributed import Client, LocalCluster

    if scheduler is not None:
        try:
            client = Client(scheduler, timeout=CONNECT_SECONDS)
        except (OSError, TimeoutError, ValueError, TypeError) as error:
            raise ConnectionError(
                f"no Dask scheduler answers at {scheduler} ({error}); is `dask scheduler` running there, and is the "
                "address the one that it printed?"
            ) from error
        with dask.config.set(QUIET), client:
            yield client
        return
    # Workers that end while the cluster closes log lost connections: nothing that a user can act on.
    with (
        dask.config.set(QUIET),
        LocalCluster(
            n_workers=workers or os.cpu_count(),
            threads_per_worker=1,
            dashboard_address=None,
            scheduler_kwargs={"dashboard_address": ":0"},  # otherwise port 8787 is taken, dashboard or not
            silence_logs=logging.ERROR,
        ) as local,
        Client(local) as client,
    ):
        yield client
