"""Autocorrelation of the overlaps in time."""

from __future__ import annotations

from functools import partial

import numpy as np
import xarray as xr

from dmfx.analysis._labelled import assemble, map_blocks, map_rows, pick_patterns, spacing, trajectory, whole_steps
from dmfx.validation import Problems

__all__ = ["autocorrelation"]

#: Deviations up to this part of the largest value are the rounding of the mean, not fluctuations.
ROUNDING = 64 * np.finfo(float).eps


def autocorrelation(
    ds: xr.Dataset,
    max_lag: int | None = None,
    *,
    variable: str = "m_o_semantic",
    pattern: int | None = None,
) -> xr.Dataset:
    """Normalised autocorrelation C(τ) of each overlap along the orbit.

    With δx = x - ⟨x⟩ over the T steps::

        C(τ) = [ 1/(T-τ) Σ_t δx(t) δx(t+τ) ] / [ 1/T Σ_t δx(t)² ]

    Each lag is divided by its own number of products, so an orbit of period P has C(P) = 1, exactly when T
    is a multiple of P; the price is noise at lags near T.

    Parameters
    ----------
    ds
        Trajectories from `dmfx.simulate`, lazy or not.
    max_lag
        Longest lag, counted in steps that were kept; the smaller of 1000 and half of them by default.
    variable
        Which variable with dims (..., step, pattern); ``overlap``, of vector spins, where the default is missing.
    pattern
        One pattern, a label of the ``pattern`` coordinate; all of them by default.

    Returns
    -------
    xr.Dataset
        Lazy if and only if the input is. ``autocorrelation`` (..., lag, pattern), and ``status``. NaN for
        points that diverged and where the overlap is constant to rounding: a standard deviation of at most 64
        machine epsilons times its largest absolute value.

    Raises
    ------
    TypeError, ValueError
        For wrong arguments, all of them named in one message.

    Notes
    -----
    By zero-padded FFT, O(T log T) for each series; all steps of a point are brought into one block.

    Examples
    --------
    >>> import numpy as np, xarray as xr
    >>> from dmfx.analysis import autocorrelation
    >>> orbit = np.tile([1.0, -1.0], 10)
    >>> ds = xr.Dataset({"m_o_semantic": (("step", "pattern"), orbit[:, None])})
    >>> autocorrelation(ds, 2).autocorrelation.isel(pattern=0).values.round(12)
    array([ 1., -1.,  1.])
    """
    problems = Problems("autocorrelation")
    array = trajectory(problems, ds, variable)
    picked = pick_patterns(problems, array, pattern)
    apart = spacing(problems, array)
    if max_lag is not None:
        max_lag = problems.count("max_lag", max_lag, minimum=0)
        if array is not None and max_lag >= array.sizes["step"]:
            problems.add("max_lag", f"less than the number of steps, {array.sizes['step']}", max_lag)
    problems.raise_any()

    if max_lag is None:
        max_lag = min(1000, array.sizes["step"] // 2)
    result = map_blocks(
        partial(_correlate_block, max_lag=max_lag),
        whole_steps(picked),
        step=max_lag + 1,
        pattern=picked.sizes["pattern"],
        dtype=np.float64,
    )
    result = result.rename(step="lag").assign_coords(lag=apart * np.arange(max_lag + 1), pattern=picked["pattern"])
    result.attrs = {"variable": array.name}
    return assemble(ds, {"autocorrelation": result})


def _correlate_block(block: np.ndarray, *, max_lag: int) -> np.ndarray:
    return map_rows(partial(_correlate, max_lag=max_lag), block, max_lag + 1, np.float64)


def _correlate(series: np.ndarray, max_lag: int) -> np.ndarray:
    """C(τ) of each series along the last axis, by the Wiener–Khinchin theorem."""
    from scipy import fft

    steps = series.shape[-1]
    largest = np.abs(series).max(axis=-1, keepdims=True)
    series -= series.mean(axis=-1, keepdims=True)
    variance = np.mean(series**2, axis=-1, keepdims=True)
    size = fft.next_fast_len(steps + max_lag, real=True)  # room for the lags not to wrap around
    spectrum = fft.rfft(series, size, axis=-1)
    sums = fft.irfft(spectrum.real**2 + spectrum.imag**2, size, axis=-1)[..., : max_lag + 1]
    result = sums / (steps - np.arange(max_lag + 1)) / variance
    return np.where(np.sqrt(variance) > ROUNDING * largest, result, np.nan)
