"""Couplings that store configurations by Hebb's rule."""

from __future__ import annotations

import numpy as np

from dmfx.couplings.couplings import FORMS, Couplings
from dmfx.couplings.shape import parse_form
from dmfx.tokens.sphere import check_tokens
from dmfx.validation import Problems

__all__ = ["hebbian"]


def hebbian(patterns: object, scale: float = 1.0, kind: str = "full") -> Couplings:
    r"""Couplings of Hebb's rule, :math:`J_{ij} = s Σ_μ ξ_i^μ {ξ_j^μ}^T` for i ≠ j.

    In the pattern ν, token i feels of every other token s ξ_i^ν and a crosstalk of about s (M/d)^{1/2}.

    Parameters
    ----------
    patterns
        Configurations ξ to store, shape (M, N, d), unit vectors.
    scale
        s.
    kind
        ``"full"``, or ``"low_rank"``: the same couplings as M d-vectors for each token, for few patterns of many
        tokens.

    Raises
    ------
    ValueError, TypeError
        If the patterns are no configurations of unit vectors, or memory does not hold the couplings.

    Examples
    --------
    >>> patterns = dmfx.tokens.random(3, n_tokens=20, n_components=8, seed=1)
    >>> J = dmfx.couplings.hebbian(patterns)
    >>> bool(np.allclose(J.dense(), dmfx.couplings.hebbian(patterns, kind="low_rank").dense()))
    True
    """
    problems = Problems("couplings.hebbian")
    patterns = check_tokens(problems, "patterns", patterns)
    scale = problems.real("scale", scale)
    kind = problems.choice("kind", kind, [form for form in FORMS if form != "relative"])
    problems.raise_any()
    n_patterns, n, d = patterns.shape
    rank, copies = (n_patterns, 1) if kind == "low_rank" else (None, 2)  # the product, and with its axes in order
    parse_form(problems, n, d, kind, rank, None, copies)
    if kind == "low_rank":
        right = patterns.transpose(1, 2, 0).copy()
        return Couplings(kind, n, d, {"left": scale * right, "right": right})
    flat = patterns.reshape(n_patterns, n * d)
    matrices = (scale * (flat.T @ flat)).reshape(n, d, n, d).transpose(0, 2, 1, 3).copy()
    matrices[np.arange(n), np.arange(n)] = 0.0
    return Couplings(kind, n, d, {"matrices": matrices})
