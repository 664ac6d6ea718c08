"""Orbits of twice the period, next to the period doublings of a branch."""

from __future__ import annotations

import numpy as np
import xarray as xr

from dmfx.analysis._labelled import positive
from dmfx.analysis.network_map import NetworkMap
from dmfx.analysis.orbit_search import Cycle, refine_cycles
from dmfx.analysis.orbits import outputs, pack
from dmfx.dynamics.cycles import canonical, same_cycle
from dmfx.dynamics.shooting import Curve, twice
from dmfx.models import model_from_json
from dmfx.models.start import STATE_DIMS
from dmfx.states import PARAMETERS, StatesBlock, drive_period
from dmfx.validation import Problems
from dmfx.variables import BIFURCATIONS, STATUS, describe_dataset
from dmfx.version import history_line

__all__ = ["doubled_orbits"]

#: Distances from -1 at which a multiplier is -1, at a bifurcation.
_CRITICAL = 1e-4
#: Difference of the parameters of equal orbits, as part of the range of the branch.
_ALIKE = 1e-6
#: How often the amplitude is halved.
_MOST_TRIES = 12
#: How far from the bifurcation an orbit may be, as part of the range of the parameter. At one doubling of the published
#: network, from period 16 at β = 1.27113, the parameter goes 8e5 times the square of the amplitude, in that unit; the
#: orbits found at 1e-3 had nothing to do with it.
_NEAR = 0.01
_TOLERANCE = 1e-10
_NEEDED = ("parameter", "special", "period", "final_attention")


def doubled_orbits(branch: xr.Dataset, *, amplitude: float = 1e-3) -> xr.Dataset:
    """The orbits of twice the period that begin at the period doublings of branches.

    Where a multiplier of an orbit of period T passes -1, an orbit of period 2T branches off along the eigenvector, on
    one side of the parameter. It is solved for at a given distance from the bifurcation, with the parameter free.

    Parameters
    ----------
    branch
        From `continuation`.
    amplitude
        Distance from the orbit at the bifurcation, root mean square along the orbit, to begin with. Where no orbit of
        twice the period is found whose parameter is within 1 % of the range of the branch of that at the bifurcation,
        it is halved, up to 11 times.

    Returns
    -------
    xr.Dataset
        What `periodic_orbits` returns, along ``orbit`` alone: one for each period doubling, those that branches share
        once. ``beta``, ``gamma``, ``seed`` and ``epsilon`` are coordinates along it; that which the branch follows
        has the value at which the orbit was found. To follow them: ``continuation(doubled_orbits(branch), ...)``;
        where there are none, the result is empty, and so is that of `continuation`. How many there are is known only
        when the branch is: this function computes it.

    Raises
    ------
    TypeError, ValueError
        For wrong arguments, all of them named in one message.

    Notes
    -----
    Where orbits of twice the period live between two period doublings of one branch (a bubble), there is one next to
    each of them: both lie on one branch, which `continuation` then follows twice.

    To keep a branch of one orbit and what begins on it in one Dataset, along ``orbit``, give all points that dim:
    ``xr.concat([branch.squeeze(), followed.drop_vars("orbit")], "orbit")``. `dmfx.plot.continuation` draws the list
    ``[branch, followed]`` as it is.

    References
    ----------
    .. [K23] Kuznetsov, *Elements of Applied Bifurcation Theory*, 4th ed. (2023), sections 5.4 and 10.3.

    Examples
    --------
    >>> from dmfx.analysis.continuation import continuation
    >>> from dmfx.analysis.doubling import doubled_orbits
    >>> net = dmfx.SelfAttention.paper()
    >>> ds = dmfx.simulate(net, beta=3.0, gamma=220.0, steps=1, transient=2000)
    >>> branch = continuation(ds, along="beta", limits=(2.5, 3.0), step=0.1)
    >>> doubled = doubled_orbits(branch)
    >>> branch.period.values.item(), doubled.period.values, doubled.beta.values.round(3)
    (24, array([48]), array([2.638]))
    """
    problems = Problems("doubled_orbits")
    amplitude = positive(problems, "amplitude", amplitude)
    if not isinstance(branch, xr.Dataset):
        problems.add("branch", "a Dataset from dmfx.continuation", branch, is_type=True)
        problems.raise_any()
    missing = [name for name in _NEEDED if name not in branch]
    if missing or "along" not in branch["parameter"].attrs or "dmfx_model" not in branch.attrs:
        problems.say(
            "branch must be a Dataset from dmfx.continuation"
            + (f", but has no {', '.join(missing)}" if missing else ", with its attributes")
        )
    elif "branch_point" not in branch["parameter"].dims:
        problems.say("branch must have the dim branch_point")
    for name in PARAMETERS:
        if name not in branch.coords:
            problems.say(f"branch must have the coordinate {name}")
    problems.raise_any()

    along = branch["parameter"].attrs["along"]
    limits = tuple(float(limit) for limit in branch["parameter"].attrs["limits"])
    block, periods = _doublings(branch[list(_NEEDED)].compute(), along)
    found = _branch_off(block, periods, along, limits, amplitude)
    # The points with the parameter at which their orbits were found, and those orbits solved for once more.
    block = block.take([i for i, _, _ in found])
    block = block._replace(**{along: np.array([parameter for _, parameter, _ in found], dtype=float)})
    return _dataset(branch, block, [orbit for _, _, orbit in found], along, amplitude)


