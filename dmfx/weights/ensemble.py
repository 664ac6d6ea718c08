"""What every ensemble of weights is: a law that is drawn from by seed, and rebuilt from its description."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass, fields
from typing import ClassVar

import numpy as np

from dmfx.validation import Problems, real_numbers

__all__ = ["MATRICES", "ColumnTypes", "Ensemble", "ensemble_from_spec", "real_array"]

#: Order of the four weight matrices: output, value, query, key.
MATRICES = ("o", "v", "q", "k")


@dataclass(frozen=True)
class ColumnTypes:
    """One realisation of the weights, by column type.

    Attributes
    ----------
    field
        w^o_{a,j} of the local field, shape (pattern, column).
    overlap
        p_j w^α_{a,j}, shape (matrix, pattern, column), matrices in the order o, v, q, k.
    fraction
        p_j, shape (column,).
    """

    field: np.ndarray
    overlap: np.ndarray
    fraction: np.ndarray


class Ensemble(ABC):
    """A law of quenched weights. Its realisations are numbered by ``seed``.

    Attributes
    ----------
    n_patterns : int
        Number of patterns M.
    n_columns : int
        Number of column types J that every realisation is stored with.
    is_drawn : bool
        Whether realisations differ.
    """

    kind: ClassVar[str]
    is_drawn: ClassVar[bool] = True
    n_patterns: int

    @property
    def n_spins(self) -> int | None:
        """Number of columns that a token can be given by, spin by spin; None if columns have no fixed meaning."""
        return None

    def why_not_finite(self, seed: int) -> str | None:
        """Say why there is no network of finitely many spins with the weights of this seed; None if there is."""
        return None

    @property
    @abstractmethod
    def n_columns(self) -> int:
        """Number of column types J."""

    @abstractmethod
    def draw(self, seed: int) -> ColumnTypes:
        """Return the realisation with this number."""

    def spec(self) -> dict[str, object]:
        """Return what `ensemble_from_spec` needs to build an equal ensemble: JSON types only."""
        values = {f.name: getattr(self, f.name) for f in fields(self) if f.init}
        return {"kind": self.kind} | {name: _pack(value) for name, value in values.items()}

    def __eq__(self, other: object) -> bool:
        return type(self) is type(other) and self.spec() == other.spec()

    def __hash__(self) -> int:
        return hash(repr(self.spec()))


def ensemble_from_spec(spec: Mapping[str, object]) -> Ensemble:
    """Build the ensemble that `Ensemble.spec` described.

    Raises
    ------
    ValueError
        If the kind is unknown.
    """
    kinds = {cls.kind: cls for cls in _kinds(Ensemble)}
    values = {name: _unpack(value) for name, value in spec.items() if name != "kind"}
    if spec.get("kind") not in kinds:
        raise ValueError(f"unknown kind of weights {spec.get('kind')!r}: expected one of {', '.join(kinds)}")
    if "higher" in values:
        values["higher"] = tuple((tuple(int(b) for b in subset), array) for subset, array in values["higher"])
    return kinds[spec["kind"]](**values)


def _kinds(cls: type) -> list[type]:
    """The classes below one that are not abstract."""
    below = [each for sub in cls.__subclasses__() for each in _kinds(sub)]
    return [cls, *below] if "kind" in vars(cls) else below


def real_array(problems: Problems, name: str, value: object, shape: str, ndim: int) -> np.ndarray:
    """A finite float array of its own, or an empty one when a problem was recorded."""
    array = real_numbers(value)
    empty = np.zeros((0,) * ndim)
    if array is None:
        problems.add(name, f"an array of real numbers of {shape}", value, is_type=True)
        return empty
    if array.ndim != ndim or array.size == 0:
        problems.add(name, f"an array of {shape}", array)
        return empty
    array = np.array(array, dtype=float)
    if not np.isfinite(array).all():
        problems.say(f"{name} must be finite: it has {np.count_nonzero(~np.isfinite(array))} NaN or infinite values")
        return empty
    array.flags.writeable = False
    return array


def _pack(value: object) -> object:
    """JSON form of a field; rows of signs become strings such as "+--"."""
    if isinstance(value, tuple):
        return [_pack(v) for v in value]
    if not isinstance(value, np.ndarray):
        return value
    if value.ndim > 1:
        return [_pack(row) for row in value]
    if value.size and np.all(np.abs(value) == 1):
        return "".join("+" if v > 0 else "-" for v in value)
    return value.tolist()


def _unpack(value: object) -> object:
    if isinstance(value, str) and value and set(value) <= {"+", "-"}:
        return np.array([1.0 if sign == "+" else -1.0 for sign in value])
    if not isinstance(value, list):
        return value
    items = [_unpack(v) for v in value]
    try:
        return np.array(items, dtype=float)
    except ValueError:
        return items
