"""From what a task is to its lazy Dataset."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import xarray as xr

from dmfx.chunking import parse_chunks
from dmfx.experiments._axes import Axes
from dmfx.experiments._networks import Networks
from dmfx.validation import Problems
from dmfx.variables import describe_dataset
from dmfx.vectors.blocks import Run
from dmfx.vectors.graph import lazy_run
from dmfx.vectors.simulate import MOST_STEPS, default_block_sizes, labelled, vector_attrs
from dmfx.vectors.starts import Start

__all__ = ["MOST_STEPS", "Task", "parse_kept"]

#: Configurations that a task of the graph holds for each point: start, clean example, noise, and copies of these.
STATES = 8


def parse_kept(
    problems: Problems, variables: object, options: tuple[str, ...], networks: Networks, **missing: str
) -> tuple[str, ...]:
    """The variables to keep, in the order of ``options``; ``missing`` says why some cannot be."""
    if networks.patterns.size == 0:
        missing["overlap"] = "needs stored patterns; model.with_patterns(...) gives the network some"
    names = problems.names("variables", variables, options)
    for name in names:
        if name in missing:
            problems.say(f"variables: {name} {missing[name]}")
    return names


@dataclass(frozen=True)
class Task:
    """What a task does with its networks.

    Attributes
    ----------
    networks
        Which networks.
    axes
        Its dims.
    transient, steps
        Steps to make before the first state that is kept, and after it.
    record
        Variables to keep.
    start, compare
        As of `dmfx.vectors.blocks.Run`.
    target
        Labels of the stored patterns that the examples are, None if none is one.
    """

    networks: Networks
    axes: Axes
    transient: int
    steps: int
    record: tuple[str, ...]
    start: Start
    compare: object
    target: np.ndarray | None

    def chunks(self, problems: Problems, chunks: object) -> dict[str, tuple[int, ...]]:
        """Sizes of all chunks, of ``step`` those of the states that are kept."""
        sizes = {dim: len(labels) for dim, labels in self.axes.swept.items()}
        kept = self.steps + 1
        overlaps = self.networks.slowest.with_patterns(self.networks.largest.patterns)
        default = default_block_sizes(overlaps, sizes, self.transient, kept, self.record, STATES)
        return parse_chunks(problems, chunks, sizes, kept, default)

    def dataset(
        self,
        chunks: Mapping[str, tuple[int, ...]],
        function: str,
        arguments: Mapping[str, object],
    ) -> xr.Dataset:
        """The lazy Dataset of the task, step 0 being the start."""
        networks, axes = self.networks, self.axes
        run = Run(
            networks.couplings,
            networks.patterns if "overlap" in self.record else networks.patterns[:0],
            tuple(axes.swept),
            max(self.transient - 1, 0),  # the last step of the transient makes the first state that is kept
            self.steps,
            self.record,
            self.start,
            self.compare,
            with_start=self.transient == 0,
            symmetric=networks.symmetric,
        )
        arrays = lazy_run(run, axes.swept, chunks)
        times = np.arange(self.transient, self.transient + self.steps + 1)
        ds = labelled(networks.largest, arrays, axes.swept, times, self.target).assign_coords(axes.fixed)
        ds.attrs = vector_attrs(networks.largest, function, {"steps": self.steps, **arguments})
        if networks.stored is not None:
            ds = ds.drop_vars([name for name in ds.data_vars if name.startswith("couplings_")])
            del ds.attrs["dmfx_model"]
            ds.attrs["source"] = ds.attrs["source"].partition(",")[0] + ", VectorAttention by number of stored examples"
            ds.attrs["dmfx_models"] = networks.to_json()
            ds.attrs["comment"] = "dmfx_models describes the networks by stored; their couplings are not kept here"
        return describe_dataset(ds)
