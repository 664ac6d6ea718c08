"""Periodic orbits, stable and unstable, found by Newton's method from the recurrences of a run."""

from __future__ import annotations

import numpy as np
import xarray as xr

from dmfx.analysis._labelled import positive
from dmfx.analysis.network_map import NetworkMap
from dmfx.analysis.orbit_search import Cycle, find_cycles
from dmfx.chunking import step_cost
from dmfx.states import Output, StatesBlock, drive_period, go_on, states_of
from dmfx.validation import Problems

__all__ = ["outputs", "pack", "periodic_orbits"]


def periodic_orbits(
    ds: xr.Dataset,
    *,
    max_period: int = 100,
    steps: int = 4_000,
    guesses: int = 15,
    max_orbits: int = 20,
    tolerance: float = 1e-10,
    chunks: object = "auto",
) -> xr.Dataset:
    """Periodic orbits of each point, stable and unstable, with their Floquet multipliers.

    From the final state of each point a run goes on. Wherever it nearly comes back after T steps to a state at equal
    phase of the position drive, Newton's method solves F^T(x) = x for the whole context x, with the exact derivative.
    A run on a chaotic attractor passes near the unstable orbits within it; the mean of a run on a torus is near the
    unstable orbit that the torus surrounds. What a run never comes near is not found: start it elsewhere.

    Parameters
    ----------
    ds
        Final states, from `dmfx.simulate`.
    max_period
        Longest period, in steps. It is a multiple of the drive's period: of L, or of 1 where ε = 0.
    steps
        Steps to run on; at least twice ``max_period``.
    guesses
        How many returns after T steps to start from, the closest that differ. Chaos has ever more orbits the longer
        they are: more guesses find more of them.
    max_orbits
        How many orbits of each point to keep, the shortest ones.
    tolerance
        An orbit is found when the next Newton step is shorter (largest attention value); that step is still taken.
    chunks
        Sizes of the blocks along the sweep dims, as in xarray.

    Returns
    -------
    xr.Dataset
        Lazy if and only if the input is. Along ``orbit``, by period, then from stable to unstable:

        - ``period`` (..., orbit), the shortest, in steps; 0 where there is no further orbit. Then the others are NaN;
        - ``orbit_attention`` (..., orbit, orbit_step, pattern), attention values after each step, NaN after the period;
        - ``multipliers`` (..., orbit, multiplier), complex, in descending modulus: eigenvalues of the derivative of
          F^T. Those below 1e-16 of its largest elements are rounding;
        - ``unstable`` (..., orbit), how many are outside the unit circle; -1 where there is no orbit;
        - ``residual`` (..., orbit), largest component of F^T(x) - x: rounding, times the largest multiplier;
        - ``final_attention`` (..., orbit, context, pattern) and ``final_phase``, 0: the state before step 0, so that
          ``dmfx.simulate(..., initial=orbits)`` runs on the orbits. Of all states at phase 0 it is that with the
          smallest newest value of pattern 0: the same orbit always begins at the same state;
        - ``orbit_count`` (...), the number of orbits found, also beyond ``max_orbits``; and ``status`` (...).

    Raises
    ------
    TypeError, ValueError
        For wrong arguments, all of them named in one message.

    Notes
    -----
    Cost: sixteen starts for each T by default, together; each takes up to sixty times T steps with L·M tangent vectors.
    With 3 patterns and a context of 4, about 0.5 s for a chaotic point and 0.03 s for a settled one, on one core.
    Orbits are solved for by multiple shooting, in pieces of one period of the drive each, so that it matters little
    how unstable they are.

    References
    ----------
    .. [C91] Cvitanović, *Periodic orbits as the skeleton of classical and quantum chaos*, Physica D 51:138 (1991).
    .. [PLA24] Poc-López & Aguilera, *Dynamical Mean-Field Theory of Self-Attention Neural Networks*,
       arXiv:2406.07247 (2024).

    Examples
    --------
    At β = 1.25 the orbit of period 4 that was stable has two multipliers outside the unit circle.

    >>> from dmfx.analysis.orbits import periodic_orbits
    >>> net = dmfx.SelfAttention.paper()
    >>> ds = dmfx.simulate(net, beta=[1.2, 1.25], gamma=220.0, steps=1, transient=2000)
    >>> orbits = periodic_orbits(ds, max_period=4, steps=400, max_orbits=1).squeeze().compute()
    >>> orbits.period.values, orbits.unstable.values
    (array([4, 4]), array([0, 2]))
    """
    problems = Problems("periodic_orbits")
    states = states_of(problems, ds)
    max_period = problems.count("max_period", max_period, maximum=10**5)
    steps = problems.count("steps", steps, maximum=10**7)
    guesses = problems.count("guesses", guesses, maximum=10**5)
    max_orbits = problems.count("max_orbits", max_orbits, maximum=10**5)
    tolerance = positive(problems, "tolerance", tolerance)
    valid = not problems.messages  # a stand-in for what is wrong is no reason for another message
    if valid and steps < 2 * max_period:
        problems.say(f"steps must be at least twice max_period, {2 * max_period}, not {steps}")
    if states is None:
        problems.raise_any()
    model = states.model
    stride = drive_period(model, states.parameters["epsilon"])
    if valid and max_period < stride:
        problems.say(f"max_period must be at least {stride}, the period of the position drive, not {max_period}")
    taken = [dim for dim in ("orbit", "orbit_step", "multiplier") if dim in states.dims]
    if taken:
        problems.say(f"ds has the dim {taken[0]}, which the result would have twice: select or rename it")
    vectors = model.context_size * model.n_patterns
    cost = step_cost(model.n_patterns, model.context_size, model.weights.n_columns)
    tried = (guesses + 1) * 60 * max_period**2 / (2 * stride)
    return go_on(
        states,
        _block,
        outputs(max_orbits, max_period, model.context_size, model.n_patterns)
        | {"orbit_count": Output(dtype=np.int64), "status": Output(dtype=np.int8)},
        {
            "max_period": max_period,
            "steps": steps,
            "guesses": guesses,
            "max_orbits": max_orbits,
            "tolerance": tolerance,
        },
        problems=problems,
        cost=cost * (steps + tried * vectors),
        chunks=chunks,
    )


