"""notebooks/slurm/sweep.py on SLURM, or on what stands in for it: a job is cancelled, the client killed; it goes on."""

import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest

import dmfx
from dmfx.sweeps import progress_of
from tests.sweeps.chaos import boxes_done, differences
from tests.sweeps.slurm_stand_in import SlurmStandIn

SCRIPT = Path(__file__).parents[2] / "notebooks" / "slurm" / "sweep.py"
BETAS, GAMMAS, STEPS = 32, 16, 70_000
#: Jobs that ended are replaced after a second, not 15; those without a scheduler end after ten, not 60.
IMPATIENT = {
    "DASK_DISTRIBUTED__DEPLOY__LOST_WORKER_TIMEOUT": "1s",
    "DASK_JOBQUEUE__SLURM__DEATH_TIMEOUT": "10",
}
PATIENCE = 120.0  # seconds; far more than it takes, unless the machine is overloaded


class Slurm:
    """The jobs that SLURM runs for the script in a folder, by the names of their logs."""

    environment = dict(os.environ)

    def __init__(self, folder):
        self.folder = folder

    def running(self):
        known = {int(log.stem.rpartition("-")[2]) for log in (self.folder / "slurm-logs").glob("*.out")}
        said = subprocess.run(
            ["squeue", "--noheader", "--format=%i"], capture_output=True, text=True, check=True
        ).stdout
        return sorted(known & set(map(int, said.split())))

    def cancel(self, number):
        subprocess.run(["scancel", str(number)], check=True)


@pytest.fixture(params=["stand-in", "SLURM"])
def slurm(request, tmp_path):
    if request.param == "stand-in":
        with SlurmStandIn(tmp_path / "stand-in") as jobs:
            yield jobs
        return
    if shutil.which("sbatch") is None or subprocess.run(["sinfo"], capture_output=True).returncode:
        pytest.skip("no SLURM on this machine")
    yield Slurm(tmp_path)


def start(slurm, folder):
    """The script, with jobs of one core, in a process group of its own."""
    size = ["--betas", str(BETAS), "--gammas", str(GAMMAS), "--steps", str(STEPS), "--reduce=bifurcation"]
    with (folder / "client.log").open("a") as log:
        return subprocess.Popen(
            [sys.executable, str(SCRIPT), *size, "--jobs=2", "--cores=1", "--memory=1GB", "--interface=lo"],
            cwd=folder,
            env=slurm.environment | IMPATIENT,
            stdout=log,
            stderr=log,
            start_new_session=True,
        )


def wait_until(condition, client=None):
    deadline = time.monotonic() + PATIENCE
    while not condition():
        assert time.monotonic() < deadline, "it takes too long"
        assert client is None or client.poll() is None, "the client ended"
        time.sleep(0.1)


@pytest.mark.slow
def test_goes_on_after_a_cancelled_job_and_a_killed_client(slurm, tmp_path):
    store = tmp_path / "run.zarr"
    client = start(slurm, tmp_path)
    try:
        wait_until(lambda: boxes_done(store) > 0 and slurm.running(), client)
        cancelled = slurm.running()[0]
        slurm.cancel(cancelled)
        wait_until(lambda: set(slurm.running()) - {1, 2, cancelled}, client)  # another job in its place
    finally:
        os.killpg(client.pid, signal.SIGKILL)
        client.wait()
    kept = boxes_done(store)
    assert 0 < kept < progress_of(store).boxes
    wait_until(lambda: not slurm.running())  # jobs without a client end by themselves

    assert start(slurm, tmp_path).wait(timeout=PATIENCE) == 0, (tmp_path / "client.log").read_text()[-2000:]
    wait_until(lambda: not slurm.running())
    found = progress_of(store)
    assert found.finished
    assert found.failed == 0
    assert len(found.sessions) == 2

    undisturbed = tmp_path / "undisturbed.zarr"
    dmfx.sweep(
        dmfx.SelfAttention.paper(),
        store=undisturbed,
        beta=np.linspace(1.2, 1.4, BETAS),
        gamma=np.geomspace(20, 400, GAMMAS),
        steps=STEPS,
        transient=5 * STEPS,
        reduce=["bifurcation"],
        progress=False,
    )
    assert not differences(store, undisturbed)
