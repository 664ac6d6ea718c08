"""Lyapunov exponents: how fast neighbouring orbits part or meet."""

from __future__ import annotations

import numpy as np
import xarray as xr

from dmfx.blocks import STATUS
from dmfx.chunking import tangent_cost
from dmfx.dynamics.exponents import EVERY, WINDOWS, Output, outputs, summarise, window_ends
from dmfx.states import StatesBlock, go_on, states_of
from dmfx.validation import Problems

__all__ = ["lyapunov"]


def lyapunov(
    ds: xr.Dataset,
    n: int | None = None,
    *,
    steps: int = 20_000,
    transient: int = 1_000,
    every: int = EVERY,
    windows: int = WINDOWS,
    chunks: object = "auto",
) -> xr.Dataset:
    """The Lyapunov exponents of each orbit, their convergence, and what follows from them.

    Goes on from the final states by the analytic tangent map. To have them for the same steps that are kept, in one
    pass, see the argument ``lyapunov`` of `dmfx.simulate`.

    Parameters
    ----------
    ds
        A Dataset with final states, as `dmfx.simulate` returns.
    n
        Number of exponents, the largest ones; all L M by default. The position adds none.
    steps
        Steps that are measured.
    transient
        Steps before, in which the tangent vectors turn into the directions of the exponents.
    every
        Steps from one orthonormalisation to the next.
    windows
        Number of equal parts of the steps, for the errors and the finite-time exponents.
    chunks
        Sizes of the blocks along the sweep dims, as in xarray; they never change a result.

    Returns
    -------
    xr.Dataset
        Lazy if and only if the input is. All exponents are in nats per step.

        - ``lyapunov`` (..., exponent), in descending order; ``lyapunov_error``, the standard error, from the spread
          of the windows. On a torus or a periodic orbit the windows differ by less than chance, and the error of
          the mean falls with the number of steps instead of its root.
        - ``finite_time_lyapunov`` (..., window, exponent), the mean over each window, and ``lyapunov_running``, the
          mean over all windows so far; ``window`` is the last step of each, counted from the state that was given.
        - ``mean_log_determinant`` (...), the mean of log |det| of the tangent map, if n = L M: the sum of the
          exponents.
        - ``kaplan_yorke_dimension`` (...), NaN where it needs exponents that were not computed.
        - ``final_attention``, ``final_phase``, to go on from, and ``status``: ``underflow`` where some exponents are so
          low that rounding hides them. Those are NaN; the determinant may be known where their sum is not. It is also
          said where all exponents are there but do not add up to the mean of log |det|.

    Raises
    ------
    TypeError, ValueError
        For wrong arguments, all of them named in one message.

    Notes
    -----
    A step costs about 4 + 1.5 n times what it costs in `dmfx.simulate`, at M = 3 and L = 4.

    References
    ----------
    .. [PLA24] Poc-López & Aguilera, *Dynamical Mean-Field Theory of Self-Attention Neural Networks*,
       arXiv:2406.07247 (2024).
    .. [1] Benettin, Galgani, Giorgilli & Strelcyn, Meccanica 15, 9 (1980).
    .. [2] Kaplan & Yorke, in Lecture Notes in Mathematics 730 (1979).

    Examples
    --------
    >>> net = dmfx.SelfAttention.paper()
    >>> ds = dmfx.simulate(net, beta=[0.5, 2.0], gamma=220.0, steps=1, transient=2_000)
    >>> exponents = dmfx.lyapunov(ds, n=2, steps=2_000, transient=100)
    >>> (exponents.lyapunov.isel(exponent=0) > 0).values.ravel()
    array([False,  True])
    """
    problems = Problems("lyapunov")
    states = states_of(problems, ds)
    n = parse_n(problems, n, states)
    steps = problems.count("steps", steps, minimum=2, maximum=10**9)
    transient = problems.count("transient", transient, minimum=0, maximum=10**9)
    every = problems.count("every", every, maximum=1000)
    windows = problems.count("windows", windows, minimum=2, maximum=10**4)
    if windows > steps:
        problems.say(f"windows must be at most {steps}, the number of steps, not {windows}")
    problems.raise_any()

    model = states.model
    cost = tangent_cost(model.n_patterns, model.context_size, model.weights.n_columns, n) * (transient + steps)
    result = go_on(
        states,
        measure,
        outputs(n, windows) | state_outputs(model.context_size, model.n_patterns),
        {"n": n, "transient": transient, "steps": steps, "every": every, "windows": windows},
        problems=problems,
        cost=cost,
        chunks=chunks,
    )
    result = result.assign_coords(window=window_ends(transient, steps, windows))
    return drop_determinant(result, n, model.context_size * model.n_patterns)


def parse_n(problems: Problems, n: object, states: object, default: int | None = None) -> int:
    """The number of exponents: at most, and by default, as many as the state has dimensions."""
    if states is None:
        return 1
    most = states.model.context_size * states.model.n_patterns
    if n is None:
        return most if default is None else min(default, most)
    n = problems.count("n", n)
    if n > most:
        problems.say(f"n must be at most {most} = L M, the dimensions of the state, not {n}")
    return min(n, most)


def state_outputs(context_size: int, n_patterns: int) -> dict[str, Output]:
    """What every analysis that runs the map returns beside its results."""
    return {
        "final_attention": Output(("context", "pattern"), (context_size, n_patterns)),
        "final_phase": Output(dtype=np.int64),
        "status": Output(dtype=np.int8),
    }


def drop_determinant(ds: xr.Dataset, n: int, size: int) -> xr.Dataset:
    """Leave the determinant out where only part of the exponents was asked for."""
    return ds if n == size else ds.drop_vars("mean_log_determinant")


def measure(
    block: StatesBlock, *, n: int, transient: int, steps: int, every: int, windows: int
) -> tuple[np.ndarray, ...]:
    """Exponents of the points of a block, then their states."""
    from dmfx.kernels.tangent import survey

    found = survey(block.points(), n=n, transient=transient, steps=steps, every=every, windows=windows)
    status = block.new_status(found.final_attention)
    results, underflow = summarise(
        found.finite_time, found.lengths, found.log_determinant, status, found.final_attention[0].size
    )
    status = np.where(underflow, np.int8(STATUS["underflow"]), status)
    return (*results, found.final_attention, found.final_phase, status)
