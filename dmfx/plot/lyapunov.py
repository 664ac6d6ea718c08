"""Picture of Lyapunov exponents."""

from __future__ import annotations

from typing import Any

import numpy as np
import xarray as xr

from dmfx import analysis
from dmfx.plot import _style
from dmfx.plot._exponents import exponent_range, exponents_over, exponents_over_time, range_over_time, shown
from dmfx.plot._inputs import analysed, axis, dataset, default_axis, has_dims, held, panels, pixels, sweep
from dmfx.plot._layout import arrange
from dmfx.plot._shading import extent

__all__ = ["lyapunov"]

#: The axis of the number of spins goes on by this factor.
ROOM = 1.6


def lyapunov(
    ds: xr.Dataset,
    n: int | None = None,
    *,
    x: str | None = None,
    lowest: float | None = None,
    width: int = 900,
    height: int = 420,
    columns: int = 1,
    steps: int | None = None,
    transient: int | None = None,
    every: int | None = None,
    windows: int | None = None,
) -> Any:
    """Draw Lyapunov exponents over a parameter, or how they converge.

    λ₁ is the largest. Bands hold 95 % by the standard error, a dashed line is at zero. Replicas of finite networks are
    averaged, with the standard error between them; over the number of spins, dotted lines are at the exponents of the
    mean field.

    Parameters
    ----------
    ds
        Final states, for which `dmfx.lyapunov` is computed first, or what that or `dmfx.classify` returned.
    n
        How many exponents to draw, the largest ones; by default all that there are.
    x
        Sweep dim along the horizontal axis, every other one gives panels; or ``"window"`` for the running estimates
        over the steps, with those of each window as dots and a band around what they end in. By default ``"beta"``, or
        else a dim of several points, or ``"window"`` if there is only one point.
    lowest
        Lower end of the vertical axis, in nats per step. By default three times as far below zero as the largest
        exponent is above it, so that very negative exponents do not hide those near zero; over the steps, far enough
        for the dots of every exponent that is seen. Triangles at an end of the axis stand for dots beyond it.
    width, height
        Pixels of each panel.
    columns
        Panels side by side.
    steps, transient, every, windows
        As of `dmfx.lyapunov`, with its defaults; only for final states.

    Returns
    -------
    hv.Overlay or hv.Layout
        A `hv.Curve` for each exponent in each panel.

    Raises
    ------
    TypeError, ValueError
        For wrong arguments and for more than 12 panels.

    Examples
    --------
    >>> from dmfx import plot
    >>> spectrum = xr.Dataset({"lyapunov": (("beta", "exponent"), [[-0.1, -0.3], [0.1, -0.2]])}, {"beta": [1.2, 1.3]})
    >>> [curve.label for curve in plot.lyapunov(spectrum) if curve.label]
    ['λ₁', 'λ₂']
    """
    problems = dataset("plot.lyapunov", ds)
    width, height = pixels(problems, width, height)
    columns = problems.count("columns", columns)
    n = None if n is None else problems.count("n", n)
    lowest = None if lowest is None else problems.real("lowest", lowest)
    options = {"steps": steps, "transient": transient, "every": every, "windows": windows}
    if "lyapunov" not in ds:
        problems.raise_any()
        options["n"] = n
    result = analysed(problems, ds, "lyapunov", lambda ds, **given: analysis.lyapunov(ds, **given), options)
    has_dims(problems, result["lyapunov"], "exponent")
    sizes = {dim: size for dim, size in result["lyapunov"].sizes.items() if dim != "exponent" and size > 1}
    if x is None:
        converging = not sizes and "lyapunov_running" in result
        x = "window" if converging else default_axis(result["lyapunov"], "exponent", "replica")
    if x == "window":
        array, is_dim = held(problems, result, "lyapunov_running", "window", "exponent"), True
    else:
        array = result["lyapunov"]
        is_dim = axis(problems, "x", x, array, "exponent", also=", or 'window'", infinite=x == "size")
    if n is not None and n > array.sizes["exponent"]:
        problems.say(f"n must be at most the number of exponents that ds has, {array.sizes['exponent']}, not {n}")
    if is_dim:
        sweep(problems, array, x, "exponent", *([] if x == "window" else ["replica"]))
    problems.raise_any()

    names = ["lyapunov", "lyapunov_error"]
    if x == "window":
        names += ["lyapunov_running", "finite_time_lyapunov"]
    drawn = result[[name for name in names if name in result]].isel(exponent=slice(n)).compute()
    if drawn.sizes.get("replica", 1) > 1 and x not in ("replica", "window"):
        drawn = _over_replicas(drawn)
    _style.load()
    values = drawn["lyapunov_running" if x == "window" else "lyapunov"]
    y_range = range_over_time(drawn, lowest) if x == "window" else exponent_range(values, lowest)
    size = y_range, shown(values, y_range), width, height
    if x == "window":
        parts = panels(drawn, "window", "exponent")
        return arrange([exponents_over_time(title, part, *size) for title, part in parts], columns)
    drawn = drawn.sortby(x)
    along = drawn[x].values.astype(float)
    along = along[np.isfinite(along)]
    x_range = (along[0] / ROOM, along[-1] * ROOM) if x == "size" and along.size else extent(along)
    parts = panels(drawn, x, "exponent")
    return arrange([exponents_over(title, part, x, x_range, *size) for title, part in parts], columns)


def _over_replicas(ds: xr.Dataset) -> xr.Dataset:
    """Means over the replicas that are known, and their standard errors; that of each where all are the same."""
    exponents = ds["lyapunov"]
    known = exponents.notnull().sum("replica")
    mean = exponents.sum("replica", min_count=1) / known.where(known > 0)
    square = ((exponents - mean) ** 2).sum("replica") / (known - 1).where(known > 1)
    error = np.sqrt(square / known.where(known > 0))
    if "lyapunov_error" in ds:  # replicas of the mean field have no noise that could differ
        same = exponents.max("replica") == exponents.min("replica")
        error = error.where(~same, ds["lyapunov_error"].mean("replica"))
    return ds.drop_dims("replica").assign(lyapunov=mean, lyapunov_error=error)
