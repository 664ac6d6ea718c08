"""Going on: nothing is computed twice, nothing that is damaged stays, and what fails fails alone."""

from __future__ import annotations

import importlib
import json
import os
import shutil
import subprocess
import sys
import threading

import dask
import numpy as np
import pytest

import dmfx
from dmfx.archive.parts import load_parts
from dmfx.archive.records import Records, working_folder
from dmfx.sweeps import StoreInUse, StoreMismatch, SweepFailed, progress_of
from dmfx.sweeps.attempts import ASKED, Attempts
from dmfx.sweeps.lock import locked
from dmfx.variables import STATUS
from tests.sweeps.chaos import differences, leftovers
from tests.sweeps.same import assert_same

NET = dmfx.SelfAttention.paper()
BETA = [round(1.2 + k / 100, 10) for k in range(12)]
SWEEP = {
    "beta": BETA,
    "gamma": [210.0, 220.0],
    "steps": 16,
    "transient": 10,
    "reduce": ["recall", {"analysis": "autocorrelation", "max_lag": 3}],
    "variables": ("attention",),
    "chunks": {"beta": 2, "gamma": 2},
}
BOXES, POINTS = 6, 24
FAILED = STATUS.index("failed")
dmfx_task = importlib.import_module("dmfx.sweeps.task")
dmfx_tasks = importlib.import_module("dmfx.tasks")


class Stop(BaseException):
    """Ends a task as nothing that it does itself would."""


def sweep(store, **changed):
    with dask.config.set(scheduler="synchronous"):
        return dmfx.sweep(NET, store=store, **{"progress": False, **SWEEP, **changed})


@pytest.fixture(scope="module")
def whole(tmp_path_factory):
    """A store that nobody disturbed."""
    store = tmp_path_factory.mktemp("whole") / "run.zarr"
    sweep(store)
    return store


@pytest.fixture
def store(whole, tmp_path):
    """A copy of it."""
    return shutil.copytree(whole, tmp_path / "run.zarr")


@pytest.fixture
def calls(monkeypatch):
    """Labels of beta of every call of the kernel."""
    found, lock, run_block = [], threading.Lock(), dmfx_tasks.run_block

    def counted(model, block, *state):
        with lock:
            found.append(block.axes["beta"].tolist())
        return run_block(model, block, *state)

    monkeypatch.setattr(dmfx_tasks, "run_block", counted)
    return found


def fail_at(monkeypatch, *betas, error=ArithmeticError):
    """The kernel raises where one of these is among its points."""
    run_block = dmfx_tasks.run_block

    def failing(model, block, *state):
        if found := set(block.axes["beta"].tolist()) & set(betas):
            raise error(f"beta {min(found)} does not work")
        return run_block(model, block, *state)

    monkeypatch.setattr(dmfx_tasks, "run_block", failing)


def stop_after(monkeypatch, boxes):
    """End the sweep when so many boxes are written."""
    put, done = Records.put, []

    def stopping(self, box, *args):
        if len(done) >= boxes and box < BOXES:
            raise Stop
        put(self, box, *args)
        if box < BOXES:
            done.append(box)

    monkeypatch.setattr(Records, "put", stopping)


def states(store):
    """What tells whether files have been written again."""
    found = {}
    for path in store.rglob("*"):
        if path.is_file() and "sweep" not in path.relative_to(store).parts:
            at = path.stat()
            found[str(path.relative_to(store))] = (at.st_mtime_ns, at.st_ino, at.st_size)
    return found


def changed(before, after):
    return {name for name in before.keys() | after.keys() if before.get(name) != after.get(name)}


def chunks_of(store, box):
    """Files of a box: its chunks and its record."""
    (part,) = load_parts(store)
    names = {
        f"{each}/" + ".".join(["c", *map(str, index), *(["0"] if part.boxes.variables[name].width else [])])
        for name, index in part.boxes.pieces(box)
        for each in part.boxes.variables[name].parts
    }
    return names | {f"dmfx_records/c/{box}"}


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
@pytest.mark.parametrize("what", ["attention/c/4/0/0/0/0", "status/c/4/0/0", "record"])
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
    flip(store / "attention/c/4/0/0/0/0")
    sweep(store, check=False)
    assert calls == []
    assert len(dmfx.check(store)) == 1
    sweep(store)
    assert calls == [BETA[8:10]]
    assert dmfx.check(store) == []