def _block(
    block: StatesBlock, *, max_period: int, steps: int, guesses: int, max_orbits: int, tolerance: float
) -> tuple[np.ndarray, ...]:
    parts = []
    for batch in block.batches():
        network = NetworkMap(batch)
        trajectories = network.trajectories(steps)
        status = batch.new_status(trajectories[:, -network.lags :])
        cycles = find_cycles(network, batch, trajectories, max_period, guesses, tolerance)
        counts = np.array([len(each) for each in cycles], dtype=np.int64)
        parts.append((*pack(cycles, max_orbits, max_period, network.lags, network.patterns), counts, status))
    return tuple(np.concatenate(arrays) for arrays in zip(*parts, strict=True))


def outputs(max_orbits: int, max_period: int, lags: int, patterns: int) -> dict[str, Output]:
    """What `pack` returns, in order."""
    return {
        "orbit_attention": Output(("orbit", "orbit_step", "pattern"), (max_orbits, max_period, patterns)),
        "period": Output(("orbit",), (max_orbits,), np.int64),
        "multipliers": Output(("orbit", "multiplier"), (max_orbits, lags * patterns), np.complex128),
        "unstable": Output(("orbit",), (max_orbits,), np.int64),
        "residual": Output(("orbit",), (max_orbits,)),
        "final_attention": Output(("orbit", "context", "pattern"), (max_orbits, lags, patterns)),
        "final_phase": Output(("orbit",), (max_orbits,), np.int64),
    }


def pack(
    cycles: list[list[Cycle]], max_orbits: int, max_period: int, lags: int, patterns: int
) -> tuple[np.ndarray, ...]:
    """The first orbits of every point as arrays, filled up."""
    shape = (len(cycles), max_orbits)
    orbits = np.full((*shape, max_period, patterns), np.nan)
    periods = np.zeros(shape, dtype=np.int64)
    multipliers = np.full((*shape, lags * patterns), np.nan, dtype=complex)
    unstable = np.full(shape, -1, dtype=np.int64)
    residuals = np.full(shape, np.nan)
    states = np.full((*shape, lags, patterns), np.nan)
    for i, own in enumerate(cycles):
        for j, cycle in enumerate(own[:max_orbits]):
            periods[i, j] = len(cycle.orbit)
            orbits[i, j, : len(cycle.orbit)] = cycle.orbit
            multipliers[i, j] = cycle.multipliers
            unstable[i, j] = cycle.unstable
            residuals[i, j] = cycle.residual
            states[i, j] = cycle.state.reshape(lags, patterns)
    return orbits, periods, multipliers, unstable, residuals, states, np.zeros(shape, dtype=np.int64)
