"""Disks that fill up or become read-only, chunks that are damaged, and stores that two want to write."""

from __future__ import annotations

import re
import shutil
import signal
import socket

import numpy as np
import pytest
import xarray as xr

import dmfx
from dmfx.sweeps import progress_of
from dmfx.variables import STATUS
from tests.sweeps.chaos import boxes_done, client, differences, wait_until
from tests.sweeps.chaos.sweep import BOXES, POINTS, SWEEP, assert_survived, reach, resume
from tests.sweeps.disks import Ext4, Inodes, Quota, Small, Tmpfs, lacking

MISSING = STATUS.index("missing")


@pytest.fixture
def clients(processes):
    """Start clients on threads, or on a cluster; none outlives the test, and none keeps a disk busy."""
    started = []

    def start(cluster, store, **changed):
        address = None if cluster is None else cluster.address
        one = client(processes, address, store=str(store), **{**SWEEP, **changed})
        started.append(one)
        return one

    yield start
    for each in started:
        each.process.kill_group()


@pytest.fixture
def where(request):
    """The cluster that a test computes on; None for threads."""
    return request.getfixturevalue("cluster") if request.param == "cluster" else None


@pytest.fixture
def disk(request, tmp_path):
    """A disk. Tests ask for it before all that writes on it, which then ends before it is taken away."""
    if reason := lacking(request.param):
        pytest.skip(reason)
    with request.param(tmp_path / "disk").there() as made:
        yield made


@pytest.fixture
def ext4(tmp_path):
    """The same, of one kind."""
    if reason := lacking(Ext4):
        pytest.skip(reason)
    with Ext4(tmp_path / "disk").there() as made:
        yield made


def _finish(cluster, clients, store):
    return clients(cluster, store).finished() if cluster is None else resume(cluster, store)


def _assert_part_of(store, undisturbed):
    """The store opens and is sound, and what is in it is right; returns the number of points that are done."""
    assert dmfx.check(store) == []
    opened, whole = dmfx.open(store).load(), dmfx.open(undisturbed).load()
    done = opened["status"] != MISSING
    for name, var in whole.data_vars.items():
        mask = done.any([dim for dim in done.dims if dim not in var.dims])
        if set(mask.dims) <= set(var.dims):
            xr.testing.assert_identical(opened[name].where(mask, 0), var.where(mask, 0))
    assert set(opened.data_vars) == set(whole.data_vars)
    progress = progress_of(store)
    assert progress.done == int(done.sum())
    assert progress.points == POINTS
    return progress.done


def _assert_stopped(told, store, words):
    """An OSError that says what happened, how far it is, and what to do."""
    assert told["how"] == "raised", told["output"]
    assert "OSError" in told["bases"]
    message = told["message"]
    assert re.search(words, message), message
    assert str(store) in message
    kept = re.search(rf"(\d+) of {POINTS} points are kept in .*, and the same call goes on", message)
    assert kept, message
    return int(kept[1])


@pytest.mark.parametrize(
    ("disk", "where"),
    [(Tmpfs, "threads"), (Tmpfs, "cluster"), (Ext4, "cluster"), (Inodes, "threads"), (Quota, "cluster")],
    indirect=True,
    ids=lambda each: each if isinstance(each, str) else each.__name__.lower(),
)
def test_disk_full(disk, where, clients, undisturbed):
    store = disk.folder / "run.zarr"
    running = clients(where, store)
    reach(running, store, 20)
    writers = [running.process] if where is None else where.workers
    for each in (running.process, *writers):
        each.freeze()  # all could be computed before it is full
    disk.fill(writers)
    for each in (running.process, *writers):
        each.thaw()
    kept = _assert_stopped(running.ended(), store, "No space left on device|File too large")
    assert kept >= 40
    assert _assert_part_of(store, undisturbed) >= kept
    assert progress_of(store).running is None
    if not isinstance(disk, Quota):
        again = _assert_stopped(clients(where, store).ended(), store, "No space left on device")
        assert again >= kept
    disk.free(writers)
    _finish(where, clients, store)
    assert_survived(store, undisturbed)


