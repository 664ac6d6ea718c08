"""Names and colours of the attractors that `dmfx.basins` labelled."""

from __future__ import annotations

import numpy as np
import xarray as xr

from dmfx.plot._colours import ATTRACTORS
from dmfx.plot._labels import kind_name
from dmfx.variables import KINDS

__all__ = ["attractor_colour", "attractor_label", "attractor_text"]

#: More periods than this are told by the shortest and the longest.
FEW = 2
#: A longer text does without periods.
LONG = 36


def attractor_colour(label: int) -> str:
    """Colour of an attractor, the same in every picture."""
    return ATTRACTORS[label % len(ATTRACTORS)]


def attractor_text(ds: xr.Dataset, label: int) -> str:
    """What an attractor is at the points where it is: its label, its kinds in the usual order, and its periods.

    Examples
    --------
    >>> ds = xr.Dataset({"attractor_kind": (("beta", "attractor"), [[1], [3]])}, {"attractor": [2]})
    >>> attractor_text(ds.assign(attractor_period=(("beta", "attractor"), [[28], [0]])), 2)
    '2: periodic (28), chaotic'
    """
    here = ds.sel(attractor=label)
    kinds = here["attractor_kind"].values.ravel()
    periods = here["attractor_period"].values.ravel() if "attractor_period" in ds else np.zeros(kinds.size, int)
    numbers = [number for number in np.unique(kinds).tolist() if KINDS[number] != "none"]
    told = [attractor_label(number, np.unique(periods[(kinds == number) & (periods > 0)])) for number in numbers]
    text = ": ".join(part for part in (str(label), ", ".join(told)) if part)
    return text if len(text) <= LONG else f"{label}: {', '.join(kind_name(KINDS[number]) for number in numbers)}"


def attractor_label(kind: int, periods: np.ndarray) -> str:
    """A kind and its periods."""
    name = kind_name(KINDS[kind])
    if not periods.size:
        return name
    numbers = ", ".join(map(str, periods)) if periods.size <= FEW else f"{periods[0]}–{periods[-1]}"
    return f"{name} ({numbers})"
