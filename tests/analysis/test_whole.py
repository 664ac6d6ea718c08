"""What the analyses of finite networks promise: lazy, the same for any chunks and sweep dims, labelled."""

import inspect

import dask
import dask.array as da
import numpy as np
import pytest
import xarray as xr

import dmfx
from dmfx.analysis import attractor_distance, fluctuations
from dmfx.analysis._whole import call_blocks, whole
from dmfx.variables import VARIABLES
from tests.test_cli import run

from . import contract

ANALYSES = {"attractor_distance": attractor_distance, "fluctuations": fluctuations}
every_analysis = pytest.mark.parametrize("analysis", ANALYSES.values(), ids=ANALYSES)


@pytest.fixture(scope="module")
def ds():
    """Noise about waves at three sizes and in the mean field, one replica of which diverged."""
    rng = np.random.default_rng(3)
    sizes = np.array([10.0, 1000.0, np.inf, 1e5])
    shape = (3, 1, 2, 4, 5, 48, 3)
    waves = 0.4 * np.sin(np.arange(48.0)[:, None] * [0.3, 0.9, 2.0])
    values = waves + rng.normal(scale=0.2, size=shape) / np.sqrt(sizes)[:, None, None, None]
    values[1, 0, 1, 0, 2] = np.nan
    status = np.zeros(shape[:5], dtype=np.int8)
    status[1, 0, 1, 0, 2] = 1
    sweep = ("beta", "gamma", "seed", "size", "replica")
    return xr.Dataset(
        {
            "m_o_semantic": ((*sweep, "step", "pattern"), values, {"long_name": "to be replaced"}),
            "attention": ((*sweep, "step", "pattern"), values[..., ::-1]),
            "status": (sweep, status),
        },
        coords={
            "beta": [0.0, 0.5, 1.0],
            "gamma": [220.0],
            "seed": [1, 2],
            "size": sizes,
            "replica": np.arange(5),
            "step": np.arange(1000, 1048),
            "pattern": [3, 4, 5],
            "twice": ("beta", [0.0, 1.0, 2.0]),
        },
        attrs={"source": "dmfx"},
    )


@every_analysis
@pytest.mark.parametrize(
    "chunks",
    [
        {},
        {"beta": 1},
        {"size": 1},
        {"replica": 2, "step": 7},
        {"step": 1, "size": 3},
        {"beta": 2, "seed": 1, "size": (1, 2, 1), "replica": 1, "step": (30, 1, 17), "pattern": 1},
    ],
    ids=str,
)
def test_chunks_do_not_matter(ds, analysis, chunks):
    contract.chunks_do_not_matter(ds, analysis, chunks)


@every_analysis
def test_nothing_is_computed(ds, analysis):
    contract.nothing_is_computed(ds, analysis)


@every_analysis
def test_keys_depend_on_the_arguments(ds, analysis):
    lazy = ds.chunk(beta=1)
    names = {analysis(lazy).isel(beta=slice(0, 3))[name].name for name in analysis(lazy)}
    options = {"directions": 5} if analysis is attractor_distance else {"min_size": 100.0}
    changed = analysis(lazy, **options)
    name = "joint_distance" if analysis is attractor_distance else "fluctuation_exponent"
    assert name in names
    assert changed[name].data.name != analysis(lazy)[name].data.name
    assert not changed[name].compute().equals(analysis(ds)[name])


@every_analysis
def test_single_points(ds, analysis):
    whole_sweep = analysis(ds)
    for point in ({"beta": 2, "gamma": 0, "seed": 1}, {"beta": 0}):
        for data in (ds, ds.chunk(step=16)):
            xr.testing.assert_identical(analysis(data.isel(point)).compute(), whole_sweep.isel(point))


@every_analysis
def test_each_point_by_itself(ds, analysis):
    part = ds.isel(beta=[2, 0], seed=[1])
    xr.testing.assert_identical(analysis(part), analysis(ds).isel(beta=[2, 0], seed=[1]))


@every_analysis
def test_order_of_dims(ds, analysis):
    expected = analysis(ds)
    xr.testing.assert_identical(analysis(ds.transpose("pattern", "step", ...)), expected)
    swapped = analysis(ds.transpose("replica", "seed", "size", ...))
    assert swapped["status"].dims[:2] == ("replica", "seed")
    for name, array in expected.data_vars.items():
        xr.testing.assert_identical(swapped[name].transpose(*array.dims), array)


@every_analysis
def test_input_stays_as_it_is(ds, analysis):
    contract.memory_is_only_read(ds, analysis)
    before = ds.copy(deep=True)
    analysis(ds)
    xr.testing.assert_identical(ds, before)


@every_analysis
def test_labels(ds, analysis):
    result = analysis(ds)
    assert result.attrs == ds.attrs
    assert (result.twice == ds.twice).all()
    assert (result.status == ds.status).all()
    assert (result.pattern == [3, 4, 5]).all()
    for name, array in result.data_vars.items():
        assert array.attrs["long_name"] == VARIABLES[name].long_name
        assert array.dims[:3] == ("beta", "gamma", "seed")
        for value in array.attrs.values():
            assert isinstance(value, (str, int, float, list)), "must fit into NetCDF"
            assert not isinstance(value, bool)
    dims = {"joint_distance": ("size", "replica"), "distance": ("size", "replica", "pattern")}
    dims |= {"fluctuation": ("size", "pattern"), "fluctuation_exponent": ("pattern",)}
    assert all(result[name].dims[3:] == dims[name] for name in dims if name in result)


