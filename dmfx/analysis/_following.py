"""Following the overlaps of blocks of runs: what `dmfx.recall` does once its arguments are known to be right."""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np

from dmfx.analysis._overlaps import Times, places_of
from dmfx.analysis._whole import Result

__all__ = ["Following", "follow_block", "results_of"]

#: Numbers that are made at once where overlaps are computed from states: 64 MB.
AT_ONCE = 2**23


class Following(NamedTuple):
    """What every block is given.

    Attributes
    ----------
    threshold, absolute, window, tolerance
        As of `dmfx.recall`.
    times
        Labels of the steps, and the time between them.
    labels, unknown
        Labels of the patterns, and what stands for none.
    configurations, tokens
        Patterns (pattern, token * component) that states are compared with, or None, and their number of tokens.
    states
        Which states must return, too: ``"tokens"``, ``"change"`` or none.
    has_target
        Whether the labels of the targets are given.
    """

    threshold: float
    absolute: bool
    window: int
    tolerance: float
    times: Times
    labels: np.ndarray
    unknown: object
    configurations: np.ndarray | None
    tokens: int
    states: str
    has_target: bool


def results_of(shared: Following, steps: int) -> dict[str, Result]:
    """Dims, sizes and types of what a block returns, in its order."""
    time = shared.times.labels.dtype.type
    label = np.append(shared.labels, shared.unknown).dtype
    life = np.result_type(np.int64, type(shared.times.spacing)).type
    by_step, by_pattern = (("step",), (steps,)), (("pattern",), (shared.labels.size,))
    results = {
        "nearest": (*by_step, label),
        "nearest_overlap": (*by_step, np.float64),
        "peak": (*by_pattern, np.float64),
        "peak_step": (*by_pattern, time),
        "recalled": (*by_pattern, np.int8),
        "lifetime": (*by_pattern, life),
        "lifetime_start": (*by_pattern, time),
        "lifetime_ended": (*by_pattern, np.int8),
        "final_overlap": (*by_pattern, np.float64),
        "final_nearest": ((), (), label),
        "final_kind": ((), (), np.int8),
        "final_period": ((), (), life),
        "final_state": ((), (), np.int8),
    }
    if shared.has_target:
        results |= dict.fromkeys(("target_final", "target_peak"), ((), (), np.float64))
        results["target_lifetime"] = (), (), np.float64
        results |= dict.fromkeys(("target_lifetime_ended", "correct"), ((), (), np.int8))
    return results


def follow_block(shared: Following, runs: np.ndarray, *more: np.ndarray) -> tuple[np.ndarray, ...]:
    """Follow a block of overlaps (..., step, pattern), or of states (..., step, token, component)."""
    inner = 2 if shared.configurations is None else 3
    sweep, steps = runs.shape[:-inner], runs.shape[-inner]
    count = math.prod(sweep)
    more = list(more)
    others = _flat_states(shared, more.pop(0), sweep, steps) if shared.states else np.empty((count, steps, 0))
    flat = np.ascontiguousarray(runs).reshape(count, steps, math.prod(runs.shape[1 - inner :]))
    made = shared.configurations is not None
    raw = _from_configurations(shared, flat) if made else _follow(shared, flat, others)
    nearest, value, peak, peak_at, start, length, ended, final, known, kind, period = raw

    times = np.append(shared.times.labels, shared.times.unknown)
    labels = np.append(shared.labels, shared.unknown)
    alive = known == steps
    final_place = np.where(alive, np.argmax(final, axis=1), -1)
    high = (final >= shared.threshold).sum(axis=1)
    state = np.where(alive, np.array([2, 0, 1], np.int8)[np.minimum(high, 2)], 3).astype(np.int8)
    life = length * shared.times.spacing
    results = [
        labels[nearest],
        value,
        peak,
        times[peak_at],
        (start >= 0).astype(np.int8),
        life,
        times[start],
        ended,
        final,
        labels[final_place],
        kind,
        period * shared.times.spacing,
        state,
    ]
    if shared.has_target:
        place = np.broadcast_to(places_of(shared.labels, more.pop(0)), sweep).reshape(count)
        at = np.arange(count), place
        has = place >= 0
        results += [np.where(has, each[at], np.nan) for each in (final, peak, life)]
        results.append(np.where(has, ended[at], 2).astype(np.int8))
        results.append(np.where(has, (final_place == place) & alive, 2).astype(np.int8))
    return tuple(each.reshape((*sweep, *each.shape[1:])) for each in results)


def _flat_states(shared: Following, states: np.ndarray, sweep: tuple[int, ...], steps: int) -> np.ndarray:
    """States or changes of a block as (runs, step, components)."""
    tail = states.shape[len(sweep) :]
    states = np.broadcast_to(states, (*sweep, *tail))
    return np.ascontiguousarray(states).reshape(math.prod(sweep), steps, math.prod(tail[1:]))


def _empty(count: int, steps: int, patterns: int) -> list[np.ndarray]:
    """Room for what the kernels write, in the order of their arguments."""
    by_pattern = count, patterns
    return [
        np.empty((count, steps), np.int64),
        np.empty((count, steps)),
        np.empty(by_pattern),
        np.empty(by_pattern, np.int64),
        np.empty(by_pattern, np.int64),
        np.empty(by_pattern, np.int64),
        np.empty(by_pattern, np.int8),
        np.empty(by_pattern),
        np.empty(count, np.int64),
        np.empty(count, np.int8),
        np.empty(count, np.int64),
    ]


def _follow(shared: Following, runs: np.ndarray, others: np.ndarray, out: list[np.ndarray] | None = None) -> list:
    from dmfx.kernels.recall import ends, follow

    out = _empty(*runs.shape) if out is None else out
    follow(runs, shared.threshold, shared.absolute, shared.window, *out[:9])
    ends(runs, others, shared.states == "change", shared.window, shared.tolerance, *out[8:])
    return out


def _from_configurations(shared: Following, states: np.ndarray) -> list[np.ndarray]:
    """Compare states (runs, step, components) with configurations, a few runs at a time."""
    from dmfx.kernels.overlaps import overlaps, packed

    count, steps, components = states.shape
    patterns = shared.labels.size
    work = packed(shared.configurations)
    out = _empty(count, steps, patterns)
    at_once = max(1, AT_ONCE // (steps * patterns))
    for first in range(0, count, at_once):
        part = states[first : first + at_once]
        found = np.empty((len(part), steps, patterns))
        overlaps(part.reshape(-1, components), work, shared.tokens, found.reshape(-1, patterns))
        _follow(shared, found, part, [each[first : first + at_once] for each in out])
    return out
