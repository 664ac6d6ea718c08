"""The table ``[model]``: what is simulated."""

from __future__ import annotations

from dmfx.cli.config.explain import say_where
from dmfx.cli.config.file import Table
from dmfx.cli.config.values import count, dataset, number
from dmfx.cli.simulate import ENSEMBLES
from dmfx.models import SelfAttention, VectorAttention, model_from_dataset
from dmfx.weights import Ensemble

__all__ = ["KEYS", "read_model"]

#: Keys of the table.
KEYS = ("weights", "context_size", "epsilon", "network")
WEIGHTS = f'"paper", {", ".join(chr(34) + f"{name}:{numbers}" + chr(34) for name, (_, numbers) in ENSEMBLES.items())}'
EITHER = f"weights, which is {WEIGHTS}; or network, the path of an archive of dmfx train"


def read_model(table: Table) -> tuple[SelfAttention | VectorAttention | None, dict[str, str]]:
    """The model, None where something was wrong; and the attributes of the archive that it was in."""
    table.check_keys(KEYS)
    if "network" in table:
        for key in KEYS[:-1]:
            if key in table:
                table.say(key, "cannot stand beside network, whose archive says what is simulated")
        return _from_archive(table)
    if "weights" not in table:
        table.missing("weights", EITHER)
        return None, {}
    before = table.file.n_problems
    size = count(1)(table, "context_size") if "context_size" in table else 4
    epsilon = number(table, "epsilon") if "epsilon" in table else None
    weights = None
    if table["weights"] != "paper":
        weights = _drawn(table)
    elif "context_size" in table:
        table.say("context_size", "goes with drawn weights; the paper's configuration has L = 4")
    if table.file.n_problems > before:
        return None, {}
    try:
        if weights is not None:
            return SelfAttention(weights, size, 0.02 if epsilon is None else epsilon), {}
        paper = SelfAttention.paper()
        return paper if epsilon is None else paper.with_epsilon(epsilon), {}
    except (ValueError, TypeError) as error:
        say_where(error, {"SelfAttention": table}, table)
        return None, {}


def _drawn(table: Table) -> Ensemble | None:
    """Weights that are drawn, from a string such as ``segments:3,100``."""
    given = table["weights"]
    name, _, parameters = given.partition(":") if isinstance(given, str) else ("", "", "")
    if name not in ENSEMBLES:
        table.add("weights", f"one of {WEIGHTS}")
        return None
    make, expected = ENSEMBLES[name]
    try:
        values = [int(part) if part.strip().isdigit() else float(part) for part in parameters.split(",")]
    except ValueError:
        values = []
    if len(values) != len(expected.split(",")):
        table.add("weights", f'"{name}:{expected}" with numbers for {expected}')
        return None
    try:
        return make(*values)
    except (ValueError, TypeError) as error:
        table.say("weights", f'"{given}": {error}')
        return None


def _from_archive(table: Table) -> tuple[SelfAttention | VectorAttention | None, dict[str, str]]:
    """The model that an archive was made with, by ``dmfx train`` or any other way."""
    held = dataset(table, "network")
    if held is None:
        return None, {}
    if "dmfx_model" not in held.attrs:
        table.say("network", f"{table['network']} holds no network; dmfx train makes one")
        return None, {}
    try:
        return model_from_dataset(held), held.attrs
    except ValueError as error:
        table.say("network", f"{table['network']} holds no whole network: {error}")
        return None, {}
