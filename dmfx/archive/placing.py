"""Putting an archive in its place: what may be replaced, and never anything that nobody asked to replace."""

from __future__ import annotations

import os
import shutil
import time
import uuid
from pathlib import Path

from dmfx.validation import describe

__all__ = ["check_target", "put_in_place", "remove"]

_SUFFIXES = (".nc", ".zarr")


def check_target(path: str | os.PathLike[str], overwrite: bool) -> Path:
    """The path to save to, refused with what to do unless an archive may be put there."""
    if not isinstance(path, (str, os.PathLike)):
        raise TypeError(f"save: path must be a path, not {describe(path)}")
    if not isinstance(overwrite, bool):
        raise TypeError(f"save: overwrite must be True or False, not {describe(overwrite)}")
    target = Path(path).expanduser()
    if target.suffix not in _SUFFIXES:
        raise ValueError(f"save: path must end in .nc (NetCDF) or .zarr (Zarr), not {str(target)!r}")
    if not target.parent.is_dir():
        raise FileNotFoundError(f"save: there is no folder {target.parent}: create it first")
    if os.path.lexists(target):
        if not overwrite:
            raise FileExistsError(f"save: {target} exists: pass overwrite=True to replace it, or another path")
        _check_replaceable(target)
    return target


def _check_replaceable(target: Path) -> None:
    """Refuse to replace, even when asked to, what is no archive: a folder may hold anything."""
    if target.is_dir():
        marks = ("zarr.json", ".zgroup", ".zmetadata")
        is_zarr = any((target / name).exists() for name in marks) or not any(target.iterdir())
        is_archive = target.suffix == ".zarr" and is_zarr
    else:
        is_archive = target.suffix == ".nc" or target.is_symlink()
    if not is_archive:
        raise FileExistsError(f"save: {target} is not an archive of that kind: move it away or choose another path")


def put_in_place(partial: Path, target: Path, overwrite: bool) -> None:
    """Rename; without ``overwrite`` in a way that fails if somebody else was faster."""
    if partial.is_dir():
        _put_folder_in_place(partial, target, overwrite)
        return
    with partial.open("rb") as file:
        os.fsync(file.fileno())
    if overwrite:
        os.replace(partial, target)
        return
    try:
        os.link(partial, target)
    except FileExistsError as error:
        raise _appeared(target) from error
    except OSError:  # a file system without hard links
        if os.path.lexists(target):
            raise _appeared(target) from None
        os.rename(partial, target)
    else:
        partial.unlink()


def _put_folder_in_place(partial: Path, target: Path, overwrite: bool) -> None:
    """A folder cannot be replaced in one step: the old one is moved aside, and back if the new one does not move."""
    if not os.path.lexists(target):
        os.rename(partial, target)
        return
    if not overwrite:
        raise _appeared(target)
    old = target.with_name(f"{target.name}.{uuid.uuid4().hex[:8]}.old")
    os.rename(target, old)
    try:
        os.rename(partial, target)
    except BaseException:
        os.rename(old, target)
        raise
    remove(old)


def _appeared(target: Path) -> FileExistsError:
    return FileExistsError(f"save: {target} was created by another program while this one was saving; it is kept")


def remove(path: Path) -> None:
    """Delete a file or a folder; a task that still runs may add a chunk while its folder is being deleted."""
    for _ in range(3):
        if path.is_dir() and not path.is_symlink():
            # Without this, tasks that still run know that the group is given up.
            (path / "zarr.json").unlink(missing_ok=True)
            shutil.rmtree(path, ignore_errors=True)
        elif os.path.lexists(path):
            # HDF5 keeps a file open that it could not complete on a full disk: give its room back. Not if it has a
            # second name, which is the archive in its place.
            if path.is_file() and path.stat().st_nlink == 1:
                os.truncate(path, 0)
            path.unlink(missing_ok=True)
        if not os.path.lexists(path):
            return
        time.sleep(0.05)
