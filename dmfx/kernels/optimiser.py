"""One step of an optimiser, number by number."""

from __future__ import annotations

import math

from numba import njit

from dmfx.kernels.settings import OPTIONS

__all__ = ["adam"]


@njit(**OPTIONS)
def adam(parameters, gradient, mean, square, rate, mean_decay, square_decay, mean_factor, square_factor, floor):
    """Go uphill by Adam: all arrays flat, of one size; parameters and both moments are changed.

    Parameters
    ----------
    parameters, gradient
        What is trained, and the gradient of what shall grow.
    mean, square
        Running means of the gradient and its square.
    rate
        Learning rate.
    mean_decay, square_decay
        Weight of the past in the running means.
    mean_factor, square_factor
        What makes up for their start at 0.
    floor
        Added to the root of the mean square.
    """
    for n in range(parameters.size):
        mean[n] = mean_decay * mean[n] + (1.0 - mean_decay) * gradient[n]
        square[n] = square_decay * square[n] + (1.0 - square_decay) * gradient[n] * gradient[n]
        parameters[n] += rate * (mean[n] * mean_factor) / (math.sqrt(square[n] * square_factor) + floor)
