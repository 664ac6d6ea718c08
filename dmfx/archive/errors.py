"""What is raised when an archive is damaged."""

from __future__ import annotations

import os

__all__ = ["ArchiveError", "damaged"]


class ArchiveError(ValueError):
    """An archive is damaged, incomplete or not what it was when it was opened."""


def damaged(path: str | os.PathLike[str], what: str, *, advice: str | None = None) -> ArchiveError:
    """Name the archive, what is wrong with it and what to do."""
    if advice is None:
        advice = "it must be copied again from an intact source, or computed and saved again"
    return ArchiveError(f"{os.fspath(path)}: {what}; {advice}")
