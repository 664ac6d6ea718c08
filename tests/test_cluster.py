"""Clusters that commands open: local, by address, adaptive, and SLURM with commands that start processes here."""

import os
import signal
import stat
import sys
import time
import urllib.request

import pytest
from distributed import LocalCluster

from dmfx.cluster import cluster, slurm_arguments

#: Commands of SLURM: a job is a process group of this machine, and its number that of the group.
SBATCH = """#!/bin/sh
cp "$1" "{folder}/script.$$"
setsid sh "{folder}/script.$$" > "{folder}/log.$$" 2>&1 &
echo "Submitted batch job $!"
"""
SCANCEL = """#!/bin/sh
for job in "$@"; do kill -TERM -- "-$job"; echo "$job" >> "{folder}/cancelled"; done
"""


def wait_for(condition, seconds=30):
    for _ in range(int(seconds / 0.05)):
        if condition():
            return True
        time.sleep(0.05)
    return False


def n_workers(client):
    return len(client.scheduler_info(n_workers=-1)["workers"])


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"workers": 0}, "cluster: workers must be a whole number of at least 1, not 0"),
        ({"workers": 1, "scheduler": "tcp://a:1"}, "give either workers"),
        ({"slurm": {"jobs": 1}, "workers": 1}, "slurm goes without workers and scheduler"),
        ({"slurm": {}}, "jobs must be a whole number of at least 1, not None"),
        ({"slurm": {"jobs": 1}, "adaptive": {"minimum": 0, "maximum": 1}}, "jobs goes without adaptive"),
        ({"adaptive": {"minimum": 0, "maximum": 1}, "workers": 1}, "adaptive goes without workers and scheduler"),
        ({"adaptive": {"minimum": 3, "maximum": 1}}, "maximum must be a whole number of at least 3, not 1"),
        ({"adaptive": {"maximum": 1}}, "adaptive must be a mapping with minimum and maximum"),
    ],
)
def test_wrong_arguments(arguments, message):
    with pytest.raises((ValueError, TypeError), match=message), cluster(**arguments):
        pass


def test_a_local_cluster_with_a_dashboard():
    with cluster(workers=1, dashboard=True) as client:
        assert n_workers(client) == 1
        assert client.dashboard_link.startswith("http://127.0.0.1:")
        with urllib.request.urlopen(client.dashboard_link, timeout=10) as page:
            assert b"Dask" in page.read()


def test_an_adaptive_cluster_has_workers_when_there_is_work():
    with cluster(adaptive={"minimum": 0, "maximum": 2}) as client:
        assert n_workers(client) == 0
        assert client.gather(client.map(lambda x: x + 1, range(4))) == [1, 2, 3, 4]


def test_an_address(monkeypatch):
    monkeypatch.setattr("dmfx.cluster.CONNECT_SECONDS", 1)
    with (
        LocalCluster(n_workers=1, processes=False, dashboard_address=":0") as here,
        cluster(scheduler=here.scheduler_address) as client,
    ):
        assert client.submit(sum, [1, 2]).result() == 3
    with (
        pytest.raises(ConnectionError, match="no Dask scheduler answers at tcp"),
        cluster(scheduler="tcp://127.0.0.1:9"),
    ):
        pass


@pytest.fixture
def slurm(tmp_path, monkeypatch):
    """SLURM on this machine."""
    for name, text in (("sbatch", SBATCH), ("scancel", SCANCEL)):
        command = tmp_path / name
        command.write_text(text.format(folder=tmp_path))
        command.chmod(command.stat().st_mode | stat.S_IXUSR)
    monkeypatch.setenv("PATH", f"{tmp_path}{os.pathsep}{os.environ['PATH']}")
    return tmp_path


JOBS = {"cores": 1, "memory": "1GB", "processes": 1, "interface": "lo", "python": sys.executable, "queue": "short"}


@pytest.mark.parametrize("how", [{"jobs": 2}, {}])
def test_slurm(slurm, how):
    adaptive = None if how else {"minimum": 2, "maximum": 2}
    with cluster(slurm={**JOBS, **how, "log_directory": str(slurm)}, adaptive=adaptive) as client:
        assert wait_for(lambda: n_workers(client) == 2)
        assert client.submit(sum, [1, 2]).result() == 3
        scripts = [path.read_text() for path in slurm.glob("script.*")]
        assert len(scripts) == 2
        assert "#SBATCH -p short" in scripts[0]
    assert wait_for(lambda: len((slurm / "cancelled").read_text().split()) >= 2)


def test_slurm_without_dask_jobqueue(monkeypatch):
    monkeypatch.setitem(sys.modules, "dask_jobqueue", None)
    assert slurm_arguments() is None
    with pytest.raises(ModuleNotFoundError, match="pip install dask-jobqueue"), cluster(slurm={"jobs": 1}):
        pass


def test_a_terminal_that_sends_ctrl_c_to_all_processes_ends_no_worker():
    with cluster(workers=1) as client:
        (worker,) = client.run(os.getpid).values()
        os.kill(worker, signal.SIGINT)
        assert client.submit(os.getpid).result() == worker
