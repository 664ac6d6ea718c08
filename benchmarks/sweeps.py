"""The sweeps whose whole cost is measured, and the same blocks as bare kernel calls."""

from __future__ import annotations

import itertools
from dataclasses import dataclass

import numpy as np
import xarray as xr

import dmfx
from benchmarks.cases import paper_points
from dmfx.kernels.reductions import histogram, periods, section_histogram
from dmfx.kernels.self_attention import run
from dmfx.models.published import GAMMA
from dmfx.reproduce.figures import N_BETA, PLANE, STEPS, TRANSIENT, diagram

__all__ = ["FIGURE", "QUICK", "SHORT", "Sweep", "run_and_drop", "run_bare", "warm_up"]

BINS, VALUE_RANGE = 2000, (-1.0, 1.0)
MAX_PERIOD, PERIOD_TOLERANCE, PLANE_TOLERANCE = 1000, 1e-6, 1e-3


@dataclass(frozen=True)
class Sweep:
    """4001 β of the published configuration, reduced to a bifurcation diagram.

    Attributes
    ----------
    name
        What it is called in the table.
    transient, steps
        Steps discarded and kept.
    section
        Whether the diagram on the plane m_2 = 0, the final states and the weights are wanted as well: the whole figure.
    """

    name: str
    transient: int
    steps: int
    section: bool

    @property
    def beta(self) -> np.ndarray:
        """Inverse temperatures of the sweep."""
        return np.linspace(0, 3, N_BETA)

    def lazy(self) -> xr.Dataset:
        """The sweep through dmfx's public interface."""
        if self.section:
            return diagram(self.beta, VALUE_RANGE, bins=BINS, steps=self.steps, transient=self.transient)
        return dmfx.bifurcation(self._runs(), bins=BINS, value_range=VALUE_RANGE)

    def blocks(self) -> list[Block]:
        """The same chunks as those of `lazy`."""
        runs = self._runs()
        assert len(runs.m_o_semantic.chunksizes["step"]) == 1, "bare blocks have whole trajectories"
        edges = np.cumsum((0, *runs.chunksizes["beta"]))
        return [Block(self.beta[a:b], self.transient, self.steps, self.section) for a, b in itertools.pairwise(edges)]

    def _runs(self) -> xr.Dataset:
        return dmfx.simulate(
            dmfx.SelfAttention.paper(),
            beta=self.beta,
            gamma=GAMMA,
            steps=self.steps,
            transient=self.transient,
            variables="m_o_semantic",
        )


@dataclass(frozen=True)
class Block:
    """One chunk, as `Sweep`."""

    beta: np.ndarray
    transient: int
    steps: int
    section: bool


SHORT = Sweep("4001 β, density, short", 50_000, 10_000, section=False)
QUICK = Sweep("4001 β, density, shorter", 10_000, 5_000, section=False)
FIGURE = Sweep("figure 3a, its arrays", TRANSIENT, STEPS, section=True)


def run_bare(block: Block) -> np.ndarray:
    """Kernel and reductions of one block; the counts of each bin."""
    points = paper_points(block.beta)
    (recorded,), *_ = run(points, transient=block.transient, steps=block.steps, record=("m_o_semantic",))
    edges = np.linspace(*VALUE_RANGE, BINS + 1)
    counts = np.zeros((len(block.beta), BINS + 1), np.uint32)
    histogram(recorded[..., 0], edges, counts)
    if block.section:
        section = np.zeros_like(counts)
        section_histogram(recorded[..., 0], recorded[..., PLANE["pattern"]], 0.0, PLANE_TOLERANCE, edges, section)
    tail = min(MAX_PERIOD, block.steps // 2)
    periods(recorded[:, -2 * tail :], PERIOD_TOLERANCE, np.zeros(len(block.beta), np.int32))
    return counts


def run_and_drop(block: Block) -> None:
    """`run_bare` without sending anything back to another process: the strictest floor."""
    run_bare(block)


def warm_up() -> None:
    """Import and compile all that a sweep needs, in this process."""
    small = Sweep("", 10, 10, section=True)
    run_bare(Block(small.beta[:2], small.transient, small.steps, small.section))
    small.lazy().isel(beta=slice(2)).compute(scheduler="synchronous")
