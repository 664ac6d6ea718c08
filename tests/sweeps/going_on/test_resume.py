"""Going on: nothing is computed twice, nothing that is damaged stays."""

from __future__ import annotations

import importlib
import json
import os

import dask
import pytest

import dmfx
from dmfx.archive.records import working_folder
from dmfx.sweeps import StoreInUse, SweepFailed, progress_of
from dmfx.sweeps.lock import locked
from dmfx.variables import STATUS
from tests.sweeps.chaos import differences, leftovers
from tests.sweeps.going_on.small import (
    BETA,
    BOXES,
    NET,
    POINTS,
    SWEEP,
    Stop,
    changed,
    chunks_of,
    states,
    stop_after,
    sweep,
)
from tests.sweeps.same import assert_same

# A second call


@pytest.mark.parametrize("check", [True, False])
def test_second_call_computes_and_writes_nothing(store, whole, calls, check):
    before = states(store)
    ds = sweep(store, check=check)
    assert calls == []
    assert states(store) == before
    assert_same(ds, dmfx.open(whole))
    assert len(progress_of(store).sessions) == 2
    assert progress_of(store).sessions[-1]["done"] == 0
    assert leftovers(store) == []


def test_what_it_says_of_itself(store):
    progress = progress_of(store)
    assert progress.finished
    assert (progress.points, progress.done, progress.failed, progress.missing) == (POINTS, POINTS, 0, 0)
    assert (progress.boxes, progress.boxes_done, progress.running, progress.failures) == (BOXES, BOXES, None, [])
    assert progress.reductions == {"recall": "recall", "autocorrelation": "autocorrelation"}
    (session,) = progress.sessions
    assert {"start", "end", "command", "machine", "host", "versions", "scheduler", "done"} <= set(session)
    assert session["done"] == POINTS
    assert session["scheduler"] == "threads"
    assert progress_of(store.parent) is None
    assert progress_of(store / "nothing.zarr") is None


# Damage


def remove(path):
    path.unlink()


def flip(path):
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 4
    path.write_bytes(data)


def cut(path):
    path.write_bytes(path.read_bytes()[:-3])


def empty(path):
    path.write_bytes(b"")


@pytest.mark.parametrize("damage", [remove, flip, cut, empty])
@pytest.mark.parametrize("what", ["attention/c.4.0.0.0.0", "status/c.4.0.0", "record"])
def test_damage_is_computed_again_and_nothing_else(store, whole, calls, damage, what):
    box = 4
    name = f"dmfx_records/c/{box}" if what == "record" else what
    assert name in chunks_of(store, box)
    damage(store / name)
    before = states(store)
    sweep(store)
    assert calls == [BETA[8:10]]
    written = changed(before, states(store))
    assert chunks_of(store, box) <= written
    others = written - chunks_of(store, box)
    assert others <= {"zarr.json", "dmfx_checksums/c/0", "dmfx_checksums/zarr.json"}
    assert differences(store, whole) == []
    assert dmfx.check(store) == []
    assert progress_of(store).sessions[-1]["done"] == 4


def test_damage_is_not_looked_for_without_check(store, calls):
    flip(store / "attention/c.4.0.0.0.0")
    sweep(store, check=False)
    assert calls == []
    assert len(dmfx.check(store)) == 1
    sweep(store)
    assert calls == [BETA[8:10]]
    assert dmfx.check(store) == []


def test_swapped_chunks_are_computed_again(store, whole, calls):
    """Each is sound by itself, but not where it is."""
    one, other = store / "attention/c.1.0.0.0.0", store / "attention/c.3.0.0.0.0"
    content = one.read_bytes()
    one.write_bytes(other.read_bytes())
    other.write_bytes(content)
    sweep(store)
    assert sorted(calls) == [BETA[2:4], BETA[6:8]]
    assert differences(store, whole) == []


def test_damaged_labels_are_written_again(store, whole, calls):
    flip(store / "gamma/c.0")
    sweep(store)
    assert calls == []
    assert differences(store, whole) == []
    assert dmfx.check(store) == []


