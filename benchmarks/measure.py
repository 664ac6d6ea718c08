"""Interleaved repetitions, and the table of what came out.

The machine is never quiet, so seconds alone say little: what is compared runs in turns, in the order a b, b a, a b ...,
and the ratio is the median of the ratios of the turns.
"""

from __future__ import annotations

import os
import platform
import time
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from importlib import metadata

import numpy as np

__all__ = ["Result", "header", "interleave", "progress", "table"]

COLUMNS = ("what", "measured", "beside", "ratio", "goal", "reached")


@dataclass(frozen=True)
class Result:
    """One line of the table.

    Attributes
    ----------
    what
        What was measured.
    unit
        Unit of ``measured`` and ``beside``.
    measured
        One number per repetition.
    beside
        The floor, or the peer, in the same repetitions; its name is ``beside_name``, empty where there is none.
    faster
        The ratio is beside / measured, of which more is better, instead of measured / beside.
    goal
        Bound of the median ratio, or of the median measured, as ``goal_of`` says; None where there is no goal.
    """

    what: str
    unit: str
    measured: np.ndarray
    beside: np.ndarray
    beside_name: str
    faster: bool = False
    goal: float | None = None
    goal_of: str = "ratio"

    @property
    def ratios(self) -> np.ndarray:
        """Ratio of each repetition."""
        ratios = np.asarray(self.measured) / np.asarray(self.beside)
        return 1 / ratios if self.faster else ratios

    @property
    def reached(self) -> bool | None:
        """Whether the goal is met, None without a goal."""
        if self.goal is None:
            return None
        got = np.median(self.ratios if self.goal_of == "ratio" else self.measured)
        return bool(got >= self.goal if self.goal_of == "ratio" and self.faster else got <= self.goal)

    def cells(self) -> tuple[str, ...]:
        """The line as text."""
        reached = {None: "", True: "yes", False: "NO"}[self.reached]
        return (
            self.what,
            f"{spread(self.measured)} {self.unit}",
            f"{number(np.median(self.beside))} {self.unit} ({self.beside_name})" if self.beside_name else "",
            spread(self.ratios) if self.beside_name else "",
            self._goal(),
            reached,
        )

    def _goal(self) -> str:
        if self.goal is None:
            return ""
        if self.goal_of == "ratio":
            return f"ratio {'≥' if self.faster else '≤'} {self.goal:g}"
        return f"≤ {self.goal:g} {self.unit}"


def number(value: float) -> str:
    """A number with three figures."""
    return f"{value:.0f}" if abs(value) >= 100 else f"{value:.3g}"


def spread(values: np.ndarray) -> str:
    """Median, and quartiles if there are several values."""
    low, median, high = np.percentile(values, [25, 50, 75])
    return number(median) if len(values) == 1 else f"{number(median)} [{number(low)}, {number(high)}]"


def interleave(
    tasks: Mapping[str, Callable[[], object]], repeats: int, *, warm_up: bool = True
) -> dict[str, np.ndarray]:
    """Seconds of each task in each of ``repeats`` turns; the order is reversed at every other turn."""
    if warm_up:
        for task in tasks.values():
            task()
    seconds: dict[str, list[float]] = {name: [] for name in tasks}
    for turn in range(repeats):
        names = list(tasks)[:: 1 if turn % 2 == 0 else -1]
        for name in names:
            started = time.perf_counter()
            tasks[name]()
            seconds[name].append(time.perf_counter() - started)
    return {name: np.array(values) for name, values in seconds.items()}


def progress(text: str) -> None:
    """Say what is being measured; some of it takes a minute."""
    print(f"  ... {text}", flush=True)


def header() -> str:
    """Machine, cores and versions."""
    packages = ("numpy", "numba", "llvmlite", "xarray", "dask", "distributed", "pynamicalsys")
    load = ", ".join(f"{value:.1f}" for value in os.getloadavg())
    return "\n".join(
        (
            time.strftime("%Y-%m-%d %H:%M UTC", time.gmtime()),
            f"{_processor()}, {os.cpu_count()} cores, load {load}; {platform.system()} {platform.release()}",
            f"Python {platform.python_version()}, " + ", ".join(f"{name} {_version(name)}" for name in packages),
        )
    )


def table(results: Iterable[Result]) -> str:
    """The results as aligned columns."""
    lines = [COLUMNS, *(result.cells() for result in results)]
    widths = [max(len(line[i]) for line in lines) for i in range(len(COLUMNS))]
    text = ["  ".join(cell.ljust(width) for cell, width in zip(line, widths, strict=True)).rstrip() for line in lines]
    rule = "-" * max(map(len, text))
    return "\n".join(
        [text[0], rule, *text[1:], "", "ns: per step and sweep point; [quartiles]; the ratio is the median of pairs"]
    )


def _version(package: str) -> str:
    try:
        return metadata.version(package)
    except metadata.PackageNotFoundError:
        return "not installed"


def _processor() -> str:
    name, wide = platform.processor() or platform.machine(), ""
    try:
        with open("/proc/cpuinfo") as file:
            lines = [line.partition(":") for line in file]
    except OSError:
        return name
    facts = {key.strip(): value.strip() for key, _, value in lines}
    flags = facts.get("flags", "").split()
    wide = " with AVX-512" if "avx512f" in flags else " with AVX2" if "avx2" in flags else ""
    return facts.get("model name", name) + wide
