"""Colours, and what they mean in every picture."""

from __future__ import annotations

import numpy as np

__all__ = [
    "ATTRACTORS",
    "COLOURS",
    "DARK",
    "DIVERGING",
    "KINDS",
    "NOTHING",
    "OTHERS",
    "PERIODIC",
    "SHADES",
    "UNKNOWN",
    "VISITED",
    "blend",
    "sequence",
    "tints",
]

DARK = "#08205c"
PERIODIC = "#e65100"
#: All values of an orbit, faint, under the points on a plane.
VISITED = ["#e3e9f1", "#cfdae8", "#bacbdf", "#a5bcd6", "#90adcd"]
#: All values of an orbit where nothing is drawn over them.
SHADES = ["#a9c4e2", "#7fa6d3", "#5687c1", "#3268a8", "#1a4a86", DARK]
#: Of patterns and other things that are numbered; told apart with any colour vision (Okabe and Ito).
COLOURS = ["#0072b2", "#d55e00", "#009e73", "#cc79a7", "#e69f00", "#56b4e9", "#000000"]
#: Of attractors by label.
ATTRACTORS = [*COLOURS, "#f0e442"]

#: Kinds of attractor in the order of `dmfx.variables.KINDS`: as seen with red, green or blue cones missing, the two
#: that are closest are still 25 apart in CIE L*a*b*.
KINDS = {
    "fixed": "#ffcf5c",
    "periodic": PERIODIC,
    "quasi_periodic": "#4fb0e8",
    "chaotic": DARK,
    "transient": "#b0529c",
    "diverged": "#b0b0b0",
    "none": "#ffffff",
}

#: The rest of a whole, and what is not known; other things of which there are too many.
NOTHING, UNKNOWN, OTHERS = "#d9d9d9", "#b8b8b8", "#8a8a8a"

#: From negative to positive, in the colours of what is periodic and what is chaotic.
DIVERGING = [
    "#7a2b00",
    "#b83f00",
    PERIODIC,
    "#f58f4f",
    "#fbc9a8",
    "#f7f7f7",
    "#c3cee6",
    "#8ba0cd",
    "#5068a8",
    "#25408a",
    DARK,
]

#: From few to many: viridis, light first, so that white stays free for nothing.
_SEQUENCE = [
    "#fde725",
    "#b5de2b",
    "#6ece58",
    "#35b779",
    "#1f9e89",
    "#26828e",
    "#31688e",
    "#3e4989",
    "#482878",
    "#440154",
]


def blend(colour: str, other: str, part: float) -> str:
    """Mix a colour with a part of another.

    Examples
    --------
    >>> blend("#000000", "#ffffff", 0.5)
    '#808080'
    """
    both = (np.array([int(each[i : i + 2], 16) for i in (1, 3, 5)], float) for each in (colour, other))
    first, second = both
    mixed = np.round((1 - part) * first + part * second + 1e-9).astype(int)
    return "#" + "".join(f"{channel:02x}" for channel in mixed)


def tints(colour: str, parts: list[float]) -> list[str]:
    """A colour mixed with parts of white, the palest first."""
    return [blend(colour, "#ffffff", part) for part in sorted(parts, reverse=True)]


def sequence(count: int, colours: list[str] | None = None) -> list[str]:
    """Colours in order, evenly spaced from light to dark, or along those given.

    Examples
    --------
    >>> sequence(3, ["#000000", "#ffffff"])
    ['#000000', '#808080', '#ffffff']
    """
    colours = colours or _SEQUENCE
    places = np.linspace(0, len(colours) - 1, count) if count > 1 else np.array([(len(colours) - 1) / 2])
    lower = np.minimum(places.astype(int), len(colours) - 2)
    return [blend(colours[i], colours[i + 1], place - i) for i, place in zip(lower.tolist(), places, strict=True)]
