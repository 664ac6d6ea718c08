"""Ensembles of quenched weights, each reduced to its column types.

A spin sees only its column of the four weight matrices, so spins with equal columns behave alike: what a simulation
needs of any ensemble is, for every column type j, the output weights w^o_{a,j} of the local field and the products
p_j w^α_{a,j} (p_j the fraction of spins of the type) that turn mean spins into overlaps. This is exact for any
number of patterns.

Sources: [PLA24] Poc-López & Aguilera, arXiv:2406.07247 (2024), eqs. 14-16 and 29.
"""

from dmfx.weights.columns import cycle, given, random, segments
from dmfx.weights.correlations import correlated
from dmfx.weights.ensemble import MATRICES, ColumnTypes, Ensemble, ensemble_from_spec

__all__ = [
    "MATRICES",
    "ColumnTypes",
    "Ensemble",
    "correlated",
    "cycle",
    "ensemble_from_spec",
    "given",
    "random",
    "segments",
]