@every_analysis
@pytest.mark.parametrize("suffix", [".nc", ".zarr"])
def test_archives(ds, analysis, suffix, tmp_path):
    expected = analysis(ds)
    kept = dmfx.open(dmfx.save(expected, tmp_path / f"analysed{suffix}"))
    xr.testing.assert_equal(kept.load(), expected)
    again = analysis(dmfx.open(dmfx.save(ds.chunk(beta=1), tmp_path / f"run{suffix}")))
    assert all(again[name].chunks is not None for name in again.data_vars)
    xr.testing.assert_equal(again.compute(), expected)


@every_analysis
def test_empty_sweep(ds, analysis):
    for data in (ds, ds.chunk(size=1)):
        assert analysis(data.isel(beta=slice(0))).compute().sizes["beta"] == 0


@every_analysis
def test_other_inputs(ds, analysis):
    single = ds.assign(m_o_semantic=ds.m_o_semantic.astype(np.float32))
    xr.testing.assert_identical(analysis(single), analysis(single.astype(float).assign(status=ds.status)))
    without = analysis(ds).drop_vars("status")
    without = without.drop_vars([dim for dim in ("replica",) if dim not in analysis(ds.drop_vars("status")).dims])
    xr.testing.assert_identical(analysis(ds.drop_vars("status")), without)
    one = analysis(ds.isel(step=[0]))
    assert np.isfinite(one["distance" if "distance" in one else "fluctuation"].isel(beta=0)).all()
    with pytest.raises(TypeError, match=r"ds must be a Dataset from dmfx\.simulate, not"):
        analysis(ds.m_o_semantic)
    with pytest.raises(ValueError, match="variable must be one of 'm_o_semantic', 'attention'"):
        analysis(ds, variable="m_v")
    with pytest.raises(ValueError, match="at least one step"):
        analysis(ds.isel(step=slice(0)))


@pytest.mark.parametrize("name", ANALYSES)
def test_the_accessor_is_the_function(ds, name):
    method, function = getattr(dmfx.DmftAccessor, name), getattr(dmfx, name)
    parameters = list(inspect.signature(function).parameters.values())[1:]
    assert list(inspect.signature(method).parameters.values())[1:] == parameters
    options = {"variable": "attention"}
    options |= {"directions": 3} if name == "attractor_distance" else {"min_size": 20, "max_size": 1e6}
    xr.testing.assert_identical(getattr(ds.dmft, name)(**options), function(ds, **options))


def test_reference_through_the_accessor(ds):
    mean_field = ds.sel(size=np.inf).isel(replica=0)
    xr.testing.assert_identical(ds.dmft.attractor_distance(mean_field), attractor_distance(ds, mean_field))


def test_big_blocks_are_cut():
    lazy = xr.DataArray(da.zeros((40, 6, 1000), chunks=(40, 6, 10)), dims=("beta", "replica", "step"))
    with dask.config.set({"array.chunk-size": "1MB"}):
        found = whole(lazy, "replica", "step")
    assert found.chunksizes["step"] == (1000,)
    assert found.chunksizes["replica"] == (6,)
    assert max(found.chunksizes["beta"]) <= 20
    assert whole(lazy[..., :10], "replica", "step").chunksizes["beta"] == (40,)
    eager = xr.DataArray(np.zeros((2, 3)), dims=("beta", "step"))
    assert whole(eager, "step") is eager


def add(shared, one, other):
    return one.sum(axis=-1) + other.sum(axis=-1) + shared, one * 2


@pytest.mark.parametrize("lazy", [(), (0,), (1,), (0, 1)])
def test_arrays_with_some_of_the_dims(lazy):
    one = xr.DataArray(np.arange(24.0).reshape(2, 3, 4), {"beta": [1, 2]}, dims=("beta", "size", "step"))
    other = xr.DataArray(np.arange(10.0).reshape(5, 2), dims=("lag", "beta"))
    arrays = [a.chunk(beta=1) if number in lazy else a for number, a in enumerate((one, other))]
    results = {"total": ((), (), float), "twice": (("step",), (4,), float)}
    found = call_blocks(add, 0.5, *arrays, inner=("step", "lag"), results=results)
    assert all((each.chunks is not None) == bool(lazy) for each in found.values())
    assert found["total"].dims == ("beta", "size")
    assert found["twice"].beta.values.tolist() == [1, 2]
    np.testing.assert_array_equal(found["total"], (one.sum("step") + other.sum("lag") + 0.5).transpose("beta", "size"))
    np.testing.assert_array_equal(found["twice"], 2 * one)


@pytest.mark.parametrize(
    ("name", "setting"), [("attractor_distance", "directions=5"), ("fluctuations", "min_size=100")]
)
def test_from_the_shell(ds, name, setting, tmp_path, capsys):
    archive, made, picture = (tmp_path / each for each in ("run.nc", "made.nc", "made.png"))
    dmfx.save(ds, archive)
    assert run(capsys, "analyse", archive, name, made, "--set", setting)[0] == 0
    argument, _, value = setting.partition("=")
    xr.testing.assert_equal(dmfx.open(made).load(), ANALYSES[name](ds, **{argument: int(value)}))
    assert run(capsys, "plot", made, name, picture, "--pattern", "4")[0] == 0
    assert picture.exists()
