"""Couplings J_ij between vector spins: given, Hebbian, random to be trained; full, or factored so that they scale."""

from dmfx.couplings.couplings import FORMS, Couplings, couplings_from_spec
from dmfx.couplings.drawn import random
from dmfx.couplings.given import full, low_rank, relative, zeros
from dmfx.couplings.hebbian import hebbian

__all__ = ["FORMS", "Couplings", "couplings_from_spec", "full", "hebbian", "low_rank", "random", "relative", "zeros"]
