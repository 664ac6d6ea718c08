"""What a worker does: compute boxes and write them, or check boxes that were written.

Everything here may be done twice, or at the same time by two workers: the same bytes come out.
"""

from __future__ import annotations

import contextlib
import itertools
import json
import math
import shutil
import socket
import time
from collections.abc import Iterator, Mapping
from typing import NamedTuple

import dask
import numpy as np
import xarray as xr

from dmfx.archive.boxes import Boxes
from dmfx.archive.chunkfile import load_chunk, put_chunk
from dmfx.archive.layout import ID
from dmfx.archive.part_values import fill_value
from dmfx.archive.zarr import MARK
from dmfx.sweeps.errors import StoreNotWritable, SweepError, SweepFailed, WorkerMismatch
from dmfx.sweeps.identity import identity, mismatch
from dmfx.sweeps.reductions import reduced
from dmfx.sweeps.run import quietly
from dmfx.sweeps.spec import Spec, load_spec
from dmfx.variables import STATUS

__all__ = ["Batch", "Outcome", "check_boxes", "compute_boxes"]


class Batch(NamedTuple):
    """What a task is told: boxes that follow each other, of one part of a store.

    Attributes
    ----------
    store, session, part
        The store, the name of the session, and the name of the part's folder.
    first, count
        The boxes.
    last_try
        Whether what fails now has failed: otherwise the client sends the box once more, perhaps elsewhere.
    client
        Which dmfx the client runs.
    """

    store: str
    session: str
    part: str
    first: int
    count: int
    last_try: bool
    client: Mapping[str, str]

    @property
    def last(self) -> int:
        """The last box."""
        return self.first + self.count - 1


class Outcome(NamedTuple):
    """What became of a box.

    Attributes
    ----------
    box, points
        Its number, and how many points it has.
    failed
        How many of them failed; None if the box should be tried once more.
    seconds
        How long it took; None if it was complete before.
    """

    box: int
    points: int
    failed: int | None
    seconds: float | None


def compute_boxes(batch: Batch) -> list[Outcome]:
    """Compute boxes and write them.

    Raises
    ------
    WorkerMismatch
        If this is another dmfx than the client's.
    StoreNotWritable
        If the store cannot be written.
    """
    _check_identity(batch)
    spec = load_spec(batch.store, batch.session, batch.part)
    boxes = range(batch.first, batch.last + 1)
    done = [_done(spec, box) for box in boxes]
    if batch.count > 1 and not any(done) and not spec.attempts.killed(batch.first, batch.last).boxes:
        try:
            return _together(spec, batch)
        except SweepError:
            raise
        except Exception:  # one of the boxes: found out below
            done = [None for _ in boxes]
    return [known or _alone(spec, box, batch.last_try) for box, known in zip(boxes, done, strict=True)]


def _done(spec: Spec, box: int) -> Outcome | None:
    """What became of a box that is complete already: its worker died before it could say so.

    The client has dropped the records of boxes that are damaged.
    """
    record = spec.records.get(box)
    return None if record is None else Outcome(box, spec.boxes.points_of(box), record.failed, None)


def check_boxes(batch: Batch) -> list[int]:
    """Read boxes that have a record; return those that are not what was written."""
    _check_identity(batch)
    spec = load_spec(batch.store, batch.session, batch.part)
    return [box for box in range(batch.first, batch.last + 1) if not is_sound(spec, box)]


def is_sound(spec: Spec, box: int) -> bool:
    """Whether a box is complete and every chunk of it is what was written."""
    record = spec.records.get(box)
    pieces = list(spec.boxes.pieces(box))
    if record is None or len(pieces) != len(record.checksums):
        return False
    for (name, index), crc in zip(pieces, record.checksums.tolist(), strict=True):
        try:
            _, found = load_chunk(spec.part, spec.boxes.variables[name], index)
        except (OSError, ValueError, RuntimeError):
            return False
        if found != crc:
            return False
    return True


