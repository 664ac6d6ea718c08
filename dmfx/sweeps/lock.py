"""One sweep at a time on a store: a lock that ends with its process, however that ends."""

from __future__ import annotations

import contextlib
import errno
import fcntl
import json
import os
import socket
import time
import warnings
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import TextIO

from dmfx.sweeps.errors import StoreInUse

__all__ = ["holder", "is_free", "locked", "marked"]

#: Seconds for which the lock is asked for.
PATIENCE = 1.0
#: What file systems without locks say.
NO_LOCKS = (errno.ENOLCK, errno.ENOSYS, errno.EOPNOTSUPP, errno.ENOTSUP)


@contextlib.contextmanager
def locked(path: Path, store: Path) -> Iterator[None]:
    """Hold the lock of a store.

    Raises
    ------
    StoreInUse
        If another process does.
    """
    with path.open("a+") as file:
        try:
            _take(file)
        except BlockingIOError:
            who = holder(path) or "a process that has just ended"
            raise StoreInUse(
                f"another sweep runs on {store} ({who}): wait for its end, or choose another store"
            ) from None
        except OSError as error:
            if error.errno not in NO_LOCKS:
                raise
            warnings.warn(
                f"{store} is on a file system without locks: see to it yourself that one sweep runs on it at a time",
                RuntimeWarning,
                stacklevel=2,
            )
        file.seek(0)
        file.truncate()
        since = datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
        json.dump({"pid": os.getpid(), "host": socket.gethostname(), "since": since}, file)
        file.flush()
        try:
            yield
        finally:
            with contextlib.suppress(OSError):
                file.truncate(0)


def _take(file: TextIO) -> None:
    """Take the lock; who only looks at who holds it does so for a moment."""
    until = time.monotonic() + PATIENCE
    while True:
        try:
            return fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            if time.monotonic() > until:
                raise
            time.sleep(0.05)


@contextlib.contextmanager
def marked(path: Path) -> Iterator[None]:
    """Hold a lock while something is being made, by which others can tell it from what was given up."""
    with path.open("w") as file:
        with contextlib.suppress(OSError):
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        try:
            yield
        finally:
            path.unlink(missing_ok=True)


def is_free(path: Path) -> bool:
    """Whether a lock is there and nobody holds it."""
    with contextlib.suppress(OSError), path.open() as file:
        fcntl.flock(file, fcntl.LOCK_SH | fcntl.LOCK_NB)
        return True
    return False


def holder(path: Path) -> str | None:
    """Who holds the lock, in words; None if nobody does."""
    try:
        with path.open("r") as file:
            try:
                fcntl.flock(file, fcntl.LOCK_SH | fcntl.LOCK_NB)
                return None
            except BlockingIOError:
                text = file.read()
    except OSError:
        return None
    try:
        known = json.loads(text)
        return f"process {known['pid']} on {known['host']} since {known['since']}"
    except (ValueError, KeyError):
        return "a process that has just begun"
