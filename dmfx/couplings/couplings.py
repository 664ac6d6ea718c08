"""The couplings of a network of vector spins, in one of three forms, or still to be drawn."""

from __future__ import annotations

import functools
import hashlib
import math
from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType

import numpy as np

from dmfx.couplings.offsets import offset_numbers
from dmfx.memory import check_memory, readable
from dmfx.validation import Problems, real_numbers

__all__ = ["FORMS", "Couplings", "couplings_from_spec", "shapes_of"]

#: Forms that couplings have; "random" ones become one of them when they are drawn.
FORMS = ("full", "relative", "low_rank")


@dataclass(frozen=True, eq=False)
class Couplings:
    """Matrices J_ij of d by d numbers for every pair of N tokens: token i feels u_ij = J_ij x_j. J_ii = 0.

    Made by the functions of `dmfx.couplings`, not by hand.

    Attributes
    ----------
    kind
        ``"full"``: every pair has a matrix of its own. ``"relative"``: pairs that lie in the same way to each other on
        a grid share one. ``"low_rank"``: J_ij = left_i right_jᵀ. ``"random"``: drawn anew for each seed.
    n_tokens, n_components
        N and d.
    parameters
        The arrays, read only. full: ``matrices`` (token, from_token, component, from_component). relative: ``matrices``
        (offset, component, from_component). low_rank: ``left`` and ``right`` (token, component, rank). random: none.
    grid
        Of relative couplings: shape of the grid that the tokens fill, row by row.
    law
        Of random couplings: what they are drawn from.
    """

    kind: str
    n_tokens: int
    n_components: int
    parameters: Mapping[str, np.ndarray]
    grid: tuple[int, ...] | None = None
    law: Mapping[str, object] | None = None

    def __post_init__(self):
        arrays = {}
        for name, array in self.parameters.items():
            arrays[name] = np.ascontiguousarray(array, dtype=np.float64).view()
            arrays[name].flags.writeable = False
        object.__setattr__(self, "parameters", MappingProxyType(arrays))

    @property
    def rank(self) -> int | None:
        """Rank of low-rank couplings, None for others."""
        return self.parameters["left"].shape[-1] if self.kind == "low_rank" else None

    @property
    def is_drawn(self) -> bool:
        """Whether each seed has couplings of its own."""
        return self.kind == "random"

    @property
    def n_parameters(self) -> int:
        """How many numbers can be chosen freely: J_ii, which is 0, is not counted."""
        if self.is_drawn:
            return 0
        n = sum(array.size for array in self.parameters.values())
        matrix = self.n_components**2
        return n - {"full": self.n_tokens * matrix, "relative": matrix, "low_rank": 0}[self.kind]

    @property
    def nbytes(self) -> int:
        """Size of the arrays."""
        return sum(array.nbytes for array in self.parameters.values())

    @functools.cached_property
    def which(self) -> np.ndarray:
        """Which of ``matrices``, seen as a list of d by d matrices, is J_ij, shape (token, from_token); -1 for i = j.

        Only of full and relative couplings.
        """
        n = self.n_tokens
        numbers = np.arange(n * n).reshape(n, n) if self.kind == "full" else offset_numbers(self.grid)
        numbers = np.where(np.eye(n, dtype=bool), -1, numbers).astype(np.int64)
        numbers.flags.writeable = False
        return numbers

    def replace(self, **arrays: np.ndarray) -> Couplings:
        """The same form with copies of other arrays of the same shapes.

        Raises
        ------
        ValueError, TypeError
            If there is no array of a name, shapes differ, numbers are not finite, or a token would feel itself.
        """
        problems = Problems("couplings.replace")
        copies = {}
        for name, value in arrays.items():
            if name not in self.parameters:
                known = ", ".join(self.parameters) or "none"
                problems.say(f"{self.kind} couplings have no array {name!r}; they have {known}")
                continue
            array, shape = real_numbers(value), self.parameters[name].shape
            if array is None or array.shape != shape:
                problems.add(name, f"real numbers of shape {shape}", value, is_type=array is None)
                continue
            copies[name] = np.array(array, dtype=np.float64)
            if not np.isfinite(copies[name]).all():
                problems.say(f"{name} must be finite")
            if self.kind != "low_rank" and self._of_itself(copies[name]).any():
                problems.say(f"{name} must be 0 for every token and itself")
        problems.raise_any()
        return Couplings(self.kind, self.n_tokens, self.n_components, {**self.parameters, **copies}, self.grid)

    def draw(self, seed: int) -> Couplings:
        """The couplings of one seed; given ones are the same for all."""
        if not self.is_drawn:
            return self
        from dmfx.couplings.drawn import draw

        problems = Problems("couplings.draw")
        seed = problems.count("seed", seed, minimum=0)
        problems.raise_any()
        return draw(self, seed)

    def dense(self) -> np.ndarray:
        """All J_ij, shape (token, from_token, component, from_component).

        Raises
        ------
        ValueError
            If they are random, or memory does not hold them.
        """
        self._check_given("dense")
        n, d = self.n_tokens, self.n_components
        if self.kind == "full":
            return self.parameters["matrices"]
        problems = Problems("couplings.dense")
        check_memory(problems, f"a matrix for each of {n}² pairs", 8.0 * n * n * d * d, "keep the factored form")
        problems.raise_any()
        if self.kind == "relative":
            every = self.parameters["matrices"][np.maximum(self.which, 0)]
        else:
            every = np.einsum("iar,jbr->ijab", self.parameters["left"], self.parameters["right"])
        every[np.arange(n), np.arange(n)] = 0.0
        return every

    def symmetrised(self) -> Couplings:
        """The symmetric part, (J_ij + J_jiᵀ)/2; low rank doubles its rank.

        Raises
        ------
        ValueError
            If they are random, or memory does not hold it.
        """
        self._check_given("symmetrised")
        problems = Problems("couplings.symmetrised")
        check_memory(problems, "the symmetric part", 2.0 * self.nbytes, "take factored couplings")
        problems.raise_any()
        if self.kind == "low_rank":
            left, right = self.parameters["left"], self.parameters["right"]
            both = np.concatenate([left, right], axis=-1) / 2, np.concatenate([right, left], axis=-1)
            return Couplings(
                self.kind, self.n_tokens, self.n_components, dict(zip(("left", "right"), both, strict=True))
            )
        return self.replace(matrices=(self.parameters["matrices"] + self.transposed()) / 2)

    def transposed(self) -> np.ndarray:
        """J_jiᵀ in the place of J_ij, for full and relative couplings, in the shape of ``matrices``."""
        if "matrices" not in self.parameters:
            raise ValueError(f"couplings.transposed: {self.kind} couplings have no matrices")
        matrices = self.parameters["matrices"]
        if self.kind == "full":
            return matrices.transpose(1, 0, 3, 2)
        return matrices[::-1].transpose(0, 2, 1)  # the offset from j to i is minus that from i to j

    @functools.cached_property
    def digest(self) -> str:
        """A fingerprint of form and numbers, 32 hexadecimal digits."""
        law = sorted((self.law or {}).items())
        text = f"{self.kind} {self.n_tokens} {self.n_components} {self.grid} {law}"
        state = hashlib.blake2b(text.encode(), digest_size=16)
        for name, array in sorted(self.parameters.items()):
            state.update(f"{name} {array.shape}".encode())
            state.update(array)
        return state.hexdigest()

    def spec(self) -> dict[str, object]:
        """Everything but the arrays, in JSON types."""
        return {
            "kind": self.kind,
            "n_tokens": self.n_tokens,
            "n_components": self.n_components,
            "grid": None if self.grid is None else list(self.grid),
            "law": None if self.law is None else dict(self.law),
            "digest": self.digest,
        }

    def _of_itself(self, matrices: np.ndarray) -> np.ndarray:
        """J_ii among the matrices."""
        if self.kind == "relative":
            return matrices[len(matrices) // 2]
        return matrices[np.arange(self.n_tokens), np.arange(self.n_tokens)]

    def _check_given(self, call: str) -> None:
        if self.is_drawn:
            raise ValueError(f"couplings.{call}: random couplings have no matrices before .draw(seed)")

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Couplings) and self.digest == other.digest

    def __hash__(self) -> int:
        return hash(self.digest)

    def __dask_tokenize__(self) -> tuple[str, str]:
        return ("dmfx.Couplings", self.digest)

    def __reduce__(self):
        arguments = (self.kind, self.n_tokens, self.n_components, dict(self.parameters), self.grid, self.law)
        return Couplings, arguments

    def __repr__(self) -> str:
        form = {"relative": f", grid={self.grid}", "low_rank": f", rank={self.rank}"}.get(self.kind, "")
        size = "drawn by seed" if self.is_drawn else f"{self.n_parameters} parameters, {readable(self.nbytes)}"
        return f"Couplings({self.kind}, n_tokens={self.n_tokens}, n_components={self.n_components}{form}, {size})"