def test_swapped_chunks_are_computed_again(store, whole, calls):
    """Each is sound by itself, but not where it is."""
    one, other = store / "attention/c/1/0/0/0/0", store / "attention/c/3/0/0/0/0"
    content = one.read_bytes()
    one.write_bytes(other.read_bytes())
    other.write_bytes(content)
    sweep(store)
    assert sorted(calls) == [BETA[2:4], BETA[6:8]]
    assert differences(store, whole) == []


def test_damaged_labels_are_written_again(store, whole, calls):
    flip(store / "gamma/c/0")
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


# Points that fail


def test_points_that_fail(tmp_path, whole, monkeypatch, calls):
    store = tmp_path / "run.zarr"
    with monkeypatch.context() as patched:
        fail_at(patched, BETA[3], BETA[8])
        ds = sweep(store).load()
    full = dmfx.open(whole).load()
    bad = [3, 8]
    good = [k for k in range(12) if k not in bad]
    assert (ds.status.isel(beta=bad) == FAILED).all()
    assert ds.attention.isel(beta=bad).isnull().all()
    for name, var in full.data_vars.items():
        if "beta" in var.dims:
            assert ds[name].isel(beta=good).values.tobytes() == var.isel(beta=good).values.tobytes(), name
    failures = (
        json.loads(ds.attrs["dmfx_failures"])
        if isinstance(ds.attrs["dmfx_failures"], str)
        else ds.attrs["dmfx_failures"]
    )
    assert [(each["beta"], each["gamma"], each["seed"]) for each in failures] == [
        (BETA[k], gamma, 0) for k in bad for gamma in (210.0, 220.0)
    ]
    assert failures[0]["reason"] == f"ArithmeticError: beta {BETA[3]} does not work"
    progress = progress_of(store)
    assert progress.finished
    assert (progress.done, progress.failed, progress.failures) == (POINTS, 4, failures)
    assert dmfx.check(store) == []
    # not again
    calls.clear()
    sweep(store)
    assert calls == []
    # unless asked
    sweep(store, retry_failed=True)
    assert sorted(calls) == [BETA[2:4], BETA[8:10]]
    assert differences(store, whole) == []
    assert "dmfx_failures" not in dmfx.open(store).attrs
    assert progress_of(store).failed == 0


def test_retried_without_check(tmp_path, whole, monkeypatch):
    store = tmp_path / "run.zarr"
    with monkeypatch.context() as patched:
        fail_at(patched, BETA[3])
        sweep(store)
        sweep(store, retry_failed=True)  # fails once more
    assert progress_of(store).failed == 2
    sweep(store, retry_failed=True, check=False)
    assert differences(store, whole) == []


def test_failing_now_and_then(tmp_path, whole, monkeypatch):
    """A box that fails once is tried again, and nothing is left of that."""
    store, run_block, failed = tmp_path / "run.zarr", dmfx_tasks.run_block, []

    def once(model, block, *state):
        if BETA[3] in block.axes["beta"] and len(failed) < 1:
            failed.append(1)
            raise MemoryError("not now")
        return run_block(model, block, *state)

    monkeypatch.setattr(dmfx_tasks, "run_block", once)
    sweep(store)
    assert failed == [1]
    assert differences(store, whole) == []


def test_analysis_that_fails_at_a_point(tmp_path, monkeypatch):
    """Not the run but what is made of it: the same."""
    module = importlib.import_module("dmfx.analysis.autocorrelation")
    inner = module._correlate_block

    def failing(block, **settings):
        if block.size and np.any(np.isclose(block, marked, rtol=0, atol=0)):
            raise FloatingPointError("a series that cannot be")
        return inner(block, **settings)

    run = dmfx.simulate(NET, beta=BETA, gamma=[210.0, 220.0], steps=16, transient=10).compute()
    marked = run.m_o_semantic.sel(beta=BETA[5], gamma=220.0).values.ravel()[0]
    monkeypatch.setattr(module, "_correlate_block", failing)
    ds = sweep(tmp_path / "run.zarr")
    assert int((ds.status == FAILED).sum()) == 1
    assert int(ds.status.sel(beta=BETA[5], gamma=220.0)[0]) == FAILED
    (failure,) = progress_of(tmp_path / "run.zarr").failures
    assert "FloatingPointError" in failure["reason"]


def test_every_point_fails_of_a_small_sweep(tmp_path, monkeypatch):
    fail_at(monkeypatch, *BETA)
    store = tmp_path / "run.zarr"
    ds = sweep(store)
    assert (ds.status == FAILED).all()
    progress = progress_of(store)
    assert progress.finished
    assert (progress.done, progress.failed) == (POINTS, POINTS)
    assert ds.attention.isnull().all()
    assert dmfx.check(store) == []


