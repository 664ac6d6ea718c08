"""Saving a dataset: written aside, chunk by chunk, and put in place when it is complete."""

from __future__ import annotations

import contextlib
import functools
import multiprocessing
import os
import uuid
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import xarray as xr
from xarray.backends.locks import get_dask_scheduler, get_write_lock

from dmfx.archive.chunkio import Store, read_chunk, seal_of, write_chunk, writing_errors
from dmfx.archive.chunks import iterate_chunks
from dmfx.archive.layout import CHECKSUMS, SEAL, Layout, Stored, plan
from dmfx.archive.netcdf import NetCDFStore
from dmfx.archive.placing import check_target, put_in_place, remove
from dmfx.archive.zarr import ZarrStore
from dmfx.progress import compute_with_progress
from dmfx.validation import describe

__all__ = ["save"]

_STORES: dict[str, type[NetCDFStore] | type[ZarrStore]] = {".nc": NetCDFStore, ".zarr": ZarrStore}


def save(ds: xr.Dataset, path: str | os.PathLike[str], *, overwrite: bool = False, progress: bool = False) -> Path:
    """Save a dataset as NetCDF or Zarr, with nothing lost.

    What is lazy is computed on the active Dask scheduler and written chunk by chunk; the whole is never
    in memory. The archive is written under a temporary name ending in ``.partial`` and put in place when
    it is complete: a computation that fails or is killed, or a full disk, leaves nothing that opens.

    :func:`dmfx.open` returns every value bit for bit, with names, dims, dtypes, chunks and attributes,
    except that attributes come back as Python's own types (tuples and NumPy arrays as lists, NumPy
    scalars as numbers), and that the file says ``Conventions`` where the dataset did not and one more
    line in ``history``.

    Parameters
    ----------
    ds
        What to save. It is not modified.
    path
        Where to, ending in ``.nc`` (NetCDF-4) or ``.zarr`` (Zarr v3).
    overwrite
        Replace an archive that exists; it is kept until the new one is complete.
    progress
        Show how far the computation is.

    Returns
    -------
    pathlib.Path
        The path.

    Raises
    ------
    FileExistsError
        There is something at ``path`` already.
    FileNotFoundError
        The folder to save in does not exist.
    OSError
        The disk is full or not writable.
    TypeError, ValueError
        An argument is wrong, or the dataset holds something that cannot be stored (Python objects, a
        multi-index).

    Notes
    -----
    Complex variables are stored as two real ones, Booleans as bytes, strings as UTF-8 characters, and
    dates as integers; all other attributes than strings, numbers and lists of numbers go into one JSON
    string, ``dmfx_attrs``. Several processes write a NetCDF file in turns, and a Zarr archive at the same
    time.

    Examples
    --------
    >>> import tempfile, pathlib, xarray as xr, dmfx.archive
    >>> ds = xr.Dataset({"phase": ("step", [1j, -1])}, attrs={"exact": True, "tags": ["a"]})
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     path = dmfx.archive.save(ds, pathlib.Path(folder) / "run.nc")
    ...     again = dmfx.archive.open(path).load()
    >>> again.equals(ds), again.attrs["exact"], again.attrs["tags"]
    (True, True, ['a'])
    """
    if not isinstance(ds, xr.Dataset):
        hint = ""
        if isinstance(ds, xr.DataArray):
            hint = "; make it one with .to_dataset(name=...)"
        elif hasattr(ds, "to_dataset"):
            hint = "; make it one with .to_dataset(), as in dmfx.save(net.to_dataset(), path)"
        raise TypeError(f"save: ds must be an xarray.Dataset, not {describe(ds)}{hint}")
    target = check_target(path, overwrite)
    layout, arrays, attrs = plan(ds)
    partial = target.with_name(f"{target.name}.{uuid.uuid4().hex[:8]}.partial")
    store = _STORES[target.suffix](partial)
    try:
        with writing_errors(target):
            store.create(arrays, attrs)
        checksums = _write(ds, layout, store, progress)
        with writing_errors(target):
            _seal(store, checksums)
        put_in_place(partial, target, overwrite)
    except BaseException:
        remove(partial)
        raise
    return target


