"""What one task of a sweep does: run the kernel on the points of its chunk."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from dmfx import variables
from dmfx.finite_size import Noise, noise_keys
from dmfx.models.self_attention import SelfAttention
from dmfx.models.start import Context
from dmfx.points import by_noise, distinct, points_at
from dmfx.starts import RandomContexts, RandomTokens, Start, random_context

if TYPE_CHECKING:
    from dmfx.kernels.state import Points

__all__ = ["STATUS", "Block", "Carry", "Measurement", "run_block"]

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
    noise
        Size and noise of the points, where labels do not say.
    """

    axes: dict[str, np.ndarray]
    transient: int
    steps: int
    record: tuple[str, ...]
    start: Start | None
    measurement: Measurement | None = None
    before: int = 0
    carry: Carry | None = None
    noise: Noise = Noise()


class _State(NamedTuple):
    """Where points stand, arrays (sweep...), sweep dims of full size or 1; then what they measured so far."""

    attention: np.ndarray
    phase: np.ndarray
    clock: np.ndarray
    status: np.ndarray | None = None
    frame: np.ndarray | None = None
    logs: np.ndarray | None = None
    determinant: np.ndarray | None = None

    def flat(self, shape: tuple[int, ...]) -> _State:
        """The same by point, every sweep dim of full size."""
        parts = (None if part is None else np.broadcast_to(part, (*shape, *part.shape[len(shape) :])) for part in self)
        return _State(*(None if part is None else part.reshape(-1, *part.shape[len(shape) :]) for part in parts))

    def take(self, points: np.ndarray) -> _State:
        """Some of the points of a flat state."""
        return _State(*(None if part is None else part[points] for part in self))


def run_block(model: SelfAttention, block: Block, *state: np.ndarray) -> tuple[np.ndarray, ...]:
    """Run the kernel on one chunk.

    Parameters
    ----------
    model
        The model.
    block
        The chunk.
    *state
        None to start as the block says. Contexts to start from, dims (sweep..., context, pattern), phases and clocks of
        the noise (sweep...), sweep dims of full size or 1. If this chunk goes on in time from another, also that one's
        status and measurement. If it is carried on, those of the chunk before along the carried dim.

    Returns
    -------
    tuple
        The recorded variables, dims (sweep..., step, pattern); final attention, final phase, clock and status. With a
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
        given = _State(*results[i][len(block.record) : len(block.record) + 3])
    return tuple(np.concatenate(parts, axis) for parts in zip(*(results[i] for i in sorted(results)), strict=True))


def last_carried(carry: Carry, labels: np.ndarray, axis: int, array: np.ndarray) -> np.ndarray:
    """The part of a carried chunk's states from which the next chunk starts."""
    return array.take([carry.order(labels)[-1]], axis)


