"""``dmfx sweep``, ``dmfx check`` and ``dmfx info`` of its stores: what they make, print and return."""

import contextlib
import os
import re
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import dask
import numpy as np
import pytest
import xarray as xr

import dmfx
from dmfx.cli.info import how_far
from dmfx.sweeps import SchedulerLost, StoreInUse, StoreProgress, WorkerMismatch, progress_of
from tests.test_cli import run

#: The command, as a process.
DMFX = (str(Path(sys.executable).with_name("dmfx")),)
EXAMPLE = Path(__file__).parents[1] / "notebooks" / "sweep.toml"
SMALL = """store = "run.zarr"
title = "a few points"
[model]
weights = "segments:3,3"
[sweep]
beta = { start = 1.0, stop = 1.4, num = 6 }
gamma = 5.0
seed = { start = 0, stop = 2 }
steps = 200
transient = 100
chunks = { beta = 2, seed = 1 }
[[reduce]]
analysis = "bifurcation"
bins = 50
[[reduce]]
analysis = "classify"
steps = 300
[cluster]
workers = 1
"""
#: Some seconds of work in many boxes.
LONG = """store = "long.zarr"
[model]
weights = "segments:3,3"
[sweep]
beta = { start = 1.0, stop = 1.4, num = 160 }
gamma = 5.0
steps = 50
transient = 600_000
chunks = { beta = 2 }
variables = "m_o_semantic"
"""


def write(folder, text, name="run.toml"):
    path = folder / name
    path.write_text(text)
    return path


def one_line(capsys, *words):
    """The only line that a command prints on standard error, and its exit status."""
    status, out, err = run(capsys, *words)
    assert (out, err.count("\n")) == ("", 1), (out, err)
    return status, err


def contents(store):
    """All files of a store but those that say when it was made."""
    files = {path.relative_to(store): path for path in store.rglob("*") if path.is_file()}
    return {
        str(name): path.read_bytes()
        for name, path in files.items()
        if "sweep" not in name.parts and name.name != "zarr.json"
    }


@pytest.fixture(scope="module")
def store(tmp_path_factory):
    """A finished store, made by the command, and what it printed."""
    folder = tmp_path_factory.mktemp("sweeps")
    write(folder, SMALL)
    done = subprocess.run([*DMFX, "sweep", "run.toml"], cwd=folder, capture_output=True, text=True, check=False)
    return folder / "run.zarr", done


@pytest.fixture
def on_threads(monkeypatch):
    """Sweeps in this process, where kernels are compiled already, and not on a cluster."""
    monkeypatch.setattr("dmfx.cli.sweep.cluster", lambda **where: dask.config.set(scheduler="synchronous"))


@pytest.fixture
def copied(store, tmp_path, monkeypatch, on_threads):
    """A copy of it with its configuration file, in the current folder."""
    shutil.copytree(store[0], tmp_path / "run.zarr")
    write(tmp_path, SMALL)
    monkeypatch.chdir(tmp_path)
    return tmp_path / "run.zarr"


def test_a_sweep_is_what_the_functions_make(store):
    path, done = store
    assert done.returncode == 0, done.stderr
    assert re.fullmatch(r"run\.zarr: 12 points, none failed, \d+\.\d MB, \d+\.\d s\n", done.stdout)
    assert "Dask dashboard: http://127.0.0.1:" in done.stderr
    assert dmfx.open(path).attrs["title"] == "a few points"
    assert "Traceback" not in done.stderr
    model = dmfx.SelfAttention(dmfx.weights.segments(3, 3))
    runs = dmfx.simulate(model, beta=np.linspace(1.0, 1.4, 6), gamma=5.0, seed=range(2), steps=200, transient=100)
    for name, expected in (
        ("bifurcation", dmfx.bifurcation(runs, bins=50)),
        ("classify", dmfx.classify(runs, steps=300)),
    ):
        found = dmfx.open(path, reduction=name)
        for variable in expected.data_vars:
            np.testing.assert_array_equal(found[variable].values, expected[variable].values)


def test_the_command_again_computes_nothing(copied, capsys):
    before = contents(copied)
    status, out, _ = run(capsys, "sweep", "run.toml")
    assert status == 0
    assert "run.zarr: 12 points, none failed" in out
    assert contents(copied) == before
    assert progress_of(copied).sessions[-1]["done"] == 0


def test_more_points_are_added(copied, capsys):
    text = SMALL.replace("stop = 2 }", "stop = 3 }")
    assert run(capsys, "sweep", write(copied.parent, text))[0] == 0
    assert dmfx.open(copied).sizes["seed"] == 3
    assert progress_of(copied).done == 18


