"""The network of ``pl-training``: linear couplings, no attention, u_i = Σ_j J_ij x_j and x_i = u_i/|u_i|.

Its model, its start by the Hebb rule, its loss and its step are used as they are. Three things are ours:

- The loop over batches. The package's own (``PL.training.training_RF``) cannot be imported: it asks for a module
  ``PL.PL``, which there is not.
- Double precision, and a start with |u| near 10. For odd d its gradient of the normaliser comes from a recurrence that
  loses all figures for small |u|. At d = 17, below |u| = 0.7 in double precision and below 2.5 in single precision, it
  has the wrong sign and up to 15/|u| as its size, where |u|/17 is right.
- Holding the visible tokens of a masked image. Hidden ones start at the mean training token, as in dmfx.
"""

from __future__ import annotations

import copy
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from PL.model.model import TwoBodiesModel
from PL.utils.k_d import logK_odd_d

from benchmarks.transformer.baselines import mean_direction
from benchmarks.transformer.iterated import MOST_STEPS
from benchmarks.transformer.tasks import Case

__all__ = ["Linear", "train_linear"]

START = 10.0


@dataclass(frozen=True)
class Linear:
    """The couplings after some epoch, and what stands in hidden tokens at first, (N, d)."""

    model: torch.nn.Module
    fill: np.ndarray
    betas = (1.0,)

    @property
    def n_parameters(self) -> int:
        """Numbers in J without its diagonal, which the package holds at 0."""
        return self.model.N * (self.model.N - 1) * self.model.d**2

    @torch.no_grad()
    def likelihood(self, tokens: np.ndarray) -> float:
        """Mean log P(x_i | rest) per token, with the exact normaliser; the loss of the package has an approximation."""
        x = torch.from_numpy(tokens)
        field = torch.einsum("ijab,mjb->mia", self.model.J * self.model.mask, x)
        return float(((field * x).sum(-1) - logK_odd_d(field.norm(dim=-1), self.model.d)).mean())

    @torch.no_grad()
    def iterate(self, case: Case, beta: float, gamma: float) -> Iterator[np.ndarray]:
        """Tokens after each step; there is no β. γ x + Jx has the direction of the package's x + a Jx with a = 1/γ."""
        free = torch.from_numpy(case.asked)[..., None]
        given = torch.from_numpy(np.where(case.hidden[..., None], self.fill, case.given))
        x = given
        for _ in range(MOST_STEPS):
            x = torch.where(free, self.model.dyn_step(x, 1 / gamma if gamma else None), given)
            yield x.numpy()


def train_linear(
    tokens: np.ndarray, *, checks: Sequence[int], learning_rate: float, batch_size: int = 50, seed: int = 0
) -> Iterator[tuple[Linear, int, float]]:
    """Minimise the package's loss by Adam, minus log P(x_i | rest); yield network, epoch and seconds so far."""
    torch.manual_seed(seed)
    rng = np.random.default_rng(seed)
    examples = torch.from_numpy(tokens)
    _, n_tokens, n_components = tokens.shape
    fill = mean_direction(tokens)
    started = time.perf_counter()
    model = TwoBodiesModel(n_tokens, n_components, device="cpu", spin_type="vector").double()
    model.mask = model.mask.double()
    model.Hebb(examples, "Tensorial")
    with torch.no_grad():
        fields = torch.einsum("ijab,mjb->mia", model.J, examples)
        model.J *= START / fields.norm(dim=-1).mean()
    optimiser = torch.optim.Adam(model.parameters(), learning_rate)
    seconds = time.perf_counter() - started
    for epoch in range(1, max(checks) + 1):
        started = time.perf_counter()
        for batch in torch.from_numpy(rng.permutation(len(tokens))).split(batch_size):
            optimiser.zero_grad()
            model.loss(examples[batch], lambd=1.0).backward()
            optimiser.step()
        seconds += time.perf_counter() - started
        if epoch in checks:
            yield Linear(copy.deepcopy(model), fill), epoch, seconds
