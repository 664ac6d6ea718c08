"""Texts of axes, legends and panels, made from the attributes of the data."""

from __future__ import annotations

import math
import textwrap

import numpy as np
import xarray as xr

from dmfx.variables import COORDINATES, VARIABLES

__all__ = [
    "axis_label",
    "coordinate_symbol",
    "exponent_symbol",
    "exponent_symbol_of",
    "flag_names",
    "fold",
    "kind_name",
    "log_ticks",
    "number_text",
    "overlap_label",
    "overlap_symbol",
    "panel_title",
    "plane_label",
]

#: Units as they are read aloud.
UNITS = {"1": "", "count": "", "step": "steps", "cycles/step": "cycles per step", "1/step": "nats per step"}

#: Unicode has no superscript q that fonts would know.
SUPERSCRIPTS = {"^o": "ᵒ", "^v": "ᵛ", "^k": "ᵏ"}
SUBSCRIPTS = str.maketrans("0123456789", "₀₁₂₃₄₅₆₇₈₉")
POWERS = str.maketrans("0123456789", "⁰¹²³⁴⁵⁶⁷⁸⁹")

#: Pixels that a letter of a label takes on average.
LETTER = 8.5
#: Part of a logarithmic axis that is at least between the texts of two ticks.
LOG_APART = 0.09


def _attrs(ds: xr.Dataset, name: str) -> dict[str, str]:
    entry = VARIABLES.get(name) or COORDINATES.get(name)
    return {"long_name": name} | (entry.attrs if entry else {}) | (ds[name].attrs if name in ds else {})


def _raised(symbol: str) -> str:
    for plain, raised in SUPERSCRIPTS.items():
        symbol = symbol.replace(plain, raised)
    return symbol


def axis_label(ds: xr.Dataset, name: str) -> str:
    """Name, symbol and units of a variable or coordinate.

    Examples
    --------
    >>> axis_label(xr.Dataset(), "frequency")
    'frequency f (cycles per step)'
    """
    attrs = _attrs(ds, name)
    units = UNITS.get(attrs.get("units", "1"), attrs.get("units"))
    parts = attrs["long_name"].split(",")[0], _raised(attrs.get("symbol", "")), f"({units})" if units else ""
    return " ".join(part for part in parts if part)


def overlap_symbol(ds: xr.Dataset, variable: str, pattern: object) -> str:
    """Symbol of one pattern's overlap.

    Examples
    --------
    >>> overlap_symbol(xr.Dataset(), "m_o_semantic", 0)
    'mᵒ₀'
    """
    symbol, text = _raised(_attrs(ds, variable).get("symbol") or variable), str(pattern)
    return symbol + (text.translate(SUBSCRIPTS) if text.isdecimal() else f" {text}")


def overlap_label(ds: xr.Dataset, variable: str, pattern: object) -> str:
    """Name and symbol of one pattern's overlap."""
    name = _attrs(ds, variable)["long_name"].split(",")[0]
    return f"{name} {overlap_symbol(ds, variable, pattern)}"


def plane_label(ds: xr.Dataset, attrs: dict[str, object]) -> str:
    """The equation of the plane that an analysis noted in its attributes, empty if there is none.

    Examples
    --------
    >>> plane_label(xr.Dataset(), {"variable": "m_o", "plane": "pattern 1 = 0"})
    'mᵒ₁ = 0'
    """
    variable, found, equation = str(attrs.get("plane", "")).partition("pattern ")
    pattern, _, value = equation.partition(" = ")
    return f"{overlap_symbol(ds, variable.strip() or attrs['variable'], pattern)} = {value}" if found else ""


def exponent_symbol(number: object) -> str:
    """Symbol of a Lyapunov exponent: λ₁ is the largest, number 0.

    Examples
    --------
    >>> exponent_symbol(0)
    'λ₁'
    """
    return "λ" + str(int(number) + 1).translate(SUBSCRIPTS)


def exponent_symbol_of(array: xr.DataArray) -> str:
    """Symbol of the one exponent that is left in an array, the largest if it does not say."""
    return exponent_symbol(array.coords["exponent"].item() if "exponent" in array.coords else 0)


def kind_name(name: str) -> str:
    """A flag as it is read.

    Examples
    --------
    >>> kind_name("quasi_periodic")
    'quasi-periodic'
    """
    return {"quasi_periodic": "quasi-periodic", "neimark_sacker": "Neimark-Sacker"}.get(name, name.replace("_", " "))


def flag_names(array: xr.DataArray) -> tuple[str, ...]:
    """What the values of a variable are called, empty if they are numbers."""
    meanings = array.attrs.get("flag_meanings")
    if isinstance(meanings, str):
        return tuple(meanings.split())
    return VARIABLES[array.name].flags if array.name in VARIABLES else ()


def fold(text: str, length: int) -> str:
    """Break a label into lines that fit an axis of some pixels."""
    return "\n".join(textwrap.wrap(text, max(int(length / LETTER), 10), break_long_words=False))


def panel_title(point: xr.DataArray | xr.Dataset, dims: list[str]) -> str:
    """Say where in the sweep a point is, by the dims that tell panels apart.

    Examples
    --------
    >>> [panel_title(xr.Dataset(coords={"size": size}), ["size"]) for size in (500.0, 990_000.0, 1e9, np.inf)]
    ['N = 500', 'N = 990,000', 'N = 10⁹', 'N = ∞']
    """
    texts = [kind_name(point[dim].item()) if dim == "ablation" else number_text(point[dim].item()) for dim in dims]
    return ", ".join(f"{coordinate_symbol(point, dim)} = {text}" for dim, text in zip(dims, texts, strict=True))


def coordinate_symbol(point: xr.DataArray | xr.Dataset, dim: str) -> str:
    """Symbol of a coordinate, or its name if it has none."""
    known = COORDINATES[dim].symbol if dim in COORDINATES else ""
    return (point[dim].attrs.get("symbol") if dim in point.coords else "") or known or dim


def log_ticks(values: np.ndarray) -> list[tuple[float, str]]:
    """Ticks of a logarithmic axis at some of the values above 0 that are sorted, so that their texts have room.

    Examples
    --------
    >>> [text for _, text in log_ticks(np.array([10, 20, 50, 100, 105, 1000]))]
    ['10', '20', '50', '105', '1000']
    """
    kept: list[float] = []
    for value in values[::-1].tolist():  # the last has one
        if not kept or math.log(kept[-1] / value) > LOG_APART * math.log(values[-1] / values[0]):
            kept.append(value)
    return [(value, f"{value:g}") for value in kept[::-1]]


def number_text(value: object) -> str:
    """A label of a dim as it is read.

    Examples
    --------
    >>> [number_text(value) for value in (0.30000000000000004, 2.0, 7, np.inf, "a")]
    ['0.3', '2', '7', '∞', 'a']
    """
    if not isinstance(value, (float, np.floating)):
        return str(value)
    if np.isinf(value):
        return "∞" if value > 0 else "-∞"
    if value < 1e4 or value != round(value):
        return f"{value:.6g}"
    power = round(math.log10(value))
    return f"10{str(power).translate(POWERS)}" if value == 10.0**power else f"{value:,.0f}"
