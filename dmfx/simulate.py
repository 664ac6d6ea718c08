"""Sweeps as lazy labelled Datasets."""

from __future__ import annotations

import math
import warnings
from collections.abc import Sequence

import numpy as np
import xarray as xr
from dask.base import tokenize

from dmfx.arguments import parse_carry, parse_lyapunov, parse_noise
from dmfx.blocks import Measurement
from dmfx.chunking import LANES, default_chunks, noise_cost, parse_chunks, step_cost, tangent_cost
from dmfx.dataset import labelled, provenance, weights_by_seed
from dmfx.finite_size import COMMON_NOISE, parse_common_noise
from dmfx.models.self_attention import SelfAttention
from dmfx.models.start import Token
from dmfx.models.vector_attention import VectorAttention
from dmfx.starts import FromRun, RandomTokens, align, parse_initial
from dmfx.tasks import build_arrays
from dmfx.validation import Problems
from dmfx.variables import OVERLAPS, describe_dataset
from dmfx.vectors import simulate_vectors
from dmfx.version import versions

__all__ = ["simulate"]

#: Steps that one run keeps; the coordinate ``step`` alone is then 0.8 GB.
MOST_STEPS = 10**8
DESCRIPTIONS = {
    "Token": "a token",
    "Context": "a context",
    "RandomContexts": "random contexts",
    "RandomTokens": "tokens of random spins",
    "FromRun": "contexts of another Dataset",
}


