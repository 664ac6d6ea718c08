"""The overlap that counts as recall, and whether it can tell the stored patterns apart."""

from __future__ import annotations

import os
import sys
import warnings
from pathlib import Path

import numpy as np
import xarray as xr

from dmfx.validation import Problems

__all__ = ["THRESHOLD", "check_threshold", "warn_if_alike"]

#: Overlap that counts as recall where no other is given.
THRESHOLD = 0.8

DIMS = ("pattern", "token", "component")
#: More patterns than this are not compared: that would take long beside the analysis.
MOST = 2000
#: Patterns that overlap by more than this are copies.
COPIES = 0.9999
#: Files of this package, which are not where a user's call is.
PACKAGE = f"{Path(__file__).parents[1]}{os.sep}"


def check_threshold(problems: Problems, threshold: object) -> float:
    """The threshold as a number; None stands for the default."""
    return problems.real("threshold", THRESHOLD if threshold is None else threshold)


def warn_if_alike(threshold: object, patterns: object) -> None:
    """Warn where no threshold was given and the default one cannot tell patterns apart.

    Parameters
    ----------
    threshold
        As it was given: nothing is done unless it is None.
    patterns
        A DataArray (pattern, token, component) in memory; anything else, as the None of a dataset without patterns, is
        not looked at.
    """
    if threshold is not None or not isinstance(patterns, xr.DataArray) or patterns.chunks is not None:
        return
    if set(patterns.dims) != set(DIMS) or not 2 <= patterns.sizes["pattern"] <= MOST or 0 in patterns.shape:
        return
    values = patterns.transpose(*DIMS).values
    if values.dtype.kind not in "iuf":
        return
    flat = values.astype(float).reshape(len(values), -1)
    overlap = flat @ flat.T / values.shape[1]
    np.fill_diagonal(overlap, -np.inf)
    median = float(np.median(overlap.max(axis=1)))
    if median > THRESHOLD:  # never of patterns that are not finite
        warnings.warn(
            f"stored patterns overlap with the most similar other one by {median:.3g} (median), more than the "
            f"threshold {THRESHOLD} that stands for None: {_advice(median)}",
            UserWarning,
            stacklevel=_depth(),
        )


def _advice(median: float) -> str:
    if median > COPIES:
        return "most of them are there twice, leave the copies out"
    digits = 1
    while not median < (between := round(0.5 * (1 + median), digits)) < 1:
        digits += 1
    return f"pass threshold={between}, for example"


def _depth() -> int:
    """The stacklevel of the first caller that is not of this package."""
    depth, frame = 1, sys._getframe(1)
    while frame.f_back is not None and frame.f_code.co_filename.startswith(PACKAGE):
        depth, frame = depth + 1, frame.f_back
    return depth