def _doublings(branch: xr.Dataset, along: str) -> tuple[StatesBlock, np.ndarray]:
    """The period doublings of all branches as points, and the periods there."""
    parameter = branch["parameter"]
    dims = parameter.dims

    def flat(name: str) -> np.ndarray:
        array = branch[name].broadcast_like(parameter)
        return array.transpose(*dims, *STATE_DIMS, missing_dims="ignore").to_numpy()

    chosen = np.nonzero(flat("special") == BIFURCATIONS.index("period_doubling"))
    values = {name: flat(name)[chosen] for name in PARAMETERS} | {along: parameter.to_numpy()[chosen]}
    attention = flat("final_attention")[chosen]
    zero = np.zeros(len(attention), dtype=np.int64)
    block = StatesBlock(
        model_from_json(branch.attrs["dmfx_model"]), **values, attention=attention, phase=zero, status=zero
    )
    return block, flat("period")[chosen]


def _branch_off(
    block: StatesBlock, periods: np.ndarray, along: str, limits: tuple[float, float], amplitude: float
) -> list[tuple[int, float, np.ndarray]]:
    """For each orbit of twice the period: which point it branches off from, its parameter, and all its states."""
    found: list[tuple[int, float, np.ndarray]] = []
    if len(periods) == 0:
        return found
    network = NetworkMap(block, along)
    others = [name for name in PARAMETERS if name != along]
    for i, period in enumerate(periods):
        stride = drive_period(block.model, 1.0 if along == "epsilon" else block.epsilon[i])
        orbit = _double(Curve(network, i, int(period), limits, stride), block.attention[i], amplitude)
        if orbit is None:
            continue
        parameter, states = orbit
        alike = (
            states.shape == known.shape
            and all(getattr(block, name)[i] == getattr(block, name)[j] for name in others)
            and abs(parameter - other) < _ALIKE * (limits[1] - limits[0])
            and same_cycle(states, known, 1)
            for j, other, known in found
        )
        if not any(alike):
            found.append((i, parameter, states))
    return found


def _double(curve: Curve, attention: np.ndarray, amplitude: float) -> tuple[float, np.ndarray] | None:
    """Parameter and states (piece, n) of the orbit of twice the period next to an orbit at its bifurcation."""
    guess = curve.guess(attention.ravel(), curve.family.parameters[curve.point])
    there = curve.evaluate(guess)
    if there.is_shorter or np.abs(there.multipliers + 1).min() > _CRITICAL:
        return None  # where a branch of doubled orbits ends: the other orbit has half the period
    doubled = curve.doubled()
    vector = there.eigenvector(-1.0)[:-1]
    row = np.append(np.concatenate([vector, -vector]), 0.0) / np.sqrt(2)
    for attempt in range(_MOST_TRIES):
        place = doubled.correct(twice(guess) + amplitude / 2**attempt * row, row)
        if place is None or place.is_shorter or not 0 <= place.at[-1] <= 1:
            continue
        if abs(place.at[-1] - guess[-1]) < _NEAR:
            return doubled.parameter(place.at), doubled.states(place.at)
    return None


def _dataset(
    branch: xr.Dataset, block: StatesBlock, orbits: list[np.ndarray], along: str, amplitude: float
) -> xr.Dataset:
    """The orbits, solved for once more at their parameters, along the dim orbit as from `periodic_orbits`."""
    lags, patterns = block.attention.shape[1:]
    cycles: list[list[Cycle]] = []
    if orbits:
        network = NetworkMap(block, along)
        strides = [drive_period(block.model, epsilon) for epsilon in block.epsilon]
        starts = []
        for i, (states, stride) in enumerate(zip(orbits, strides, strict=True)):
            lengths = np.full(len(states), stride)
            (orbit,) = network.loops(states[None], network.parameters[i : i + 1], np.array([i]), lengths)
            starts.append([canonical(orbit, lags, stride)])
        cycles = refine_cycles(network, starts, strides, _TOLERANCE)
    kept = [i for i, own in enumerate(cycles) if own]
    longest = max((len(cycles[i][0].orbit) for i in kept), default=0)
    names = outputs(len(kept), longest, lags, patterns)
    arrays = pack([[cycles[i][0] for i in kept]], len(kept), longest, lags, patterns)
    ds = xr.Dataset(
        {name: (each.dims, array[0]) for (name, each), array in zip(names.items(), arrays, strict=True)},
        attrs=branch.attrs,
    )
    ds["status"] = ("orbit", np.full(len(kept), STATUS.index("ok"), dtype=np.int8))
    ds = ds.assign_coords({dim: np.arange(size) for dim, size in ds.sizes.items()})
    ds = ds.assign_coords({name: ("orbit", getattr(block, name)[kept]) for name in PARAMETERS})
    line = history_line("doubled_orbits", {"amplitude": amplitude})
    ds.attrs["history"] = f"{branch.attrs.get('history', '')}\n{line}".strip()
    return describe_dataset(ds)
