"""Fourier amplitudes and power spectra of the overlaps."""

from __future__ import annotations

from functools import partial

import numpy as np
import xarray as xr

from dmfx.analysis._labelled import assemble, map_blocks, map_rows, pick_patterns, spacing, trajectory, whole_steps
from dmfx.validation import Problems

__all__ = ["fft", "power_spectrum"]


def fft(
    ds: xr.Dataset,
    *,
    variable: str = "m_o_semantic",
    pattern: int | None = None,
    window: str | tuple = "boxcar",
    detrend: bool = True,
) -> xr.Dataset:
    """Complex amplitude of each Fourier component of each overlap.

    Scaled so that a·cos(2πft + φ), t counted from the first step of ``ds``, gives the amplitude a·exp(iφ)
    at f, for f one of the frequencies of the result, 0 < f < 1/2::

        amplitude(f) = 2 / Σ_t w(t) · Σ_t w(t) x(t) exp(-2πift)

    with window w; without the 2 at f = 0, where it is the mean, and at f = 1/2, where it is a·cos φ.

    Parameters
    ----------
    ds
        Trajectories from `dmfx.simulate`, lazy or not.
    variable
        Which variable with dims (..., step, pattern); ``overlap``, of vector spins, where the default is missing.
    pattern
        One pattern, a label of the ``pattern`` coordinate; all of them by default.
    window
        A window of `scipy.signal.get_window`, by name or as (name, parameter).
    detrend
        Subtract the mean first, which leaves nothing at f = 0.

    Returns
    -------
    xr.Dataset
        Lazy if and only if the input is. ``amplitude`` (..., frequency, pattern), complex, in units of the
        variable, over ``frequency`` from 0 to 1/2 in cycles per step, and ``status``.
        NaN for points that diverged.

    Raises
    ------
    TypeError, ValueError
        For wrong arguments, all of them named in one message.

    Notes
    -----
    All steps of a point are brought into one block.

    Examples
    --------
    >>> import numpy as np, xarray as xr
    >>> from dmfx.analysis import fft
    >>> orbit = 0.5 + 0.25 * np.cos(np.pi / 2 * np.arange(8))
    >>> ds = xr.Dataset({"m_o_semantic": (("step", "pattern"), orbit[:, None])})
    >>> amplitude = fft(ds, detrend=False).amplitude.isel(pattern=0)
    >>> amplitude.frequency.values, abs(amplitude).values.round(12)
    (array([0.   , 0.125, 0.25 , 0.375, 0.5  ]), array([0.5 , 0.  , 0.25, 0.  , 0.  ]))
    """
    problems = Problems("fft")
    array = trajectory(problems, ds, variable)
    picked = pick_patterns(problems, array, pattern)
    apart = spacing(problems, array)
    _check_window(problems, window)
    if not isinstance(detrend, (bool, np.bool_)):
        problems.add("detrend", "True or False", detrend, is_type=True)
    problems.raise_any()

    task = partial(_amplitude_block, window=window, detrend=bool(detrend))
    result = _over_frequency(task, picked, array.sizes["step"], apart, np.complex128)
    result.attrs = {"variable": array.name, "window": str(window), "detrend": int(detrend)}
    return assemble(ds, {"amplitude": result})


