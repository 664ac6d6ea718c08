"""Saving is lazy, bounded in memory, and all or nothing."""

from __future__ import annotations

import os
import resource
import signal
import subprocess
import sys
import tempfile
import textwrap
import threading
import time

import dask
import dask.array as da
import numpy as np
import pytest
import xarray as xr

import dmfx
from dmfx import archive


def _blocks(task, count: int = 20, size: int = 1000) -> xr.Dataset:
    data = da.map_blocks(task, chunks=((1,) * count, (size,)), dtype=float, meta=np.empty((0, 0)))
    return xr.Dataset({"m": (("beta", "step"), data)})


def _script(code: str, *arguments: object) -> list[str]:
    return [sys.executable, "-c", textwrap.dedent(code), *map(str, arguments)]


def test_each_block_is_computed_once_and_not_at_once(suffix, tmp_path):
    computed = []

    def task(block_id):
        computed.append(block_id)
        return np.full((1, 1000), float(block_id[0]))

    ds = _blocks(task)
    ds["z"] = ds["m"] + 1j  # two variables, four arrays on disk, one computation
    assert not computed
    archive.save(ds, tmp_path / f"run{suffix}")
    assert len(computed) == 20
    np.testing.assert_array_equal(archive.open(tmp_path / f"run{suffix}")["m"][:, 0], np.arange(20.0))


def test_memory_is_bounded_by_chunks(suffix, tmp_path):
    alive, most, lock = set(), [0], threading.Lock()

    class Block(np.ndarray):
        def __del__(self):
            with lock:
                alive.discard(id(self))

    def task(block_id):
        block = np.zeros((1, 1000)).view(Block)
        with lock:
            alive.add(id(block))
            most[0] = max(most[0], len(alive))
        return block

    with dask.config.set(scheduler="threads", num_workers=2):
        archive.save(_blocks(task, count=200), tmp_path / f"run{suffix}")
    assert most[0] <= 20


@pytest.mark.parametrize("scheduler", ["threads", "synchronous", pytest.param("processes", marks=pytest.mark.slow)])
def test_schedulers(scheduler, sweep, suffix, tmp_path, assert_same):
    with dask.config.set(scheduler=scheduler, num_workers=2):
        path = archive.save(sweep, tmp_path / f"run{suffix}")
    assert_same(archive.open(path), sweep)


@pytest.mark.slow
def test_distributed_processes(sweep, tmp_path, assert_same, capsys):
    from distributed import Client, LocalCluster

    with (
        LocalCluster(n_workers=2, threads_per_worker=2, processes=True, dashboard_address=":0") as cluster,
        Client(cluster),
    ):
        for suffix in (".nc", ".zarr"):
            path = archive.save(sweep.chunk(beta=1, step=5), tmp_path / f"run{suffix}", progress=True)
            opened = archive.open(path)
            assert_same(opened, sweep.chunk(beta=1, step=5))
            xr.testing.assert_equal(opened.mean("step").compute(), sweep.chunk(beta=1, step=5).mean("step").compute())
    assert capsys.readouterr().err == ""


def test_exception_while_computing(suffix, tmp_path):
    def task(block_id):
        if block_id[0] == 13:
            raise ZeroDivisionError("of the user's own")
        return np.zeros((1, 1000))

    with pytest.raises(ZeroDivisionError, match="of the user's own"):
        archive.save(_blocks(task), tmp_path / f"run{suffix}")
    assert not list(tmp_path.iterdir())


def test_values_of_another_dtype_than_announced(suffix, tmp_path):
    ds = _blocks(lambda block_id: np.zeros((1, 1000), "f4"))
    with pytest.raises(TypeError, match="dtype float32 where float64 was announced"):
        archive.save(ds, tmp_path / f"run{suffix}")
    assert not list(tmp_path.iterdir())


def test_nothing_is_overwritten_unasked(sweep, suffix, tmp_path, assert_same):
    path = tmp_path / f"run{suffix}"
    path.write_text("somebody's")
    with pytest.raises(FileExistsError, match="overwrite=True"):
        archive.save(sweep, path)
    assert path.read_text() == "somebody's"
    path.unlink()
    archive.save(sweep, path)
    with pytest.raises(FileExistsError, match="overwrite=True"):
        archive.save(sweep * 2, path)
    assert_same(archive.open(path), sweep)
    archive.save(sweep * 2, path, overwrite=True)
    assert_same(archive.open(path), sweep * 2)
    assert list(tmp_path.iterdir()) == [path]


def test_what_appears_while_saving_is_kept(suffix, tmp_path):
    path = tmp_path / f"run{suffix}"

    def task(block_id):
        if block_id[0] == 0:
            if suffix == ".nc":
                path.write_text("somebody's")
            else:
                path.mkdir()
                (path / "zarr.json").write_text("somebody's")
        return np.zeros((1, 1000))

    with pytest.raises(FileExistsError, match="created by another program"):
        archive.save(_blocks(task), path)
    assert list(tmp_path.iterdir()) == [path]
    assert (path if suffix == ".nc" else path / "zarr.json").read_text() == "somebody's"


def test_overwrite_spares_what_is_no_archive(sweep, tmp_path):
    thesis = tmp_path / "run.zarr"
    thesis.mkdir()
    (thesis / "thesis.tex").write_text("years")
    folder = tmp_path / "run.nc"
    folder.mkdir()
    for path in (thesis, folder):
        with pytest.raises(FileExistsError, match="not an archive"):
            archive.save(sweep, path, overwrite=True)
    assert (thesis / "thesis.tex").read_text() == "years"


