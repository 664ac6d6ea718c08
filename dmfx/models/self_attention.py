"""Self-attention with 1-bit tokens and weights: an asymmetric Hopfield network with a context of tokens."""

from __future__ import annotations

import functools
import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from dmfx.models import published
from dmfx.models.start import Context, Token, parse_start, start_from_spec
from dmfx.validation import Problems, real_numbers
from dmfx.weights import MATRICES, Ensemble, ensemble_from_spec
from dmfx.weights.apportion import apportion
from dmfx.weights.columns import parse_given
from dmfx.weights.streams import POSITION_STREAM, TOKEN_STREAM, generator

__all__ = ["Realisation", "SelfAttention"]


#: The longest context: the position drive of one realisation is then a few hundred megabytes.
MOST_CONTEXT = 2**20


class Realisation(NamedTuple):
    """The quenched weights of one seed, as the kernel takes them.

    Attributes
    ----------
    field
        w^o by pattern and column type, shape (pattern, column).
    overlap
        p w^α, shape (matrix, pattern, column).
    position
        Weights of the position bits, shape (matrix, pattern, bit).
    drive
        Position term P^α_a(φ) without ε, shape (phase, matrix, pattern).
    fraction
        p, shape (column,).
    spins
        n_j, number of spins of each column type, shape (column,), whole numbers as floats; infinite in the mean field.
    """

    field: np.ndarray
    overlap: np.ndarray
    position: np.ndarray
    drive: np.ndarray
    fraction: np.ndarray
    spins: np.ndarray

    def of_size(self, size: float) -> Realisation:
        """The network of N spins with these weights: n_j / N in place of the fractions; itself for N = ∞."""
        if size == np.inf:
            return self
        spins = apportion(self.fraction, int(size))
        share = np.divide(spins, size * self.fraction, out=np.zeros_like(spins), where=self.fraction > 0)
        return self._replace(overlap=self.overlap * share, fraction=spins / size, spins=spins)


