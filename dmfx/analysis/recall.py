"""Transient memories: which stored pattern a run is near, for how long, and what it ends in."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import xarray as xr

from dmfx.analysis._following import Following, follow_block, results_of
from dmfx.analysis._labelled import assemble
from dmfx.analysis._overlaps import (
    Overlaps,
    check_no_dims,
    own_variable,
    pick_overlaps,
    step_times,
    stored_targets,
    targets_of,
)
from dmfx.analysis._threshold import check_threshold, warn_if_alike
from dmfx.analysis._whole import call_blocks, whole
from dmfx.validation import Problems
from dmfx.variables import CORRECT

__all__ = ["recall"]

#: States must return this closely.
TOLERANCE = 1e-8
#: Part of the steps that is the end of a run, and least number of them.
PART, FEWEST = 4, 8

#: Dims of a run.
INNER = ("step", "pattern", "token", "component")

#: Correct, of a run whose network does not store the pattern of its start.
NOT_STORED = np.int8(CORRECT.index("not_stored"))
#: What is told of runs that only have the overlap with a pattern of their own.
OF_OWN = (
    "target_final",
    "target_peak",
    "target_lifetime",
    "target_lifetime_ended",
    "final_kind",
    "final_period",
)


def recall(
    ds: xr.Dataset,
    patterns: object | Sequence[object] | np.ndarray | xr.DataArray | None = None,
    threshold: float | None = None,
    *,
    variable: str | None = None,
    window: int | None = None,
    tolerance: float = TOLERANCE,
    absolute: bool = False,
) -> xr.Dataset:
    """Follow the overlaps q_μ(t) with stored patterns: the nearest, peaks, lifetimes, and what each run ends in.

    For system C, q_μ(t) = (1/N) Σ_i x_i(t)·ξ_i^μ [DN24]_; for systems A and B the overlaps m(t) of the spins.

    Parameters
    ----------
    ds
        Trajectories from `dmfx.simulate` or a task, lazy or not.
    patterns
        Labels of the patterns to follow, by default all. Or configurations to compare the states with, an array or
        DataArray (pattern, token, component) of unit vectors, where ds has ``tokens`` (..., step, token, component).
    threshold
        An overlap of at least this counts as recall. None stands for 0.8, with a warning if the stored ``patterns`` of
        ds are more alike than that.
    variable
        Which variable with dims (..., step, pattern) has the overlaps. By default ``overlap``, else ``m_o_semantic``,
        else the first that there is, else ``target_overlap``: this, and any other (..., step), is taken for the overlap
        of each run with a pattern of its own, be it stored or not, and what concerns the others is left out.
    window
        How many of the last steps are the end of the run; by default a quarter of them, at least 8.
    tolerance
        How closely the end must repeat to be a fixed point or a cycle, in every overlap.
    absolute
        Drop the signs of the overlaps: of spins -ξ is as good a memory as ξ where the network has that symmetry. What
        repeats at the end is compared with its signs, as a state and its negative are two.

    Returns
    -------
    xr.Dataset
        Lazy if and only if the input is. With ``...`` for the sweep:

        - ``nearest``, ``nearest_overlap`` (..., step): label of the pattern with the largest overlap, and that overlap;
        - ``peak``, ``peak_step`` (..., pattern): the largest overlap and its first time;
        - ``recalled`` (..., pattern): whether the peak reaches the threshold;
        - ``lifetime_start`` (..., pattern): time at which the overlap first reaches it; ``lifetime`` (..., pattern):
          how long it then stays there without a break, 0 if it never does; ``lifetime_ended`` (..., pattern): 0 where
          it was still there when the run ended, so that the lifetime is a lower bound;
        - ``final_overlap`` (..., pattern): mean over the end of the run, and ``final_nearest`` (...);
        - ``final_kind`` (...): fixed_point, cycle, with its ``final_period``, moving, irregular, diverged, or unknown
          (an end of less than two steps);
        - ``final_state`` (...): stored if one final overlap reaches the threshold, mixture if several do, spurious if
          none does, diverged;
        - with a coordinate ``target``, the label of the pattern that a start is a version of: ``target_final``,
          ``target_peak``, ``target_lifetime``, ``target_lifetime_ended``, and ``correct``, whether ``final_nearest`` is
          the target (...): no, yes, no_target, or not_stored, by networks with several numbers of ``stored`` patterns,
          the first ones, of which the target is none. The others are measured in such runs too: with whole numbers for
          targets, ``found.target_final.where(found.stored > found.target)`` has those of stored patterns alone;
        - of a variable (..., step): ``target_final``, ``target_peak``, ``target_lifetime``, ``target_lifetime_ended``,
          ``final_kind``, ``final_period``, and no more, such as of images that a network has not seen;
        - ``status``.

        Of equal overlaps the first pattern is the nearest. Times are labels of ``step``, and lifetimes are in its unit.
        Where there is no such time the label is -1, or NaN for labels that are not whole numbers from 0; the same holds
        for patterns, whose labels may also be texts, empty for none.

    Raises
    ------
    TypeError, ValueError
        For wrong arguments, all of them named in one message.

    Notes
    -----
    A run counts up to its first step with an overlap that is not finite. A lifetime that is cut off there has not
    ended, and final values are NaN.

    The threshold must be above what patterns have with each other, or a run that ends in another one counts as recall.
    That is so for 0.8 where patterns are made of random tokens, or of spins (of which 90 % then agree). It is not for
    images that share most of their background: of MNIST, as 49 patches of 16 pixels and a constant, the most similar
    other image has an overlap of 0.93 (median), and even the mean image one of 0.90, so that 0.95 is sensible.
    Patterns that have an overlap of more than the threshold with each other cannot be told apart by it: their runs end
    in a ``mixture``; `dmfx.interference` tells which those are.

    The end repeats with period p if every overlap at each of its steps is the same as p steps before, within the
    tolerance; the smallest p up to half of the window is found. Equal overlaps are not equal states: where ds has
    ``tokens`` these are compared instead of trusting the overlaps alone, and where it has ``change``, the distance that
    tokens move in a step, a fixed point must have changes within the tolerance. ``moving`` means that the overlaps are
    constant while the tokens are not; without either variable this is taken for a fixed point. The attribute
    ``compared`` says what was compared. A decay that is slower than the tolerance allows in a window also counts as
    a fixed point; a cycle longer than half of the window, a torus, chaos and thermal noise (system B) are
    ``irregular``. Nor is a state seen that comes after the last step.

    A run that visits patterns one after another ends in a ``cycle``; its final overlaps are means, and ``final_state``
    may be spurious although each pattern is recalled in its turn: look at ``nearest``.

    Steps of a run are brought into one block. 1000 runs of 50 steps with 1000 patterns take 0.2 s.

    References
    ----------
    .. [DN24] D'Amico & Negri, *Self-attention as an attractor network: transient memories without backpropagation*,
       arXiv:2409.16112 (2024).

    Examples
    --------
    >>> run = np.array([[0.6, 0.1], [0.9, 0.1], [0.85, 0.2], [0.5, 0.7], [0.2, 0.9], [0.2, 0.9]])
    >>> found = dmfx.recall(xr.Dataset({"overlap": (("step", "pattern"), run)}), window=2)
    >>> found.nearest.values, found.lifetime.values, found.lifetime_ended.values
    (array([0, 0, 0, 1, 1, 1]), array([2, 2]), array([1, 0], dtype=int8))
    >>> found.final_nearest.item(), found.final_kind.item(), found.final_state.item()
    (1, 0, 0)
    """
    problems = Problems("recall")
    own = None if isinstance(patterns, (np.ndarray, xr.DataArray)) else own_variable(ds, variable)
    if own is not None and patterns is not None:
        problems.say(f"patterns must be left out for {own!r}, which has the overlap of each run with one of its own")
    followed = ds if own is None else _with_pattern(ds[own])
    overlaps = pick_overlaps(problems, followed, own or variable, None if own else patterns)
    given, threshold = threshold, check_threshold(problems, threshold)
    tolerance = problems.real("tolerance", tolerance, minimum=0.0)
    if not isinstance(absolute, (bool, np.bool_)):
        problems.add("absolute", "True or False", absolute, is_type=True)
    steps = 1 if overlaps is None else overlaps.array.sizes["step"]
    window = min(steps, max(FEWEST, steps // PART)) if window is None else problems.count("window", window)
    if window > steps:
        problems.say(f"window must be at most the number of steps, {steps}, not {window}")
    if overlaps is None:
        problems.raise_any()
    array = overlaps.array
    sweep = array.dims[: -2 if overlaps.configurations is None else -3]
    check_no_dims(problems, sweep, INNER)
    targets = targets_of(problems, ds, sweep) if own is None else xr.DataArray(0)
    if overlaps.configurations is not None and not _same_labels(patterns):
        targets = None  # they are labels of other patterns
    states = _states(problems, ds, array, sweep)
    times = step_times(problems, array)
    problems.raise_any()
    warn_if_alike(given, ds.get("patterns") if overlaps.configurations is None else _compared(overlaps, array))

    shared = Following(
        threshold,
        bool(absolute),
        window,
        tolerance,
        times,
        overlaps.labels,
        overlaps.unknown,
        overlaps.configurations,
        array.sizes.get("token", 0),
        "" if states is None else states.name,
        targets is not None,
    )
    more = [whole(each, *INNER) for each in (states, targets) if each is not None]
    results = results_of(shared, array.sizes["step"])
    found = call_blocks(follow_block, shared, whole(array, *INNER), *more, inner=INNER, results=results)
    if own is not None:
        found = {name: found[name] for name in OF_OWN}
    elif targets is not None and (stored := stored_targets(ds, targets, array.name)) is not None:
        found["correct"] = found["correct"].where(stored | (found["correct"] > 1), NOT_STORED)
    compared = array.name if states is None else f"{array.name} and {states.name}"
    attrs = {"variable": str(array.name), "threshold": threshold, "window": window}
    return assemble(ds, _labelled(found, array, overlaps, attrs, str(compared)))


def _with_pattern(array: xr.DataArray) -> xr.Dataset:
    """Overlaps of each run with a pattern of its own as those with one pattern, 0."""
    return array.drop_vars("pattern", errors="ignore").expand_dims(pattern=[0]).transpose(..., "pattern").to_dataset()


def _compared(overlaps: Overlaps, array: xr.DataArray) -> xr.DataArray:
    """The configurations that states are compared with."""
    values = overlaps.configurations
    return xr.DataArray(values.reshape(len(values), *array.shape[-2:]), dims=("pattern", "token", "component"))


def _same_labels(patterns: object) -> bool:
    return isinstance(patterns, xr.DataArray) and "pattern" in patterns.coords


def _states(problems: Problems, ds: xr.Dataset, array: xr.DataArray, sweep: tuple) -> xr.DataArray | None:
    """What tells whether states are the same where the overlaps are: the tokens, or else their changes."""
    if array.name == "tokens":
        return None
    for name, inner in (("tokens", ("step", "token", "component")), ("change", ("step",))):
        if name in ds and name != array.name and set(inner) <= set(ds[name].dims):
            if extra := set(ds[name].dims) - {*sweep, *inner}:
                problems.say(f"ds must have {name!r} along dims of the runs, but {', '.join(map(str, extra))} is none")
                return None
            dims = [dim for dim in sweep if dim in ds[name].dims]
            return ds[name].transpose(*dims, *inner).astype(np.float64, copy=False)
    return None


def _labelled(found: dict, array: xr.DataArray, overlaps: Overlaps, attrs: dict, compared: str) -> dict:
    """The results with labels of steps and patterns, and what they were made from."""
    for name, result in found.items():
        if "step" in result.dims and "step" in array.coords:
            result = result.assign_coords(step=array["step"])
        if "pattern" in result.dims:
            coord = array["pattern"] if overlaps.configurations is None else ("pattern", overlaps.labels)
            result = result.assign_coords(pattern=coord)
        result.attrs = attrs | ({"compared": compared} if name in ("final_kind", "final_period") else {})
        found[name] = result
    return found
