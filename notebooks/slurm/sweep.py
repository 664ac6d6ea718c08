"""A sweep on SLURM: ``python sweep.py --jobs 50 --account YOURS``, and the same again after anything.

Needs dask-jobqueue (``pip install '.[cluster]'`` in the repository). This process sends jobs that compute and write,
and waits. It needs little itself, but as long as the sweep takes: where long processes are not allowed on the login
node, ``sbatch sweep.sbatch`` makes a job of it. The store must be on a file system that all nodes see.
"""

import argparse
import signal

import numpy as np
from dask_jobqueue import SLURMCluster
from distributed import Client

import dmfx

signal.signal(signal.SIGINT, signal.default_int_handler)  # dask_jobqueue makes Ctrl-C an exit without an error


def options():
    parser = argparse.ArgumentParser()
    parser.add_argument("--store", default="run.zarr")
    parser.add_argument("--betas", type=int, default=1000)
    parser.add_argument("--gammas", type=int, default=100)
    parser.add_argument("--steps", type=int, default=20_000)
    parser.add_argument("--reduce", nargs="+", default=["bifurcation", "classify"])
    parser.add_argument("--jobs", type=int, default=8, help="at most so many jobs at a time")
    parser.add_argument("--cores", type=int, default=8, help="of one job")
    parser.add_argument("--memory", default="16GB", help="of one job")
    parser.add_argument("--minutes", type=int, default=60, help="walltime of one job")
    parser.add_argument("--partition")
    parser.add_argument("--account")
    parser.add_argument("--interface", help="network between the nodes, such as ib0")
    return parser.parse_args()


def sweep(arguments):
    """What to compute: put yours here."""
    return dmfx.sweep(
        dmfx.SelfAttention.paper(),
        store=arguments.store,
        beta=np.linspace(1.2, 1.4, arguments.betas),
        gamma=np.geomspace(20, 400, arguments.gammas),
        steps=arguments.steps,
        transient=5 * arguments.steps,
        reduce=arguments.reduce,
    )


def main():
    arguments = options()
    seconds = 60 * arguments.minutes
    with (
        SLURMCluster(
            queue=arguments.partition,
            account=arguments.account,
            cores=arguments.cores,
            # One process with a thread for each core: kernels run without Python's lock. For more processes on a node
            # take more jobs with fewer cores, not processes=2: Dask never replaces such a job when it ends
            # (github.com/dask/distributed/issues/9102).
            processes=1,
            memory=arguments.memory,
            walltime=str(arguments.minutes),
            # Workers leave before SLURM ends them, not all at once, and hand back what they have begun.
            worker_extra_args=["--lifetime", f"{0.9 * seconds:.0f}s", "--lifetime-stagger", f"{0.05 * seconds:.0f}s"],
            local_directory="${TMPDIR:-/tmp}",  # on the node's own disk: the shell of the job fills it in
            interface=arguments.interface,
            log_directory="slurm-logs",
            scheduler_options={"dashboard_address": ":0"},  # any port that is free
        ) as cluster,
        Client(cluster),
    ):
        cluster.adapt(minimum_jobs=1, maximum_jobs=arguments.jobs)  # also replaces jobs that have ended
        print(sweep(arguments))


if __name__ == "__main__":  # Dask's processes import this file
    main()
