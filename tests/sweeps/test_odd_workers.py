"""Workers that run another dmfx, come and go, or fall asleep."""

import re
import shutil
import time
from pathlib import Path

import pytest

import dmfx
from tests.sweeps.chaos import boxes_done, client
from tests.sweeps.chaos.sweep import SWEEP, assert_survived, moment, new_cluster, reach, resume

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def another_dmfx(tmp_path_factory):
    """A folder with a dmfx of which one source file is another; it computes something else."""
    folder = tmp_path_factory.mktemp("another")
    source = Path(dmfx.__file__).parent
    shutil.copytree(source, folder / "dmfx", ignore=shutil.ignore_patterns("__pycache__"))
    with (folder / "dmfx" / "tasks.py").open("a") as file:
        file.write(
            "\n\n_run_block = run_block\n\n\ndef run_block(model, block, *state):\n"
            "    return _run_block(model, block._replace(transient=block.transient + 1), *state)\n"
        )
    return folder


@pytest.fixture(scope="module")
def older_dmfx(tmp_path_factory):
    """A folder with a dmfx that cannot sweep."""
    folder = tmp_path_factory.mktemp("older")
    source = Path(dmfx.__file__).parent
    shutil.copytree(source, folder / "dmfx", ignore=shutil.ignore_patterns("__pycache__", "sweeps", "cli"))
    init = folder / "dmfx" / "__init__.py"
    init.write_text("".join(line for line in init.read_text().splitlines(True) if "sweep" not in line))
    # Without it, the finder of an editable installation would add the sweeps of the repository.
    (folder / "dmfx" / "sweeps.py").write_text("raise ModuleNotFoundError(\"No module named 'dmfx.sweeps'\")\n")
    return folder


@pytest.mark.parametrize("how", ["version", "numba", "sources", "older"])
def test_worker_of_another_version_is_refused(processes, store, another_dmfx, older_dmfx, how):
    cluster = new_cluster(processes, 1)
    if how in ("version", "numba"):
        worker = cluster.add_worker(fault={"versions": {"dmfx" if how == "version" else how: "0.0.99"}})
    else:
        folder = another_dmfx if how == "sources" else older_dmfx
        worker = cluster.add_worker(forked=False, env={"PYTHONPATH": str(folder)})
    (address,) = re.findall(r"Start worker at: +(\S+)", worker.output)
    told = cluster.client(store=str(store), **SWEEP).ended(30)
    cluster.end()
    assert told["how"] == "raised"
    assert told["type"] == "WorkerMismatch"
    assert address in told["message"]
    said = {"version": "dmfx 0.0.99", "numba": "numba 0.0.99", "sources": "sources", "older": "dmfx"}
    assert said[how] in told["message"]
    assert not store.exists() or boxes_done(store) == 0


def test_worker_of_another_version_that_joins_later_computes_nothing(processes, store, undisturbed, another_dmfx, rng):
    cluster = new_cluster(processes, 1)
    running = cluster.client(store=str(store), **SWEEP)
    moment(running, store, rng, 1, 10)
    cluster.add_worker(forked=False, env={"PYTHONPATH": str(another_dmfx)})
    told = running.ended(60)
    cluster.end()
    if told["how"] != "finished":
        assert told["type"] == "WorkerMismatch"
        cluster = new_cluster(processes)
        resume(cluster, store)
        cluster.end()
    assert_survived(store, undisturbed)


def test_adaptive_cluster_grows_from_none_and_shrinks(processes, store, undisturbed):
    told = client(processes, None, "adaptive", store=str(store), **SWEEP).finished(120)
    assert_survived(store, undisturbed)
    assert told["value"]["most"] == 2
    assert 1 in told["value"]["numbers"][told["value"]["numbers"].index(2) :], "it shrank before the sweep had ended"
    assert told["value"]["last"] == 0


def test_worker_frozen_for_some_seconds(cluster, store, undisturbed, rng):
    running = cluster.client(store=str(store), **SWEEP)
    moment(running, store, rng, 1, 20)
    cluster.workers[0].freeze()
    time.sleep(3)
    cluster.workers[0].thaw()
    running.finished()
    assert_survived(store, undisturbed)


def test_worker_frozen_from_the_start(cluster, store, undisturbed):
    """It is asked what it runs, does not answer, and the others begin."""
    cluster.workers[0].freeze()
    running = cluster.client(store=str(store), **SWEEP)
    reach(running, store, 20)
    cluster.workers[0].thaw()
    running.finished()
    assert_survived(store, undisturbed)


def test_worker_frozen_until_all_is_done(processes, store, undisturbed, rng):
    """The others finish without it; what it does when it wakes up, the work that it had begun, changes nothing."""
    cluster = new_cluster(processes, env={"DASK_DISTRIBUTED__SCHEDULER__WORKER_TTL": "2s"})
    running = cluster.client(store=str(store), **SWEEP)
    moment(running, store, rng, 1, 20)
    cluster.workers[0].freeze()
    running.finished(60)
    cluster.workers[0].thaw()
    time.sleep(2)
    cluster.end()
    assert_survived(store, undisturbed)


def test_scheduler_and_client_frozen_for_some_seconds(cluster, store, undisturbed, rng):
    running = cluster.client(store=str(store), **SWEEP)
    moment(running, store, rng, 1, 20)
    for process in (cluster.scheduler, running.process):
        process.freeze()
        time.sleep(2)
        process.thaw()
    running.finished()
    assert_survived(store, undisturbed)


def test_clients_that_begin_at_the_same_time(cluster, store, undisturbed):
    """One of them makes the store and computes; the others say that it is in use."""
    clients = [client(cluster.processes, cluster.address, store=str(store), **SWEEP) for _ in range(4)]
    ends = [each.ended(60) for each in clients]
    assert [end["how"] for end in ends].count("finished") == 1
    assert [end.get("type") for end in ends].count("StoreInUse") == 3
    assert_survived(store, undisturbed)
    assert [each.name for each in store.parent.iterdir()] == [store.name]


def test_second_client_on_the_same_store_is_refused(cluster, store, undisturbed, rng):
    first = cluster.client(store=str(store), **SWEEP)
    moment(first, store, rng, 1, 10)
    first.process.freeze()  # alive, though it says nothing
    told = client(cluster.processes, cluster.address, store=str(store), **SWEEP).ended(30)
    first.process.thaw()
    assert told["how"] == "raised"
    assert told["type"] == "StoreInUse"
    assert str(first.process.pid) in told["message"]
    first.finished()
    assert_survived(store, undisturbed)
