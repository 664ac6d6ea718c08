"""Restoring examples from noise."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import xarray as xr

from dmfx.experiments._axes import parse_axes
from dmfx.experiments._examples import Corrupted, Likeness, stored_labels
from dmfx.experiments._networks import Model, parse_networks
from dmfx.experiments._running import MOST_STEPS, Task, parse_kept
from dmfx.tokens.sphere import check_tokens
from dmfx.validation import Problems

__all__ = ["denoising"]

#: What can be kept.
OPTIONS = ("target_overlap", "overlap", "tokens", "energy", "change")


def denoising(
    model: Model,
    tokens: object,
    *,
    beta: float | Sequence[float] | np.ndarray,
    gamma: float | Sequence[float] | np.ndarray,
    seed: int | Sequence[int] | np.ndarray = 0,
    noise: float | Sequence[float] | np.ndarray = 0.3,
    replica: int | Sequence[int] | np.ndarray = 0,
    steps: int = 10,
    variables: Sequence[str] | str = ("target_overlap",),
    chunks: object = "auto",
) -> xr.Dataset:
    r"""Corrupt examples by noise and follow how close the network comes back to them: the second task of [DN24]_.

    Every token starts at :math:`x_i(0) = \mathrm{normalise}(ξ_i + σ z_i)` with independent normal numbers z, as
    `dmfx.tokens.corrupt` makes it, and all of them move.

    Parameters
    ----------
    model
        A `dmfx.VectorAttention`; or a mapping from numbers of stored examples to such networks, which adds the dim
        ``stored``: ``{n: net.fit(images[:n]) for n in (10, 100)}``.
    tokens
        Clean examples ξ, unit vectors of shape (n, N, d), or (N, d) for one: of training, of a test, or any others.
    beta, gamma
        β, at least 0, and γ: numbers or 1-D arrays.
    seed
        Realisations of couplings that are drawn; others are the same for all.
    noise
        σ, standard deviation of the noise of one component, at least 0. A 1-D array adds the dim ``noise``.
    replica
        Realisations of the noise, numbers from 0 on. A 1-D array adds the dim ``replica``.
    steps
        Steps of the network.
    variables
        Which of target_overlap, overlap (with every stored pattern), tokens, energy, change to keep. For overlap the
        networks of a mapping must have the first patterns of the one that stores the most.
    chunks
        Chunk sizes as of `dmfx.simulate`. They never change a result.

    Returns
    -------
    xr.Dataset
        Lazy. With ``...`` for (beta, gamma, seed, [stored], [noise], [replica], initial), where ``initial`` is the
        number of the example: ``target_overlap`` (..., step), the overlap (1/N) Σ_i x_i(t)·ξ_i with the clean example;
        ``final_tokens`` (..., token, component); ``status`` (...); and the network, for ``ds.dmft.model``. Step 0 is
        the start. The coordinate ``target`` has the label of the stored pattern that an example is, -1 for none; it is
        left out if no example is stored, and for networks that have not the same first patterns.

    Raises
    ------
    ValueError, TypeError
        If arguments are wrong; all of them are named in one message.

    Notes
    -----
    The noise is a function of the replica and the number of the example: β, γ, seeds, networks and all strengths of
    the noise are compared at the same z.

    One number for the whole example says nothing of where it is wrong: keep ``tokens`` and see `dmfx.plot.images`.
    Overlaps of examples with each other may be high as such, 0.7 for images of digits; an overlap that rises to what
    the mean of all examples has shows no memory of the example.

    Of a mapping of networks the couplings are not kept, only the patterns of the one that stores the most.

    References
    ----------
    .. [DN24] D'Amico & Negri, *Self-attention as an attractor network: transient memories without backpropagation*,
       arXiv:2409.16112 (2024).

    Examples
    --------
    >>> patterns = dmfx.tokens.random(3, n_tokens=20, n_components=8, seed=1)
    >>> net = dmfx.VectorAttention(dmfx.couplings.hebbian(patterns), patterns)
    >>> ds = dmfx.denoising(net, patterns, beta=1.0, gamma=0.0, noise=[0.2, 0.4], steps=3)
    >>> ds.target_overlap.mean(["beta", "gamma", "seed", "initial"]).round(2).values
    array([[0.88, 0.99, 0.99, 0.98],
           [0.68, 0.99, 0.98, 0.97]])
    """
    problems = Problems("denoising")
    networks = parse_networks(problems, model)
    net = networks.largest
    clean = check_tokens(problems, "tokens", tokens, net.n_tokens, net.n_components)
    examples = 1 if clean is None else len(clean)
    axes = parse_axes(problems, networks, examples, beta, gamma, seed, noise=noise, replica=replica)
    steps = problems.count("steps", steps, maximum=MOST_STEPS)
    record = parse_kept(problems, variables, OPTIONS, networks)
    if "overlap" in record:
        networks.check_nested(problems)
    if clean is None:
        problems.raise_any()
    start = Corrupted(clean, np.arange(examples), axes.fixed)
    target = stored_labels(clean, networks)
    task = Task(networks, axes, 0, steps, record, start, Likeness(clean), target)
    block_sizes = task.chunks(problems, chunks)
    problems.raise_any()
    return task.dataset(block_sizes, "denoising", {"variables": list(record)})
