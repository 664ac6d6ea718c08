"""The store of a sweep on disk: making its parts, and finishing them.

Of each part the attribute ``dmfx_sweep`` says: ``dims``, ``shape`` and ``sizes``, how it is cut; ``coupled``, dims that
are not; ``variables``, those that boxes write; ``record_width``; ``stretch``, ``first_step`` and ``steps``;
``run_steps``, the argument; ``call``, with which the next call must agree; ``record``, what the run records;
``reductions``, what became of their variables; ``inner_points`` and ``point_bytes`` of a point; ``axes``, all labels of
the call that made an extension.
"""

from __future__ import annotations

import json
import os
import sys
import time
import uuid
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import dask.array as da
import numpy as np
import xarray as xr

from dmfx.archive.boxes import Boxes
from dmfx.archive.chunkfile import compress, put_chunk, put_file
from dmfx.archive.chunkio import header_seal, seal_of
from dmfx.archive.chunks import STORED_BYTES, fit_chunks, iterate_chunks
from dmfx.archive.errors import ArchiveError
from dmfx.archive.layout import ARCHIVE, CHECKSUMS, HEADER, SEAL, Array, Layout, Stored
from dmfx.archive.layout import plan as plan_layout
from dmfx.archive.parts import REDUCTIONS, SWEEP, Part
from dmfx.archive.placing import remove
from dmfx.archive.records import RECORDS, Record, Records, working_folder
from dmfx.archive.zarr import MARK, ZarrStore
from dmfx.progress import Progress
from dmfx.sweeps.errors import SweepFailed
from dmfx.sweeps.identity import machine
from dmfx.sweeps.lock import is_free, marked
from dmfx.sweeps.plan import Plan
from dmfx.validation import Problems
from dmfx.version import history_line

__all__ = ["create_part", "finish_part", "mend_fixed", "remove_abandoned", "stored_bytes", "unseal"]

FORMAT = 1
#: Seconds for which what another host wrote may not be seen yet, as on NFS.
PATIENCE = 60.0
#: Part of what integers take that they need on disk: most are counts and numbers of few digits.
INTEGERS = 0.25


def stored_bytes(plan: Plan) -> float:
    """About how many bytes a part will need on disk: floats hardly shrink, whole numbers do."""
    total = 0.0
    for var in plan.template.variables.values():
        total += var.nbytes * (1.0 if var.dtype.kind in "fc" else INTEGERS)
    return total


def create_part(path: Path, plan: Plan, meta: Mapping[str, Any]) -> None:
    """Make a part with everything but what boxes write; in one step, so that a part that is there is whole.

    Parameters
    ----------
    path
        Folder of the part, which does not exist.
    plan
        What is computed into it.
    meta
        What else the attribute ``dmfx_sweep`` says.

    Raises
    ------
    FileExistsError
        If the folder appeared meanwhile.
    """
    template = _template(plan)
    layout, arrays, attrs = plan_layout(template)
    variables = {name: replace(stored, blocks=None, flat=True) for name, stored in layout.variables.items()}
    layout = Layout(layout.id, variables, layout.coords)
    arrays = {name: replace(array, flat=name != CHECKSUMS) for name, array in arrays.items()}
    lazy = plan.lazy()
    boxes = Boxes(
        plan.dims,
        tuple(plan.shape.values()),
        tuple(plan.sizes[dim] for dim in plan.dims),
        {name: stored for name, stored in variables.items() if name in lazy},
    )
    fixed = {name: stored for name, stored in variables.items() if name not in lazy}
    width = max(boxes.most_pieces, sum(stored.count for stored in fixed.values()))
    size = Records.n_bytes_of(width)
    about = {"long_name": "checksums of the chunks of each box of the sweep that is complete"}
    arrays[RECORDS] = Array(("dmfx_record",), ((boxes.count + 1) * size,), (size,), np.dtype("u1"), about)
    entry = {
        "format": FORMAT,
        "dims": boxes.dims,
        "shape": boxes.shape,
        "sizes": boxes.sizes,
        "variables": list(boxes.variables),
        "record_width": width,
        "reductions": {name: each.json() for name, each in plan.renamings.items()},
        **meta,
    }
    attrs = {**attrs, ARCHIVE: layout.to_json(), SWEEP: json.dumps(entry)}
    # A part of a store is made where zarr does not look.
    inside = working_folder(path.parent)
    partial = (inside if inside.is_dir() else path.parent) / f"{path.name}.{uuid.uuid4().hex[:8]}.partial"
    remove_abandoned(path)
    with marked(_lock_of(partial)):
        _make_part(partial, path, arrays, attrs, template, fixed, Records(partial, width), boxes.count)


def _make_part(
    partial: Path,
    path: Path,
    arrays: Mapping[str, Array],
    attrs: Mapping[str, Any],
    template: xr.Dataset,
    fixed: Mapping[str, Stored],
    records: Records,
    number: int,
) -> None:
    """Write a part aside and put it in place."""
    try:
        ZarrStore(partial).create(dict(arrays), dict(attrs))
        for folder in ("attempts", "failures", "tmp"):
            (working_folder(partial) / folder).mkdir(parents=True)
        _write_fixed(partial, template, fixed, records, number, working_folder(partial) / "tmp")
        store = ZarrStore(partial)
        with store.writing() as group:
            store.set_attr(group, HEADER, header_seal(*store.header(group)))
        for file in (each for each in partial.rglob("*") if each.is_file()):
            with file.open("rb") as opened:  # a part without its description is lost
                os.fsync(opened.fileno())
        partial.rename(path)
    except BaseException:
        remove(partial)
        raise


