"""A training that is kept after every epoch, so that one that is killed goes on from the last."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING

from dmfx.archive import open as open_archive
from dmfx.archive import save
from dmfx.training.settings import Settings, differences
from dmfx.training.state import NOTES
from dmfx.validation import Problems

if TYPE_CHECKING:
    from dmfx.models.vector_attention import VectorAttention

__all__ = ["check_checkpoint", "read_checkpoint", "save_checkpoint"]


def check_checkpoint(problems: Problems, path: object) -> Path | None:
    """The path of a checkpoint, or None without one or when a problem was recorded."""
    if path is None:
        return None
    if not isinstance(path, (str, os.PathLike)):
        problems.add("checkpoint", "a path ending in .nc, or None", path, is_type=True)
        return None
    parsed = Path(path).expanduser()
    if parsed.suffix != ".nc":
        # A Zarr archive is a folder, which no system replaces in one step.
        problems.say(f"checkpoint must be a path ending in .nc, not {str(parsed)!r}")
    elif not parsed.parent.is_dir():
        problems.say(f"checkpoint: there is no folder {parsed.parent}: create it first")
    elif parsed.exists() and not parsed.is_file():
        problems.say(f"checkpoint: {parsed} is no file")
    else:
        return parsed
    return None


def read_checkpoint(
    problems: Problems, path: Path, settings: Settings, begun: VectorAttention, target: int
) -> VectorAttention:
    """The network of a checkpoint if it has come further, after comparing what it was trained with."""
    ds = open_archive(path)
    if NOTES not in ds or "dmfx_model" not in ds.attrs:
        problems.say(f"checkpoint: {path} holds no training: choose another path")
        return begun
    kept = type(begun).from_dataset(ds)
    if found := differences(kept.training.settings, settings):
        problems.say(f"checkpoint: {path} is of another training: {found}")
    elif kept.training.epochs > target:
        problems.say(
            f"checkpoint: {path} has come to epoch {kept.training.epochs} already, beyond the {target} that epochs "
            "asks for"
        )
    elif kept.training.epochs >= begun.training.epochs:
        return begun.trained(kept.couplings, kept.training)
    return begun


def save_checkpoint(path: Path, net: VectorAttention) -> None:
    """Replace the checkpoint by a later one; the earlier one is there until the other is complete."""
    save(net.with_patterns(None).to_dataset(), path, overwrite=True)
