"""Opening an archive: labels at once, values when they are needed, and nothing that is damaged."""

from __future__ import annotations

import os
import types
from collections.abc import Mapping
from numbers import Integral
from pathlib import Path
from typing import Any

import numpy as np
import xarray as xr
from xarray.backends import BackendArray
from xarray.core import indexing

from dmfx.archive.assembling import assemble, of_reduction
from dmfx.archive.attributes import decode_attrs
from dmfx.archive.chunkio import Store, read_chunk, reading_errors, seal_of
from dmfx.archive.chunks import OPENED_BYTES, fit_chunks, iterate_chunks
from dmfx.archive.errors import damaged
from dmfx.archive.layout import ARCHIVE, CHECKSUMS, ID, SEAL, Layout, Stored
from dmfx.archive.netcdf import NetCDFStore
from dmfx.archive.parts import is_sweep, later_path, load_parts
from dmfx.archive.values import decode, stored_dtype
from dmfx.archive.zarr import ZarrStore
from dmfx.validation import describe

__all__ = ["open"]

AS_SAVED: Mapping[str, int] = types.MappingProxyType({})


def open(path: str | os.PathLike[str], *, chunks: Any = AS_SAVED, reduction: str | None = None) -> xr.Dataset:
    """Open an archive that :func:`dmfx.save` wrote, a store of `dmfx.sweep`, or any other NetCDF file or Zarr group.

    Nothing but labels is read at first. Every chunk that is read later is compared with the checksum it was
    saved with, so that a damaged archive raises and never gives a wrong value. The file is open only while
    it is read, and may be moved or deleted.

    Parameters
    ----------
    path
        A NetCDF file or the folder of a Zarr group.
    chunks
        ``{}``, the default, restores the chunks that the variables had, as Dask arrays; ``{"beta": 100}``
        changes some of them; ``None`` does without Dask and reads what is asked for when it is asked for.
    reduction
        Of a sweep with several reductions: what this one returned, under the names that the analysis gives.

    Returns
    -------
    xr.Dataset
        The dataset as it was saved. Of a store of a sweep that is not finished: points that have not been computed are
        NaN, integers -1, and ``status`` says "missing".

    Raises
    ------
    FileNotFoundError
        There is nothing at ``path``.
    dmfx.archive.ArchiveError
        The archive is damaged or incomplete (a ValueError). Damage within a chunk is found when it is read.
    TypeError
        ``path`` is not a path.
    ValueError
        The sweep has no such reduction.

    Notes
    -----
    Files of other programs open as xarray opens them, without checksums, except that numbers are never taken
    for times. To read a damaged archive anyway, use :func:`xarray.open_dataset`.

    Examples
    --------
    >>> import tempfile, pathlib, numpy as np, xarray as xr, dmfx.archive
    >>> ds = xr.Dataset({"m": (("beta", "step"), np.ones((4, 3)))}).chunk(beta=2)
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     path = dmfx.archive.save(ds, pathlib.Path(folder) / "run.zarr")
    ...     again = dmfx.archive.open(path)
    ...     total = float(again["m"].sum())
    >>> again["m"].chunks, total
    (((2, 2), (3,)), 12.0)
    """
    if not isinstance(path, (str, os.PathLike)):
        raise TypeError(f"open: path must be a path, not {describe(path)}")
    # Dask may read elsewhere, or after a change of folder.
    path = Path(os.path.abspath(Path(path).expanduser()))
    if not path.exists():
        raise FileNotFoundError(f"open: there is no archive at {path}")
    store: Store = ZarrStore(path) if path.is_dir() else NetCDFStore(path)
    if not (chunks is None or isinstance(chunks, (Mapping, Integral)) or chunks == "auto"):
        raise TypeError(
            f"open: chunks must be a mapping from dims to sizes, 'auto', an integer or None, not {chunks!r}"
        )
    own = isinstance(chunks, Mapping) and len(chunks) > 0
    if reduction is not None and (later := later_path(path, str(reduction))).exists():
        return open(later, chunks=chunks)
    as_saved = {} if own else chunks
    with reading_errors(path, "opening"):
        if is_sweep(path):
            ds = assemble(load_parts(path), as_saved)
        else:
            opened = _read_header(store)
            ds = _open_foreign(store, as_saved) if opened is None else _assemble(store, *opened, as_saved)
    if reduction is not None:
        ds = of_reduction(ds, reduction)
    if own:
        if unknown := [dim for dim in chunks if dim not in ds.dims]:
            names = ", ".join(map(repr, unknown))
            raise ValueError(f"open: chunks: there is no dim {names}; the dims are {', '.join(map(str, ds.dims))}")
        ds = ds.chunk(chunks)
    ds.encoding["source"] = str(path)
    return ds


