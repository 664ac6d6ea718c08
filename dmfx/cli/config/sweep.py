"""The table ``[sweep]``: the arguments of `dmfx.sweep`."""

from __future__ import annotations

import argparse
import inspect
import json
import re
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
import xarray as xr

from dmfx import experiments
from dmfx.cli.config.file import Table
from dmfx.cli.config.values import (
    Reader,
    choice,
    count,
    dataset,
    integers,
    is_archive,
    is_whole,
    names,
    numbers,
    passed_on,
    sizes,
    text,
)
from dmfx.cli.examples import DATA, DATA_OF, complete, encoded, interval
from dmfx.cli.train import ENCODER
from dmfx.models import VectorAttention
from dmfx.simulate import simulate
from dmfx.tokens import Patches

__all__ = ["TASKS", "read_sweep"]

#: What computes the points, by the name of the task.
TASKS: dict[str, Callable[..., xr.Dataset]] = {"simulate": simulate} | {
    name: getattr(experiments, name) for name in ("masked_prediction", "denoising", "free_running")
}
#: Arguments of `dmfx.sweep` itself.
OWN = ("task", "kill_limit")
#: Examples of a task, in place of its argument ``tokens``.
EXAMPLES = ("data", "split", "examples")
#: What each axis is, for a message that it is missing.
NEEDED = {
    "beta": "inverse temperature β, as beta = { start = 0.0, stop = 3.0, num = 100 }",
    "gamma": "attention strength γ, as gamma = 220.0, the paper's; of vector spins the residual term, as gamma = 0.0",
    "steps": "steps to keep of each run, as steps = 1000",
}
#: Arguments that are not told in this table.
ELSEWHERE = {
    "store": "it belongs at the top of the file, before the first table",
    "title": "it belongs at the top of the file, before the first table",
    "reduce": "reductions are tables of their own, with the header [[reduce]]",
    "tokens": 'examples are named by data, split and examples, as data = "digits" and examples = "0:100"',
    "retry_failed": "it is an option of the command, --retry-failed",
    "check": "it is an option of the command, --no-check",
    "workers": "it belongs in [cluster]",
    "scheduler": "it belongs in [cluster]",
} | dict.fromkeys(("weights", "context_size", "network"), "it belongs in [model]")


def _exponents(table: Table, key: str) -> bool | int | None:
    if isinstance(table[key], bool) or (is_whole(table[key]) and table[key] >= 1):
        return table[key]
    table.add(key, "true, for all exponents, or how many of the largest")
    return None


def _initial(table: Table, key: str) -> Any:
    value = table[key]
    if is_archive(value):
        return dataset(table, key)
    if isinstance(value, str) and value in ("random", "random_token", "patterns"):
        return value
    if is_whole(value):
        return value
    if isinstance(value, list) and value:
        try:
            array = np.array(value)
        except ValueError:  # lists of different lengths
            array = None
        if array is not None and array.dtype.kind in "if":
            return array
    kinds = '"random", "random_token", "patterns"'
    table.add(key, f"{kinds}, the number of a pattern, a list of numbers or the path of an archive")
    return None


def _chunks(table: Table, key: str) -> Any:
    value = table[key]
    if value == "auto" or is_whole(value):
        return value
    if isinstance(value, dict) and all(is_whole(each) for each in value.values()):
        return value
    table.add(key, '"auto", a whole number for every dim, or a table such as { beta = 10, gamma = 1 }')
    return None


def _grid(table: Table, key: str) -> list[int] | None:
    value = table[key]
    if isinstance(value, list) and len(value) == 2 and all(is_whole(each) for each in value):
        return value
    table.add(key, "rows and columns of the tokens, as [4, 4]")
    return None


READERS: dict[str, Reader] = {
    **dict.fromkeys(("beta", "gamma", "epsilon", "noise", "fraction"), numbers),
    **dict.fromkeys(("seed", "replica"), integers),
    "size": sizes,
    "steps": count(1),
    "transient": count(0),
    "starts": count(1),
    "kill_limit": count(1),
    "common_noise": names("dims that share their noise"),
    "variables": names("variables to keep"),
    "initial": _initial,
    "lyapunov": _exponents,
    "carry": text('the dim along which runs go on, "beta", "gamma" or "epsilon"'),
    "direction": text('"up", "down" or "both"'),
    "hidden": text('"random" or "block"'),
    "fill": text('"random" or "mean"'),
    "grid": _grid,
    "chunks": _chunks,
}


