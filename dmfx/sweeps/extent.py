"""What of a sweep a store has: its labels and steps, what is to be added to them, and where arguments differ."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import numpy as np

from dmfx.archive.parts import Part
from dmfx.labels import positions

__all__ = ["covered", "differences", "known_labels", "missing_labels", "rectangles", "with_known_labels"]


def with_known_labels(parts: Sequence[Part], labels: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
    """Labels with those that the store has in its own writing: they may differ by rounding."""
    found = {}
    for dim, wanted in labels.items():
        known = known_labels(parts, dim)
        at = positions(known, wanted)
        if known.size:
            wanted = np.where(at >= 0, known[at], wanted)
            # Two that differed by rounding may now be one.
            wanted = wanted[np.sort(np.unique(wanted, return_index=True)[1])]
        found[dim] = wanted
    return found


def known_labels(parts: Sequence[Part], dim: str) -> np.ndarray:
    """All labels along a dim, sorted."""
    arrays = [part.labels(dim) for part in parts if dim in part.layout.variables]
    return np.unique(np.concatenate(arrays)) if arrays else np.array([])


def covered(parts: Sequence[Part], labels: Mapping[str, np.ndarray], dims: Sequence[str]) -> np.ndarray:
    """Which points of the product of labels some part has; Boolean, one axis for each dim."""
    mask = np.zeros([len(labels[dim]) for dim in dims], dtype=bool)
    for part in parts:
        inside = [np.isin(labels[dim], part.labels(dim)) for dim in dims]
        mask[np.ix_(*inside)] = True
    return mask


def rectangles(mask: np.ndarray) -> Iterator[tuple[np.ndarray, ...]]:
    """Cut the true positions of an array into products of positions along each axis, as few as is easy.

    Examples
    --------
    >>> [tuple(axis.tolist() for axis in each) for each in rectangles(np.array([[0, 1], [1, 1]]))]
    [([0], [1]), ([1], [0, 1])]
    """
    mask = np.asarray(mask, dtype=bool)
    if mask.ndim == 0:
        if mask:
            yield ()
        return
    if mask.ndim == 1:
        if mask.any():
            yield (np.flatnonzero(mask),)
        return
    rows: dict[bytes, list[int]] = {}
    for number, row in enumerate(mask):
        rows.setdefault(np.packbits(row).tobytes(), []).append(number)
    for numbers in rows.values():
        for rest in rectangles(mask[numbers[0]]):
            yield (np.array(numbers), *rest)


def missing_labels(parts: Sequence[Part], labels: Mapping[str, np.ndarray], dims: Sequence[str]) -> list[str]:
    """Labels that the store has and the call does not, in words."""
    found = []
    for dim in dims:
        known = known_labels(parts, dim)
        gone = known[~np.isin(known, labels[dim])]
        if gone.size:
            shown = ", ".join(f"{label:g}" for label in gone[:3].tolist()) + (", ..." if gone.size > 3 else "")
            found.append(f"the store has {dim} = {shown} ({gone.size} labels), which are not among those given")
    return found


def differences(stored: Mapping[str, Any], given: Mapping[str, Any]) -> list[str]:
    """What two descriptions of arguments differ in, in words."""
    found = []
    for name in dict.fromkeys([*stored, *given]):
        old, new = stored.get(name), given.get(name)
        if old == new:
            continue
        if name == "model":
            found.append("it was made with another model")
        elif name == "dmfx":
            found.append(f"it was made with dmfx {old}, and this is {new}: install that version to go on with it")
        elif name == "reduce":
            found += _differing_reductions(old, new)
        elif isinstance(old, Mapping) and isinstance(new, Mapping):
            found += [f"{name}: {each}" for each in differences(old, new)]
        else:
            found.append(f"it was made with {name}={_shown(old)}, not {_shown(new)}")
    return found


def _differing_reductions(stored: Sequence[Mapping[str, Any]], given: Sequence[Mapping[str, Any]]) -> list[str]:
    names, new_names = ([each["name"] for each in reductions] for reductions in (stored, given))
    if names != new_names:
        return [f"it was made with reduce={', '.join(names) or 'nothing'}, not {', '.join(new_names) or 'nothing'}"]
    return [
        f"reduce, {old['name']}: {each}"
        for old, new in zip(stored, given, strict=True)
        for each in differences({**old, **old["settings"], "settings": 0}, {**new, **new["settings"], "settings": 0})
    ]


def _shown(value: Any) -> str:
    text = repr(value)
    return text if len(text) <= 80 else text[:77] + "..."
