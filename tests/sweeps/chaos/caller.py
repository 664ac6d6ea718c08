"""Calls what a user would call, and tells how it ended. Run as a script with a file of JSON."""

from __future__ import annotations

import contextlib
import json
import os
import runpy
import signal
import sys
import threading
import time
from pathlib import Path

FAULTS = str(Path(__file__).with_name("faults.py"))


def sweep(**arguments: object) -> str:
    """`dmfx.sweep` of the paper's network."""
    import dmfx

    return str(dict(dmfx.sweep(dmfx.SelfAttention.paper(), **arguments).sizes))


def adaptive(*, store: str, **arguments: object) -> dict:
    """The same on an adaptive cluster of at most two workers, and of one when a third of it is done."""
    import dask
    from distributed import Client, LocalCluster

    numbers = []
    ended = threading.Event()

    def watch() -> None:
        limited = False
        while not ended.wait(0.02):
            number = len(cluster.scheduler.workers)
            if not numbers or numbers[-1] != number:
                numbers.append(number)
            if number == 2 and not limited and _records(store) > 20:
                limited = True
                cluster.adapt(minimum=0, maximum=1, interval="100ms", wait_count=2)

    with (
        dask.config.set({"distributed.worker.preload": [FAULTS]}),
        LocalCluster(n_workers=0, threads_per_worker=1, dashboard_address=":0") as cluster,
        Client(cluster),
    ):
        cluster.adapt(minimum=0, maximum=2, interval="100ms", wait_count=2)
        watching = threading.Thread(target=watch)
        watching.start()
        try:
            sweep(store=store, **arguments)
            end = time.monotonic() + 20
            while cluster.scheduler.workers and time.monotonic() < end:
                time.sleep(0.1)
        finally:
            last = len(cluster.scheduler.workers)
            ended.set()
            watching.join()
    return {"numbers": numbers, "most": max(numbers), "last": last}


def _records(store: str) -> int:
    folder = Path(store, "dmfx_records", "c")
    return len(os.listdir(folder)) if folder.exists() else 0


def plain(*, store: str, tasks: int, seconds: float) -> str:
    """Tasks that write a file each, without dmfx: tries the harness itself."""
    from distributed import get_client, wait

    Path(store).mkdir(exist_ok=True)
    client = get_client()
    futures = [client.submit(_write, store, number, seconds, pure=False) for number in range(tasks)]
    wait(futures)
    return str([future.status for future in futures])


def _write(store: str, number: int, seconds: float) -> None:
    time.sleep(seconds)
    aside = Path(store, f"{number}.{os.getpid()}.tmp")
    aside.write_bytes(bytes(1000))
    aside.replace(Path(store, str(number)))


CALLS = {"sweep": sweep, "adaptive": adaptive, "plain": plain}


def main(order: str) -> None:
    """Obey the order in a file; tell the end in the file that it names."""
    # A test run in the background may have been told to ignore Ctrl-C, and its children with it.
    signal.signal(signal.SIGINT, signal.default_int_handler)
    order = json.loads(Path(order).read_text())
    runpy.run_path(FAULTS)["install"](order["fault"])
    os.environ["DMFX_FAULT"] = json.dumps(order["fault"])
    began = time.monotonic()
    told = {}
    try:
        with _connected(order["scheduler"]):
            told = {"how": "finished", "value": CALLS[order["call"]](**order["arguments"])}
    except BaseException as error:
        told = {"how": "raised", "type": type(error).__name__, "message": str(error)}
        told["bases"] = [base.__name__ for base in type(error).__mro__]
        raise
    finally:
        aside = Path(order["result"] + ".tmp")
        aside.write_text(json.dumps({**told, "seconds": time.monotonic() - began}))
        aside.replace(order["result"])


def _connected(scheduler: str | None) -> contextlib.AbstractContextManager:
    if scheduler is None:
        return contextlib.nullcontext()
    from distributed import Client

    return Client(scheduler)


if __name__ == "__main__":
    main(sys.argv[1])
