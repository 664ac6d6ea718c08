"""Residence over a sweep: labels, pooling, chunks, laziness, wrong arguments."""

import inspect

import dask
import numpy as np
import pytest
import xarray as xr

import dmfx
from dmfx.analysis.residence import residence

from .residence_cases import chain, fixed_points, runs_of, same

COUNTED = (
    "residence_time",
    "residence_count",
    "occupation",
    "core_fraction",
    "escape_rate",
    "escapes",
    "stay_length",
    "stay_ended",
)
BOUNDS = tuple(f"{name}_{end}" for name in ("residence_time", "escape_rate") for end in ("low", "high"))


@pytest.fixture(scope="module")
def swept():
    """Runs over β, size, replica and initial, and two attractors that move with β, with labels 3 and 5."""
    beta, size = np.array([1.0, 1.1, 1.2]), np.array([100.0, 1e4])
    states = chain((0.02, 0.05), 300, 24).reshape(3, 2, 2, 2, 300).astype(float)
    states = states * (1 + np.arange(3))[:, None, None, None, None]
    dims = ("beta", "size", "replica", "initial", "step")
    ds = runs_of(states, dims, beta=beta, size=size, replica=[4, 7], initial=[0, 1]).assign_coords(gamma=220.0)
    ds["status"] = ("beta", "size", "replica", "initial"), np.zeros((3, 2, 2, 2), np.int8)
    each = [fixed_points([0.0, 1.0 + i], [3, 5]) for i in range(3)]
    attractors = xr.concat(each, "beta").assign_coords(beta=beta).expand_dims(gamma=[220.0], seed=[0])
    return ds, attractors


def test_attractors_are_matched_by_label(swept):
    ds, attractors = swept
    result = residence(ds, attractors, window=1)
    assert result.residence_label.dims == ("beta", "size", "replica", "initial", "step")
    assert result.escape_rate.dims == ("beta", "size", "attractor")
    assert result.escapes.dims == ("beta", "size", "attractor", "to")
    assert result.attractor.values.tolist() == result.to.values.tolist() == [3, 5]
    assert set(np.unique(result.residence_label)) == {3, 5}
    np.testing.assert_allclose(result.residence_radius.sel(beta=1.2).values.ravel(), [1, 1])
    expected = np.where(ds.attention.isel(pattern=0) > 0.5 * (1 + xr.DataArray([0, 1, 2], dims="beta")), 5, 3)
    np.testing.assert_array_equal(result.residence_label, expected)
    assert (result.status == 0).all()
    assert result.attrs == ds.attrs
    turned = attractors.isel(beta=[2, 0, 1], attractor=[1, 0]).assign_coords(beta=[1.2, 1.0, 1.1 + 2e-16])
    again = residence(ds, turned, window=1)
    same(again.isel(attractor=[1, 0], to=[1, 0]), result)
    # One point, its coordinates left, and a point selected away in the attractors only.
    same(residence(ds.isel(beta=1), attractors, window=1), result.isel(beta=1))
    one = residence(ds.isel(beta=[1]), attractors.isel(beta=1), window=1)
    np.testing.assert_array_equal(one.escapes, result.escapes.isel(beta=[1]))
    # Attractors of the mean field, found at size = inf.
    same(residence(ds, attractors.expand_dims(size=[np.inf]), window=1), result)


def test_which_runs_are_put_together(swept):
    ds, attractors = swept
    by_run = residence(ds, attractors, window=1, pool=())
    assert by_run.escape_rate.dims == ("beta", "size", "replica", "initial", "attractor")
    pooled = residence(ds, attractors, window=1)
    np.testing.assert_array_equal(by_run.escapes.sum(["replica", "initial"]), pooled.escapes)
    np.testing.assert_array_equal(by_run.residence_count.sum(["replica", "initial"]), pooled.residence_count)
    total = by_run.stay_length.sum(["replica", "initial", "stay"])
    np.testing.assert_allclose(pooled.escape_rate, pooled.escapes.sum("to") / total)
    by_replica = residence(ds, attractors, window=1, pool="initial")
    np.testing.assert_array_equal(by_run.escapes.sum("initial"), by_replica.escapes)
    everything = residence(ds, attractors, window=1, pool=["size", "replica", "initial"])
    np.testing.assert_array_equal(pooled.escapes.sum("size"), everything.escapes)
    same(by_run[["residence_label"]], pooled[["residence_label"]])
    # Lengths come in the order of the runs, then of time.
    here = {"beta": 1, "size": 0}
    for a in (0, 1):
        lengths = by_run.stay_length.isel(here).isel(attractor=a).values.reshape(4, -1)
        np.testing.assert_array_equal(
            pooled.stay_length.isel(here).isel(attractor=a).dropna("stay"), lengths[np.isfinite(lengths)]
        )


