"""What workers of a cluster are given besides tasks; imported only where there is a cluster."""

from __future__ import annotations

from distributed import Worker, WorkerPlugin

from dmfx.sweeps.attempts import mark_open, watch_termination

__all__ = ["MarkAttempts"]


class MarkAttempts(WorkerPlugin):
    """Marks what is being computed when the process of a worker is asked to end."""

    name = "dmfx-sweep"

    def setup(self, worker: Worker) -> None:
        """Begin to watch."""
        watch_termination()

    def teardown(self, worker: Worker) -> None:
        """Mark what is still being computed when the worker closes."""
        mark_open()
