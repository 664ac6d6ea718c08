"""``dmfx reproduce figure3a`` from start to end, beside its kernels alone and beside the same processes idle."""

from __future__ import annotations

import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from typing import NamedTuple

import numpy as np
import psutil

from benchmarks.dask_overhead import bare_in_processes
from benchmarks.measure import Result, progress
from benchmarks.sweeps import FIGURE

__all__ = ["measure"]

GOAL_SECONDS, GOAL_GB = 30, 1.5
INTERVAL = 0.1

COMMAND = """
from dmfx.cli import main
if __name__ == "__main__":
    raise SystemExit(main(["reproduce", "figure3a", "--output", {directory!r}]))
"""
# What cannot be saved: a cluster, and in each of its processes the packages.
IDLE = """
import time
from dmfx.cluster import cluster
import hvplot.xarray, datashader, netCDF4
def load():
    import dmfx.kernels.self_attention, dmfx.kernels.reductions
if __name__ == "__main__":
    with cluster() as client:
        client.run(load)
        time.sleep(0.5)
"""


class Usage(NamedTuple):
    """Wall time in s and highest memory in GB of a command and its children."""

    seconds: float
    gigabytes: float


def measure(quick: bool = False) -> Iterator[Result]:
    """Wall time and memory; nothing quickly, as one repetition takes half a minute."""
    if quick:
        progress("figure3a: left out by --quick")
        return
    repeats = 3
    figures, idle, bare = [], [], []
    with bare_in_processes() as bare_loop:
        for turn in range(repeats):
            progress(f"figure3a, {turn + 1} of {repeats}")
            started = time.perf_counter()
            bare_loop(FIGURE)
            bare.append(time.perf_counter() - started)
            with tempfile.TemporaryDirectory() as directory:
                figures.append(watch(COMMAND.format(directory=directory)))
            idle.append(watch(IDLE))
    wall, memory = np.array(figures).T
    yield Result("dmfx reproduce figure3a", "s", wall, np.array(bare), "kernels", goal=GOAL_SECONDS, goal_of="measured")
    yield Result(
        f"dmfx reproduce figure3a, peak {_kind()}",
        "GB",
        memory,
        np.array(idle)[:, 1],
        "same processes, idle",
        goal=GOAL_GB,
        goal_of="measured",
    )


def watch(program: str) -> Usage:
    """Run a Python program as a file (its workers import it again) and watch it and its children."""
    with tempfile.NamedTemporaryFile("w", suffix=".py") as file:
        file.write(program)
        file.flush()
        started = time.perf_counter()
        process = subprocess.Popen([sys.executable, file.name], stdout=subprocess.DEVNULL, stderr=subprocess.PIPE)
        errors: list[bytes] = []
        reader = threading.Thread(target=lambda: errors.append(process.stderr.read()))
        reader.start()
        peak = 0
        while process.poll() is None:
            peak = max(peak, tree_memory(process.pid))
            time.sleep(INTERVAL)
        seconds = time.perf_counter() - started
        reader.join()
    if process.returncode:
        raise RuntimeError(f"it ended with status {process.returncode}:\n{errors[0].decode()[-2000:]}")
    return Usage(seconds, peak / 1e9)


def tree_memory(pid: int) -> int:
    """Bytes of a process and all below it; pages that several share count once (PSS), where the system tells."""
    total = 0
    try:
        root = psutil.Process(pid)
        tree = [root, *root.children(recursive=True)]
    except psutil.NoSuchProcess:
        return 0
    for process in tree:
        try:
            memory = process.memory_full_info()
        except (psutil.NoSuchProcess, psutil.AccessDenied):  # it has just ended
            continue
        total += getattr(memory, "pss", memory.rss)
    return total


def _kind() -> str:
    return "PSS" if hasattr(psutil.Process().memory_full_info(), "pss") else "RSS"
