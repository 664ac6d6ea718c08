"""What the forms of couplings do in training: fields from arrays, gradients of arrays from gradients by fields.

A batch is an array x (N, d, width) with the examples along the last axis, in whole lanes, and, without the empty lanes,
``by_example`` (N, B, d): products of rows that lie in one piece are a fifth faster than with a transpose. For one token
i, ``felt`` gives u_ij = J_ij x_j of all j, and ``collect`` takes g_j (N, d, B), the derivative by u_ij of the sum,
to the gradient of the arrays, of which J_ij has g_j x_jᵀ. The gradient of what tokens share is added up for each group
of tokens by itself, and the groups in their order, so that it has the same bits however many threads there are.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from dmfx.couplings import Couplings

__all__ = ["FORMS", "Form", "Full", "LowRank", "Relative"]

Arrays = Mapping[str, np.ndarray]


class Full:
    """A matrix for every pair: row i of J is trained by what token i says alone."""

    #: Fewer examples than this are not taken together to save memory: products would be slower.
    least = 64

    def __init__(self, couplings: Couplings, n_groups: int):
        self.gradient: dict[str, np.ndarray] = {}

    def begin(self, arrays: Arrays, x: np.ndarray, by_example: np.ndarray) -> None:
        """Make ready for a batch."""
        self.matrices, self.x, self.by_example = arrays["matrices"], x, by_example

    def felt(self, token: int, out: np.ndarray) -> None:
        """Write u_ij of a token."""
        np.matmul(self.matrices[token], self.x, out=out)

    def clear(self) -> None:
        """Make ready for the gradient of this batch, all of which `collect` writes anew."""
        if not self.gradient:
            self.gradient = {"matrices": np.empty(self.matrices.shape)}

    def collect(self, group: int, token: int, by_felt: np.ndarray) -> None:
        """Take up the derivative by u_ij of a token."""
        np.matmul(by_felt, self.by_example, out=self.gradient["matrices"][token])

    def finish(self) -> dict[str, np.ndarray]:
        """The gradient, in arrays that the next batch writes over."""
        return self.gradient

    @staticmethod
    def n_bytes(couplings: Couplings, n_groups: int, width: int) -> float:
        """What an object takes."""
        return float(couplings.nbytes)


class Relative:
    """A matrix for every offset on the grid.

    The matrices of one token and all others are a part of all matrices, backwards along each axis of the grid, so that
    nothing is copied. A token and itself have the offset in the middle, whose matrix is 0 and has the gradient 0.
    """

    least = 64

    def __init__(self, couplings: Couplings, n_groups: int):
        self.grid, self.n_groups, self.sums = couplings.grid, n_groups, None

    def begin(self, arrays: Arrays, x: np.ndarray, by_example: np.ndarray) -> None:
        """Make ready for a batch."""
        self.matrices = arrays["matrices"]
        self.x, self.by_example = (each.reshape(*self.grid, *each.shape[1:]) for each in (x, by_example))

    def felt(self, token: int, out: np.ndarray) -> None:
        """Write u_ij of a token."""
        np.matmul(self._of_token(self.matrices, token), self.x, out=out.reshape(self.x.shape))

    def clear(self) -> None:
        """Make ready for the gradient of this batch."""
        if self.sums is None:
            self.sums = np.empty((self.n_groups, *self.matrices.shape))
        self.sums[...] = 0.0

    def collect(self, group: int, token: int, by_felt: np.ndarray) -> None:
        """Take up the derivative by u_ij of a token."""
        total = self._of_token(self.sums[group], token)
        total += np.matmul(by_felt.reshape(*self.grid, *by_felt.shape[1:]), self.by_example)

    def finish(self) -> dict[str, np.ndarray]:
        """The gradient."""
        return {"matrices": _add_up(self.sums)}

    def _of_token(self, matrices: np.ndarray, token: int) -> np.ndarray:
        """A view of the matrices of a token and each of the tokens on the grid."""
        place = np.unravel_index(token, self.grid)
        every = matrices.reshape(*(2 * n - 1 for n in self.grid), *matrices.shape[1:])
        part = every[tuple(slice(at, at + n) for at, n in zip(place, self.grid, strict=True))]
        return part[(slice(None, None, -1),) * len(self.grid)]

    @staticmethod
    def n_bytes(couplings: Couplings, n_groups: int, width: int) -> float:
        """What an object takes."""
        one_token = 8.0 * couplings.n_tokens * couplings.n_components**2
        return couplings.nbytes * (n_groups + 1.0) + n_groups * one_token


class LowRank:
    """Two factors: token j answers with k_j = right_jᵀ x_j, token i feels u_ij = left_i k_j."""

    least = 32

    def __init__(self, couplings: Couplings, n_groups: int):
        n, d, rank = couplings.parameters["left"].shape
        self.rank, self.n_groups = rank, n_groups
        self.by_left = np.zeros((n, d, rank))

    def begin(self, arrays: Arrays, x: np.ndarray, by_example: np.ndarray) -> None:
        """Make ready for a batch."""
        self.left, self.by_example = arrays["left"], by_example
        self.answers = np.matmul(arrays["right"].transpose(0, 2, 1), x)
        self.answers_by_example = np.matmul(by_example, arrays["right"])

    def felt(self, token: int, out: np.ndarray) -> None:
        """Write u_ij of a token."""
        np.matmul(self.left[token], self.answers, out=out)

    def clear(self) -> None:
        """Make ready for the gradient of this batch."""
        n_tokens, n_examples, rank = self.answers_by_example.shape
        self.by_answers = np.zeros((self.n_groups, n_tokens, rank, n_examples))

    def collect(self, group: int, token: int, by_felt: np.ndarray) -> None:
        """Take up the derivative by u_ij of a token."""
        np.add.reduce(np.matmul(by_felt, self.answers_by_example), axis=0, out=self.by_left[token])
        self.by_answers[group] += np.matmul(self.left[token].T, by_felt)

    def finish(self) -> dict[str, np.ndarray]:
        """The gradient, in arrays that the next batch may write over."""
        by_right = np.matmul(_add_up(self.by_answers), self.by_example).transpose(0, 2, 1)
        return {"left": self.by_left, "right": np.ascontiguousarray(by_right)}

    @staticmethod
    def n_bytes(couplings: Couplings, n_groups: int, width: int) -> float:
        """What an object takes."""
        return couplings.nbytes + 8.0 * couplings.n_tokens * couplings.rank * width * (n_groups + 4.0)


Form = Full | Relative | LowRank

FORMS = {"full": Full, "relative": Relative, "low_rank": LowRank}


def _add_up(parts: np.ndarray) -> np.ndarray:
    """The sum of the groups, one after the other."""
    total = parts[0].copy()
    for part in parts[1:]:
        total += part
    return total
