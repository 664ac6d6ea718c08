"""The command ``dmfx``."""

from dmfx.cli.main import main

__all__ = ["main"]
