"""Branches of periodic orbits along a parameter, with their bifurcations."""

from __future__ import annotations

import numpy as np
import xarray as xr

from dmfx.analysis._labelled import positive
from dmfx.analysis.network_map import NetworkMap
from dmfx.chunking import step_cost
from dmfx.dynamics.pseudo_arclength import Branch, trace
from dmfx.dynamics.recurrences import first_return, strobes
from dmfx.dynamics.shooting import Curve
from dmfx.states import Output, States, StatesBlock, drive_period, go_on, states_of
from dmfx.validation import Problems
from dmfx.variables import BIFURCATIONS, BRANCH_ENDS, STATUS

__all__ = ["continuation"]

#: The physical range of each parameter that a branch can follow.
RANGES = {"beta": (0.0, np.inf), "gamma": (-np.inf, np.inf), "epsilon": (0.0, 1.0)}
SIDES = ("backward", "forward")
#: Longest period looked for in a Dataset that does not say it.
_MAX_PERIOD = 100
#: Points of a branch whose whole orbits are in memory at once.
_GROUP = 64


def continuation(
    orbits: xr.Dataset,
    along: str = "beta",
    *,
    limits: tuple[float, float],
    step: float = 0.01,
    max_points: int = 500,
    max_period: int | None = None,
    chunks: object = "auto",
) -> xr.Dataset:
    """Follow periodic orbits, stable or not, along β, γ or ε, and locate their bifurcations.

    Pseudo-arclength continuation goes along the curve of solutions of F^T(x; p) = x in the space of states and
    parameter, so that it passes folds, where the parameter turns. Each branch is followed both ways, to the limits.

    Parameters
    ----------
    orbits
        States on periodic orbits: from `periodic_orbits` or `doubled_orbits`, or final states of runs that settled on
        one. Where the dim ``orbit`` is empty, as where `doubled_orbits` found none, so is it in the result.
    along
        The parameter p: ``"beta"``, ``"gamma"`` or ``"epsilon"``.
    limits
        Lowest and highest value of the parameter. They contain those of the orbits.
    step
        Longest step along the branch, where the range between the limits has length 1 and so has a state that changes
        by 1 in root mean square. Steps are shorter where the branch bends.
    max_points
        Points of each branch at most, bifurcations included. Where it would have more, the nearest are kept.
    max_period
        Longest period of an orbit. By default the size of the dim ``orbit_step``, or 100.
    chunks
        Sizes of the blocks along the sweep dims, as in xarray.

    Returns
    -------
    xr.Dataset
        Lazy if and only if the input is. The sweep's coordinates are those that the branches started from. Points are
        in order along ``branch_point``; for the parameter grows through the orbit it started from:

        - ``parameter`` (..., branch_point), the value of p;
        - ``special`` (..., branch_point), what happens there: none; fold (multiplier +1, the parameter turns);
          period_doubling (-1); neimark_sacker (a complex pair of modulus 1); branch_point (+1, but the parameter does
          not turn, or another branch crosses). Such points are there in addition to the steps, located to rounding;
        - ``critical_angle`` (..., branch_point), argument of the multiplier on the unit circle at such points, in
          radians from 0 to π; a torus born there turns by this angle in one period;
        - ``multipliers`` (..., branch_point, multiplier), complex, in descending modulus; ``unstable`` (...,
          branch_point), how many are outside the unit circle, -1 beyond the end of the branch;
        - ``orbit_mean``, ``orbit_min``, ``orbit_max`` (..., branch_point, pattern), of attention along the orbit;
        - ``final_attention`` (..., branch_point, context, pattern) and ``final_phase``, 0: a state on the orbit;
        - ``period`` (...), of the orbits, 0 where the state is on no periodic orbit;
        - ``branch_end`` (..., side), why the branch ends before its first (backward) and after its last point
          (forward): limit; closed, where it began; max_points; lost, where no orbit was found at the shortest step;
          half_period, where the orbit has become one of half the period; too_unstable, where the largest multiplier is
          above 1e9, so that rounding hides those at the unit circle; none, if there is no branch; and ``status``.

        Beyond the end of a branch there is NaN. To run from a point of a branch, give its parameter too:
        ``dmfx.simulate(net, beta=point.parameter.item(), gamma=..., initial=point)``.

    Raises
    ------
    TypeError, ValueError
        For wrong arguments, all of them named in one message.

    Notes
    -----
    With p = ε, the period is a multiple of L also at ε = 0: an orbit found there is followed as one of the least common
    multiple. Two bifurcations in one step that leave the number of unstable multipliers as it was are not seen: take
    shorter steps. To follow the orbit of twice the period from a period doubling: `doubled_orbits`.

    References
    ----------
    .. [K23] Kuznetsov, *Elements of Applied Bifurcation Theory*, 4th ed. (2023), chapter 10.

    Examples
    --------
    The fixed orbit of the published network loses its stability by a Neimark-Sacker bifurcation near β = 1.2434.

    >>> from dmfx.analysis.continuation import continuation
    >>> net = dmfx.SelfAttention.paper()
    >>> ds = dmfx.simulate(net, beta=1.2, gamma=220.0, steps=1, transient=2000)
    >>> branch = continuation(ds, along="beta", limits=(1.1, 1.3), step=0.1).squeeze().compute()
    >>> point = branch.isel(branch_point=branch.special.values == 3)
    >>> point.parameter.values.round(5)
    array([1.2434...])
    """
    problems = Problems("continuation")
    along = problems.choice("along", along, RANGES)
    low, high = _limits(problems, limits, along)
    step = positive(problems, "step", step)
    max_points = problems.count("max_points", max_points, minimum=2, maximum=10**6)
    states = None
    if not isinstance(orbits, xr.Dataset):
        problems.add("orbits", "a Dataset from dmfx.periodic_orbits", orbits, is_type=True)
    elif "parameter" in orbits:
        problems.say(
            "orbits is a branch, whose points differ in their parameter: see doubled_orbits, or pick one point"
        )
    else:
        states = states_of(problems, _one_for_none(orbits, along, low))
    if max_period is None:
        sizes = orbits.sizes if isinstance(orbits, xr.Dataset) else {}
        max_period = sizes.get("orbit_step", _MAX_PERIOD) or 1
    else:
        max_period = problems.count("max_period", max_period, maximum=10**5)
    if states is None:
        problems.raise_any()
    _check(problems, states, along, low, high)
    model = states.model
    lags, patterns = model.context_size, model.n_patterns
    size = lags * patterns
    points = ("branch_point",)
    outputs = {
        "parameter": Output(points, (max_points,)),
        "special": Output(points, (max_points,), np.int8),
        "critical_angle": Output(points, (max_points,)),
        "multipliers": Output((*points, "multiplier"), (max_points, size), np.complex128),
        "unstable": Output(points, (max_points,), np.int64),
        "orbit_mean": Output((*points, "pattern"), (max_points, patterns)),
        "orbit_min": Output((*points, "pattern"), (max_points, patterns)),
        "orbit_max": Output((*points, "pattern"), (max_points, patterns)),
        "final_attention": Output((*points, "context", "pattern"), (max_points, lags, patterns)),
        "final_phase": Output(points, (max_points,), np.int64),
        "period": Output(dtype=np.int64),
        "branch_end": Output(("side",), (2,), np.int8),
        "status": Output(dtype=np.int8),
    }
    per_step = step_cost(patterns, lags, model.weights.n_columns) * size * 16
    result = go_on(
        states,
        _block,
        outputs,
        {
            "along": along,
            "limits": (low, high),
            "step": step,
            "max_points": max_points,
            "max_period": max_period,
        },
        problems=problems,
        cost=4 * max_points * (max_period * per_step + 5e-4),
        chunks=chunks,
    ).assign_coords(side=list(SIDES))
    result["parameter"].attrs |= {"along": along, "limits": [low, high]}
    if _is_empty(orbits):
        result = result.isel(orbit=slice(0)).assign_coords(
            {name: coord for name, coord in orbits.coords.items() if name in (*states.coords.coords, "orbit")}
        )
    return result


