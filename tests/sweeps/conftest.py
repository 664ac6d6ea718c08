"""Processes of tests that kill them; a sweep that nobody disturbs."""

import os
import random

import pytest

pytest.register_assert_rewrite("tests.sweeps.chaos.sweep")
# Where ip and mkfs.ext4 are, which an ordinary PATH may lack.
os.environ["PATH"] = os.pathsep.join([os.environ["PATH"], "/usr/sbin", "/sbin"])

from tests.sweeps.chaos import Processes, boxes_done, client  # noqa: E402
from tests.sweeps.chaos.sweep import BOXES, SWEEP, new_cluster  # noqa: E402


@pytest.fixture(scope="session")
def processes(tmp_path_factory):
    with Processes(tmp_path_factory.mktemp("processes")) as started:
        yield started


@pytest.fixture(scope="session")
def undisturbed(processes, tmp_path_factory):
    store = tmp_path_factory.mktemp("undisturbed") / "run.zarr"
    client(processes, None, store=str(store), **SWEEP).finished()
    assert boxes_done(store) == BOXES
    return store


@pytest.fixture
def store(tmp_path):
    return tmp_path / "run.zarr"


@pytest.fixture
def cluster(processes):
    """A scheduler and two workers without nannies."""
    made = new_cluster(processes)
    yield made
    made.end()


@pytest.fixture
def rng():
    seed = int(os.environ.get("DMFX_CHAOS_SEED", 0))
    print(f"DMFX_CHAOS_SEED={seed}")
    return random.Random(seed)
