"""A whole configuration file."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from dmfx.cli.config.cluster import read_cluster
from dmfx.cli.config.explain import is_about, say_where
from dmfx.cli.config.file import ConfigError, ConfigFile, Table
from dmfx.cli.config.model import EITHER, read_model
from dmfx.cli.config.reduce import read_reductions
from dmfx.cli.config.sweep import read_sweep
from dmfx.cli.config.values import text
from dmfx.models import SelfAttention, VectorAttention

__all__ = ["Config", "read_config"]

#: Keys of the file, and tables.
KEYS = ("title", "store", "model", "sweep", "reduce", "cluster")
#: Keys that may be taken for keys of the file, by the table that they belong in.
WITHIN = {
    "model": ("weights", "context_size", "network"),
    "sweep": ("beta", "gamma", "seed", "epsilon", "size", "replica", "steps", "transient", "task", "variables"),
    "cluster": ("workers", "scheduler", "slurm", "adaptive"),
}
#: Name under which `Config.tables` has the file as a whole.
FILE = ""
STORE = 'the path of a folder to keep the sweep in, as store = "run.zarr", relative to the current folder'


@dataclass(frozen=True)
class Config:
    """What a configuration file says.

    Attributes
    ----------
    model
        What is simulated.
    store
        Path of the store, as written: relative to the current folder, not to the file.
    arguments
        The other arguments of `dmfx.sweep`.
    cluster
        Arguments of `dmfx.cluster.cluster`.
    title
        What the sweep is called, if anything.
    tables
        The tables that arguments of functions are from, by the name of the function.
    """

    model: SelfAttention | VectorAttention
    store: str
    arguments: dict[str, Any]
    cluster: dict[str, Any]
    title: str | None
    tables: Mapping[str, Table]

    def located(self, error: ValueError | TypeError) -> ValueError | TypeError:
        """An error that `dmfx.sweep` raised about its arguments, with the lines of the keys that it is about."""
        if not is_about(error, self.tables):
            return error
        top = self.tables[FILE]
        say_where(error, self.tables, top)
        return top.file.error() or error

    def about_cluster(self, error: Exception) -> ConfigError:
        """An error of the cluster that the file describes, with its line."""
        place = ("cluster", "slurm") if "slurm" in self.cluster else ("cluster",)
        file = self.tables[FILE].file
        file.say(place, f"{'.'.join(place)}: {' '.join(str(error).split())}")
        return file.error() or ConfigError(str(error))


def read_config(path: str | os.PathLike[str], store: str | None = None) -> Config:
    """Read a configuration file.

    Parameters
    ----------
    path
        A TOML file with ``store = "run.zarr"`` and the tables ``[model]``, ``[sweep]``, ``[[reduce]]`` and
        ``[cluster]``, of which the last two may be left out.
    store
        Instead of the store that the file names.

    Raises
    ------
    ConfigError
        For everything in the file that is wrong, in one message; each problem begins with file and line.
    OSError
        If the file cannot be read.

    Notes
    -----
    Paths in the file are relative to the current folder.
    """
    file = ConfigFile(path)
    top = Table(file, (), file.values)
    top.check_keys(KEYS, {key: f"it belongs in [{table}]" for table, keys in WITHIN.items() for key in keys})
    title = text("a string, what the sweep is called")(top, "title") if "title" in top else None
    store = _store(top, store)
    model, held = None, {}
    if (table := _required(top, "model", EITHER)) is not None:
        model, held = read_model(table)
    reductions, reduce_tables = read_reductions(file)
    cluster = read_cluster(top.table("cluster", "a table, [cluster]"))
    arguments: dict[str, Any] = {}
    sweep = _required(top, "sweep", "beta, gamma, steps and what else dmfx.sweep takes")
    if sweep is not None:
        arguments = read_sweep(sweep, model, held)
    file.raise_any()
    if reductions:
        arguments["reduce"] = reductions
    calls = ("sweep", arguments["task"], arguments.get("ablated", "ablations"))
    tables = {FILE: top} | reduce_tables | dict.fromkeys(calls, sweep)
    return Config(model, store, arguments, cluster, title, tables)


def _required(top: Table, key: str, expected: str) -> Table | None:
    if key not in top:
        top.missing(key, f"a table [{key}] with {expected}")
    return top.table(key, f"a table, [{key}], with {expected}")


def _store(top: Table, instead: str | None) -> str | None:
    if instead is not None:
        return instead
    if "store" not in top:
        top.missing("store", STORE)
        return None
    store = text(STORE)(top, "store")
    if store is not None and not store.rstrip("/").endswith(".zarr"):
        top.add("store", "a path that ends in .zarr")
    return store
