"""One call of `dmfx.sweep` on a store: what is missing, computing it, and what to say if something stops it."""

from __future__ import annotations

import contextlib
import errno
import uuid
import warnings
from collections.abc import Sequence
from pathlib import Path

from dmfx.archive.parts import Part, failures_of, load_part, load_parts, part_paths
from dmfx.archive.records import working_folder
from dmfx.progress import Progress
from dmfx.sweeps.attempts import CLUSTER, THREADS, Attempts
from dmfx.sweeps.drive import check as check_records
from dmfx.sweeps.drive import compute
from dmfx.sweeps.errors import SchedulerLost, StoreNotWritable, SweepError, WorkerMismatch
from dmfx.sweeps.identity import identity
from dmfx.sweeps.later import compute_later, forget_later
from dmfx.sweeps.limits import memory_of
from dmfx.sweeps.lock import locked
from dmfx.sweeps.pools import Pool
from dmfx.sweeps.report import progress_of
from dmfx.sweeps.sessions import begin_session, end_session, read_sessions
from dmfx.sweeps.spec import Spec, write_spec
from dmfx.sweeps.store import finish_part, mend_fixed, remove_abandoned, unseal
from dmfx.sweeps.stretches import Wanted, add_parts, spec_of
from dmfx.validation import Problems
from dmfx.version import dmfx_version

__all__ = ["Session"]


class Session:
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
            with Progress(
                "sweeping",
                self.points,
                unit="point",
                initial=self.done,
                dashboard=pool.dashboard,
                shown=self.progress,
            ) as bar:
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
            with Progress("checking", len(have), unit="box", shown=self.progress and len(have) > 256) as bar:
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


class _in_words:
    """Add to what stops a sweep how far it is."""

    def __init__(self, session: Session):
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
