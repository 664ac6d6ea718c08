"""`dmfx.sweep`: a sweep into a store that survives whatever happens."""

from __future__ import annotations

import contextlib
import errno
import os
import uuid
import warnings
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import xarray as xr

from dmfx import archive
from dmfx.archive.parts import Part, failures_of, load_part, load_parts, part_paths
from dmfx.archive.records import working_folder
from dmfx.models import SelfAttention, VectorAttention
from dmfx.progress import Progress
from dmfx.sweeps.attempts import CLUSTER, THREADS, Attempts
from dmfx.sweeps.describe import described_call
from dmfx.sweeps.drive import check as check_records
from dmfx.sweeps.drive import compute
from dmfx.sweeps.errors import SchedulerLost, StoreNotWritable, SweepError, WorkerMismatch
from dmfx.sweeps.identity import identity
from dmfx.sweeps.later import compute_later, forget_later
from dmfx.sweeps.limits import check_disk, check_task, memory_of
from dmfx.sweeps.lock import locked
from dmfx.sweeps.pools import Pool, open_pool
from dmfx.sweeps.reductions import in_tasks_or_later, parse_reductions
from dmfx.sweeps.report import progress_of
from dmfx.sweeps.run import parse_run
from dmfx.sweeps.sessions import begin_session, end_session, read_sessions
from dmfx.sweeps.spec import STATES, Spec, write_spec
from dmfx.sweeps.store import finish_part, mend_fixed, remove_abandoned, unseal
from dmfx.sweeps.stretches import Wanted, add_parts, first_part, spec_of
from dmfx.validation import Problems
from dmfx.version import dmfx_version

__all__ = ["sweep"]