def test_over_the_archive_it_is_read_from(sweep, suffix, tmp_path, assert_same):
    path = archive.save(sweep, tmp_path / f"run{suffix}")
    opened = archive.open(path)
    archive.save(opened.assign(m_o=opened["m_o"] * 2), path, overwrite=True)
    again = archive.open(path)
    xr.testing.assert_equal(again["m_o"], sweep["m_o"] * 2)
    xr.testing.assert_equal(again.drop_vars("m_o"), sweep.drop_vars("m_o"))


def test_old_archive_survives_a_failed_overwrite(sweep, suffix, tmp_path, assert_same):
    path = archive.save(sweep, tmp_path / f"run{suffix}")

    def task(block_id):
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        archive.save(_blocks(task), path, overwrite=True)
    assert_same(archive.open(path), sweep)
    assert list(tmp_path.iterdir()) == [path]


def test_wrong_arguments(sweep, tmp_path):
    with pytest.raises(ValueError, match=r"must end in \.nc"):
        archive.save(sweep, tmp_path / "run.h5")
    with pytest.raises(FileNotFoundError, match="there is no folder"):
        archive.save(sweep, tmp_path / "missing" / "run.nc")
    with pytest.raises(TypeError, match=r"to_dataset"):
        archive.save(sweep["m_o"], tmp_path / "run.nc")
    net = dmfx.VectorAttention(dmfx.couplings.zeros(3, 2))
    with pytest.raises(TypeError, match=r"not a VectorAttention.*; make it one with .*dmfx\.save\(net\.to_dataset\(\)"):
        archive.save(net, tmp_path / "run.nc")
    with pytest.raises(TypeError, match="path must be a path"):
        archive.save(sweep, 3)


def test_killed_while_saving(sweep, suffix, tmp_path, assert_same):
    code = """
        import sys, time, dask.array as da, numpy as np, xarray as xr
        from dmfx import archive

        def task(block_id):
            time.sleep(0.02)
            return np.random.default_rng(block_id).normal(size=(1, 1000))

        data = da.map_blocks(task, chunks=((1,) * 1000, (1000,)), dtype=float, meta=np.empty((0, 0)))
        archive.save(xr.Dataset({"m": (("beta", "step"), data)}), sys.argv[1], overwrite=True)
    """
    old = archive.save(sweep, tmp_path / f"old{suffix}")
    new = tmp_path / f"new{suffix}"
    for path in (old, new):
        process = subprocess.Popen(_script(code, path), stderr=subprocess.PIPE)
        partial = _wait_for_data(tmp_path, path.name, process)
        process.send_signal(signal.SIGKILL)
        assert process.wait() == -signal.SIGKILL
        process.stderr.close()
        with pytest.raises(archive.ArchiveError, match=r"\.partial"):
            archive.open(partial)
    assert not new.exists()
    assert_same(archive.open(old), sweep)


def _wait_for_data(folder, name: str, process):
    """Wait until some chunks are written."""
    end = time.monotonic() + 30
    while time.monotonic() < end:
        assert process.poll() is None, process.stderr.read().decode()
        for partial in folder.glob(f"{name}.*.partial"):
            chunks = len(list(partial.glob("m/c/*/*"))) if partial.is_dir() else partial.stat().st_size // 8000
            if chunks > 5:
                return partial
        time.sleep(0.02)
    raise AssertionError("nothing was written")


def _assert_full_disk_is_clear(path, **limits):
    code = """
        import pathlib, shutil, sys, time, numpy as np, xarray as xr
        from dmfx import archive

        data = np.random.default_rng(0).normal(size=(40, 50_000))
        ds = xr.Dataset({"m": (("beta", "step"), data)})
        for candidate in (ds.chunk(beta=1), ds):
            try:
                archive.save(candidate, sys.argv[1])
            except OSError as error:
                assert "is a disk full or a quota reached" in str(error), error
                assert "run" in str(error), error
            else:
                raise AssertionError("saved")
            folder = pathlib.Path(sys.argv[1]).parent
            for _ in range(100):  # tasks that were still writing take away what they wrote
                if not list(folder.iterdir()):
                    break
                time.sleep(0.05)
            assert not list(folder.iterdir())
            # No file that is deleted but still open fills the disk.
            assert shutil.disk_usage(folder).free > 3 * 2**20
    """
    ran = subprocess.run(_script(code, path), stderr=subprocess.PIPE, text=True, check=False, **limits)
    assert ran.returncode == 0, ran.stderr


def test_full_disk(suffix, tmp_path):
    """A small file system where one can be mounted, a limit on the size of files elsewhere."""
    mounted = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=4m", "tmpfs", str(tmp_path)], capture_output=True, check=False
    )
    if mounted.returncode == 0:
        try:
            _assert_full_disk_is_clear(tmp_path / f"run{suffix}")
        finally:
            subprocess.run(["umount", str(tmp_path)], check=True)
        return
    _assert_full_disk_is_clear(
        tmp_path / f"run{suffix}",
        preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (200_000, 200_000)),
    )


def test_read_only_folder(suffix):
    code = """
        import os, sys, netCDF4, zarr, xarray as xr
        from dmfx import archive

        if os.getuid() == 0:
            os.setuid(65534)
        try:
            archive.save(xr.Dataset({"m": ("x", [1.0])}), sys.argv[1])
        except PermissionError as error:
            assert "run" in str(error)
        else:
            raise AssertionError("saved")
    """
    # Not in tmp_path, which only its owner can enter.
    with tempfile.TemporaryDirectory() as folder:
        os.chmod(folder, 0o555)
        ran = subprocess.run(_script(code, f"{folder}/run{suffix}"), stderr=subprocess.PIPE, text=True, check=False)
    assert ran.returncode == 0, ran.stderr
