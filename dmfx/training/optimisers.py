"""How the couplings follow the gradient.

Sources: Kingma & Ba, Adam: a method for stochastic optimization, arXiv:1412.6980 (2014), algorithm 1.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from dmfx.training.threads import Workers

__all__ = ["OPTIMISERS", "Adam", "Plain"]

Arrays = Mapping[str, np.ndarray]

#: Numbers that one piece of work changes.
PIECE = 2**17


class Adam:
    """Steps of about the learning rate in every number, however large its gradient is: the mean over the noise."""

    #: Arrays that go on from step to step, each in the shape of the parameters.
    moments = ("mean", "square")

    mean_decay, square_decay, floor = 0.9, 0.999, 1e-8

    def step(
        self,
        arrays: Arrays,
        gradient: Arrays,
        moments: Mapping[str, Arrays],
        number: int,
        rate: float,
        workers: Workers,
    ) -> None:
        """Change the arrays and moments in place.

        Parameters
        ----------
        arrays, gradient
            What is trained, and the gradient of what shall grow.
        moments
            The running means, by their name and that of the array.
        number
            Number of the step, from 1 on.
        rate
            Learning rate.
        workers
            Threads.
        """
        from dmfx.kernels.optimiser import adam

        factors = [1 / (1 - decay**number) for decay in (self.mean_decay, self.square_decay)]
        for name in arrays:
            every = [each[name].reshape(-1) for each in (arrays, gradient, *(moments[m] for m in self.moments))]

            def one_piece(piece: int, every: list[np.ndarray] = every) -> None:
                part = slice(piece * PIECE, (piece + 1) * PIECE)
                adam(*(each[part] for each in every), rate, self.mean_decay, self.square_decay, *factors, self.floor)

            workers.each(one_piece, -(-every[0].size // PIECE))


class Plain:
    """Gradient ascent: the learning rate times the gradient."""

    moments = ()

    def step(
        self,
        arrays: Arrays,
        gradient: Arrays,
        moments: Mapping[str, Arrays],
        number: int,
        rate: float,
        workers: Workers,
    ) -> None:
        """Change the arrays in place; parameters as those of `Adam.step`."""
        for name, array in arrays.items():
            array += rate * gradient[name]


OPTIMISERS = {"adam": Adam(), "plain": Plain()}
