"""Checking an archive: every chunk is read, and everything that is wrong is listed."""

from __future__ import annotations

import contextlib
import os
import socket
import stat
import warnings
from collections.abc import Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor, as_completed
from pathlib import Path
from typing import Any

from dmfx.archive.contents import Content, contents_of
from dmfx.archive.errors import damaged
from dmfx.archive.probing import probe
from dmfx.archive.verifying import Damage, attempt
from dmfx.progress import Progress, active_client
from dmfx.validation import describe

__all__ = ["Damage", "check"]

#: What one task reads at most, in bytes: some tenths of a second.
TASK_BYTES = 256 * 2**20
#: What opening and reading a chunk costs besides its bytes, in bytes that could be read meanwhile.
CHUNK_BYTES = 64 * 2**10

_NETCDF_SUFFIXES = (".nc", ".nc4", ".cdf", ".netcdf")
_NETCDF_STARTS = (b"\x89HDF", b"CDF\x01", b"CDF\x02", b"CDF\x05")


def check(path: str | os.PathLike[str], *, progress: bool = False) -> list[Damage]:
    """Read every chunk of an archive and list all that is damaged.

    Values are read chunk by chunk, on the workers of the active ``distributed.Client`` if there is one and
    otherwise on threads, and compared with the checksums that they were saved with. Nothing is written.

    Parameters
    ----------
    path
        A NetCDF file or the folder of a Zarr group: an archive of :func:`dmfx.save`, the store of a sweep,
        finished or not, or a file of another program.
    progress
        Show how far it is.

    Returns
    -------
    list of Damage
        What is damaged: ``where`` (an array and the index of its chunk, or a file) and ``what`` is wrong. Empty
        if the archive is sound. Chunks are checked as far as possible even where names, attributes or
        checksums are damaged too.

    Raises
    ------
    FileNotFoundError
        There is nothing at ``path``, or a worker does not see it there.
    PermissionError
        Something in it must not be read by this user.
    ValueError
        ``path`` is neither a NetCDF file nor a Zarr group, or a later version of dmfx wrote it.
    TypeError
        An argument is wrong.

    Warns
    -----
    UserWarning
        Another program wrote the file: there are no checksums to compare with, and what is listed is only
        what cannot be read.

    Notes
    -----
    A NetCDF file is first opened in a process of its own, which takes half a second: a damaged one can keep HDF5
    busy for ever. A box of a sweep that was not computed yet is no damage. CRC-32 misses one random change of a
    chunk in four thousand million.

    Examples
    --------
    >>> import tempfile, pathlib, numpy as np, xarray as xr, dmfx.archive
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     path = dmfx.archive.save(xr.Dataset({"m": ("step", np.ones(4))}), pathlib.Path(folder) / "run.zarr")
    ...     before = dmfx.archive.check(path)
    ...     (path / "m" / "c" / "0").unlink()
    ...     after = dmfx.archive.check(path)
    >>> before, [str(damage) for damage in after]
    ([], ['chunk (0,) of m: is missing'])
    """
    if not isinstance(progress, bool):
        raise TypeError(f"check: progress must be True or False, not {describe(progress)}")
    path = _path(path)
    problem = None if path.is_dir() else probe(path)
    if problem is not None:
        return [Damage(path.name, problem)]
    try:
        content = contents_of(path)
    except PermissionError as error:
        raise _forbidden(path, error) from error
    if content.foreign:
        warnings.warn(
            f"check: {path} was not written by dmfx: it has no checksums, and only what cannot be read is found",
            stacklevel=2,
        )
    found = [*content.damages, *_check_all(path, content, progress)]
    if found and not content.is_current():
        raise damaged(path, "it was replaced while it was checked", advice="check it again")
    return found


def _path(path: str | os.PathLike[str]) -> Path:
    """The absolute path of something that may be an archive."""
    if not isinstance(path, (str, os.PathLike)):
        raise TypeError(f"check: path must be a path, not {describe(path)}")
    path = Path(os.path.abspath(Path(path).expanduser()))
    try:
        mode = path.stat().st_mode
        if stat.S_ISDIR(mode):
            _check_folder(path)
        elif stat.S_ISREG(mode):
            _check_file(path)
        else:
            raise ValueError(f"check: {path} is neither a file nor a folder")
    except PermissionError as error:
        raise _forbidden(path, error) from error
    except FileNotFoundError as error:
        if path.is_symlink():
            raise FileNotFoundError(f"check: {path} is a link to {os.readlink(path)}, which does not exist") from error
        raise FileNotFoundError(f"check: there is no archive at {path}") from error
    return path


