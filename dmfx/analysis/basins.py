"""Coexisting attractors: which of them each of many starts reaches."""

from __future__ import annotations

import math
from typing import NamedTuple

import dask.array as da
import numpy as np
import xarray as xr
from dask.base import tokenize

from dmfx.analysis._labelled import positive
from dmfx.analysis.classify import parse_steps, parse_tolerance
from dmfx.analysis.reached import COMPARED, EXPONENTS, OTHER_ATTRACTOR, Reached, reach
from dmfx.chunking import TARGET_BYTES, tangent_cost
from dmfx.dynamics.matching import label_along, shape_of
from dmfx.states import Output, go_on, states_of
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
#: Dims of the states of an attractor.
INNER = ("attractor", "point", "pattern")


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
        Steps to follow each run, at least 64 L, None for as many as `dmfx.classify` takes: 20,000, or 1024 L if that
        is more. Half of them must be longer than any period and any slow modulation: what a short run says of a torus,
        and the sign of a small exponent, are not to be trusted.
    along
        Sweep dim along which a label means the same branch; None to number the attractors of each point on their own,
        the one that most starts reach first, as is also done where there is no dim ``beta``, unless another is named.
    max_attractors
        Labels to keep, those that most starts reach at all values of ``along``. Starts on attractors beyond them are
        counted in ``basin_other``.
    tolerance
        Largest distance between states that count as equal when a period is looked for; at most 1e-4.
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
          say, and the mean of the largest exponents of those that say it;
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
    steps = parse_steps(problems, steps, states)
    max_attractors = problems.count("max_attractors", max_attractors, maximum=1000)
    n_points = problems.count("n_points", n_points, maximum=10**6)
    tolerance = parse_tolerance(problems, tolerance)
    link = positive(problems, "link", link)
    if states is not None:
        along = None if along == "beta" and "beta" not in states.dims else along
        _check_dims(problems, states.dims, along)
    if states is None or "initial" not in states.dims:
        problems.raise_any()
    model, starts = states.model, states.phase.sizes["initial"]
    outputs = {
        "_other": Output(dtype=np.int64),
        "basin_none": Output(dtype=np.int64),
        "_of": Output(("initial",), (starts,), np.int64),
        "status": Output(("initial",), (starts,), np.int8),
        "_found": Output(dtype=object),  # as many attractors as there are
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
    labelling = _Labelling(along, link, max_attractors, n_points, model.n_patterns)
    return _labelled_along(found, labelling, states.lazy)


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
    for dim in INNER:
        if dim in dims:
            problems.say(f"ds has the dim {dim}, which means something else in the result: rename it")
    others = [dim for dim in dims if dim != "initial"]
    if along is not None and along not in others:
        problems.add("along", " or ".join(map(repr, [*others, None])), along)


class _Labelling(NamedTuple):
    """How attractors are labelled, and what is kept of them; as in `basins`."""

    along: str | None
    link: float
    max_attractors: int
    n_points: int
    n_patterns: int

    @property
    def outputs(self) -> dict[str, Output]:
        """Variables of the attractors; further ones have the dims of the sweep, and that of the starts."""
        slots = ("attractor",), (self.max_attractors,)
        return {
            "basin_count": Output(*slots, np.int64),
            "basin_fraction": Output(*slots),
            "basin_fraction_low": Output(*slots),
            "basin_fraction_high": Output(*slots),
            "attractor_kind": Output(*slots, np.int8),
            "attractor_period": Output(*slots, np.int64),
            "attractor_lyapunov": Output(*slots),
            "attractor_points": Output(INNER, (self.max_attractors, self.n_points, self.n_patterns)),
        }


def _chunks_of_lines(found: xr.Dataset, labelling: _Labelling) -> dict[str, int]:
    """All values of ``along`` in one block, with as many others as fit in memory."""
    along, sizes = labelling.along, found["basin_none"].sizes
    whole = 1 if along is None else sizes[along]
    point = 8 * found.sizes["initial"] + 8 * sum(math.prod(output.shape) for output in labelling.outputs.values())
    many = max(1, TARGET_BYTES // (point * whole))
    chunks = {} if along is None else {along: -1}
    for dim in reversed([dim for dim in sizes if dim != along]):
        chunks[dim] = min(many, max(found.chunksizes.get(dim, (sizes[dim],))))
        many = max(1, many // chunks[dim])
    return chunks


def _labelled_along(found: xr.Dataset, labelling: _Labelling, lazy: bool) -> xr.Dataset:
    """Second step: the same labels for the same branch, and fractions, from all values of ``along`` at once."""
    sweep, along = found["basin_none"].dims, labelling.along
    cut = _chunks_of_lines(found, labelling)
    given = []
    for name in ("_other", "_of", "_found"):
        data, chunks = found[name].data, tuple(cut.get(dim, -1) for dim in found[name].dims)
        # Not by xarray, which would compute a part of what are objects to see whether they are dates.
        given.append(data.rechunk(chunks) if lazy else da.from_array(data, chunks))
    starts = found.sizes["initial"]
    outputs = labelling.outputs | {
        "basin_other": Output(dtype=np.int64),
        "attractor_of": Output(("initial",), (starts,), np.int64),
    }
    axis = None if along is None else sweep.index(along)
    computed = views(
        tokenize(__name__, [array.name for array in given], labelling, axis, versions()["dmfx"]),
        _label_block,
        given,
        {name: (output.shape, output.dtype) for name, output in outputs.items()},
        given[0].chunks,
        (labelling, axis),
    )
    arrays = {name: ((*sweep, *output.dims), computed[name]) for name, output in outputs.items()}
    stale = [name for name in INNER if name in found.coords]
    result = xr.Dataset(arrays, coords=found.drop_vars(stale).coords, attrs=found.attrs)
    result = result.assign_coords({dim: np.arange(result.sizes[dim]) for dim in INNER})
    result = result if lazy else result.compute()
    return describe_dataset(result.assign({name: found[name].variable for name in ("basin_none", "status")}))


def _label_block(
    shared: tuple[_Labelling, int | None], other: np.ndarray, of: np.ndarray, found: np.ndarray
) -> tuple[np.ndarray, ...]:
    """Give the attractors of each line of points along a dim the same labels, and add the fractions."""
    labelling, axis = shared
    shape, starts = found.shape, of.shape[-1]
    # What stands where an attractor is absent.
    empty = {"basin_count": 0, "attractor_kind": NONE, "attractor_period": 0}
    new = {
        name: np.full((found.size, *output.shape), empty.get(name, np.nan), output.dtype)
        for name, output in labelling.outputs.items()
    }
    other, of, found = other.ravel().copy(), of.reshape(-1, starts).copy(), found.ravel()
    numbers = np.arange(found.size).reshape(shape)
    lines = numbers.reshape(-1, 1) if axis is None else np.moveaxis(numbers, axis, -1)
    for line in lines.reshape(-1, lines.shape[-1]):
        for point, label in zip(line, _label_line([found[i] for i in line], labelling.link), strict=True):
            here, kept = found[point], label < labelling.max_attractors
            at = point, label[kept]
            new["basin_count"][at] = here.count[kept]
            new["attractor_kind"][at] = here.kind[kept]
            new["attractor_period"][at] = here.period[kept]
            new["attractor_lyapunov"][at] = here.exponent[kept]
            new["attractor_points"][at] = here.orbit[kept]
            other[point] += here.count[~kept].sum()
            reached = of[point] >= 0
            of[point, reached] = np.where(kept, label, OTHER_ATTRACTOR)[of[point, reached]]
    count = new["basin_count"]
    new["basin_fraction"] = count / starts
    new["basin_fraction_low"], new["basin_fraction_high"] = wilson(count, starts)
    return tuple(array.reshape((*shape, *array.shape[1:])) for array in (*new.values(), other, of))


def _label_line(line: list[Reached], link: float) -> list[np.ndarray]:
    """Labels of all attractors of each point, ordered by the starts that reached them along the whole line."""
    if len(line) == 1:
        return [np.arange(len(line[0].count))]
    shapes = [
        [
            shape_of(states.astype(float), 0 < period <= COMPARED)
            for states, period in zip(here.compared, here.period, strict=True)
        ]
        for here in line
    ]
    labels = label_along(shapes, link)
    totals = np.zeros(1 + max((label.max(initial=-1) for label in labels), default=-1), np.int64)
    for label, here in zip(labels, line, strict=True):
        totals[label] += here.count
    rank = np.empty_like(totals)
    rank[np.argsort(-totals, kind="stable")] = np.arange(len(totals))
    return [rank[label] for label in labels]
