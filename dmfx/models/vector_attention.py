"""Attention between vector spins as an attractor network: couplings, and the patterns that are stored in them."""

from __future__ import annotations

import hashlib
import json
import os
from typing import TYPE_CHECKING

import numpy as np
import xarray as xr

from dmfx.couplings import Couplings
from dmfx.couplings.given import parse_full
from dmfx.tokens.sphere import check_tokens
from dmfx.validation import Problems

if TYPE_CHECKING:
    from dmfx.training import Training

__all__ = ["VectorAttention"]


class VectorAttention:
    r"""Attention between N tokens on the unit sphere of R^d, run as a recurrent network: system C of the theory.

    .. math::

        α_{i←j} = \mathrm{softmax}_{j≠i}(β\, x_i · J_{ij} x_j), \quad
        x_i' = \mathrm{normalise}\left(Σ_{j≠i} α_{i←j} J_{ij} x_j + γ x_i\right).

    What is normalised is minus the derivative of the local energy

    .. math::

        e_i = -β^{-1} \log Σ_{j≠i} \exp(β x_i · J_{ij} x_j) - (γ/2) |x_i|^2

    with the other tokens held fixed; there is no energy that all tokens share. γ is the residual term of the spherical
    constraint: γ = 0 is the network without it. β = 0 makes attention uniform.

    Parameters
    ----------
    couplings
        From `dmfx.couplings`, or an array J of shape (N, N, d, d).
    patterns
        Stored patterns ξ, shape (M, N, d), unit vectors: overlaps are measured with them, and runs may start there.
        Training and Hebb's rule make couplings from patterns; here they are only compared with.

    Attributes
    ----------
    couplings
        What was given.
    patterns
        Read-only array, or None.
    training
        How far training has come, if `fit` made the couplings; None otherwise.

    Raises
    ------
    ValueError, TypeError
        If shapes do not fit or patterns are not unit vectors; all problems at once.

    References
    ----------
    .. [DN24] D'Amico & Negri, Self-attention as an attractor network: transient memories without backpropagation,
       arXiv:2409.16112 (2024).

    Examples
    --------
    >>> patterns = dmfx.tokens.random(3, n_tokens=20, n_components=8, seed=1)
    >>> net = dmfx.VectorAttention(dmfx.couplings.hebbian(patterns), patterns)
    >>> ds = dmfx.simulate(net, beta=1.0, gamma=0.0, steps=10, initial=0)
    >>> round(float(ds.overlap.isel(step=-1, pattern=0).squeeze()), 2)
    0.95
    """

    couplings: Couplings
    patterns: np.ndarray | None
    training: Training | None

    def __init__(self, couplings: Couplings | object, patterns: object = None):
        problems = Problems("VectorAttention")
        if not isinstance(couplings, Couplings):
            couplings = parse_full(problems, "couplings", couplings)
        if patterns is not None:
            shape = (None, None) if couplings is None else (couplings.n_tokens, couplings.n_components)
            patterns = check_tokens(problems, "patterns", patterns, *shape)
        problems.raise_any()
        self._set(couplings, patterns, None)

    def _set(self, couplings: Couplings, patterns: np.ndarray | None, training: Training | None) -> None:
        if patterns is not None:
            if _may_change(patterns):
                patterns = patterns.copy()
                patterns.flags.writeable = False
            patterns = patterns.view()
        for name, value in (("couplings", couplings), ("patterns", patterns), ("training", training)):
            object.__setattr__(self, name, value)

    def __setattr__(self, name: str, value: object) -> None:
        raise AttributeError(f"VectorAttention is frozen: {name} cannot be set; with_{name}(...) makes another network")

    @property
    def n_tokens(self) -> int:
        """Number of tokens N."""
        return self.couplings.n_tokens

    @property
    def n_components(self) -> int:
        """Dimension d of the space that tokens live in."""
        return self.couplings.n_components

    @property
    def n_patterns(self) -> int:
        """Number of stored patterns M, 0 if none are known."""
        return 0 if self.patterns is None else len(self.patterns)

    @property
    def is_fixed(self) -> bool:
        """Whether all seeds have the same couplings."""
        return not self.couplings.is_drawn

    def with_patterns(self, patterns: object) -> VectorAttention:
        """The same couplings, compared with other patterns; ``net.with_patterns(tokens[:100])``, or None for none."""
        other = VectorAttention(self.couplings, patterns)
        other._set(other.couplings, other.patterns, self.training)
        return other

    def with_couplings(self, couplings: Couplings | object) -> VectorAttention:
        """Other couplings, compared with the same patterns."""
        return VectorAttention(couplings, self.patterns)

    def symmetrised(self) -> VectorAttention:
        """The network with the symmetric part of its couplings, (J_ij + J_jiᵀ)/2."""
        return self.with_couplings(self.couplings.symmetrised())

    def trained(self, couplings: Couplings, training: Training) -> VectorAttention:
        """The network that training has made of this one."""
        other = self.with_couplings(couplings)
        other._set(other.couplings, other.patterns, training)
        return other

    def fit(
        self,
        tokens: object,
        *,
        beta: float = 1.0,
        epochs: int = 6,
        batch_size: int | None = None,
        learning_rate: float = 0.05,
        decay: float = 1.0,
        optimiser: str = "adam",
        l2: float = 0.0,
        symmetric: bool = False,
        vocabulary: object = None,
        held_out: object = None,
        patience: int | None = None,
        seed: int = 0,
        resume: bool = False,
        checkpoint: str | os.PathLike[str] | None = None,
        store_patterns: bool = True,
        workers: int | None = None,
        progress: bool = True,
    ) -> VectorAttention:
        r"""Train couplings that make every token likely, given the others of its configuration [DN24]_.

        Goes uphill on :math:`Σ_i \log P(x_i | \mathrm{rest})`, mean over the examples of a batch, with

        .. math::

            P(x_i | \mathrm{rest}) = \frac{Σ_{j≠i} e^{β x_i · u_{ij}}}{Σ_{j≠i} K_d(β |u_{ij}|)},
            \quad u_{ij} = J_{ij} x_j,

        a mixture of von Mises-Fisher laws on the sphere, whose normaliser K_d is known. The gradient is local: J_ij
        learns from tokens i and j and a sum over what token i feels; nothing is propagated back.

        Parameters
        ----------
        tokens
            Examples: unit vectors, shape (n, N, d), or with ``vocabulary`` whole numbers, shape (n, N).
        beta
            β, above 0.
        epochs
            How often to go through the examples; with ``resume``, how often more.
        batch_size
            Examples of a step, at most as many as there are. None is 50, or all of them if they are fewer. The last
            batch of an epoch has what is left.
        learning_rate
            Step of the optimiser. Adam changes every number by about this much in a step, the plain gradient by this
            times the gradient.
        decay
            From epoch to epoch the learning rate is multiplied by this, above 0 and at most 1.
        optimiser
            ``"adam"`` (means over 10 and 1000 steps), or ``"plain"`` gradient ascent.
        l2
            Penalty: (l2/2) Σ J² is subtracted, summed over all numbers of the arrays of the couplings.
        symmetric
            Keep J_ij = J_jiᵀ, starting from the symmetric part of the couplings. Low rank doubles.
        vocabulary
            Unit vectors that the tokens are out of, shape (V, d), or a `dmfx.tokens.Codebook`: sums over them take the
            place of K_d.
        held_out
            Examples to watch and not to train on: some of their own, or a number or fraction of ``tokens``, the last
            of them.
        patience
            Stop after so many epochs in which the examples held out did not become more likely than ever before, and
            take the couplings of the best epoch. By default training does not stop, and takes the last couplings.
        seed
            Of the order of the examples.
        resume
            Go on where the training of this network was left, with the same arguments but ``epochs``: the result is, to
            the last bit, that of one call with all epochs. Otherwise training begins anew from these couplings.
        checkpoint
            Path ending in ``.nc`` where the network and the state of its training are kept after every epoch. If there
            is one of the same training it goes on from there, so that a call that was killed can be repeated as it is.
        store_patterns
            Whether the examples (not those held out) become the ``patterns`` of the network.
        workers
            Threads; by default one for each processor. The result does not depend on it.
        progress
            Show how far it is.

        Returns
        -------
        VectorAttention
            The trained network; this one is not changed. Its ``history`` has, by ``epoch``, ``log_likelihood`` (per
            token, of the examples as they were met: before the step that each was used for),
            ``held_out_log_likelihood`` (per token, after the epoch; NaN without), ``gradient_norm``, ``learning_rate``
            and ``seconds``.

        Raises
        ------
        ValueError, TypeError
            For wrong arguments, all of them in one message, before anything is computed; if memory does not hold the
            couplings, their gradient and the moments of the optimiser; if ``resume`` or ``checkpoint`` is of another
            training, with what differs.
        FloatingPointError
            If training diverges.

        Notes
        -----
        P is a density, so that log P has no upper bound: tokens that hardly vary, such as patches at the dark border of
        images, grow more likely for as long as training goes on. A higher log-likelihood, held out or not, is not
        always a better memory: compare what the network recalls, too.

        With a vocabulary P is a probability of words, but the network is run as without: tokens move on the whole
        sphere, and are words at the start only. Run it at the β that it was trained with; `dmfx.tokens.Codebook.encode`
        of the tokens of a run tells which words they are nearest to. γ does not enter P, as |x_i| = 1.

        An epoch costs 4 n N² d² operations in matrix products, and n N² Bessel functions.
        Relative and low-rank couplings have fewer parameters, not cheaper epochs.

        Examples
        --------
        >>> tokens = dmfx.tokens.random(20, n_tokens=6, n_components=4, seed=1)
        >>> net = dmfx.VectorAttention(dmfx.couplings.zeros(6, 4)).fit(tokens, epochs=20, batch_size=5)
        >>> net.history.log_likelihood.isel(epoch=[0, -1]).values.round(1)
        array([-3. , -1.8])
        """
        from dmfx.training import fit

        return fit(
            self,
            tokens,
            beta=beta,
            epochs=epochs,
            batch_size=batch_size,
            learning_rate=learning_rate,
            decay=decay,
            optimiser=optimiser,
            l2=l2,
            symmetric=symmetric,
            vocabulary=vocabulary,
            held_out=held_out,
            patience=patience,
            seed=seed,
            resume=resume,
            checkpoint=checkpoint,
            store_patterns=store_patterns,
            workers=workers,
            progress=progress,
        )

    def log_likelihood(
        self, tokens: object, beta: float = 1.0, *, vocabulary: object = None, workers: int | None = None
    ) -> xr.DataArray:
        r"""Find log P(x_i | rest) of every token, given all others of its configuration [DN24]_.

        Parameters
        ----------
        tokens
            Configurations: unit vectors, shape (n, N, d) or (N, d), or with ``vocabulary`` whole numbers, (n, N) or
            (N,).
        beta
            β, at least 0.
        vocabulary
            Unit vectors that the tokens are out of, shape (V, d), or a `dmfx.tokens.Codebook`.
        workers
            Threads; by default one for each processor.

        Returns
        -------
        xr.DataArray
            Dims (initial, token). On the sphere P is a density: at β = 0 one over the area of the sphere. With a
            vocabulary it is a probability: at β = 0 one over V.

        Raises
        ------
        ValueError, TypeError
            For wrong arguments, all of them in one message.

        Examples
        --------
        >>> tokens = dmfx.tokens.random(3, n_tokens=6, n_components=4, seed=1)
        >>> net = dmfx.VectorAttention(dmfx.couplings.hebbian(tokens))
        >>> net.log_likelihood(tokens, beta=2.0).mean("token").round(1).values
        array([-1.5, -1.5, -1.6])
        """
        from dmfx.training import log_likelihood

        return log_likelihood(self, tokens, beta, vocabulary=vocabulary, workers=workers)

    @property
    def history(self) -> xr.Dataset | None:
        """What happened in training, by ``epoch`` (see `fit`); None for a network that was not trained."""
        return None if self.training is None else self.training.history

    def to_dataset(self) -> xr.Dataset:
        """The network as a Dataset that can be kept: ``net.to_dataset().dmft.save("net.nc")``.

        Returns
        -------
        xr.Dataset
            The arrays of the couplings, ``patterns`` (pattern, token, component), and what training goes on from.
            `from_dataset`, or ``dmfx.open("net.nc").dmft.model``, makes the network of it.
        """
        from dmfx.models.vector_archive import to_dataset

        return to_dataset(self)

    @classmethod
    def from_dataset(cls, ds: xr.Dataset) -> VectorAttention:
        """The network that a Dataset of `to_dataset` or of a simulation holds.

        Raises
        ------
        ValueError
            If the arrays of the couplings are missing or were changed.
        """
        from dmfx.models.vector_archive import parts_of

        couplings, patterns, training = parts_of(ds)
        net = cls(couplings, patterns)
        net._set(net.couplings, net.patterns, training)
        return net

    def spec(self) -> dict[str, object]:
        """Everything but the arrays, in JSON types."""
        return {"model": "VectorAttention", "couplings": self.couplings.spec(), "n_patterns": self.n_patterns}

    def to_json(self) -> str:
        """The `spec` as text, with a note if there is a training to go on with."""
        note = {} if self.training is None else {"training": True}
        return json.dumps(self.spec() | note, ensure_ascii=False)

    def _identity(self) -> tuple[str, str]:
        digest = "" if self.patterns is None else hashlib.blake2b(self.patterns, digest_size=16).hexdigest()
        return self.couplings.digest, f"{self.n_patterns} {digest}"

    def __eq__(self, other: object) -> bool:
        return isinstance(other, VectorAttention) and self._identity() == other._identity()

    def __hash__(self) -> int:
        return hash(self._identity())

    def __dask_tokenize__(self) -> tuple[str, ...]:
        return ("dmfx.VectorAttention", *self._identity())

    def __reduce__(self):
        return _rebuild, (self.couplings, self.patterns, self.training)

    def __repr__(self) -> str:
        epochs = None if self.training is None else self.training.epochs
        trained = "" if epochs is None else f", trained for {epochs} epoch{'s' * (epochs != 1)}"
        return f"VectorAttention({self.couplings!r}, n_patterns={self.n_patterns}{trained})"


def _may_change(array: object) -> bool:
    """Whether somebody can write to the memory of an array, through itself or what it is a view of."""
    while isinstance(array, np.ndarray):
        if array.flags.writeable:
            return True
        array = array.base
    return array is not None


def _rebuild(couplings: Couplings, patterns: np.ndarray | None, training: Training | None) -> VectorAttention:
    net = VectorAttention.__new__(VectorAttention)
    net._set(couplings, patterns, training)
    return net