def _check_folder(path: Path) -> None:
    marks = ("zarr.json", ".zgroup", ".zmetadata", ".zarray")
    with os.scandir(path) as entries:
        folders = [path, *(path / entry.name for entry in entries if entry.is_dir())]
    # Of a group that has lost its own, the arrays still have theirs.
    if not any(os.path.lexists(folder / mark) for folder in folders for mark in marks):
        raise ValueError(f"check: {path} is a folder, but no Zarr group")


def _check_file(path: Path) -> None:
    with path.open("rb") as file:
        start = file.read(4)
    if start not in _NETCDF_STARTS and path.suffix not in _NETCDF_SUFFIXES:
        kind = "the folder of a Zarr group" if path.suffix == ".zarr" else "a NetCDF file"
        raise ValueError(f"check: {path} is a file, but not {kind}")


def _forbidden(path: Path, error: PermissionError) -> PermissionError:
    where = error.filename or path
    return PermissionError(error.errno, f"check: there is no permission to read {where}")


def _check_all(path: Path, content: Content, progress: bool) -> list[Damage]:
    """Check all chunks in parallel; damages come in the order of the chunks."""
    runs = list(_runs(content))
    if not runs:
        return []
    client = active_client()
    with _Pool(client, threads=1 if content.store.one_writer else _threads()) as pool:
        futures = {pool.submit(_check_run, path, *run): number for number, run in enumerate(runs)}
        found: list[Sequence[Damage]] = [()] * len(runs)
        total = sum(stop - start for _, start, stop in runs)
        with Progress("checking", total, unit="chunk", shown=progress) as bar:
            for future in pool.as_completed(futures):
                number = futures[future]
                found[number] = future.result()
                bar.advance(runs[number][2] - runs[number][1])
    return [damage for each in found for damage in each]


def _runs(content: Content) -> Iterator[tuple[Any, int, int]]:
    """Cut the chunks of each array into runs, one task each: a first and, exclusive, a last number."""
    costs = [max(array.chunk_bytes, CHUNK_BYTES) for array in content.arrays]
    total = sum(cost * array.count for cost, array in zip(costs, content.arrays, strict=True))
    limit = min(TASK_BYTES, total // (8 * _threads()) + 1)
    for cost, array in zip(costs, content.arrays, strict=True):
        length = max(1, limit // cost)
        for start in range(0, array.count, length):
            stop = min(start + length, array.count)
            yield array.part(start, stop), start, stop


def _check_run(path: Path, array: Any, start: int, stop: int) -> list[Damage]:
    """What is damaged in a run of chunks. Only one of them is in memory at a time."""
    found: list[Damage] = []
    where = f"chunks {start} to {stop - 1} of {array.name}"
    try:
        with contextlib.ExitStack() as stack:
            handle = None
            with attempt(found, where):
                handle = stack.enter_context(array.reading())
            for number in range(start, stop) if not found else ():
                found += array.check(handle, number)
    except PermissionError as error:
        raise _forbidden(path, error) from error
    if found and not path.exists():
        raise FileNotFoundError(
            f"check: {path} does not exist on {socket.gethostname()}: it was moved or deleted, or is not on a file "
            "system that all workers share"
        )
    return found


def _threads() -> int:
    import dask
    from dask.base import get_scheduler
    from dask.local import get_sync
    from dask.system import CPU_COUNT

    if get_scheduler() is get_sync:
        return 1
    return int(dask.config.get("num_workers", None) or CPU_COUNT)


class _Pool:
    """Threads, or the workers of a client; on errors and Ctrl-C, what has not begun is dropped."""

    def __init__(self, client: Any, threads: int):
        self.client = client
        self.threads = None if client is not None else ThreadPoolExecutor(threads, thread_name_prefix="dmfx-check")
        self.futures: list[Any] = []

    def submit(self, function: Any, *arguments: Any) -> Any:
        if self.threads is not None:
            future: Any = self.threads.submit(function, *arguments)
        else:
            future = self.client.submit(function, *arguments, pure=False)
        self.futures.append(future)
        return future

    def as_completed(self, futures: Any) -> Iterator[Future[Any]]:
        if self.threads is not None:
            yield from as_completed(futures)
        else:
            from distributed import as_completed as completed_on_workers

            yield from completed_on_workers(list(futures))

    def __enter__(self) -> _Pool:
        return self

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
        if self.threads is not None:
            self.threads.shutdown(cancel_futures=True)
        elif kind is not None:
            self.client.cancel(self.futures)
