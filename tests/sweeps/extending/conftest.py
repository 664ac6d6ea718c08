"""The store of a small sweep."""

from __future__ import annotations

import shutil

import pytest

from tests.sweeps.extending.small import REDUCE, dmfx_tasks, sweep


@pytest.fixture
def calls(monkeypatch):
    """How many points the kernel was called for, each time."""
    found, run_block = [], dmfx_tasks.run_block

    def counted(model, block, *state):
        found.append({dim: labels.tolist() for dim, labels in block.axes.items()})
        return run_block(model, block, *state)

    monkeypatch.setattr(dmfx_tasks, "run_block", counted)
    return found


@pytest.fixture(scope="session")
def base(tmp_path_factory):
    store = tmp_path_factory.mktemp("base") / "run.zarr"
    sweep(store, reduce=REDUCE)
    return store


@pytest.fixture
def store(base, tmp_path):
    return shutil.copytree(base, tmp_path / "run.zarr")
