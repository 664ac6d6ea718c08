"""``dmfx sweep``: what a configuration file describes, computed into a store that nothing can spoil."""

from __future__ import annotations

import argparse
import contextlib
import signal
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from types import FrameType
from typing import Any

from dmfx.cli.config import Config, read_config
from dmfx.cli.options import add_cluster_options
from dmfx.cluster import cluster
from dmfx.sweeps import StoreMismatch, progress_of, sweep

__all__ = ["Stopped", "add_parser"]

#: What batch systems and lost terminals send before they kill.
SIGNALS = ("SIGTERM", "SIGHUP")


def add_parser(commands: Any) -> None:
    """Add the subcommand."""
    parser = commands.add_parser(
        "sweep",
        help="compute what a configuration file describes into a store, and go on where it stopped",
        description="Compute a sweep into a Zarr store. Whatever stops it, the same command goes on from there; on a "
        "store of another sweep it refuses, and says what differs.",
        epilog="Paths in the file are relative to the current folder. notebooks/sweep.toml is an example, with what "
        "there is to say about every key.",
    )
    parser.add_argument("config", metavar="CONFIG.toml", help="what to compute")
    parser.add_argument("--store", metavar="PATH", help="the store, a folder PATH.zarr, instead of the file's")
    parser.add_argument("--retry-failed", action="store_true", help="compute points again that failed")
    parser.add_argument(
        "--no-check",
        action="store_false",
        dest="check",
        help="trust what is in the store, instead of reading all of it before going on",
    )
    add_cluster_options(parser)
    parser.set_defaults(run=_run, interrupted=_interrupted)


def _run(options: argparse.Namespace) -> None:
    config = read_config(options.config, options.store)
    options.store = config.store
    where = config.cluster
    if options.workers is not None or options.scheduler is not None:
        where = {"workers": options.workers, "scheduler": options.scheduler}
    started = time.perf_counter()
    with stopped_by_signals(), contextlib.ExitStack() as stack:
        try:
            stack.enter_context(cluster(**where, dashboard=True))
        except (ValueError, TypeError, ModuleNotFoundError) as error:
            raise (config.about_cluster(error) if where is config.cluster else error) from None
        _sweep(config, options)
        seconds = time.perf_counter() - started
    print(_summary(config.store, seconds))


def _sweep(config: Config, options: argparse.Namespace) -> None:
    try:
        sweep(
            config.model,
            store=config.store,
            title=config.title,
            retry_failed=options.retry_failed,
            check=options.check,
            **config.arguments,
        )
    except StoreMismatch as error:
        raise StoreMismatch(str(error).removeprefix("sweep: ")) from error
    except (ValueError, TypeError) as error:
        raise config.located(error) from error


def _summary(store: str, seconds: float) -> str:
    """What there is now, in one line."""
    found = progress_of(store)
    assert found is not None
    failed = "none failed"
    if found.failed:
        failed = f"{found.failed:,} failed (dmfx info {store} says why, --retry-failed computes them again)"
    size = sum(file.stat().st_size for file in Path(store).expanduser().rglob("*") if file.is_file())
    return f"{store}: {found.points:,} points, {failed}, {size / 1e6:.1f} MB, {seconds:.1f} s"


def _interrupted(options: argparse.Namespace) -> str:
    """What a sweep that was interrupted leaves behind."""
    found = None if options.store is None else progress_of(options.store)
    if found is None or not found.done:
        return "nothing was computed yet"
    kept = f"{found.done:,} of {found.points:,} points are kept in {options.store}"
    return f"{kept}, and the same command goes on from there"


class Stopped(KeyboardInterrupt):
    """A signal that asks to end, handled like Ctrl-C."""

    def __init__(self, number: int):
        super().__init__(f"ended by {signal.Signals(number).name}")
        self.number = number


@contextlib.contextmanager
def stopped_by_signals() -> Iterator[None]:
    """Let signals end the block like Ctrl-C: workers are told, and the store is let go of."""

    def stop(number: int, frame: FrameType | None) -> None:
        raise Stopped(number)

    if threading.current_thread() is not threading.main_thread():
        yield  # only the main thread hears signals
        return
    numbers = [getattr(signal, name) for name in SIGNALS if hasattr(signal, name)]
    before = {number: signal.getsignal(number) for number in numbers}
    # What somebody chose to ignore, as nohup does, stays so.
    heard = [number for number, handler in before.items() if handler == signal.SIG_DFL]
    for number in heard:
        signal.signal(number, stop)
    try:
        yield
    finally:
        for number in heard:
            signal.signal(number, before[number])
