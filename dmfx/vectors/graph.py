"""From the tasks of a sweep of vector spins to lazy arrays."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

import dask.array as da
import numpy as np
from dask.base import tokenize

from dmfx.tasks import views
from dmfx.vectors.blocks import Run, run_block
from dmfx.version import versions

__all__ = ["lazy_run"]


def lazy_run(
    run: Run,
    axes: Mapping[str, np.ndarray],
    chunks: Mapping[str, tuple[int, ...]],
    states: tuple[da.Array, ...] = (),
) -> dict[str, da.Array]:
    """The variables of a sweep, one call for each block of points and of steps.

    Parameters
    ----------
    run
        What to do; the steps are those of ``chunks["step"]``, of which the first is the start if that is recorded.
    axes
        Labels along each sweep dim.
    chunks
        Chunk sizes along each sweep dim and ``step``.
    states
        Where runs go on from, if the run has no start: states and status, sweep dims first, in blocks that line up.
    """
    n, d = run.patterns.shape[1:]
    tails = {"overlap": (len(run.patterns),), "tokens": (n, d)}
    sweep_chunks = tuple(chunks[dim] for dim in axes)
    labels = [
        values.reshape(tuple(-1 if k == place else 1 for k in range(len(axes))))
        for place, values in enumerate(axes.values())
    ]
    pieces: dict[str, list[da.Array]] = {name: [] for name in run.record}
    for number, rows in enumerate(chunks["step"]):
        if number == 0:
            part = replace(run, steps=rows - run.with_start)
        else:
            part = replace(run, steps=rows, start=None, transient=0, with_start=False)
        outputs = {name: ((rows, *tails.get(name, ())), np.float64) for name in run.record}
        outputs |= {"final_tokens": ((n, d), np.float64), "status": ((), np.int8)}
        token = tokenize(part, dict(axes), sweep_chunks, [array.name for array in states], versions()["dmfx"])
        inputs = [*labels, *states] if part.start is None else labels
        arrays = views(token, run_block, inputs, outputs, sweep_chunks, shared=part)
        states = (arrays["final_tokens"], arrays["status"])
        for name in run.record:
            pieces[name].append(arrays[name])
    axis = len(axes)
    joined = {name: each[0] if len(each) == 1 else da.concatenate(each, axis=axis) for name, each in pieces.items()}
    return joined | {"final_tokens": states[0], "status": states[1]}