def remove_abandoned(path: Path) -> None:
    """Remove what was left of parts whose maker was killed, beside a store and in it."""
    for lock in [*path.parent.glob(f"{path.name}.*.partial.lock"), *working_folder(path).glob("*.partial.lock")]:
        if is_free(lock):
            remove(lock.with_suffix(""))
            lock.unlink(missing_ok=True)


def _lock_of(partial: Path) -> Path:
    """The lock of a part that is being made, beside it."""
    return partial.with_name(f"{partial.name}.lock")


def _template(plan: Plan) -> xr.Dataset:
    """The Dataset of the part with its chunks, its history and where it was made."""
    variables = {}
    for name, var in plan.template.variables.items():
        if isinstance(var.data, da.Array):
            var = xr.Variable(var.dims, da.zeros(var.shape, chunks=_chunks(plan, var), dtype=var.dtype), var.attrs)
        variables[name] = var
    coords = {name: variables.pop(name) for name in plan.template.coords}
    arguments = {"task": plan.run.task, "reduce": [each.name for each in plan.reductions]}
    line = history_line("sweep", arguments)
    attrs = dict(plan.template.attrs)
    attrs["history"] = f"{attrs.get('history', '')}\n{line}".strip()
    attrs["dmfx_machine"] = json.dumps(machine())
    attrs["dmfx_command"] = " ".join(sys.argv)
    attrs[REDUCTIONS] = json.dumps({name: each.json() for name, each in plan.renamings.items()}, default=str)
    return xr.Dataset(variables, coords, attrs)


def _chunks(plan: Plan, var: xr.Variable) -> tuple[int, ...]:
    """Chunks of a variable: a box, or, where that is too large, whole parts of one."""
    boxes = [plan.sizes.get(dim, size) for dim, size in var.sizes.items()]
    chunks = list(fit_chunks(boxes, var.dtype.itemsize, STORED_BYTES))
    for axis, (dim, box) in enumerate(zip(var.dims, boxes, strict=True)):
        while dim in plan.sizes and box % chunks[axis]:
            chunks[axis] -= 1
    return tuple(chunks)


def _write_fixed(
    group: Path, ds: xr.Dataset, fixed: Mapping[str, Any], records: Records, number: int, aside: Path
) -> None:
    """Write the variables that no box writes, and their record."""
    crcs = []
    for name, stored in fixed.items():
        values = ds.variables[name].values
        crcs += [
            put_chunk(group, stored, index, values[stored.where(index)], aside) for index in iterate_chunks(stored.grid)
        ]
    records.put(number, crcs, [], aside)


def mend_fixed(parts: Sequence[Part], wanted: Any) -> None:
    """Write again what no box writes of a store of one part, if it is damaged: all of it follows from the call.

    Raises
    ------
    ArchiveError
        If it cannot be mended.
    """
    for part in parts:
        try:
            for name in part.fixed:
                part.read_fixed(name)
        except ArchiveError:
            if len(parts) > 1:
                raise
            plan = wanted.plan(Problems("sweep"), np.inf)
            if tuple(plan.shape.values()) != part.boxes.shape:
                raise
            before = part.records.get(part.boxes.count)
            aside = working_folder(part.path) / "tmp"
            _write_fixed(part.path, _template(plan), part.fixed, part.records, part.boxes.count, aside)
            after = part.records.get(part.boxes.count)
            if before is not None and after is not None and not np.array_equal(before.checksums, after.checksums):
                raise


def unseal(path: Path) -> None:
    """Open a finished part again, to compute some of its boxes once more."""
    if SEAL in _description(path)["attributes"]:
        _set_attr(path, SEAL, None)


def _description(group: Path) -> dict[str, Any]:
    return json.loads((group / MARK).read_text())


def _set_attr(group: Path, name: str, value: str | None) -> None:
    """Set or remove an attribute of a part; zarr itself would leave a file in the group if it is killed."""
    description = _description(group)
    description["attributes"] |= {name: value}
    if value is None:
        del description["attributes"][name]
    put_file(group / MARK, json.dumps(description, indent=2).encode(), working_folder(group) / "tmp")


def _record_of(records: Records, box: int) -> Record | None:
    """The record of a box; on file systems of several hosts it may take a while to be seen."""
    until = time.monotonic() + PATIENCE
    while (record := records.get(box)) is None and time.monotonic() < until:
        time.sleep(0.5)
    return record


def finish_part(part: Part, progress: bool) -> None:
    """Gather all checksums and seal a part whose boxes are complete: from now on it is an ordinary archive."""
    checksums = np.zeros(part.layout.count, np.uint32)
    offsets = part.layout.offsets
    grids = {name: stored.grid for name, stored in part.layout.variables.items()}
    fixed = [(name, index) for name, stored in part.fixed.items() for index in iterate_chunks(stored.grid)]
    shown = progress and part.boxes.count > 20_000
    with Progress("sealing", part.boxes.count, unit="box", shown=shown) as bar:
        for box in range(part.boxes.count + 1):
            record = _record_of(part.records, box)
            if record is None:
                raise SweepFailed(f"{part.path}: box {box} has lost its record; start the sweep again")
            pieces: Sequence[Any] = fixed if box == part.boxes.count else list(part.boxes.pieces(box))
            for (name, index), crc in zip(pieces, record.checksums.tolist(), strict=True):
                place = int(np.ravel_multi_index(index, grids[name])) if index else 0
                checksums[offsets[name] + place] = crc
            bar.advance()
    store = ZarrStore(part.path)
    if checksums.size:
        content = compress(checksums.astype("<u4").tobytes())
        put_file(part.path / CHECKSUMS / "c" / "0", content, working_folder(part.path) / "tmp")
    with store.reading() as group:
        seal = seal_of(*store.header(group), checksums)
    _set_attr(part.path, SEAL, seal)
