"""What one task of a sweep does: run the kernel on the points of its chunk."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from dmfx import variables
from dmfx.models.self_attention import SelfAttention
from dmfx.models.start import Context
from dmfx.starts import RandomContexts, Start, random_context

if TYPE_CHECKING:
    from dmfx.kernels.self_attention import Points

__all__ = ["STATUS", "Block", "Carry", "Measurement", "points_at", "run_block"]

#: Values of the variable ``status``.
STATUS = {name: value for value, name in enumerate(variables.STATUS)}


@dataclass(frozen=True)
class Measurement:
    """Lyapunov exponents that are measured over the steps of a run.

    Attributes
    ----------
    n
        Number of exponents.
    steps
        Steps of the whole run.
    align
        Steps at the end of the transient in which the tangent vectors turn into place.
    every
        Steps from one orthonormalisation to the next.
    windows
        Number of windows.
    """

    n: int
    steps: int
    align: int
    every: int
    windows: int


@dataclass(frozen=True)
class Carry:
    """Points that start where their neighbour along one dim ended.

    Attributes
    ----------
    dim
        That dim.
    down
        Whether it is followed from high values to low ones.
    """

    dim: str
    down: bool

    def order(self, labels: np.ndarray) -> list[int]:
        """Positions of the labels in the order in which they are run."""
        ascending = np.argsort(labels, kind="stable")
        return (ascending[::-1] if self.down else ascending).tolist()


class Block(NamedTuple):
    """What a task is told about its chunk.

    Attributes
    ----------
    axes
        Labels of the chunk's points along each sweep dim, in order.
    transient, steps
        Steps to discard and to keep.
    record
        Variables to keep.
    start
        Where the points start, if not at the end of another run.
    measurement
        Exponents to measure, if any.
    before
        Steps of the run that were kept in chunks before this one.
    carry
        How the points follow each other, if they do.
    """

    axes: dict[str, np.ndarray]
    transient: int
    steps: int
    record: tuple[str, ...]
    start: Start | None
    measurement: Measurement | None = None
    before: int = 0
    carry: Carry | None = None


class _State(NamedTuple):
    """Where points stand, arrays (sweep...), sweep dims of full size or 1; then what they measured so far."""

    attention: np.ndarray
    phase: np.ndarray
    status: np.ndarray | None = None
    frame: np.ndarray | None = None
    logs: np.ndarray | None = None
    determinant: np.ndarray | None = None


def run_block(model: SelfAttention, block: Block, *state: np.ndarray) -> tuple[np.ndarray, ...]:
    """Run the kernel on one chunk.

    Parameters
    ----------
    model
        The model.
    block
        The chunk.
    *state
        None to start as the block says. Contexts to start from, dims (sweep..., context, pattern), and phases
        (sweep...), sweep dims of full size or 1. If this chunk goes on in time from another, also that one's status
        and measurement. If it is carried on, those of the chunk before along the carried dim.

    Returns
    -------
    tuple
        The recorded variables, dims (sweep..., step, pattern); final attention, final phase and status. With a
        measurement, then its state if there are steps to come, or the summary of the exponents if there are none.
    """
    given = _State(*state) if state else None
    if block.carry is None:
        return _run(model, block, given)
    axis = list(block.axes).index(block.carry.dim)
    labels = block.axes[block.carry.dim]
    order = block.carry.order(labels)
    if given is not None:  # the first of the line starts where the others do not
        given = _State(*(part.take([order[0]], axis) if part.shape[axis] > 1 else part for part in state))
    results: dict[int, tuple[np.ndarray, ...]] = {}
    for i in order:
        one = block._replace(axes=block.axes | {block.carry.dim: labels[i : i + 1]})
        results[i] = _run(model, one, given)
        given = _State(*results[i][len(block.record) : len(block.record) + 2])
    return tuple(np.concatenate(parts, axis) for parts in zip(*(results[i] for i in sorted(results)), strict=True))


def last_carried(carry: Carry, labels: np.ndarray, axis: int, array: np.ndarray) -> np.ndarray:
    """The part of a carried chunk's states from which the next chunk starts."""
    return array.take([carry.order(labels)[-1]], axis)


def _run(model: SelfAttention, block: Block, given: _State | None) -> tuple[np.ndarray, ...]:
    """Run points that do not depend on each other."""
    shape = tuple(len(labels) for labels in block.axes.values())
    n_points = int(np.prod(shape))
    along = np.indices(shape).reshape(len(shape), n_points)
    label = {dim: labels[i] for (dim, labels), i in zip(block.axes.items(), along, strict=True)}
    epsilon = label.get("epsilon", np.full(n_points, model.epsilon))
    token = None
    if given is None:
        with np.errstate(over="ignore", invalid="ignore"):  # a point that overflows is told by its status
            attention, phase, token = _starts(model, block.start, label, epsilon)
    else:
        lags = (model.context_size, model.n_patterns)
        attention = np.broadcast_to(given.attention, (*shape, *lags)).reshape(n_points, *lags)
        phase = np.broadcast_to(given.phase, shape).reshape(n_points)
    points = points_at(
        model, label["beta"], label["gamma"], label["seed"], epsilon, attention, phase.astype(np.int64), token
    )
    recorded, final_attention, final_phase, measured = _advance(points, block, given)
    started = np.isfinite(attention[:, 0] if token is not None else attention.reshape(n_points, -1)).all(axis=1)
    finished = np.isfinite(final_attention[:, 0]).all(axis=1)
    status = np.where(finished, STATUS["ok"], np.where(started, STATUS["diverged"], STATUS["bad_start"]))
    if given is not None and given.status is not None:
        status = np.where(given.status.ravel() == STATUS["ok"], status, given.status.ravel())
    measurement = block.measurement
    if measurement is not None and block.before + block.steps == measurement.steps:
        measured, status = _summary(measurement, measured, status)
    results = (*recorded, final_attention, final_phase, status.astype(np.int8), *measured)
    return tuple(result.reshape(*shape, *result.shape[1:]) for result in results)