def test_store_that_does_not_fit_is_refused_before_anything_is_written(tmp_path, clients):
    if reason := lacking(Small):
        pytest.skip(reason)
    with Small(tmp_path / "disk").there() as disk:
        told = clients(None, disk.folder / "run.zarr", steps=4000).ended()
        assert told["how"] == "raised"
        assert "OSError" in told["bases"]
        assert re.search(r"would take about \d+.* but .* are free at", told["message"]), told["message"]
        assert list(disk.folder.iterdir()) == []


@pytest.mark.parametrize("where", ["threads", "cluster"], indirect=True)
def test_disk_that_fails_becomes_read_only(ext4, where, clients, undisturbed):
    store = ext4.folder / "run.zarr"
    running = clients(where, store)
    reach(running, store, 15)
    ext4.flush()
    reach(running, store, 30)
    ext4.fail()
    kept = _assert_stopped(running.ended(), store, "Read-only file system")
    assert kept >= 60
    assert _assert_part_of(store, undisturbed) >= kept
    _assert_stopped(clients(where, store).ended(), store, "Read-only file system")
    ext4.repair()
    _finish(where, clients, store)
    assert_survived(store, undisturbed)


@pytest.mark.parametrize("where", ["threads", "cluster"], indirect=True)
def test_store_made_read_only_during_a_run(ext4, where, clients, undisturbed):
    store = ext4.folder / "run.zarr"
    running = clients(where, store)
    reach(running, store, 20)
    ext4.protect(remount=False)
    try:
        kept = _assert_stopped(running.ended(), store, "Operation not permitted|Permission denied")
        assert kept >= 40
        assert _assert_part_of(store, undisturbed) >= kept
    finally:
        ext4.unprotect(remount=False)
    _finish(where, clients, store)
    assert_survived(store, undisturbed)


def test_store_made_read_only_before_a_run(ext4, clients, undisturbed):
    store = ext4.folder / "run.zarr"
    running = clients(None, store)
    reach(running, store, 10)
    running.process.kill_group()
    wait_until(lambda: progress_of(store).running is None, "the lock", 10)
    for remount in (True, False):
        ext4.protect(remount=remount)
        try:
            _assert_stopped(clients(None, store).ended(), store, "Read-only file system|Operation not permitted")
            assert _assert_part_of(store, undisturbed) >= 20
            new = ext4.folder / "new.zarr"
            told = clients(None, new).ended()
            assert "OSError" in told["bases"]
            assert re.search(rf"{new}.*(Read-only file system|Operation not permitted)", told["message"]), told[
                "message"
            ]
            assert not new.exists()
        finally:
            ext4.unprotect(remount=remount)
    _finish(None, clients, store)
    assert_survived(store, undisturbed)


