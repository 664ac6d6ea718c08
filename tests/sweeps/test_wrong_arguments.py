"""Each wrong argument of `dmfx.sweep`: refused at once, in words, with nothing left behind."""

from __future__ import annotations

import numpy as np
import pytest

import dmfx

NET = dmfx.SelfAttention.paper()
RIGHT = {"beta": [1.0, 1.1], "gamma": 220.0, "steps": 3, "progress": False}
PATTERNS = dmfx.tokens.random(2, n_tokens=5, n_components=3, seed=1)
VECTORS = dmfx.VectorAttention(dmfx.couplings.hebbian(PATTERNS), PATTERNS)

WRONG = {
    "kill_limit": ({"kill_limit": 0}, "sweep: kill_limit must be a whole number of at least 1, not 0"),
    "kill_limit that is no number": ({"kill_limit": "3"}, "kill_limit must be a whole number"),
    "retry_failed": ({"retry_failed": "yes"}, "retry_failed must be one of True, False, not 'yes'"),
    "check": ({"check": 1}, "check must be one of True, False, not 1"),
    "progress": ({"progress": None}, "progress must be one of True, False, not None"),
    "title": ({"title": 3}, "title must be a text, not 3"),
    "task": ({"task": "dream"}, "task must be one of 'simulate', .*'ablations', not 'dream'"),
    "an argument": ({"stpes": 3}, "simulate has no argument 'stpes'; it has beta, gamma, seed, steps, "),
    "one of another task": ({"fraction": 0.5}, "simulate has no argument 'fraction'"),
    "ablated": ({"task": "ablations", "ablated": "simulate"}, "ablated must be one of 'masked_prediction', "),
    "no ablated": ({"task": "ablations"}, "ablated must be one of .*, not None"),
    "beta": ({"beta": [-1.0]}, "beta must be"),
    "beta twice": ({"beta": [1.0, 1.0]}, "beta has repeated values|beta"),
    "beta that is no number": ({"beta": ["warm"]}, "beta must be"),
    "beta of two dims": ({"beta": np.ones((2, 2))}, "beta must be"),
    "no beta": ({"beta": []}, "beta must be"),
    "seed": ({"seed": 0.5}, "seed must be"),
    "steps": ({"steps": 0}, "steps must be a whole number of at least 1"),
    "initial": ({"initial": "somewhere"}, "initial"),
    "variables": ({"variables": "m_x"}, "variables"),
    "variables beside analyses": ({"variables": "m_x", "reduce": "recall"}, "variables"),
    "chunks": ({"chunks": "small"}, "sweep: chunks must be 'auto', an integer, or a mapping"),
    "chunks of a dim": ({"chunks": {"alpha": 2}}, "chunks: there is no dim 'alpha'; the dims are beta, gamma, seed"),
    "chunks of no points": ({"chunks": {"beta": 0}}, "chunks: dim 'beta' of size 2 cannot be cut into 0"),
    "uneven chunks": (
        {"beta": [1.0, 1.1, 1.2], "chunks": {"beta": (1, 2)}},
        r"the boxes of a store are of equal size; beta cannot be cut into \(1, 2\)",
    ),
    "reduce": ({"reduce": 3}, "reduce must be a list of names of analyses"),
    "reduce by what": ({"reduce": [3]}, r"reduce\[0\] must be the name of an analysis"),
    "reduce without analysis": ({"reduce": [{"bins": 3}]}, r"reduce\[0\] must be the name of an analysis"),
    "unknown analysis": ({"reduce": ["recal"]}, r"reduce\[0\]: there is no analysis 'recal'; expected one of .*recall"),
    "its argument": (
        {"reduce": [{"analysis": "recall", "bins": 3}]},
        r"reduce\[0\]: recall has no argument 'bins'; it",
    ),
    "its value": (
        {"reduce": ["recall", {"analysis": "bifurcation", "bins": -3}]},
        r"reduce\[1\]: bifurcation: bins must be",
    ),
    "its name": ({"reduce": [{"analysis": "recall", "name": "a b"}]}, r"reduce\[0\]: name must be a word"),
    "its name twice": ({"reduce": ["recall", "recall"]}, r"reduce\[1\]: there are two reductions 'recall': give one"),
    "of": (
        {"reduce": [{"analysis": "recall", "of": "first"}]},
        r"reduce\[0\]: 'of' must be the name of a reduction before it \(there are none\), not 'first'",
    ),
    "of a later one": (
        {"reduce": ["recall", {"analysis": "recall", "name": "b", "of": "c"}]},
        r"reduce\[1\]: 'of' must be the name of a reduction before it \(recall\), not 'c'",
    ),
}


@pytest.mark.parametrize("name", WRONG)
def test_wrong_argument(tmp_path, name):
    arguments, message = WRONG[name]
    with pytest.raises((ValueError, TypeError), match=message):
        dmfx.sweep(NET, store=tmp_path / "run.zarr", **{**RIGHT, **arguments})
    assert list(tmp_path.iterdir()) == []


def test_all_problems_in_one_message(tmp_path):
    with pytest.raises(ValueError, match="sweep: 4 problems") as told:
        dmfx.sweep(NET, store="run.nc", **RIGHT, kill_limit=-1, reduce="nothing", what=3)
    for each in ("store must be a path ending in .zarr, not 'run.nc'", "kill_limit", "reduce[0]", "'what'"):
        assert each in str(told.value)


@pytest.mark.parametrize(
    ("arguments", "error"),
    [({"kill_limit": "3"}, TypeError), ({"kill_limit": 0}, ValueError), ({"title": 1}, TypeError)],
    ids=str,
)
def test_kind_of_error(tmp_path, arguments, error):
    with pytest.raises(error):
        dmfx.sweep(NET, store=tmp_path / "run.zarr", **RIGHT, **arguments)


@pytest.mark.parametrize(
    "model", [None, "paper", {}, {1: NET}, VECTORS.couplings], ids=["none", "text", "empty", "x", "c"]
)
def test_wrong_model(tmp_path, model):
    with pytest.raises((ValueError, TypeError), match="model"):
        dmfx.sweep(model, store=tmp_path / "run.zarr", **RIGHT)
    assert list(tmp_path.iterdir()) == []


def test_wrong_store(tmp_path):
    def refused(store, message, error=ValueError):
        with pytest.raises(error, match=message):
            dmfx.sweep(NET, store=store, **RIGHT)

    refused(3, "store must be a path ending in .zarr, not 3", TypeError)
    refused(tmp_path / "run.nc", "store must be a path ending in .zarr")
    refused(tmp_path / "no" / "run.zarr", "there is no folder .*no: create it first")
    saved = dmfx.save(dmfx.simulate(NET, beta=1.0, gamma=220.0, steps=3), tmp_path / "saved.zarr")
    refused(saved, "saved.zarr exists and is no store of a sweep: choose another path")
    (tmp_path / "file.zarr").touch()
    refused(tmp_path / "file.zarr", "exists and is no store of a sweep")


def test_tasks_without_what_they_need(tmp_path):
    store = tmp_path / "run.zarr"
    with pytest.raises((ValueError, TypeError), match="tokens"):
        dmfx.sweep(VECTORS, store=store, task="denoising", **RIGHT)
    with pytest.raises((ValueError, TypeError), match="steps"):
        dmfx.sweep(NET, store=store, beta=1.0, gamma=1.0, progress=False)
    with pytest.raises((ValueError, TypeError), match="attractors"):
        dmfx.sweep(NET, store=store, reduce=["residence"], **RIGHT)
    assert list(tmp_path.iterdir()) == []