def read_sweep(table: Table, model: object, held: Mapping[str, str]) -> dict[str, Any]:
    """The arguments of `dmfx.sweep`, but for the model, the store and the reductions.

    Parameters
    ----------
    table
        The table of the file.
    model
        What is simulated, None where that is wrong.
    held
        Attributes of the archive that the model is from.
    """
    found: dict[str, Any] = {}
    task = _task(table, found)
    if task is None:
        return found
    run = TASKS[task]
    parameters = inspect.signature(run).parameters
    known = [name for name in parameters if name not in ("model", "tokens")]
    own = [*OWN, *(["ablated"] if found["task"] == "ablations" else [])]
    if "tokens" in parameters:
        own += EXAMPLES
    table.check_keys([*known, *own], _elsewhere(found["task"], known))
    for name in known:
        if name in table:
            found[name] = READERS.get(name, passed_on)(table, name)
        elif parameters[name].default is inspect.Parameter.empty:
            table.missing(name, NEEDED.get(name, f"{name}, which dmfx.{task} needs"))
    if "kill_limit" in table:
        found["kill_limit"] = READERS["kill_limit"](table, "kill_limit")
    if "tokens" in parameters:
        _check_network(table, found["task"], model)
        _examples(table, model, held, found, required=parameters["tokens"].default is inspect.Parameter.empty)
    return {name: value for name, value in found.items() if value is not None}


def _task(table: Table, found: dict[str, Any]) -> str | None:
    """The task whose arguments the table has: of ablations, the one that is ablated."""
    found["task"] = choice([*TASKS, "ablations"])(table, "task") if "task" in table else "simulate"
    if found["task"] != "ablations":
        return found["task"]
    of_networks = [name for name in TASKS if name != "simulate"]
    if "ablated" not in table:
        table.missing("ablated", f"the task that is done without parts of the network: {', '.join(of_networks)}")
        return None
    found["ablated"] = choice(of_networks)(table, "ablated")
    return found["ablated"]


def _elsewhere(task: str, known: list[str]) -> dict[str, str]:
    """Advice for keys that this task does not have."""
    advice = dict(ELSEWHERE)
    for other, run in TASKS.items():
        own = [name for name in inspect.signature(run).parameters if name not in ("model", "tokens")]
        for name in (*own, *(EXAMPLES if other != "simulate" else ())):
            if name not in known and name not in advice:
                advice[name] = f'it goes with task = "{other}", not with "{task}"'
    advice.setdefault("ablated", f'it goes with task = "ablations", not with "{task}"')
    return advice


def _check_network(table: Table, task: str, model: object) -> None:
    if model is not None and not isinstance(model, VectorAttention):
        table.say("task", f'"{task}" needs vector spins: network = "net.nc" in [model], made by dmfx train')


def _examples(table: Table, model: object, held: Mapping[str, str], found: dict[str, Any], *, required: bool) -> None:
    """Fill in the examples as tokens, and the grid that they fill where a rectangle of them is hidden."""
    before = table.file.n_problems
    options = argparse.Namespace(data=None, split=None)
    examples = slice(None)
    if "data" in table and (data := text("the name of a data set")(table, "data")) is not None:
        options.data = data
        if data.partition(":")[0] not in DATA:
            table.add("data", f'one of {", ".join(DATA)}, or the name and a folder, as "mnist:FOLDER"')
    if "split" in table:
        options.split = choice(("train", "test"))(table, "split")
    if "examples" in table:
        examples = _interval(table)
    if not isinstance(model, VectorAttention) or table.file.n_problems > before:
        return
    if not required and not any(key in table for key in EXAMPLES):
        return
    if ENCODER not in held:
        table.file.say(
            ("model", "network"),
            "model.network holds no network that dmfx train made: it does not say how examples become tokens",
        )
        return
    encoder = Patches.from_spec(json.loads(held[ENCODER]))
    if found.get("hidden") == "block" and "grid" not in table:
        found["grid"] = list(encoder.grid)
    if table.file.n_problems:
        return  # reading images takes a while
    complete(options, held.get(DATA_OF))
    try:
        found["tokens"] = encoded(encoder, options, examples)
    except (ValueError, OSError) as error:
        message = re.sub("^--data:? ", "", str(error)).replace("--data", "data")
        table.say("data" if "data" in table else "examples", message)


def _interval(table: Table) -> slice:
    value = table["examples"]
    if isinstance(value, str):
        try:
            return interval(value)
        except argparse.ArgumentTypeError:
            pass
    table.add("examples", 'which examples, as "0:100", the last left out')
    return slice(None)
