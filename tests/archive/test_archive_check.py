"""Whatever is damaged is found, whatever is sound is not, and nothing stops the search."""

from __future__ import annotations

import contextlib
import os
import shutil
import subprocess
import sys
import tempfile
import textwrap
import warnings
from pathlib import Path

import dask
import netCDF4
import numcodecs
import numpy as np
import pytest
import xarray as xr
import zarr
from hypothesis import example, given, settings
from hypothesis import strategies as st

import dmfx
from dmfx import archive
from dmfx.archive import ArchiveError, probing
from dmfx.archive.layout import CHECKSUMS
from tests.archive.damage import ONE_BYTE, flip, found_if_flipped, found_or_harmless, replace


@pytest.fixture
def saved(sweep, suffix, tmp_path):
    return archive.save(sweep, tmp_path / f"run{suffix}")


@pytest.fixture(scope="module")
def small():
    """One variable of each kind, few enough chunks that many flips hit each."""
    rng = np.random.default_rng(3)
    return xr.Dataset(
        {
            "m_o": (("beta", "step"), rng.normal(size=(5, 6)), {"units": "1", "about": ["a", 1, None]}),
            "phase": (("beta",), np.exp(1j * np.arange(5.0))),
            "kept": (("beta",), np.arange(5) % 2 == 0),
        },
        coords={"beta": np.linspace(0, 1, 5), "kind": ("step", list("abcdeé"))},
        attrs={"model": {"w": [1.5]}},
    ).chunk(beta=2)


@pytest.fixture(scope="module")
def intact(small, tmp_path_factory):
    """An archive of either kind, its content by file, and the Dataset that it opens as."""
    folder = tmp_path_factory.mktemp("intact")
    found = {}
    for suffix in (".nc", ".zarr"):
        path = archive.save(small, folder / f"run{suffix}")
        files = [path] if path.is_file() else sorted(file for file in path.rglob("*") if file.is_file())
        found[suffix] = path, {file: file.read_bytes() for file in files}, archive.open(path).load()
    return found


def _files(content, kind):
    """Files of one class of positions of a Zarr archive."""
    chosen = {
        "data": lambda file: "c" in file.parts and CHECKSUMS not in file.parts,
        "checksums": lambda file: CHECKSUMS in file.parts and file.name != "zarr.json",
        "array": lambda file: file.name == "zarr.json" and file.parent.suffix != ".zarr",
        "root": lambda file: file.name == "zarr.json" and file.parent.suffix == ".zarr",
    }[kind]
    return [file for file in content if chosen(file)]


@pytest.mark.parametrize("kind", ["data", "checksums", "array", "root"])
def test_flipped_byte_in_zarr(intact, kind):
    path, content, expected = intact[".zarr"]

    @settings(**ONE_BYTE)
    @given(st.data())
    def flip(data):
        file = data.draw(st.sampled_from(_files(content, kind)))
        position = data.draw(st.integers(0, len(content[file]) - 1))
        found = found_if_flipped(path, file, position, data.draw(st.integers(1, 255)), expected)
        assert found

    flip()
    assert archive.check(path) == []


@pytest.mark.parametrize("part", ["header", "anywhere"])
def test_flipped_byte_in_netcdf(intact, part, monkeypatch):
    monkeypatch.setattr(probing, "SECONDS", 10)
    path, content, expected = intact[".nc"]
    (original,) = content.values()
    stop = 600 if part == "header" else len(original)
    found = 0

    @settings(**{**ONE_BYTE, "max_examples": 40})
    @given(st.integers(0, stop - 1), st.integers(1, 255))
    @example(0, 1)
    def flip(position, bits):
        nonlocal found
        damaged = bytearray(original)
        damaged[position] ^= bits
        replace(path, damaged)
        try:
            found += found_or_harmless(path, expected)
        finally:
            replace(path, original)

    flip()
    assert found > 2
    assert archive.check(path) == []


