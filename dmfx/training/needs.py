"""What a training needs of the machine."""

from __future__ import annotations

from dmfx.couplings import Couplings
from dmfx.memory import check_memory
from dmfx.training.examples import Examples
from dmfx.training.objective import GROUPS, n_bytes
from dmfx.training.optimisers import OPTIMISERS
from dmfx.validation import Problems

__all__ = ["check_needs", "parse_workers"]


def parse_workers(problems: Problems, workers: object) -> int:
    """Number of threads: all processors by default, and no more than there are pieces of work."""
    if workers is None:
        from dask.system import CPU_COUNT

        return min(CPU_COUNT, GROUPS)
    return min(problems.count("workers", workers), GROUPS)


def check_needs(
    problems: Problems,
    couplings: Couplings,
    examples: Examples,
    settings: dict[str, object],
    workers: int,
    store_patterns: bool,
    keeps: bool,
) -> None:
    """Record a problem if memory does not hold a training; ``keeps`` says whether it has a checkpoint."""
    # What is trained, each moment, the best so far, and the couplings that come of it.
    state = 1 + len(OPTIMISERS[settings["optimiser"]].moments) + (settings["patience"] is not None)
    # The checkpoint that it goes on from, and what is added up for symmetry and the penalty.
    copies = state + 1 + keeps * state + 2 * settings["symmetric"] + (settings["l2"] > 0)
    size = couplings.nbytes * (2 if settings["symmetric"] and couplings.kind == "low_rank" else 1)
    n_vectors = 0 if examples.vocabulary is None else len(examples.vocabulary)
    needed = copies * size + n_bytes(couplings, settings["batch_size"], n_vectors, workers)
    if store_patterns:
        needed += 8.0 * examples.tokens.size * (2 * couplings.n_components if n_vectors else 1)
    remedy = "take smaller batches or fewer workers, or couplings that are relative or of low rank"
    check_memory(problems, "training, with its gradient and what the optimiser keeps,", needed, remedy)
