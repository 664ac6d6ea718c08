from __future__ import annotations

import fcntl
import io
import itertools
import os
import pty
import re
import struct
import subprocess
import sys
import termios
import textwrap
import threading

import dask
import dask.array as da
import nbformat
import pytest
from nbclient import NotebookClient

from dmfx import progress as module
from dmfx.progress import Progress, compute_with_progress, dashboard_of, in_words


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


@pytest.fixture
def client():
    from distributed import Client

    with Client(processes=False, n_workers=1, threads_per_worker=1, dashboard_address=":0") as client:
        yield client


@pytest.fixture
def clock(monkeypatch):
    """Seconds that pass only when told to."""

    class Clock:
        now = 1000.0

        def pass_by(self, seconds: float) -> None:
            self.now += seconds

    clock = Clock()
    monkeypatch.setattr(module.time, "monotonic", lambda: clock.now)
    return clock


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
    assert terminal.getvalue().count(f"Dask dashboard: {client.dashboard_link}\n") == 1


def test_client_passed_over_for_a_named_scheduler(client, monkeypatch):
    terminal = Terminal()
    monkeypatch.setattr("sys.stderr", terminal)
    with dask.config.set(scheduler="synchronous"):
        assert compute_with_progress(da.ones(4, chunks=2).sum()) == (4.0,)
    assert "task/s" in terminal.getvalue()
    assert "dashboard" not in terminal.getvalue()


def test_silent_when_not_asked(monkeypatch):
    terminal = Terminal()
    monkeypatch.setattr("sys.stderr", terminal)
    assert compute_with_progress(da.ones(4, chunks=2).sum(), progress=False) == (4.0,)
    assert compute_with_progress() == ()
    assert terminal.getvalue() == ""


def test_silent_in_a_log_when_done_at_once(capsys, client):
    assert compute_with_progress(da.ones(4, chunks=2).sum()) == (4.0,)
    with dask.config.set(scheduler="threads"):
        assert compute_with_progress(da.ones(4, chunks=2).sum()) == (4.0,)
    assert capsys.readouterr() == ("", "")


def test_lines_in_a_log(capsys, clock):
    with Progress("sweeping", 1000, unit="point", initial=200, dashboard="http://node7:8787/status") as progress:
        for _ in range(60):
            clock.pass_by(1)
            progress.advance(10)
        progress.note("4 workers")
        clock.pass_by(31)
        progress.advance(0, failed=3)
        progress.total = 2000
        progress.note("")
        clock.pass_by(1800)
        progress.note("waiting for workers")
        clock.pass_by(30)
        progress.advance(1200)
    captured = capsys.readouterr()
    assert captured.out == ""
    assert captured.err.splitlines() == [
        "Dask dashboard: http://node7:8787/status",
        "sweeping: 200 of 1,000 points (20.0%)",
        "sweeping: 500 of 1,000 points (50.0%), 10.0 points/s, 50 s left",
        "sweeping: 800 of 1,000 points (80.0%), 10.0 points/s, 20 s left",
        "sweeping: 800 of 1,000 points (80.0%), 6.6 points/s, 30 s left, 3 failed, 4 workers",
        "sweeping: 800 of 2,000 points (40.0%), one point in 3.2 s, 1 h 3 min left, 3 failed, waiting for workers",
        "sweeping: 2,000 of 2,000 points (100%), ended after 32 min 1 s, one point in 1.1 s, 3 failed",
    ]


def test_only_what_was_done_now_counts_for_the_rate(capsys, clock):
    with Progress("sweeping", 1000, unit="point", initial=999) as progress:
        clock.pass_by(60)
        progress.advance()
    assert capsys.readouterr().err.splitlines()[-1] == (
        "sweeping: 1,000 of 1,000 points (100%), ended after 1 min, one point in 1 min"
    )


def test_lines_become_rarer(capsys, clock):
    with Progress("sweeping", 10**6, unit="point") as progress:
        times = []
        for _ in range(86_400):
            clock.pass_by(1)
            progress.advance()
            if capsys.readouterr().err:
                times.append(clock.now)
    gaps = [after - before for before, after in itertools.pairwise(times[1:])]
    assert min(gaps) >= 30
    assert max(gaps) <= 601
    assert 150 < len(times) < 250


def test_the_rate_in_a_log_follows_the_number_of_workers(capsys, clock):
    with Progress("sweeping", 10**6, unit="point") as progress:
        for pieces in (1, 100):
            for _ in range(900):
                clock.pass_by(1)
                progress.advance(pieces)
        *_, last = capsys.readouterr().err.splitlines()
    assert " 100 points/s" in last


def test_errors_in_a_log(capsys, clock):
    def fill(progress):
        clock.pass_by(3)
        progress.advance(3)
        raise OSError("disk full")

    with pytest.raises(OSError, match="full"), Progress("sweeping", 10, unit="point") as progress:
        fill(progress)
    first, last = capsys.readouterr().err.splitlines()
    assert first == "sweeping: 0 of 10 points (0.0%)"
    assert last == "sweeping: 3 of 10 points (30.0%), stopped after 3.0 s, 1.0 points/s"


