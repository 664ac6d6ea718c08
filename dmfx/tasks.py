"""What a task of a sweep does, and the graph of all tasks.

One layer of kernel calls, each returning all variables of its chunk; one thin layer of getters per variable. However
many variables are computed together, each chunk's kernel runs once. Along ``step``, each chunk goes on from the end of
the one before.
"""

from __future__ import annotations

import itertools
import operator
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, NamedTuple

import dask.array as da
import numpy as np
from dask.highlevelgraph import HighLevelGraph

from dmfx import variables
from dmfx.models.self_attention import SelfAttention
from dmfx.models.start import Context
from dmfx.starts import FromRun, RandomContexts, Start, random_context

if TYPE_CHECKING:
    from dmfx.kernels.self_attention import Points

__all__ = ["STATUS", "Block", "build_arrays", "points_at", "views"]

#: Values of the variable ``status``.
STATUS = {name: value for value, name in enumerate(variables.STATUS)}


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
    """

    axes: dict[str, np.ndarray]
    transient: int
    steps: int
    record: tuple[str, ...]
    start: Start | None


def run_block(
    model: SelfAttention,
    block: Block,
    attention: np.ndarray | None = None,
    phase: np.ndarray | None = None,
    status: np.ndarray | None = None,
) -> tuple[np.ndarray, ...]:
    """Run the kernel on one chunk.

    Parameters
    ----------
    model
        The model.
    block
        The chunk.
    attention, phase
        Contexts to start from, dims (sweep..., context, pattern) and (sweep...), sweep dims of full size or 1.
    status
        What was known of the points before, if this chunk goes on from another.

    Returns
    -------
    tuple
        The recorded variables, dims (sweep..., step, pattern); then final attention, final phase and status.
    """
    from dmfx.kernels.self_attention import run

    shape = tuple(len(labels) for labels in block.axes.values())
    n_points = int(np.prod(shape))
    along = np.indices(shape).reshape(len(shape), n_points)
    label = {dim: labels[i] for (dim, labels), i in zip(block.axes.items(), along, strict=True)}
    epsilon = label.get("epsilon", np.full(n_points, model.epsilon))
    token = None
    if attention is None:
        with np.errstate(over="ignore", invalid="ignore"):  # a point that overflows is told by its status
            attention, phase, token = _starts(model, block.start, label, epsilon)
    else:
        lags = (model.context_size, model.n_patterns)
        attention = np.broadcast_to(attention, (*shape, *lags)).reshape(n_points, *lags)
        phase = np.broadcast_to(phase, shape).reshape(n_points)
    points = points_at(
        model, label["beta"], label["gamma"], label["seed"], epsilon, attention, phase.astype(np.int64), token
    )
    recorded, final_attention, final_phase = run(
        points, transient=block.transient, steps=block.steps, record=block.record
    )
    started = np.isfinite(attention[:, 0] if token is not None else attention.reshape(n_points, -1)).all(axis=1)
    finished = np.isfinite(final_attention[:, 0]).all(axis=1)
    new = np.where(finished, STATUS["ok"], np.where(started, STATUS["diverged"], STATUS["bad_start"]))
    if status is not None:
        new = np.where(status.ravel() == STATUS["ok"], new, status.ravel())
    return (
        *(variable.reshape(*shape, *variable.shape[1:]) for variable in recorded),
        final_attention.reshape(*shape, *final_attention.shape[1:]),
        final_phase.reshape(shape),
        new.astype(np.int8).reshape(shape),
    )


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


def build_arrays(
    name: str,
    model: SelfAttention,
    axes: Mapping[str, np.ndarray],
    chunks: Mapping[str, tuple[int, ...]],
    *,
    transient: int,
    record: tuple[str, ...],
    start: Start,
) -> dict[str, da.Array]:
    """Build the lazy variables of a sweep.

    Parameters
    ----------
    name
        Token of everything that decides the result; it names the tasks.
    model, transient, record, start
        As in `Block`.
    axes
        Labels along each sweep dim.
    chunks
        Chunk sizes along each sweep dim and ``step``.

    Returns
    -------
    dict
        The recorded variables, ``final_attention``, ``final_phase`` and ``status``.
    """
    calls, model_key = f"dmfx-run-{name}", f"dmfx-model-{name}"
    names = (*record, "final_attention", "final_phase", "status")
    final = {variable: len(record) + i for i, variable in enumerate(names[len(record) :])}
    dependencies = []
    from_run = isinstance(start, FromRun)
    if from_run:
        attention, phase = start.chunked(chunks)
        dependencies = [attention, phase]
    sweep_chunks = [chunks[dim] for dim in axes]
    edges = {dim: np.concatenate([[0], np.cumsum(chunks[dim])]) for dim in axes}
    layer: dict = {model_key: model}
    for index in itertools.product(*(range(len(c)) for c in sweep_chunks)):
        labels = {
            dim: values[edges[dim][i] : edges[dim][i + 1]] for (dim, values), i in zip(axes.items(), index, strict=True)
        }
        for k, steps in enumerate(chunks["step"]):
            key = (calls, *index, k)
            if k > 0:
                before = (calls, *index, k - 1)
                block = Block(labels, 0, steps, record, None)
                state = [(operator.getitem, before, final[variable]) for variable in final]
            else:
                block = Block(labels, transient, steps, record, None if from_run else start)
                state = []
                if from_run:
                    state = [_block_at(attention, index), _block_at(phase, index)]
            layer[key] = (run_block, model_key, block, *state)
    graph = HighLevelGraph.from_collections(calls, layer, dependencies=dependencies)
    state_chunks = {
        "final_attention": ((model.context_size,), (model.n_patterns,)),
        "final_phase": (),
        "status": (),
    }
    dtypes = {"final_phase": np.int64, "status": np.int8}
    last = len(chunks["step"]) - 1
    arrays = {}
    for position, variable in enumerate(names):
        tail = state_chunks.get(variable, (chunks["step"], (model.n_patterns,)))
        call_of = (lambda *b: b[: len(axes) + 1]) if variable in record else (lambda *b: (*b[: len(axes)], last))
        dtype = dtypes.get(variable, np.float64)
        arrays[variable] = _view(graph, calls, f"{variable}-{name}", position, (*sweep_chunks, *tail), dtype, call_of)
    return arrays


def _view(
    graph: HighLevelGraph,
    calls: str,
    getter: str,
    position: int,
    chunks: tuple[tuple[int, ...], ...],
    dtype: type,
    call_of: Callable[..., tuple[int, ...]],
) -> da.Array:
    """One output of a layer of calls, as an array; ``call_of`` gives the call that a block comes from."""
    blocks = itertools.product(*(range(len(c)) for c in chunks))
    getters = {(getter, *b): (operator.getitem, (calls, *call_of(*b)), position) for b in blocks}
    own = HighLevelGraph({**graph.layers, getter: getters}, {**graph.dependencies, getter: {calls}})
    return da.Array(own, getter, chunks=chunks, dtype=dtype)


def views(
    name: str,
    function: Callable[..., tuple[np.ndarray, ...]],
    inputs: Sequence[da.Array | np.ndarray],
    outputs: Mapping[str, tuple[tuple[int, ...], type]],
    sweep_chunks: tuple[tuple[int, ...], ...],
    shared: object = None,
    dropped: tuple[int, ...] = (),
) -> dict[str, da.Array]:
    """Call a function once for each block of a sweep, and view each of its outputs as an array.

    Parameters
    ----------
    name
        Token of everything that decides the result; it names the tasks.
    function
        Gets ``shared`` and a block of every input; returns a tuple of arrays (block of the sweep..., shape). Defined
        in a module.
    inputs
        Arrays with the sweep dims first, each of full size or of size 1, and further dims. Dask's are cut as
        ``sweep_chunks`` along the former and whole along the latter.
    outputs
        By variable: the shape behind the sweep dims, and the type.
    sweep_chunks
        Sizes of the blocks along each sweep dim.
    shared
        What all calls get, stored once in the graph.
    dropped
        Positions of sweep dims of one block each that the outputs do not begin with.
    """
    calls, shared_key = f"dmfx-call-{name}", f"dmfx-shared-{name}"
    layer: dict = {shared_key: shared}
    edges = [np.concatenate([[0], np.cumsum(c)]) for c in sweep_chunks]
    for index in itertools.product(*(range(len(c)) for c in sweep_chunks)):
        region = [(e[i], e[i + 1]) for e, i in zip(edges, index, strict=True)]
        blocks = [_block_at(a, index) if isinstance(a, da.Array) else _part(a, region) for a in inputs]
        layer[(calls, *index)] = (function, shared_key, *blocks)
    lazy = [array for array in inputs if isinstance(array, da.Array)]
    graph = HighLevelGraph.from_collections(calls, layer, dependencies=lazy)
    kept = [i for i in range(len(sweep_chunks)) if i not in dropped]

    def call_of(*block: int) -> tuple[int, ...]:
        at = dict(zip(kept, block, strict=False))
        return tuple(at.get(i, 0) for i in range(len(sweep_chunks)))

    return {
        variable: _view(
            graph,
            calls,
            f"{variable}-{name}",
            position,
            (*(sweep_chunks[i] for i in kept), *((size,) for size in shape)),
            dtype,
            call_of,
        )
        for position, (variable, (shape, dtype)) in enumerate(outputs.items())
    }


def _part(array: np.ndarray, region: Sequence[tuple[int, int]]) -> np.ndarray:
    """A copy of the part of an array that a sweep block reads; a view would carry the whole array along."""
    parts = (slice(*bounds) if size > 1 else slice(None) for bounds, size in zip(region, array.shape, strict=False))
    return array[tuple(parts)].copy()


def _block_at(array: da.Array, index: tuple[int, ...]) -> tuple:
    """Key of the block that a sweep block reads: the only one along dims that are broadcast or not swept."""
    numbers = (*index, *(0,) * (array.ndim - len(index)))
    return (array.name, *(i if n > 1 else 0 for i, n in zip(numbers, array.numblocks, strict=True)))
