"""How a sweep is cut into tasks."""

from __future__ import annotations

import math
import numbers
from collections.abc import Mapping

from dask.array.core import normalize_chunks

from dmfx.validation import Problems

__all__ = ["chunks_by_cost", "default_chunks", "noise_cost", "parse_chunks", "step_cost", "tangent_cost"]

#: Long enough to outweigh the few milliseconds that a scheduler spends on a task, short enough to see it advance.
TARGET_SECONDS = 2.0
#: One variable's chunk; several are in flight at once.
TARGET_BYTES = 64 * 2**20
#: Points that a kernel advances together (`dmfx.kernels.lanes.WIDTH`, not imported: it would load the compiler).
LANES = 16
#: A scheduler takes about a millisecond a task, and the graph a kilobyte.
MOST_TASKS = 10**6


def step_cost(n_patterns: int, context_size: int, n_columns: int) -> float:
    """Estimated seconds of one step of one point: a guide for chunk sizes only."""
    transcendental = n_columns + context_size
    products = 5 * n_columns * n_patterns + 2 * context_size * n_patterns
    return 1.2e-9 * transcendental + 0.12e-9 * products


def noise_cost(n_columns: int) -> float:
    """Estimated seconds by which the noise of a finite network makes a step of one point longer."""
    return 8e-9 * n_columns


def tangent_cost(n_patterns: int, context_size: int, n_columns: int, n_vectors: int) -> float:
    """Estimated seconds of one step of one point with tangent vectors: a guide for chunk sizes only."""
    size = context_size * n_patterns
    products = (4 * n_columns + 3 * context_size) * n_patterns + n_vectors * size
    return step_cost(n_patterns, context_size, n_columns) + 0.2e-9 * n_vectors * products


def default_chunks(
    sizes: Mapping[str, int],
    *,
    transient: int,
    steps: int,
    n_patterns: int,
    cost: float,
    point_bytes: int,
    seed_bytes: int,
) -> dict[str, int]:
    """Chunk sizes that make tasks of a few seconds at most and of bounded memory.

    Parameters
    ----------
    sizes
        Size of each sweep dim, in order. The last dims are kept whole first.
    transient, steps, n_patterns
        Shape of each point's trajectory.
    cost
        Seconds of one step of one point.
    point_bytes, seed_bytes
        Memory of one point's state and of one realisation of the weights.
    """
    step_bytes = 8 * n_patterns
    step_chunk = max(min(steps, TARGET_BYTES // (LANES * step_bytes)), 1)
    by_memory = TARGET_BYTES // max(step_chunk * step_bytes, point_bytes)
    by_time = int(TARGET_SECONDS / (cost * (transient + step_chunk)))
    most = {"seed": max(1, TARGET_BYTES // seed_bytes)}
    return _last_first(sizes, min(by_memory, by_time), most) | {"step": step_chunk}


def chunks_by_cost(sizes: Mapping[str, int], cost: float, whole: tuple[str, ...] = ()) -> dict[str, int]:
    """Chunk sizes along sweep dims for tasks that keep no trajectories.

    Parameters
    ----------
    sizes
        Size of each sweep dim, in order. The last dims are kept whole first.
    cost
        Seconds per point.
    whole
        Dims that are not cut.
    """
    inner = math.prod(sizes[dim] for dim in whole)
    free = {dim: size for dim, size in sizes.items() if dim not in whole}
    chunks = _last_first(free, int(TARGET_SECONDS / cost) // inner, {}, least=-(-LANES // inner))
    return {dim: sizes[dim] if dim in whole else chunks[dim] for dim in sizes}


def _last_first(sizes: Mapping[str, int], points: int, most: Mapping[str, int], least: int = LANES) -> dict[str, int]:
    """Chunks of about as many points, whole groups of lanes, the last dims kept whole first."""
    points = max(least, points // least * least)
    chunks = {}
    for dim in reversed(sizes):
        chunks[dim] = max(1, min(sizes[dim], points, most.get(dim, points)))
        points //= chunks[dim]
    return {dim: chunks[dim] for dim in sizes}


def parse_chunks(
    problems: Problems, chunks: object, sizes: Mapping[str, int], steps: int | None, default: Mapping[str, int]
) -> dict[str, tuple[int, ...]]:
    """Normalise the argument ``chunks`` to the sizes of every chunk along every sweep dim and ``step``.

    Parameters
    ----------
    problems
        Where problems are recorded.
    chunks
        ``"auto"``; an integer for every sweep dim (-1: whole); or a mapping from dim to ``"auto"``, an integer or a
        tuple of chunk sizes. A dim that a mapping lacks stays whole, as in xarray.
    sizes, steps
        Sizes of the sweep dims, and of ``step``; None if that is not cut.
    default
        What ``"auto"`` stands for.
    """
    shape = {**sizes} if steps is None else {**sizes, "step": steps}
    whole = {dim: -1 for dim in shape}
    if isinstance(chunks, str) and chunks == "auto":
        wanted = dict(default)
    elif isinstance(chunks, numbers.Integral) and not isinstance(chunks, bool):
        wanted = whole | {dim: int(chunks) for dim in sizes}
    elif isinstance(chunks, Mapping):
        for dim in chunks:
            if dim not in shape:
                problems.say(f"chunks: there is no dim {dim!r}; the dims are {', '.join(shape)}")
        wanted = whole | {dim: size for dim, size in chunks.items() if dim in shape}
        wanted = {dim: default[dim] if size == "auto" else size for dim, size in wanted.items()}
    else:
        problems.add("chunks", "'auto', an integer, or a mapping from dims to chunk sizes", chunks, is_type=True)
        wanted = whole
    normal = {}
    for dim, size in shape.items():
        whole_number = isinstance(wanted[dim], numbers.Integral) and wanted[dim] > 0
        if whole_number and size / wanted[dim] > MOST_TASKS:
            problems.say(f"chunks: dim {dim!r} of size {size} would be cut into more than {MOST_TASKS} chunks")
            normal[dim] = (size,)
            continue
        try:
            (normal[dim],) = normalize_chunks((wanted[dim],), (size,))
            if not all(isinstance(c, int) and c > 0 for c in normal[dim]):
                raise ValueError
        except (TypeError, ValueError, ZeroDivisionError):
            problems.say(f"chunks: dim {dim!r} of size {size} cannot be cut into {wanted[dim]!r}")
            normal[dim] = (size,)
    tasks = math.prod(len(c) for c in normal.values())
    if tasks > MOST_TASKS:
        problems.say(f"the sweep has {tasks} tasks, at most {MOST_TASKS} are possible: fewer points or larger chunks")
    return normal