def power_spectrum(
    ds: xr.Dataset,
    *,
    variable: str = "m_o_semantic",
    pattern: int | None = None,
    window: str | tuple = "hann",
    segment: int | None = None,
) -> xr.Dataset:
    """One-sided power spectral density S(f) of each overlap, its mean subtracted.

    The integral of S over the frequencies, 0 to 1/2, is the variance: exactly with the boxcar window, on
    average with others. Sharp lines mean a periodic or quasi-periodic orbit, a broad band chaos.

    Parameters
    ----------
    ds
        Trajectories from `dmfx.simulate`, lazy or not.
    variable
        Which variable with dims (..., step, pattern); ``overlap``, of vector spins, where the default is missing.
    pattern
        One pattern, a label of the ``pattern`` coordinate; all of them by default.
    window
        A window of `scipy.signal.get_window`, by name or as (name, parameter).
    segment
        Average over segments of so many steps that overlap by half, each less its own mean (Welch's method):
        a smoother spectrum of lower resolution. By default, the periodogram of all steps.

    Returns
    -------
    xr.Dataset
        Lazy if and only if the input is. ``power`` (..., frequency, pattern), in squared units of the
        variable times steps, over ``frequency`` in cycles per step, and ``status``.
        NaN for points that diverged.

    Raises
    ------
    TypeError, ValueError
        For wrong arguments, all of them named in one message.

    Notes
    -----
    By `scipy.signal.periodogram` and `scipy.signal.welch`. All steps of a point are brought into one block.

    Examples
    --------
    >>> import numpy as np, xarray as xr
    >>> from dmfx.analysis import power_spectrum
    >>> orbit = np.cos(np.pi / 2 * np.arange(8))
    >>> ds = xr.Dataset({"m_o_semantic": (("step", "pattern"), orbit[:, None])})
    >>> power = power_spectrum(ds, window="boxcar").power.isel(pattern=0)
    >>> power.values.round(12), round(float(power.sum()) / 8, 12), orbit.var().round(12).item()
    (array([0., 0., 4., 0., 0.]), 0.5, 0.5)
    """
    problems = Problems("power_spectrum")
    array = trajectory(problems, ds, variable)
    picked = pick_patterns(problems, array, pattern)
    apart = spacing(problems, array)
    _check_window(problems, window)
    if segment is not None:
        segment = problems.count("segment", segment, minimum=2)
        if array is not None and segment > array.sizes["step"]:
            problems.add("segment", f"at most the number of steps, {array.sizes['step']}", segment)
    problems.raise_any()

    length = segment or array.sizes["step"]
    task = partial(_power_block, window=window, length=length, apart=apart)
    result = _over_frequency(task, picked, length, apart, np.float64)
    result.attrs = {"variable": array.name, "window": str(window), "segment": length}
    return assemble(ds, {"power": result})


def _check_window(problems: Problems, window: object) -> None:
    from scipy.signal import get_window

    expected = "a window of scipy.signal.get_window, by name or as (name, parameter)"
    if not isinstance(window, (str, tuple)):
        problems.add("window", expected, window, is_type=True)
        return
    try:
        get_window(window, 8)
    except Exception:  # what scipy raises depends on the window and on what is wrong with its parameters
        problems.add("window", expected, window)


def _over_frequency(task: partial, array: xr.DataArray, length: int, apart: float, dtype: type) -> xr.DataArray:
    """Run a task that turns steps into the frequencies of a series of some length, its values ``apart`` in time."""
    frequencies = np.fft.rfftfreq(length, apart)
    patterns = array.sizes["pattern"]
    result = map_blocks(task, whole_steps(array), step=frequencies.size, pattern=patterns, dtype=dtype)
    return result.rename(step="frequency").assign_coords(frequency=frequencies, pattern=array["pattern"])


def _amplitude_block(block: np.ndarray, *, window: str | tuple, detrend: bool) -> np.ndarray:
    from scipy.signal import get_window

    steps = block.shape[-2]
    weights = get_window(window, steps)
    weights /= weights.sum()
    transform = partial(_amplitude, weights=weights, detrend=detrend)
    return map_rows(transform, block, steps // 2 + 1, np.complex128)


def _amplitude(series: np.ndarray, weights: np.ndarray, detrend: bool) -> np.ndarray:
    from scipy import fft

    steps = series.shape[-1]
    if detrend:
        series -= series.mean(axis=-1, keepdims=True)
    series *= weights
    spectrum = fft.rfft(series, axis=-1)
    spectrum[..., 1 : (steps + 1) // 2] *= 2
    return spectrum


def _power_block(block: np.ndarray, *, window: str | tuple, length: int, apart: float) -> np.ndarray:
    transform = partial(_power, window=window, length=length, apart=apart)
    return map_rows(transform, block, length // 2 + 1, np.float64)


def _power(series: np.ndarray, window: str | tuple, length: int, apart: float) -> np.ndarray:
    from scipy.signal import periodogram, welch

    if length == series.shape[-1]:
        return periodogram(series, fs=1 / apart, window=window, axis=-1)[1]
    return welch(series, fs=1 / apart, window=window, nperseg=length, axis=-1)[1]
