"""What one task of a sweep of vector spins does: run the kernel on the points of its block."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from dask.base import normalize_token

from dmfx import variables
from dmfx.couplings import Couplings
from dmfx.tokens.sphere import TOLERANCE
from dmfx.vectors.starts import Start

__all__ = ["TARGETED", "Held", "Run", "run_block"]

#: Values of the variable ``status``.
STATUS = {name: value for value, name in enumerate(variables.STATUS)}

#: Overlaps with the clean example that a start is a version of.
TARGETED = ("target_overlap", "hidden_overlap")


class Held(NamedTuple):
    """Tokens that do not move, with the rest being compared with what it should be.

    Attributes
    ----------
    held
        By point and token.
    target
        Configurations to compare with, shape (point, token, component).
    share
        Weight of each token in the comparison, shape (point, token).
    """

    held: np.ndarray | None
    target: np.ndarray
    share: np.ndarray


@dataclass(frozen=True, eq=False)
class Run:
    """What all tasks of a sweep are told.

    Attributes
    ----------
    couplings
        Of the network; or of networks by the number of stored examples, the label of the dim ``stored``.
    patterns
        Those that overlaps are measured with, shape (pattern, token, component).
    dims
        Names of the sweep dims, in order.
    transient, steps
        Steps to make before those to keep, and how many of these to make.
    record
        Variables to keep.
    start
        Where runs start, None if a block gets the states that it goes on from.
    compare
        From labels and states, what is held and compared; None for neither.
    with_start
        Whether the start is kept too, before the steps.
    symmetric
        Whether only the symmetric part of couplings that are drawn is taken.
    """

    couplings: Couplings | Mapping[int, Couplings]
    patterns: np.ndarray
    dims: tuple[str, ...]
    transient: int
    steps: int
    record: tuple[str, ...]
    start: Start | None
    compare: object = None
    with_start: bool = False
    symmetric: bool = False

    def of(self, stored: int) -> Couplings:
        """The couplings of a network, maybe still to be drawn."""
        return self.couplings[stored] if isinstance(self.couplings, Mapping) else self.couplings

    def drawn(self, stored: int, seed: int) -> Couplings:
        """The couplings that a point has."""
        given = self.of(stored)
        return given.draw(seed).symmetrised() if self.symmetric and given.is_drawn else given.draw(seed)

    def __dask_tokenize__(self) -> object:
        networks = sorted(self.couplings.items()) if isinstance(self.couplings, Mapping) else self.couplings
        parts = (networks, self.patterns, self.dims, self.transient, self.steps, self.record, self.start, self.compare)
        return normalize_token((*parts, self.with_start, self.symmetric))


def run_block(run: Run, *blocks: np.ndarray) -> tuple[np.ndarray, ...]:
    """Run the points of a block.

    Parameters
    ----------
    run
        What all tasks have in common.
    blocks
        Labels along each sweep dim, each of the number of axes of the sweep and of size 1 along the others. If there is
        no start, behind them the states to go on from and their status.

    Returns
    -------
    tuple
        The recorded variables, ``final_tokens`` and ``status``, each with the sweep dims first.
    """
    n_dims = len(run.dims)
    shape = np.broadcast_shapes(*(block.shape for block in blocks[:n_dims]))
    labels = {
        dim: np.broadcast_to(block, shape).reshape(-1) for dim, block in zip(run.dims, blocks[:n_dims], strict=True)
    }
    n_points = len(labels["seed"])
    status = np.zeros(n_points, np.int8)
    if run.start is not None:
        states = run.start.states(labels)
    else:
        behind = blocks[n_dims].shape[n_dims:]
        states = np.broadcast_to(blocks[n_dims], (*shape, *behind)).reshape(n_points, *behind)
        status = np.broadcast_to(blocks[n_dims + 1], shape).reshape(n_points).copy()
    with np.errstate(over="ignore"):
        usable = (np.abs(np.square(states).sum(axis=2) - 1) < 2 * TOLERANCE).all(axis=1)  # not where there is NaN
    states = np.where(usable[:, None, None], states, np.nan)  # an average of tokens is no state, for example
    status[~usable & (status == STATUS["ok"])] = STATUS["bad_start"]
    compared = None if run.compare is None else run.compare(labels, states)
    arrays: dict[str, np.ndarray] = {}
    for chosen, couplings in _groups(run, labels):
        _run_group(run, labels, states, status, compared, chosen, couplings, arrays)
    outputs = [arrays[name].reshape(*shape, *arrays[name].shape[1:]) for name in (*run.record, "final_tokens")]
    return (*outputs, status.reshape(shape))


def _groups(run: Run, labels: Mapping[str, np.ndarray]):
    """Points that have the same couplings, and these."""
    stored = labels.get("stored", np.zeros_like(labels["seed"]))
    for number in np.unique(stored).tolist():
        seeds = np.unique(labels["seed"]).tolist() if run.of(number).is_drawn else [None]
        for seed in seeds:
            mine = stored == number
            if seed is not None:
                mine &= labels["seed"] == seed
            if mine.any():
                yield np.flatnonzero(mine), run.drawn(number, 0 if seed is None else seed)


def _run_group(
    run: Run,
    labels: Mapping[str, np.ndarray],
    states: np.ndarray,
    status: np.ndarray,
    compared: Held | None,
    chosen: np.ndarray,
    couplings: Couplings,
    arrays: dict[str, np.ndarray],
) -> None:
    """Run some points of a block and put what they leave into the arrays of all."""
    from dmfx.kernels.vector_attention import run as advance

    if couplings.kind == "low_rank":
        parameters = (couplings.parameters["left"], couplings.parameters["right"])
    else:
        d = couplings.n_components
        parameters = (couplings.parameters["matrices"].reshape(-1, d, d), couplings.which)
    kept = {"hidden_overlap": "target_overlap"}
    done = advance(
        couplings.kind,
        parameters,
        run.patterns,
        states[chosen],
        labels["beta"][chosen],
        labels["gamma"][chosen],
        transient=run.transient,
        steps=run.steps,
        record=tuple(kept.get(name, name) for name in run.record),
        with_start=run.with_start,
        held=None if compared is None or compared.held is None else compared.held[chosen],
        target=None if compared is None else compared.target[chosen],
        share=None if compared is None else compared.share[chosen],
    )
    if "energy" in run.record:  # of uniform attention there is none: it is -log(N - 1) / β
        done.energy[labels["beta"][chosen] == 0] = np.nan
    failed = ~np.isfinite(done.final).all(axis=(1, 2)) & (status[chosen] == STATUS["ok"])
    status[chosen[failed]] = np.where(done.undefined[failed], STATUS["no_field"], STATUS["diverged"])
    for name in (*run.record, "final_tokens"):
        part = done.final if name == "final_tokens" else getattr(done, kept.get(name, name))
        if name not in arrays:
            arrays[name] = np.empty((len(labels["seed"]), *part.shape[1:]))
        arrays[name][chosen] = part
