"""What decides the result of a training: its arguments, checked, and their comparison with those of an earlier one."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from dataclasses import dataclass, fields

import numpy as np

from dmfx.training.optimisers import OPTIMISERS
from dmfx.validation import Problems

__all__ = ["Settings", "differences", "parse_settings"]

#: What settings that hold a fingerprint are called in a message.
IN_WORDS = {
    "start": "the couplings that training starts from",
    "tokens": "the examples",
    "held_out": "the examples held out",
}


@dataclass(frozen=True)
class Settings:
    """Everything that the couplings after a number of epochs depend on.

    Attributes
    ----------
    beta, batch_size, learning_rate, decay, optimiser, l2, symmetric, patience, seed
        Arguments of `dmfx.VectorAttention.fit`.
    start, tokens, held_out
        Fingerprints of the couplings at the start, the examples (with their vocabulary) and those held out, or None.
    """

    beta: float
    batch_size: int
    learning_rate: float
    decay: float
    optimiser: str
    l2: float
    symmetric: bool
    patience: int | None
    seed: int
    start: str
    tokens: str
    held_out: str | None

    def to_json(self) -> str:
        """The settings as text."""
        return json.dumps({each.name: getattr(self, each.name) for each in fields(self)})

    @classmethod
    def from_mapping(cls, values: Mapping[str, object]) -> Settings:
        """Rebuild settings from what `to_json` wrote."""
        return cls(**{each.name: values[each.name] for each in fields(cls)})


def parse_settings(
    problems: Problems,
    *,
    beta: object,
    batch_size: object,
    learning_rate: object,
    decay: object,
    optimiser: object,
    l2: object,
    symmetric: object,
    patience: object,
    seed: object,
) -> dict[str, object]:
    """Settings that are numbers or words, without the fingerprints."""
    if not isinstance(symmetric, (bool, np.bool_)):
        problems.add("symmetric", "True or False", symmetric, is_type=True)
    return {
        "beta": _above_zero(problems, "beta", beta),
        "batch_size": None if batch_size is None else problems.count("batch_size", batch_size),
        "learning_rate": _above_zero(problems, "learning_rate", learning_rate),
        "decay": _above_zero(problems, "decay", decay, maximum=1.0),
        "optimiser": problems.choice("optimiser", optimiser, OPTIMISERS),
        "l2": problems.real("l2", l2, minimum=0),
        "symmetric": bool(symmetric),
        "patience": None if patience is None else problems.count("patience", patience),
        "seed": problems.count("seed", seed, minimum=0),
    }


def _above_zero(problems: Problems, argument: str, value: object, maximum: float = math.inf) -> float:
    before = len(problems.messages)
    number = problems.real(argument, value, maximum=maximum)
    if len(problems.messages) == before and number <= 0:
        problems.add(argument, "above 0", value)
    return number


def differences(earlier: Settings, now: Settings) -> str:
    """Say which settings differ, or nothing."""
    found = []
    for each in fields(Settings):
        before, after = getattr(earlier, each.name), getattr(now, each.name)
        if before == after:
            continue
        if each.name in IN_WORDS:
            found.append(IN_WORDS[each.name])
        else:
            found.append(f"{each.name} was {before!r}, is {after!r}")
    return "; ".join(found)
