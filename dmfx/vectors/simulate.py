"""`dmfx.simulate` for networks of vector spins."""

from __future__ import annotations

import json
from collections.abc import Mapping

import numpy as np
import xarray as xr

from dmfx.chunking import default_chunks, parse_chunks
from dmfx.models.vector_archive import REFERENCE, variables_of
from dmfx.models.vector_attention import VectorAttention
from dmfx.validation import Problems
from dmfx.variables import RESIDUAL, VECTOR_VARIABLES, describe_dataset
from dmfx.vectors.blocks import Run
from dmfx.vectors.graph import lazy_run
from dmfx.vectors.initial import parse_initial
from dmfx.version import history_line, versions

__all__ = ["default_block_sizes", "labelled", "simulate_vectors", "update_cost", "vector_attrs"]

#: Steps that one run keeps.
MOST_STEPS = 10**8
#: Multiply-adds of one core per second, a guide for chunk sizes only.
RATE = 8e9


def simulate_vectors(
    model: VectorAttention,
    *,
    axes: dict[str, np.ndarray],
    steps: int,
    transient: int,
    initial: object,
    starts: int | None,
    variables: object,
    chunks: object,
    problems: Problems,
) -> xr.Dataset:
    """The Dataset of a sweep; arguments as in `dmfx.simulate`, ``axes`` already checked."""
    labels_known = not problems.messages
    steps = problems.count("steps", steps, maximum=MOST_STEPS)
    transient = problems.count("transient", transient, minimum=0)
    record = _parse_recorded(problems, variables, model)
    begin = parse_initial(problems, initial, starts, model, axes)
    axes = axes | begin.added
    if labels_known:
        begin.aligned(problems, axes)
    sizes = {dim: len(labels) for dim, labels in axes.items()}
    default = default_block_sizes(model, sizes, transient, steps, record)
    block_sizes = parse_chunks(problems, chunks, sizes, steps, default)
    problems.raise_any()

    patterns = np.zeros((0, model.n_tokens, model.n_components))
    if "overlap" in record:
        patterns = model.patterns
    run = Run(model.couplings, patterns, tuple(axes), transient, steps, record, begin.start)
    arrays = lazy_run(run, axes, block_sizes, begin.aligned(problems, axes, block_sizes))
    ds = labelled(model, arrays, axes, np.arange(transient, transient + steps), begin.target)
    arguments = {"steps": steps, "transient": transient, "variables": list(record), "initial": begin.text}
    ds.attrs = vector_attrs(model, "simulate", arguments)
    return describe_dataset(ds)


def _parse_recorded(problems: Problems, variables: object, model: VectorAttention) -> tuple[str, ...]:
    """The variables to keep, in the order of the registry."""
    if variables is None:
        return ("overlap",) if model.n_patterns else ("energy", "change")
    names = problems.names("variables", variables, VECTOR_VARIABLES, of=", of a VectorAttention")
    if "overlap" in names and model.n_patterns == 0:
        problems.say("variables: overlap needs stored patterns; model.with_patterns(...) gives the network some")
    return names


def default_block_sizes(
    model: VectorAttention,
    sizes: Mapping[str, int],
    transient: int,
    steps: int,
    record: tuple[str, ...],
    states: int = 2,
) -> dict[str, int]:
    """What ``chunks="auto"`` stands for; ``states`` is how many configurations a task holds for each point."""
    n, d = model.n_tokens, model.n_components
    recorded = model.n_patterns if "overlap" in record else 0
    numbers = max(recorded + (n * d if "tokens" in record else 0), 1)
    rank = _rank(model)
    drawn = n * n * d * d if rank is None else 2 * n * d * rank
    return default_chunks(
        sizes,
        transient=transient,
        steps=steps,
        n_patterns=numbers,
        cost=(update_cost(model) + recorded * n * d) / RATE,
        point_bytes=8 * states * n * d,
        seed_bytes=8 * drawn if model.couplings.is_drawn else 8,
    )


def update_cost(model: VectorAttention) -> int:
    """Multiply-adds of one step of one point, those with factors twice, as they take twice the time."""
    n, d, rank = model.n_tokens, model.n_components, _rank(model)
    return n * n * (d * d + 2 * d) if rank is None else 4 * n * n * rank + 6 * n * d * rank


def _rank(model: VectorAttention) -> int | None:
    return model.couplings.rank or (model.couplings.law or {}).get("rank")


def labelled(
    model: VectorAttention,
    arrays: Mapping[str, object],
    axes: Mapping[str, np.ndarray],
    steps: np.ndarray,
    target: np.ndarray | None,
) -> xr.Dataset:
    """The arrays of a sweep with their dims and coordinates, and the network that made them."""
    sweep = tuple(axes)
    tails = {"overlap": ("step", "pattern"), "tokens": ("step", "token", "component"), "status": ()}
    tails["final_tokens"] = ("token", "component")
    variables = {name: ((*sweep, *tails.get(name, ("step",))), array) for name, array in arrays.items()}
    ds = xr.Dataset(variables | variables_of(model), coords={**axes, "step": steps})
    ds["gamma"].attrs = RESIDUAL.attrs
    if model.n_patterns:
        ds = ds.assign_coords(pattern=np.arange(model.n_patterns))
    if target is not None:
        ds = ds.assign_coords(target=(("initial",) if np.ndim(target) else (), target))
    return ds


def vector_attrs(model: VectorAttention, function: str, arguments: Mapping[str, object]) -> dict[str, object]:
    """Global attributes of a Dataset that was computed: model, versions, arguments (CF conventions)."""
    return {
        "Conventions": "CF-1.11",
        "title": "Dynamics of an attention network of vector spins",
        "source": f"dmfx {versions()['dmfx']}, VectorAttention, {model.couplings.kind} couplings",
        "references": REFERENCE,
        "history": history_line(function, dict(arguments)),
        "dmfx_model": json.dumps(model.spec(), ensure_ascii=False),
        "dmfx_versions": json.dumps(versions()),
    }
