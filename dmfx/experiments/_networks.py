"""Which networks a task is for: one, or one for each number of stored examples."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import NamedTuple

import numpy as np

from dmfx.couplings import Couplings
from dmfx.models.vector_attention import VectorAttention
from dmfx.validation import Problems, real_numbers
from dmfx.vectors.simulate import update_cost

__all__ = ["Model", "Networks", "Symmetric", "parse_networks"]

#: What tasks take for a model.
Model = VectorAttention | Mapping[int, VectorAttention]


class Symmetric(NamedTuple):
    """The symmetric parts of networks, in the place of a model."""

    model: Model


class Networks(NamedTuple):
    """The networks of a task.

    Attributes
    ----------
    model
        The only one, or networks by the number of stored examples.
    symmetric
        Whether couplings are made symmetric when they are drawn.
    """

    model: VectorAttention | dict[int, VectorAttention]
    symmetric: bool = False

    @property
    def stored(self) -> np.ndarray | None:
        """Numbers of stored examples, None for a network that stands alone."""
        return np.array(list(self.model)) if isinstance(self.model, dict) else None

    @property
    def by_stored(self) -> dict[int, VectorAttention]:
        """All of them; one that stands alone has the number 0."""
        return self.model if isinstance(self.model, dict) else {0: self.model}

    @property
    def couplings(self) -> Couplings | dict[int, Couplings]:
        """What a task needs of the networks: couplings, without patterns and what training goes on from."""
        if isinstance(self.model, dict):
            return {stored: net.couplings for stored, net in self.model.items()}
        return self.model.couplings

    @property
    def largest(self) -> VectorAttention:
        """The network that stores the most."""
        return self.by_stored[max(self.by_stored)]

    @property
    def slowest(self) -> VectorAttention:
        """The network whose steps take the longest."""
        return max(self.by_stored.values(), key=update_cost)

    @property
    def patterns(self) -> np.ndarray:
        """Stored patterns of the network that stores the most, (pattern, token, component)."""
        net = self.largest
        return np.zeros((0, net.n_tokens, net.n_components)) if net.patterns is None else net.patterns

    @property
    def is_fixed(self) -> bool:
        """Whether all seeds have the same couplings."""
        return all(net.is_fixed for net in self.by_stored.values())

    def to_json(self) -> str:
        """Descriptions of the networks of a mapping, without arrays."""
        return json.dumps({str(stored): net.spec() for stored, net in self.by_stored.items()}, ensure_ascii=False)

    @property
    def odd_one(self) -> int | None:
        """The first network whose labels of patterns mean others than those of the largest, None if there is none."""
        for stored, net in self.by_stored.items():
            known = net.patterns
            if known is not None and not np.array_equal(known, self.patterns[: len(known)]):
                return stored
        return None

    def check_nested(self, problems: Problems) -> None:
        """Record it if labels of patterns would mean one thing for one network and another for the next."""
        if (odd := self.odd_one) is not None:
            problems.say(
                f"model: the patterns of the network {odd} must be the first ones of those of the network "
                f"{max(self.by_stored)}, which overlaps are measured with; net.with_patterns(...) changes them"
            )


def parse_networks(problems: Problems, model: object) -> Networks:
    """Check what was given for the model; raise, as nothing else can be checked without one."""
    if isinstance(model, Symmetric):
        networks = parse_networks(problems, model.model)
        half = {k: net.symmetrised() if net.is_fixed else net for k, net in networks.by_stored.items()}
        return Networks(half if isinstance(networks.model, dict) else half[0], symmetric=True)
    expected = "a dmfx.VectorAttention, or a mapping from numbers of stored examples to such networks"
    if isinstance(model, VectorAttention):
        return Networks(model)
    if not isinstance(model, Mapping):
        problems.add("model", expected, model, is_type=True)
    elif not model:
        problems.say("model must have at least one network")
    elif wrong := [key for key in model if not _is_count(key)]:
        problems.add("model", f"{expected}, whole numbers of at least 1", wrong[0])
    elif wrong := [net for net in model.values() if not isinstance(net, VectorAttention)]:
        problems.add("model", expected, wrong[0], is_type=True)
    elif len(shapes := {(net.n_tokens, net.n_components) for net in model.values()}) > 1:
        problems.say(f"model: all networks must have the same tokens and components, but have {sorted(shapes)}")
    elif wrong := [key for key, net in model.items() if net.n_patterns not in (0, key)]:
        problems.say(
            f"model: the keys must be the numbers of stored examples, but the network {wrong[0]} has "
            f"{model[wrong[0]].n_patterns} patterns; net.with_patterns(...) changes them"
        )
    problems.raise_any()
    return Networks({int(key): model[key] for key in sorted(model)})


def _is_count(key: object) -> bool:
    number = None if isinstance(key, (str, bytes)) else real_numbers(key)
    return number is not None and number.ndim == 0 and bool(1 <= number < 2**53 and number == np.floor(number))
