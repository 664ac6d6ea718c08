import numpy as np
import pytest

import dmfx
from dmfx.vectors import graph
from tests import oracle_vectors as oracle

N, D = 6, 3


@pytest.fixture(scope="session")
def patterns():
    return oracle.random_tokens(np.random.default_rng(1), 4, N, D)


@pytest.fixture(scope="session")
def matrices():
    return oracle.random_matrices(np.random.default_rng(2), N, D)


@pytest.fixture(scope="session")
def net(matrices, patterns):
    """Couplings without any symmetry, and patterns that have nothing to do with them."""
    return dmfx.VectorAttention(matrices, patterns)


@pytest.fixture(scope="session")
def stored(patterns):
    """Hebbian networks that store two and four patterns."""
    return {n: dmfx.VectorAttention(dmfx.couplings.hebbian(patterns[:n]), patterns[:n]) for n in (2, 4)}


@pytest.fixture
def calls(monkeypatch):
    """Counts how often blocks are run."""
    counted, original = [], graph.run_block
    monkeypatch.setattr(graph, "run_block", lambda *args: counted.append(1) or original(*args))
    return counted
