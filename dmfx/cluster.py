"""The cluster that a command computes on. Libraries use the scheduler that is active; only commands open one."""

from __future__ import annotations

import contextlib
import inspect
import logging
import os
import signal
import threading
from collections.abc import Iterator, Mapping
from types import ModuleType
from typing import TYPE_CHECKING, Any

from dmfx.validation import Problems

if TYPE_CHECKING:
    from distributed import Client
    from distributed.deploy import Cluster

__all__ = ["cluster", "slurm_arguments", "slurm_defaults"]

CONNECT_SECONDS = 10
#: Networks and examples of many megabytes travel in the graph, once to each worker: nothing to warn of.
QUIET = {"distributed.admin.large-graph-warning-threshold": "1GB"}
#: Dashboards are for the user of this machine; others reach it by an SSH tunnel.
DASHBOARD = "127.0.0.1:0"
#: Arguments of a cluster of SLURM jobs that are no plain values, or that are given in other words.
NOT_PLAIN = {"job_cls", "loop", "security", "asynchronous", "scheduler", "scheduler_cls", "n_workers"}


@contextlib.contextmanager
def cluster(
    workers: int | None = None,
    scheduler: str | None = None,
    *,
    slurm: Mapping[str, Any] | None = None,
    adaptive: Mapping[str, int] | None = None,
    dashboard: bool = False,
) -> Iterator[Client]:
    """Open a client: of a scheduler that is already there, or of a new cluster that ends with the block.

    Parameters
    ----------
    workers
        Number of worker processes of a local cluster, one thread each; by default one per core.
    scheduler
        Address of a scheduler, such as ``tcp://10.0.0.1:8786``.
    slurm
        Arguments of ``dask_jobqueue.SLURMCluster``, and ``jobs``, how many jobs to submit.
    adaptive
        ``minimum`` and ``maximum`` number of workers of a local cluster, or of SLURM jobs, which then come and go with
        the work that there is.
    dashboard
        Serve Dask's dashboard of a new cluster, at a port that is free: ``client.dashboard_link``.

    Yields
    ------
    distributed.Client

    Raises
    ------
    ValueError
        If several places are given, or a number is not one of at least 1.
    ConnectionError
        If nobody answers at the address.
    ModuleNotFoundError
        If dask-jobqueue, which SLURM needs, is not installed.
    """
    problems = Problems("cluster")
    if workers is not None:
        workers = problems.count("workers", workers)
    if scheduler is not None and workers is not None:
        problems.say("give either workers, for a new local cluster, or the address of a scheduler, not both")
    if slurm is not None and (workers is not None or scheduler is not None):
        problems.say("slurm goes without workers and scheduler")
    if adaptive is not None:
        if workers is not None or scheduler is not None:
            problems.say("adaptive goes without workers and scheduler")
        adaptive = _parse_limits(problems, adaptive)
    if slurm is not None:
        slurm = dict(slurm)
        if adaptive is None:
            slurm["jobs"] = problems.count("jobs", slurm.get("jobs"))
        elif slurm.pop("jobs", None) is not None:
            problems.say("jobs goes without adaptive")
    problems.raise_any()
    import dask
    from distributed import Client

    with dask.config.set(QUIET):
        if scheduler is not None:
            with _connected(scheduler) as client:
                yield client
            return
        opened = _local(workers, adaptive, dashboard) if slurm is None else _slurm(slurm, adaptive)
        with opened as new, Client(new) as client:
            yield client


def _parse_limits(problems: Problems, adaptive: Mapping[str, int]) -> dict[str, int]:
    if not isinstance(adaptive, Mapping) or set(adaptive) != {"minimum", "maximum"}:
        problems.add("adaptive", "a mapping with minimum and maximum", adaptive)
        return {}
    minimum = problems.count("minimum", adaptive["minimum"], minimum=0)
    return {"minimum": minimum, "maximum": problems.count("maximum", adaptive["maximum"], minimum=max(minimum, 1))}


