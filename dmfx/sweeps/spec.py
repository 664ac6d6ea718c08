"""What workers need to know of a sweep: a file in the store, read once by each process.

Tasks then carry nothing but numbers, and nothing is lost with the scheduler or a worker. The file is written by the
client that is running, for its own workers, and removed at its end: nobody unpickles what came with an archive.
"""

from __future__ import annotations

import functools
import pickle
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import xarray as xr

from dmfx.archive.assembling import assemble
from dmfx.archive.boxes import Boxes
from dmfx.archive.chunkfile import put_file
from dmfx.archive.parts import load_parts
from dmfx.archive.records import Records, working_folder
from dmfx.sweeps.attempts import Attempts
from dmfx.sweeps.reductions import Reduction
from dmfx.sweeps.run import Run

__all__ = ["Spec", "load_spec", "previous_states", "write_spec"]

#: Variables that a run goes on from.
STATES = ("final_attention", "final_phase", "noise_step", "final_tokens", "status")


@dataclass(frozen=True, eq=False)
class Spec:
    """One part of a sweep, as a worker needs it.

    Attributes
    ----------
    store
        Folder of the store.
    part, id
        Folder of the part, and which archive it is.
    session
        Name of the session.
    run, reductions
        What is computed; of a stretch that goes on from another the run has no start.
    sources
        For each variable of the part: the reduction that it comes from, None for the run, and its name there.
    boxes, width
        How the part is cut; room for checksums in a record.
    kill_limit
        Times that one point may kill its worker.
    goes_on
        Whether it starts from the final states of the stretch with this number; None if it does not.
    """

    store: Path
    part: Path
    id: str
    session: str
    run: Run
    reductions: tuple[Reduction, ...]
    sources: Mapping[str, tuple[str | None, str]]
    boxes: Boxes
    width: int
    kill_limit: int
    goes_on: int | None = None

    @property
    def aside(self) -> Path:
        """Where files are written before they are put in place."""
        return working_folder(self.store) / "tmp"

    @functools.cached_property
    def records(self) -> Records:
        """The records of the part."""
        return Records(self.part, self.width)

    @functools.cached_property
    def attempts(self) -> Attempts:
        """The attempts of the part."""
        return Attempts(working_folder(self.part) / "attempts", self.session)

    @functools.cached_property
    def start(self) -> dict[str, Any]:
        """Further arguments of the run: the states it goes on from."""
        return {} if self.goes_on is None else {"initial": previous_states(self.store, self.goes_on)}


def previous_states(store: Path, stretch: int) -> xr.Dataset:
    """The final states of the first stretches of a store, lazy."""
    ds = assemble([part for part in load_parts(store) if part.stretch <= stretch], chunks={})
    return ds[[name for name in STATES if name in ds]]


def write_spec(spec: Spec) -> Path:
    """Write the file; its name has the session and the part."""
    path = _path(spec.store, spec.session, spec.part.name)
    put_file(path, pickle.dumps(spec), spec.aside)
    return path


@functools.lru_cache(maxsize=8)
def load_spec(store: str, session: str, part: str) -> Spec:
    """Read it, once in each process."""
    return pickle.loads(_path(Path(store), session, part).read_bytes())


def _path(store: Path, session: str, part: str) -> Path:
    return working_folder(store) / f"spec-{session}-{part}.pkl"
