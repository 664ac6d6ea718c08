"""How long finite networks stay near the coexisting attractors of the mean field."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
import xarray as xr

from dmfx.analysis._coexisting import NOISY, pick_attractors
from dmfx.analysis._labelled import positive, spacing, trajectory
from dmfx.analysis._matching import check_model
from dmfx.analysis._near import Looks, core_radii, near_labels
from dmfx.analysis._whole import assemble_lazily, call_blocks, whole
from dmfx.dynamics.cores import NOWHERE, UNKNOWN
from dmfx.dynamics.residence import escape_rate, escapes, stays_of
from dmfx.models import SelfAttention
from dmfx.validation import Problems

__all__ = ["residence"]

#: Dims of the result.
OWN = ("attractor", "to", "stay", "point")


def residence(
    ds: xr.Dataset,
    attractors: xr.Dataset,
    *,
    variable: str = "attention",
    radius: float | None = None,
    window: int | None = None,
    every: int | None = None,
    pool: str | Sequence[str] = ("replica", "initial"),
    max_stays: int = 1000,
) -> xr.Dataset:
    """How long finite networks stay near each attractor of the mean field before noise makes them leave.

    The state of the network is made of the attention values of the last L steps, L being the size of the context. Every
    attractor has a core: the states that are closer to it than a radius, and at most half as far from it as from any
    other attractor. A run is near an attractor from the step at which it enters its core to that at which it enters the
    core of another [1]_ [2]_: an excursion that ends where it began is no escape, and noise at a border does not count.

    Parameters
    ----------
    ds
        Attention values of ``dmfx.simulate(..., size=..., replica=..., variables="attention")`` at every step, lazy or
        not.
    attractors
        What `dmfx.basins` returned for the mean field of the same model, or some labels of it,
        ``attractors.sel(attractor=[0, 1])``. The sweep dims are matched by label, which may differ by rounding;
        ``size``, ``replica`` and ``initial`` of ``ds`` share the attractors.
    variable
        The variable of ``ds`` that has the attention values.
    radius
        Radius of the cores, as the root mean square difference of attention values. By default a third of the distance
        of each attractor from the closest other one, or, where it is alone, a third of the root mean square of its
        states about their mean. Where the states are samples of a torus or of chaos, the radius is never less than the
        distance within which 90 % of them have a neighbour.
    window
        Successive steps that are compared, L by default. More of them tell attractors apart that come close in places.
    every
        Steps from one look at a run to the next, L by default, ``window`` where no input says its model.
    pool
        Dims whose runs are put together in what is counted, those of them that there are; labels stay by run.
    max_stays
        Stays of each attractor whose lengths are kept, in the order of the runs, then of time. All are counted.

    Returns
    -------
    xr.Dataset
        Lazy, all of it, if ``ds`` or ``attractors`` is, and only then. With ``...`` for the sweep dims:

        - ``residence_label`` (..., step), the attractor at every look, -1 before the run was in any core, -2 where it
          diverged; its ``step`` is the last of the steps compared;
        - ``residence_radius`` (..., attractor), what the cores were, with the sweep dims of the attractors, NaN where
          there is none;

        and with the sweep dims without those that are pooled:

        - ``escape_rate``, ``residence_time`` (..., attractor): escapes per step near the attractor, and its inverse;
          ``..._low`` and ``..._high``, their 95 % intervals [3]_. Without an escape the rate is 0, the time infinite,
          the upper end of the rate and the lower end of the time are bounds. NaN where no time was spent;
        - ``residence_count`` (..., attractor), stays; ``occupation``, fraction of the looks; ``core_fraction``, part of
          the looks near the attractor at which the run was in its core;
        - ``escapes`` (..., attractor, to), escapes from one attractor to another;
        - ``stay_length``, ``stay_ended`` (..., attractor, stay), length of each stay, NaN behind the last, and whether
          its end was seen, for the picture of how they are distributed;
        - ``attractor_kind``, ``attractor_period`` as given, and ``status``.

    Raises
    ------
    TypeError, ValueError
        For wrong arguments, and for attractors of other weights, another context size or another ε, as far as both
        inputs say it; all of them named in one message. For attractors that lie too close for their cores to tell them
        apart: when it is computed, if the attractors are lazy.

    Notes
    -----
    A stay that the end of the run cuts off lasted at least so long, and counts so: the rate of greatest likelihood is
    the number of escapes over the time of all stays. That and the interval take for granted that leaving is equally
    likely at all times, so that lengths are exponential; ``dmfx.plot.residence`` shows whether they are. The first stay
    counts from the first look, or from when the run entered the core: whoever starts runs on an attractor wants it
    counted, and without memory it does not matter when it began. Stays shorter than the time between looks are missed.

    The position drive has period L, but its phase is not compared, as the states on an attractor at all phases are in
    its set: runs that follow the same orbit some steps later are near the same attractor.

    A run of the mean field that settled must not escape. Where one does (``size=np.inf``), chaos passes through the
    core of another attractor: take a smaller ``radius``. And a network that was kicked out of an attractor may stay in
    none, on a chaotic transient, say, or be spread by noise over more than the cores, which it then finds by chance
    only: ``core_fraction`` is small, occupations may not add up to 1, and the times say nothing of the attractors. A
    network that only passes through another core, and comes back, has escaped twice. So a time is one of the attractor
    if it stays the same where ``radius``, ``window`` and ``every`` are changed.

    In the published network at β = 1.27 orbits of periods 28 and 56 are 0.011 apart, and the radius is 0.0038. Of
    N = 10^7 spins, 400 runs of 4000 steps from the orbit of period 56 left it after 216 steps (196 to 238, 405
    escapes), with a core fraction of 0.65; after 210 with looks at every step, 208 and 236 with these and a window of
    28 or a radius of 0.002. So that is a time of the orbit. Not so the time near the orbit of period 28, in 64 runs of
    400,000 steps from there: 6.9·10^5 steps (5.0 to 9.8·10^5, 37 escapes), but 1.5·10^5 with looks at every step, and
    2.3·10^6 and 3.2·10^6 with these and that window or radius. Most of these escapes are passages through the other
    core, and the stays that they begin there last 45 steps by default, 27 with looks at every step. The core fraction
    of the orbit of period 28 is 0.91. At N = 10^5, 16 runs of 20,000 steps from either orbit have core fractions below
    0.01.

    References
    ----------
    .. [1] Buchete & Hummer, J. Phys. Chem. B 112, 6057 (2008).
    .. [2] Schütte, Noé, Lu, Sarich & Vanden-Eijnden, J. Chem. Phys. 134, 204105 (2011).
    .. [3] Garwood, Biometrika 28, 437 (1936).

    Examples
    --------
    Two fixed points, and a run that goes from one to the other.

    >>> points = np.array([[[0.0]] * 8, [[1.0]] * 8])
    >>> found = xr.Dataset(
    ...     {
    ...         "attractor_points": (("attractor", "point", "pattern"), points),
    ...         "attractor_period": ("attractor", [1, 1]),
    ...     }
    ... )
    >>> run = np.array([0.5, 0.1, 0.4, 0.6, 0.0, 0.9, 0.6, 1.0])
    >>> ds = xr.Dataset({"attention": (("step", "pattern"), run[:, None])})
    >>> result = dmfx.residence(ds, found, window=1)
    >>> result.residence_label.values, result.escape_rate.values
    (array([-1,  0,  0,  0,  0,  1,  1,  1], dtype=int16), array([0.25, 0.  ]))
    """
    problems = Problems("residence")
    array = trajectory(problems, ds, variable)
    model = check_model(problems, ds, attractors, "attractors")
    looks = _parse_looks(problems, model, array, window, every)
    radius = None if radius is None else positive(problems, "radius", radius)
    max_stays = problems.count("max_stays", max_stays, maximum=10**7)
    found = pick_attractors(problems, array, attractors)
    pooled = _parse_pool(problems, array, found, pool)
    if spacing(problems, array) != 1:
        problems.say("ds must have every step, as states are made of successive ones, but some are left out")
    if array is not None:
        for dim in OWN:
            if dim in array.dims:
                problems.say(f"ds has the dim {dim}, which means something else in the result: rename it")
    problems.raise_any()

    radii = core_radii(found, looks.window, radius)
    labels, inside = near_labels(array, found, radii, looks)
    counted = _counted(labels, inside, found["attractor"].values, pooled, max_stays, looks.every)
    result = {"residence_label": _named(labels, found["attractor"].values), "residence_radius": radii} | counted
    result |= {name: found[name] for name in ("attractor_kind", "attractor_period") if name in found}
    for each in result.values():
        each.attrs = {"variable": variable, "window": looks.window, "every": looks.every}
    return assemble_lazily(ds, result)


def _parse_looks(
    problems: Problems, model: SelfAttention | None, array: xr.DataArray | None, window: object, every: object
) -> Looks:
    """The steps that are compared and those between looks, by default as many as the context of the model has."""
    size = None if model is None else model.context_size
    if window is None and size is None:
        if not any("dmfx_model" in message for message in problems.messages):
            problems.say("ds does not say its model: give window, the successive steps that make a state")
        return Looks(1, 1)
    window = size if window is None else problems.count("window", window, maximum=10**4)
    every = (size or window) if every is None else problems.count("every", every)
    if array is not None and window > array.sizes["step"]:
        problems.say(f"ds must have at least {window} steps, those that make a state, but has {array.sizes['step']}")
    return Looks(window, every)


def _parse_pool(
    problems: Problems, array: xr.DataArray | None, found: xr.Dataset | None, pool: object
) -> tuple[str, ...]:
    """The dims of the runs that are put together, in their order."""
    names = [pool] if isinstance(pool, str) else pool
    if not isinstance(names, Sequence) or not all(isinstance(name, str) for name in names):
        problems.add("pool", "the name of a sweep dim, or several", pool, is_type=True)
        return ()
    if array is None:
        return ()
    sweep = [dim for dim in array.dims if dim not in ("step", "pattern")]
    for name in names:
        if name not in (*sweep, *NOISY):
            problems.add("pool", "of sweep dims, " + (", ".join(map(repr, sweep)) or "of which ds has none"), name)
        elif found is not None and name in found.dims:
            problems.say(f"pool must not hold {name!r}, along which the attractors differ")
    return tuple(dim for dim in sweep if dim in names)


def _named(labels: xr.DataArray, names: np.ndarray) -> xr.DataArray:
    """Labels of the attractors in the place of their positions."""
    lookup = np.append(names, [UNKNOWN, NOWHERE]).astype(np.int16)
    lazy = labels.chunks is not None
    return labels.copy(data=labels.data.map_blocks(_taken, lookup, dtype=np.int16) if lazy else lookup[labels.data])


def _taken(labels: np.ndarray, lookup: np.ndarray) -> np.ndarray:
    return lookup[labels]


def _counted(
    labels: xr.DataArray,
    inside: xr.DataArray,
    names: np.ndarray,
    pooled: tuple[str, ...],
    max_stays: int,
    every: int,
) -> dict[str, xr.DataArray]:
    """Everything that is counted of the runs that are put together."""
    n = len(names)
    sizes = {"attractor": n, "to": n, "stay": max_stays}
    one, two, stay = ("attractor",), ("attractor", "to"), ("attractor", "stay")
    kept = {
        "residence_time": (one, float),
        "residence_time_low": (one, float),
        "residence_time_high": (one, float),
        "escape_rate": (one, float),
        "escape_rate_low": (one, float),
        "escape_rate_high": (one, float),
        "residence_count": (one, np.int64),
        "occupation": (one, float),
        "core_fraction": (one, float),
        "escapes": (two, np.int64),
        "stay_length": (stay, float),
        "stay_ended": (stay, np.int8),
    }
    results = {name: (dims, tuple(sizes[dim] for dim in dims), dtype) for name, (dims, dtype) in kept.items()}
    inner = (*pooled, "step")
    given = [whole(array.transpose(..., *inner), *inner) for array in (labels, inside)]
    counted = call_blocks(_count_block, (n, max_stays, every, len(inner)), *given, inner=inner, results=results)
    coords = {"attractor": names, "to": names, "stay": np.arange(max_stays)}
    return {name: array.assign_coords({dim: coords[dim] for dim in kept[name][0]}) for name, array in counted.items()}


def _count_block(shared: tuple[int, int, int, int], labels: np.ndarray, inside: np.ndarray) -> tuple[np.ndarray, ...]:
    n, max_stays, every, n_inner = shared
    sweep, looks = labels.shape[: labels.ndim - n_inner], labels.shape[-1]
    points = math.prod(sweep)
    flat = (each.reshape(points, -1, looks) for each in (labels, inside))
    found = [_count(*at, n, max_stays, every) for at in zip(*flat, strict=True)]
    return tuple(np.stack(each).reshape(*sweep, *each[0].shape) for each in zip(*found, strict=True))


def _count(labels: np.ndarray, inside: np.ndarray, n: int, max_stays: int, every: int) -> tuple[np.ndarray, ...]:
    """What is counted of the runs (run, look) of one point."""
    stays = stays_of(labels)
    left = escapes(stays, n)
    total = every * np.bincount(stays.label, stays.length, minlength=n)
    rate = escape_rate(left.sum(axis=1), total)
    near, core = (np.bincount(labels[which], minlength=n) for which in (labels >= 0, inside))
    with np.errstate(divide="ignore", invalid="ignore"):
        times = [1 / each for each in (rate.value, rate.high, rate.low)]
        occupation, core_fraction = near / (labels != UNKNOWN).sum(), core / near
    length, ended = np.full((n, max_stays), np.nan), np.zeros((n, max_stays), np.int8)
    for a in range(n):
        here = np.flatnonzero(stays.label == a)[:max_stays]
        length[a, : here.size], ended[a, : here.size] = every * stays.length[here], stays.ended[here]
    count = np.bincount(stays.label, minlength=n)
    return (*times, *rate, count, occupation, core_fraction, left, length, ended)
