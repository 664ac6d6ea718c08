"""`dmfx.sweep`: a sweep into a store that survives whatever happens."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import xarray as xr

from dmfx import archive
from dmfx.archive.records import working_folder
from dmfx.models import SelfAttention, VectorAttention
from dmfx.sweeps.describe import described_call
from dmfx.sweeps.errors import StoreNotWritable
from dmfx.sweeps.limits import check_disk, check_task, memory_of
from dmfx.sweeps.pools import Pool, open_pool
from dmfx.sweeps.reductions import in_tasks_or_later, parse_reductions
from dmfx.sweeps.run import parse_run
from dmfx.sweeps.session import Session
from dmfx.sweeps.spec import STATES
from dmfx.sweeps.stretches import Wanted, first_part
from dmfx.validation import Problems

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
        A worker runs another dmfx, or another NumPy, SciPy or Numba.
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
    ['fixed', 'periodic']
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
    session = Session(path, wanted, kill_limit, retry_failed, check, progress)
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
