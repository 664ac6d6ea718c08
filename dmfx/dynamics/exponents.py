"""What follows from finite-time Lyapunov exponents: means, errors, running means, the Kaplan-Yorke dimension."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from dmfx import variables

__all__ = ["EVERY", "MOST_STEPS", "WINDOWS", "Output", "kaplan_yorke", "outputs", "summarise", "window_ends"]

#: Steps from one orthonormalisation to the next: at 4, contraction hides exponents that 2 still resolves; at 1 more are
#: seen, for 1.6 times the price.
EVERY = 2
WINDOWS = 20
#: Steps of one measurement: its plan then has some 200 MB.
MOST_STEPS = 10**7
#: Part of the mean of log |det| by which the sum of all exponents may differ from it.
UNSOUND = 1e-6


class Output(NamedTuple):
    """One variable that a task returns: the dims behind the sweep's, their sizes, and its type."""

    dims: tuple[str, ...] = ()
    shape: tuple[int, ...] = ()
    dtype: type = np.float64


def outputs(n: int, windows: int, size: int) -> dict[str, Output]:
    """What `summarise` returns; the determinant belongs to all exponents of a state with ``size`` dimensions."""
    determinant = {"mean_log_determinant": Output()} if n == size else {}
    return {
        "lyapunov": Output(("exponent",), (n,)),
        "lyapunov_error": Output(("exponent",), (n,)),
        "finite_time_lyapunov": Output(("window", "exponent"), (windows, n)),
        "lyapunov_running": Output(("window", "exponent"), (windows, n)),
        "kaplan_yorke_dimension": Output(),
    } | determinant


def window_ends(transient: int, steps: int, windows: int) -> np.ndarray:
    """Label of each window: its last step."""
    return transient + np.round(np.linspace(0, steps, windows + 1)).astype(np.int64)[1:] - 1


def summarise(
    finite_time: np.ndarray, lengths: np.ndarray, log_determinant: np.ndarray, status: np.ndarray, size: int
) -> tuple[tuple[np.ndarray, ...], np.ndarray]:
    """Means, errors and running means of finite-time exponents, and what follows from them.

    Parameters
    ----------
    finite_time
        Shape (point, window, vector).
    lengths
        Steps of each window.
    log_determinant
        Mean of log |det|, shape (point,); NaN if not known.
    status
        `STATUS` of the points after the run; those that failed get NaN.
    size
        Dimensions of the state.

    Returns
    -------
    results : tuple
        In the order of `outputs`.
    status : np.ndarray
        That of points that lost exponents, or whose exponents do not add up to the mean of log |det|, is underflow.
    """
    ok = status == variables.STATUS.index("ok")
    finite_time = np.where(ok[:, None, None], finite_time, np.nan)
    log_determinant = np.where(ok, log_determinant, np.nan)
    totals = (finite_time * lengths[:, None]).cumsum(axis=1)
    running = totals / lengths.cumsum()[:, None]
    mean = running[:, -1]
    weight = lengths / lengths.sum()
    spread = (weight[:, None] * (finite_time - mean[:, None]) ** 2).sum(axis=1)
    error = np.sqrt(spread / (len(lengths) - 1))
    # An exponent is lost as a whole where one window is. What is left is sorted: nearly equal ones may come out in
    # either order.
    order = np.argsort(-mean, axis=1, kind="stable")
    lost = np.isnan(mean)
    mean, error = (np.take_along_axis(each, order, axis=1) for each in (mean, error))
    finite_time, running = (
        np.where(np.isnan(mean)[:, None], np.nan, np.take_along_axis(each, order[:, None], axis=2))
        for each in (finite_time, running)
    )
    # All exponents are there, but do not add up: some vectors were mixed up by rounding without becoming too short.
    sums = mean.sum(axis=1)
    unsound = np.abs(sums - log_determinant) > UNSOUND * np.maximum(1, np.abs(log_determinant))
    results = (mean, error, finite_time, running, kaplan_yorke(mean, size, error))
    full = (log_determinant,) if mean.shape[1] == size else ()
    underflow = ok & (lost.any(axis=1) | unsound)
    return (*results, *full), np.where(underflow, variables.STATUS.index("underflow"), status)


def kaplan_yorke(exponents: np.ndarray, size: int, error: np.ndarray | float = 0.0) -> np.ndarray:
    """The dimension k + (λ_1 + ... + λ_k) / |λ_{k+1}| with the largest k whose sum is not negative.

    Parameters
    ----------
    exponents
        Shape (..., exponent), in descending order; NaN from the first that is not known.
    size
        Dimensions of the state.
    error
        Standard errors; an exponent within two of them is taken for zero, so that a torus has its dimension.

    Returns
    -------
    np.ndarray
        Shape (...): 0 where the largest exponent is negative, ``size`` where no sum is, NaN where it is not known.
    """
    known = np.isfinite(exponents)
    exponents = np.where(np.abs(exponents) <= 2 * error, 0.0, exponents)
    sums = np.where(known, exponents, -np.inf).cumsum(axis=-1)
    k = (sums >= 0).sum(axis=-1)
    n = exponents.shape[-1]
    before = np.take_along_axis(np.concatenate([np.zeros_like(sums[..., :1]), sums], axis=-1), k[..., None], axis=-1)
    following = np.take_along_axis(exponents, np.minimum(k, n - 1)[..., None], axis=-1)
    with np.errstate(invalid="ignore", divide="ignore", over="ignore"):
        dimension = (k[..., None] + before / -following)[..., 0]
    complete = (k == n) & (n == size)
    return np.where(complete, float(size), np.where(k == n, np.nan, dimension))