def _connected(scheduler: str) -> Client:
    from distributed import Client

    try:
        return Client(scheduler, timeout=CONNECT_SECONDS)
    except (OSError, TimeoutError, ValueError, TypeError) as error:
        raise ConnectionError(
            f"no Dask scheduler answers at {scheduler} ({error}); is `dask scheduler` running there, and is the "
            "address the one that it printed?"
        ) from error


def _local(workers: int | None, adaptive: Mapping[str, int] | None, dashboard: bool) -> Cluster:
    from distributed import LocalCluster

    if adaptive is not None:
        workers = adaptive["minimum"]
    # Workers that end while the cluster closes log lost connections: nothing that a user can act on.
    new = LocalCluster(
        n_workers=(os.cpu_count() or 1) if workers is None else workers,
        threads_per_worker=1,
        dashboard_address=DASHBOARD if dashboard else None,
        # Without an address port 8787 is taken, dashboard or not.
        scheduler_kwargs=None if dashboard else {"dashboard_address": ":0"},
        silence_logs=logging.ERROR,
        preload=[__name__],
    )
    if adaptive is not None:
        new.adapt(**adaptive)
    return new


def dask_setup(worker: Any) -> None:
    """Called by Dask when a worker of a local cluster starts: Ctrl-C is for the command, which then closes its workers.

    A terminal sends it to all of them at once, and workers would only print where they were.
    """
    if threading.current_thread() is threading.main_thread():
        signal.signal(signal.SIGINT, signal.SIG_IGN)


def _slurm(arguments: Mapping[str, Any], adaptive: Mapping[str, int] | None) -> Cluster:
    """Submit jobs, each of which is one or more workers that connect to a scheduler in this process."""
    jobqueue = _jobqueue()
    arguments = dict(arguments)
    jobs = arguments.pop("jobs", None)
    limits = {"minimum": jobs, "maximum": jobs} if adaptive is None else adaptive
    # A job with several processes is never replaced when it ends (github.com/dask/distributed/issues/9102), and one of
    # a cluster that is not adaptive isn't either.
    arguments.setdefault("processes", 1)
    options = {"dashboard_address": ":0"} | dict(arguments.pop("scheduler_options", {}))
    new = jobqueue.SLURMCluster(scheduler_options=options, **arguments)
    try:
        new.adapt(minimum_jobs=limits["minimum"], maximum_jobs=limits["maximum"])
    except BaseException:
        new.close()
        raise
    return new


def slurm_defaults() -> dict[str, Any]:
    """Arguments of SLURM jobs that Dask's own configuration files give."""
    import dask

    return {name: value for name, value in dask.config.get("jobqueue.slurm", {}).items() if value is not None}


def _jobqueue() -> ModuleType:
    """The package dask-jobqueue, which takes Ctrl-C for itself when it is imported, with Ctrl-C put back."""
    before = signal.getsignal(signal.SIGINT)
    try:
        import dask_jobqueue
    except ModuleNotFoundError as error:
        raise ModuleNotFoundError("SLURM needs the package dask-jobqueue: pip install dask-jobqueue") from error
    if signal.getsignal(signal.SIGINT) is not before:
        signal.signal(signal.SIGINT, before)
    return dask_jobqueue


def slurm_arguments() -> tuple[str, ...] | None:
    """Names of the arguments of ``dask_jobqueue.SLURMCluster``; None without dask-jobqueue, which knows them."""
    try:
        jobqueue = _jobqueue()
    except ModuleNotFoundError:
        return None
    names: dict[str, None] = {}
    for function in (jobqueue.slurm.SLURMJob.__init__, jobqueue.core.Job.__init__, jobqueue.SLURMCluster.__init__):
        for name, parameter in inspect.signature(function).parameters.items():
            if parameter.kind in (parameter.POSITIONAL_OR_KEYWORD, parameter.KEYWORD_ONLY) and name != "self":
                names[name] = None
    return tuple(name for name in names if name not in NOT_PLAIN)