def _check_identity(batch: Batch) -> None:
    own = identity()
    if own != dict(batch.client):
        raise WorkerMismatch(mismatch(f"the worker on {socket.gethostname()}", own, batch.client))


def _check_store(spec: Spec) -> None:
    """Refuse to write into another store that was made at the same place while this was being computed."""
    with _writing(spec):
        attributes = json.loads((spec.part / MARK).read_text())["attributes"]
    if attributes.get(ID) != spec.id:
        raise SweepFailed(f"{spec.part} was replaced while it was being computed")


def _together(spec: Spec, batch: Batch) -> list[Outcome]:
    """Compute boxes that follow each other in one go."""
    boxes, started = spec.boxes, time.perf_counter()
    first, last = boxes.region(batch.first), boxes.region(batch.last)
    region = {dim: slice(first[dim].start, last[dim].stop) for dim in boxes.dims}
    with _attempt(spec, batch.first, batch.last):
        values = _compute(spec, region)
        _check_store(spec)
        seconds = (time.perf_counter() - started) / batch.count
        outcomes = []
        for box in range(batch.first, batch.last + 1):
            _write(spec, box, values, region, [])
            outcomes.append(Outcome(box, boxes.points_of(box), 0, seconds))
    return outcomes


def _alone(spec: Spec, box: int, last_try: bool) -> Outcome:
    """Compute one box; point by point where it failed for good, or killed its worker twice."""
    started = time.perf_counter()
    region, points = spec.boxes.region(box), spec.boxes.points_of(box)
    killed, killers = spec.attempts.killed(box, box)
    failures: list[dict[str, object]] = []
    careful = killed >= 2 or bool(killers)
    with _attempt(spec, box, box):
        values = None
        if not careful:
            try:
                values = _compute(spec, region)
            except SweepError:
                raise
            except Exception:
                if not last_try:
                    return Outcome(box, points, None, time.perf_counter() - started)
        if values is None:
            values, failures = _point_by_point(spec, box, killers if careful else None)
        _check_store(spec)
        _write(spec, box, values, region, failures)
    if killed or killers:
        spec.attempts.forget(box, box)
    return Outcome(box, points, len(failures), time.perf_counter() - started)


def _point_by_point(
    spec: Spec, box: int, killers: Mapping[int, float] | None
) -> tuple[dict[str, np.ndarray], list[dict[str, object]]]:
    """Compute a box so that each of its points can fail alone; with ``killers``, each leaves a trace if it kills."""
    region = spec.boxes.region(box)
    values = _empty(spec, region)
    failures = []
    ranges = [range(part.start, part.stop) for part in region.values()]
    for number, place in enumerate(itertools.product(*ranges)):
        one = {dim: slice(i, i + 1) for dim, i in zip(region, place, strict=True)}
        reason = None
        if killers is not None and killers.get(number, 0) >= spec.kill_limit:
            reason = f"killed its worker {killers[number]:g} times"
        else:
            watched = contextlib.nullcontext() if killers is None else _attempt(spec, box, box, number)
            try:
                with watched:
                    found = _compute(spec, one)
            except SweepError:
                raise
            except Exception as error:
                reason = f"{type(error).__name__}: {error}"[:500]
        if reason is None:
            _place(spec, values, found, one, region)
        else:
            labels = {dim: spec.run.labels[dim][part.start].item() for dim, part in one.items()}
            failures.append({**labels, "reason": reason})
            _place_failure(spec, values, one, region)
    return values, failures