def test_lengths_that_are_kept(swept):
    ds, attractors = swept
    every, few = (residence(ds, attractors, window=1, max_stays=n) for n in (1000, 2))
    same(every.isel(stay=slice(2)), few)
    assert int(few.residence_count.max()) > 2


@pytest.mark.parametrize(
    "chunks",
    [
        {"beta": 1, "size": 1, "replica": 1, "initial": 1, "step": 50},
        {"beta": 2, "size": 2, "replica": 1, "initial": 2, "step": 300},
        {"step": 7},
    ],
)
def test_chunks_change_nothing(swept, chunks):
    ds, attractors = swept
    result = residence(ds, attractors, window=2, every=3)
    lazy = residence(ds.chunk(chunks), attractors, window=2, every=3)
    assert all(dask.is_dask_collection(lazy[name]) for name in (*COUNTED, *BOUNDS, "residence_label"))
    same(lazy.compute(), result)
    also = residence(ds.chunk(chunks), attractors.chunk({"beta": 1, "point": 3}), window=2, every=3)
    same(also.compute(), result)
    same(residence(ds, attractors.chunk({"beta": 2}), window=2, every=3).compute(), result)
    assert (
        also.escapes.data.name
        == residence(ds.chunk(chunks), attractors.chunk({"beta": 1, "point": 3}), window=2, every=3).escapes.data.name
    )


def test_nothing_is_computed_before_it_is_asked_for(swept):
    def refuse(*_):
        raise AssertionError("computed")

    ds, attractors = swept
    broken = ds.assign(
        attention=ds.attention.chunk({"beta": 1}).copy(
            data=ds.attention.chunk().data.map_blocks(refuse, dtype=float, meta=np.empty((0,) * 6))
        )
    )
    result = residence(broken, attractors, window=1)
    assert result.residence_label.shape == (3, 2, 2, 2, 300)
    eager = residence(ds, attractors, window=1)
    assert not any(dask.is_dask_collection(each) for each in eager.values())


@pytest.mark.parametrize("which", [("ds",), ("attractors",), ("ds", "attractors")])
def test_everything_is_lazy_if_one_input_is(swept, which):
    given = {"ds": swept[0], "attractors": swept[1]}
    expected = residence(**given, window=1)
    chunks = {"ds": {"beta": 1, "step": 50}, "attractors": {"beta": 2}}
    lazy = residence(**given | {name: given[name].chunk(chunks[name]) for name in which}, window=1)
    assert set(lazy) == set(expected) >= {"residence_radius", "attractor_kind", "attractor_period", "status"}
    assert all(dask.is_dask_collection(each) for each in lazy.values())
    assert not any(dask.is_dask_collection(each) for each in lazy.coords.values())
    assert lazy.chunks  # blocks that line up
    same(lazy.compute(), expected)


def test_an_attractor_that_is_absent(swept):
    ds, attractors = swept
    gone = attractors.where((attractors.beta != 1.1) | (attractors.attractor == 3))
    result, whole = (residence(ds, each, window=1, radius=0.3) for each in (gone, attractors))
    same(result.sel(beta=[1.0, 1.2]), whole.sel(beta=[1.0, 1.2]))
    at = result.sel(beta=1.1)
    assert (at.residence_count.sel(attractor=5) == 0).all()
    assert np.isnan(at.residence_radius.sel(attractor=5)).all()
    assert set(np.unique(at.residence_label)) <= {-1, 3}
    nothing = residence(ds, attractors.where(attractors.attractor > 9), window=1)
    assert (nothing.residence_label == -1).all()
    assert (nothing.occupation == 0).all()


def test_sets_that_are_too_close(swept):
    ds, attractors = swept
    close = attractors.copy(deep=True)
    close["attractor_points"].loc[{"beta": 1.1}] = 0.5
    message = (
        r"residence: 2 problems: attractors: 100\.0% of the states of attractor 3 at .*beta = 1\.1.* would be in the "
        r"core of 5.*n_points=.*window=.*drop_sel\(attractor=3\)"
    )
    with pytest.raises(ValueError, match=message):
        residence(ds, close, window=1)
    lazy = residence(ds, close.chunk(), window=1)
    with pytest.raises(ValueError, match=message):
        lazy.compute()
    assert residence(ds, close.drop_sel(attractor=3), window=1, radius=0.1).sizes["attractor"] == 1
    with pytest.raises(ValueError, match=r"attractor 3 at .* is alone and a single state: give radius"):
        residence(ds, close.drop_sel(attractor=5), window=1)


def test_the_accessor(swept):
    ds, attractors = swept
    same(ds.dmft.residence(attractors, window=1, pool=()), residence(ds, attractors, window=1, pool=()))
    method, function = (inspect.signature(each).parameters for each in (dmfx.DmftAccessor.residence, residence))
    assert list(method.values())[1:] == list(function.values())[1:]