MANY = {"beta": [1 + k / 1000 for k in range(36)], "chunks": {"beta": 6, "gamma": 2}, "reduce": (), "variables": None}


def test_every_point_fails_of_a_large_sweep(tmp_path, monkeypatch):
    """It is not the points then: the sweep ends, and keeps nothing of it."""
    store = tmp_path / "run.zarr"
    with monkeypatch.context() as patched:
        fail_at(patched, *MANY["beta"], error=ImportError)
        with pytest.raises(SweepFailed, match=r"all of the first .* points failed, the last one with: ImportError"):
            sweep(store, **MANY)
    assert progress_of(store).failed == 0
    assert (sweep(store, **MANY).status == 0).all()
    assert progress_of(store).finished


def test_all_that_is_left_fails(tmp_path, monkeypatch):
    """Points succeeded before: those that are left fail each for itself, however often they are tried."""
    store = tmp_path / "run.zarr"
    with monkeypatch.context() as patched:
        stop_after(patched, 3)
        with pytest.raises(SweepFailed, match="Stop"):
            sweep(store, **MANY)
    fail_at(monkeypatch, *MANY["beta"][18:])
    sweep(store, **MANY)
    assert progress_of(store).failed == 36
    assert progress_of(store).finished
    sweep(store, **MANY, retry_failed=True)
    assert progress_of(store).failed == 36


# Points that kill


def left(store, *names, session="t0"):
    """Attempts that somebody left who was killed."""
    folder = working_folder(store) / "attempts"
    for number, name in enumerate(names):
        (folder / f"{name}~{session}~{number:012}").touch()


@pytest.fixture
def stopped(tmp_path, monkeypatch):
    """A store with two boxes."""
    store = tmp_path / "run.zarr"
    with monkeypatch.context() as patched:
        stop_after(patched, 2)
        with pytest.raises(SweepFailed):
            sweep(store)
    return store


def test_counting_attempts(tmp_path):
    attempts = Attempts(tmp_path, "t1")
    assert attempts.killed(0, 9) == (0, {})
    box, several, point = attempts.begin(3, 3), attempts.begin(2, 5), attempts.begin(3, 3, 7)
    assert attempts.killed(3, 3) == (2, {7: 1})
    assert attempts.killed(5, 5) == (1, {})
    assert attempts.killed(6, 9) == (0, {})
    another = Attempts(tmp_path, "t2")
    another.begin(3, 3, 7)
    assert attempts.killed(3, 3) == (2, {7: 2})
    attempts.end(point)
    attempts.end(point)
    assert attempts.killed(3, 3) == (2, {7: 1})
    attempts.forget(3, 4)
    assert attempts.killed(3, 3) == (1, {})  # the one of boxes 2 to 5
    assert several.exists()
    assert not box.exists()
    attempts.forget_all()
    assert list(tmp_path.iterdir()) == []
    assert Attempts(tmp_path / "nowhere", "t1").killed(0, 1) == (0, {})


def test_attempts_of_a_process_that_was_asked_to_end(tmp_path):
    module = importlib.import_module("dmfx.sweeps.attempts")
    attempts = Attempts(tmp_path, "t1")
    open_ = [attempts.begin(0, 0, 2), attempts.begin(0, 0)]
    module.mark_open()
    assert sorted(path.name for path in tmp_path.iterdir()) == sorted(path.name + ASKED for path in open_)
    assert attempts.killed(0, 0).points == {2: 0.25}
    for path in open_:
        attempts.end(path)
    assert not module._open & set(open_)


def test_attempts_of_clusters_are_forgotten_by_the_next_session(tmp_path):
    Attempts(tmp_path, "t1").begin(0, 0)
    Attempts(tmp_path, "c1").begin(0, 0)
    Attempts(tmp_path, "c1").begin(1, 4)
    Attempts(tmp_path, "t9").forget_all(of_clusters=True)
    assert [path.name.split("~")[1] for path in tmp_path.iterdir()] == ["t1"]