@dataclass(frozen=True, init=False, eq=False)
class SelfAttention:
    r"""A self-attention layer as an asymmetric Hopfield network, systems A and B of the theory.

    With M patterns (features) and a context of L tokens, the attention value A evolves by

    .. math::

        s_j = \tanh(β Σ_a w^o_{a,j} A_a), \quad
        m^α_a = (1-ε) Σ_j p_j w^α_{a,j} s_j + ε P^α_a(φ), \quad
        A' = Σ_d \mathrm{softmax}_d\left(\tfrac{γ}{\sqrt M} m^q · m^k(d)\right) m^v(d).

    Parameters
    ----------
    weights
        An ensemble of `dmfx.weights`, or a mapping with arrays o, v, q and k of shape (patterns, columns).
    context_size
        Number of tokens L that attention sees.
    epsilon
        ε, weight of the position in the embedding, from 0 to 1.
    position_weights
        Weights of the position bits: a mapping with arrays o, v, q and k of shape (patterns, bits), most significant
        bit first, bits = ceil(log2 L). By default random signs, drawn for each seed.
    start
        Where runs start: the number a of an output pattern, so that the first token is x_0 = w^o_a; spins by column,
        if the weights are arrays; or a Dataset with ``final_attention`` (context, pattern; context 0 is the newest)
        and ``final_phase``.

    Raises
    ------
    ValueError, TypeError
        If a parameter is out of range; all problems at once.

    References
    ----------
    .. [PLA24] Poc-López & Aguilera, Dynamical Mean-Field Theory of Self-Attention Neural Networks,
       arXiv:2406.07247 (2024), eqs. 4-18.

    Examples
    --------
    >>> net = dmfx.SelfAttention(dmfx.weights.segments(n_patterns=5), context_size=16)
    >>> net.n_patterns, net.context_size, net.epsilon
    (5, 16, 0.02)
    """

    weights: Ensemble
    context_size: int
    epsilon: float
    position_weights: np.ndarray | None
    start: Token | Context

    def __init__(
        self,
        weights: Ensemble | Mapping[str, object],
        context_size: int = 4,
        epsilon: float = 0.02,
        *,
        position_weights: Mapping[str, object] | None = None,
        start: object = 0,
    ):
        problems = Problems("SelfAttention")
        context_size = problems.count("context_size", context_size, maximum=MOST_CONTEXT)
        epsilon = problems.real("epsilon", epsilon, minimum=0, maximum=1)
        if isinstance(weights, Mapping):
            weights = parse_given(problems, weights)
        elif not isinstance(weights, Ensemble):
            expected = "an ensemble of dmfx.weights or a mapping with arrays o, v, q and k"
            problems.add("weights", expected, weights, is_type=True)
            weights = None
        if weights is None:  # what follows depends on the number of patterns
            problems.raise_any()
        shape = (weights.n_patterns, n_bits(context_size))
        position = _parse_position(problems, position_weights, shape)
        start = parse_start(problems, "start", start, weights.n_patterns, context_size, weights.n_spins)
        problems.raise_any()
        for name, value in (
            ("weights", weights),
            ("context_size", context_size),
            ("epsilon", epsilon),
            ("position_weights", position),
            ("start", start),
        ):
            object.__setattr__(self, name, value)

    @classmethod
    def paper(cls) -> SelfAttention:
        """The published configuration: M = 3, L = 4, ε = 0.02, three segments, and the context that runs start from.

        It is meant for γ = 220.

        Examples
        --------
        >>> dmfx.SelfAttention.paper().context_size
        4
        """
        return cls(
            {name: _from_signs(rows) for name, rows in published.WEIGHTS.items()},
            context_size=4,
            epsilon=0.02,
            position_weights={name: _from_signs(rows) for name, rows in published.POSITION_WEIGHTS.items()},
            start=Context(published.CONTEXT_ATTENTION, published.NEXT_PHASE),
        )

    @property
    def n_patterns(self) -> int:
        """Number of patterns M."""
        return self.weights.n_patterns

    @property
    def is_fixed(self) -> bool:
        """Whether all seeds have the same weights, because they were given."""
        return not self.weights.is_drawn and self.position_weights is not None

    @functools.lru_cache(maxsize=8)  # noqa: B019 - tasks of one sweep share realisations; one may have 20 MB
    def realisation(self, seed: int) -> Realisation:
        """The quenched weights with this number."""
        types = self.weights.draw(seed)
        position = self.position_weights
        if position is None:
            shape = (4, self.n_patterns, n_bits(self.context_size))
            position = 2.0 * generator(seed, POSITION_STREAM).integers(0, 2, shape) - 1.0
        drive = position_drive(position, self.context_size)
        infinite = np.full(len(types.fraction), np.inf)
        return Realisation(types.field, types.overlap, position, drive, types.fraction, infinite)

    def token_overlaps(self, seed: int, token: Token, epsilon: float, size: float = np.inf) -> np.ndarray:
        """Overlaps m^α of a start token at phase 0, in a network of N spins, shape (matrix, pattern)."""
        real = self.realisation(seed).of_size(size)
        given = token.spins is not None
        spins = self.weights.spins_by_type(np.array(token.spins)) if given else real.field[token.pattern]
        return (1 - epsilon) * (real.overlap * spins).sum(axis=-1) + epsilon * real.drive[0]

    def random_token_overlaps(self, seed: int, number: int, epsilon: float, size: float = np.inf) -> np.ndarray:
        """Overlaps m^α of the token with this number whose spins are random, of order N^(-1/2)."""
        real = self.realisation(seed).of_size(size)
        spins = np.zeros(len(real.fraction))
        if size < np.inf:
            up = generator(seed, TOKEN_STREAM, number, int(size)).binomial(real.spins.astype(np.int64), 0.5)
            spins = np.divide(2 * up - real.spins, real.spins, out=spins, where=real.spins > 0)
        return (1 - epsilon) * (real.overlap * spins).sum(axis=-1) + epsilon * real.drive[0]

    def with_epsilon(self, epsilon: float) -> SelfAttention:
        """The same model with another weight of the position ε."""
        return self.from_spec(self.spec() | {"epsilon": epsilon})

    def spec(self) -> dict[str, object]:
        """Everything that `from_spec` needs, in JSON types."""
        position = self.position_weights
        return {
            "model": "SelfAttention",
            "weights": self.weights.spec(),
            "context_size": self.context_size,
            "epsilon": self.epsilon,
            "position_weights": None if position is None else position.tolist(),
            "start": self.start.spec(),
        }

    @classmethod
    def from_spec(cls, spec: Mapping[str, object]) -> SelfAttention:
        """Build the model that `spec` described."""
        if missing := {"weights", "context_size", "epsilon", "position_weights", "start"} - set(spec):
            raise ValueError(f"the description of the model lacks {', '.join(sorted(missing))}")
        position = spec["position_weights"]
        if position is not None:
            shape = (4, -1, n_bits(spec["context_size"]))
            position = dict(zip(MATRICES, np.array(position, dtype=float).reshape(shape), strict=True))
        return cls(
            ensemble_from_spec(spec["weights"]),
            spec["context_size"],
            spec["epsilon"],
            position_weights=position,
            start=start_from_spec(spec["start"]),
        )

    def to_json(self) -> str:
        """The `spec` as text; `dmfx.models.model_from_json` reads it."""
        return self._json

    @functools.cached_property
    def _json(self) -> str:
        return json.dumps(self.spec(), ensure_ascii=False)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, SelfAttention) and self.to_json() == other.to_json()

    def __hash__(self) -> int:
        return hash(self.to_json())

    def __dask_tokenize__(self) -> tuple[str, str]:
        return ("dmfx.SelfAttention", self.to_json())

    def __repr__(self) -> str:
        drawn = "drawn by seed" if self.position_weights is None else "given"
        return (
            f"SelfAttention({self.weights.kind} weights, n_patterns={self.n_patterns}, "
            f"context_size={self.context_size}, epsilon={self.epsilon:g}, position_weights {drawn})"
        )