def test_damaged_attributes_are_refused(store):
    path = store / "attention/zarr.json"
    path.write_text(path.read_text().replace('"context', '"CONTEXT', 1).replace('"units": "1"', '"units": "2"'))
    if path.read_text() == (store / "attention/zarr.json").read_text():
        text = json.loads(path.read_text())
        text["attributes"]["units"] = "furlong"
        path.write_text(json.dumps(text))
    with pytest.raises(dmfx.archive.ArchiveError, match="attributes or dimensions"):
        sweep(store)


# Stopped


@pytest.mark.parametrize("boxes", [0, 1, 4])
def test_stopped_after_some_boxes(tmp_path, whole, monkeypatch, calls, boxes):
    store = tmp_path / "run.zarr"
    with monkeypatch.context() as patched:
        stop_after(patched, boxes)
        with pytest.raises(SweepFailed, match="Stop"):
            sweep(store)
    progress = progress_of(store)
    assert (progress.boxes_done, progress.done, progress.missing) == (boxes, 4 * boxes, POINTS - 4 * boxes)
    assert not progress.finished
    assert dmfx.check(store) == []
    unfinished, full = dmfx.open(store).load(), dmfx.open(whole).load()
    done = slice(0, 2 * boxes)
    missing = slice(2 * boxes, None)
    for name, var in full.data_vars.items():
        if "beta" not in var.dims:
            continue
        assert unfinished[name].isel(beta=done).values.tobytes() == var.isel(beta=done).values.tobytes(), name
        rest = unfinished[name].isel(beta=missing)
        if name == "status":
            assert (rest == STATUS.index("missing")).all()
        elif var.dtype.kind == "f":
            assert rest.isnull().all(), name
        elif var.dtype.kind == "i":
            assert (rest == -1).all(), name
    calls.clear()
    sweep(store)
    assert [beta for each in calls for beta in each] == BETA[2 * boxes :]
    assert differences(store, whole) == []
    assert leftovers(store) == []


def test_finished_in_many_pieces(tmp_path, whole, monkeypatch):
    store = tmp_path / "run.zarr"
    for _ in range(BOXES + 1):
        with monkeypatch.context() as patched:
            stop_after(patched, 1)
            try:
                sweep(store)
            except SweepFailed:
                continue
            break
    assert progress_of(store).finished
    assert len(progress_of(store).sessions) == BOXES
    assert differences(store, whole) == []
    assert leftovers(store) == []


def test_stopped_while_it_is_sealed(tmp_path, whole, monkeypatch, calls):
    store = tmp_path / "run.zarr"
    module = importlib.import_module("dmfx.sweeps.store")
    with monkeypatch.context() as patched:
        patched.setattr(module, "seal_of", lambda *args: (_ for _ in ()).throw(Stop()))
        with pytest.raises(Stop):
            sweep(store)
    assert not progress_of(store).finished
    dmfx.open(store).load()
    calls.clear()
    sweep(store)
    assert calls == []
    assert differences(store, whole) == []


def test_stopped_while_it_is_made(tmp_path, whole, monkeypatch):
    """What is there of a store that was not made whole is not taken for one."""
    store = tmp_path / "run.zarr"
    module = importlib.import_module("dmfx.sweeps.store")
    with monkeypatch.context() as patched:
        patched.setattr(module, "_write_fixed", lambda *args: (_ for _ in ()).throw(Stop()))
        with pytest.raises(Stop):
            sweep(store)
    assert list(tmp_path.iterdir()) == []
    sweep(store)
    assert differences(store, whole) == []


def test_any_number_of_threads_and_any_boxes(tmp_path, whole):
    with dask.config.set(num_workers=4):
        ds = dmfx.sweep(NET, store=tmp_path / "run.zarr", progress=False, **SWEEP)
    assert differences(tmp_path / "run.zarr", whole) == []
    other = dmfx.sweep(
        NET, store=tmp_path / "other.zarr", progress=False, **{**SWEEP, "chunks": {"beta": 5, "gamma": 1}}
    )
    assert_same(other, ds)


# The lock


def test_store_in_use(store):
    folder = working_folder(store)
    with locked(folder / "lock", store):
        with pytest.raises(StoreInUse, match=rf"another sweep runs on .*process {os.getpid()} on "):
            sweep(store)
        assert str(os.getpid()) in progress_of(store).running
    assert progress_of(store).running is None
    sweep(store)
