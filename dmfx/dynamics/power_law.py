"""Power laws y = amplitude · x^exponent, fitted as straight lines on logarithmic axes."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

__all__ = ["PowerLaw", "power_law"]


class PowerLaw(NamedTuple):
    """A fitted power law for each row of values.

    Attributes
    ----------
    exponent, log_amplitude
        Shape (...): log y = log_amplitude + exponent · log x.
    covariance
        Shape (..., 2, 2), of the two in this order.
    count
        Shape (...), points that the fit rests on.
    """

    exponent: np.ndarray
    log_amplitude: np.ndarray
    covariance: np.ndarray
    count: np.ndarray

    @property
    def amplitude(self) -> np.ndarray:
        """What the law says at x = 1."""
        return np.exp(self.log_amplitude)


def power_law(x: np.ndarray, y: np.ndarray, relative_error: np.ndarray | None = None) -> PowerLaw:
    """Fit power laws by least squares of log y, weighted by its errors.

    Parameters
    ----------
    x
        Shape (n,).
    y
        Shape (..., n). Points where x or y is not a finite number above 0 are left out.
    relative_error
        Standard errors of log y, that is of y divided by y, shape (..., n) or one that is broadcast to it. Points where
        it is not a finite number above 0 are left out. None weights all points alike.

    Returns
    -------
    PowerLaw
        Everything is NaN where fewer than two values of x are left. With errors the covariance is what they say,
        whether the points lie on a line or not. Without, it is that of the scatter about the line, and NaN for
        two points, which have none.

    Notes
    -----
    The exponent and the log of the amplitude are linear in log y; the coefficients depend on x and the errors only.

    Examples
    --------
    >>> fit = power_law(np.array([1.0, 10.0, 100.0]), np.array([2.0, 0.2, 0.02]))
    >>> float(fit.exponent.round(12)), float(fit.amplitude.round(12))
    (-1.0, 2.0)
    """
    x, y = np.asarray(x, float), np.asarray(y, float)
    error = np.ones_like(y) if relative_error is None else np.broadcast_to(np.asarray(relative_error, float), y.shape)
    used = _positive(x) & _positive(y) & _positive(error)
    log_x = np.log(np.where(_positive(x), x, 1.0))
    log_y = np.log(np.where(used, y, 1.0))
    # In units of the smallest error of a row, so that squares neither overflow nor vanish.
    unit = np.min(np.where(used, error, np.inf), axis=-1, keepdims=True, initial=np.inf)
    unit = np.where(np.isfinite(unit), unit, 1.0)
    weight = np.where(used, (unit / np.where(used, error, 1.0)) ** 2, 0.0)
    count = used.sum(axis=-1)
    first = np.min(np.where(used, log_x, np.inf), axis=-1, initial=np.inf)
    last = np.max(np.where(used, log_x, -np.inf), axis=-1, initial=-np.inf)
    known = first < last
    with np.errstate(all="ignore"):
        total = weight.sum(axis=-1)
        middle = (weight * log_x).sum(axis=-1) / total
        apart = np.where(used, log_x - middle[..., None], 0.0)
        spread = (weight * apart**2).sum(axis=-1)
        exponent = np.where(known, (weight * apart * log_y).sum(axis=-1) / spread, np.nan)
        height = (weight * log_y).sum(axis=-1) / total  # on the line, at the middle
        scale = unit[..., 0] ** 2
        if relative_error is None:
            off = np.where(used, log_y - height[..., None] - exponent[..., None] * apart, 0.0)
            scale = np.where(count > 2, (off**2).sum(axis=-1) / (count - 2), np.nan)
        slope = scale / spread
        covariance = np.stack(
            [
                np.stack([slope, -middle * slope], axis=-1),
                np.stack([-middle * slope, scale / total + middle**2 * slope], axis=-1),
            ],
            axis=-2,
        )
    covariance = np.where(known[..., None, None], covariance, np.nan)
    return PowerLaw(exponent, height - exponent * middle, covariance, count)


def _positive(values: np.ndarray) -> np.ndarray:
    return np.isfinite(values) & (values > 0)
