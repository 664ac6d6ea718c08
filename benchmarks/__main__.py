"""``python -m benchmarks [--quick] [NAME ...]``: measure, and print one table."""

from __future__ import annotations

import argparse
import importlib
import sys
import time

from benchmarks.measure import Result, header, table

NAMES = (
    "kernel",
    "finite_size",
    "spectrum",
    "dask_overhead",
    "sweep_overhead",
    "sweep_scale",
    "figure3a",
    "peer",
    "training",
    "vector_recall",
)


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description="What dmfx costs, beside floors.")
    parser.add_argument("names", nargs="*", metavar="NAME", help=f"which of {', '.join(NAMES)} (default: all)")
    parser.add_argument("--quick", action="store_true", help="shorter runs, fewer repetitions: under a minute in all")
    options = parser.parse_args()
    if unknown := set(options.names) - set(NAMES):
        parser.error(f"there is no {', '.join(sorted(unknown))}; expected names out of {', '.join(NAMES)}")
    started = time.perf_counter()
    before = header()
    results: list[Result] = []
    for name in options.names or NAMES:
        print(name, flush=True)
        for result in importlib.import_module(f"benchmarks.{name}").measure(options.quick):
            results.append(result)
            print("  " + "  ".join(result.cells()), flush=True)
    print(f"\n{before}\n\n{table(results)}\n\n{time.perf_counter() - started:.0f} s", flush=True)
    return 0


# Worker processes import this module again.
if __name__ == "__main__":
    sys.exit(main())
