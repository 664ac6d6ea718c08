"""Lyapunov exponents: how fast neighbouring orbits part or meet."""

from __future__ import annotations

import numpy as np
import xarray as xr

from dmfx.chunking import tangent_cost
from dmfx.dynamics.exponents import EVERY, MOST_STEPS, WINDOWS, outputs, summarise, window_ends
from dmfx.points import by_noise
from dmfx.states import StatesBlock, go_on, state_outputs, states_of
from dmfx.validation import Problems
from dmfx.variables import describe_dataset

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

    Those of finite networks are exponents under common noise: of networks with the same noise that start close to
    each other. If the largest is negative, the noise drives them together.

    Goes on from the final states by the analytic tangent map. To have them for the same steps that are kept, in one
    pass, see the argument ``lyapunov`` of `dmfx.simulate`.

    Parameters
    ----------
    ds
        A Dataset with final states, as `dmfx.simulate` returns.
    n
        Number of exponents, the largest ones; all L M by default. The position adds none.
    steps
        Steps that are measured, at most 1e7; go on from the final states for more.
    transient
        Steps before, in which the tangent vectors turn into the directions of the exponents.
    every
        Steps from one orthonormalisation to the next. 1 sees lower exponents before rounding hides them, for 1.6 times
        the price of 2.
    windows
        Number of equal parts of the steps, for the errors and the finite-time exponents; as many as there are steps
        if there are fewer.
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
        - ``kaplan_yorke_dimension`` (...), NaN where it needs exponents that were not computed. Exponents within two
          standard errors of zero count as zero: a closed curve has dimension 1.
        - ``final_attention``, ``final_phase``, to go on from, and ``status``: ``underflow`` where some exponents are so
          low that rounding hides them. Those are NaN; the determinant may be known where their sum is not. It is also
          said where all exponents are there but do not add up to the mean of log |det|. One step that contracts too
          much is enough to lose an exponent, so a longer run may know fewer.

    Raises
    ------
    TypeError, ValueError
        For wrong arguments, all of them named in one message.

    Notes
    -----
    A step costs about 2 + 2 n times what it costs in `dmfx.simulate`, at M = 3 and L = 4.

    In a finite network the mean spin of a type is the binomial quantile of one uniform number, and its derivative at a
    fixed number is β (1 - t s) per field, with t = tanh(β h) and s what was drawn. Steps of the quantile, of
    2 / n_j, are smoothed, and terms of order 1 / n_j left out: two networks whose distance is below 1 / N do not come
    any closer or part, they are equal or not.

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
    states = states_of(problems, ds, finite=True)
    size = states.model.context_size * states.model.n_patterns if states else 1
    if n is not None:
        n = problems.count("n", n)
        if states and n > size:
            problems.say(f"n must be at most {size} = L M, the dimensions of the state, not {n}")
    steps = problems.count("steps", steps, minimum=2, maximum=MOST_STEPS)
    transient = problems.count("transient", transient, minimum=0, maximum=MOST_STEPS)
    every = problems.count("every", every, maximum=1000)
    windows = min(problems.count("windows", windows, minimum=2, maximum=10**4), steps)
    problems.raise_any()

    model = states.model
    n = size if n is None else n
    cost = tangent_cost(model.n_patterns, model.context_size, model.weights.n_columns, n) * (transient + steps)
    result = go_on(
        states,
        measure,
        outputs(n, windows, size) | state_outputs(model.context_size, model.n_patterns, bool(states.noise)),
        {"n": n, "transient": transient, "steps": steps, "every": every, "windows": windows},
        problems=problems,
        cost=cost,
        chunks=chunks,
    )
    return describe_dataset(result.assign_coords(window=window_ends(transient, steps, windows)))


def measure(
    block: StatesBlock, *, n: int, transient: int, steps: int, every: int, windows: int
) -> tuple[np.ndarray, ...]:
    """Exponents of the points of a block, then their states."""
    from dmfx.kernels.survey import survey

    def follow(which: np.ndarray | slice) -> tuple[np.ndarray, ...]:
        part = block.take(which)
        found = survey(part.points(), n=n, transient=transient, steps=steps, every=every, windows=windows)
        status = part.new_status(found.final_attention)
        size = found.final_attention[0].size
        results, status = summarise(found.finite_time, found.lengths, found.log_determinant, status, size)
        return (*results, found.final_attention, found.final_phase, status.astype(np.int8))

    clock = () if block.clock is None else (block.clock + transient + steps,)
    return (*by_noise(block.size, follow), *clock)