def shapes_of(
    kind: str, n_tokens: int, n_components: int, rank: int | None, grid: tuple[int, ...] | None
) -> dict[str, tuple[int, ...]]:
    """Shapes of the arrays of couplings of a form."""
    if kind == "full":
        return {"matrices": (n_tokens, n_tokens, n_components, n_components)}
    if kind == "relative":
        return {"matrices": (math.prod(2 * n - 1 for n in grid), n_components, n_components)}
    return {name: (n_tokens, n_components, rank) for name in ("left", "right")}


def couplings_from_spec(spec: Mapping[str, object], arrays: Mapping[str, np.ndarray]) -> Couplings:
    """Rebuild couplings from their `Couplings.spec` and arrays.

    Raises
    ------
    ValueError
        If the arrays are not those that were described.
    """
    if missing := {"kind", "n_tokens", "n_components", "grid", "law", "digest"} - set(spec):
        raise ValueError(f"the description of the couplings lacks {', '.join(sorted(missing))}")
    grid = None if spec["grid"] is None else tuple(spec["grid"])
    built = Couplings(spec["kind"], spec["n_tokens"], spec["n_components"], dict(arrays), grid, spec["law"])
    if built.digest != spec["digest"]:
        raise ValueError("the couplings are not those of the model: they were changed, averaged or cut since")
    return built