def test_point_that_killed_too_often_is_not_computed(stopped, calls):
    left(stopped, "3-3.1", "3-3.1", "3-3.1")
    ds = sweep(stopped)
    assert int((ds.status == FAILED).sum()) == 1
    assert int(ds.status.sel(beta=BETA[6], gamma=220.0)[0]) == FAILED
    (failure,) = progress_of(stopped).failures
    assert failure == {"beta": BETA[6], "gamma": 220.0, "seed": 0, "reason": "killed its worker 3 times"}
    assert ds.attention.sel(beta=BETA[6]).isel(gamma=0).notnull().all()
    # box 3 point by point, the other boxes in one
    assert sorted(map(len, calls)) == [1, 1, 1, 2, 2, 2] or calls.count([BETA[6]]) == 1
    assert leftovers(stopped) == [f"dmfx_records/sweep/failures/{3}"]


def test_point_that_killed_less_often_is_computed(stopped, whole):
    left(stopped, "3-3.1", "3-3.1", "2-5", "2-2", "2-2", "3-3")
    left(stopped, *["4-4.0"] * 11, session="t0~1")
    for path in (working_folder(stopped) / "attempts").glob("4-4.0~*"):
        path.rename(path.with_name(path.name + ASKED))  # 11 quarters
    sweep(stopped)
    assert progress_of(stopped).failed == 0
    assert differences(stopped, whole) == []
    assert leftovers(stopped) == []


def test_kill_limit(stopped, whole):
    left(stopped, *["3-3.1"] * 3)
    sweep(stopped, kill_limit=4)
    assert progress_of(stopped).failed == 0
    assert differences(stopped, whole) == []


def test_kill_limit_of_one_and_retry(stopped, whole):
    left(stopped, "3-3.1")
    sweep(stopped, kill_limit=1)
    assert [each["reason"] for each in progress_of(stopped).failures] == ["killed its worker 1 times"]
    sweep(stopped, retry_failed=True)
    assert differences(stopped, whole) == []
    assert leftovers(stopped) == []


# The lock


def test_store_in_use(store):
    folder = working_folder(store)
    with locked(folder / "lock", store):
        with pytest.raises(StoreInUse, match=rf"another sweep runs on .*process {os.getpid()} on "):
            sweep(store)
        assert str(os.getpid()) in progress_of(store).running
    assert progress_of(store).running is None
    sweep(store)


# Other arguments


CHANGES = {
    "model": ({"model": dmfx.SelfAttention(dmfx.weights.segments(3, 3))}, "another model"),
    "task": ({"task": "free_running"}, "no argument 'transient'|task|initial"),
    "beta": ({"beta": BETA[1:]}, r"the store has beta = 1.2 \(1 labels\), which are not among those given"),
    "gamma": ({"gamma": 220.0}, "the store has gamma = 210"),
    "seed": ({"seed": 1}, "the store has seed = 0"),
    "steps": ({"steps": 15}, "it was made with steps=16, not 15"),
    "transient": ({"transient": 11}, "arguments: it was made with transient=10, not 11"),
    "epsilon": ({"epsilon": 0.5}, "epsilon=None, not 0.5"),
    "epsilons": ({"epsilon": [0.5]}, "swept"),
    "size": ({"size": 1000}, "size=None, not 1000"),
    "replica": ({"size": 1000, "replica": 3}, "replica=None, not 3"),
    "common_noise": ({"size": 1000, "common_noise": "beta"}, "common_noise="),
    "initial": ({"initial": 1}, "initial=None, not 1"),
    "array": ({"initial": np.ones(3)}, "initial=None, not 'ndarray "),
    "starts": ({"initial": "random", "starts": 2}, "starts=None, not 2"),
    "lyapunov": ({"lyapunov": True}, "lyapunov=False, not True"),
    "carry": ({"carry": "beta"}, "carry=None, not 'beta'"),
    "direction": ({"carry": "beta", "direction": "down"}, "direction=None, not 'down'"),
    "variables": ({"variables": ("m_o",)}, r"variables=\['attention'\], not \['m_o'\]"),
    "no variables": ({"variables": None}, "not None"),
    "chunks": ({"chunks": {"beta": 3}}, "it was made with boxes of 2 along beta, not 3"),
    "reduce": ({"reduce": ["recall"]}, "it was made with reduce="),
    "another analysis": ({"reduce": ["recall", "bifurcation"]}, "reduce="),
    "its settings": (
        {"reduce": ["recall", {"analysis": "autocorrelation", "max_lag": 4}]},
        "autocorrelation: it was made with max_lag=3, not 4",
    ),
    "its name": ({"reduce": [{"analysis": "recall", "name": "again"}, SWEEP["reduce"][1]]}, "reduce="),
}


