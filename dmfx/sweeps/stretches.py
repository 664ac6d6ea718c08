"""The parts of a store: the first one, and those that an extension adds."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from dmfx.archive.parts import PART, Part, load_part
from dmfx.sweeps import extent
from dmfx.sweeps.describe import steps_of
from dmfx.sweeps.errors import StoreMismatch
from dmfx.sweeps.limits import check_disk, check_task
from dmfx.sweeps.plan import Plan, make_plan, plan_inner_points
from dmfx.sweeps.reductions import Reduction
from dmfx.sweeps.run import Run
from dmfx.sweeps.spec import Spec, previous_states
from dmfx.sweeps.store import create_part
from dmfx.validation import Problems

__all__ = ["Wanted", "add_parts", "first_part", "spec_of"]

#: Arguments of a run that say where it starts.
STARTS = ("initial", "starts")


@dataclass(frozen=True, eq=False)
class Wanted:
    """What a call asks for.

    Attributes
    ----------
    run, variables, chunks, title
        As given.
    reductions, later
        Those that tasks apply, and those that wait for the end of the sweep.
    call
        The same in plain values, to compare with that of the store.
    """

    run: Run
    reductions: tuple[Reduction, ...]
    later: tuple[Reduction, ...]
    variables: Any
    chunks: object
    call: dict[str, Any]
    title: str | None = None

    def plan(self, problems: Problems, most_bytes: float) -> Plan:
        """How all of it is computed."""
        plan = make_plan(problems, self.run, self.reductions, self.variables, self.chunks, most_bytes)
        return plan if self.title is None else replace(plan, template=plan.template.assign_attrs(title=self.title))

    def agreeing(self, problems: Problems, path: Path, parts: Sequence[Part]) -> Wanted:
        """The same with labels as the store writes them.

        Raises
        ------
        StoreMismatch
            If the store was made with other arguments.
        """
        first = parts[0]
        found = extent.differences(first.meta["call"], self.call)
        dims, labels = first.boxes.dims, self.run.labels
        if not found:
            labels = extent.with_known_labels(parts, labels)
            found = extent.missing_labels(parts, labels, dims)
            for dim, values in labels.items():
                if dim not in dims and not np.array_equal(values, first.labels(dim)):
                    why = first.meta["coupled"].get(dim, "a reduction")
                    found.append(f"{dim} cannot be extended: {why} needs all of its points at once")
            found += _mean_field_too_late(extent.known_labels(parts, "size"), labels) if "size" in dims else []
            found += self._differing_chunks(first)
            found += self._differing_steps(parts)
        if found:
            raise StoreMismatch(
                f"sweep: {path} is the store of another sweep: {'; '.join(found)}. Give the same arguments, or another "
                "store"
            )
        return replace(self, run=replace(self.run, labels=labels))

    def _differing_chunks(self, first: Part) -> list[str]:
        if not isinstance(self.chunks, Mapping):
            return []
        sizes = dict(zip(first.boxes.dims, first.boxes.sizes, strict=True))
        shape = dict(zip(first.boxes.dims, first.boxes.shape, strict=True))
        return [
            f"it was made with boxes of {sizes[dim]} along {dim}, not {size}"
            for dim, size in self.chunks.items()
            if dim in sizes and isinstance(size, int) and size != -1 and min(size, shape[dim]) != sizes[dim]
        ]

    def _differing_steps(self, parts: Sequence[Part]) -> list[str]:
        wanted, have = steps_of(self.run), run_steps(parts)
        if wanted is None or wanted == have:
            return []
        if not isinstance(wanted, (int, np.integer)) or wanted < have:
            return [f"it was made with steps={have}, not {wanted!r}"]
        for name in ("carry", "lyapunov"):
            if self.run.arguments.get(name):
                return [f"it was made with steps={have}, and runs with {name}= cannot be made longer"]
        if self.run.task != "simulate":
            return [f"it was made with steps={have}, and runs of {self.run.task} cannot be made longer"]
        return []


def _mean_field_too_late(known: np.ndarray, labels: Mapping[str, np.ndarray]) -> list[str]:
    """Why sizes cannot be added, if so: what a store keeps of finite networks and of the mean field alone differs."""
    new = np.setdiff1d(labels["size"], known)
    if new.size and (np.isinf(new).any() or np.isinf(known).all()):
        return ["size = inf must be there from the beginning beside a finite one, and cannot be extended alone"]
    return []


def run_steps(parts: Sequence[Part]) -> int | None:
    """Steps of the runs of a store, over all stretches."""
    by_stretch = {part.stretch: part.meta["run_steps"] for part in parts}
    return None if None in by_stretch.values() else sum(by_stretch.values())


def first_part(path: Path, wanted: Wanted, plan: Plan) -> None:
    """Make the store."""
    create_part(path, plan, _meta(wanted, plan, 0, _first_step(plan), wanted.run.labels))


def _first_step(plan: Plan) -> int:
    return int(plan.first_step)


def _meta(
    wanted: Wanted, plan: Plan, stretch: int, first_step: int, labels: Mapping[str, np.ndarray]
) -> dict[str, Any]:
    return {
        "call": wanted.call,
        "record": plan.record,
        "coupled": plan.coupled,
        "stretch": stretch,
        "first_step": first_step,
        "steps": plan.n_steps,
        "run_steps": steps_of(plan.run),
        "inner_points": plan_inner_points(plan),
        "point_bytes": plan.point_bytes(),
        "axes": {} if stretch == 0 and labels is wanted.run.labels else {d: v.tolist() for d, v in labels.items()},
    }


def add_parts(path: Path, wanted: Wanted, parts: list[Part], most_bytes: float) -> list[Part]:
    """All parts of what is wanted, in the order in which they are computed; those that are missing are made."""
    first = parts[0]
    dims, labels = first.boxes.dims, wanted.run.labels
    steps = _stretch_steps(wanted, parts)
    every = list(parts)
    begins = first.meta["first_step"]
    for stretch, n_steps in enumerate(steps):
        own = [part for part in every if part.stretch == stretch]
        for places in extent.rectangles(~extent.covered(own, labels, dims)):
            some = {**labels, **{dim: labels[dim][at] for dim, at in zip(dims, places, strict=True)}}
            run = replace(wanted.run, labels=some)
            if stretch > 0:
                run = _further(run, n_steps)
            elif n_steps is not None:
                run = run.with_arguments(steps=n_steps)
            every.append(_added(path, replace(wanted, run=run), len(every), stretch, begins, first, most_bytes, labels))
        begins += n_steps or 0
    return sorted(every, key=lambda part: part.stretch)


def _stretch_steps(wanted: Wanted, parts: Sequence[Part]) -> list[int | None]:
    """Steps of every stretch, with the one that is new."""
    by_stretch = {part.stretch: part.meta["run_steps"] for part in parts}
    steps = [by_stretch[stretch] for stretch in sorted(by_stretch)]
    more = steps_of(wanted.run)
    if more is not None and None not in steps and more > sum(steps):
        steps.append(more - sum(steps))
    return steps


def _further(run: Run, steps: int) -> Run:
    """The run that goes on for so many steps; where it starts is added by whoever computes it."""
    arguments = {name: value for name, value in run.arguments.items() if name not in STARTS}
    return replace(run, arguments={**arguments, "steps": steps, "transient": 0})


def _added(
    path: Path,
    wanted: Wanted,
    number: int,
    stretch: int,
    first_step: int,
    first: Part,
    most_bytes: float,
    axes: Mapping[str, np.ndarray],
) -> Part:
    """Make one part of an extension."""
    problems = Problems("sweep")
    sizes = dict(zip(first.boxes.dims, first.boxes.sizes, strict=True))
    chunks = {dim: min(size, len(wanted.run.labels[dim])) for dim, size in sizes.items()}
    run = wanted.run
    if stretch > 0:
        run = run.with_arguments(initial=previous_states(path, stretch - 1))
    plan = make_plan(problems, run, wanted.reductions, wanted.variables, chunks, most_bytes)
    check_task(problems, plan, most_bytes)
    problems.raise_any()
    check_disk(path, plan)
    if unlike := _unlike(plan, first):
        how = f"runs cannot be made longer by {plan.n_steps} steps" if stretch > 0 else "labels cannot be added"
        raise StoreMismatch(
            f"sweep: {path}: {how}: {', '.join(unlike)} would have other sizes or labels than in the store. Add as "
            "many steps as it began with, or begin another store"
        )
    plan = plan.shifted(first_step)
    target = path / f"{PART}{number}"
    create_part(target, plan, _meta(wanted, plan, stretch, first_step, axes))
    return load_part(target, trust=False)


def _unlike(plan: Plan, first: Part) -> list[str]:
    """Variables that would not fit those of the store: an analysis may depend on the number of steps."""
    found = []
    for name, stored in first.layout.variables.items():
        sizes = dict(zip(stored.dims, stored.shape, strict=True))
        inner = {dim: size for dim, size in sizes.items() if dim not in (*first.boxes.dims, "step")}
        var = plan.template.variables.get(name)
        fits = var is not None and all(var.sizes.get(dim) == size for dim, size in inner.items())
        if fits and name in first.fixed and len(inner) == len(sizes):
            fits = _equal(first.read_fixed(name), var.values)
        if not fits:
            found.append(name)
    return found


def _equal(one: np.ndarray, other: np.ndarray) -> bool:
    return np.array_equal(one, other, equal_nan=one.dtype.kind in "fc")


def spec_of(part: Part, path: Path, wanted: Wanted, session: str, kill_limit: int) -> Spec:
    """What workers need to know of a part."""
    labels = {dim: part.labels(dim) if dim in part.boxes.dims else values for dim, values in wanted.run.labels.items()}
    run = replace(wanted.run, labels=labels)
    if part.stretch > 0:
        run = _further(run, part.meta["run_steps"])
    elif part.meta["run_steps"] is not None:
        run = run.with_arguments(steps=part.meta["run_steps"])
    if part.meta["record"] is not None:
        run = run.with_arguments(variables=tuple(part.meta["record"]))
    of = {
        stored: (name, original)
        for name, entry in part.meta["reductions"].items()
        for stored, original in entry["variables"].items()
    }
    return Spec(
        path,
        part.path,
        part.layout.id,
        session,
        run,
        wanted.reductions,
        {name: of.get(name, (None, name)) for name in part.boxes.variables},
        part.boxes,
        part.meta["record_width"],
        kill_limit,
        part.stretch - 1 if part.stretch > 0 else None,
    )
