"""What is to be checked in an archive, found out even where parts of it are damaged."""

from __future__ import annotations

import json
import warnings
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np

from dmfx.archive.chunkio import Store, header_seal, seal_of
from dmfx.archive.chunks import STORED_BYTES, fit_chunks
from dmfx.archive.errors import ArchiveError
from dmfx.archive.layout import ARCHIVE, CHECKSUMS, HEADER, ID, SEAL, Layout, Stored
from dmfx.archive.netcdf import NetCDFStore
from dmfx.archive.parts import SWEEP, is_sweep, load_part, part_paths
from dmfx.archive.records import RECORDS
from dmfx.archive.values import stored_dtype
from dmfx.archive.verifying import (
    AnyArray,
    Damage,
    SavedVariable,
    attempt,
    exists,
    in_words,
    is_written_by_dmfx,
    open_array,
)
from dmfx.archive.verifying_boxes import WrittenBoxes
from dmfx.archive.zarr import MARK, ZarrStore

__all__ = ["Content", "contents_of"]

#: Files that make a folder an array or a group of Zarr's older format.
OLD_ARRAY, OLD_MARKS = ".zarray", (".zgroup", ".zmetadata", ".zarray")

Header = tuple[dict[str, Any], dict[str, Any]]


@dataclass
class Content:
    """The arrays of an archive, to be checked chunk by chunk, and what is damaged besides.

    ``foreign`` says that another program wrote it.
    """

    store: Store
    arrays: list[SavedVariable | AnyArray | WrittenBoxes] = field(default_factory=list)
    damages: list[Damage] = field(default_factory=list)
    foreign: bool = False
    id: str | None = None

    def is_current(self) -> bool:
        """Whether this is still the archive that was looked at."""
        return self.id is None or _root(self.store, []).get(ID, self.id) == self.id