def simulate(
    model: SelfAttention | VectorAttention,
    *,
    beta: float | Sequence[float] | np.ndarray,
    gamma: float | Sequence[float] | np.ndarray,
    seed: int | Sequence[int] | np.ndarray = 0,
    steps: int,
    transient: int = 0,
    epsilon: float | Sequence[float] | np.ndarray | None = None,
    size: float | Sequence[float] | np.ndarray | None = None,
    replica: int | Sequence[int] | np.ndarray | None = None,
    common_noise: Sequence[str] | str = (),
    initial: xr.Dataset | str | int | Sequence[float] | np.ndarray | None = None,
    starts: int | None = None,
    variables: Sequence[str] | str | None = None,
    lyapunov: bool | int = False,
    carry: str | None = None,
    direction: str | None = None,
    chunks: object = "auto",
) -> xr.Dataset:
    """Run the dynamics over a sweep: in the mean field, of networks of finite size, or of vector spins.

    Returns at once: every variable is a Dask array, computed by batched kernels on whatever scheduler is active
    (threads, or the `distributed.Client` there is).

    Parameters
    ----------
    model
        What to simulate: a `dmfx.SelfAttention`, or a `dmfx.VectorAttention`, for which ``epsilon``, ``size``,
        ``replica``, ``common_noise``, ``lyapunov`` and ``carry`` have no meaning.
    beta
        Inverse temperature β of the output, at least 0: a number or a 1-D array.
    gamma
        Attention strength γ, of vector spins the weight of the residual term: a number or a 1-D array.
    seed
        Realisations of the quenched weights. If the model's weights and position weights are given, all are equal.
    steps
        Steps to keep, at most 1e8; go on from the final state for more.
    transient
        Steps to discard before.
    epsilon
        ε, weight of the position, from 0 to 1. None is the model's; a 1-D array adds the dim ``epsilon``.
    size
        N, number of spins, from 1 to 2^53; ``np.inf`` is the mean field, as is None. A 1-D array adds the dim ``size``,
        whose labels are ``ds["size"]`` (of arrays, xarray has ``.size`` for the number of elements).
        A step of a finite network draws one binomial number for each column type, which is exact, and costs about three
        steps of the mean field, whatever N is. The types get whole numbers of spins by largest remainders, and the
        overlaps are those of these spins; types for which none is left vanish. Weights of N independent random columns
        are ``dmfx.weights.random(M, N)`` at size N, for some 7 ns per column and step, up to 2^(4M-1) columns. Of
        weights that are known by their correlations, each spin has the mean weight of its type.
    replica
        Realisations of the thermal noise of finite networks, numbers from 0 on, ``range(20)`` for twenty of them; None
        is 0. A 1-D array adds the dim ``replica``.
    common_noise
        Dims along which points share their noise, such as ``"initial"``, to see whether they come together. By default
        the noise of every point is its own. It is a function of the coordinates of the point, and not of the model: at
        the same coordinates two models have the same noise.
    initial
        Where runs start. None: the model's ``start``. A Dataset with ``final_attention`` (…, context, pattern;
        context 0 is the newest) and ``final_phase``: at the end of another run, or at a context built by hand; its
        sweep dims are matched by label, or broadcast if of size 1. A finite network draws the tokens of the context
        from its attention values: with the noise that made them, if ``noise_step`` is there and the coordinates are
        the same; without it the noise starts anew, at its first step. ``"random"``: ``starts`` contexts with values
        uniform in [-1, 1], along the dim ``initial``. ``"random_token"``: as many tokens of random spins, for finite
        networks. An integer: from the token that is this output pattern. An array: from a token of given spins by
        column. That token itself is not among the steps, the first of which it leads to. Of vector spins, None is the
        first stored pattern, or a random state if there is none; ``"random"`` takes every token uniform on the sphere;
        ``"patterns"``, or numbers of stored patterns, start there, and arrays (token, component) or (initial, token,
        component) at these unit vectors; a Dataset needs ``final_tokens``.
    starts
        Number of random starts.
    variables
        Which of m_o_semantic, attention (both by default), m_o, m_v, m_q, m_k to keep. Of vector spins: which of
        overlap (default), tokens, energy, change; without stored patterns the default is energy and change.
    lyapunov
        Measure Lyapunov exponents over the steps that are kept, in the same pass: True for all of them, or a number
        for the largest ones. The tangent vectors turn into place in the last 1000 steps of the transient.
    carry
        ``"beta"``, ``"gamma"`` or ``"epsilon"``: start each value from the end of its neighbour's run, transient
        included, so that an attractor is followed as far as it exists. The first value starts as ``initial`` says.
        Lines of points along this dim run in parallel, the points of a line one after the other.
    direction
        Of ``carry``: ``"up"`` (default) from the lowest value to the highest, ``"down"``, or ``"both"``, along the dim
        ``direction``: where the two differ there is hysteresis.
    chunks
        Chunk sizes, as in xarray: ``"auto"`` for tasks of a few seconds at most, an integer for every sweep dim, or a
        mapping that may include ``step``. They never change a result.

    Returns
    -------
    xr.Dataset
        Dims (beta, gamma, seed, [epsilon, size, replica, direction, initial, ...], step, pattern); ``step`` counts from
        the start of this run, its transient included. Beside the variables asked for: ``final_attention``,
        ``final_phase`` and, of finite networks, ``noise_step``, from which a run continues exactly; ``status`` by
        point; the weights by ``seed``; with ``lyapunov``, also what `dmfx.lyapunov` returns. Step t has the token made
        from attention A(t-1), its overlaps m(t), and the attention A(t) that it computes. A run from a token can go on
        once its context has filled, after L - 1 steps; before that, ``final_attention`` has NaN at the lags that are
        missing. The model is described in the attributes, of which ``xr.concat`` keeps the first: analyse runs of
        different models one by one, and join the results.

        Of vector spins: step 0 is the state after the first update, and step t the one after t + 1 updates;
        `dmfx.free_running` and the other tasks also keep the start, as step 0, so that their step t is the state after
        t updates. ``overlap`` with every stored pattern; on request ``tokens`` (…, step, token, component), the
        mean local ``energy`` (NaN at β = 0) and ``change``, how far tokens moved in the step (…, step);
        ``final_tokens``, from which a run continues exactly; ``status``; the couplings and ``patterns``. The coordinate
        ``target`` has the number of the stored pattern that a run started from.

    Raises
    ------
    ValueError, TypeError
        When called, with all problems in one message.

    References
    ----------
    .. [PLA24] Poc-López & Aguilera, arXiv:2406.07247 (2024), eqs. 14-18; of finite networks, eqs. 4-8.
    .. [DN24] D'Amico & Negri, arXiv:2409.16112 (2024): vector spins.

    Examples
    --------
    >>> net = dmfx.SelfAttention.paper()
    >>> ds = dmfx.simulate(net, beta=[0.5, 1.27], gamma=220.0, steps=8, transient=100)
    >>> ds.m_o_semantic.dims
    ('beta', 'gamma', 'seed', 'step', 'pattern')
    >>> float(abs(ds.m_o_semantic.sel(beta=0.5)).max()) < 1
    True

    Twenty networks of 1,000 spins, twenty of 10^9, and the mean field:

    >>> ds = dmfx.simulate(net, beta=1.2, gamma=220.0, size=[1e3, 1e9, np.inf], replica=range(20), steps=8)
    >>> ds.m_o_semantic.sizes["size"], ds.m_o_semantic.sizes["replica"]
    (3, 20)
    """
    problems = Problems("simulate")
    if not isinstance(model, (SelfAttention, VectorAttention)):
        problems.add("model", "a dmfx model: dmfx.SelfAttention or dmfx.VectorAttention", model, is_type=True)
        problems.raise_any()
    axes = {
        "beta": problems.axis("beta", beta, minimum=0),
        "gamma": problems.axis("gamma", gamma),
        "seed": problems.axis("seed", seed, minimum=0, integer=True),
    }
    if axes["seed"].size > 1 and model.is_fixed:
        warnings.warn("the model's weights are given: every seed has the same", UserWarning, stacklevel=2)
    if isinstance(model, VectorAttention):
        others = {
            "epsilon": epsilon,
            "size": size,
            "replica": replica,
            "common_noise": common_noise or None,
            "lyapunov": lyapunov or None,
            "carry": carry,
            "direction": direction,
        }
        for name, value in others.items():
            if value is not None:
                problems.say(f"{name} goes with dmfx.SelfAttention, not with dmfx.VectorAttention")
        return simulate_vectors(
            model,
            axes=axes,
            steps=steps,
            transient=transient,
            initial=initial,
            starts=starts,
            variables=variables,
            chunks=chunks,
            problems=problems,
        )
    if epsilon is not None:
        values = problems.axis("epsilon", epsilon, minimum=0, maximum=1)
        if np.ndim(epsilon) == 0:
            model = model.with_epsilon(float(values[0]))
        else:
            axes["epsilon"] = values
    noise, finite = parse_noise(problems, model, size, replica, axes)
    carry, direction = parse_carry(problems, carry, direction, axes)
    labels_known = not problems.messages
    steps = problems.count("steps", steps, maximum=MOST_STEPS)
    transient = problems.count("transient", transient, minimum=0)
    kept = ("m_o_semantic", "attention") if variables is None else variables
    record = problems.names("variables", kept, OVERLAPS, some=False)
    start, added = parse_initial(problems, initial, starts, model, axes, finite)
    if carry is not None and "direction" in added:
        problems.say("initial has the dim direction, of a sweep carried both ways: select one, or carry both ways")
    axes |= added
    noise = noise._replace(common=parse_common_noise(problems, common_noise, axes, finite))
    if isinstance(start, FromRun):
        start = align(problems, start, axes) if labels_known else start
        if finite:
            noise = noise._replace(selected=tuple(sorted(start.selected.items())))
    measurement = parse_lyapunov(problems, lyapunov, model, start, transient, steps)
    default = _default_chunks(model, axes, transient, steps, measurement, finite, carry)
    block_sizes = parse_chunks(problems, chunks, {dim: len(labels) for dim, labels in axes.items()}, steps, default)
    if direction == "both":
        block_sizes["direction"] = (1, 1)
    if carry is not None and len(block_sizes["step"]) > 1 and max(block_sizes[carry]) > 1:
        problems.say(f"chunks: with carry={carry!r}, either step must be in one chunk or {carry} in chunks of 1")
    if isinstance(start, (Token, RandomTokens)):
        _check_filling(problems, model, carry, transient, block_sizes["step"])
    problems.raise_any()

    token = tokenize(
        model,
        axes,
        block_sizes,
        transient,
        record,
        _token_of(start),
        measurement,
        carry,
        direction,
        noise,
        versions()["dmfx"],
    )
    arrays = build_arrays(
        token,
        model,
        axes,
        block_sizes,
        transient=transient,
        record=record,
        start=start,
        measurement=measurement,
        carry=carry,
        direction=direction,
        noise=noise,
    )
    if not finite:
        del arrays["noise_step"]
    ds = labelled(model, arrays | weights_by_seed(model, axes["seed"], token), axes, transient, steps, measurement)
    if size is not None and "size" not in axes:
        ds = ds.assign_coords(size=noise.size)
    if replica is not None and "replica" not in axes:
        ds = ds.assign_coords(replica=noise.replica)
    ds = ds.assign_coords(dict(noise.selected))
    arguments = {
        "steps": steps,
        "transient": transient,
        "variables": list(record),
        "initial": "the model's start" if initial is None else DESCRIPTIONS[type(start).__name__],
    }
    if measurement is not None:
        arguments["lyapunov"] = measurement.n
    if carry is not None:
        arguments |= {"carry": carry, "direction": direction}
    if noise.common:
        arguments["common_noise"] = list(noise.common)
    ds.attrs = provenance(model, "simulate", arguments, finite=finite)
    if noise.common:
        ds.attrs[COMMON_NOISE] = " ".join(noise.common)
    return describe_dataset(ds)