def _is_empty(orbits: xr.Dataset) -> bool:
    """Whether these are orbits of which there are none."""
    attention = orbits.get("final_attention")
    return attention is not None and attention.dtype.kind == "f" and attention.sizes.get("orbit") == 0


def _one_for_none(orbits: xr.Dataset, along: str, low: float) -> xr.Dataset:
    """Where the dim orbit is empty, as after `doubled_orbits` found none, one orbit that is none, for a time.

    So the result has the dims, dtypes and attributes that it has for other orbits.
    """
    if not _is_empty(orbits):
        return orbits
    one = {"final_attention": np.nan, "status": STATUS.index("bad_start"), along: low}
    names = [name for name in ("final_attention", "final_phase", "status") if name in orbits]

    def filled(name: str, variable: xr.Variable) -> xr.Variable:
        if "orbit" not in variable.dims:
            return variable
        sizes = variable.sizes | {"orbit": 1}
        dtype = float if name == along else variable.dtype
        full = xr.Variable(variable.dims, np.full(tuple(sizes.values()), one.get(name, 0), dtype))
        return full if variable.chunks is None else full.chunk()

    kept = orbits[names]
    coords = {name: filled(name, coord.variable) for name, coord in kept.coords.items() if name != "orbit"}
    return xr.Dataset({name: filled(name, kept[name].variable) for name in names}, coords, orbits.attrs)


