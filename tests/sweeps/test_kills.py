"""kill -9 of everything, at any moment: what is left can be gone on from, and the end is the same to the last bit.

Moments are drawn at random, from DMFX_CHAOS_SEED if that is set: other seeds draw other moments.
"""

import os
import shutil
import signal
import time

import pytest

import dmfx
from dmfx.sweeps import progress_of
from tests.sweeps.chaos import Cluster, boxes_done, client, differences, wait_until
from tests.sweeps.chaos.sweep import BOXES, POINTS, SWEEP, assert_survived, moment, new_cluster, resume

pytestmark = pytest.mark.slow


def test_comparison_sees_one_flipped_bit(undisturbed, store):
    shutil.copytree(undisturbed, store)
    assert_survived(store, undisturbed)
    chunk = next((store / "m_o_semantic").glob("c.*"))
    data = bytearray(chunk.read_bytes())
    data[-1] ^= 1
    chunk.write_bytes(data)
    assert differences(store, undisturbed) == [f"differs: {chunk.relative_to(store)}"]
    assert len(dmfx.check(store)) == 1


def test_workers_killed_eight_times_in_one_run(cluster, store, undisturbed, rng):
    """Half of them with a warning, as queueing systems do."""
    running = cluster.client(store=str(store), **SWEEP)
    for number in range(8):
        moment(running, store, rng, 1 + 8 * number, 8 + 8 * number)
        worker = rng.choice(cluster.workers)
        if number % 2:
            worker.kill(signal.SIGTERM)
            time.sleep(rng.uniform(0, 0.05))
        worker.kill()
        worker.wait(10)
        cluster.replace_dead()
    running.finished()
    assert_survived(store, undisturbed)


def test_workers_killed_under_their_nannies(processes, store, undisturbed, rng):
    cluster = Cluster(processes)
    nannies = cluster.add_workers(2, nanny=True)
    running = cluster.client(store=str(store), **SWEEP)
    for number in range(2):
        moment(running, store, rng, 1 + 20 * number, 15 + 20 * number)
        # the other one may have computed everything before a nanny's next worker is there: do not wait for it
        pids = wait_until(lambda: [pid for nanny in nannies for pid in nanny.children()], "a worker", 30)
        os.kill(rng.choice(pids), signal.SIGKILL)
    # and a whole node
    moment(running, store, rng, 46, 60)
    rng.choice(nannies).kill_group()
    running.finished()
    cluster.end()
    assert_survived(store, undisturbed)


def test_scheduler_killed(processes, store, undisturbed, rng):
    for number in range(2):
        if store.exists() and boxes_done(store) > BOXES - 20:
            shutil.rmtree(store)
        cluster = new_cluster(processes)
        running = cluster.client(store=str(store), **SWEEP)
        moment(running, store, rng, 1, 20)
        cluster.scheduler.kill()
        told = running.ended(60)
        assert told["how"] == "raised"
        assert told["type"] == "SchedulerLost"
        assert "ConnectionError" in told["bases"]
        assert told["status"] == 1
        # how far it is, and that the same call goes on
        assert f"of {POINTS} points" in told["message"]
        assert progress_of(store).done > 0
        if number == 1:
            for worker in cluster.workers:
                worker.wait(30)  # they finish what they have been given, and notice too
        cluster.end()
    cluster = new_cluster(processes)
    resume(cluster, store)
    cluster.end()
    assert_survived(store, undisturbed)


def test_client_killed_and_the_cluster_goes_on_living(processes, cluster, store, undisturbed, rng):
    for number in range(3):
        running = cluster.client(store=str(store), **SWEEP)
        moment(running, store, rng, 1 + 25 * number, 20 + 25 * number)
        running.process.kill()
        assert running.ended()["how"] == "killed"
        assert cluster.scheduler.alive
        assert all(worker.alive for worker in cluster.workers)
    if rng.random() < 0.5:
        resume(cluster, store)
    else:  # what the old cluster may still be writing does no harm
        another = new_cluster(processes)
        resume(another, store)
        another.end()
    assert_survived(store, undisturbed)


def test_all_killed_at_once(processes, store, undisturbed, rng):
    for number in range(3):
        cluster = new_cluster(processes)
        running = cluster.client(store=str(store), **SWEEP)
        moment(running, store, rng, 1 + 25 * number, 20 + 25 * number)
        victims = [running.process, cluster.scheduler, *cluster.workers]
        rng.shuffle(victims)
        for process in victims:
            process.kill()
        cluster.end()
    cluster = new_cluster(processes)
    resume(cluster, store)
    cluster.end()
    assert_survived(store, undisturbed)


def test_killed_while_the_store_is_made_and_sealed(processes, cluster, store, undisturbed, rng):
    """At any time from the start of the client on, whatever it is doing."""
    kills = 0
    for _ in range(6):
        running = client(processes, cluster.address, store=str(store), **SWEEP)
        wait_until(lambda running=running: store.exists() or not running.process.alive, "a store", 30, every=0.001)
        time.sleep(rng.uniform(0, 0.5))
        running.process.kill()
        kills += running.ended()["how"] == "killed"
    assert kills >= 3
    resume(cluster, store)
    assert_survived(store, undisturbed)


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_client_asked_to_end(cluster, store, undisturbed, rng, number):
    running = cluster.client(store=str(store), **SWEEP)
    moment(running, store, rng)
    asked = time.monotonic()
    running.process.kill(number)
    told = running.ended(20)
    assert time.monotonic() - asked < 10
    assert told["status"] != 0
    if number == signal.SIGINT:
        assert told["type"] == "KeyboardInterrupt"
    done = progress_of(store)
    assert 0 < done.done < POINTS
    # the workers stop too: a cluster is not kept busy by a sweep that nobody waits for
    time.sleep(1)
    before = boxes_done(store)
    time.sleep(1)
    assert boxes_done(store) == before
    resume(cluster, store)
    assert_survived(store, undisturbed)
