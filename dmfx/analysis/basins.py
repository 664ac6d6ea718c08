"""Coexisting attractors: which of them each of many starts reaches."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import xarray as xr
from dask.base import tokenize

from dmfx.analysis._labelled import positive
from dmfx.analysis.classify import LEAST_PERIODS, PERIODS, STEPS
from dmfx.analysis.reached import COMPARED, EXPONENTS, OTHER_ATTRACTOR, reach
from dmfx.chunking import TARGET_BYTES, tangent_cost
from dmfx.dynamics.attractors import n_coordinates
from dmfx.dynamics.matching import label_along, shape_of
from dmfx.states import Output, States, drive_period, go_on, states_of
from dmfx.tasks import views
from dmfx.validation import Problems
from dmfx.variables import KINDS, describe_dataset
from dmfx.version import versions

__all__ = ["basins", "wilson"]

#: Estimated seconds to find the kind of one run and to compare it with others.
SET_SECONDS = 5e-3
#: 97.5 % quantile of the normal distribution.
NORMAL_QUANTILE = 1.959963984540054

NONE = KINDS.index("none")


def basins(
    ds: xr.Dataset,
    *,
    steps: int | None = None,
    along: str | None = "beta",
    max_attractors: int = 8,
    tolerance: float = 1e-8,
    link: float = 0.1,
    n_points: int = 256,
    chunks: object = "auto",
) -> xr.Dataset:
    """The attractors that coexist at each point, and the fraction of starts that reach each of them.

    Goes on from the final states of many starts per point, finds what each run did, as `dmfx.classify` does, and puts
    runs together that are on the same attractor, whatever its phase. Attractors at successive values of a parameter
    whose sets are close have the same label, also where their kind changes.

    Parameters
    ----------
    ds
        A Dataset with the dim ``initial``, from ``dmfx.simulate(..., initial="random", starts=100, transient=100_000,
        steps=1)``, lazy or not.
    steps
        Steps to follow each run, None for as many as `dmfx.classify` takes: 20,000, or 1024 periods of the position
        drive. Half of them must be longer than any period and any slow modulation.
    along
        Sweep dim along which a label means the same branch; None to number the attractors of each point on their own,
        the one that most starts reach first.
    max_attractors
        Labels to keep. Starts on attractors beyond them are counted in ``basin_other``.
    tolerance
        Largest distance between states that count as equal when a period is looked for.
    link
        Largest mean distance between the states of an attractor at successive values of ``along``, in units of their
        root mean square.
    n_points
        States of each attractor to keep.
    chunks
        Sizes of the blocks along the sweep dims, as in xarray. They never change a result.

    Returns
    -------
    xr.Dataset
        Lazy if and only if the input is. With ``...`` for the sweep dims but ``initial``:

        - ``basin_count`` (..., attractor), starts that reached it; ``basin_fraction``, the same over the number of
          starts, and ``basin_fraction_low``, ``basin_fraction_high``, its 95 % interval [1]_;
        - ``basin_other`` (...), starts on attractors beyond ``max_attractors``, and ``basin_none`` (...), starts that
          reached none, transient or diverged: with the counts, the number of starts;
        - ``attractor_of`` (..., initial), label of the attractor, -1 for none, -2 for one beyond ``max_attractors``;
        - ``attractor_kind``, ``attractor_period``, ``attractor_lyapunov`` (..., attractor), what most of its starts
          say, and the mean of their largest exponents;
        - ``attractor_points`` (..., attractor, point, pattern), attention values at successive steps of one run; a
          periodic orbit is repeated;
        - ``status`` (..., initial).

        Labels are ordered by the starts that reached them at all values of ``along``. Where an attractor is absent, its
        count is 0, its kind "none", its period 0, and its exponent and points are NaN.

    Raises
    ------
    TypeError, ValueError
        For wrong arguments, all of them named in one message.

    Notes
    -----
    What is found is what the starts reach: a small basin needs many, and a fraction is one of their distribution. A
    chaotic transient that outlasts the run cannot be told from a chaotic attractor, unless by a longer ``transient`` of
    the input: the fraction of large chaos in the published network falls to nothing over 10^6 steps at β = 1.274 to
    1.276. While it computes, a task holds the trajectories of sixteen runs. `dmfx.dynamics.attractors` and
    `dmfx.dynamics.matching` say what makes two attractors the same.

    References
    ----------
    .. [1] Wilson, J. Am. Stat. Assoc. 22, 209 (1927).
    .. [2] Datseris, Luiz Rossi & Wagemakers, Chaos 33, 073151 (2023).

    Examples
    --------
    >>> net = dmfx.SelfAttention.paper()
    >>> ds = dmfx.simulate(net, beta=[0.9, 1.0], gamma=220.0, initial="random", starts=8, transient=2000, steps=1)
    >>> found = dmfx.basins(ds, steps=400, max_attractors=2).squeeze().compute()
    >>> found.basin_count.values.tolist(), found.attractor_period.values.tolist()
    ([[8, 0], [8, 0]], [[4, 0], [4, 0]])
    """
    problems = Problems("basins")
    states = states_of(problems, ds)
    steps = _steps(problems, steps, states)
    max_attractors = problems.count("max_attractors", max_attractors, maximum=1000)
    n_points = problems.count("n_points", n_points, maximum=10**6)
    tolerance = positive(problems, "tolerance", tolerance)
    link = positive(problems, "link", link)
    if states is not None:
        _check_dims(problems, states.dims, along)
    if states is None or "initial" not in states.dims:
        problems.raise_any()
    model, starts = states.model, states.phase.sizes["initial"]
    slots = ("attractor",), (max_attractors,)
    outputs = {
        "basin_count": Output(*slots, np.int64),
        "basin_other": Output(dtype=np.int64),
        "basin_none": Output(dtype=np.int64),
        "attractor_of": Output(("initial",), (starts,), np.int64),
        "attractor_kind": Output(*slots, np.int8),
        "attractor_period": Output(*slots, np.int64),
        "attractor_lyapunov": Output(*slots),
        "attractor_points": Output(("attractor", "point", "pattern"), (max_attractors, n_points, model.n_patterns)),
        "compared": Output(
            ("attractor", "state", "coordinate"),
            (max_attractors, COMPARED, n_coordinates(model.n_patterns)),
            np.float32,
        ),
        "status": Output(("initial",), (starts,), np.int8),
    }
    options = {
        "starts": starts,
        "steps": steps,
        "tolerance": tolerance,
        "max_attractors": max_attractors,
        "n_points": n_points,
    }
    step = tangent_cost(model.n_patterns, model.context_size, model.weights.n_columns, EXPONENTS)
    cost = SET_SECONDS + steps * step
    found = go_on(states, reach, outputs, options, problems=problems, cost=cost, chunks=chunks, whole=("initial",))
    return _labelled_along(found, along, link, states.lazy)


def _steps(problems: Problems, steps: object, states: States | None) -> int:
    """As `dmfx.classify` has them."""
    longest = drive_period(states.model, states.parameters["epsilon"]) if states else 1
    if steps is None:
        return -(-max(STEPS, PERIODS * longest) // longest) * longest
    return problems.count("steps", steps, minimum=LEAST_PERIODS * longest, maximum=10**7)


def wilson(count: np.ndarray, total: int) -> tuple[np.ndarray, np.ndarray]:
    """The 95 % interval of a fraction of which ``count`` out of ``total`` were counted.

    References
    ----------
    .. [1] Wilson, J. Am. Stat. Assoc. 22, 209 (1927).

    Examples
    --------
    >>> from dmfx.analysis.basins import wilson
    >>> low, high = wilson(np.array([0, 5]), 10)
    >>> low.round(3), high.round(3)
    (array([0.   , 0.237]), array([0.278, 0.763]))
    """
    fraction, square = count / total, NORMAL_QUANTILE**2
    middle = (fraction + square / (2 * total)) / (1 + square / total)
    spread = np.sqrt(fraction * (1 - fraction) / total + square / (4 * total**2))
    half = NORMAL_QUANTILE * spread / (1 + square / total)
    low = np.where(count == 0, 0.0, np.maximum(middle - half, 0.0))
    return low, np.where(count == total, 1.0, np.minimum(middle + half, 1.0))


def _check_dims(problems: Problems, dims: tuple[str, ...], along: object) -> None:
    if "initial" not in dims:
        problems.say(
            f"ds must have the dim initial, many starts for each point, but has {', '.join(dims) or 'no dims'}; "
            "dmfx.simulate(..., initial='random', starts=100, transient=100_000, steps=1) makes one that does"
        )
    others = [dim for dim in dims if dim != "initial"]
    if along is not None and along not in others:
        problems.add("along", " or ".join(map(repr, [*others, None])), along)


def _chunks_of_lines(found: xr.Dataset, along: str | None) -> dict[str, int]:
    """All values of ``along`` in one block, with as many others as fit in memory."""
    sweep = found["basin_none"].dims
    whole = 1 if along is None else found.sizes[along]
    point = sum(array.nbytes for array in found.data_vars.values()) // max(found["basin_none"].size, 1)
    many = max(1, TARGET_BYTES // (point * whole))
    chunks = {} if along is None else {along: -1}
    for dim in reversed([dim for dim in sweep if dim != along]):
        chunks[dim] = min(many, max(found.chunksizes.get(dim, (found.sizes[dim],))))
        many = max(1, many // chunks[dim])
    return chunks


class _Line(NamedTuple):
    """How attractors are labelled.

    Attributes
    ----------
    axis
        Position of the dim along which labels mean the same; None if there is none.
    link
        As in `basins`.
    """

    axis: int | None
    link: float


def _labelled_along(found: xr.Dataset, along: str | None, link: float, lazy: bool) -> xr.Dataset:
    """Second step: the same labels for the same branch, and fractions, from all values of ``along`` at once."""
    sweep = found["basin_none"].dims
    chunked = found.chunk(_chunks_of_lines(found, along))
    given = {name: array.variable for name, array in chunked.data_vars.items() if name != "status"}
    kept = {name: array for name, array in given.items() if name != "compared"}
    by_attractor = found["basin_count"].dims
    dims = {name: array.dims for name, array in kept.items()}
    dims |= dict.fromkeys(("basin_fraction", "basin_fraction_low", "basin_fraction_high"), by_attractor)
    sizes = found.sizes
    types = {name: array.dtype for name, array in kept.items()}
    shared = _Line(None if along is None else sweep.index(along), link)
    token = tokenize(__name__, [array.data.name for array in given.values()], shared, versions()["dmfx"])
    computed = views(
        token,
        _label_block,
        [array.data for array in given.values()],
        {name: (tuple(sizes[dim] for dim in dims[name][len(sweep) :]), types.get(name, np.float64)) for name in dims},
        given["basin_none"].chunks,
        shared,
    )
    arrays = {name: (dims[name], computed[name]) for name in dims}
    result = xr.Dataset(arrays, coords=found.drop_dims(["state", "coordinate"]).coords, attrs=found.attrs)
    result = result if lazy else result.compute()
    return describe_dataset(result.assign(status=found["status"]))


def _label_block(
    shared: _Line,
    count: np.ndarray,
    other: np.ndarray,
    none: np.ndarray,
    of: np.ndarray,
    kind: np.ndarray,
    period: np.ndarray,
    exponent: np.ndarray,
    states: np.ndarray,
    compared: np.ndarray,
) -> tuple[np.ndarray, ...]:
    """Give the attractors of each line of points along a dim the same labels, and add the fractions."""
    shape, total = none.shape, of.shape[-1]
    given = [array.reshape(none.size, *array.shape[none.ndim :]) for array in (count, kind, period, exponent, states)]
    # What stands where an attractor is absent.
    new = [np.full_like(array, empty) for array, empty in zip(given, (0, NONE, 0, np.nan, np.nan), strict=True)]
    other, of, sets = (
        other.ravel().copy(),
        of.reshape(none.size, total).copy(),
        compared.reshape(none.size, *compared.shape[-3:]),
    )
    numbers = np.arange(none.size).reshape(shape)
    lines = numbers.reshape(-1, 1) if shared.axis is None else np.moveaxis(numbers, shared.axis, -1)
    for line in lines.reshape(-1, lines.shape[-1]):
        labels = _label_line(given[0][line], given[2][line], sets[line], shared.link)
        for point, label in zip(line, labels, strict=True):
            kept = label < count.shape[-1]
            for array, source in zip(new, given, strict=True):
                array[point, label[kept]] = source[point, : len(label)][kept]
            other[point] += given[0][point, : len(label)][~kept].sum()
            reached = of[point] >= 0
            of[point, reached] = np.where(kept, label, OTHER_ATTRACTOR)[of[point, reached]]
    count, kind, period, exponent, states = (array.reshape(*shape, *array.shape[1:]) for array in new)
    low, high = wilson(count, total)
    by_start = of.reshape(*shape, total)
    return count, other.reshape(shape), none, by_start, kind, period, exponent, states, count / total, low, high


def _label_line(count: np.ndarray, period: np.ndarray, sets: np.ndarray, link: float) -> list[np.ndarray]:
    """Labels of the attractors of each point, ordered by the starts that reached them along the whole line."""
    present = (count > 0).sum(axis=1)
    if len(count) == 1:
        return [np.arange(present[0])]
    shapes = []
    for i, n in enumerate(present):
        states = [each[~np.isnan(each[:, 0])].astype(float) for each in sets[i, :n]]
        shapes.append([shape_of(each, 0 < period[i, k] <= COMPARED) for k, each in enumerate(states)])
    labels = label_along(shapes, link)
    totals = np.zeros(1 + max((label.max(initial=-1) for label in labels), default=-1), np.int64)
    for label, row, n in zip(labels, count, present, strict=True):
        totals[label] += row[:n]
    rank = np.empty_like(totals)
    rank[np.argsort(-totals, kind="stable")] = np.arange(len(totals))
    return [rank[label] for label in labels]