def _advance(
    points: Points, block: Block, given: _State | None
) -> tuple[np.ndarray, np.ndarray, np.ndarray, tuple[np.ndarray, ...]]:
    """Recorded variables, final attention, final phase and the state of the measurement."""
    from dmfx.kernels.self_attention import run

    if block.measurement is None:
        return *run(points, transient=block.transient, steps=block.steps, record=block.record), ()
    from dmfx.kernels.schedule import schedule
    from dmfx.kernels.survey import new_sums
    from dmfx.kernels.tangent import Sums, advance

    n, total, align, every, windows = (
        block.measurement.n,
        block.measurement.steps,
        block.measurement.align,
        block.measurement.every,
        block.measurement.windows,
    )
    n_points, context_size, n_patterns = points.attention.shape
    plan = schedule(align, total, every, windows)
    phase = points.phase
    if given is None or given.frame is None:
        before = block.transient - align
        _, attention, phase = run(points, transient=before, steps=0)
        points = points._replace(attention=attention, phase=phase, token=None)
        sums = new_sums(n_points, n, context_size, n_patterns, windows)
        _, attention, sums = advance(points, sums, plan, first=0, steps=align)
        phase = (phase + align) % context_size
        points = points._replace(attention=attention, phase=phase)
    else:
        parts = (given.frame, given.logs, given.determinant)
        sums = Sums(*(part.reshape(n_points, *part.shape[given.phase.ndim :]) for part in parts))
    recorded, attention, sums = advance(
        points, sums, plan, first=align + block.before, steps=block.steps, record=block.record
    )
    return recorded, attention, (phase + block.steps) % context_size, tuple(sums)


def _summary(
    measurement: Measurement, measured: tuple[np.ndarray, ...], status: np.ndarray
) -> tuple[tuple[np.ndarray, ...], np.ndarray]:
    from dmfx.dynamics.exponents import summarise
    from dmfx.kernels.schedule import schedule
    from dmfx.kernels.survey import exponents
    from dmfx.kernels.tangent import Sums

    sums = Sums(*measured)
    plan = schedule(measurement.align, measurement.steps, measurement.every, measurement.windows)
    found = exponents(sums, plan)
    size = int(np.prod(sums.frame.shape[2:]))
    return summarise(found["finite_time"], found["lengths"], found["log_determinant"], status, size)


def points_at(
    model: SelfAttention,
    beta: np.ndarray,
    gamma: np.ndarray,
    seed: np.ndarray,
    epsilon: np.ndarray,
    attention: np.ndarray,
    phase: np.ndarray,
    token: np.ndarray | None = None,
) -> Points:
    """What the kernels take: parameters and starts by point, shape (point, ...), with the weights of every seed."""
    from dmfx.kernels.self_attention import Points

    seeds, realisation = np.unique(seed, return_inverse=True)
    drawn = [model.realisation(int(number)) for number in seeds]
    return Points(
        beta=beta,
        gamma=gamma,
        epsilon=epsilon,
        realisation=realisation,
        field=np.stack([real.field for real in drawn]),
        overlap=np.stack([real.overlap for real in drawn]),
        drive=np.stack([real.drive for real in drawn]),
        attention=attention,
        phase=phase % model.context_size,
        token=token,
    )


def _starts(
    model: SelfAttention, start: Start, label: Mapping[str, np.ndarray], epsilon: np.ndarray
) -> tuple[np.ndarray, np.ndarray, np.ndarray | None]:
    """Attention values, phases and first tokens of the points of a chunk."""
    n_points = len(epsilon)
    shape = (n_points, model.context_size, model.n_patterns)
    if isinstance(start, Context):
        return np.broadcast_to(start.attention, shape), np.full(n_points, start.phase), None
    if isinstance(start, RandomContexts):
        pairs, which = _distinct(label["seed"], label["initial"])
        contexts = np.stack([random_context(seed, number, *shape[1:]) for seed, number in pairs])
        return contexts[which], np.zeros(n_points), None
    # Attention to a context of one token is its value overlap.
    pairs, which = _distinct(label["seed"], epsilon)
    token = np.stack([model.token_overlaps(seed, start, e) for seed, e in pairs])[which]
    attention = np.full(shape, np.nan)
    attention[:, 0] = token[:, 1]
    return attention, np.full(n_points, 1), token


def _distinct(seed: np.ndarray, other: np.ndarray) -> tuple[list[tuple], np.ndarray]:
    """Distinct pairs among the points, and which of them each point has."""
    number = {pair: i for i, pair in enumerate(dict.fromkeys(zip(seed.tolist(), other.tolist(), strict=True)))}
    which = [number[pair] for pair in zip(seed.tolist(), other.tolist(), strict=True)]
    return list(number), np.array(which)
