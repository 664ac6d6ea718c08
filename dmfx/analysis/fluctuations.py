"""How much replicas of a finite network differ, and how that falls with its size."""

from __future__ import annotations

import numpy as np
import xarray as xr

from dmfx.analysis._labelled import assemble, positive, trajectory
from dmfx.analysis._whole import call_blocks, whole
from dmfx.dynamics.power_law import power_law
from dmfx.validation import Problems

__all__ = ["fluctuations"]

#: Variables of the fit, in order.
FIT = ("fluctuation_exponent", "fluctuation_exponent_error", "fluctuation_amplitude")


def fluctuations(
    ds: xr.Dataset,
    *,
    variable: str = "m_o_semantic",
    min_size: float | None = None,
    max_size: float | None = None,
) -> xr.Dataset:
    """Standard deviation between replicas of a network, and the power of the number of spins that it falls with.

    With the R replicas m_r(t) of a point, which differ in nothing but the thermal noise, at equal steps t::

        fluctuation² = ⟨ 1/(R-1) Σ_r [m_r(t) - m̄(t)]² ⟩     m̄(t) the mean over r, ⟨ ⟩ that over the steps

    and ``fluctuation = fluctuation_amplitude · N^fluctuation_exponent``, fitted to the sizes N as a straight line on
    logarithmic axes, weighted by the errors.

    Parameters
    ----------
    ds
        Trajectories from ``dmfx.simulate(..., size=[...], replica=range(20))``, lazy or not; at least two replicas.
    variable
        Which variable with dims (..., step, pattern); ``overlap``, of vector spins, where the default is missing.
    min_size, max_size
        Smallest and largest number of spins that the fit takes; by default all finite sizes.

    Returns
    -------
    xr.Dataset
        Lazy if and only if the input is. With ``...`` for the sweep dims but size and replica:

        - ``fluctuation`` (..., [size], pattern), and ``fluctuation_error``, its standard error, NaN with fewer than
          three replicas;
        - ``fluctuation_exponent``, ``fluctuation_amplitude`` (..., pattern), the fit, and
          ``fluctuation_exponent_error``;
        - ``status``.

        Replicas with a NaN or an infinity at any step, in any pattern, are left out at that point; where fewer than two
        are left the fluctuation is NaN. The fit takes the finite sizes whose fluctuation is above 0, and is NaN for
        fewer than two of them. Its error is NaN if one of them has fewer than three replicas, and all of them then have
        the same weight.

    Raises
    ------
    TypeError, ValueError
        For wrong arguments, all of them named in one message.

    Notes
    -----
    The exponent is -1/2 where the attractor is stable, such as a fixed point or a periodic orbit: each step adds noise
    of a variance of order 1/N, and the map forgets it. Where the map does not forget, the fluctuation is as large as
    the attractor is wide and hardly depends on the size: replicas of a chaotic network lose each other after about
    log(N) / 2λ steps. On a torus the phase performs a random walk, so that the fluctuation over T steps grows as
    (T/N)^1/2 until it is as wide as the torus: it flattens at small sizes first, and the earlier the longer the run.
    Replicas also differ where noise decides which of several attractors they are on.

    Both errors are from the jackknife over replicas [1]_: the whole calculation without each of them in turn, at all
    sizes at once. So they are right whatever the correlation of successive steps, and for replicas that have the
    same noise at all sizes too. With R replicas an error is known to a part 1/√(2R) of itself or so. They do not tell
    whether there is a power law at all: look at `dmfx.plot.fluctuations`. Sizes whose replicas are all over the
    attractor have small errors and pull the line towards them: leave them out by ``min_size``.

    All steps and replicas of a point are brought into one block.

    References
    ----------
    .. [1] Efron & Stein, Ann. Stat. 9, 586 (1981).

    Examples
    --------
    >>> import numpy as np, xarray as xr
    >>> from dmfx.analysis import fluctuations
    >>> size = np.array([100.0, 10_000.0])
    >>> noise = np.random.default_rng(0).normal(size=(2, 10, 500, 1)) / np.sqrt(size)[:, None, None, None]
    >>> ds = xr.Dataset({"m_o_semantic": (("size", "replica", "step", "pattern"), noise)}, {"size": size})
    >>> found = fluctuations(ds)
    >>> found.fluctuation.squeeze().values.round(3), found.fluctuation_exponent.values.round(2)
    (array([0.1 , 0.01]), array([-0.5]))
    """
    problems = Problems("fluctuations")
    array = trajectory(problems, ds, variable)
    low, high = (
        default if given is None else positive(problems, argument, given)
        for argument, given, default in (("min_size", min_size, 0.0), ("max_size", max_size, np.inf))
    )
    if low > high:
        problems.say(f"min_size must be at most max_size, but {low:g} is above {high:g}")
    sizes = _sizes(problems, array)
    taken = np.isfinite(sizes) & (sizes >= low) & (sizes <= high)
    bounded = min_size is not None or max_size is not None
    if bounded and not problems.messages and taken.sum() < 2:
        problems.say(f"min_size and max_size must leave at least two finite sizes, but leave {taken.sum()}")
    if array is not None and array.sizes.get("replica", 1) < 2:
        problems.say("ds must have at least two replicas: dmfx.simulate(..., size=..., replica=range(20))")
    problems.raise_any()

    patterns, replicas = array.sizes["pattern"], array.sizes["replica"]
    deviations = call_blocks(
        _deviation_block,
        None,
        whole(array, "replica", "step", "pattern").transpose(..., "replica", "step", "pattern"),
        inner=("replica", "step", "pattern"),
        results={"deviation": (("replica", "pattern"), (replicas, patterns), np.float64)},
    )["deviation"]
    has_size = "size" in array.dims
    if not has_size:
        deviations = deviations.drop_vars("size", errors="ignore").expand_dims("size")
    per_size = ("size", "pattern"), (len(taken), patterns), np.float64
    found = call_blocks(
        _fluctuation_block,
        (sizes, taken),
        deviations.transpose(..., "size", "replica", "pattern"),
        inner=("size", "replica", "pattern"),
        results={
            "fluctuation": per_size,
            "fluctuation_error": per_size,
            **dict.fromkeys(FIT, (("pattern",), (patterns,), np.float64)),
        },
    )
    for name, result in found.items():
        attrs = {"variable": array.name}
        if "size" in result.dims:
            result = result if has_size else result.isel(size=0, drop=True)
            result = result.assign_coords({"size": array["size"]} if "size" in array.coords else {})
        else:
            attrs |= {"min_size": low} if min_size is not None else {}
            attrs |= {"max_size": high} if max_size is not None else {}
        found[name] = result.assign_coords(pattern=array["pattern"])
        found[name].attrs = attrs
    return assemble(ds, found)


