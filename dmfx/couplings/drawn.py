"""Gaussian couplings, drawn anew for each seed."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np

from dmfx.couplings.couplings import Couplings, shapes_of
from dmfx.couplings.shape import parse_form, parse_grid
from dmfx.validation import Problems
from dmfx.weights.streams import WEIGHT_STREAM, generator

__all__ = ["draw", "random"]

#: Arrays of the size of the couplings while they are drawn: the numbers, their mixture, and what is added to it.
COPIES = 3


def random(
    n_tokens: int,
    n_components: int,
    scale: float = 1.0,
    symmetry: float = 0.0,
    kind: str = "full",
    *,
    rank: int | None = None,
    grid: Sequence[int] | int | None = None,
) -> Couplings:
    """Gaussian couplings; every ``seed`` of a sweep has its own.

    Parameters
    ----------
    n_tokens, n_components
        N and d, at least 2.
    scale
        Root mean square length of u_ij = J_ij x_j for unit vectors: entries have the variance scale²/d.
    symmetry
        Correlation of the entries of J_ij and J_jiᵀ, from -1 (antisymmetric) over 0 to 1 (symmetric).
    kind, rank, grid
        Form, as in `zeros`. Of low rank, entries of J_ij = left_i right_jᵀ are sums of r products of Gaussian numbers,
        and symmetry must be 0.

    Raises
    ------
    ValueError, TypeError
        If something is out of range or memory does not hold it.

    Examples
    --------
    >>> J = dmfx.couplings.random(10, 4, symmetry=1.0).draw(seed=3).dense()
    >>> bool(np.array_equal(J[2, 5], J[5, 2].T))
    True
    """
    problems = Problems("couplings.random")
    scale = problems.real("scale", scale, minimum=0)
    symmetry = problems.real("symmetry", symmetry, minimum=-1, maximum=1)
    if kind == "low_rank" and symmetry != 0:
        problems.say("symmetry must be 0 with kind='low_rank'; low_rank(left, left) is symmetric")
    parse_form(problems, n_tokens, n_components, kind, rank, grid, copies=COPIES)
    grid = parse_grid(problems, grid, n_tokens) if kind == "relative" else None
    law = {"form": kind, "scale": scale, "symmetry": symmetry, "rank": None if rank is None else int(rank)}
    return Couplings("random", int(n_tokens), int(n_components), {}, grid, law)


def draw(couplings: Couplings, seed: int) -> Couplings:
    """The random couplings of a seed."""
    law, n, d = couplings.law, couplings.n_tokens, couplings.n_components
    rng = generator(seed, WEIGHT_STREAM)
    shapes = shapes_of(law["form"], n, d, law["rank"], couplings.grid)
    if law["form"] == "low_rank":  # a sum of r products, each of two numbers with the variance v: r v² = scale²/d
        size = math.sqrt(law["scale"]) / (law["rank"] * d) ** 0.25
        return Couplings("low_rank", n, d, {name: size * rng.standard_normal(shape) for name, shape in shapes.items()})
    size = law["scale"] / math.sqrt(d)
    drawn = Couplings(law["form"], n, d, {"matrices": size * rng.standard_normal(shapes["matrices"])}, couplings.grid)
    matrices, transposed = drawn.parameters["matrices"], drawn.transposed()
    # Symmetric and antisymmetric part of a Gaussian matrix are independent, each with half of its variance.
    even, odd = math.sqrt((1 + law["symmetry"]) / 2), math.sqrt((1 - law["symmetry"]) / 2)
    mixed = (even + odd) / math.sqrt(2) * matrices + (even - odd) / math.sqrt(2) * transposed
    if law["form"] == "full":
        mixed[np.arange(n), np.arange(n)] = 0.0
    else:
        mixed[len(mixed) // 2] = 0.0
    return Couplings(law["form"], n, d, {"matrices": mixed}, couplings.grid)
