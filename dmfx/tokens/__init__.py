"""Tokens: unit vectors made from images, and back.

A configuration is an array (token, component) of N unit vectors in R^d, a set of them (example, token, component).

Sources: [DN24] D'Amico & Negri, arXiv:2409.16112 (2024).
"""

from dmfx.tokens.codebook import Codebook
from dmfx.tokens.data import cifar10, digits, mnist
from dmfx.tokens.noise import corrupt
from dmfx.tokens.patches import Patches
from dmfx.tokens.sphere import check_tokens, normalise, overlap, random

__all__ = [
    "Codebook",
    "Patches",
    "check_tokens",
    "cifar10",
    "corrupt",
    "digits",
    "mnist",
    "normalise",
    "overlap",
    "random",
]
