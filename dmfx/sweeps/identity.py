"""Which dmfx this is: a version number does not tell two checkouts apart, the sources do."""

from __future__ import annotations

import functools
import hashlib
import os
import platform
import socket
from collections.abc import Mapping
from importlib import metadata
from pathlib import Path

from dmfx.version import dmfx_version, versions

__all__ = ["fingerprint", "identity", "machine", "mismatch"]

#: Packages whose arithmetic, random numbers or compiler a result depends on.
ARITHMETIC = ("numpy", "scipy", "numba", "llvmlite")


@functools.cache
def fingerprint() -> str:
    """Digest of all sources of the installed dmfx."""
    root = Path(__file__).parents[1]
    digest = hashlib.blake2b(digest_size=8)
    for path in sorted(root.rglob("*.py")):
        digest.update(str(path.relative_to(root)).encode())
        digest.update(path.read_bytes())
    return digest.hexdigest()


@functools.cache
def _arithmetic() -> dict[str, str]:
    return {name: metadata.version(name) for name in ARITHMETIC}


def identity() -> dict[str, str]:
    """What must be equal on the client and on every worker, so that both compute the same to the last bit."""
    return {"version": dmfx_version(), "sources": fingerprint(), **_arithmetic()}


def mismatch(who: str, theirs: Mapping[str, str], client: Mapping[str, str]) -> str:
    """What to say of a worker that runs something else than the client."""
    differing = {name for name in {**theirs, **client} if theirs.get(name) != client.get(name)}
    is_dmfx = bool(differing & {"version", "sources"})

    def runs(of: Mapping[str, str]) -> str:
        own = [f"dmfx {of['version']} (sources {of['sources']})"] if is_dmfx else []
        others = [f"{name} {of.get(name, 'of another version')}" for name in ARITHMETIC if name in differing]
        return " and ".join(own + others)

    what = "dmfx" if is_dmfx else "versions"
    return f"{who} runs {runs(theirs)}, the client {runs(client)}: install the same {what} on both"


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
