"""Tasks for networks of vector spins: restoring what was hidden or corrupted, running freely, and ablations of each.

Every task is a function that returns a lazy labelled Dataset; step 0 is the start.

Sources: [DN24] D'Amico & Negri, arXiv:2409.16112 (2024).
"""

from dmfx.experiments.ablations import ablations
from dmfx.experiments.denoising import denoising
from dmfx.experiments.free_running import free_running
from dmfx.experiments.masked_prediction import masked_prediction

__all__ = ["ablations", "denoising", "free_running", "masked_prediction"]