def test_netcdf_that_sends_hdf5_round_in_circles(intact, tmp_path, monkeypatch):
    """Found by the test above: the size of the first object of the global heap is 122 instead of 8."""
    monkeypatch.setattr(probing, "SECONDS", 5)
    damaged = bytearray(next(iter(intact[".nc"][1].values())))
    damaged[damaged.index(b"GCOL") + 96] ^= 114
    path = tmp_path / "run.nc"
    path.write_bytes(damaged)
    (damage,) = archive.check(path)
    assert damage.where == "run.nc"
    assert damage.what == "cannot be opened (HDF5 had not come to an end after 5 s)"


def test_flipped_byte_in_attributes_of_netcdf(intact):
    path, content, expected = intact[".nc"]
    (original,) = content.values()
    attributes = [
        original.index(text)
        for text in (b"dmfx_attrs", b"units", b'"about"', b"symbol", b"CF-1.11")
        if text in original
    ]
    assert len(attributes) >= 3
    try:
        for position in attributes:
            damaged = bytearray(original)
            damaged[position + 1] ^= 1
            replace(path, damaged)
            assert found_or_harmless(path, expected), original[position : position + 10]
    finally:
        replace(path, original)


def test_sound_archives(saved):
    assert archive.check(saved) == []
    assert dmfx.check(str(saved)) == []
    assert dmfx.check is archive.check


def test_empty_archives(suffix, tmp_path):
    for ds in (xr.Dataset(), xr.Dataset({"m": ("x", np.empty(0))}), xr.Dataset({"m": 1.0}, {"s": "é"})):
        path = archive.save(ds, tmp_path / f"run{suffix}", overwrite=True)
        assert archive.check(path) == []


def test_all_damages_are_listed(saved):
    """With the format's own checksums in order: another program changed the values."""
    changed = {"m_o": (5, 0, 1, 12, 2), "density": (8, 0), "beta": (3,), "kept": (0,), "amplitude__imag": (8, 0, 1)}
    for name, index in changed.items():
        if saved.suffix == ".nc":
            with netCDF4.Dataset(saved, "r+") as file:
                file.set_auto_maskandscale(False)
                file[name][index] = ~file[name][index] if name in ("density", "kept") else 77
        else:
            array = zarr.open_group(saved, mode="r+")[name]
            array[index] = ~array[index] if name in ("density", "kept") else 77
    found = archive.check(saved)
    expected = {
        "chunk (1, 0, 0, 1, 0) of m_o",
        "chunk (2, 0) of density",
        "chunk (0,) of beta",
        "chunk (0,) of kept",
        "chunk (2, 0, 0) of amplitude__real",
    }
    assert {each.where for each in found} == expected
    assert {each.what for each in found} == {"is not what was written"}
    assert str(found[0]).endswith(": is not what was written")


def test_missing_pieces_of_zarr(sweep, tmp_path):
    path = archive.save(sweep, tmp_path / "run.zarr")
    pieces = {
        "zarr.json": {"zarr.json"},
        "m_o/zarr.json": {"m_o/zarr.json"},
        "m_o/c/0/0/0/1/0": {"chunk (0, 0, 0, 1, 0) of m_o"},
        "status/c": {f"chunk ({i}, 0, 0) of status" for i in range(3)},
        "epsilon/c": {"chunk () of epsilon"},
        "kind/c/0/0": {"chunk (0,) of kind"},
        "amplitude__imag/c/1/0/0": {"chunk (1, 0, 0) of amplitude__real"},
        CHECKSUMS: {CHECKSUMS},
        f"{CHECKSUMS}/zarr.json": {f"{CHECKSUMS}/zarr.json"},
        f"{CHECKSUMS}/c/0": {f"chunk (0,) of {CHECKSUMS}"},
        "beta": {"beta"},
    }
    for piece, where in pieces.items():
        shutil.move(path / piece, tmp_path / "kept")
        found = archive.check(path)
        assert where <= {each.where for each in found} <= {*where, "dmfx_seal"}, piece
        assert all("missing" in each.what for each in found if each.where in where)
        shutil.move(tmp_path / "kept", path / piece)
    assert archive.check(path) == []