def _write(ds: xr.Dataset, layout: Layout, store: Store, progress: bool) -> np.ndarray:
    """Write all variables; those in memory at once, then those to compute, together."""
    checksums = np.zeros(layout.count, np.uint32)
    offsets = layout.offsets
    lazy = {}
    for name, stored in layout.variables.items():
        var = ds.variables[name]
        if stored.count == 0:
            continue
        if var.chunks is None:
            crcs = _write_loaded(store, stored, var)
            checksums[offsets[name] : offsets[name] + stored.count] = crcs
        else:
            lazy[name] = var.data
    if not lazy:
        return checksums
    with _write_lock(store) as lock:
        written = [_write_lazy(store, layout.variables[name], data, lock) for name, data in lazy.items()]
        results = compute_with_progress(*written, progress=progress, description="saving")
    for name, crcs in zip(lazy, results, strict=True):
        checksums[offsets[name] : offsets[name] + crcs.size] = crcs.ravel()
    if store.one_writer and get_dask_scheduler() == "distributed":
        _verify(store, layout, list(lazy), checksums)
    return checksums


@contextlib.contextmanager
def _write_lock(store: Store) -> Iterator[Any]:
    """A lock that all tasks share, wherever they run; Zarr needs none."""
    if not store.one_writer:
        yield contextlib.nullcontext()
    elif get_dask_scheduler() == "multiprocessing":
        # Dask starts its processes by itself, so that a lock cannot be inherited, which is what xarray's does.
        with multiprocessing.get_context("spawn").Manager() as manager:
            yield manager.Lock()
    else:
        yield get_write_lock(str(store.path))


def _write_loaded(store: Store, stored: Stored, var: xr.Variable) -> list[int]:
    crcs = []
    for index in iterate_chunks(stored.grid):
        # Read before the NetCDF library is locked: the values may come from another file.
        values = var[stored.where(index)].values
        with writing_errors(store.path), store.writing() as handle:
            crcs.append(write_chunk(store, handle, stored, index, values))
    return crcs


def _write_lazy(store: Store, stored: Stored, data: Any, lock: Any) -> Any:
    """A Dask array of checksums, one per chunk, that writes the chunks as it is computed."""
    data = data.rechunk(stored.chunks)
    task = functools.partial(_write_block, store=store, stored=stored, lock=lock)
    return data.map_blocks(
        task,
        chunks=tuple((1,) * count for count in stored.grid),
        dtype=np.uint32,
        meta=np.empty((0,) * data.ndim, np.uint32),
        name=f"dmfx-save-{stored.parts[0]}-{uuid.uuid4().hex}",
    )


def _write_block(
    block: np.ndarray, block_id: tuple[int, ...], *, store: Store, stored: Stored, lock: Any
) -> np.ndarray:
    values = np.asarray(block)
    with lock, writing_errors(store.path), store.writing() as handle:
        crc = write_chunk(store, handle, stored, block_id, values)
    return np.full((1,) * len(block_id), crc, np.uint32)


def _verify(store: Store, layout: Layout, names: list[str], checksums: np.ndarray) -> None:
    """Read everything again: a worker that is killed while it has the NetCDF file open may damage it."""
    with store.reading() as handle:
        for name in names:
            stored = layout.variables[name]
            for number, index in enumerate(iterate_chunks(stored.grid), layout.offsets[name]):
                read_chunk(store, handle, stored, index, int(checksums[number]))


def _seal(store: Store, checksums: np.ndarray) -> None:
    """Write the checksums, then the mark of a complete archive."""
    with store.writing() as handle:
        if checksums.size:
            store.put(handle, CHECKSUMS, (slice(0, checksums.size),), checksums)
    with store.reading() as handle:
        seal = seal_of(*store.header(handle), checksums)
    with store.writing() as handle:
        store.set_attr(handle, SEAL, seal)
