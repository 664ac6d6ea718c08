"""What cannot be extended is refused, with what differs."""

from __future__ import annotations

import numpy as np
import pytest

import dmfx
from dmfx.archive.parts import load_parts
from dmfx.sweeps import StoreMismatch, progress_of
from tests.sweeps.extending.small import BETA, NET, check, run_of, sweep
from tests.sweeps.same import reductions_of


@pytest.mark.parametrize("analysis", ["fft", "autocorrelation"])
def test_reductions_that_depend_on_the_number_of_steps(tmp_path, analysis):
    """As many steps as at first are as good; with others the frequencies would differ."""
    store = tmp_path / "run.zarr"
    reduce = [{"analysis": analysis}]
    sweep(store, reduce=reduce)
    with pytest.raises(
        StoreMismatch, match=r"longer by 8 steps: .* would have other sizes or labels than in the store"
    ):
        sweep(store, reduce=reduce, steps=20)
    assert progress_of(store).finished
    ds = sweep(store, reduce=reduce, steps=24)
    assert ds.sizes["stretch"] == 2
    second = reductions_of(run_of(initial=run_of(), transient=0), reduce)[analysis].compute()
    found = dmfx.open(store, reduction=analysis)
    for name, var in second.data_vars.items():
        if "beta" in var.dims and "stretch" in found[name].dims:
            np.testing.assert_array_equal(found[name].isel(stretch=1), var)
    assert any("stretch" in var.dims for var in found.data_vars.values())


@pytest.mark.parametrize("sizes", [([1e3], [1e3, np.inf]), ([np.inf], [1e3, np.inf])])
def test_mean_field_beside_finite_networks_from_the_beginning(tmp_path, sizes):
    store = tmp_path / "run.zarr"
    sweep(store, size=sizes[0])
    with pytest.raises(StoreMismatch, match="size = inf must be there from the beginning"):
        sweep(store, size=sizes[1])
    assert progress_of(store).finished


REFUSED = {
    "fewer labels": ({"beta": BETA[:-1]}, {}, r"the store has beta = 1.3 \(1 labels\)"),
    "none of them": ({"beta": [7.0]}, {}, r"the store has beta = 1.2, 1.22, 1.24, ... \(6 labels\)"),
    "shorter": ({"steps": 5}, {}, "it was made with steps=12, not 5"),
    "carried, longer": ({"steps": 20}, {"carry": "beta"}, "steps=12, and runs with carry= cannot be made longer"),
    "carried along": (
        {"beta": [*BETA, 1.5]},
        {"carry": "beta"},
        "beta cannot be extended: carry needs all of its points at once",
    ),
    "measured, longer": (
        {"steps": 20},
        {"lyapunov": 1},
        "it was made with steps=12, and runs with lyapunov= cannot be made longer",
    ),
    "basins": (
        {"beta": [*BETA, 1.5]},
        {"initial": "random", "starts": 2, "reduce": {"analysis": "basins", "steps": 256}, "variables": None},
        "beta cannot be extended: basins needs all of its points at once",
    ),
    "starts": (
        {"starts": 3},
        {"initial": "random", "starts": 2},
        "starts=2, not 3",
    ),
    "steps that are no number": ({"steps": 12.5}, {}, "not 12.5"),
}


@pytest.mark.parametrize("name", REFUSED)
def test_what_cannot_be_extended_is_refused(tmp_path, name):
    more, arguments, message = REFUSED[name]
    store, arguments = tmp_path / "run.zarr", {"chunks": "auto", "gamma": 220.0, "steps": 12, **arguments}
    sweep(store, NET, **arguments)
    with pytest.raises(StoreMismatch, match=message):
        sweep(store, NET, **{**arguments, **more})
    assert len(load_parts(store)) == 1
    assert progress_of(store).finished


def test_coupled_dims_that_are_not_extended_do_not_hinder_others(tmp_path):
    store = tmp_path / "run.zarr"
    arguments = {"carry": "beta", "gamma": [220.0], "chunks": "auto", "model": NET}
    sweep(store, **arguments)
    more = {**arguments, "gamma": [210.0, 220.0]}
    sweep(store, **more)
    check(store, **more)
