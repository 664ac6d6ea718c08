"""The sweep that is disturbed, and what must be true of its store in the end."""

import time

import dmfx
from dmfx.sweeps import progress_of
from tests.sweeps.chaos.cluster import Cluster, client
from tests.sweeps.chaos.processes import wait_until
from tests.sweeps.chaos.stores import boxes_done, differences, leftovers

__all__ = ["BAD", "BOXES", "POINTS", "SWEEP", "assert_survived", "moment", "new_cluster", "reach", "resume"]

POINTS, BOXES = 160, 80
#: A box of two points takes some 50 ms, most of it a pause; 80 of them give kills a chance to hit any step of writing.
SWEEP = {
    "beta": [1.2 + k / 1600 for k in range(POINTS)],
    "gamma": 220.0,
    "steps": 40,
    "transient": 30_000,
    "variables": ["m_o_semantic", "attention"],
    "reduce": ["bifurcation"],
    "chunks": {"beta": 2},
}
#: A point in the middle of the sweep that tests make fail; it shares its box with another.
BAD = SWEEP["beta"][101]


def new_cluster(processes, workers=2, **settings):
    made = Cluster(processes, **settings)
    made.add_workers(workers)
    return made


def moment(running, store, rng, lowest=1, highest=BOXES - 8):
    """Wait until some random number of boxes is done by a client that is running, and a little longer."""
    # one more than there are, so that this client has begun
    reach(running, store, max(rng.randint(lowest, highest), boxes_done(store) + 1))
    time.sleep(rng.uniform(0, 0.03))


def reach(running, store, boxes):
    """Wait until so many boxes are done by a client that is running."""

    def reached():
        if not running.process.alive:
            raise AssertionError(f"the client has ended: {running.process.output[-3000:]}")
        return boxes_done(store) >= boxes

    wait_until(reached, f"{boxes} boxes", 60, every=0.003)


def resume(cluster, store, **changed):
    return client(cluster.processes, cluster.address, store=str(store), **{**SWEEP, **changed}).finished()


def assert_survived(store, undisturbed):
    """The store is finished, sound, tidy, and the same to the last bit as one that was never disturbed."""
    progress = progress_of(store)
    assert progress.finished
    assert progress.running is None
    assert (progress.done, progress.failed, progress.missing) == (POINTS, 0, 0)
    assert dmfx.check(store) == []
    assert leftovers(store) == []
    assert differences(store, undisturbed) == []
