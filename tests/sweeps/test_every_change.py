"""kill -9 just before a process changes a file of the store, whichever change: nothing is lost, nothing is wrong."""

import os
import shutil

import pytest

import dmfx
from dmfx.sweeps import progress_of
from tests.sweeps.chaos import boxes_done, client, differences, leftovers
from tests.sweeps.chaos.sweep import SWEEP

#: Random moments of each call; more of them find more, and take longer.
KILLS = int(os.environ.get("DMFX_CHAOS_KILLS", 4))
BETAS = SWEEP["beta"]
#: Small, so that there are few changes.
SMALL = {**SWEEP, "beta": BETAS[:10], "transient": 5000}
#: What is done to a store that may be there already, with a fault of the call that made it.
CALLS = {
    "new store": (None, None, SMALL),
    "more values of beta": (SMALL, None, {**SMALL, "beta": [*BETAS[:10], *BETAS[20:26]]}),
    "longer runs": (SMALL, None, {**SMALL, "steps": 60}),
    "failed points again": (SMALL, {"raise": BETAS[3:5]}, {**SMALL, "retry_failed": True}),
}


@pytest.fixture(scope="module")
def made(processes, tmp_path_factory):
    """Stores that calls make, each once."""
    folder, stores = tmp_path_factory.mktemp("made"), {}

    def make(call, fault):
        key = f"{call} {fault}"
        if key not in stores:
            stores[key] = folder / f"{len(stores)}.zarr"
            sweep(processes, stores[key], call, fault=fault).finished()
        return stores[key]

    return make


def sweep(processes, store, call, **options):
    return client(processes, None, store=str(store), **call, **options)


@pytest.mark.slow
@pytest.mark.parametrize("name", CALLS)
def test_killed_at_any_change(processes, made, tmp_path, rng, name):
    before, fault, call = CALLS[name]

    def start(store):
        if before is not None:
            shutil.copytree(made(before, fault), store)
        return store

    undisturbed, log = start(tmp_path / "undisturbed.zarr"), tmp_path / "log"
    sweep(processes, undisturbed, call, fault={"log": str(log)}).finished()
    lines = log.read_text().splitlines()
    changes = len(lines)
    assert changes > 30
    # spread over all changes; the first and last one, and some of those of the attributes of the whole, in any case
    of_the_whole = [k for k, line in enumerate(lines, 1) if line.endswith(f" {undisturbed}/zarr.json")]
    moments = {1, changes, *rng.sample(of_the_whole, min(KILLS, len(of_the_whole)))}
    moments |= {int(changes * (k + rng.random()) / KILLS) for k in range(KILLS)}
    for moment in sorted(moments - {0}):
        store = start(tmp_path / f"{moment}.zarr")
        told = sweep(processes, store, call, fault={"die_at": moment}).ended()
        assert told["how"] in ("killed", "finished")  # two threads: there may be fewer changes than last time
        if store.exists() and (progress := progress_of(store)) is not None:
            assert progress.running is None
            dmfx.open(store).close()
            assert dmfx.check(store) == []
        sweep(processes, store, call).finished()
        assert progress_of(store).finished
        assert progress_of(store).failed == 0
        assert dmfx.check(store) == []
        assert leftovers(store) == []
        assert differences(store, undisturbed) == []
        assert [each.name for each in tmp_path.iterdir() if each.name.startswith(f"{moment}.zarr")] == [store.name]
        shutil.rmtree(store)


@pytest.mark.slow
def test_workers_killed_at_every_change_of_one_run(processes, cluster, undisturbed, store, rng):
    """Each worker dies a little later than the one before it, until the sweep is done."""
    deaths = 0

    def replace():
        nonlocal deaths
        for worker in [each for each in cluster.workers if not each.alive]:
            cluster.workers.remove(worker)
            deaths += 1
            cluster.add_worker(wait=False, fault={"die_at": deaths} if deaths < 30 else None)

    for worker in cluster.workers:
        worker.kill()
    running = cluster.client(store=str(store), kill_limit=1000, **SWEEP)
    running.finished(120, meanwhile=replace)
    assert deaths >= 30
    assert boxes_done(store) == boxes_done(undisturbed)
    assert dmfx.check(store) == []
    assert leftovers(store) == []
    assert differences(store, undisturbed) == []