def _read_header(store: Store) -> tuple[Layout, np.ndarray, dict[str, Any], dict[str, Any]] | None:
    """Layout, checksums and attributes of an intact archive, None for a file of another program."""
    if isinstance(store, NetCDFStore):
        store.check_start()
    elif not (store.path / "zarr.json").exists():
        if any((store.path / name).exists() for name in (".zgroup", ".zmetadata")):
            return None  # Zarr v2, which dmfx does not write
        raise damaged(store.path, "zarr.json is missing, so that this is not a Zarr group")
    with store.reading() as handle:
        root, arrays = store.header(handle)
        if not {ARCHIVE, ID, SEAL, CHECKSUMS} & {*root, *arrays}:
            return None
        if SEAL not in root:
            raise damaged(store.path, "it was never completed")
        missing = {ARCHIVE, ID} - set(root) | {CHECKSUMS} - set(arrays)
        if missing:
            raise damaged(store.path, f"{', '.join(sorted(missing))} is missing")
        layout = Layout.from_json(root[ARCHIVE], root[ID])
        checksums = store.get(handle, CHECKSUMS, (slice(0, layout.count),))
    if seal_of(root, arrays, checksums) != root[SEAL]:
        what = "its attributes or dimensions are not those that were saved"
        advice = (
            "copy it again from an intact source, or, if another program edited it on purpose, read it without "
            "checks with xarray.open_dataset"
        )
        raise damaged(store.path, what, advice=advice)
    if isinstance(store, ZarrStore):
        store.check_chunks(layout)
    return layout, checksums, root, arrays


def _assemble(
    store: Store,
    layout: Layout,
    checksums: np.ndarray,
    root: dict[str, Any],
    arrays: dict[str, Any],
    chunks: Any,
) -> xr.Dataset:
    variables = {}
    offsets = layout.offsets
    for name, stored in layout.variables.items():
        crcs = checksums[offsets[name] : offsets[name] + stored.count].reshape(stored.grid)
        data = indexing.LazilyIndexedArray(StoredArray(store, layout.id, stored, crcs))
        attrs = {key: value for key, value in arrays[stored.parts[0]][-1].items() if key != "coordinates"}
        var = xr.Variable(stored.dims, data, decode_attrs(attrs))
        is_label = stored.dims == (name,) or (name in layout.coords and not stored.dims)
        if chunks is not None and not is_label:
            var = var.chunk(_opened_chunks(stored), from_array_kwargs={"name": f"dmfx-open-{layout.id}-{name}"})
        variables[name] = var
    coords = {name: variables.pop(name) for name in layout.coords}
    attrs = {name: value for name, value in root.items() if name not in (ARCHIVE, ID, SEAL)}
    ds = xr.Dataset(variables, coords, decode_attrs(attrs))
    return ds.chunk(chunks) if chunks is not None and chunks != {} else ds


