"""Points that kill their worker, told by the attempts that are left over."""

from __future__ import annotations

import importlib

import pytest

from dmfx.archive.records import working_folder
from dmfx.sweeps import SweepFailed, progress_of
from dmfx.sweeps.attempts import ASKED, Attempts
from tests.sweeps.chaos import differences, leftovers
from tests.sweeps.going_on.small import BETA, FAILED, stop_after, sweep


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
