"""Transient memories: runs from stored examples, from others, from corrupted or random ones."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import xarray as xr

from dmfx.experiments._axes import parse_axes
from dmfx.experiments._examples import Corrupted, Likeness, stored_labels
from dmfx.experiments._networks import Model, Networks, parse_networks
from dmfx.experiments._running import MOST_STEPS, Task, parse_kept
from dmfx.tokens.sphere import check_tokens
from dmfx.validation import Problems, real_numbers
from dmfx.vectors.initial import MOST_STARTS
from dmfx.vectors.starts import FromTokens, RandomStates

__all__ = ["free_running"]

#: What can be kept.
OPTIONS = ("overlap", "target_overlap", "tokens", "energy", "change")
#: What a start needs for some of it.
NO_EXAMPLE = "needs examples that the runs start from, and random starts are no versions of one"


class _Examples(NamedTuple):
    """What the runs start from: clean examples (None for random ones), their numbers, their labels, in words."""

    tokens: np.ndarray | None
    numbers: np.ndarray
    target: np.ndarray | None
    text: str


def free_running(
    model: Model,
    tokens: object = None,
    *,
    beta: float | Sequence[float] | np.ndarray,
    gamma: float | Sequence[float] | np.ndarray,
    seed: int | Sequence[int] | np.ndarray = 0,
    noise: float | Sequence[float] | np.ndarray | None = None,
    replica: int | Sequence[int] | np.ndarray | None = None,
    starts: int | None = None,
    steps: int,
    transient: int = 0,
    variables: Sequence[str] | str | None = None,
    chunks: object = "auto",
) -> xr.Dataset:
    """Let networks run from examples and follow the overlaps with all stored patterns: transient memories of [DN24]_.

    What `dmfx.recall`, `dmfx.basin_size`, `dmfx.interference` and `dmfx.capacity` are made for.

    Parameters
    ----------
    model
        A `dmfx.VectorAttention`; or a mapping from numbers of stored examples to such networks, which adds the dim
        ``stored``. Overlaps are then those with the patterns of the network that stores the most, of which the other
        networks must have the first ones.
    tokens
        Where runs start. None or ``"patterns"``: the stored patterns, of the network that stores the most. Numbers of
        stored patterns: these. An array (n, N, d) of unit vectors, or (N, d): at these, such as examples of a test.
        ``"random"``: ``starts`` configurations uniform on the sphere, those that `dmfx.simulate` starts from.
    beta, gamma
        β, at least 0, and γ: numbers or 1-D arrays.
    seed
        Realisations of couplings that are drawn, and of random starts.
    noise
        Standard deviation of the noise that is added to every component of the start, as of `dmfx.denoising`; None for
        clean starts. A 1-D array adds the dim ``noise``.
    replica
        Realisations of the noise, numbers from 0 on; None is 0. A 1-D array adds the dim ``replica``.
    starts
        Number of random starts.
    steps
        Steps of the network whose results are kept, after the start.
    transient
        Steps before; what is kept first is then the state after the transient, not the start.
    variables
        Which of overlap, target_overlap, tokens, energy, change to keep. By default the overlaps there are; energy and
        change if there are none.
    chunks
        Chunk sizes as of `dmfx.simulate`. They never change a result.

    Returns
    -------
    xr.Dataset
        Lazy. With ``...`` for (beta, gamma, seed, [stored], [noise], [replica], initial), where ``initial`` is the
        number of the start: ``overlap`` (..., step, pattern), q_μ(t) = (1/N) Σ_i x_i(t)·ξ_i^μ; ``target_overlap``
        (..., step), the same with the clean example that the run started from; ``final_tokens`` (..., token,
        component); ``status`` (...); and the network, for ``ds.dmft.model``. Step t is the state after t updates, and
        step 0 the start, which `dmfx.simulate` leaves out: its step 0 is the step 1 here. The coordinate ``target`` has
        the label of the stored pattern that a start is a version of, -1 for none; it is left out if no start is one.

    Raises
    ------
    ValueError, TypeError
        If arguments are wrong; all of them are named in one message.

    Notes
    -----
    The noise is a function of the replica and the number of the example; for stored patterns that is the label, so that
    a pattern has the same noise whichever others there are.

    Patterns that a network of a mapping has not stored, those with a label from ``stored`` on, are test examples to it:
    ``dmfx.capacity(ds, variable="overlap")`` leaves them out. Of a mapping the couplings are not kept.

    ``overlap`` takes 8 bytes for every pattern and step of every run; ``target_overlap`` alone is often enough.

    References
    ----------
    .. [DN24] D'Amico & Negri, *Self-attention as an attractor network: transient memories without backpropagation*,
       arXiv:2409.16112 (2024).

    Examples
    --------
    >>> patterns = dmfx.tokens.random(3, n_tokens=20, n_components=8, seed=1)
    >>> net = dmfx.VectorAttention(dmfx.couplings.hebbian(patterns), patterns)
    >>> ds = dmfx.free_running(net, beta=4.0, gamma=0.0, noise=0.4, steps=5)
    >>> ds.overlap.sizes["step"], ds.target.values
    (6, array([0, 1, 2]))
    >>> ds.dmft.recall().final_nearest.values.squeeze()
    array([0, 1, 2])
    """
    problems = Problems("free_running")
    networks = parse_networks(problems, model)
    networks.check_nested(problems)
    examples = _examples(problems, networks, tokens, starts)
    settings = _settings(problems, examples, noise, replica)
    axes = parse_axes(problems, networks, len(examples.numbers), beta, gamma, seed, **settings)
    steps = problems.count("steps", steps, maximum=MOST_STEPS)
    transient = problems.count("transient", transient, minimum=0)
    missing = {} if examples.tokens is not None else {"target_overlap": NO_EXAMPLE}
    if variables is None:
        there = {"overlap": networks.patterns.size > 0, "target_overlap": examples.tokens is not None}
        variables = [name for name, known in there.items() if known] or ("energy", "change")
    record = parse_kept(problems, variables, OPTIONS, networks, **missing)
    net = networks.largest
    compare = None
    if examples.tokens is None:
        start = RandomStates(net.n_tokens, net.n_components)
    else:
        compare = Likeness(examples.tokens)
        start = FromTokens(examples.tokens)
        if "noise" in settings:
            start = Corrupted(examples.tokens, examples.numbers, axes.fixed)
    task = Task(networks, axes, transient, steps, record, start, compare, examples.target)
    block_sizes = task.chunks(problems, chunks)
    problems.raise_any()
    arguments = {"transient": transient, "tokens": examples.text, "variables": list(record)}
    return task.dataset(block_sizes, "free_running", arguments)


def _examples(problems: Problems, networks: Networks, tokens: object, starts: object) -> _Examples:
    """Normalise ``tokens`` and ``starts``; what is wrong with them is recorded."""
    fallback = _Examples(None, np.arange(1), None, "")
    named = isinstance(tokens, str)
    if named and problems.choice("tokens", tokens, ("patterns", "random")) != tokens:
        return fallback
    if named and tokens == "random":
        if starts is None:
            problems.say("tokens='random' needs starts=, the number of random starts")
            return fallback
        number = problems.count("starts", starts, maximum=MOST_STARTS)
        return _Examples(None, np.arange(number), None, "random states")
    if starts is not None:
        problems.say("starts goes with tokens='random' only")
    patterns = networks.patterns
    array = np.arange(len(patterns)) if named or tokens is None else real_numbers(tokens)
    if array is not None and array.ndim <= 1 and array.dtype.kind in "iu":
        numbers = np.atleast_1d(array)
        if len(patterns) == 0:
            problems.say(
                "tokens: the model has no stored patterns to start from; model.with_patterns(...) gives it some"
            )
            return fallback
        if numbers.size == 0 or (numbers < 0).any() or (numbers >= len(patterns)).any():
            problems.add("tokens", f"numbers of stored patterns from 0 to {len(patterns) - 1}", numbers.tolist())
            return fallback
        numbers = numbers.astype(np.int64)
        return _Examples(patterns[numbers], numbers, numbers, "stored patterns")
    net = networks.largest
    given = check_tokens(problems, "tokens", tokens, net.n_tokens, net.n_components)
    if given is None:
        return fallback
    return _Examples(given, np.arange(len(given)), stored_labels(given, networks), "given configurations")


def _settings(problems: Problems, examples: _Examples, noise: object, replica: object) -> dict[str, object]:
    """Which dims of the noise there are."""
    if noise is None:
        if replica is not None:
            problems.say("replica, the realisation of the noise, goes with noise=")
        return {}
    if examples.text == "random states":
        problems.say("noise goes with examples, not with tokens='random'")
    return {"noise": noise, "replica": 0 if replica is None else replica}
