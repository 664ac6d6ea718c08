"""The log of a store: who computed what of it, when and with what."""

from __future__ import annotations

import json
import sys
from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from dmfx.sweeps.identity import identity, machine

__all__ = ["begin_session", "end_session", "read_sessions"]


def begin_session(path: Path, session: str, scheduler: str) -> None:
    """Note that a session begins."""
    where = machine()
    _append(
        path,
        {
            "session": session,
            "start": _now(),
            "command": " ".join(sys.argv),
            "machine": {key: where[key] for key in ("platform", "processor", "cores", "python")},
            "host": where["host"],
            "versions": where["versions"],
            "sources": identity()["sources"],
            "scheduler": scheduler,
        },
    )


def end_session(path: Path, session: str, done: int, reason: str) -> None:
    """Note that it ended, how, and how many points it computed."""
    _append(path, {"session": session, "end": _now(), "done": done, "reason": reason})


def read_sessions(path: Path) -> list[dict[str, Any]]:
    """All sessions in order; one without ``end`` is running or was killed."""
    sessions: dict[str, dict[str, Any]] = {}
    try:
        lines = path.read_text().splitlines()
    except OSError:
        return []
    for line in lines:
        try:
            entry = json.loads(line)
        except ValueError:  # killed while it was written
            continue
        sessions.setdefault(entry["session"], {}).update(entry)
    return list(sessions.values())


def _append(path: Path, entry: Mapping[str, Any]) -> None:
    with path.open("a+b") as file:
        # A line that was cut by a kill must not swallow this one.
        file.seek(0, 2)
        cut = file.tell() > 0 and (file.seek(-1, 2), file.read(1))[1] != b"\n"
        file.write((b"\n" if cut else b"") + json.dumps(entry).encode() + b"\n")


def _now() -> str:
    return datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