@pytest.mark.parametrize("broken", ["zarr.json", "m_o/zarr.json", f"{CHECKSUMS}/zarr.json", f"{CHECKSUMS}/c/0"])
def test_chunks_are_checked_where_metadata_are_damaged(sweep, tmp_path, broken):
    path = archive.save(sweep, tmp_path / "run.zarr")
    (path / broken).write_bytes((path / broken).read_bytes()[:40])
    (found,) = archive.check(path)
    assert found.where in (broken, f"chunk (0,) of {CHECKSUMS}")
    flip(path / "m_o/c/1/0/0/1/0")
    flip(path / "epsilon/c")
    (path / "m_o/c/0/0/0/0/0").unlink()
    found = {each.where for each in archive.check(path)} - {found.where}
    expected = {"chunk (1, 0, 0, 1, 0) of m_o", "chunk () of epsilon", "chunk (0, 0, 0, 0, 0) of m_o"}
    assert found == expected


def test_wrong_seal_is_one_damage(saved):
    if saved.suffix == ".nc":
        with netCDF4.Dataset(saved, "r+") as file:
            file["m_o"].units = "2"
    else:
        zarr.open_group(saved, mode="r+")["m_o"].attrs["units"] = "2"
    (found,) = archive.check(saved)
    assert found.where == "dmfx_seal"


def test_archive_that_was_never_completed(sweep, suffix, tmp_path, monkeypatch):
    monkeypatch.setattr("dmfx.archive.saving._seal", lambda store, checksums: None)
    path = archive.save(sweep, tmp_path / f"run{suffix}")
    found = archive.check(path)
    assert any("never completed" in each.what for each in found)


def test_truncated_netcdf(sweep, tmp_path):
    path = archive.save(sweep, tmp_path / "run.nc")
    content = path.read_bytes()
    rng = np.random.default_rng(3)
    for length in [0, 1, 7, 8, 100, len(content) - 1, *rng.integers(0, len(content), 20)]:
        replace(path, content[:length])
        assert archive.check(path), length


def test_truncated_files_of_zarr(sweep, tmp_path):
    path = archive.save(sweep, tmp_path / "run.zarr")
    rng = np.random.default_rng(4)
    files = sorted(file for file in path.rglob("*") if file.is_file())
    for file in rng.choice(files, 30, replace=False):
        content = file.read_bytes()
        file.write_bytes(content[: rng.integers(len(content))])
        assert archive.check(path), file
        file.write_bytes(content)
    assert archive.check(path) == []


def test_files_that_do_not_belong_there_are_no_damage(sweep, tmp_path):
    path = archive.save(sweep, tmp_path / "run.zarr")
    (path / "notes").mkdir()
    for name in ("notes/today.txt", "m_o/c/0/0/0/0/7f3a.partial", "m_o/.DS_Store", "README"):
        (path / name).write_text("hello")
    (path / "m_o" / "c" / "77").mkdir()
    assert archive.check(path) == []
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of Zarr, about the folder
        xr.testing.assert_equal(archive.open(path).load(), sweep)


def test_array_that_does_not_belong_there(saved):
    if saved.suffix == ".nc":
        with netCDF4.Dataset(saved, "r+") as file:
            file.createVariable("more", "f8", ())
    else:
        zarr.open_group(saved, mode="r+").create_array("more", shape=(), dtype="f8")
    assert "dmfx_seal" in {each.where for each in archive.check(saved)}


def test_archive_of_a_later_version(sweep, suffix, tmp_path, monkeypatch):
    with monkeypatch.context() as patch:
        patch.setattr("dmfx.archive.layout.FORMAT", 99)
        path = archive.save(sweep, tmp_path / f"run{suffix}")
    with pytest.raises(ValueError, match="later version of dmfx"):
        archive.check(path)