def _sizes(problems: Problems, array: xr.DataArray | None) -> np.ndarray:
    """Numbers of spins along the dim size; one unknown number without that dim."""
    if array is None or "size" not in array.dims:
        return np.full(1, np.nan)
    if "size" not in array.coords or array["size"].dtype.kind not in "iuf" or not (array["size"].values > 0).all():
        problems.say("ds must have numbers above 0 for coordinate of size")
        return np.full(array.sizes["size"], np.nan)
    return array["size"].values.astype(float)


def _deviation_block(_: None, runs: np.ndarray) -> tuple[np.ndarray]:
    """Mean square over the steps of what each replica is off their mean: (..., replica, step, pattern) without step."""
    result = np.full((*runs.shape[:-2], runs.shape[-1]), np.nan)
    for point in np.ndindex(runs.shape[:-3]):
        usable = np.isfinite(runs[point]).all(axis=(1, 2))
        if usable.sum() < 2:
            continue
        # From the first replica, so that equal ones have no deviation at all; in C order, so that sums have one order.
        off = np.array(runs[point][usable], order="C")
        off -= off[0].copy()
        off -= off.mean(axis=0)
        np.square(off, out=off)
        result[point][usable] = off.mean(axis=1)
    return (result,)


def _fluctuation_block(shared: tuple[np.ndarray, np.ndarray], deviations: np.ndarray) -> tuple[np.ndarray, ...]:
    """Fluctuations of blocks (..., size, replica, pattern) of mean squares, and their fits."""
    sizes, taken = shared
    sweep, patterns = deviations.shape[:-3], deviations.shape[-1]
    fluctuation = np.full((*sweep, len(sizes), patterns), np.nan)
    error = np.full_like(fluctuation, np.nan)
    fit = np.full((len(FIT), *sweep, patterns), np.nan)
    for point in np.ndindex(sweep):
        for pattern in range(patterns):
            at = (*point, slice(None), pattern)
            squares = np.array(deviations[point][..., pattern], order="C")
            whole_sample, without = _jackknife(squares)
            fluctuation[at] = whole_sample
            error[at] = [_spread(each[known]) for each, known in zip(without, np.isfinite(squares), strict=True)]
            fit[(slice(None), *point, pattern)] = _fit(
                sizes[taken], whole_sample[taken], error[at][taken], without[taken], np.isfinite(squares[taken])
            )
    return fluctuation, error, *fit


def _jackknife(squares: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Fluctuations (size) from mean squares (size, replica), and those without each replica (size, replica).

    Without replica r, the sum of the squares about the mean of the others is less by R/(R-1) times the square of r.
    """
    known = np.isfinite(squares)
    count = known.sum(axis=1)
    squares = np.where(known, squares, 0.0)
    with np.errstate(all="ignore"):
        total = np.array([row.sum() for row in squares])
        all_of_them = np.sqrt(np.where(count > 1, total / (count - 1), np.nan))
        left = total[:, None] - (count / (count - 1))[:, None] * squares
        without = np.sqrt(np.maximum(left, 0.0) / (count - 2)[:, None])
    without = np.where(known, without, all_of_them[:, None])
    return all_of_them, np.where((count > 2)[:, None], without, np.nan)


def _spread(without: np.ndarray) -> float:
    """Standard error of a statistic from its values without each replica."""
    if without.size == 0:
        return np.nan
    return float(np.sqrt((without.size - 1) * np.mean((without - without.mean()) ** 2)))


def _fit(
    sizes: np.ndarray, fluctuation: np.ndarray, error: np.ndarray, without: np.ndarray, known: np.ndarray
) -> tuple[float, float, float]:
    """Exponent, its error and the amplitude of one pattern; ``without`` and ``known`` have shape (size, replica)."""
    used = np.isfinite(fluctuation) & (fluctuation > 0)
    if used.sum() < 2:
        return np.nan, np.nan, np.nan
    sizes, fluctuation, error, without, known = (each[used] for each in (sizes, fluctuation, error, without, known))
    relative = error / fluctuation
    weighted = np.isfinite(relative).all() and (relative > 0).all()
    fit = power_law(sizes, fluctuation, relative if weighted else None)
    exponents = power_law(sizes, without.T, relative if weighted else None).exponent
    complete = np.isfinite(without).all() and (without > 0).all()
    taken_part = known.any(axis=0)
    spread = _spread(exponents[taken_part]) if complete else np.nan
    return float(fit.exponent), spread, float(fit.amplitude)
