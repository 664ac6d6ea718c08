"""Makes a process misbehave: a ``--preload`` module of workers, told how by the variable DMFX_FAULT.

A JSON object with some of: ``pause`` (seconds that each point takes beside its computation), ``kill``, ``raise``,
``allocate`` (values of β whose points kill the process by kill -9, raise an error, or take memory until something ends
it), ``versions`` (those that it says it has, by package), ``die_at`` (a number n: kill -9 just before the n-th change
of a file of a store) and ``log`` (a file that gets a line for each such change).
"""

from __future__ import annotations

import json
import math
import os
import signal
import sys
import time
from collections.abc import Mapping
from pathlib import Path

__all__ = ["dask_setup", "install"]

STORE = ".zarr"
#: Audit events of the interpreter that change what is on the disk.
CHANGES = {"os.rename", "os.remove", "os.mkdir", "os.rmdir", "os.link", "os.symlink", "os.truncate", "shutil.rmtree"}


def dask_setup(worker: object) -> None:
    """Called by a worker that starts."""
    install(json.loads(os.environ["DMFX_FAULT"]))


def install(fault: Mapping[str, object]) -> None:
    """Misbehave from now on."""
    if fault.keys() & {"pause", "kill", "raise", "allocate"}:
        _meet_points(fault)
    if "versions" in fault:
        _say_versions(fault["versions"])
    if fault.keys() & {"die_at", "log"}:
        _watch_changes(fault.get("die_at", 0), fault.get("log"))


def die() -> None:
    """kill -9 of this process."""
    os.kill(os.getpid(), signal.SIGKILL)


def _meet_points(fault: Mapping[str, object]) -> None:
    import dmfx.tasks

    run_block = dmfx.tasks.run_block

    def meet(model: object, block: object, *state: object) -> object:
        betas = set(block.axes["beta"].tolist())
        if betas & set(fault.get("kill", ())):
            die()
        if betas & set(fault.get("allocate", ())):
            held = []
            while True:
                held.append(bytearray(os.urandom(1)) * (50 << 20))
                time.sleep(0.02)
        if met := betas & set(fault.get("raise", ())):
            raise ArithmeticError(f"the fault of {min(met)} was met")
        time.sleep(fault.get("pause", 0) * math.prod(map(len, block.axes.values())))
        return run_block(model, block, *state)

    dmfx.tasks.run_block = meet


def _say_versions(said: Mapping[str, str]) -> None:
    import dmfx.version

    original = dmfx.version.metadata.version
    dmfx.version.metadata.version = lambda name: said.get(name) or original(name)
    dmfx.version.dmfx_version.cache_clear()
    dmfx.version.versions.cache_clear()


def _watch_changes(die_at: int, log: str | None) -> None:
    count = 0

    def watch(event: str, arguments: tuple) -> None:
        nonlocal count
        if event == "open":
            path, _, flags = arguments
            if not isinstance(flags, int) or not flags & (os.O_WRONLY | os.O_RDWR | os.O_CREAT):
                return
        elif event in CHANGES:
            path = arguments[0]
        else:
            return
        if STORE not in str(path):
            return
        count += 1
        if log is not None:
            with Path(log).open("a") as out:
                out.write(f"{count} {event} {' '.join(map(str, arguments[:2]))}\n")
        if count == die_at:
            die()

    sys.addaudithook(watch)