def sweep(
    model: SelfAttention | VectorAttention | Mapping[int, VectorAttention],
    *,
    store: str | os.PathLike[str],
    beta: float | Sequence[float] | np.ndarray,
    gamma: float | Sequence[float] | np.ndarray,
    seed: int | Sequence[int] | np.ndarray = 0,
    task: str = "simulate",
    reduce: Sequence[str | Mapping[str, object]] | str = (),
    variables: Sequence[str] | str | None = None,
    chunks: object = "auto",
    retry_failed: bool = False,
    kill_limit: int = 3,
    check: bool = True,
    progress: bool = True,
    title: str | None = None,
    **arguments: object,
) -> xr.Dataset:
    """Compute a sweep into a Zarr store, and go on where it stopped.

    The points are cut into boxes, one chunk of every variable each. Workers compute boxes and write them whole, with a
    record that they are complete and sound. Whatever dies meanwhile, the same call computes what is missing, and the
    store becomes the same to the last bit. Computes on the `distributed.Client` that is active, or on threads.

    Parameters
    ----------
    model
        As of the task.
    store
        Folder of the store, ending in ``.zarr``. Workers must see it under the same path.
    beta, gamma, seed
        As of the task.
    task
        What is run: ``"simulate"`` (`dmfx.simulate`), ``"masked_prediction"``, ``"denoising"``, ``"free_running"``, or
        ``"ablations"`` of the task that ``ablated`` names.
    reduce
        Analyses to keep: names such as ``"bifurcation"``, or mappings with the name as ``"analysis"`` and its
        arguments, as ``{"analysis": "lyapunov", "n": 3}``. ``"name"`` is what it is called in the store, by default
        the analysis; ``"of"`` names an earlier reduction that it is applied to, instead of the run.
    variables
        Trajectories to keep. By default none with ``reduce``, and without it those of the task.
    chunks
        Points of a box along each dim that can be cut: ``"auto"`` for tasks of a few seconds at most and of bounded
        memory, an integer, or a mapping. They never change a value, but a store keeps them.
    retry_failed
        Compute points again that failed before.
    kill_limit
        Times that a point may kill its worker, computed alone, until it has failed.
    check
        Compare what is in the store with its checksums before going on; what is damaged is computed again.
    progress
        Show how far it is.
    title
        What the store is about, its attribute ``title``; by default what the task is.
    **arguments
        Further arguments of the task, as ``steps``, ``transient``, ``size``, ``replica``, ``initial``, ``starts``,
        ``carry``, ``tokens``.

    Returns
    -------
    xr.Dataset
        What `dmfx.open` returns of the store: final states and ``status``, from which runs go on; the variables of all
        reductions but `dmfx.doubled_orbits`, which has as many orbits as it finds; the trajectories that were asked
        for. Where a reduction gives a name that is taken already, the name of the reduction stands in front of it;
        ``dmfx.open(store, reduction="classify")`` has what that analysis returned, under its own names. Points that
        failed are NaN, with ``status`` "failed"; the attribute ``dmfx_failures`` has the reasons.

    Raises
    ------
    ValueError, TypeError
        At once, with all problems in one message.
    dmfx.sweeps.StoreMismatch
        The store was made with other arguments; the message says which.
    dmfx.sweeps.StoreInUse
        Another sweep is running on it.
    dmfx.sweeps.WorkerMismatch
        A worker runs another dmfx.
    dmfx.sweeps.SchedulerLost
        The scheduler went away.
    OSError
        The disk is full, or the store cannot be written, or would not fit.

    Notes
    -----
    A store is extended by calling again with more labels along the dims that are cut, or with more ``steps``: runs then
    go on from their final states, trajectories get longer, and each reduction of the further steps is kept beside the
    earlier ones, along the dim ``stretch``. Labels must include those that the store has.

    Analyses that compare points of a dim (`dmfx.fluctuations` along ``size``, `dmfx.basins` along ``initial``) get
    them all at once: such dims are not cut, and not extended.

    Examples
    --------
    >>> import tempfile, pathlib
    >>> net = dmfx.SelfAttention.paper()
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     ds = dmfx.sweep(net, store=pathlib.Path(folder) / "run.zarr", beta=[0.5, 1.27], gamma=220.0, steps=1000,
    ...                     transient=1000, reduce=["classify"], progress=False)
    ...     kinds = ds.kind.values.ravel().tolist()
    >>> [dmfx.variables.KINDS[kind] for kind in kinds]
    ['fixed', 'quasi_periodic']
    """
    problems = Problems("sweep")
    path = _parse_store(problems, store)
    kill_limit = problems.count("kill_limit", kill_limit)
    for name, value in {"retry_failed": retry_failed, "check": check, "progress": progress}.items():
        problems.choice(name, value, (True, False))
    if title is not None and not isinstance(title, str):
        problems.add("title", "a text", title, is_type=True)
    reductions = parse_reductions(problems, reduce)
    run = parse_run(problems, task, model, {"beta": beta, "gamma": gamma, "seed": seed}, _in_memory(arguments))
    problems.raise_any()
    reductions = tuple(
        replace(each, settings={name: _loaded(value) for name, value in each.settings.items()}) for each in reductions
    )
    call = described_call(run, reductions, variables)
    wanted = Wanted(run, *in_tasks_or_later(reductions), variables, chunks, call, title)
    session = _Session(path, wanted, kill_limit, retry_failed, check, progress)
    with open_pool() as pool:
        pool.check_workers()
        if not path.exists():
            _create(problems, path, wanted, pool)
        session.work(pool)
    return archive.open(path)


def _parse_store(problems: Problems, store: object) -> Path:
    if not isinstance(store, (str, os.PathLike)):
        problems.add("store", "a path ending in .zarr", store, is_type=True)
        return Path()
    path = Path(os.path.abspath(Path(store).expanduser()))
    if path.suffix != ".zarr":
        problems.say(f"store must be a path ending in .zarr, not {str(store)!r}")
    elif not path.parent.is_dir():
        problems.say(f"store: there is no folder {path.parent}: create it first")
    elif path.exists() and not (working_folder(path)).is_dir():
        problems.say(f"store: {path} exists and is no store of a sweep: choose another path, or move it away")
    return path


#: Datasets that are smaller are read before they are sent to workers.
IN_MEMORY = 2**30


def _in_memory(arguments: dict[str, object]) -> dict[str, object]:
    """Arguments with lazy Datasets computed once, instead of by every task."""
    found = dict(arguments)
    for name, value in arguments.items():
        if isinstance(value, xr.Dataset):
            states = [each for each in STATES if each in value]
            found[name] = _loaded(value[states] if states else value)
    return found


def _loaded(value: object) -> object:
    """A Dataset in memory, if it is one that is lazy and small."""
    lazy = isinstance(value, xr.Dataset) and bool(value.chunks)
    return value.compute() if lazy and value.nbytes < IN_MEMORY else value