def test_another_sweep_is_refused(copied, capsys):
    before = contents(copied)
    write(copied.parent, SMALL.replace("transient = 100", "transient = 200"))
    status, line = one_line(capsys, "sweep", "run.toml")
    assert status == 2
    assert line.startswith(f"dmfx sweep: {copied} is the store of another sweep: ")
    assert "it was made with transient=100, not 200" in line
    assert contents(copied) == before


def test_another_store(copied, capsys):
    status, out, _ = run(capsys, "sweep", "run.toml", "--store", copied.parent / "second.zarr")
    assert (status, "second.zarr: 12 points" in out) == (0, True)
    assert contents(copied.parent / "second.zarr") == contents(copied)


@pytest.mark.parametrize(
    ("old", "new", "problem"),
    [
        ("gamma = 5.0", 'gamma = "5"', "run.toml:7: sweep.gamma must be a finite number, a list of them or a range"),
        ("gamma = 5.0", "gama = 5.0", "run.toml:7: sweep.gama: there is no such key; did you mean gamma?"),
        ("gamma = 5.0", "gamma = 5,0", "run.toml:7: not TOML: "),
        (
            "start = 1.0",
            "start = -1.0",
            "run.toml:6: sweep.beta must be a number or a 1-D array of finite numbers of at",
        ),
        ("bins = 50", "bins = -2", "run.toml:14: reduce.bins must be a whole number of at least"),
        ("bins = 50", 'variable = "x"', "run.toml:14: reduce.variable"),
        ("beta = 2,", "bta = 2,", "run.toml:11: sweep.chunks"),
        ("transient = 100", 'variables = "m_x"', "run.toml:10: sweep.variables: there is no 'm_x'; expected"),
        ("transient = 100", 'carry = "gamam"', "run.toml:10: sweep.carry must be one of"),
        ("transient = 100", "starts = 3", "run.toml:10: sweep.starts"),
        ("run.zarr", "gone/run.zarr", "run.toml:1: store: there is no folder"),
    ],
)
@pytest.mark.usefixtures("on_threads")
def test_what_is_wrong_is_told_with_its_line(tmp_path, monkeypatch, capsys, old, new, problem):
    monkeypatch.chdir(tmp_path)
    assert old in SMALL
    write(tmp_path, SMALL.replace(old, new))
    status, line = one_line(capsys, "sweep", "run.toml")
    assert status == 2
    assert line.startswith(f"dmfx sweep: {problem}"), line
    assert not (tmp_path / "run.zarr").exists()


def test_files_that_are_not_there(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    assert one_line(capsys, "sweep", "run.toml") == (
        2,
        "dmfx sweep: [Errno 2] No such file or directory: 'run.toml'\n",
    )
    write(tmp_path, SMALL)
    status, line = one_line(capsys, "sweep", "run.toml", "--workers", "1", "--scheduler", "tcp://a:1")
    assert status == 2
    assert "not allowed with" in line
    monkeypatch.setattr("dmfx.cluster.CONNECT_SECONDS", 1)
    status, line = one_line(capsys, "sweep", "run.toml", "--scheduler", "tcp://127.0.0.1:9")
    assert status == 2
    assert "no Dask scheduler answers at tcp://127.0.0.1:9" in line


@pytest.mark.parametrize(
    "error",
    [
        SchedulerLost("the scheduler went away; 3 of 12 points are kept, and the same call goes on from there"),
        StoreInUse("another sweep runs on run.zarr (process 3 on a since then)"),
        WorkerMismatch("a worker runs dmfx 0.0"),
        OSError(28, "No space left on device"),
    ],
)
@pytest.mark.usefixtures("on_threads")
def test_what_stops_a_sweep_is_one_line(tmp_path, monkeypatch, capsys, error):
    def stop(*arguments, **more):
        raise error

    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("dmfx.cli.sweep.sweep", stop)
    status, err = run(capsys, "sweep", write(tmp_path, SMALL))[::2]
    assert (status, err) == (2, f"dmfx sweep: {str(error).replace('same call', 'same command')}\n")


def test_jobs_without_memory(tmp_path, capsys):
    path = write(tmp_path, SMALL.replace("workers = 1", "[cluster.slurm]\njobs = 1\ncores = 1"))
    status, line = one_line(capsys, "sweep", path)
    assert status == 2
    assert "run.toml:19: cluster.slurm.memory is missing: expected memory of one job, as memory = " in line


def test_slurm_without_dask_jobqueue(tmp_path, monkeypatch, capsys):
    monkeypatch.setitem(sys.modules, "dask_jobqueue", None)
    path = write(tmp_path, SMALL.replace("workers = 1", "[cluster.slurm]\njobs = 1"))
    status, line = one_line(capsys, "sweep", path)
    assert status == 2
    assert "run.toml:19: cluster.slurm: SLURM needs the package dask-jobqueue: pip install dask-jobqueue" in line


@contextlib.contextmanager
def begun(folder, *words):
    """A sweep as a process group of its own, as a shell starts it, held as soon as some points are kept."""
    write(folder, LONG, "long.toml")
    with subprocess.Popen(
        [*DMFX, "sweep", "long.toml", *words],
        cwd=folder,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
        # A shell has what it runs in the background ignore Ctrl-C, and its children with it.
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),
    ) as process:
        try:
            assert wait_for(lambda: is_begun(folder / "long.zarr") or process.poll() is not None)
            os.killpg(process.pid, signal.SIGSTOP)
            assert process.poll() is None
            yield process
        finally:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)


