"""One transformer block, and how it is trained by backpropagation.

Tokens of the unit sphere are embedded, hidden ones replaced by a learned vector, positions added. Then comes one
pre-norm block (multi-head self-attention and a perceptron, each with its residual), a last norm, and a projection back
to the sphere.

The loss is 1 - x·ξ, averaged over the tokens that are asked for: but for constants, minus the log-likelihood of a von
Mises-Fisher law of fixed concentration, and just what the table reports.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor, nn

__all__ = ["Corrupt", "Schedule", "Trained", "TransformerBlock", "n_parameters", "train"]

# Example tokens and a generator in; what the model is given, which tokens are hidden, which tokens count, out.
Corrupt = Callable[[np.ndarray, np.random.Generator], tuple[np.ndarray, np.ndarray, np.ndarray]]


class TransformerBlock(nn.Module):
    """Tokens (n, N, d) and which of them are hidden (n, N) in; tokens (n, N, d) of unit length out."""

    def __init__(self, n_tokens: int, n_components: int, width: int, n_heads: int, dropout: float = 0.0) -> None:
        super().__init__()
        self.n_heads = n_heads
        self.embed = nn.Linear(n_components, width)
        self.hidden = nn.Parameter(0.02 * torch.randn(width))
        # As large as what the tokens bring: from 0.02 attention takes longer to find out who is a neighbour.
        self.position = nn.Parameter(0.5 * torch.randn(n_tokens, width))
        self.before_attention = nn.LayerNorm(width)
        self.query_key_value = nn.Linear(width, 3 * width)
        self.attended = nn.Linear(width, width)
        self.before_perceptron = nn.LayerNorm(width)
        self.perceptron = nn.Sequential(nn.Linear(width, 4 * width), nn.GELU(), nn.Linear(4 * width, width))
        self.dropout = nn.Dropout(dropout)
        self.last = nn.LayerNorm(width)
        self.project = nn.Linear(width, n_components)

    def forward(self, tokens: Tensor, hidden: Tensor) -> Tensor:
        x = torch.where(hidden[..., None], self.hidden, self.embed(tokens)) + self.position
        x = x + self.dropout(self.attended(self._attend(self.before_attention(x))))
        x = x + self.dropout(self.perceptron(self.before_perceptron(x)))
        return nn.functional.normalize(self.project(self.last(x)), dim=-1)

    def _attend(self, x: Tensor) -> Tensor:
        n, n_tokens, width = x.shape
        shape = (n, n_tokens, 3, self.n_heads, width // self.n_heads)
        query, key, value = self.query_key_value(x).view(shape).permute(2, 0, 3, 1, 4)
        heads = nn.functional.scaled_dot_product_attention(query, key, value)
        return heads.transpose(1, 2).reshape(n, n_tokens, width)

    @torch.no_grad()
    def predict(self, tokens: np.ndarray, hidden: np.ndarray) -> np.ndarray:
        """The same for NumPy arrays, without dropout."""
        self.eval()
        given = torch.from_numpy(np.ascontiguousarray(tokens, dtype=np.float32))
        parts = zip(given.split(500), torch.from_numpy(hidden).split(500), strict=True)
        return torch.cat([self(*part) for part in parts]).numpy().astype(np.float64)


@dataclass(frozen=True)
class Schedule:
    """How long and how fast.

    Attributes
    ----------
    n_epochs
        At most so many passes over the examples.
    learning_rate
        Of AdamW, reached after ``warm_up`` steps.
    patience
        None: the rate falls to zero along a cosine over all epochs, and the last weights are kept. Else it is divided
        by three whenever the error of the validation images has not fallen for so many epochs, going back to the best
        weights; after the third time training ends.
    """

    n_epochs: int
    batch_size: int
    learning_rate: float
    patience: int | None = None
    warm_up: int = 50
    weight_decay: float = 0.05


@dataclass(frozen=True)
class Trained:
    """A model, and after which epoch and how many seconds its weights were kept."""

    model: TransformerBlock
    epoch: int
    seconds: float


def n_parameters(model: nn.Module) -> int:
    """How many numbers are learned."""
    return sum(parameter.numel() for parameter in model.parameters())


def train(
    model: TransformerBlock,
    tokens: np.ndarray,
    corrupt: Corrupt,
    error_of: Callable[[TransformerBlock], float],
    schedule: Schedule,
    *,
    seed: int = 0,
    report: Callable[[str], None] = lambda text: None,
) -> Trained:
    """Train ``model`` in place; ``error_of`` marks the validation images, for which no time is counted."""
    rng = np.random.default_rng(seed)
    torch.manual_seed(seed)
    optimiser = torch.optim.AdamW(
        model.parameters(), schedule.learning_rate, weight_decay=schedule.weight_decay, betas=(0.9, 0.98)
    )
    n_steps = schedule.n_epochs * -(-len(tokens) // schedule.batch_size)
    seconds, step, cuts, since = 0.0, 0, 0, 0
    best_error, best = np.inf, Trained(model, 0, 0.0)
    best_weights: dict[str, Tensor] = {}
    for epoch in range(1, schedule.n_epochs + 1):
        started = time.perf_counter()
        model.train()
        for batch in _batches(len(tokens), schedule.batch_size, rng):
            factor = min(1.0, (step + 1) / schedule.warm_up) / 3**cuts
            if schedule.patience is None:
                factor *= 0.5 * (1 + np.cos(np.pi * step / n_steps))
            for group in optimiser.param_groups:
                group["lr"] = schedule.learning_rate * factor
            optimiser.zero_grad()
            _loss(model, tokens[batch], *corrupt(tokens[batch], rng)).backward()
            nn.utils.clip_grad_norm_(model.parameters(), 1.0)
            optimiser.step()
            step += 1
        seconds += time.perf_counter() - started
        error = error_of(model)
        report(f"epoch {epoch}: {error:.4f}, {seconds:.0f} s")
        since += 1
        if error < best_error or schedule.patience is None:
            best_error, best, since = error, Trained(model, epoch, seconds), 0
            best_weights = {name: weight.detach().clone() for name, weight in model.state_dict().items()}
        if schedule.patience is not None and since >= schedule.patience:
            model.load_state_dict(best_weights)
            since, cuts = 0, cuts + 1
            if cuts == 3:
                break
    model.load_state_dict(best_weights)
    return best


def _loss(
    model: TransformerBlock, clean: np.ndarray, given: np.ndarray, hidden: np.ndarray, asked: np.ndarray
) -> Tensor:
    got = model(torch.from_numpy(given.astype(np.float32)), torch.from_numpy(hidden))
    overlap = (got * torch.from_numpy(clean.astype(np.float32))).sum(-1)
    return 1 - overlap[torch.from_numpy(asked)].mean()


def _batches(n: int, size: int, rng: np.random.Generator) -> Iterator[np.ndarray]:
    order = rng.permutation(n)
    for first in range(0, n, size):
        yield order[first : first + size]
