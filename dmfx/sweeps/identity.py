"""Which dmfx this is: a version number does not tell two checkouts apart, the sources do."""

from __future__ import annotations

import functools
import hashlib
import os
import platform
import socket
from pathlib import Path

from dmfx.version import dmfx_version, versions

__all__ = ["fingerprint", "identity", "machine"]


@functools.cache
def fingerprint() -> str:
    """Digest of all sources of the installed dmfx."""
    root = Path(__file__).parents[1]
    digest = hashlib.blake2b(digest_size=8)
    for path in sorted(root.rglob("*.py")):
        digest.update(str(path.relative_to(root)).encode())
        digest.update(path.read_bytes())
    return digest.hexdigest()


def identity() -> dict[str, str]:
    """What must be equal on the client and on every worker."""
    return {"version": dmfx_version(), "sources": fingerprint()}


def machine() -> dict[str, object]:
    """Where this process runs, and with what."""
    return {
        "host": socket.gethostname(),
        "platform": platform.platform(),
        "processor": _processor(),
        "cores": os.cpu_count(),
        "python": platform.python_version(),
        "versions": versions(),
    }


def _processor() -> str:
    try:
        for line in Path("/proc/cpuinfo").read_text().splitlines():
            if line.startswith("model name"):
                return line.partition(":")[2].strip()
    except OSError:
        pass
    return platform.processor() or platform.machine()