def _limits(problems: Problems, limits: object, along: str) -> tuple[float, float]:
    """The limits as numbers in the range of the parameter."""
    try:
        low, high = limits
    except (TypeError, ValueError):
        problems.add("limits", f"the lowest and the highest {along}, such as (1.0, 1.3)", limits, is_type=True)
        return 0.0, 1.0
    known = len(problems.messages)
    least, most = RANGES[along]
    low = problems.real("limits[0]", low, minimum=least, maximum=most)
    high = problems.real("limits[1]", high, minimum=least, maximum=most)
    if len(problems.messages) > known:
        return 0.0, 1.0
    if not low < high:
        problems.say(f"limits must be the lowest and the highest {along}, in this order, not {limits!r}")
        return 0.0, 1.0
    return low, high


def _check(problems: Problems, states: States, along: str, low: float, high: float) -> None:
    """Record dims that the result would have twice, and orbits beyond the limits."""
    for dim in ("branch_point", "multiplier", "side"):
        if dim in states.dims:
            problems.say(f"orbits has the dim {dim}, which the result would have twice: select or rename it")
    values = states.parameters[along]
    outside = values[~((values >= low) & (values <= high))]
    if outside.size and not problems.messages:
        problems.say(
            f"limits must contain the {along} of every orbit, but {outside.flat[0]:g} is not from {low:g} to {high:g}"
        )


def _block(
    block: StatesBlock, *, along: str, limits: tuple[float, float], step: float, max_points: int, max_period: int
) -> tuple[np.ndarray, ...]:
    results = []
    for batch in block.batches():
        network = NetworkMap(batch, along)
        drive = drive_period(batch.model, 1.0)
        strides = [drive if along == "epsilon" else drive_period(batch.model, value) for value in batch.epsilon]
        # An orbit at ε = 0 may have to be taken several times for the drive to come round.
        longest = max_period * (drive if along == "epsilon" and (batch.epsilon == 0).any() else 1)
        trajectories = network.trajectories(longest + drive)
        status = batch.new_status(trajectories[:, -network.lags :])
        for i, stride in enumerate(strides):
            visited = strobes(trajectories[i], network.lags, stride, int(batch.phase[i]))
            period = stride * first_return(visited)
            branch = None
            if period:
                curve = Curve(network, i, period, limits, stride)
                branch = trace(curve, visited[0], network.parameters[i], step=step, max_points=max_points)
            if branch is None:
                results.append((*_empty(network, max_points), status[i]))
            else:
                results.append((*_pack(network, curve, branch, max_points), status[i]))
    return tuple(np.stack(arrays) for arrays in zip(*results, strict=True))


def _empty(network: NetworkMap, max_points: int) -> tuple[np.ndarray, ...]:
    """What is known of a branch without points, in the order of the outputs."""
    size = network.lags * network.patterns
    overlaps = np.full((3, max_points, network.patterns), np.nan)
    return (
        np.full(max_points, np.nan),
        np.zeros(max_points, dtype=np.int8),
        np.full(max_points, np.nan),
        np.full((max_points, size), np.nan, dtype=complex),
        np.full(max_points, -1, dtype=np.int64),
        *overlaps,
        np.full((max_points, network.lags, network.patterns), np.nan),
        np.zeros(max_points, dtype=np.int64),
        np.int64(0),
        np.zeros(2, dtype=np.int8),
    )


def _pack(network: NetworkMap, curve: Curve, branch: Branch, max_points: int) -> tuple[np.ndarray, ...]:
    """A branch as arrays, filled up, in the order of the outputs."""
    arrays = _empty(network, max_points)
    parameter, special, angle, multipliers, unstable, mean, low, high, attention, *_ = arrays
    count = len(branch.visits)
    states = np.stack([visit.state for visit in branch.visits])
    attention[:count] = states.reshape(count, network.lags, network.patterns)
    for k, visit in enumerate(branch.visits):
        parameter[k] = visit.parameter
        special[k] = BIFURCATIONS.index(visit.special)
        angle[k] = visit.angle
        multipliers[k] = visit.multipliers
        unstable[k] = visit.unstable
    for first in range(0, count, _GROUP):
        group = slice(first, min(first + _GROUP, count))
        points = np.full(group.stop - first, curve.point)
        orbits = network.orbits(states[group], parameter[group], points, curve.period)
        mean[group], low[group], high[group] = orbits.mean(axis=1), orbits.min(axis=1), orbits.max(axis=1)
    ends = np.array([BRANCH_ENDS.index(end) for end in branch.ends], dtype=np.int8)
    return (*arrays[:-2], np.int64(curve.period), ends)