def contents_of(path: Path) -> Content:
    """Look at all that is not in chunks, and at what chunks there must be."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # Zarr warns of other files in its folder
        if path.is_dir() and is_sweep(path):
            return _sweep_at(path)
        content = Content(ZarrStore(path) if path.is_dir() else NetCDFStore(path))
        root = _root(content.store, content.damages)
        if {ARCHIVE, ID, SEAL} & set(root) or _has(content.store, CHECKSUMS):
            content.id = root.get(ID)
            _look(content, root)
        else:
            content.foreign = not content.damages
            content.arrays += _all_arrays(content.store, content.damages)
    return content


def _sweep_at(path: Path) -> Content:
    """All parts of the store of a sweep; what is said of a further part begins with its name."""
    whole = Content(ZarrStore(path))
    for folder in part_paths(path):
        part = Content(ZarrStore(folder))
        root = _root(part.store, part.damages)
        if folder == path:
            whole.id = root.get(ID)
        sealed = SEAL in root
        if sealed:
            _look(part, root)
        else:
            _look_at_unfinished(part, root)
        try:
            known = load_part(folder, trust=False)
        except Exception as error:
            if not part.damages and isinstance(error, ValueError) and not isinstance(error, ArchiveError):
                raise  # sound, but of a later version
            part.damages += [] if part.damages else [Damage(SWEEP, f"cannot be understood ({in_words(error)})")]
        else:
            part.arrays.append(WrittenBoxes(known.records, known.boxes, known.fixed, sealed))
            names = [part for stored in known.layout.variables.values() for part in stored.parts]
            missing = [f"{name}/{MARK}" for name in (*names, CHECKSUMS) if not _has(part.store, f"{name}/{MARK}")]
            known_already = {each.where for each in part.damages}
            part.damages += [Damage(name, "is missing") for name in missing if name not in known_already]
            with attempt([], RECORDS):  # listed already
                records = open_array(folder / RECORDS)
                n_bytes = known.records.n_bytes
                if (records.shape, records.chunks) != (((known.boxes.count + 1) * n_bytes,), (n_bytes,)):
                    part.damages.append(Damage(f"{RECORDS}/{MARK}", "its shape or chunks are not those of records"))
        prefix = "" if folder == path else f"{folder.name}/"
        whole.damages += [Damage(f"{prefix}{each.where}", each.what) for each in part.damages]
        whole.arrays += [replace(array, prefix=prefix) for array in part.arrays]
    return whole


def _look_at_unfinished(content: Content, root: dict[str, Any]) -> None:
    """Of a part that is not sealed, records say what chunks there must be."""
    store, damages = content.store, content.damages
    header = _header(store, damages)
    damages += [Damage(name, "is missing") for name in (ARCHIVE, ID, SWEEP) if root and name not in root]
    if root:
        _check_header(root, header, damages)
    if damages:
        content.arrays += _all_arrays(store, damages, own=True, all_there=False)


def _look(content: Content, root: dict[str, Any]) -> None:
    """Find the arrays of an archive of dmfx."""
    store, damages = content.store, content.damages
    checksums = _checksums(store, damages)
    header = _header(store, damages)
    if root:
        _check_seal(root, header, checksums, damages)
        if not damages and (SWEEP in root or HEADER in root):
            _check_header(root, header, damages)
    layout = _layout(root, damages)
    if layout is not None and checksums is not None and checksums.size != layout.count:
        damages.append(Damage(CHECKSUMS, f"there are {checksums.size}, but {layout.count} chunks"))
        layout = None
    if layout is None:
        content.arrays += _all_arrays(store, damages, own=True)
        return
    for name, start in layout.offsets.items():
        stored = layout.variables[name]
        crcs = None if checksums is None else checksums[start : start + stored.count]
        content.arrays += _variable(store, stored, crcs, damages)


def _root(store: Store, damages: list[Damage]) -> dict[str, Any]:
    """Attributes of the whole; those that can be read."""
    if isinstance(store, NetCDFStore):
        found: dict[str, Any] = {}
        with attempt(damages, store.path.name, "cannot be opened"), store.reading() as file:
            for name in file.ncattrs():
                with attempt(damages, "an attribute"):
                    found[name] = file.getncattr(name)
        return found
    if exists(store.path / MARK):
        with attempt(damages, MARK):
            described = json.loads((store.path / MARK).read_bytes())
            # Zarr reads a group without them too.
            if described.get("zarr_format") != 3 or described.get("node_type") not in ("group", "array"):
                damages.append(Damage(MARK, "does not say that it is a group of Zarr 3"))
            return dict(described.get("attributes", {}))
    elif not any(exists(store.path / name) for name in OLD_MARKS):
        damages.append(Damage(MARK, "is missing"))
    return {}


def _has(store: Store, name: str) -> bool:
    if isinstance(store, ZarrStore):
        return exists(store.path / name)
    with attempt([], name), store.reading() as file:
        return name in file.variables
    return False


def _header(store: Store, damages: list[Damage]) -> Header | None:
    """What is sealed besides checksums; None where it cannot be read, for Zarr saying of which array it cannot."""
    before = len(damages)
    if isinstance(store, ZarrStore):
        for folder in _arrays_in(store.path, deep=False):
            with attempt(damages, f"{folder}/{MARK}"):
                open_array(store.path / folder)
                _check_description(json.loads((store.path / folder / MARK).read_bytes()))
        if any(damage.where == MARK for damage in damages):
            return None
    if len(damages) == before:
        where = MARK if isinstance(store, ZarrStore) else "the header"
        with attempt(damages, where), store.reading() as handle:
            return store.header(handle)
    return None


def _check_description(array: dict[str, Any]) -> None:
    """Refuse what the seal does not know and Zarr reads all the same."""
    levels = [codec["configuration"]["level"] for codec in array["codecs"] if codec["name"] == "zstd"]
    named = [array["chunk_grid"], array["chunk_key_encoding"], *array["codecs"]]
    known = all(each.keys() <= {"name", "configuration"} for each in named)
    if not known or array["fill_value"] or any(levels):
        raise ValueError("it is not what was written")


def _checksums(store: Store, damages: list[Damage]) -> np.ndarray | None:
    if not _has(store, CHECKSUMS):
        damages.append(Damage(CHECKSUMS, "is missing"))
        return None
    if isinstance(store, NetCDFStore):
        with attempt(damages, CHECKSUMS), store.reading() as file:
            return np.asarray(store.get(file, CHECKSUMS, ()), np.uint32).ravel()
        return None
    if not _has(store, f"{CHECKSUMS}/{MARK}"):
        damages.append(Damage(f"{CHECKSUMS}/{MARK}", "is missing"))
        return None
    array = None
    with attempt([], CHECKSUMS):  # found with the metadata of the other arrays
        array = open_array(store.path / CHECKSUMS)
    where = f"chunk (0,) of {CHECKSUMS}"
    if array is not None and array.size and not _has(store, f"{CHECKSUMS}/c/0"):
        damages.append(Damage(where, "is missing"))
    elif array is not None:
        with attempt(damages, where):
            return np.asarray(array[...], np.uint32).ravel()
    return None


def _check_seal(
    root: dict[str, Any], header: Header | None, checksums: np.ndarray | None, damages: list[Damage]
) -> None:
    if SEAL not in root:
        damages.append(Damage(SEAL, "is missing: the archive was never completed"))
    elif header is not None and checksums is not None and seal_of(*header, checksums) != root[SEAL]:
        what = "does not fit the attributes, dims and checksums: one of them is not what was saved"
        damages.append(Damage(SEAL, what))


def _check_header(root: dict[str, Any], header: Header | None, damages: list[Damage]) -> None:
    """Stores of sweeps have a seal from the beginning that knows nothing of chunks."""
    if HEADER not in root:
        damages.append(Damage(HEADER, "is missing"))
    elif header is not None and header_seal(*header) != root[HEADER]:
        damages.append(Damage(HEADER, "does not fit the attributes and dims: one of them is not what was written"))


def _layout(root: dict[str, Any], damages: list[Damage]) -> Layout | None:
    if ARCHIVE not in root:
        if root:
            damages.append(Damage(ARCHIVE, "is missing"))
        return None
    if not damages:
        return Layout.from_json(root[ARCHIVE], root[ID])  # what is sealed is refused only for being of a later version
    with attempt(damages, ARCHIVE, "cannot be understood"):
        layout = Layout.from_json(root[ARCHIVE], str(root.get(ID)))
        if all(_is_sane(stored) for stored in layout.variables.values()):
            return layout
        raise ValueError("there are no such arrays")
    return None


def _is_sane(stored: Stored) -> bool:
    """Whether there may be such a variable: where the seal does not fit, anything may have changed."""
    sizes = (*stored.shape, *stored.chunks, stored.width)
    return (
        stored_dtype(np.dtype(stored.dtype)) is not None
        and len(stored.parts) > 0
        and all(isinstance(size, int) and size >= 0 for size in sizes)
        and all(stored.chunks)
        and len(stored.shape) == len(stored.chunks)
    )


def _variable(store: Store, stored: Stored, crcs: np.ndarray | None, damages: list[Damage]) -> Iterator[SavedVariable]:
    """The chunks of one variable, unless an array is missing."""
    missing = [part for part in stored.parts if not _has(store, part)]
    damages += [Damage(part, "is missing") for part in missing]
    if missing:
        return
    direct = isinstance(store, ZarrStore)
    for part in stored.parts if direct else ():
        if not _has(store, f"{part}/{MARK}"):
            damages.append(Damage(f"{part}/{MARK}", "is missing"))
            continue
        with attempt([], part):  # listed already; its chunks are where dmfx writes them
            array = open_array(store.path / part)
            tail = (stored.width,) if stored.width else ()
            separator = array.metadata.chunk_key_encoding.separator
            found = array.shape, array.chunks, separator
            if found != ((*stored.shape, *tail), (*stored.chunks, *tail), "." if stored.flat else "/"):
                damages.append(Damage(f"{part}/{MARK}", "its shape or chunks are not those that were saved"))
            direct &= is_written_by_dmfx(array)
    yield SavedVariable(store, stored, crcs, direct)


def _all_arrays(
    store: Store, damages: list[Damage], *, own: bool = False, all_there: bool = True
) -> Iterator[SavedVariable | AnyArray]:
    """All arrays that there are, to be read without checksums.

    What is wrong with those of an archive of dmfx is known already; unless it is unfinished, no chunk may be missing.
    """
    if isinstance(store, NetCDFStore):
        with attempt([], ""), store.reading() as file:
            yield from list(_arrays_of_file(store, file))
        return
    for folder in _arrays_in(store.path, deep=not own):
        array = None
        with attempt([] if own else damages, folder):
            array = open_array(store.path / folder)
        if array is None:
            continue
        if own and all_there and is_written_by_dmfx(array):
            stored = Stored((), array.shape, array.dtype.str, array.chunks, (folder,), 0, None)
            yield SavedVariable(store, stored, None, direct=True)
        else:
            yield _any_array(store, folder, array.shape, array.dtype, getattr(array, "shards", None) or array.chunks)


def _arrays_of_file(store: NetCDFStore, group: Any) -> Iterator[AnyArray]:
    for name, variable in group.variables.items():
        chunks = variable.chunking()
        chunks = tuple(chunks) if isinstance(chunks, list) else (1,) * variable.ndim
        dtype = variable.dtype if isinstance(variable.dtype, np.dtype) else np.dtype(object)
        yield _any_array(store, f"{group.path}/{name}".lstrip("/"), variable.shape, dtype, chunks)
    for child in group.groups.values():
        yield from _arrays_of_file(store, child)


def _any_array(store: Store, name: str, shape: tuple[int, ...], dtype: np.dtype, chunks: tuple[int, ...]) -> AnyArray:
    """Read in blocks of whole chunks, of about the size of those that dmfx writes."""
    itemsize = 64 if dtype.hasobject else max(1, dtype.itemsize)
    chunks = tuple(max(1, chunk) for chunk in chunks)
    fit = fit_chunks(shape, itemsize, STORED_BYTES)
    block = tuple(max(1, size // chunk) * chunk for size, chunk in zip(fit, chunks, strict=True))
    contiguous = all(chunk == 1 for chunk in chunks)
    return AnyArray(store, name, tuple(shape), block if contiguous else chunks, block, itemsize)


def _arrays_in(path: Path, name: str = "", *, deep: bool) -> Iterator[str]:
    """Paths of the arrays of a Zarr group, also of those whose metadata are damaged; ``deep``, at any depth."""
    if exists(path / name / OLD_ARRAY) or _is_array(path / name):
        yield name
    elif deep or not name:
        for child in sorted(entry.name for entry in (path / name).iterdir() if entry.is_dir()):
            yield from _arrays_in(path, f"{name}/{child}".lstrip("/"), deep=deep)


def _is_array(folder: Path) -> bool:
    """Whether there is an array; what cannot be read is taken for one if it has a place for chunks."""
    if not exists(folder / MARK):
        return False
    try:
        kind = json.loads((folder / MARK).read_bytes())["node_type"]
    except PermissionError:
        raise
    except Exception:
        kind = None
    return kind == "array" if kind in ("array", "group") else exists(folder / "c") or any(folder.glob("c.*"))
