"""The mean-field map of the points of a block as a family of maps of one parameter, for Newton's method."""

from __future__ import annotations

import numpy as np

from dmfx.states import StatesBlock

__all__ = ["NetworkMap"]


#: Parts of the parameter for differences by it. At β = 2.6, γ = 220, where attention switches between tokens, the
#: derivative over 4 steps was 5 % wrong with 6e-6, the usual choice, and right to 1e-7 with this.
_APART = 1e-8


class NetworkMap:
    """x → F(x; p) at the points of a block: x is a context as one vector, newest first, before a token of phase 0.

    Parameters
    ----------
    block
        The points; their own states do not matter here.
    along
        Which of beta, gamma and epsilon is the parameter p.

    Attributes
    ----------
    parameters
        The points' own values of the parameter, shape (point,).
    lags, patterns
        L and M.
    """

    def __init__(self, block: StatesBlock, along: str = "beta"):
        self._block = block
        self._points = block.points()
        self._along = along
        self.parameters = getattr(block, along).astype(float)
        self.lags, self.patterns = block.attention.shape[1:]

    def __call__(
        self, states: np.ndarray, parameters: np.ndarray, points: np.ndarray, steps: int
    ) -> tuple[np.ndarray, np.ndarray]:
        """F^T and its derivative; see `dmfx.dynamics.newton.Family`."""
        from dmfx.kernels.jacobian import jacobian

        result = jacobian(self._at(states, parameters, points), steps=steps)
        return result.final_attention.reshape(states.shape), result.matrix

    def with_slopes(
        self, states: np.ndarray, parameters: np.ndarray, points: np.ndarray, steps: int
    ) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """F^T and its derivatives by state and parameter, the latter from differences over two more states each."""
        apart = _APART * np.maximum(1.0, np.abs(parameters))
        all_parameters = np.concatenate([parameters, parameters + apart, parameters - apart])
        after, matrices = self(np.tile(states, (3, 1)), all_parameters, np.tile(points, 3), steps)
        own, above, below = after.reshape(3, *states.shape)
        return own, matrices[: len(states)], (above - below) / (2 * apart[:, None])

    def orbits(self, states: np.ndarray, parameters: np.ndarray, points: np.ndarray, steps: int) -> np.ndarray:
        """Attention values after every step from given states, shape (k, step, pattern)."""
        from dmfx.kernels.self_attention import run

        if len(states) == 0:
            return np.empty((0, steps, self.patterns))
        (attention,), _, _ = run(self._at(states, parameters, points), transient=0, steps=steps, record=("attention",))
        return attention

    def loops(self, pieces: np.ndarray, parameters: np.ndarray, points: np.ndarray, lengths: np.ndarray) -> np.ndarray:
        """Attention values after every step of orbits of which every piece is given, (k, step, pattern).

        Parameters
        ----------
        pieces
            States at the start of each piece, (k, piece, n).
        parameters, points
            Parameter and number of the point of each orbit, (k,).
        lengths
            Steps in each piece.
        """
        parts = [self.orbits(pieces[:, k], parameters, points, int(length)) for k, length in enumerate(lengths)]
        return np.concatenate(parts, axis=1)

    def trajectories(self, steps: int) -> np.ndarray:
        """The points' own contexts in order of time, and attention after every step, (point, lag + step, pattern)."""
        from dmfx.kernels.self_attention import run

        (attention,), _, _ = run(self._points, transient=0, steps=steps, record=("attention",))
        return np.concatenate([self._block.attention[:, ::-1], attention], axis=1)

    def _at(self, states: np.ndarray, parameters: np.ndarray, points: np.ndarray):
        own = {name: getattr(self._points, name)[points] for name in ("beta", "gamma", "epsilon", "realisation")}
        return self._points._replace(
            **(own | {self._along: np.asarray(parameters, dtype=float)}),
            attention=states.reshape(len(states), self.lags, self.patterns),
            phase=np.zeros(len(states), dtype=np.int64),
        )
