"""What analyses of trajectories and the shell make of runs of vector spins, and which analyses refuse them."""

import numpy as np
import pytest
import xarray as xr

import dmfx
from dmfx import plot
from dmfx.cli import main
from tests.vectors.networks import KINDS, M, network, sweep

PLANE = {"pattern": 1, "value": 0.1}
OF_TRAJECTORIES = {
    "bifurcation": {},
    "autocorrelation": {"max_lag": 4},
    "fft": {},
    "power_spectrum": {},
    "poincare": {"plane": PLANE, "interpolate": True},
}
OF_SELF_ATTENTION = {
    "lyapunov": {},
    "classify": {},
    "basins": {},
    "periodic_orbits": {},
    "continuation": {"limits": (0.0, 1.0)},
}


@pytest.fixture(scope="module")
def run():
    return sweep(steps=32, beta=[0.0, 3.0]).compute()


@pytest.mark.parametrize("name", OF_TRAJECTORIES)
def test_trajectories_are_analysed(run, name):
    analysis, arguments = getattr(dmfx, name), OF_TRAJECTORIES[name]
    found = analysis(run, variable="overlap", **arguments)
    by_default = analysis(run, **arguments)
    xr.testing.assert_identical(by_default, found)
    old = analysis(run.rename(overlap="m_o_semantic"), **arguments)
    for variable in found.data_vars:
        np.testing.assert_array_equal(found[variable], old[variable])
        if "variable" in old[variable].attrs:
            assert found[variable].attrs["variable"] == "overlap"
            assert old[variable].attrs["variable"] == "m_o_semantic"
    xr.testing.assert_identical(getattr(run.dmft, name)(**arguments), found)


def test_fluctuations_between_replicas(run):
    replicas = xr.concat(
        [run[["overlap"]].isel(initial=0, drop=True), run[["overlap"]].isel(initial=1, drop=True)],
        xr.DataArray([0, 1], dims="replica", name="replica"),
    )
    found = dmfx.fluctuations(replicas)
    assert found["fluctuation"].attrs["variable"] == "overlap"
    xr.testing.assert_identical(found, dmfx.fluctuations(replicas, variable="overlap"))


def test_pictures_name_the_overlap(run):
    picture = plot.trajectory(run.isel(beta=1, gamma=0, initial=0))
    assert picture.opts.get("plot").kwargs["ylabel"].replace("\n", " ") == "overlap with the stored pattern q₀"
    assert plot.portrait(run.isel(beta=1, gamma=0)) is not None


def test_a_variable_that_is_named_wrongly_is_refused(run):
    with pytest.raises(ValueError, match="variable must be one of 'overlap'"):
        dmfx.autocorrelation(run, variable="m_v")
    with pytest.raises(ValueError, match="variable with dims step and pattern"):
        dmfx.autocorrelation(run.drop_vars("overlap"))


@pytest.mark.parametrize("name", OF_SELF_ATTENTION)
def test_analyses_of_self_attention_refuse(run, name):
    message = f"{name}: ds must be a run of dmfx.SelfAttention, .* not of dmfx.VectorAttention$"
    with pytest.raises(ValueError, match=message):
        getattr(dmfx, name)(run, **OF_SELF_ATTENTION[name])


def test_comparisons_with_self_attention_refuse(run):
    of_ds = "ds must be a run of dmfx.SelfAttention, .* not of dmfx.VectorAttention"
    with pytest.raises(ValueError, match=of_ds):
        dmfx.attractor_distance(run, run)
    with pytest.raises(ValueError, match=of_ds):
        dmfx.residence(run, run, variable="overlap")
    with pytest.raises(ValueError, match=r"branch must be a Dataset from dmfx\.continuation"):
        dmfx.doubled_orbits(run)
    net = dmfx.SelfAttention.paper()
    with pytest.raises(ValueError, match="initial must be a Dataset with final_attention"):
        dmfx.simulate(net, beta=1.0, gamma=1.0, steps=2, initial=run)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("suffix", ["nc", "zarr"])
def test_the_shell_tells_what_an_archive_holds(tmp_path, capsys, kind, suffix):
    path = tmp_path / f"run.{suffix}"
    net = network(kind)
    sweep(net, steps=2).dmft.save(path)
    main(["info", str(path)])
    told = capsys.readouterr().out
    assert "Dynamics of an attention network of vector spins" in told
    assert repr(net) in told
    assert "overlap with the stored pattern" in told
    assert f"points: {7 * 2 * M} ok" in told
    dmfx.VectorAttention.to_dataset(net).dmft.save(tmp_path / f"net.{suffix}")
    main(["info", str(tmp_path / f"net.{suffix}")])
    assert repr(net) in capsys.readouterr().out


def test_the_shell_tells_of_an_archive_without_its_couplings(tmp_path, capsys):
    ds = sweep(steps=2).compute()
    ds[["overlap", "status"]].dmft.save(tmp_path / "part.nc")
    main(["info", str(tmp_path / "part.nc")])
    told = capsys.readouterr().out
    assert "model unknown: the Dataset lacks the variable couplings_matrices" in told
    assert "overlap with the stored pattern" in told
