"""The tables ``[[reduce]]``: what is made of every run."""

from __future__ import annotations

import inspect
from collections.abc import Collection
from typing import Any

from dmfx.cli.analyse import ANALYSES
from dmfx.cli.config.file import ConfigFile, Table, shown
from dmfx.cli.config.values import choice, dataset, flag, number, passed_on, text, whole

__all__ = ["read_reductions"]

TABLES = 'tables, [[reduce]] with analysis = "bifurcation", or a list of names of analyses'
#: Keys that are not arguments of an analysis.
OWN = ("analysis", "name", "of")
#: How an argument is read, by what its annotation allows; others are read by the analysis.
READERS = {"int": whole, "float": number, "str": text("a string"), "bool": flag}


def read_reductions(file: ConfigFile) -> tuple[list[dict[str, Any]], dict[str, Table]]:
    """The argument ``reduce`` of `dmfx.sweep`; and what errors call each of its tables, by place or by analysis."""
    given = file.values.get("reduce", [])
    if isinstance(given, dict):
        file.say(("reduce",), "reduce must be a list of tables: write its header as [[reduce]], not as [reduce]")
        return [], {}
    if not isinstance(given, list):
        file.say(("reduce",), f"reduce must be {TABLES}, not {shown(given)}")
        return [], {}
    found: list[dict[str, Any]] = []
    earlier: set[str] = set()
    tables: dict[str, Table] = {}
    for position, each in enumerate(given):
        values = {"analysis": each} if isinstance(each, str) else each
        if not isinstance(values, dict):
            file.say(("reduce", position), f"reduce must be {TABLES}, not {shown(each)}")
            continue
        table = Table(file, ("reduce", position), values)
        reduction = _read(table, earlier)
        if reduction is None:
            continue
        name = reduction.get("name", reduction["analysis"])
        if name in earlier:
            advice = 'give it a name of its own, as name = "second"'
            table.say("name" if "name" in table else "analysis", f"there is a reduction {name} already; {advice}")
        earlier.add(name)
        tables[f"reduce[{position}]"] = table
        tables.setdefault(reduction["analysis"], table)
        found.append(reduction)
    return found, tables


def _read(table: Table, earlier: Collection[str]) -> dict[str, Any] | None:
    """One reduction; None where its analysis is unknown."""
    if "analysis" not in table:
        table.missing("analysis", f"the name of an analysis: {', '.join(ANALYSES)}")
        return None
    analysis = choice(ANALYSES)(table, "analysis")
    if analysis is None:
        return None
    parameters = dict(list(inspect.signature(ANALYSES[analysis]).parameters.items())[1:])
    table.check_keys((*OWN, *(name for name in parameters if name != "chunks")))
    found: dict[str, Any] = {"analysis": analysis}
    for key in table.values:
        if key == "name":
            found[key] = _name(table)
        elif key == "of":
            if not isinstance(table[key], str) or table[key] not in earlier:
                advice = f"; there {_are(earlier)} before this one"
                table.add(key, "the name of an earlier reduction", advice)
            found[key] = table[key]
        elif key in parameters:
            found[key] = _argument(table, key, parameters[key])
    for name, parameter in parameters.items():
        if parameter.default is parameter.empty and name not in table:
            what = "the path of an archive, " if "Dataset" in str(parameter.annotation) else "a value, "
            table.missing(name, f"{what}which dmfx.{analysis} needs")
    return {key: value for key, value in found.items() if value is not None}


def _are(names: Collection[str]) -> str:
    return f"{'is' if len(names) == 1 else 'are'} {', '.join(sorted(names))}" if names else "is none"


def _name(table: Table) -> str | None:
    if isinstance(table["name"], str) and table["name"].isidentifier():
        return table["name"]
    table.add("name", "what the reduction is called in the store: letters, digits and _")
    return None


def _argument(table: Table, key: str, parameter: inspect.Parameter) -> Any:
    """An argument of an analysis, read as its annotation says where that is simple."""
    kinds = [kind.strip() for kind in str(parameter.annotation).split("|")]
    if any("Dataset" in kind for kind in kinds):
        return dataset(table, key)
    simple = [kind for kind in kinds if kind != "None"]
    reader = READERS.get(simple[0], passed_on) if len(simple) == 1 else passed_on
    return reader(table, key)
