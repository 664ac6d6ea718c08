"""Dims of a task: those of every sweep, and its own where arrays are given."""

from __future__ import annotations

import warnings
from collections.abc import Mapping
from typing import NamedTuple

import numpy as np

from dmfx.experiments._networks import Networks
from dmfx.validation import Problems

__all__ = ["Axes", "parse_axes", "setting"]

#: Callers between the user and the warning.
DEPTH = 3


class Axes(NamedTuple):
    """Where in the sweep there are points.

    Attributes
    ----------
    swept
        Labels along each dim, in order.
    fixed
        Settings that are the same for all points.
    """

    swept: dict[str, np.ndarray]
    fixed: dict[str, float | int]

    def of(self, name: str) -> np.ndarray:
        """All values of a setting."""
        return self.swept[name] if name in self.swept else np.array([self.fixed[name]])


def parse_axes(
    problems: Problems,
    networks: Networks,
    examples: int,
    beta: object,
    gamma: object,
    seed: object,
    **settings: object,
) -> Axes:
    """Check the labels of all dims; ``fraction``, ``noise`` and ``replica`` are dims if arrays are given."""
    swept = {
        "beta": problems.axis("beta", beta, minimum=0),
        "gamma": problems.axis("gamma", gamma),
        "seed": problems.axis("seed", seed, minimum=0, integer=True),
    }
    if swept["seed"].size > 1 and networks.is_fixed:
        warnings.warn("the model's couplings are given: every seed has the same", UserWarning, stacklevel=DEPTH)
    if networks.stored is not None:
        swept["stored"] = networks.stored
    fixed = {}
    for name in ("fraction", "noise", "replica"):
        if name in settings:
            labels = _checked(problems, name, settings[name])
            if np.ndim(settings[name]) > 0:
                swept[name] = labels
            else:
                fixed[name] = labels[0].item()
    return Axes(swept | {"initial": np.arange(examples)}, fixed)


def _checked(problems: Problems, name: str, value: object) -> np.ndarray:
    if name == "replica":
        return problems.axis(name, value, minimum=0, integer=True)
    labels = problems.axis(name, value, minimum=0, maximum=1.0 if name == "fraction" else 1e100)
    if name == "fraction" and (labels == 0).any() and not any(each.startswith(name) for each in problems.messages):
        problems.say("fraction must be above 0: with nothing hidden there is nothing to predict")
    return labels


def setting(labels: Mapping[str, np.ndarray], fixed: Mapping[str, float | int], name: str) -> np.ndarray:
    """A setting of many points, by the labels they have or the same for all."""
    return labels[name] if name in labels else np.full(len(labels["seed"]), fixed[name])
