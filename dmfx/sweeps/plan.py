"""The plan of a sweep: everything that decides its result, and how it is cut."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import dask.array as da
import numpy as np
import xarray as xr

from dmfx.chunking import LANES, TARGET_BYTES, TARGET_SECONDS, parse_chunks
from dmfx.sweeps.reductions import Reduction, Renaming, coupled_dims, merge, recorded, reduced
from dmfx.sweeps.run import KNOWN, Run
from dmfx.validation import Problems

__all__ = ["Plan", "make_plan", "plan_inner_points", "task_bytes"]

#: Points of the part of a sweep by which the cost of its tasks is judged.
PROBE = 4096
#: Memory of a task whatever it computes.
TASK_BYTES = 8e6
#: Variables from which runs go on; they are always kept.
STATE = ("final_attention", "final_phase", "noise_step", "final_tokens", "status")


@dataclass(frozen=True, eq=False)
class Plan:
    """A sweep as it is computed.

    Attributes
    ----------
    run
        What is run.
    reductions
        What is made of it.
    kept
        Trajectories that are kept.
    template
        The whole result, lazy and in as few tasks as it has variables: its names, dims, labels and attributes.
    renamings
        What became of the variables of each reduction.
    dims
        Sweep dims that are cut, in order.
    coupled
        Sweep dims along which points are computed together, and why.
    sizes
        Points of a box along each dim that is cut.
    steps
        Labels of the steps that the run keeps.
    """

    run: Run
    reductions: tuple[Reduction, ...]
    kept: tuple[str, ...]
    template: xr.Dataset
    renamings: dict[str, Renaming]
    dims: tuple[str, ...]
    coupled: dict[str, str]
    sizes: dict[str, int]
    steps: np.ndarray

    @property
    def record(self) -> list[str] | None:
        """Variables that the run records, None for those that its task does by itself."""
        names = self.run.arguments.get("variables")
        return None if names is None else list(names)

    @property
    def first_step(self) -> int:
        """Label of the first step that the run keeps."""
        return int(self.steps[0])

    @property
    def n_steps(self) -> int:
        """Number of steps that the run keeps."""
        return len(self.steps)

    def shifted(self, first_step: int) -> Plan:
        """The same with steps that are counted from the beginning of an earlier run."""
        steps = self.steps - self.steps[0] + first_step
        template = self.template
        if "step" in template.dims:
            template = template.assign_coords(step=("step", steps, template["step"].attrs))
        return replace(self, template=template, steps=steps)

    @property
    def shape(self) -> dict[str, int]:
        """Labels along each dim that is cut."""
        return {dim: self.template.sizes[dim] for dim in self.dims}

    def lazy(self) -> dict[str, xr.DataArray]:
        """The variables that tasks compute."""
        return {str(name): var for name, var in self.template.data_vars.items() if isinstance(var.data, da.Array)}

    def point_bytes(self) -> int:
        """Bytes that one point of the dims that are cut adds to the store, before it is compressed."""
        total = 0
        for var in self.lazy().values():
            if set(self.dims) <= set(var.dims):
                total += var.dtype.itemsize * math.prod(var.sizes[dim] for dim in var.dims if dim not in self.dims)
        return total


def _result(run: xr.Dataset, reductions: Sequence[Reduction], kept: Sequence[str], *, whole: bool = False) -> tuple:
    """The Dataset that a sweep keeps of a run, and what became of the variables of each reduction."""
    results = reduced(run, reductions, whole=whole)
    trajectories = [name for name in KNOWN if name in run and name not in kept and "step" in run[name].dims]
    return merge(run.drop_vars(trajectories), results, reductions)


def make_plan(
    problems: Problems,
    run: Run,
    reductions: tuple[Reduction, ...],
    variables: Sequence[str] | str | None,
    chunks: object,
    most_bytes: float,
) -> Plan:
    """Try everything out on a lazy Dataset of the whole sweep, and choose how to cut it.

    Parameters
    ----------
    problems
        Where problems are recorded.
    run, reductions
        What is computed.
    variables
        Trajectories to keep.
    chunks
        ``"auto"``, or points of a box along each dim.
    most_bytes
        Memory that one task may take.
    """
    run, kept = _recording(run, reductions, variables)
    whole = run.quiet(chunks=-1)
    dims = tuple(dim for dim in whole["status"].dims if dim in run.labels)
    results = reduced(whole, reductions, whole=True)
    if reductions and run.arguments.get("variables"):
        run, whole, results = _without_unused(run, whole, results, reductions, kept)
    coupled = coupled_dims(whole, results, reductions, dims)
    if (carry := run.arguments.get("carry")) is not None:
        coupled.setdefault(carry, "carry")
    template, renamings = _result(whole, reductions, kept, whole=True)
    free = tuple(dim for dim in dims if dim not in coupled)
    plan = Plan(run, reductions, kept, template, renamings, free, coupled, {}, whole["step"].values)
    return replace(plan, sizes=_box_sizes(problems, plan, dims, chunks, most_bytes))


def _recording(
    run: Run, reductions: Sequence[Reduction], variables: Sequence[str] | str | None
) -> tuple[Run, tuple[str, ...]]:
    """What the run records: what is kept, or what its task records by itself and what reductions name."""
    if variables is not None:
        kept = (variables,) if isinstance(variables, str) else tuple(variables)
        if not reductions:
            return run.with_arguments(variables=kept), kept
    else:
        kept = ()
    whole = run.quiet(run.labels, chunks=-1)
    default = tuple(name for name in KNOWN if name in whole)
    if not reductions:
        return run, default
    if run.task != "simulate":  # what else is recorded the task decides
        named = recorded(reductions, KNOWN)
        extra = tuple(dict.fromkeys((*kept, *sorted(named))))
        return (run.with_arguments(variables=extra) if extra else run), kept
    recorded_ = tuple(dict.fromkeys((*default, *kept, *sorted(recorded(reductions, KNOWN)))))
    return run.with_arguments(variables=recorded_), kept


def _without_unused(
    run: Run,
    whole: xr.Dataset,
    results: Mapping[str, xr.Dataset],
    reductions: tuple[Reduction, ...],
    kept: tuple[str, ...],
) -> tuple[Run, xr.Dataset, dict[str, xr.Dataset]]:
    """Record no trajectory that nothing needs."""
    if run.task != "simulate":
        return run, whole, dict(results)
    used = _layers(results)
    record = tuple(name for name in run.arguments["variables"] if name in kept or whole[name].data.name in used)
    if record == run.arguments["variables"] or (not record and "overlap" in KNOWN and _is_vector(run)):
        return run, whole, dict(results)
    run = run.with_arguments(variables=record)
    whole = run.quiet(chunks=-1)
    return run, whole, reduced(whole, reductions, whole=True)


def _is_vector(run: Run) -> bool:
    from dmfx.models import VectorAttention

    return isinstance(run.model, VectorAttention)


def _layers(results: Mapping[str, xr.Dataset]) -> set[str]:
    """Names of all layers that results are computed from."""
    found: set[str] = set()
    for ds in results.values():
        for var in ds.data_vars.values():
            if isinstance(var.data, da.Array):
                graph = var.data.dask
                waiting = [var.data.name]
                while waiting:
                    name = waiting.pop()
                    if name not in found:
                        found.add(name)
                        waiting += graph.dependencies.get(name, ())
    return found


def _box_sizes(
    problems: Problems, plan: Plan, dims: Sequence[str], chunks: object, most_bytes: float
) -> dict[str, int]:
    """Points of a box along each dim that is cut."""
    shape = plan.shape
    default = _default_sizes(plan, dims, most_bytes) if chunks == "auto" or isinstance(chunks, Mapping) else dict(shape)
    if isinstance(chunks, Mapping):
        chunks = dict(chunks)
        for dim in list(chunks):
            if dim in plan.coupled:
                problems.say(f"chunks: {dim} cannot be cut: {plan.coupled[dim]} needs all of its points at once")
                del chunks[dim]
    cut = parse_chunks(problems, chunks, shape, None, default)
    sizes = {}
    for dim, each in cut.items():
        if any(size != each[0] for size in each[:-1]) or each[-1] > each[0]:
            problems.say(f"chunks: the boxes of a store are of equal size; {dim} cannot be cut into {each}")
        sizes[dim] = each[0]
    return sizes


def _default_sizes(plan: Plan, dims: Sequence[str], most_bytes: float) -> dict[str, int]:
    """Boxes of a few seconds and of bounded memory, whole groups of lanes, the last dims kept whole first."""
    shape = plan.shape
    seconds = _seconds_per_point(plan, dims)
    by_time = TARGET_SECONDS / seconds
    by_bytes = TARGET_BYTES / max(plan.point_bytes(), 1)
    points = max(min(by_time, by_bytes), 1)
    points = max(1, int(min(max(points, LANES), max(most_bytes / task_bytes(plan, 1), 1))))
    if LANES < points < math.prod(shape.values()):
        points -= points % LANES
    sizes: dict[str, int] = {}
    for dim in reversed(plan.dims):
        sizes[dim] = max(1, min(shape[dim], points))
        points //= sizes[dim]
    return {dim: sizes[dim] for dim in plan.dims}


def _seconds_per_point(plan: Plan, dims: Sequence[str]) -> float:
    """Estimated seconds of a point of the dims that are cut, from how the run and the analyses would cut theirs."""
    points, labels = PROBE, {}
    for dim in reversed(dims):
        all_labels = plan.run.labels[dim]
        labels[dim] = all_labels if dim in plan.coupled else all_labels[: max(1, points)]
        points //= len(labels[dim])
    run = plan.run.quiet(plan.run.beside_finite({dim: labels[dim] for dim in dims}))
    results = reduced(run, plan.reductions)
    total = 0.0
    for ds in (run, *results.values()):
        status = ds["status"] if "status" in ds else next(iter(ds.data_vars.values()))
        array = status.data
        if not isinstance(array, da.Array):
            continue
        per_task = math.prod(c[0] for c, dim in zip(array.chunks, status.dims, strict=True) if dim in plan.dims)
        pieces = len(ds.chunksizes.get("step", (1,))) if ds is run else 1
        total += TARGET_SECONDS * pieces / max(per_task, 1)
    return max(total, 1e-9)


def task_bytes(plan: Plan, points: int) -> float:
    """Estimated memory of a task of so many points: its results, copies of them and of states, and what it runs on."""
    state = sum(plan.template[name].dtype.itemsize * _inner(plan, name) for name in STATE if name in plan.template)
    # Measured: analyses hold results in pieces and whole, and some 2 kB for each point whose map they run.
    results, states, each = (4.0, 16.0, 1024.0 * plan_inner_points(plan)) if plan.reductions else (2.5, 4.0, 0.0)
    return TASK_BYTES + _working(plan, points) + points * (results * plan.point_bytes() + states * state + each)


def _inner(plan: Plan, name: str) -> int:
    var = plan.template[name]
    return math.prod(size for dim, size in var.sizes.items() if dim not in plan.dims)


def _working(plan: Plan, points: int) -> float:
    """Trajectories that are in memory at once: chunks of the run, which limits them by itself."""
    names = plan.run.arguments.get("variables") or plan.kept
    steps = plan.run.steps or 1
    patterns = max(plan.template.sizes.get("pattern", 1), 1)
    whole = points * 8.0 * steps * patterns * plan_inner_points(plan)
    return max(len(names), 1) * min(3 * TARGET_BYTES, 2.5 * whole)


def plan_inner_points(plan: Plan) -> int:
    """Points of the dims that are not cut, for one of those that are."""
    return math.prod(size for dim, size in plan.template["status"].sizes.items() if dim not in plan.dims)
