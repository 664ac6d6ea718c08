"""The table ``[cluster]``: where a sweep is computed."""

from __future__ import annotations

from typing import Any

from dmfx.cli.config.file import Table
from dmfx.cli.config.values import count, text
from dmfx.cluster import slurm_arguments, slurm_defaults

__all__ = ["KEYS", "read_cluster"]

#: Keys of the table.
KEYS = ("workers", "scheduler", "slurm", "adaptive")
OF_SLURM = ("jobs", "queue", "account", "cores", "memory", "processes", "walltime")
#: What every job must have, by these tables or by Dask's own configuration files.
NEEDED = {"cores": "8", "memory": '"16GB"'}
ADAPTIVE = "{ minimum = 1, maximum = 20 }"


def read_cluster(table: Table | None) -> dict[str, Any]:
    """The arguments of `dmfx.cluster.cluster`; without the table, those of a local cluster."""
    if table is None:
        return {}
    before = table.file.n_problems
    table.check_keys(KEYS, dict.fromkeys(OF_SLURM, "it belongs in [cluster.slurm]"))
    found: dict[str, Any] = {}
    if "workers" in table:
        found["workers"] = count(1)(table, "workers")
    if "scheduler" in table:
        found["scheduler"] = text('the address of a scheduler, such as "tcp://10.0.0.1:8786"')(table, "scheduler")
    if (adaptive := table.table("adaptive", f"a table such as {ADAPTIVE}")) is not None:
        found["adaptive"] = _limits(adaptive)
    if (slurm := table.table("slurm", "a table of arguments of dask_jobqueue.SLURMCluster")) is not None:
        found["slurm"] = _jobs(slurm, "adaptive" in table)
    where = [key for key in ("workers", "scheduler", "slurm") if key in table]
    for key in where[1:]:
        table.say(key, f"cannot stand beside {where[0]}: the sweep is computed in one place")
    if "adaptive" in table and where and where[0] != "slurm":
        table.say("adaptive", f"cannot stand beside {where[0]}: it is for local clusters and slurm")
    return found if table.file.n_problems == before else {}


def _limits(table: Table) -> dict[str, int]:
    """Least and most workers or jobs."""
    table.check_keys(("minimum", "maximum"))
    limits = {}
    for key, least in (("minimum", 0), ("maximum", 1)):
        if key in table:
            limits[key] = count(least)(table, key)
        else:
            table.missing(key, f"both limits, as {ADAPTIVE}")
    ends = [limits.get(key) for key in ("minimum", "maximum")]
    if None not in ends and ends[0] > ends[1]:
        table.add("maximum", f"at least minimum, {ends[0]}")
    return limits


def _jobs(table: Table, is_adaptive: bool) -> dict[str, Any]:
    """Arguments of the jobs; their names are checked where dask-jobqueue is there to ask."""
    known = slurm_arguments()
    if known is not None:
        table.check_keys(("jobs", *known), {"adaptive": "it belongs in [cluster]"})
        defaults = slurm_defaults()
        for key, example in NEEDED.items():
            if key not in table and key not in defaults:
                table.missing(key, f"{key} of one job, as {key} = {example}")
    if "jobs" in table:
        count(1)(table, "jobs")
        if is_adaptive:
            table.say("jobs", "cannot stand beside adaptive, which says how many jobs there are")
    elif not is_adaptive:
        table.missing("jobs", f"the number of jobs, or adaptive = {ADAPTIVE} in [cluster]")
    return dict(table.values)
