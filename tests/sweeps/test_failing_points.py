"""Points that raise, kill their worker or take all memory: they fail with a reason, and all others are finished."""

import json

import pytest

import dmfx
from dmfx.sweeps import progress_of
from tests.sweeps.chaos import Cluster
from tests.sweeps.chaos.sweep import BAD, POINTS, SWEEP, assert_survived, new_cluster, resume

pytestmark = pytest.mark.slow


def assert_failed(store, told, reason):
    """One point failed, for a reason; all others are there."""
    assert told["how"] == "finished", told["output"]
    progress = progress_of(store)
    assert progress.finished
    assert (progress.done, progress.failed, progress.missing) == (POINTS, 1, 0)
    (failure,) = progress.failures
    assert failure["beta"] == BAD
    assert reason in failure["reason"]
    assert dmfx.check(store) == []
    with dmfx.open(store) as ds:
        status = ds["status"].squeeze().values
        meanings = dict(
            zip(ds["status"].attrs["flag_meanings"].split(), ds["status"].attrs["flag_values"], strict=True)
        )
        assert [float(beta) for beta in ds["beta"][status == meanings["failed"]]] == [BAD]
        assert (status == meanings["ok"]).sum() == POINTS - 1
        (told_of,) = json.loads(ds.attrs["dmfx_failures"])
        assert told_of["beta"] == BAD
        assert bool(ds["m_o_semantic"].sel(beta=BAD).isnull().all())
        assert bool(ds["m_o_semantic"].drop_sel(beta=BAD).notnull().all())


def test_point_that_kills_its_worker_every_time(processes, store, undisturbed):
    cluster = Cluster(processes)
    deaths = 0

    def replace():
        nonlocal deaths
        deaths += cluster.replace_dead(fault={"kill": [BAD]})

    cluster.add_workers(2, fault={"kill": [BAD]})
    running = cluster.client(store=str(store), kill_limit=3, **SWEEP)
    assert_failed(store, running.ended(meanwhile=replace), "kill")
    assert 3 <= deaths <= 12
    # not again, unless asked
    resume(cluster, store)
    replace()
    before = deaths
    assert_failed(store, {"how": "finished"}, "kill")
    assert deaths == before
    cluster.end()

    cluster = new_cluster(processes)
    resume(cluster, store, retry_failed=True)
    cluster.end()
    assert_survived(store, undisturbed)


def test_point_that_raises(processes, store, undisturbed):
    cluster = Cluster(processes)
    cluster.add_workers(2, fault={"raise": [BAD]})
    running = cluster.client(store=str(store), **SWEEP)
    assert_failed(store, running.ended(), f"ArithmeticError: the fault of {BAD} was met")
    assert all(worker.alive for worker in cluster.workers)
    cluster.end()

    cluster = new_cluster(processes)
    resume(cluster, store, retry_failed=True)
    cluster.end()
    assert_survived(store, undisturbed)


def test_point_that_takes_all_memory(processes, store, undisturbed):
    """The nanny kills the worker; the rest of the sweep is computed."""
    # deaths are told to the client at once: a worker that its nanny starts again takes its time
    env = {
        "DASK_DISTRIBUTED__WORKER__MEMORY__MONITOR_INTERVAL": "20ms",
        "DASK_DISTRIBUTED__SCHEDULER__ALLOWED_FAILURES": "0",
    }
    cluster = Cluster(processes, env=env)
    cluster.add_workers(1, nanny=True, memory_limit="700MB", fault={"allocate": [BAD]})
    running = cluster.client(store=str(store), kill_limit=1, **SWEEP)
    assert_failed(store, running.ended(150), "kill")
    cluster.end()

    cluster = new_cluster(processes)
    resume(cluster, store, retry_failed=True)
    cluster.end()
    assert_survived(store, undisturbed)
