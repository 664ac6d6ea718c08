"""Reductions of the whole sweep, computed at its end from what its tasks have kept."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from dmfx import archive
from dmfx.archive.parts import later_path
from dmfx.archive.placing import remove
from dmfx.sweeps.reductions import ANALYSES, Reduction

__all__ = ["compute_later", "forget_later"]


def forget_later(store: Path, reductions: Sequence[Reduction]) -> None:
    """Remove reductions of what a store has no more, or not yet."""
    for each in reductions:
        remove(later_path(store, each.name))


def compute_later(store: Path, reductions: Sequence[Reduction], *, again: bool) -> None:
    """Compute reductions of a finished store that are not there, or all of them ``again``."""
    for each in reductions:
        path = later_path(store, each.name)
        if again or not path.exists() or archive.check(path):
            source = archive.open(store, reduction=each.of)
            archive.save(ANALYSES[each.analysis](source, **each.settings), path, overwrite=True)
