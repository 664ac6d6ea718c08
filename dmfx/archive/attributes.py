"""Attributes: flat strings and numbers as they are, everything else in one JSON string."""

from __future__ import annotations

import json
import math
import re
from collections.abc import Hashable, Mapping
from typing import Any

import numpy as np

from dmfx.validation import describe

__all__ = ["EXTRA", "decode_attrs", "encode_attrs"]

#: The attribute that holds, as JSON, what the formats cannot hold by themselves.
EXTRA = "dmfx_attrs"

# Marks, within the JSON, a value for which JSON has no notation.
_TAG = "__dmfx__"

# Other names are either refused by NetCDF or reserved by it (a leading underscore).
_PLAIN_NAME = re.compile(r"[A-Za-z][A-Za-z0-9_]*", re.ASCII)

# Names to which HDF5, CF or this package give a meaning of their own.
_RESERVED = frozenset(
    {
        *("CLASS", "NAME", "REFERENCE_LIST", "DIMENSION_LIST", "DIMENSION_LABELS"),
        *("coordinates", "grid_mapping", "bounds", "climatology", "formula_terms", "cell_measures"),
        *("ancillary_variables", "compress", "missing_value", "scale_factor", "add_offset", "dtype"),
        *("dmfx_attrs", "dmfx_archive", "dmfx_id", "dmfx_seal"),
    }
)


def encode_attrs(attrs: Mapping[Hashable, Any], owner: str = "the dataset") -> dict[str, Any]:
    """Attributes as NetCDF and Zarr can both hold them.

    Parameters
    ----------
    attrs
        Attributes of a dataset, a variable or a coordinate. Values may be strings, numbers, bool, None, and
        lists, dicts, tuples and NumPy arrays of these.
    owner
        Whose attributes they are, for error messages.

    Returns
    -------
    dict
        Strings, integers, floats and lists of numbers, and under ``dmfx_attrs`` a JSON string with all the
        others.

    Raises
    ------
    TypeError
        A value cannot be written down, such as an object or a function.

    Examples
    --------
    >>> encode_attrs({"units": "step", "grid": [0.5, 1.0], "exact": True})
    {'units': 'step', 'grid': [0.5, 1.0], 'dmfx_attrs': '{"exact": true}'}
    """
    stored: dict[str, Any] = {}
    extra: dict[Hashable, Any] = {}
    for name, value in attrs.items():
        written = _write(value, f"attribute {name!r} of {owner}")
        if _is_plain_name(name) and _is_plain(written):
            stored[str(name)] = written
        else:
            extra[name] = written
    if extra:
        stored[EXTRA] = json.dumps(_write_mapping(extra, f"the attributes of {owner}"), allow_nan=False)
    return stored


def decode_attrs(stored: Mapping[str, Any]) -> dict[Hashable, Any]:
    """Undo :func:`encode_attrs`.

    Tuples and NumPy arrays come back as lists, NumPy scalars as Python numbers.

    Parameters
    ----------
    stored
        Attributes as read from a file.

    Returns
    -------
    dict
        The attributes that were encoded.

    Examples
    --------
    >>> decode_attrs(encode_attrs({"size": np.int32(3), "flags": (True,), "note": None}))
    {'size': 3, 'flags': [True], 'note': None}
    """
    attrs: dict[Hashable, Any] = {name: _flat(value) for name, value in stored.items() if name != EXTRA}
    if EXTRA in stored:
        attrs.update(_read(json.loads(stored[EXTRA])))
    return attrs


def _flat(value: Any) -> Any:
    """What the NetCDF library returns, as Python's own numbers and lists."""
    return value.tolist() if isinstance(value, (np.ndarray, np.generic)) else value


def _is_plain_name(name: Hashable) -> bool:
    return isinstance(name, str) and _PLAIN_NAME.fullmatch(name) is not None and name not in _RESERVED


def _is_plain(value: Any) -> bool:
    """Whether NetCDF returns the value as it is: it drops empty strings and unpacks lists of one."""
    if isinstance(value, str):
        return value != "" and "\0" not in value and _is_unicode(value)
    if isinstance(value, list):
        same_kind = len({type(item) for item in value}) == 1
        return len(value) > 1 and same_kind and all(_is_plain_number(item) for item in value)
    return _is_plain_number(value)


def _is_plain_number(value: Any) -> bool:
    return type(value) is float or (type(value) is int and -(2**63) <= value < 2**63)


def _is_unicode(text: str) -> bool:
    """Whether the text has no lone surrogates, which UTF-8 cannot hold."""
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True


def _write(value: Any, where: str) -> Any:
    """The value in terms of JSON, marked where JSON has no notation for it."""
    if isinstance(value, (np.ndarray, np.generic)) and not isinstance(value, (np.datetime64, np.timedelta64)):
        value = value.tolist()
    if value is None or isinstance(value, bool):
        return value
    if isinstance(value, int):
        return int(value)
    if isinstance(value, float):
        return float(value) if math.isfinite(value) else {_TAG: "float", "value": repr(float(value))}
    if isinstance(value, str):
        return str(value)
    if isinstance(value, complex):
        return {_TAG: "complex", "value": [_write(part, where) for part in (value.real, value.imag)]}
    if isinstance(value, (list, tuple)):
        return [_write(item, where) for item in value]
    if isinstance(value, Mapping):
        return _write_mapping({key: _write(item, where) for key, item in value.items()}, where)
    raise TypeError(
        f"save: {where} must consist of strings, numbers, bool, None, lists and dicts, not {describe(value)}"
    )


def _write_mapping(written: Mapping[Hashable, Any], where: str) -> dict[str, Any]:
    """A dict whose values are written already; JSON allows only strings as keys."""
    if all(isinstance(key, str) for key in written) and _TAG not in written:
        return {str(key): value for key, value in written.items()}
    for key in written:
        if not (key is None or isinstance(key, (str, int, float))):
            raise TypeError(f"save: {where}: names must be strings or numbers, not {describe(key)}")
    return {_TAG: "dict", "value": [[_write(key, where), value] for key, value in written.items()]}


def _read(written: Any) -> Any:
    """Undo :func:`_write`."""
    if isinstance(written, list):
        return [_read(item) for item in written]
    if not isinstance(written, dict):
        return written
    kind: Any = written.get(_TAG)
    value: Any = written.get("value")
    if kind == "float":
        return float(value)
    if kind == "complex":
        return complex(*(_read(part) for part in value))
    if kind == "dict":
        return {_read(key): _read(item) for key, item in value}
    return {key: _read(item) for key, item in written.items()}