def _run(model: SelfAttention, block: Block, given: _State | None) -> tuple[np.ndarray, ...]:
    """Run points that do not depend on each other."""
    shape = tuple(len(labels) for labels in block.axes.values())
    n_points = int(np.prod(shape))
    along = np.indices(shape).reshape(len(shape), n_points)
    label = {"epsilon": np.full(n_points, model.epsilon)} | block.noise.coordinates(n_points)
    label |= {dim: labels[i] for (dim, labels), i in zip(block.axes.items(), along, strict=True)}
    token = None
    if given is None:
        with np.errstate(over="ignore", invalid="ignore"):  # a point that overflows is told by its status
            attention, phase, token = _starts(model, block.start, label)
        given = _State(attention, phase, np.zeros(n_points, dtype=np.int64))
    else:
        given = given.flat(shape)
    key = noise_keys(label, block.noise.common) if np.isfinite(label["size"]).any() else None

    def advance(which: np.ndarray | slice) -> tuple[np.ndarray, ...]:
        state = given.take(which)
        points = points_at(
            model,
            *(label[name][which] for name in ("beta", "gamma", "seed", "epsilon")),
            state.attention,
            state.phase,
            None if token is None else token[which],
            size=label["size"][which],
            key=None if key is None else key[which],
            clock=state.clock,
        )
        return _advance(points, block, state)

    results = by_noise(label["size"], advance)
    n_recorded = len(block.record)
    recorded, final_attention, measured = results[:n_recorded], results[n_recorded], results[n_recorded + 1 :]
    first = given.attention if token is None else given.attention[:, :1]
    started = np.isfinite(first).all(axis=(1, 2))
    finished = np.isfinite(final_attention[:, 0]).all(axis=1)
    status = np.where(finished, STATUS["ok"], np.where(started, STATUS["diverged"], STATUS["bad_start"]))
    if given.status is not None:
        status = np.where(given.status == STATUS["ok"], status, given.status)
    measurement = block.measurement
    if measurement is not None and block.before + block.steps == measurement.steps:
        measured, status = _summary(measurement, measured, status)
    made = block.transient + block.steps
    phase = (given.phase.astype(np.int64) + made) % model.context_size
    state = (final_attention, phase, given.clock + made, status.astype(np.int8))
    return tuple(result.reshape(*shape, *result.shape[1:]) for result in (*recorded, *state, *measured))


def _advance(points: Points, block: Block, given: _State) -> tuple[np.ndarray, ...]:
    """The recorded variables, the final attention and the state of the measurement, each (point, ...)."""
    from dmfx.kernels.self_attention import run

    if block.measurement is None:
        recorded, attention, _ = run(points, transient=block.transient, steps=block.steps, record=block.record)
        return (*recorded, attention)
    from dmfx.kernels.schedule import schedule
    from dmfx.kernels.state import later
    from dmfx.kernels.survey import new_sums
    from dmfx.kernels.tangent import Sums, advance

    n, total, align, every, windows = (
        block.measurement.n,
        block.measurement.steps,
        block.measurement.align,
        block.measurement.every,
        block.measurement.windows,
    )
    plan = schedule(align, total, every, windows)
    if given.frame is None:
        before = block.transient - align
        _, attention, _ = run(points, transient=before, steps=0)
        points = later(points, attention, before)
        sums = new_sums(*points.attention.shape[:1], n, *points.attention.shape[1:], windows)
        _, attention, sums = advance(points, sums, plan, first=0, steps=align)
        points = later(points, attention, align)
    else:
        sums = Sums(given.frame, given.logs, given.determinant)
    recorded, attention, sums = advance(
        points, sums, plan, first=align + block.before, steps=block.steps, record=block.record
    )
    return (*recorded, attention, *sums)


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


def _starts(
    model: SelfAttention, start: Start, label: Mapping[str, np.ndarray]
) -> tuple[np.ndarray, np.ndarray, np.ndarray | None]:
    """Attention values, phases and first tokens of the points of a chunk."""
    n_points = len(label["seed"])
    shape = (n_points, model.context_size, model.n_patterns)
    if isinstance(start, Context):
        return np.broadcast_to(start.attention, shape), np.full(n_points, start.phase), None
    if isinstance(start, RandomContexts):
        starts, which = distinct(label["seed"], label["initial"])
        contexts = np.stack([random_context(seed, number, *shape[1:]) for seed, number in starts])
        return contexts[which], np.zeros(n_points, dtype=np.int64), None
    # Attention to a context of one token is its value overlap.
    if isinstance(start, RandomTokens):
        starts, which = distinct(label["seed"], label["initial"], label["epsilon"], label["size"])
        token = np.stack([model.random_token_overlaps(*values) for values in starts])[which]
    else:
        starts, which = distinct(label["seed"], label["epsilon"], label["size"])
        token = np.stack([model.token_overlaps(seed, start, *values) for seed, *values in starts])[which]
    attention = np.full(shape, np.nan)
    attention[:, 0] = token[:, 1]
    return attention, np.ones(n_points, dtype=np.int64), token
