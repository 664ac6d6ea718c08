"""How likely tokens are, given all others."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import xarray as xr

from dmfx.memory import check_memory
from dmfx.training.examples import parse_examples, parse_vocabulary
from dmfx.training.needs import parse_workers
from dmfx.training.objective import Objective, n_bytes
from dmfx.training.threads import Workers, one_thread_each
from dmfx.validation import Problems
from dmfx.variables import describe_dataset

if TYPE_CHECKING:
    from dmfx.models.vector_attention import VectorAttention

__all__ = ["log_likelihood"]

#: Examples that are computed together.
BATCH = 64


def log_likelihood(
    net: VectorAttention, tokens: object, beta: float, *, vocabulary: object, workers: int | None
) -> xr.DataArray:
    """Find log P of every token; see `dmfx.VectorAttention.log_likelihood`."""
    problems = Problems("log_likelihood")
    couplings = net.couplings
    beta = problems.real("beta", beta, minimum=0)
    workers = parse_workers(problems, workers)
    vectors = parse_vocabulary(problems, vocabulary, couplings.n_components)
    sizes = couplings.n_tokens, couplings.n_components
    examples = parse_examples(problems, "tokens", tokens, *sizes, vectors, vocabulary is not None)
    if couplings.is_drawn:
        problems.say("the couplings are random: take those of one seed, dmfx.VectorAttention(couplings.draw(seed))")
    problems.raise_any()
    batch = min(BATCH, len(examples))
    needed = n_bytes(couplings, batch, 0 if vectors is None else len(vectors), workers)
    check_memory(problems, "the fields of a batch", needed, "take fewer workers")
    problems.raise_any()
    with one_thread_each(), Workers(workers) as threads:
        objective = Objective(couplings, beta, vectors, batch, threads)
        values = np.concatenate(
            [
                objective.log_likelihood(couplings.parameters, examples.take(slice(start, start + batch)))
                for start in range(0, len(examples), batch)
            ]
        )
    coords = {"initial": np.arange(len(values)), "token": np.arange(couplings.n_tokens), "beta": beta}
    ds = xr.Dataset({"log_likelihood": (("initial", "token"), values)}, coords)
    return describe_dataset(ds)["log_likelihood"]