@pytest.mark.parametrize("zarr_format", [2, 3])
def test_zarr_of_another_program(sweep, tmp_path, zarr_format):
    path = tmp_path / "other.zarr"
    group = zarr.open_group(path, mode="w", zarr_format=zarr_format)
    codec = numcodecs.Zstd() if zarr_format == 2 else "auto"
    array = group.create_array("inside/deep", shape=(40, 5), chunks=(10, 5), dtype="f8", compressors=codec)
    array[:30] = np.random.default_rng(0).normal(size=(30, 5))
    with pytest.warns(UserWarning, match="not written by dmfx"):
        assert archive.check(path) == []
    chunks = sorted(
        file
        for file in (path / "inside" / "deep").rglob("*")
        if file.is_file() and "zarr" not in file.name and file.name[0] != "."
    )
    chunks[1].write_bytes(chunks[1].read_bytes()[:-9])
    chunks[2].write_bytes(b"")
    with pytest.warns(UserWarning, match="not written by dmfx"):
        found = archive.check(path)
    assert [each.where for each in found] == ["chunk (1, 0) of inside/deep", "chunk (2, 0) of inside/deep"]


def test_a_zarr_array_without_a_group(tmp_path):
    zarr.create_array(tmp_path / "one.zarr", shape=(4,), dtype="i4", chunks=(2,))[:] = 1
    with pytest.warns(UserWarning, match="not written by dmfx"):
        assert archive.check(tmp_path / "one.zarr") == []


@pytest.mark.parametrize("format", ["NETCDF4", "NETCDF3_CLASSIC"])
def test_netcdf_of_another_program(tmp_path, format):
    path = tmp_path / "other.nc"
    rng = np.random.default_rng(0)
    with netCDF4.Dataset(path, "w", format=format) as file:
        file.createDimension("x", 3000)
        options = {"chunksizes": (100,), "fletcher32": True} if format == "NETCDF4" else {}
        group = file.createGroup("inside") if format == "NETCDF4" else file
        values = rng.normal(size=3000)
        stored = values[300:310].tobytes()
        group.createVariable("m", "f8", ("x",), **options)[:] = values
        file.createVariable("whole", "f4", ("x",))[:] = 1
        file.createVariable("scalar", "i4", ())[...] = 1
        if format == "NETCDF4":
            file.createVariable("words", str, ("x",))[:5] = np.array(list("abcde"), object)
    with pytest.warns(UserWarning, match="not written by dmfx"):
        assert archive.check(path) == []
    if format == "NETCDF4":
        content = path.read_bytes()
        start = content.index(stored)
        damaged = bytearray(content)
        damaged[start + 3] ^= 255
        replace(path, damaged)
        with pytest.warns(UserWarning, match="not written by dmfx"):
            assert [each.where for each in archive.check(path)] == ["chunk (3,) of inside/m"]


def test_on_other_schedulers(sweep, suffix, tmp_path):
    from distributed import Client

    path = archive.save(sweep, tmp_path / f"run{suffix}")
    if suffix == ".zarr":
        flip(path / "m_o/c/1/0/0/1/0")
    else:
        with netCDF4.Dataset(path, "r+") as file:
            file["m_o"][5, 0, 0, 15, 0] = 77
    on_threads = archive.check(path)
    assert [each.where for each in on_threads] == ["chunk (1, 0, 0, 1, 0) of m_o"]
    with dask.config.set(scheduler="synchronous"):
        assert archive.check(path) == on_threads
    with dask.config.set(num_workers=7):
        assert archive.check(path) == on_threads
    with Client(processes=False, n_workers=1, threads_per_worker=2, dashboard_address=":0"):
        assert archive.check(path) == on_threads


def test_one_chunk_in_memory_at_a_time(tmp_path):
    """A store of 64 chunks of 4 MB, in a process that may have 100 MB more than it begins with."""
    ds = xr.Dataset({"m": (("x", "y"), np.zeros((64, 500_000)))}).chunk(x=1)
    path = archive.save(ds, tmp_path / "run.zarr")
    code = """
        import resource, sys
        import dmfx
        from dmfx.archive import check
        before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        assert check(sys.argv[1]) == []
        print((resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) / 1024)
    """
    done = subprocess.run(
        [sys.executable, "-c", textwrap.dedent(code), path], capture_output=True, text=True, check=True
    )
    assert float(done.stdout) < 100