def n_bits(context_size: int) -> int:
    """Number of bits of the position: ceil(log2 L)."""
    return (context_size - 1).bit_length()


def position_drive(position: np.ndarray, context_size: int) -> np.ndarray:
    """P^α_a(φ) = (1/B) Σ_i W^α_{a,pos i} b_i(φ), shape (phase, matrix, pattern); phase 0 has all bits -1."""
    bits = position.shape[-1]
    if bits == 0:
        return np.zeros((context_size, *position.shape[:-1]))
    phases = np.arange(context_size)[:, None] >> np.arange(bits - 1, -1, -1) & 1
    signs = 2.0 * phases - 1.0
    return (signs[:, None, None, :] * position).sum(axis=-1) / bits


def _from_signs(rows: tuple[str, ...]) -> np.ndarray:
    return np.array([[1.0 if sign == "+" else -1.0 for sign in row] for row in rows])


def _parse_position(problems: Problems, value: object, shape: tuple[int, int]) -> np.ndarray | None:
    if value is None:
        return None
    expected = f"a mapping with finite arrays o, v, q and k of shape {shape} (patterns, bits)"
    try:
        matrices = [real_numbers(value[name]) for name in MATRICES]
        if any(matrix is None or matrix.shape != shape for matrix in matrices):
            raise ValueError
        array = np.stack([matrix.astype(float).reshape(shape) for matrix in matrices])
    except (TypeError, KeyError, ValueError, IndexError):
        problems.add("position_weights", expected, value, is_type=not isinstance(value, Mapping))
        return None
    if not np.isfinite(array).all():
        problems.add("position_weights", expected, array)
    array.flags.writeable = False
    return array