def _default_chunks(
    model: SelfAttention,
    axes: dict[str, np.ndarray],
    transient: int,
    steps: int,
    measurement: Measurement | None,
    finite: bool,
    carry: str | None,
) -> dict[str, int]:
    """What ``chunks="auto"`` stands for."""
    sizes = {dim: len(labels) for dim, labels in axes.items()}
    shape = (model.n_patterns, model.context_size, model.weights.n_columns)
    cost = step_cost(*shape) if measurement is None else tangent_cost(*shape, measurement.n)
    if finite:
        cost += noise_cost(model.weights.n_columns)
    if carry in sizes:  # the points of a line are run one by one: a task advances as many together as it has lines
        lines = math.prod(size for dim, size in sizes.items() if dim not in (carry, "direction"))
        cost *= LANES / min(lines, LANES)
    weights = 5 * model.weights.n_columns * sizes.get("size", 1) + 4 * model.context_size
    default = default_chunks(
        sizes,
        transient=transient,
        steps=steps,
        n_patterns=model.n_patterns,
        cost=cost,
        point_bytes=8 * model.context_size * model.n_patterns,
        seed_bytes=2 * 8 * model.n_patterns * weights,
    )
    if carry is not None and default["step"] < steps:
        default[carry] = 1
    return default


def _check_filling(
    problems: Problems, model: SelfAttention, carry: str | None, transient: int, chunks: tuple[int, ...]
) -> None:
    """Check that a run from a token has filled its context where another chunk, or the next point, goes on from it."""
    least = model.context_size - 1
    if carry is not None and transient + sum(chunks) < least:
        problems.say(f"carry: a run from a token fills its context first: transient + steps must be at least {least}")
    if len(chunks) > 1 and transient + chunks[0] < least:
        problems.say(
            "chunks: a run from a token fills its context first: the first chunk along step, with the transient, "
            f"must have at least {least} steps"
        )


def _token_of(start: object) -> object:
    return (start.attention, start.phase, start.clock) if isinstance(start, FromRun) else repr(start)