def _flip(file):
    content = bytearray(file.read_bytes())
    content[len(content) // 2] ^= 16
    file.write_bytes(content)


def _cut(file):
    file.write_bytes(file.read_bytes()[:-7])


def _file_of(store, variable, box):
    """File of a box, of which there is one along beta alone."""
    if variable == "dmfx_records":
        return store / variable / "c" / str(box)
    return next((store / variable).glob(f"c.{box}.*"))


def _empty(file):
    file.write_bytes(b"")


@pytest.mark.parametrize("finished", [True, False], ids=["finished", "unfinished"])
def test_damage_between_runs_is_found_and_mended(finished, clients, undisturbed, store):
    """One box for each kind of damage, which are computed again, and no others."""
    shutil.copytree(undisturbed, store)
    if not finished:
        from dmfx.sweeps.store import unseal

        unseal(store)
        (store / "dmfx_records/c/77").unlink()
    damages = {
        3: ("m_o_semantic", _flip),
        7: ("attention", _cut),
        11: ("final_attention", _empty),
        20: ("status", lambda file: file.unlink()),
        31: ("density", lambda file: file.unlink()),
        32: ("dmfx_records", _flip),
        40: ("dmfx_records", _cut),
        41: ("dmfx_records", _empty),
    }
    for box, (variable, damage) in damages.items():
        damage(_file_of(store, variable, box))
    # A chunk of another box is sound in itself.
    _file_of(store, "attention", 50).write_bytes(_file_of(store, "attention", 51).read_bytes())
    assert len(dmfx.check(store)) == 9
    clients(None, store).finished()
    assert_survived(store, undisturbed)
    assert progress_of(store).sessions[-1]["done"] == 2 * (len(damages) + 1 + (not finished))


def test_labels_that_were_damaged_are_mended(clients, undisturbed, store):
    shutil.copytree(undisturbed, store)
    from dmfx.sweeps.store import unseal

    unseal(store)
    _flip(store / "beta" / "c.0")
    _flip(store / f"dmfx_records/c/{BOXES}")
    assert len(dmfx.check(store)) >= 1
    clients(None, store).finished()
    assert_survived(store, undisturbed)
    assert progress_of(store).sessions[-1]["done"] == 0


@pytest.mark.parametrize("piece", ["dmfx_checksums/c/0", "dmfx_checksums/c"])
def test_checksums_that_were_damaged_are_mended(clients, undisturbed, store, piece):
    shutil.copytree(undisturbed, store)
    _flip(store / piece) if (store / piece).is_file() else shutil.rmtree(store / piece)
    assert len(dmfx.check(store)) >= 1
    clients(None, store).finished()
    assert_survived(store, undisturbed)


@pytest.mark.parametrize("where", ["threads", "cluster"], indirect=True)
def test_two_sweeps_on_one_store(where, clients, undisturbed, store):
    first = clients(where, store)
    reach(first, store, 5)
    first.process.kill(signal.SIGSTOP)  # it could have ended before the second one begins
    second = clients(None, store).ended()
    assert second["type"] == "StoreInUse"
    assert "RuntimeError" in second["bases"]
    who = f"process {first.process.pid} on {socket.gethostname()} since "
    assert f"another sweep runs on {store} ({who}" in second["message"]
    assert progress_of(store).running.startswith(who)
    first.process.kill(signal.SIGCONT)
    first.finished()
    assert_survived(store, undisturbed)


@pytest.mark.parametrize("where", ["threads", "cluster"], indirect=True)
def test_lock_is_free_after_kill_9(where, clients, undisturbed, store):
    first = clients(where, store)
    reach(first, store, 5)
    assert progress_of(store).running
    first.process.kill()
    # Its last thread ends a moment after it.
    wait_until(lambda: progress_of(store).running is None, "the lock", 10)
    _finish(where, clients, store)
    assert_survived(store, undisturbed)


def test_two_sweeps_that_make_one_store_at_the_same_moment(clients, undisturbed, store):
    """Either may be the first; neither may break it."""
    told = [each.ended() for each in [clients(None, store), clients(None, store)]]
    refused = [each for each in told if each["how"] == "raised"]
    assert len(refused) <= 1
    assert all(each["type"] == "StoreInUse" for each in refused)
    assert_survived(store, undisturbed)


@pytest.mark.parametrize("where", ["threads", "cluster"], indirect=True)
def test_open_and_check_while_a_sweep_is_writing(where, clients, undisturbed, store):
    running = clients(where, store)
    seen = []
    reach(running, store, 1)
    while running.process.alive:
        assert dmfx.check(store) == []
        opened = dmfx.open(store)
        done = opened["status"].load() != MISSING
        seen.append(int(done.sum()))
        part = opened.isel(beta=np.flatnonzero(done.values.ravel())).load()
        whole = dmfx.open(undisturbed).sel(beta=part["beta"]).load()
        for name in ("m_o_semantic", "attention", "final_attention"):
            assert part[name].values.tobytes() == whole[name].values.tobytes()
        found = progress_of(store)
        assert found.done >= seen[-1]
    assert running.ended()["how"] == "finished"
    assert seen == sorted(seen)
    assert len(set(seen)) > 1
    assert_survived(store, undisturbed)
    assert differences(store, undisturbed) == []
    assert boxes_done(store) == BOXES
