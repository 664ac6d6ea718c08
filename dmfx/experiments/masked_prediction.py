"""Restoring hidden tokens from visible ones."""

from __future__ import annotations

from collections.abc import Sequence

import dask.array as da
import numpy as np
import xarray as xr
from dask.base import tokenize

from dmfx.experiments._axes import Axes, parse_axes
from dmfx.experiments._examples import stored_labels
from dmfx.experiments._hidden import Masked, Masks
from dmfx.experiments._networks import Model, Networks, parse_networks
from dmfx.experiments._running import MOST_STEPS, Task, parse_kept
from dmfx.tasks import views
from dmfx.tokens.sphere import check_tokens, describe_place, project
from dmfx.validation import Problems, real_numbers
from dmfx.variables import describe_dataset
from dmfx.version import versions

__all__ = ["masked_prediction"]

#: What can be kept.
OPTIONS = ("hidden_overlap", "hidden_error", "overlap", "tokens", "energy", "change")


def masked_prediction(
    model: Model,
    tokens: object,
    *,
    beta: float | Sequence[float] | np.ndarray,
    gamma: float | Sequence[float] | np.ndarray,
    seed: int | Sequence[int] | np.ndarray = 0,
    fraction: float | Sequence[float] | np.ndarray = 0.5,
    hidden: str = "random",
    grid: Sequence[int] | None = None,
    fill: str = "random",
    replica: int | Sequence[int] | np.ndarray = 0,
    steps: int = 10,
    variables: Sequence[str] | str = ("hidden_overlap", "hidden_error"),
    chunks: object = "auto",
) -> xr.Dataset:
    """Hide tokens of examples, hold the others, and follow what the network puts there: the first task of [DN24]_.

    Parameters
    ----------
    model
        A `dmfx.VectorAttention`; or a mapping from numbers of stored examples to such networks, which adds the dim
        ``stored``.
    tokens
        Examples ξ, unit vectors of shape (n, N, d), or (N, d) for one: of training, of a test, or any others.
    beta, gamma
        β, at least 0, and γ: numbers or 1-D arrays.
    seed
        Realisations of couplings that are drawn; others are the same for all.
    fraction
        Part of the tokens that is hidden, above 0 and at most 1. A 1-D array adds the dim ``fraction``.
    hidden
        ``"random"``: as many tokens as are nearest to fraction N (of two the even number), at least one, anywhere.
        ``"block"``: a rectangle of the grid. Rectangles grow from a single token by a row or a column at a time, the
        shorter side first, rows if both are equal, the other side once one fills the grid; the one whose number of
        tokens is nearest to the number above is taken, the smaller of two, at a place of which all are equally likely.
    grid
        Rows and columns that the tokens fill, row by row, for ``hidden="block"``; such as ``patches.grid``.
    fill
        What stands in the hidden tokens at the start. ``"random"``: unit vectors, uniform on the sphere. ``"mean"``:
        the mean of the stored patterns at that place, normalised; each network of a mapping has its own.
    replica
        Realisations of the mask and of the random start, numbers from 0 on. A 1-D array adds the dim ``replica``.
    steps
        Steps of the network.
    variables
        Which of hidden_overlap, hidden_error, overlap (of all tokens with every stored pattern), tokens, energy, change
        to keep. For overlap the networks of a mapping must have the first patterns of the one that stores the most.
    chunks
        Chunk sizes as of `dmfx.simulate`. They never change a result.

    Returns
    -------
    xr.Dataset
        Lazy. With ``...`` for (beta, gamma, seed, [stored], [fraction], [replica], initial), where ``initial`` is the
        number of the example: ``hidden_overlap`` (..., step), the mean of x_i·ξ_i over hidden tokens; ``hidden_error``
        (..., step), their mean squared distance |x_i - ξ_i|² = 2 - 2 x_i·ξ_i; ``hidden`` ([fraction], [replica],
        initial, token), 1 where a token is hidden; ``final_tokens`` (..., token, component); ``status`` (...); and the
        network, for ``ds.dmft.model``. Step 0 is the start. The coordinate ``target`` has the label of the stored
        pattern that an example is, -1 for none; it is left out if no example is stored, and for networks that have not
        the same first patterns.

    Raises
    ------
    ValueError, TypeError
        If arguments are wrong; all of them are named in one message.

    Notes
    -----
    Masks are a function of the replica, the number of the example and the fraction: all networks and parameters get
    the same. The mask of a larger fraction contains that of a smaller one.

    Fields are odd: u_ij changes its sign with x_j, so that hidden tokens which start at random may pull each other
    towards -ξ, the more easily the more of them are hidden. An overlap that ends near 0 is often a mean over examples,
    or parts of one, near 1 and near -1; ``fill="mean"`` starts on the side of the examples.

    A token of an image often resembles that of other images at the same place. What the network adds is seen against
    ``fill="mean"``, whose step 0 is what a guess without the visible tokens is worth.

    Of a mapping of networks the couplings are not kept, only the patterns of the one that stores the most.

    References
    ----------
    .. [DN24] D'Amico & Negri, *Self-attention as an attractor network: transient memories without backpropagation*,
       arXiv:2409.16112 (2024).

    Examples
    --------
    >>> patterns = dmfx.tokens.random(3, n_tokens=20, n_components=8, seed=1)
    >>> net = dmfx.VectorAttention(dmfx.couplings.hebbian(patterns), patterns)
    >>> ds = dmfx.masked_prediction(net, patterns, beta=1.0, gamma=0.0, fraction=0.5, steps=3)
    >>> ds.hidden_overlap.mean(["beta", "gamma", "seed", "initial"]).round(2).values
    array([-0.1 ,  0.94,  0.97,  0.98])
    >>> ds.hidden.sum("token").values
    array([10, 10, 10])
    """
    problems = Problems("masked_prediction")
    networks = parse_networks(problems, model)
    net = networks.largest
    examples = check_tokens(problems, "tokens", tokens, net.n_tokens, net.n_components)
    n = 1 if examples is None else len(examples)
    axes = parse_axes(problems, networks, n, beta, gamma, seed, fraction=fraction, replica=replica)
    steps = problems.count("steps", steps, maximum=MOST_STEPS)
    kept = parse_kept(problems, variables, OPTIONS, networks)
    if "overlap" in kept:
        networks.check_nested(problems)
    masks = Masks(net.n_tokens, _grid(problems, hidden, grid, net.n_tokens))
    means = _means(problems, networks) if problems.choice("fill", fill, ("random", "mean")) == "mean" else None
    if examples is None:
        problems.raise_any()
    masked = Masked(examples, masks, means, axes.fixed)
    own = [name for name in kept if name not in OPTIONS[:2]]
    record = (*OPTIONS[:1], *own) if len(own) < len(kept) else tuple(own)
    target = stored_labels(examples, networks)
    task = Task(networks, axes, 0, steps, record, masked, masked, target)
    block_sizes = task.chunks(problems, chunks)
    problems.raise_any()
    arguments = {"hidden": hidden, "fill": fill, "variables": list(kept)}
    ds = task.dataset(block_sizes, "masked_prediction", arguments)
    if "hidden_error" in kept:  # below 0 by rounding
        ds = ds.assign(hidden_error=np.maximum(2 - 2 * ds["hidden_overlap"], 0.0))
    ds = ds.drop_vars([name for name in OPTIONS[:1] if name in ds and name not in kept])
    return describe_dataset(ds.assign(hidden=_hidden(masks, axes, block_sizes)))