def is_begun(store):
    found = progress_of(store)
    return found is not None and found.done > 0


def wait_for(condition, seconds=120):
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        if condition():
            return True
        time.sleep(0.02)
    return False


def ended_by(process, number):
    """What it says when it goes on with a signal to all of its processes, as Ctrl-C sends it."""
    os.killpg(process.pid, number)
    os.killpg(process.pid, signal.SIGCONT)
    _, err = process.communicate(timeout=120)
    assert "Traceback" not in err, err
    assert wait_for(lambda: not members(process.pid)), members(process.pid)
    return err


def members(group):
    """Processes of a group."""
    found = subprocess.run(["pgrep", "-a", "-g", str(group)], capture_output=True, text=True, check=False)
    return found.stdout.splitlines()


@pytest.mark.slow
def test_interrupted_looked_at_refused_and_gone_on_with(tmp_path, capsys, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with begun(tmp_path, "--workers", "2") as process:
        status, out, _ = run(capsys, "info", "long.zarr")
        assert status == 0
        assert re.search(r"of 160 points \(\d+\.\d%\), .*; running, .*\b" + str(process.pid), out)
        assert "m_o_semantic" in out
        monkeypatch.setattr("dmfx.cli.sweep.cluster", lambda **where: dask.config.set(num_workers=2))
        status, _, err = run(capsys, "sweep", "long.toml")
        assert status == 2
        assert "another sweep" in err
        assert str(process.pid) in err
        status, out, _ = run(capsys, "check", "long.zarr")
        assert (status, "long.zarr: sound" in out) == (0, True)
        last = ended_by(process, signal.SIGINT).splitlines()[-1]
        assert process.returncode == 130
    kept = re.fullmatch(
        r"dmfx sweep: interrupted; (\d+) of 160 points are kept in long\.zarr, and the same command goes on from there",
        last,
    )
    assert kept is not None, last
    found = progress_of("long.zarr")
    assert (found.running, found.finished) == (None, False)
    assert 0 < int(kept[1]) <= found.done < 160

    status, out, _ = run(capsys, "info", "long.zarr")
    assert status == 0
    assert f"sweep: {found.done} of 160 points (" in out
    assert f"0 of them failed, {160 - found.done} missing; unfinished" in out
    assert "dmfx sweep long.toml" in out
    status, out, _ = run(capsys, "check", "long.zarr")
    assert (status, "long.zarr: sound" in out) == (0, True)

    status, out, _ = run(capsys, "sweep", "long.toml")
    assert (status, "long.zarr: 160 points, none failed" in out) == (0, True)
    assert progress_of("long.zarr").sessions[-1]["done"] == 160 - found.done
    assert run(capsys, "sweep", "long.toml", "--store", "at_once.zarr")[0] == 0
    assert contents(Path("long.zarr")) == contents(Path("at_once.zarr"))


@pytest.mark.slow
def test_a_batch_system_ends_it(tmp_path):
    with begun(tmp_path, "--workers", "1") as process:
        last = ended_by(process, signal.SIGTERM).splitlines()[-1]
    assert process.returncode == 128 + signal.SIGTERM
    assert re.match(r"dmfx sweep: ended by SIGTERM; \d+ of 160 points are kept in long\.zarr, and", last)


def test_interrupted_before_anything_was_computed(tmp_path, monkeypatch, capsys):
    def stop(*arguments, **more):
        raise KeyboardInterrupt

    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("dmfx.cli.sweep.cluster", stop)
    status, line = one_line(capsys, "sweep", write(tmp_path, SMALL))
    assert (status, line) == (130, "dmfx sweep: interrupted; nothing was computed yet\n")


def flip(path):
    """Change one bit of a file."""
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 16
    path.write_bytes(content)


def chunk_of(store, name):
    return sorted((store / name).glob("c.*"))[1]


def test_check_finds_what_the_sweep_mends(copied, capsys):
    status, out, _ = run(capsys, "check", copied)
    assert status == 0
    assert re.fullmatch(rf"{copied}: sound, \d+ chunks\n", out)
    whole = contents(copied)
    flip(chunk_of(copied, "density"))
    status, out, _ = run(capsys, "check", copied)
    assert status == 1
    assert out.startswith(f"{copied}: ")
    assert "density" in out
    assert out.count("\n") == 1
    assert run(capsys, "sweep", "run.toml")[0] == 0
    assert contents(copied) == whole
    assert run(capsys, "check", copied)[0] == 0


def test_check_of_several_archives(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    ds = xr.Dataset({"m": ("step", np.arange(4.0))})
    for name in ("a.nc", "b.zarr", "c.zarr"):
        dmfx.save(ds, name)
    assert run(capsys, "check", "a.nc", "b.zarr")[:2] == (0, "a.nc: sound, 1 chunk\nb.zarr: sound, 1 chunk\n")
    (tmp_path / "c.zarr" / "m" / "c" / "0").unlink()
    status, out, err = run(capsys, "check", "c.zarr", "gone.nc", "a.nc")
    assert status == 2
    assert out == "c.zarr: chunk (0,) of m: is missing\na.nc: sound, 1 chunk\n"
    assert f"dmfx check: there is no archive at {tmp_path / 'gone.nc'}" in err.splitlines()
    assert run(capsys, "check", "c.zarr")[0] == 1
    ds.to_netcdf("foreign.nc", engine="netcdf4")
    status, out, _ = run(capsys, "check", "foreign.nc")
    assert (status, "foreign.nc: readable, 1 chunk; another program wrote it" in out) == (0, True)


def test_info_of_a_finished_store(copied, capsys):
    status, out, err = run(capsys, "info", copied)
    assert (status, err) == (0, "")
    for text in (
        "SelfAttention(",
        "density",
        "sweep: 12 of 12 points (100.0%), 0 of them failed, 0 missing; finished",
        "reductions: bifurcation, classify",
        "sessions:",
        "12 points",
        f"dmfx {dmfx.__version__}",
    ):
        assert text in out
    # Not the status of every point, but what the records say.
    assert "\npoints:" not in out


def made_up(**changes):
    fields = {
        "points": 4000,
        "done": 3999,
        "failed": 3,
        "boxes": 40,
        "boxes_done": 39,
        "finished": False,
        "running": None,
        "failures": [{"beta": 1.5, "seed": 2, "reason": "ValueError: it\nbroke"}],
        "sessions": [],
        "reductions": {},
    }
    return StoreProgress(**(fields | changes))


def test_how_far_a_sweep_is():
    text = how_far(made_up())
    assert "sweep: 3,999 of 4,000 points (99.9%), 3 of them failed, 1 missing; unfinished" in text
    assert "  beta=1.5, seed=2: ValueError: it broke" in text
    assert "running, process 3 on here" in how_far(made_up(running="process 3 on here since noon"))
    many = [{"beta": float(k), "reason": "no"} for k in range(9)]
    text = how_far(made_up(failures=many, failed=9))
    assert text.count(": no") == 5
    assert "and 4 more" in text
    sessions = [
        {"start": f"2026-11-2{k}T00:00:00Z", "command": "dmfx sweep a.toml", "host": "here", "versions": {"dmfx": "1"}}
        for k in range(8)
    ]
    text = how_far(made_up(sessions=sessions))
    assert "  3 before" in text
    assert text.count("dmfx sweep a.toml") == 5


@pytest.mark.slow
@pytest.mark.usefixtures("on_threads")
def test_the_example(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    status, out, _ = run(capsys, "sweep", EXAMPLE)
    assert (status, "run.zarr: 200 points, none failed" in out) == (0, True)
    ds = dmfx.open("run.zarr")
    assert ds.sizes["beta"] == 200
    assert {"density", "lyapunov", "kind"} <= set(ds.data_vars)
    assert ds.attrs["title"] == "From order to chaos at γ = 220"
