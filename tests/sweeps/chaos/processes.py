"""Processes that are started, killed, frozen and, whatever happens, ended."""

from __future__ import annotations

import atexit
import contextlib
import ctypes
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

import psutil

__all__ = ["Process", "Processes", "wait_until"]

HERE = Path(__file__).parent
NURSERY = HERE / "nursery.py"
#: Of prctl: the signal that a process gets when the one that started it has died, even by kill -9.
PR_SET_PDEATHSIG = 1


def wait_until(condition: Callable[[], object], what: str, seconds: float, every: float = 0.01) -> object:
    """Wait for a condition and return what it gave; TimeoutError says what was waited for."""
    end = time.monotonic() + seconds
    while not (value := condition()):
        if time.monotonic() > end:
            raise TimeoutError(f"waited {seconds:g} s in vain for {what}")
        time.sleep(every)
    return value


class Process:
    """A process that leads a group of its own, with its output in a file."""

    def __init__(self, name: str, pid: int, output: Path, popen: subprocess.Popen | None = None):
        self.name, self.pid, self.output_file, self.popen = name, pid, output, popen

    @property
    def output(self) -> str:
        """What it has printed so far, errors included."""
        return self.output_file.read_text(errors="replace")

    @property
    def alive(self) -> bool:
        """Whether it is there; when it is not, all that it held, as locks, is free."""
        if self.popen is not None:
            return self.popen.poll() is None
        return Path(f"/proc/{self.pid}").exists()  # the nursery leaves no zombies

    def kill(self, number: int = signal.SIGKILL) -> None:
        """Send a signal, kill -9 by default, to this process alone."""
        with contextlib.suppress(ProcessLookupError):
            os.kill(self.pid, number)

    def kill_group(self) -> None:
        """kill -9 of this process and all that it has started, at once."""
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self.pid, signal.SIGKILL)
        self.wait(10)

    def freeze(self) -> None:
        """Stop it, and what it has started, without ending it."""
        os.killpg(self.pid, signal.SIGSTOP)

    def thaw(self) -> None:
        """Let it go on."""
        os.killpg(self.pid, signal.SIGCONT)

    def children(self) -> list[int]:
        """Pids of the workers that a nanny has started."""
        with contextlib.suppress(psutil.NoSuchProcess):
            # multiprocessing's resource tracker is a child too
            return [
                each.pid for each in psutil.Process(self.pid).children() if "spawn_main" in " ".join(each.cmdline())
            ]
        return []

    @property
    def status_file(self) -> Path:
        """Where a process that was forked in the nursery leaves its exit status."""
        return self.output_file.with_suffix(".status")

    def wait(self, seconds: float) -> int | None:
        """Wait for its end and return the exit status; None of a process of the nursery that a signal has ended."""
        try:
            wait_until(lambda: not self.alive, f"the end of {self.name}", seconds)
        except TimeoutError as error:
            raise TimeoutError(f"{error}; it printed\n{self.output[-3000:]}") from None
        if self.popen is not None:
            return self.popen.returncode
        return int(self.status_file.read_text()) if self.status_file.exists() else None


class Processes:
    """All processes of a test; leaving the block ends those that are left.

    Parameters
    ----------
    folder
        Where their output goes.
    """

    def __init__(self, folder: Path):
        self.folder = folder
        self.all: list[Process] = []
        self._nursery: subprocess.Popen | None = None

    def __enter__(self) -> Processes:
        self.folder.mkdir(parents=True, exist_ok=True)
        atexit.register(self.end)
        return self

    def __exit__(self, *_: object) -> None:
        self.end()
        atexit.unregister(self.end)

    def end(self) -> None:
        """Kill -9 whatever is left, groups as a whole."""
        if self._nursery is not None:
            self._nursery.stdin.close()
            self._nursery.kill()
            self._nursery.wait()
            self._nursery.stdout.close()
            self._nursery = None
        for process in self.all:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)
            if process.popen is not None:
                process.popen.wait()
        self.all.clear()

    def start(
        self, name: str, command: Sequence[str], *, env: Mapping[str, str] | None = None, netns: str | None = None
    ) -> Process:
        """Start Python with some arguments, in a network namespace if one is named."""
        output = self._output(name)
        with output.open("wb") as out:
            popen = subprocess.Popen(
                [*(() if netns is None else ("ip", "netns", "exec", netns)), sys.executable, "-P", *command],
                cwd=self.folder,
                env={**os.environ, **(env or {})},
                stdin=subprocess.DEVNULL,
                stdout=out,
                stderr=subprocess.STDOUT,
                start_new_session=True,
                preexec_fn=_end_with_parent,
            )
        return self._keep(Process(name, popen.pid, output, popen))

    def fork(
        self, name: str, module: str, arguments: Sequence[str], *, env: Mapping[str, str] | None = None,
        netns: str | None = None,
    ) -> Process:  # fmt: skip
        """Run a module's ``main``, or a script, in a fork of a process that has dmfx imported and its kernels compiled.

        A worker is there in a fraction of a second instead of five.
        """
        if self._nursery is None:
            with self._output("nursery").open("wb") as errors:
                self._nursery = subprocess.Popen(
                    [sys.executable, "-P", str(NURSERY)],
                    cwd=self.folder,
                    env={**os.environ, "OPENBLAS_NUM_THREADS": "1", "OMP_NUM_THREADS": "1"},
                    stdin=subprocess.PIPE,
                    stdout=subprocess.PIPE,
                    stderr=errors,
                    start_new_session=True,
                    preexec_fn=_end_with_parent,
                )
        process = Process(name, 0, self._output(name))
        order = {"module": module, "arguments": list(arguments), "env": dict(env or {}), "netns": netns}
        order |= {"output": str(process.output_file), "status": str(process.status_file)}
        self._nursery.stdin.write(json.dumps(order).encode() + b"\n")
        self._nursery.stdin.flush()
        answer = self._nursery.stdout.readline()
        if not answer:
            raise RuntimeError(f"the nursery has ended: {(self.folder / 'nursery.txt').read_text()[-2000:]}")
        process.pid = int(answer)
        return self._keep(process)

    def _keep(self, process: Process) -> Process:
        self.all.append(process)
        return process

    def _output(self, name: str) -> Path:
        """A file that no process of this name has yet."""
        for number in range(10_000):
            output = self.folder / f"{name}{f'-{number}' if number else ''}.txt"
            if not output.exists():
                output.touch()
                return output
        raise RuntimeError(f"ten thousand processes called {name}")


def _end_with_parent() -> None:
    ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGKILL)
