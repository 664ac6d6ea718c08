"""Training of vector-spin attention without backpropagation, by the gradient of its pseudo-likelihood.

P(x_i | rest) is known with its normaliser, so that its gradient by J_ij needs nothing but tokens i and j and a sum over
what token i feels: row i of J is trained by token i alone.

Sources: [DN24] D'Amico & Negri, arXiv:2409.16112 (2024).
"""

from dmfx.training.fit import fit
from dmfx.training.likelihood import log_likelihood
from dmfx.training.state import Training

__all__ = ["Training", "fit", "log_likelihood"]