def _create(problems: Problems, path: Path, wanted: Wanted, pool: Pool) -> None:
    """Make a store that is not there; if somebody else is faster, theirs is looked at next."""
    wanted.run.dataset(chunks=-1)  # what it warns of is said once
    plan = wanted.plan(problems, memory_of(pool))
    check_task(problems, plan, memory_of(pool))
    problems.raise_any()
    check_disk(path, plan)
    try:
        first_part(path, wanted, plan)
    except OSError as error:
        if not path.exists():
            raise StoreNotWritable(error.errno or 0, f"cannot create {path}: {error.strerror or error}") from error


class _Session:
    """One call of `sweep` on a store that is there."""

    def __init__(self, path: Path, wanted: Wanted, kill_limit: int, retry_failed: bool, check: bool, progress: bool):
        self.path, self.wanted, self.kill_limit = path, wanted, kill_limit
        self.retry_failed, self.check, self.progress = retry_failed, check, progress
        self.points, self.done, self.computed = 0, 0, 0

    def work(self, pool: Pool) -> None:
        """Compute all that is missing."""
        folder = working_folder(self.path)
        log = folder / "sessions.jsonl"
        with _in_words(self), locked(folder / "lock", self.path):
            name = (CLUSTER if pool.is_cluster else THREADS) + uuid.uuid4().hex[:11]
            parts = self._parts(pool)
            begin_session(log, name, pool.name)
            reason = "stopped"
            specs: list[Path] = []
            try:
                self._tidy(parts)
                self._compute_all(pool, parts, name, specs)
                reason = "finished"
            except BaseException as error:
                reason = f"{type(error).__name__}: {error}"[:300]
                raise
            finally:
                with contextlib.suppress(OSError):  # a disk that fails says so by itself
                    for each in specs:
                        each.unlink(missing_ok=True)
                    end_session(log, name, self.computed, reason)

    def _parts(self, pool: Pool) -> list[Part]:
        """The parts that the call wants: those that are there, and those that it adds."""
        parts = load_parts(self.path, trust=False)
        mend_fixed(parts, self.wanted)
        _warn_of_other_sources(working_folder(self.path) / "sessions.jsonl")
        problems = Problems("sweep")
        wanted = self.wanted.agreeing(problems, self.path, parts)
        problems.raise_any()
        return add_parts(self.path, wanted, parts, memory_of(pool))

    def _tidy(self, parts: Sequence[Part]) -> None:
        """Remove what killed writers and clients left over."""
        self._empty_aside()
        remove_abandoned(self.path)
        for each in working_folder(self.path).glob("spec-*.pkl"):
            each.unlink(missing_ok=True)
        for part in parts:
            Attempts(working_folder(part.path) / "attempts", "").forget_all(of_clusters=True)

    def count(self) -> None:
        """Find out how far the store is: workers have written more than they could tell."""
        with contextlib.suppress(Exception):
            known = progress_of(self.path)
            if known is not None:
                self.points, self.done = known.points, known.done

    def _empty_aside(self) -> None:
        for part in part_paths(self.path):
            for each in (working_folder(part) / "tmp").iterdir():
                each.unlink(missing_ok=True)

    def _compute_all(self, pool: Pool, parts: Sequence[Part], name: str, specs: list[Path]) -> None:
        inner = {part.path: part.meta["inner_points"] for part in parts}
        self.points = sum(part.boxes.points * inner[part.path] for part in parts)
        todo = []
        if self.retry_failed:
            _forget_failed(parts)
        for part in parts:
            spec = spec_of(part, self.path, self.wanted, name, self.kill_limit)
            specs.append(write_spec(spec))
            missing = self._missing(pool, spec)
            left = sum(part.boxes.points_of(box) for box in missing)
            self.done += (part.boxes.points - left) * inner[part.path]
            todo.append((part, spec, missing))
        if any(missing for _, _, missing in todo):
            forget_later(self.path, self.wanted.later)
            with _bar(self.progress, "sweeping", self.points, "point", self.done, pool.dashboard) as bar:
                for part, spec, missing in todo:
                    self._compute_part(pool, part, spec, missing, bar)
        for part, spec, missing in todo:
            spec.attempts.forget_all()
            if missing or not _is_sealed(part.path):
                finish_part(part, self.progress)
        self._empty_aside()
        compute_later(self.path, self.wanted.later, again=any(missing for _, _, missing in todo))

    def _missing(self, pool: Pool, spec: Spec) -> list[int]:
        """Boxes of a part that must be computed."""
        have = sorted(box for box in spec.records.numbers() if box < spec.boxes.count)
        bad: list[int] = []
        if self.retry_failed:
            for box in have:
                record = spec.records.get(box)
                if record is None or record.failed:
                    bad.append(box)
            have = sorted(set(have) - set(bad))
        if self.check and have:
            with _bar(self.progress and len(have) > 256, "checking", len(have), "box", 0, None) as bar:
                bad += check_records(pool, spec, have, bar.advance)
        if bad:
            unseal(spec.part)
        for box in bad:
            spec.records.drop(box)
        sound = set(have) - set(bad)
        return [box for box in range(spec.boxes.count) if box not in sound]

    def _compute_part(self, pool: Pool, part: Part, spec: Spec, missing: Sequence[int], bar: Progress) -> None:
        if not missing:
            return
        unseal(part.path)
        inner = part.meta["inner_points"]

        def advance(points: int, failed: int) -> None:
            self.done += points * inner
            self.computed += points * inner
            bar.advance(points * inner, failed=failed * inner)

        compute(pool, spec, missing, advance, bar.note, part.meta["point_bytes"])


