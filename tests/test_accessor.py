"""``ds.dmft`` delegates: each method has the signature of its function and returns what it returns."""

import inspect

import numpy as np
import pytest
import xarray as xr

import dmfx

CALLS = {
    "bifurcation": {"pattern": 1, "bins": 50},
    "poincare": {"plane": {"pattern": 1}, "tolerance": 0.1},
    "autocorrelation": {"max_lag": 7},
    "fft": {"window": "hann"},
    "power_spectrum": {"segment": 16},
    "lyapunov": {"n": 2, "steps": 40},
    "classify": {"steps": 256},
    "basins": {"steps": 256},
    "periodic_orbits": {"max_period": 8, "steps": 40},
    "continuation": {"limits": (0.99, 1.3), "step": 0.005, "max_points": 8},
}


@pytest.fixture(scope="module")
def ds():
    net = dmfx.SelfAttention.paper()
    return dmfx.simulate(net, beta=[1.0, 1.28], gamma=220.0, steps=64, initial="random", starts=2).compute()


def test_orbits_of_twice_the_period_of_a_branch():
    ds = dmfx.simulate(dmfx.SelfAttention.paper(), beta=2.7, gamma=220.0, steps=1, transient=20_000)
    branch = dmfx.continuation(ds, limits=(2.6, 2.75), step=0.05).compute()
    one, other = branch.dmft.doubled_orbits(amplitude=0.02), dmfx.doubled_orbits(branch, amplitude=0.02)
    assert one.drop_attrs(deep=False).identical(other.drop_attrs(deep=False))
    same_signature("doubled_orbits")


@pytest.mark.parametrize("name", CALLS)
def test_method_is_the_function(ds, name):
    one, other = getattr(ds.dmft, name)(**CALLS[name]), getattr(dmfx, name)(ds, **CALLS[name])
    assert one.drop_attrs(deep=False).identical(other.drop_attrs(deep=False))  # the history has the time
    same_signature(name)


def same_signature(name):
    method = inspect.signature(getattr(dmfx.DmftAccessor, name))
    function = inspect.signature(getattr(dmfx, name))
    assert list(method.parameters)[1:] == list(function.parameters)[1:]
    for parameter in list(method.parameters)[1:]:
        assert method.parameters[parameter].default == function.parameters[parameter].default
        assert method.parameters[parameter].kind == function.parameters[parameter].kind


def test_save(ds, tmp_path):
    path = ds.dmft.save(tmp_path / "run.nc")
    assert dmfx.open(path)["attention"].equals(ds["attention"])


def test_a_derived_dataset_has_its_own_accessor(ds):
    chaotic = ds.sel(beta=[1.28])
    assert chaotic.dmft.bifurcation().sizes["beta"] == 1
    assert chaotic.dmft.model == ds.dmft.model


def test_a_dataset_without_a_model_says_so():
    with pytest.raises(ValueError, match=r"no attribute dmfx_model; expected one from dmfx\.simulate or dmfx\.open"):
        _ = xr.Dataset({"m": ("step", np.zeros(3))}).dmft.model
