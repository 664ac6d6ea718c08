"""A scheduler, workers and clients as separate processes."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from tests.sweeps.chaos.processes import HERE, Process, Processes, wait_until

__all__ = ["Client", "Cluster", "client"]

CALLER, FAULTS = HERE / "caller.py", HERE / "faults.py"
START_SECONDS = 60
#: Of every worker and client: points take their time, and leave the processors to the tests beside them.
PAUSE = {"pause": 0.02}
#: Of every process: lost connections are noticed, and nobody waits for a scheduler that is gone, longer than this.
SETTINGS = {
    "DASK_DISTRIBUTED__COMM__TIMEOUTS__CONNECT": "5s",
    "DASK_DISTRIBUTED__COMM__TIMEOUTS__TCP": "11s",  # the least that distributed takes
    "DASK_DISTRIBUTED__WORKER__LIFETIME__DURATION": "5 minutes",
}


class Client:
    """A client process and what it has to say at its end."""

    def __init__(self, process: Process, result: Path):
        self.process, self._result = process, result

    def ended(self, seconds: float = 90, meanwhile: Callable[[], object] = lambda: None) -> dict:
        """Wait for its end: ``how`` (finished, raised, or killed without a word), ``status`` and ``output``."""
        what = f"the end of the client, which printed {self.process.output[-3000:]}"
        wait_until(lambda: (meanwhile(), not self.process.alive)[1], what, seconds)
        told = json.loads(self._result.read_text()) if self._result.exists() else {"how": "killed"}
        return {**told, "status": self.process.wait(1), "output": self.process.output}

    def finished(self, seconds: float = 90, meanwhile: Callable[[], object] = lambda: None) -> dict:
        """Wait for its end, which has to be a good one."""
        told = self.ended(seconds, meanwhile)
        if told["how"] != "finished" or told["status"]:
            raise AssertionError(f"the client has {told['how']}: {told['output'][-4000:]}")
        return told


class Cluster:
    """A scheduler and workers that come and go.

    Parameters
    ----------
    processes
        Where they are started.
    env
        Environment of all of them, added to the short time limits of SETTINGS.
    host
        Address at which the scheduler listens.
    netns
        Network namespace of the scheduler.
    """

    def __init__(
        self, processes: Processes, *, env: Mapping[str, str] | None = None, host: str = "127.0.0.1",
        netns: str | None = None,
    ):  # fmt: skip
        self.processes, self.env = processes, {**SETTINGS, **(env or {})}
        self.workers: list[Process] = []
        file = processes.folder / f"scheduler-{len(processes.all)}.json"
        arguments = ["--host", host, "--port", "0", "--no-dashboard", "--scheduler-file", str(file)]
        arguments += ["--idle-timeout", "300"]
        module = "distributed.cli.dask_scheduler"
        self.scheduler = processes.fork("scheduler", module, arguments, env=self.env, netns=netns)
        wait_until(lambda: file.exists() and file.read_text(), "the scheduler", START_SECONDS)
        self.address = json.loads(file.read_text())["address"]

    def add_workers(self, count: int, **options: object) -> list[Process]:
        """Start several workers like `add_worker`, and wait until all are there."""
        added = [self.add_worker(wait=False, **options) for _ in range(count)]
        for worker in added:
            self.registered(worker)
        return added

    def add_worker(
        self, *, nanny: bool = False, forked: bool = True, fault: Mapping[str, object] | None = None,
        env: Mapping[str, str] | None = None, memory_limit: str = "0", options: Sequence[str] = (),
        netns: str | None = None, wait: bool = True,
    ) -> Process:  # fmt: skip
        """Start a worker of one thread.

        Parameters
        ----------
        nanny
            Watched by a nanny, which starts it again when it dies. The process returned is then the nanny.
        forked
            From the nursery, unless there is a nanny.
        fault
            How it misbehaves, see ``faults.py``.
        env, memory_limit, options
            Environment, limit of memory, further options of ``dask worker``.
        netns
            Network namespace.
        wait
            Return when it has registered with the scheduler.
        """
        arguments = [self.address, "--nthreads", "1", "--no-dashboard", "--memory-limit", memory_limit]
        arguments += ["--nanny" if nanny else "--no-nanny", "--death-timeout", "60"]
        arguments += ["--local-directory", str(self.processes.folder), *options]
        env = {**self.env, **(env or {})}
        arguments += ["--preload", str(FAULTS)]
        env["DMFX_FAULT"] = json.dumps({**PAUSE, **(fault or {})})
        name = f"{'nanny' if nanny else 'worker'}{len(self.workers)}"
        module = "distributed.cli.dask_worker"
        if forked and not nanny:
            worker = self.processes.fork(name, module, arguments, env=env, netns=netns)
        else:
            worker = self.processes.start(name, ["-m", module, *arguments], env=env, netns=netns)
        self.workers.append(worker)
        if wait:
            self.registered(worker)
        return worker

    def registered(self, worker: Process, times: int = 1, seconds: float = START_SECONDS) -> None:
        """Wait until a worker (or one that its nanny started again) has registered with the scheduler."""

        def there() -> bool:
            if not worker.alive:
                raise RuntimeError(f"{worker.name} has ended: {worker.output[-3000:]}")
            return worker.output.count("Registered to:") >= times

        wait_until(there, f"{worker.name} to register", seconds)

    def replace_dead(self, **options: object) -> int:
        """Start a worker for each that has died, as a queueing system would; returns how many had."""
        dead = [worker for worker in self.workers if not worker.alive]
        for worker in dead:
            self.workers.remove(worker)
            self.add_worker(wait=False, **options)
        return len(dead)

    def client(self, call: str = "sweep", **arguments: object) -> Client:
        """Start a client of this cluster, see `client`."""
        return client(self.processes, self.address, call, env=self.env, **arguments)

    def kill(self) -> None:
        """kill -9 of the scheduler and all workers, one right after the other."""
        for process in (*self.workers, self.scheduler):
            process.kill()
        self.end()

    def end(self) -> None:
        """kill -9 of what is left, with all that it has started."""
        for process in (*self.workers, self.scheduler):
            process.kill_group()
        self.workers.clear()


def client(
    processes: Processes, scheduler: str | None, call: str = "sweep", *, env: Mapping[str, str] | None = None,
    netns: str | None = None, fault: Mapping[str, object] | None = None, **arguments: object,
) -> Client:  # fmt: skip
    """Start a process, forked in the nursery, that calls something of ``caller.py``.

    Parameters
    ----------
    processes
        Where it is started.
    scheduler
        Address of the cluster it computes on; None for none.
    call
        Name of what is called.
    env, netns
        Environment, network namespace.
    fault
        How it misbehaves, see ``faults.py``.
    **arguments
        Arguments of the call, plain values.
    """
    number = len(processes.all)
    order, result = processes.folder / f"order-{number}.json", processes.folder / f"result-{number}.json"
    told = {"call": call, "scheduler": scheduler, "arguments": arguments, "result": str(result)}
    told["fault"] = {**PAUSE, **(fault or {})}
    order.write_text(json.dumps(told))
    env = {**SETTINGS, **(env or {})}
    return Client(processes.fork("client", str(CALLER), [str(order)], env=env, netns=netns), result)