def _warn_of_other_sources(log: Path) -> None:
    """Say so if what is there was computed by other sources under the same version."""
    sessions = read_sessions(log)
    if sessions and sessions[-1].get("sources") not in (None, identity()["sources"]):
        warnings.warn(
            f"the store was begun by other sources of dmfx {dmfx_version()} than these: its points may differ in their "
            "last bits, or more",
            UserWarning,
            stacklevel=4,
        )


def _forget_failed(parts: Sequence[Part]) -> None:
    """Forget the boxes of points that failed; first those of later stretches, which go on from them."""
    for part in sorted(parts, key=lambda part: -part.stretch):
        boxes = part.boxes
        box_of = {
            dim: {label: i // size for i, label in enumerate(part.labels(dim).tolist())}
            for dim, size in zip(boxes.dims, boxes.sizes, strict=True)
        }
        for failure in list(failures_of([each for each in parts if each.stretch <= part.stretch])):
            at = tuple(box_of[dim].get(failure[dim], -1) for dim in boxes.dims)
            if -1 not in at:
                unseal(part.path)
                part.records.drop(boxes.number(at))


def _is_sealed(path: Path) -> bool:
    try:
        return load_part(path).sealed
    except Exception:  # whatever a library says of damaged checksums
        return False


#: What a disk says that is full, or that refuses to be written.
NOT_WRITABLE = (errno.ENOSPC, errno.EDQUOT, errno.EROFS, errno.EPERM, errno.EACCES, errno.EFBIG, errno.EIO)


class _Silent:
    """Shows nothing."""

    def __enter__(self) -> _Silent:
        return self

    def __exit__(self, *error: object) -> None:
        pass

    def advance(self, pieces: int = 1, *, failed: int = 0) -> None:
        """Nothing."""

    def note(self, text: str) -> None:
        """Nothing."""


def _bar(shown: bool, what: str, total: int, unit: str, done: int, dashboard: str | None) -> Progress | _Silent:
    return Progress(what, total, unit=unit, initial=done, dashboard=dashboard) if shown else _Silent()


class _in_words:
    """Add to what stops a sweep how far it is."""

    def __init__(self, session: _Session):
        self.session = session

    def __enter__(self) -> None:
        pass

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: object) -> None:
        session = self.session
        if isinstance(error, OSError) and not isinstance(error, SweepError) and error.errno in NOT_WRITABLE:
            error = StoreNotWritable(error.errno, f"cannot write into {session.path} ({error.strerror})")
        if not isinstance(error, (SchedulerLost, StoreNotWritable, WorkerMismatch)):
            return
        session.count()
        kept = f"{session.done} of {session.points} points are kept in {session.path}, and the same call goes on there"
        if isinstance(error, StoreNotWritable):
            raise StoreNotWritable(error.errno or 0, f"{error.strerror}; {kept}") from error
        raise type(error)(f"{error}; {kept}") from error