@pytest.mark.parametrize(
    ("arguments", "error", "message"),
    [
        ({"variable": "m_o"}, ValueError, "variable must be one of 'attention'"),
        ({"radius": 0}, ValueError, "radius must be a finite number above 0, not 0"),
        ({"radius": "1"}, TypeError, "radius must be a finite number above 0"),
        ({"window": None}, ValueError, "ds does not say its model: give window"),
        ({"window": 0}, ValueError, "window must be a whole number of at least 1"),
        ({"window": 301}, ValueError, "ds must have at least 301 steps.* but has 300"),
        ({"window": 9}, ValueError, "fewer than 9 successive states of attractor 3 at .*n_points"),
        ({"every": 0}, ValueError, "every must be a whole number of at least 1"),
        ({"pool": 3}, TypeError, "pool must be the name of a sweep dim, or several, not 3"),
        ({"pool": "runs"}, ValueError, "pool must be of sweep dims, 'beta', 'size', 'replica', 'initial', not 'runs'"),
        ({"pool": ("beta",)}, ValueError, "pool must not hold 'beta', along which the attractors differ"),
        ({"max_stays": 0}, ValueError, "max_stays must be a whole number"),
        ({"radius": -1, "max_stays": 0.5}, ValueError, "2 problems: radius .*; max_stays"),
    ],
)
def test_wrong_arguments(swept, arguments, error, message):
    ds, attractors = swept
    longer = attractors.assign(attractor_period=0 * attractors.attractor_period + 20) if "9" in message else attractors
    with pytest.raises(error, match=rf"residence: .*{message}"):
        residence(ds, longer, **{"window": 1} | arguments)


def test_wrong_datasets(swept):
    ds, attractors = swept

    def refused(message, error=ValueError, ds=ds, attractors=attractors):
        with pytest.raises(error, match=rf"residence: .*{message}"):
            residence(ds, attractors, window=1)

    refused("ds must be a Dataset", TypeError, ds=3)
    refused("attractors must be a Dataset from dmfx.basins", TypeError, attractors=ds.attention)
    refused("attractors must be what dmfx.basins returned.*lacks attractor_points", attractors=ds)
    refused("lacks attractor_period", attractors=attractors.drop_vars("attractor_period"))
    refused("has attractor_points without those dims", attractors=attractors.isel(point=0))
    refused("have all points.*left out along point", attractors=attractors.assign_coords(point=np.arange(0, 16, 2)))
    refused("ds must have every step", ds=ds.assign_coords(step=np.arange(300)).isel(step=slice(None, None, 2)))
    refused("attractors has no beta = 1.1", attractors=attractors.drop_sel(beta=1.1))
    refused("attractors is at beta = 1.0, but ds at 1.0, 1.1, 1.2", attractors=attractors.isel(beta=0))
    refused("attractors has no gamma = 220.0", attractors=attractors.assign_coords(gamma=[210.0]))
    refused(r"attractors has the dim beta \(3\), which ds has not", ds=ds.isel(beta=0, drop=True))
    refused("attractors has 2 entries along size", attractors=attractors.expand_dims(size=[1.0, np.inf]))
    refused("labels from 0 along attractor, each once", attractors=attractors.assign_coords(attractor=[1, 1]))
    refused("attractors has no entries along attractor", attractors=attractors.isel(attractor=[]))
    refused("ds has the dim stay", ds=ds.rename(initial="stay"))
    refused(
        "attractors must have labels along pattern, or as many entries",
        attractors=attractors.isel(pattern=[0, 0]),
    )
    refused(
        "attractor_period has dims",
        attractors=attractors.assign(attractor_period=attractors.attractor_points.astype(int)),
    )
    refused(
        "attractor_points must be real numbers",
        attractors=attractors.assign(attractor_points=attractors.attractor_points.astype(str)),
    )


def test_in_the_shell(swept, tmp_path, capsys):
    from tests.test_cli import run

    ds, attractors = swept
    paths = [each.dmft.save(tmp_path / name) for each, name in ((ds, "runs.nc"), (attractors, "found.zarr"))]
    made = tmp_path / "residence.nc"
    words = ["--set", f"attractors={paths[1]}", "--set", "window=1", "--set", "pool=replica", "--workers", "1"]
    status, _, err = run(capsys, "analyse", paths[0], "residence", made, *words)
    assert (status, err.count("Error")) == (0, 0)
    same(dmfx.open(made).load(), residence(ds, attractors, window=1, pool="replica"))
    status, _, err = run(capsys, "analyse", paths[0], "residence", made, "--overwrite")
    assert status == 2
    assert "residence needs --set attractors=VALUE" in err
    status, _, err = run(capsys, "analyse", paths[0], "residence", made, "--overwrite", "--set", "attractors=none.nc")
    assert status == 2
    assert "none.nc" in err