def test_nothing_to_do(capsys):
    with Progress("sweeping", 0, unit="point"):
        pass
    with Progress("sweeping", 5, unit="point", initial=5):
        pass
    assert capsys.readouterr().err.splitlines() == [
        "sweeping: 0 of 0 points",
        "sweeping: 0 of 0 points, ended after 0.0 s",
        "sweeping: 5 of 5 points (100%)",
        "sweeping: 5 of 5 points (100%), ended after 0.0 s",
    ]


def test_a_log_that_cannot_be_written_stops_nothing(monkeypatch):
    read, write = os.pipe()
    os.close(read)
    with os.fdopen(write, "w") as broken:
        monkeypatch.setattr("sys.stderr", broken)
        with Progress("sweeping", 2, interval=0) as progress:
            progress.advance(2)
        assert progress.done == 2
        monkeypatch.undo()
        with pytest.raises(BrokenPipeError):  # what print has kept
            broken.close()
    closed = io.StringIO()
    closed.close()
    for nothing in (closed, None):
        monkeypatch.setattr("sys.stderr", nothing)
        with Progress("sweeping", 2, interval=0) as progress:
            progress.advance(2)
        monkeypatch.undo()


SWEEPING = """
    import time
    from dmfx.progress import Progress

    with Progress(
        "sweeping", 60, unit="point", initial=20, failed=1, dashboard="http://node7:8787/status"
    ) as progress:
        for i in range(4):
            time.sleep(0.12)
            progress.advance(10)
            progress.note(f"{i} workers")
        progress.total = 80
        time.sleep(0.12)
        progress.advance(20, failed=2)
"""


def _in_a_terminal(code: str, columns: int) -> tuple[str, bytes]:
    """What a program writes to a terminal of so many columns, and to its standard output, which is none."""
    main, end = pty.openpty()
    fcntl.ioctl(end, termios.TIOCSWINSZ, struct.pack("HHHH", 24, columns, 0, 0))
    written = bytearray()

    def read() -> None:
        with open(main, "rb", buffering=0, closefd=False) as terminal:
            while True:
                try:
                    piece = terminal.read(4096)
                except OSError:  # closed by the other side
                    return
                written.extend(piece)

    reader = threading.Thread(target=read)
    reader.start()
    env = {**os.environ, "TERM": "xterm"}
    try:
        done = subprocess.run(
            [sys.executable, "-c", textwrap.dedent(code)],
            stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=end, env=env, timeout=60, check=True,
        )  # fmt: skip
    finally:
        os.close(end)
        reader.join()
        os.close(main)
    return written.decode().replace("\r\n", "\n"), done.stdout


@pytest.mark.parametrize("columns", [120, 0])
def test_a_real_terminal(columns):
    written, out = _in_a_terminal(SWEEPING, columns)
    assert out == b""
    first, *shown = re.split("[\n\r]+", written.rstrip())
    assert first == "Dask dashboard: http://node7:8787/status"
    assert re.match(r"sweeping:  33%\|█+[^|]*\| 20/60 \[00:00<\?, \?point/s, 1 failed\]", shown[0])
    assert any(re.search(r"\| 40/60 \[00:00<00:00, +\d+\.\d+point/s, 1 failed, 1 workers\]", line) for line in shown)
    assert max(map(len, shown)) <= (columns or 80)
    last = re.search(r"100%\|█+\| 80/80 \[00:00<00:00, +(\d+\.\d+)point/s, 3 failed, 3 workers\]", shown[-1])
    assert 50 < float(last[1]) < 200  # 60 points in at least 0.6 s
    assert written.endswith("\n")


def test_a_notebook():
    cell = nbformat.v4.new_code_cell(textwrap.dedent(SWEEPING))
    notebook = nbformat.v4.new_notebook(cells=[cell])
    NotebookClient(notebook, timeout=120).execute()
    outputs = cell["outputs"]
    assert not [out for out in outputs if out.get("name") == "stdout"]
    said = "".join(out["text"] for out in outputs if out.get("name") == "stderr")
    assert said.count("Dask dashboard: http://node7:8787/status\n") == 1
    assert "Warning" not in said
    bars = "".join(out["data"].get("text/plain", "") for out in outputs if out["output_type"] == "display_data")
    assert "sweeping" in bars + said
    if not bars:  # without ipywidgets, the bar is text
        assert "80/80" in said
        assert "3 failed, 3 workers" in said


test_a_notebook = pytest.mark.filterwarnings("default")(test_a_notebook)  # of Jupyter's own client


@pytest.mark.parametrize(
    ("seconds", "words"),
    [
        (0, "0.0 s"),
        (9.94, "9.9 s"),
        (59.4, "59 s"),
        (59.6, "1 min"),
        (3599.6, "1 h"),
        (86_399, "1 d"),
        (90_061, "1 d 1 h"),
        (1e9, "11,574 d 2 h"),
    ],
)
def test_durations(seconds, words):
    assert in_words(seconds) == words


def test_dashboard_of_a_scheduler_that_has_none(client):
    assert dashboard_of(client) == client.dashboard_link

    class Without:
        @property
        def dashboard_link(self):
            raise KeyError("dashboard")

    assert dashboard_of(Without()) is None


def test_errors_pass_through(client):
    def fail(block):
        raise ZeroDivisionError

    failing = da.ones(4, chunks=2).map_blocks(fail, dtype=float, meta=da.ones(1)._meta)
    for scheduler in ("threads", client):
        with dask.config.set(scheduler=scheduler), pytest.raises(ZeroDivisionError):
            compute_with_progress(failing)
