"""A damaged archive raises an error that names it; it never gives a wrong value."""

from __future__ import annotations

import os
import pickle
import shutil

import numpy as np
import pytest
import xarray as xr

from dmfx import archive
from dmfx.archive import ArchiveError


@pytest.fixture
def saved(sweep, suffix, tmp_path):
    return archive.save(sweep, tmp_path / f"run{suffix}")


def _is_refused_or_intact(path, expected: xr.Dataset) -> bool:
    """Whether the archive was refused; a wrong value fails."""
    try:
        opened = archive.open(path).load()
    except ArchiveError as error:
        words = str(error)
        return words.startswith(str(path)) and ("copy it again" in words or "copied again" in words)
    xr.testing.assert_identical(opened, expected)
    assert all(opened[name].values.tobytes() == expected[name].values.tobytes() for name in expected.variables)
    return False


def _flip(path, position: int, bit: int) -> None:
    content = bytearray(path.read_bytes())
    content[position] ^= 1 << bit
    path.write_bytes(content)


def test_truncated_netcdf(sweep, tmp_path):
    path = archive.save(sweep, tmp_path / "run.nc")
    content = path.read_bytes()
    rng = np.random.default_rng(3)
    for length in [1, 7, 8, 100, len(content) - 1, *rng.integers(0, len(content), 60)]:
        path.write_bytes(content[:length])
        with pytest.raises(ArchiveError, match=r"run\.nc: "):
            archive.open(path)


def test_flipped_byte_in_netcdf(sweep, tmp_path):
    path = archive.save(sweep, tmp_path / "run.nc")
    expected = archive.open(path).load()
    content = path.read_bytes()
    rng = np.random.default_rng(4)
    # Half of the file is room that HDF5 keeps for metadata and does not use.
    refused = 0
    for position in rng.integers(0, len(content), 40):
        path.write_bytes(content)
        _flip(path, position, rng.integers(8))
        refused += _is_refused_or_intact(path, expected)
    assert refused > 2


def test_flipped_byte_in_zarr(sweep, tmp_path):
    path = archive.save(sweep, tmp_path / "run.zarr")
    expected = archive.open(path).load()
    files = sorted(file for file in path.rglob("*") if file.is_file())
    rng = np.random.default_rng(5)
    for file in [*rng.choice(files, 50), path / "zarr.json", path / "m_o" / "zarr.json"]:
        content = file.read_bytes()
        _flip(file, rng.integers(len(content)), rng.integers(8))
        refused = _is_refused_or_intact(path, expected)
        assert refused or file.name == "zarr.json"
        file.write_bytes(content)
    assert not _is_refused_or_intact(path, expected)


def test_damage_is_found_without_the_help_of_the_format(tmp_path, suffix):
    """Values that another program changed, with the format's own checksums in order."""
    import netCDF4
    import zarr

    ds = xr.Dataset({"m": ("x", np.arange(4.0)), "scalar": 1.5})
    for name in ("m", "scalar"):
        path = archive.save(ds, tmp_path / f"{name}{suffix}")
        if suffix == ".nc":
            with netCDF4.Dataset(path, "r+") as file:
                file[name][...] = 0
        else:
            zarr.open_group(path, mode="r+")[name][...] = 5
        opened = archive.open(path)
        with pytest.raises(ArchiveError, match=f"of '{name}' is not what was written"):
            opened.load()


def test_edited_attribute(saved):
    import netCDF4
    import zarr

    if saved.suffix == ".nc":
        with netCDF4.Dataset(saved, "r+") as file:
            file["m_o"].units = "2"
    else:
        zarr.open_group(saved, mode="r+")["m_o"].attrs["units"] = "2"
    with pytest.raises(ArchiveError, match=r"attributes .* are not those that were saved.*xarray\.open_dataset"):
        archive.open(saved)


def test_missing_pieces_of_zarr(sweep, tmp_path):
    path = archive.save(sweep, tmp_path / "run.zarr")
    for piece in ("zarr.json", "m_o/zarr.json", "m_o/c/0/0/0/1/0", "status/c", "epsilon/c", "dmfx_checksums", "beta"):
        shutil.move(path / piece, tmp_path / "kept")
        with pytest.raises(ArchiveError, match=r"run\.zarr: "):
            archive.open(path)
        shutil.move(tmp_path / "kept", path / piece)
    archive.open(path).load()


def test_chunk_lost_after_opening(sweep, tmp_path):
    path = archive.save(sweep, tmp_path / "run.zarr")
    opened = archive.open(path)
    (path / "m_o/c/1/0/0/1/0").unlink()
    with pytest.raises(ArchiveError, match=r"chunk \(1, 0, 0, 1, 0\) of 'm_o'"):
        opened["m_o"].load()


@pytest.mark.parametrize("content", [b"", b"no archive", os.urandom(5000), b"\x89HDF\r\n\x1a\n" + bytes(500)])
def test_not_an_archive(content, tmp_path):
    for name in ("run.nc", "run.zarr"):
        path = tmp_path / name
        path.write_bytes(content)
        with pytest.raises(ArchiveError, match=name):
            archive.open(path)


def test_folder_that_is_no_archive(tmp_path):
    with pytest.raises(ArchiveError, match=r"zarr\.json is missing"):
        archive.open(tmp_path)


def test_incomplete_archive(sweep, suffix, tmp_path, monkeypatch):
    monkeypatch.setattr("dmfx.archive.saving._seal", lambda store, checksums: None)
    path = archive.save(sweep, tmp_path / f"run{suffix}")
    with pytest.raises(ArchiveError, match="never completed"):
        archive.open(path)


def test_archive_of_a_later_version(sweep, suffix, tmp_path, monkeypatch):
    with monkeypatch.context() as patch:
        patch.setattr("dmfx.archive.layout.FORMAT", 99)
        path = archive.save(sweep, tmp_path / f"run{suffix}")
    with pytest.raises(ArchiveError, match="later version of dmfx"):
        archive.open(path)


def test_wrong_paths(tmp_path):
    with pytest.raises(FileNotFoundError, match=r"missing\.nc"):
        archive.open(tmp_path / "missing.nc")
    for wrong in (3, None, xr.Dataset()):
        with pytest.raises(TypeError, match="path must be a path"):
            archive.open(wrong)


def test_moved_replaced_and_deleted_while_open(saved, sweep, tmp_path):
    opened = archive.open(saved)
    moved = saved.rename(tmp_path / f"moved{saved.suffix}")
    with pytest.raises(FileNotFoundError, match="moved or deleted"):
        opened["m_o"].load()
    archive.save(sweep * 2, saved)
    with pytest.raises(ArchiveError, match="replaced since it was opened"):
        opened["m_o"].load()
    xr.testing.assert_equal(archive.open(moved).load(), sweep)


def test_opened_dataset_can_be_sent_elsewhere(saved, sweep, tmp_path, monkeypatch):
    monkeypatch.chdir(saved.parent)
    opened = archive.open(saved.name)
    monkeypatch.chdir("/")
    xr.testing.assert_equal(pickle.loads(pickle.dumps(opened)), sweep)