@pytest.mark.parametrize("name", CHANGES)
def test_other_arguments_are_refused(whole, name, calls):
    arguments, message = CHANGES[name]
    model = arguments.get("model", NET)
    others = {**SWEEP, **{key: value for key, value in arguments.items() if key != "model"}}
    before = states(whole)
    error = ValueError if name == "task" else StoreMismatch
    with pytest.raises(error, match=message) as raised:
        dmfx.sweep(model, store=whole, progress=False, **others)
    if name != "task":
        assert str(raised.value).startswith(f"sweep: {whole} is the store of another sweep: ")
        assert str(raised.value).endswith("Give the same arguments, or another store")
    assert calls == []
    assert states(whole) == before


DESCRIBE = """
import json, numpy as np, dmfx
from dmfx.sweeps.describe import described_call
from dmfx.sweeps.reductions import parse_reductions
from dmfx.sweeps.run import parse_run
from dmfx.validation import Problems

pat = dmfx.tokens.random(3, n_tokens=5, n_components=4, seed=1)
by_load = {n: dmfx.VectorAttention(dmfx.couplings.hebbian(pat[:n]), pat[:n]) for n in (1, 3)}
signs = np.random.default_rng(0).choice([-1, 1], (4, 2, 5))
problems, found = Problems("x"), []
ref = dmfx.simulate(dmfx.SelfAttention.paper(), beta=[1.0, 2.0], gamma=220.0, steps=3)
for task, model, arguments in (
    ("simulate", dmfx.SelfAttention.paper(), {"steps": 3, "initial": ref}),
    ("simulate", dmfx.SelfAttention(dmfx.weights.given(*signs)), {"steps": 3, "common_noise": ("beta", "seed")}),
    ("simulate", dmfx.SelfAttention(dmfx.weights.segments(3, 9)), {"steps": 3, "initial": signs[0, 0]}),
    ("denoising", by_load, {"tokens": pat}),
    ("denoising", by_load[3], {"tokens": pat}),
    ("simulate", dmfx.VectorAttention(dmfx.couplings.random(6, 3)), {"steps": 3}),
):
    run = parse_run(problems, task, model, {"beta": 1.0, "gamma": 1.0, "seed": 0}, arguments)
    reduce = [{"analysis": "attractor_distance", "reference": ref}, {"analysis": "recall", "patterns": pat}]
    found.append(described_call(run, parse_reductions(problems, reduce), ("m_o",)))
problems.raise_any()
print(json.dumps(found))
"""


def test_calls_are_described_the_same_in_all_processes():
    """Otherwise a sweep could not be gone on with by another process."""
    started = [
        subprocess.Popen(
            [sys.executable, "-c", DESCRIBE],
            env={**os.environ, "PYTHONHASHSEED": seed},
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        for seed in ("1", "77")
    ]
    (one, said), (other, _) = (process.communicate(timeout=120) for process in started)
    assert one == other
    assert len(json.loads(one)) == 6, said


def test_several_differences_in_one_message(whole):
    with pytest.raises(StoreMismatch) as raised:
        sweep(whole, transient=1, size=100, variables="m_v")
    for each in ("transient=10, not 1", "size=None, not 100", "variables="):
        assert each in str(raised.value)


@pytest.mark.parametrize(
    "changed_",
    [
        {"beta": [beta * (1 + 3e-16) for beta in BETA]},
        {"beta": np.array(BETA)[::-1]},
        {"gamma": np.array([210, 220])},
        {"seed": [0]},
        {"seed": np.uint8([0])},
        {"epsilon": None},
        {"steps": np.int64(16)},
        {"variables": "attention"},
        {"variables": ["attention"]},
        {"chunks": "auto"},
        {"chunks": 5},
        {"chunks": {"beta": 2}},
        {"chunks": {"beta": "auto"}},
        {"chunks": {"gamma": 100}},
        {"reduce": ["recall", {"analysis": "autocorrelation", "max_lag": 3, "name": "autocorrelation"}]},
    ],
    ids=lambda changed_: " ".join(changed_),
)
def test_the_same_in_another_form(store, calls, changed_):
    before = states(store)
    sweep(store, **changed_)
    assert calls == []
    assert states(store) == before
    np.testing.assert_array_equal(dmfx.open(store).beta, BETA)


def test_labels_with_rounding_give_what_the_store_has(store, calls):
    """Labels that were computed in another way do not make further points."""
    (store / "attention/c/2/0/0/0/0").unlink()
    sweep(store, beta=np.linspace(1.2, 1.31, 12), gamma=[210.0 + 1e-13, 220.0])
    assert calls == [BETA[4:6]]
    assert dmfx.check(store) == []