def _opened_chunks(stored: Stored) -> dict[str, Any]:
    if stored.blocks is not None:
        return dict(zip(stored.dims, stored.blocks, strict=True))
    itemsize = stored.width or np.dtype(stored.dtype).itemsize
    fit = fit_chunks(stored.shape, itemsize, OPENED_BYTES)
    # Whole stored chunks, so that none is read twice.
    whole = [max(1, size // chunk) * chunk for size, chunk in zip(fit, stored.chunks, strict=True)]
    return dict(zip(stored.dims, whole, strict=True))


def _open_foreign(store: Store, chunks: Any) -> xr.Dataset:
    if chunks is AS_SAVED:
        chunks = {}
    if isinstance(store, NetCDFStore):
        ds = xr.open_dataset(store.path, engine="netcdf4", decode_times=False, chunks=chunks)
    else:
        consolidated = (store.path / ".zmetadata").exists()
        ds = xr.open_zarr(store.path, consolidated=consolidated, decode_times=False, chunks=chunks)
    for var in ds.variables.values():
        var.attrs = decode_attrs(var.attrs)
    ds.attrs = decode_attrs(ds.attrs)
    return ds


class StoredArray(BackendArray):
    """A variable on disk that xarray reads when it needs it; small enough to be sent to every worker."""

    def __init__(self, store: Store, id: str, stored: Stored, checksums: np.ndarray):
        self.store, self.id, self.stored, self.checksums = store, id, stored, checksums
        self.shape, self.dtype = stored.shape, np.dtype(stored.dtype)

    def __getitem__(self, key: indexing.ExplicitIndexer) -> Any:
        return indexing.explicit_indexing_adapter(key, self.shape, indexing.IndexingSupport.OUTER, self._read)

    def _read(self, key: tuple[Any, ...]) -> np.ndarray:
        """Read the product of integers, slices and integer arrays, chunk by chunk."""
        axes = [np.atleast_1d(np.arange(size)[k]) for size, k in zip(self.shape, key, strict=True)]
        with reading_errors(self.store.path, f"reading {self.stored.parts[0]!r}"):
            values = decode(self._read_parts(axes), self.dtype)
        # The ellipsis keeps this an array, with its byte order, where all axes are integers.
        return values[(*(0 if isinstance(k, (int, np.integer)) else slice(None) for k in key), ...)]

    def _read_parts(self, axes: list[np.ndarray]) -> list[np.ndarray]:
        stored = self.stored
        tail = (stored.width,) if stored.width else ()
        cuts = [_by_chunk(axis, chunk) for axis, chunk in zip(axes, stored.chunks, strict=True)]
        parts = [np.empty((*map(len, axes), *tail), stored_dtype(self.dtype)) for _ in stored.parts]
        with self.store.reading() as handle:
            if self.store.id(handle) != self.id:
                raise damaged(self.store.path, "it was replaced since it was opened", advice="open it again")
            for cut in iterate_chunks([len(axis) for axis in cuts]):
                pieces = [axis[i] for axis, i in zip(cuts, cut, strict=True)]
                index = tuple(piece[0] for piece in pieces)
                chunk = read_chunk(self.store, handle, stored, index, int(self.checksums[index]))
                for whole, part in zip(parts, chunk, strict=True):
                    _copy(whole, [to for _, to, _ in pieces], part, [of for _, _, of in pieces])
        return parts


def _by_chunk(positions: np.ndarray, chunk: int) -> list[tuple[int, np.ndarray, np.ndarray]]:
    """For each chunk that holds some of the positions: its number, and where they go to and come from."""
    numbers = positions // chunk
    pieces = []
    for number in np.unique(numbers).tolist():
        (to,) = np.nonzero(numbers == number)
        pieces.append((number, to, positions[to] - number * chunk))
    return pieces


def _copy(target: np.ndarray, to: list[np.ndarray], source: np.ndarray, of: list[np.ndarray]) -> None:
    """Copy a product of positions; as slices, which is many times faster, where they follow each other."""
    slices = [_as_slice(positions) for positions in (*to, *of)]
    if None in slices:
        target[np.ix_(*to)] = source[np.ix_(*of)]
    else:
        target[tuple(slices[: len(to)])] = source[tuple(slices[len(to) :])]


def _as_slice(positions: np.ndarray) -> slice | None:
    start = int(positions[0])
    return slice(start, start + len(positions)) if (np.diff(positions) == 1).all() else None