def _grid(problems: Problems, hidden: object, grid: object, n_tokens: int) -> tuple[int, int] | None:
    """The grid in which a rectangle is hidden, None for tokens anywhere."""
    if problems.choice("hidden", hidden, ("random", "block")) == "random":
        if grid is not None and hidden == "random":
            problems.say("grid goes with hidden='block'")
        return None
    expected = f"two whole numbers of at least 1, rows and columns, with the product {n_tokens}, the number of tokens"
    if grid is None:
        problems.say("hidden='block' needs grid=, the rows and columns that the tokens fill")
        return None
    sizes = real_numbers(grid)
    if sizes is None:
        problems.add("grid", expected, grid, is_type=True)
        return None
    if sizes.shape != (2,) or not (
        np.all(sizes >= 1) and np.all(sizes == np.floor(sizes)) and sizes.prod() == n_tokens
    ):
        problems.add("grid", expected, grid)
        return None
    return int(sizes[0]), int(sizes[1])


def _means(problems: Problems, networks: Networks) -> dict[int, np.ndarray] | None:
    """Normalised means of the stored patterns of each network."""
    means = {}
    for stored, net in networks.by_stored.items():
        which = "the model" if networks.stored is None else f"the network {stored}"
        if net.patterns is None:
            problems.say(f"fill='mean' needs stored patterns, and {which} has none; with_patterns(...) gives it some")
            return None
        mean = net.patterns.mean(axis=0)
        vanished = ~mean.any(axis=-1)
        if vanished.any():
            problems.say(
                f"fill='mean': the mean of the patterns of {which} is 0: {describe_place(vanished, ('token',))}"
            )
            return None
        means[stored] = project(mean)
    return means


def _hidden(masks: Masks, axes: Axes, chunks: dict[str, tuple[int, ...]]) -> xr.DataArray:
    """Which tokens are hidden, lazily."""
    dims = [dim for dim in ("fraction", "replica", "initial") if dim in axes.swept]
    labels = {dim: axes.swept[dim] for dim in dims}
    inputs = [
        each.reshape([-1 if k == place else 1 for k in range(len(dims))]) for place, each in enumerate(labels.values())
    ]
    shared = masks, tuple(dims), axes.fixed
    token = tokenize("hidden", shared, labels, versions()["dmfx"])
    outputs = {"hidden": ((masks.n_tokens,), np.int8)}
    sizes = tuple(chunks[dim] for dim in dims)
    lazy: da.Array = views(token, _hidden_block, inputs, outputs, sizes, shared)["hidden"]
    return xr.DataArray(lazy, dims=(*dims, "token"))


def _hidden_block(shared: tuple, *blocks: np.ndarray) -> tuple[np.ndarray]:
    masks, dims, fixed = shared
    shape = np.broadcast_shapes(*(block.shape for block in blocks))
    labels = {dim: np.broadcast_to(block, shape).reshape(-1) for dim, block in zip(dims, blocks, strict=True)}
    found = masks.of(labels | {"seed": labels["initial"]}, fixed)
    return (found.astype(np.int8).reshape(*shape, masks.n_tokens),)
