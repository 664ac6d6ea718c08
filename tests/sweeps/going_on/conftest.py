"""Stores of a small sweep."""

from __future__ import annotations

import shutil
import threading

import pytest

from tests.sweeps.going_on.small import dmfx_tasks, sweep


@pytest.fixture(scope="session")
def whole(tmp_path_factory):
    """A store that nobody disturbed."""
    store = tmp_path_factory.mktemp("whole") / "run.zarr"
    sweep(store)
    return store


@pytest.fixture
def store(whole, tmp_path):
    """A copy of it."""
    return shutil.copytree(whole, tmp_path / "run.zarr")


@pytest.fixture
def calls(monkeypatch):
    """Labels of beta of every call of the kernel."""
    found, lock, run_block = [], threading.Lock(), dmfx_tasks.run_block

    def counted(model, block, *state):
        with lock:
            found.append(block.axes["beta"].tolist())
        return run_block(model, block, *state)

    monkeypatch.setattr(dmfx_tasks, "run_block", counted)
    return found