def test_progress(saved, capsys):
    archive.check(saved, progress=True)
    captured = capsys.readouterr()
    assert captured.out == ""
    first, *_, last = captured.err.splitlines()
    assert first.startswith("checking: 0 of ")
    assert "chunks (100%), ended after" in last
    archive.check(saved)
    assert capsys.readouterr().err == ""


def test_wrong_paths(tmp_path):
    (tmp_path / "link.zarr").symlink_to(tmp_path / "nowhere.zarr")
    with pytest.raises(FileNotFoundError, match=r"link\.zarr is a link to .*nowhere\.zarr, which does not exist"):
        archive.check(tmp_path / "link.zarr")
    with pytest.raises(FileNotFoundError, match="there is no archive at"):
        archive.check(tmp_path / "missing.nc")
    (tmp_path / "folder" / "inside").mkdir(parents=True)
    with pytest.raises(ValueError, match="is a folder, but no Zarr group"):
        archive.check(tmp_path / "folder")
    (tmp_path / "text.txt").write_text("hello")
    with pytest.raises(ValueError, match="is a file, but not a NetCDF file"):
        archive.check(tmp_path / "text.txt")
    (tmp_path / "text.zarr").write_text("hello")
    with pytest.raises(ValueError, match="is a file, but not the folder of a Zarr group"):
        archive.check(tmp_path / "text.zarr")
    os.mkfifo(tmp_path / "pipe.nc")
    with pytest.raises(ValueError, match="neither a file nor a folder"):
        archive.check(tmp_path / "pipe.nc")
    for wrong in (3, None, xr.Dataset()):
        with pytest.raises(TypeError, match="path must be a path"):
            archive.check(wrong)
    with pytest.raises(TypeError, match="progress must be True or False"):
        archive.check(tmp_path, progress="yes")


@contextlib.contextmanager
def _not_root():
    """Root may read everything."""
    own = os.geteuid()
    if own == 0:
        os.seteuid(65534)
    try:
        yield
    finally:
        os.seteuid(own)


@pytest.fixture
def public():
    """A folder that every user may enter, which those of pytest are not."""
    with tempfile.TemporaryDirectory() as folder:
        Path(folder).chmod(0o755)
        yield Path(folder)


def test_without_permission(sweep, suffix, public):
    saved = archive.save(sweep, public / f"run{suffix}")
    pieces = ["zarr.json", "m_o/zarr.json", "m_o/c/0/0/0/0/0", f"{CHECKSUMS}/c/0", "m_o", "m_o/c/1"]
    for hidden in [saved] if saved.is_file() else [saved, *(saved / piece for piece in pieces)]:
        mode = hidden.stat().st_mode
        hidden.chmod(0)
        with (
            _not_root(),
            pytest.raises(PermissionError, match=f"check: there is no permission to read .*{hidden.name}"),
        ):
            dmfx.check(saved)
        hidden.chmod(mode)
    with _not_root():
        assert dmfx.check(saved) == []


def test_worker_that_does_not_see_the_archive(sweep, tmp_path):
    from dmfx.archive.checking import _check_run
    from dmfx.archive.contents import contents_of

    path = archive.save(sweep, tmp_path / "run.zarr")
    array = contents_of(path).arrays[0]
    shutil.move(path, tmp_path / "elsewhere.zarr")
    with pytest.raises(FileNotFoundError, match="not on a file system that all workers share"):
        _check_run(path, array, 0, array.count)


def test_archive_replaced_meanwhile(sweep, tmp_path, monkeypatch):
    path = archive.save(sweep, tmp_path / "run.zarr")
    from dmfx.archive import checking

    run = checking._check_all

    def replace_first(*arguments):
        archive.save(sweep.isel(beta=slice(3)), path, overwrite=True)
        return run(*arguments)

    monkeypatch.setattr(checking, "_check_all", replace_first)
    with pytest.raises(ArchiveError, match="replaced while it was checked"):
        archive.check(path)