def _compute(spec: Spec, region: Mapping[str, slice]) -> dict[str, np.ndarray]:
    """Values of all variables for the points of a rectangle."""
    labels = {dim: each[region[dim]] if dim in region else each for dim, each in spec.run.labels.items()}
    run = spec.run.with_arguments(**spec.start) if spec.start else spec.run
    with quietly():
        ds = run.dataset(run.beside_finite(labels))
        results: dict[str | None, xr.Dataset] = {None: ds, **reduced(ds, spec.reductions)}
    names = list(spec.sources)
    # A finite size that was added comes last.
    wanted = {"size": slice(len(labels["size"]))} if "size" in labels else {}
    arrays = [results[label][name].isel(wanted, missing_dims="ignore").data for label, name in spec.sources.values()]
    # In this thread: the scheduler of the sweep has the others.
    (computed,) = dask.compute(arrays, scheduler="synchronous")
    return dict(zip(names, computed, strict=True))


def _write(
    spec: Spec,
    box: int,
    values: Mapping[str, np.ndarray],
    region: Mapping[str, slice],
    failures: list[dict[str, object]],
) -> None:
    """Write the chunks of a box out of the values of a rectangle, then its record."""
    checksums = []
    for name, index in spec.boxes.pieces(box):
        stored = spec.boxes.variables[name]
        where = tuple(
            slice(part.start - region[dim].start, part.stop - region[dim].start) if dim in region else part
            for dim, part in zip(stored.dims, stored.where(index), strict=True)
        )
        with _writing(spec):
            checksums.append(put_chunk(spec.part, stored, index, values[name][where], spec.aside))
    with _writing(spec):
        spec.records.put(box, checksums, failures, spec.aside)


def _empty(spec: Spec, region: Mapping[str, slice]) -> dict[str, np.ndarray]:
    values = {}
    for name, stored in spec.boxes.variables.items():
        shape = _shape(spec.boxes, name, region)
        values[name] = np.full(shape, fill_value(name, np.dtype(stored.dtype)), stored.dtype)
    return values


def _shape(boxes: Boxes, name: str, region: Mapping[str, slice]) -> tuple[int, ...]:
    stored = boxes.variables[name]
    return tuple(
        region[dim].stop - region[dim].start if dim in region else size
        for dim, size in zip(stored.dims, stored.shape, strict=True)
    )


def _place(
    spec: Spec,
    values: Mapping[str, np.ndarray],
    found: Mapping[str, np.ndarray],
    one: Mapping[str, slice],
    region: Mapping[str, slice],
) -> None:
    for name, stored in spec.boxes.variables.items():
        values[name][_inside(stored.dims, one, region)] = found[name]


def _place_failure(
    spec: Spec, values: Mapping[str, np.ndarray], one: Mapping[str, slice], region: Mapping[str, slice]
) -> None:
    for name, stored in spec.boxes.variables.items():
        if name.endswith("status") and set(spec.boxes.dims) <= set(stored.dims):
            values[name][_inside(stored.dims, one, region)] = STATUS.index("failed")


def _inside(dims: tuple[str, ...], one: Mapping[str, slice], region: Mapping[str, slice]) -> tuple[slice, ...]:
    return tuple(
        slice(one[dim].start - region[dim].start, one[dim].stop - region[dim].start) if dim in one else slice(None)
        for dim in dims
    )


@contextlib.contextmanager
def _attempt(spec: Spec, first: int, last: int, point: int | None = None) -> Iterator[None]:
    """Leave a trace while boxes, or one point, are being computed; only a kill leaves it behind."""
    with _writing(spec):
        path = spec.attempts.begin(first, last, point)
    try:
        yield
    finally:
        with _writing(spec):
            spec.attempts.end(path)


@contextlib.contextmanager
def _writing(spec: Spec) -> Iterator[None]:
    """Tell what the disk refuses from what a computation does."""
    try:
        yield
    except StoreNotWritable:
        raise
    except OSError as error:
        free = math.nan
        with contextlib.suppress(OSError):
            free = shutil.disk_usage(spec.store).free / 2**20
        raise StoreNotWritable(
            error.errno or 0,
            f"cannot write into {spec.store} ({error.strerror or error}); {free:.0f} MiB are free there",
        ) from error
