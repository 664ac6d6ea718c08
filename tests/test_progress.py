from __future__ import annotations

import io

import dask
import dask.array as da
import pytest

from dmfx.progress import Progress, compute_with_progress


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


@pytest.fixture
def client():
    from distributed import Client

    with Client(processes=False, n_workers=1, threads_per_worker=1, dashboard_address=None) as client:
        yield client


@pytest.mark.parametrize("scheduler", ["threads", "synchronous"])
def test_bar_on_a_terminal(scheduler, monkeypatch):
    terminal = Terminal()
    monkeypatch.setattr("sys.stderr", terminal)
    with dask.config.set(scheduler=scheduler):
        (total,) = compute_with_progress(da.ones((8, 8), chunks=2).sum(), description="adding up")
    assert total == 64
    assert "adding up" in terminal.getvalue()
    assert "100%" in terminal.getvalue()


def test_bar_with_a_client(client, monkeypatch):
    terminal = Terminal()
    monkeypatch.setattr("sys.stderr", terminal)
    ones = da.ones((8, 8), chunks=4)
    doubled, total = compute_with_progress(ones * 2, ones.sum(), description="doubling")
    assert doubled.sum() == 128
    assert total == 64
    assert "doubling" in terminal.getvalue()
    assert "5/5" in terminal.getvalue()


def test_client_passed_over_for_a_named_scheduler(client, monkeypatch):
    terminal = Terminal()
    monkeypatch.setattr("sys.stderr", terminal)
    with dask.config.set(scheduler="synchronous"):
        assert compute_with_progress(da.ones(4, chunks=2).sum()) == (4.0,)
    assert "task/s" in terminal.getvalue()


def test_silent_when_not_asked(monkeypatch):
    terminal = Terminal()
    monkeypatch.setattr("sys.stderr", terminal)
    assert compute_with_progress(da.ones(4, chunks=2).sum(), progress=False) == (4.0,)
    assert compute_with_progress() == ()
    assert terminal.getvalue() == ""


def test_silent_in_a_log(capsys):
    assert compute_with_progress(da.ones(4, chunks=2).sum()) == (4.0,)
    assert capsys.readouterr().err == ""


def test_a_line_now_and_then_in_a_log(capsys):
    with Progress("sweeping", 3, unit="block", interval=0) as progress:
        progress.advance(2)
    assert capsys.readouterr().err == "sweeping: 2 of 3 blocks\n"


def test_errors_pass_through(client):
    def fail(block):
        raise ZeroDivisionError

    failing = da.ones(4, chunks=2).map_blocks(fail, dtype=float, meta=da.ones(1)._meta)
    for scheduler in ("threads", client):
        with dask.config.set(scheduler=scheduler), pytest.raises(ZeroDivisionError):
            compute_with_progress(failing)
