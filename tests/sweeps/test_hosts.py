"""Scheduler, workers and client on hosts of their own, whose cables are cut and mended."""

import time

import pytest

from tests.sweeps.chaos import Cluster, boxes_done, client, hosts
from tests.sweeps.chaos.sweep import BOXES, POINTS, SWEEP, assert_survived, reach

LACKING = hosts.missing()
pytestmark = [pytest.mark.skipif(bool(LACKING), reason=LACKING), pytest.mark.slow]

#: A cut is noticed after the 11 s of TCP (distributed takes no less), or by heartbeats that fail to come.
PATIENCE = {
    "DASK_DISTRIBUTED__COMM__TIMEOUTS__CONNECT": "2s",
    "DASK_DISTRIBUTED__SCHEDULER__WORKER_TTL": "5s",
    "DASK_DISTRIBUTED__CLIENT__HEARTBEAT": "1s",
}
SCHEDULER, FIRST, SECOND, CLIENT = range(4)


@pytest.fixture(scope="module")
def network():
    with hosts.Network(4) as made:
        yield made


@pytest.fixture(params=[PATIENCE], ids=["impatient"])
def cluster(request, processes, network):
    """A scheduler and two workers, each on a host."""
    made = Cluster(processes, host=network.address(SCHEDULER), netns=network.name(SCHEDULER), env=request.param)
    for host in (FIRST, SECOND):
        made.add_worker(netns=network.name(host))
    yield made
    made.end()
    for host in (SCHEDULER, FIRST, SECOND, CLIENT):
        network.mend(host)


def start(cluster, network, store):
    where = {"env": PATIENCE, "netns": network.name(CLIENT)}
    return client(cluster.processes, cluster.address, **where, store=str(store), **SWEEP)


@pytest.mark.parametrize("silently", [False, True], ids=["link down", "packets lost"])
def test_worker_cut_off(cluster, network, store, undisturbed, silently):
    """The others finish what it had begun; it still computes, and writes to the disk that all share."""
    running = start(cluster, network, store)
    reach(running, store, 20)
    network.cut(FIRST, silently=silently)
    assert boxes_done(store) < BOXES
    running.finished(60)
    assert_survived(store, undisturbed)


def test_only_worker_cut_off_and_back(cluster, network, store, undisturbed):
    """Workers end when their scheduler is lost; started again once there is a network, they go on with the same run."""
    cluster.workers.pop().kill_group()
    (cut_off,) = cluster.workers
    running = start(cluster, network, store)
    reach(running, store, 20)
    network.cut(FIRST)
    cut_off.wait(60)
    at_the_end = boxes_done(store)
    assert running.process.alive
    network.mend(FIRST)
    cluster.replace_dead(netns=network.name(FIRST))
    running.finished(60)
    assert at_the_end < BOXES
    assert_survived(store, undisturbed)


# Not with heartbeats that may fail for 5 s only: beside other tests they do so by themselves, and workers are given up.
@pytest.mark.parametrize("cluster", [{}], indirect=True, ids=["patient"])
def test_cables_cut_for_two_seconds(cluster, network, store, undisturbed):
    """Shorter than TCP's patience: the connections go on as if nothing had been."""
    running = start(cluster, network, store)
    for boxes, host in ((10, FIRST), (20, SCHEDULER), (30, CLIENT)):
        reach(running, store, boxes)
        network.cut(host, silently=True)
        time.sleep(2)
        network.mend(host)
    running.finished(60)
    assert all(worker.alive for worker in cluster.workers)
    assert_survived(store, undisturbed)


def test_scheduler_cut_off_from_its_client(cluster, network, store, undisturbed):
    running = start(cluster, network, store)
    reach(running, store, 20)
    network.cut(CLIENT, silently=True)
    told = running.ended(90)
    network.mend(CLIENT)
    assert told["how"] == "raised"
    assert told["type"] == "SchedulerLost"
    assert told["status"] == 1
    assert f"of {POINTS} points are kept" in told["message"]
    start(cluster, network, store).finished(60)
    assert_survived(store, undisturbed)
