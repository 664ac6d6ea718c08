"""The graph of a sweep's tasks.

One layer of kernel calls, each returning all variables of its chunk; one thin layer of getters per variable. However
many variables are computed together, each chunk's kernel runs once. Along ``step``, each chunk goes on from the end
of the one before; along a dim that is carried, from the end of its neighbour.
"""

from __future__ import annotations

import itertools
import operator
from collections.abc import Callable, Mapping, Sequence

import dask.array as da
import numpy as np
from dask.highlevelgraph import HighLevelGraph

from dmfx.blocks import Block, Carry, Measurement, last_carried, run_block
from dmfx.dynamics import exponents
from dmfx.finite_size import Noise
from dmfx.models.self_attention import SelfAttention
from dmfx.starts import FromRun, Start

__all__ = ["build_arrays", "views"]


def build_arrays(
    name: str,
    model: SelfAttention,
    axes: Mapping[str, np.ndarray],
    chunks: Mapping[str, tuple[int, ...]],
    *,
    transient: int,
    record: tuple[str, ...],
    start: Start,
    measurement: Measurement | None = None,
    carry: str | None = None,
    direction: str = "up",
    noise: Noise,
) -> dict[str, da.Array]:
    """Build the lazy variables of a sweep.

    Parameters
    ----------
    name
        Token of everything that decides the result; it names the tasks.
    model, transient, record, start, measurement, noise
        As in `Block`.
    axes
        Labels along each sweep dim.
    chunks
        Chunk sizes along each sweep dim and ``step``.
    carry, direction
        Dim along which each point starts from the end of its neighbour, and which way: up, down, or both, as the labels
        of the dim ``direction`` say, which is in chunks of one.

    Returns
    -------
    dict
        The recorded variables, ``final_attention``, ``final_phase``, ``noise_step``, ``status``, and what was measured.
    """
    calls, model_key = f"dmfx-run-{name}", f"dmfx-model-{name}"
    most = model.context_size * model.n_patterns
    measured = exponents.outputs(measurement.n, measurement.windows, most) if measurement else {}
    names = (*record, "final_attention", "final_phase", "noise_step", "status", *measured)
    n_recorded = len(record)
    # What a chunk hands on in time: its state, and the three parts of its measurement.
    handed_on = range(n_recorded, n_recorded + (7 if measurement else 4))
    dependencies: tuple[da.Array, ...] = ()
    from_run = isinstance(start, FromRun)
    if from_run:
        dependencies = start.chunked(chunks)
    dims = list(axes)
    sweep_chunks = [chunks[dim] for dim in axes]
    edges = {dim: np.concatenate([[0], np.cumsum(chunks[dim])]) for dim in axes}
    last = len(chunks["step"]) - 1
    layer: dict = {model_key: model}

    def labels_of(index: tuple[int, ...]) -> dict[str, np.ndarray]:
        pairs = zip(axes.items(), index, strict=True)
        return {dim: values[edges[dim][i] : edges[dim][i + 1]] for (dim, values), i in pairs}

    for index in itertools.product(*(range(len(c)) for c in sweep_chunks)):
        labels = labels_of(index)
        carried = None
        if carry is not None:
            carried = Carry(carry, (str(labels["direction"][0]) if direction == "both" else direction) == "down")
        for k, steps in enumerate(chunks["step"]):
            key = (calls, *index, k)
            first = None if from_run else start
            block = Block(labels, transient, steps, record, first, measurement, 0, carried, noise)
            neighbour = None if carried is None else _neighbour(carried, axes, index, len(chunks[carried.dim]))
            if k > 0:
                block = block._replace(transient=0, start=None, before=sum(chunks["step"][:k]), carry=None)
                state = [(operator.getitem, (calls, *index, k - 1), position) for position in handed_on]
            elif neighbour is not None:
                axis = dims.index(carried.dim)
                block = block._replace(start=None)
                before = labels_of(neighbour)[carried.dim]
                state = [
                    (last_carried, carried, before, axis, (operator.getitem, (calls, *neighbour, last), position))
                    for position in handed_on[:3]
                ]
            else:
                state = [_block_at(array, index) for array in dependencies]
            layer[key] = (run_block, model_key, block, *state)
    graph = HighLevelGraph.from_collections(calls, layer, dependencies=dependencies)
    tails = {
        "final_attention": (((model.context_size,), (model.n_patterns,)), np.float64),
        "final_phase": ((), np.int64),
        "noise_step": ((), np.int64),
        "status": ((), np.int8),
    } | {variable: (tuple((size,) for size in output.shape), output.dtype) for variable, output in measured.items()}
    arrays = {}
    for position, variable in enumerate(names):
        tail, dtype = tails.get(variable, ((chunks["step"], (model.n_patterns,)), np.float64))
        call_of = (lambda *b: b[: len(axes) + 1]) if variable in record else (lambda *b: (*b[: len(axes)], last))
        arrays[variable] = _view(graph, calls, f"{variable}-{name}", position, (*sweep_chunks, *tail), dtype, call_of)
    return arrays


def _neighbour(carry: Carry, axes: Mapping[str, np.ndarray], index: tuple[int, ...], n: int) -> tuple[int, ...] | None:
    """The chunk before this one along the carried dim, whose labels are sorted; None for the first."""
    axis = list(axes).index(carry.dim)
    labels = axes[carry.dim]
    rising = len(labels) < 2 or labels[1] > labels[0]
    before = index[axis] + (-1 if rising != carry.down else 1)
    return (*index[:axis], before, *index[axis + 1 :]) if 0 <= before < n else None


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
