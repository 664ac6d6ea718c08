"""MNIST's test file, which lies beside the repository where it was put there."""

from pathlib import Path

import pytest
import xarray as xr

from dmfx.tokens import mnist

FOLDER = Path(__file__).resolve().parents[2] / "shared" / "mnist"


def beside(examples: int | None = None) -> xr.Dataset:
    """The first images of MNIST's test file; the test that needs them is skipped, by name, where they are missing."""
    if not FOLDER.is_dir():
        pytest.skip(f"MNIST's test files are not in {FOLDER}")
    return mnist(FOLDER, "test", examples=examples)
