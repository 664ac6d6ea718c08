"""Forks processes that have dmfx imported and its kernels compiled. A script: a line an order, a pid an answer."""

from __future__ import annotations

import ctypes
import importlib
import json
import os
import runpy
import signal
import sys
import traceback

PR_SET_PDEATHSIG, CLONE_NEWNET = 1, 0x40000000


def prepare() -> None:
    """Import and compile what workers need, without starting any thread: a fork would lose it."""
    for module in ("worker", "scheduler"):
        importlib.import_module(f"distributed.cli.dask_{module}")
    import dmfx

    net = dmfx.SelfAttention.paper()
    run = dmfx.simulate(net, beta=1.0, gamma=220.0, steps=20)
    dmfx.bifurcation(run).compute(scheduler="synchronous")
    run.compute(scheduler="synchronous")
    threads = len(os.listdir("/proc/self/task"))
    if threads > 1:
        raise RuntimeError(f"{threads} threads in a process that is to fork")


def obey(order: dict) -> int:
    """Fork and run a module's ``main`` with the arguments of an order; returns the pid."""
    pid = os.fork()
    if pid:
        return pid
    os.setsid()
    libc = ctypes.CDLL(None)
    libc.prctl(PR_SET_PDEATHSIG, signal.SIGKILL)
    if order["netns"] is not None and libc.setns(os.open(f"/run/netns/{order['netns']}", os.O_RDONLY), CLONE_NEWNET):
        os._exit(1)
    signal.signal(signal.SIGCHLD, signal.SIG_DFL)
    out = os.open(order["output"], os.O_WRONLY | os.O_APPEND)
    null = os.open(os.devnull, os.O_RDONLY)
    for old, new in ((null, 0), (out, 1), (out, 2)):
        os.dup2(old, new)
    os.environ.update(order["env"])
    # Dask has read the environment when it was imported.
    import dask.config

    dask.config.refresh()
    sys.argv = [order["module"], *order["arguments"]]
    status = 1
    try:
        if order["module"].endswith(".py"):
            runpy.run_path(order["module"], run_name="__main__")
        else:
            importlib.import_module(order["module"]).main()
        status = 0
    except SystemExit as end:
        status = end.code or 0
    except BaseException:
        traceback.print_exc()
    finally:
        sys.stdout.flush()
        sys.stderr.flush()
        # Its parent does not wait for it.
        with open(order["status"], "w") as file:
            file.write(str(status))
        os._exit(0)


def main() -> None:
    """Answer orders until there are no more."""
    prepare()
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)  # the kernel buries the dead
    # Not through sys.stdin, whose buffer the forks would share.
    orders = os.fdopen(0, "rb", closefd=False)
    for line in orders:
        os.write(1, f"{obey(json.loads(line))}\n".encode())


if __name__ == "__main__":
    main()
