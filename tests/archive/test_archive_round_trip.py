"""Whatever is saved comes back, through both formats."""

from __future__ import annotations

import itertools

import dask.array as da
import hypothesis.extra.numpy as hnp
import netCDF4
import numpy as np
import pytest
import xarray as xr
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from dmfx import archive

DIMS = ("beta", "gamma", "seed", "step", "pattern")
DTYPES = ("?", "i1", "u1", "i2", "u2", "i4", "u4", "i8", "u8", "f2", "f4", "f8", ">f8", "c8", "c16", "U3", "S2")
TIMES = ("M8[ns]", "m8[ns]")

scalars = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(),
    st.floats(),
    st.text(st.characters(), max_size=5),
    st.complex_numbers(),
    st.sampled_from([np.float32(0.1), np.int8(-3), np.bool_(True), np.str_("é"), np.array([1, 2]), np.array([[1.5]])]),
)
values = st.recursive(
    scalars,
    lambda inner: st.one_of(
        st.lists(inner, max_size=3),
        st.tuples(inner),
        st.dictionaries(st.one_of(st.text(max_size=4), st.just("__dmfx__"), st.integers()), inner, max_size=3),
    ),
    max_leaves=6,
)
awkward_names = st.sampled_from(
    ["_FillValue", "coordinates", "scale_factor", "a/b", "1st", "β", "", " x", "dmfx_attrs", 3]
)
attributes = st.dictionaries(
    st.one_of(st.sampled_from(["units", "long_name", "size"]), awkward_names, st.text(max_size=5)), values, max_size=4
)


@st.composite
def datasets(draw: st.DrawFn) -> xr.Dataset:
    sizes = {dim: draw(st.integers(0, 5)) for dim in DIMS}
    variables = {}
    for number in range(draw(st.integers(0, 4))):
        dims = draw(st.lists(st.sampled_from(DIMS), max_size=3, unique=True))
        shape = tuple(sizes[dim] for dim in dims)
        array = draw(hnp.arrays(np.dtype(draw(st.sampled_from(DTYPES + TIMES))), shape))
        variables[f"v{number}"] = xr.Variable(dims, array, draw(attributes))
    used = sorted({dim for var in variables.values() for dim in var.dims})
    coords = {}
    for dim in draw(st.lists(st.sampled_from(used), unique=True)) if used else []:
        array = draw(hnp.arrays(np.dtype(draw(st.sampled_from(["f8", "i8", "U2"]))), sizes[dim]))
        coords[dim] = xr.Variable(dim, array, draw(attributes))
    ds = xr.Dataset(variables, coords)
    if variables:
        ds = ds.set_coords(draw(st.lists(st.sampled_from(sorted(variables)), unique=True)))
    ds.attrs = draw(attributes)
    lazy = draw(st.dictionaries(st.sampled_from(used), st.integers(1, 3))) if used else {}
    return ds.chunk(lazy) if draw(st.booleans()) else ds


@settings(max_examples=40, deadline=None, suppress_health_check=list(HealthCheck))
@given(ds=datasets())
@pytest.mark.parametrize("ending", [".nc", ".zarr"])
def test_any_dataset(ds, ending, tmp_path_factory, assert_same):
    path = archive.save(ds, tmp_path_factory.mktemp("any") / f"ds{ending}")
    for chunks in ({}, None):
        opened = archive.open(path, chunks=chunks)
        assert_same(opened if chunks is not None else opened.chunk(ds.chunks), ds)


def test_sweep(sweep, suffix, tmp_path, assert_same):
    before = sweep.copy()
    path = archive.save(sweep, tmp_path / f"run{suffix}")
    assert path == tmp_path / f"run{suffix}"
    assert [entry.name for entry in tmp_path.iterdir()] == [path.name]
    xr.testing.assert_identical(sweep, before)
    opened = archive.open(path)
    assert_same(opened, sweep)
    opened.attrs = sweep.attrs
    xr.testing.assert_identical(opened, sweep)
    xr.testing.assert_identical(opened.sel(beta=sweep.beta[3]), sweep.sel(beta=sweep.beta[3]))


def test_save_what_was_opened(sweep, suffix, tmp_path, assert_same):
    first = archive.open(archive.save(sweep, tmp_path / "a.nc"))
    second = archive.open(archive.save(first, tmp_path / f"b{suffix}"))
    assert_same(second, first)
    lazily_indexed = archive.open(tmp_path / "a.nc", chunks=None)
    third = archive.open(archive.save(lazily_indexed, tmp_path / f"c{suffix}"), chunks=None)
    assert_same(third, first.compute())


@pytest.mark.parametrize("sizes", [(3, 5, 2), (1, 1, 8), (10,), (4, 4, 2)])
def test_irregular_chunks(sizes, suffix, tmp_path, assert_same):
    data = da.from_array(np.arange(30.0).reshape(10, 3), chunks=(sizes, (2, 1)))
    ds = xr.Dataset({"m": (("step", "pattern"), data)})
    assert_same(archive.open(archive.save(ds, tmp_path / f"run{suffix}")), ds)


def test_large_blocks_are_cut(suffix, tmp_path, monkeypatch, assert_same):
    monkeypatch.setattr("dmfx.archive.layout.STORED_BYTES", 256)
    data = np.random.default_rng(0).normal(size=(50, 7))
    eager = xr.Dataset({"m": (("step", "pattern"), data)})
    for number, ds in enumerate([eager, eager.chunk(step=20), eager.chunk(step=23, pattern=3)]):
        opened = archive.open(archive.save(ds, tmp_path / f"{number}{suffix}"))
        assert_same(opened, ds)
        xr.testing.assert_equal(opened.isel(step=slice(3, 30, 7)), ds.isel(step=slice(3, 30, 7)))


def test_indexing_without_dask(sweep, suffix, tmp_path):
    opened = archive.open(archive.save(sweep, tmp_path / f"run{suffix}"), chunks=None)
    assert opened["m_o"].chunks is None
    loaded = sweep.compute()
    picks = [
        slice(None),
        slice(1, 8, 3),
        slice(8, 0, -2),
        [5, 0, 5],
        4,
        np.int64(-1),
        slice(3, 3),
        np.arange(9) % 2 == 0,
    ]
    for beta, step in itertools.product(picks, [slice(None), slice(2, 19, 5), [19, 0], -3]):
        at = {"beta": beta, "step": step}
        got, expected = opened["m_o"].isel(at), loaded["m_o"].isel(at)
        np.testing.assert_array_equal(got.values, expected.values)
    points = xr.DataArray([0, 8, 3], dims="point")
    got = opened["m_o"].isel(beta=points, step=points)
    xr.testing.assert_equal(got.load(), loaded["m_o"].isel(beta=points, step=points))


def test_chunks_can_be_chosen(sweep, suffix, tmp_path):
    path = archive.save(sweep, tmp_path / f"run{suffix}")
    opened = archive.open(path, chunks={"beta": 2})
    assert opened["m_o"].chunksizes["beta"] == (2, 2, 2, 2, 1)
    assert opened["m_o"].chunksizes["step"] == (10, 10)
    xr.testing.assert_equal(opened, sweep)


def test_objects_that_are_strings(suffix, tmp_path, assert_same):
    ds = xr.Dataset({"name": ("point", np.array(["a", "", "\udc80ö\0x"], object))})
    assert_same(archive.open(archive.save(ds, tmp_path / f"run{suffix}")), ds)


def test_name_clashes_of_parts(suffix, tmp_path, assert_same):
    ds = xr.Dataset({"z": ("x", [1j, 2]), "z__real": ("x", [1.0, 2]), "z__imag": ((), 3 + 1j)})
    assert_same(archive.open(archive.save(ds, tmp_path / f"run{suffix}")), ds)


@pytest.mark.parametrize(
    ("ds", "words"),
    [
        (xr.Dataset({"a/b": 1}), "'a/b'"),
        (xr.Dataset({3: 1}), "3"),
        (xr.Dataset({"dmfx_x": 1}), "dmfx_x"),
        (xr.Dataset({"o": ("x", np.array([{}, 1], object))}), "'o' holds Python objects"),
        (xr.Dataset({"o": ("x", np.array(["a\0"], object))}), "NUL"),
        (xr.Dataset({"l": ("x", np.ones(2, "longdouble"))}), "'l' must be of a dtype"),
        (xr.Dataset({"u": ("x", da.ones(4, chunks=2)[da.ones(4, chunks=2) > 0])}), "compute_chunk_sizes"),
        (xr.Dataset({"x": ("i", [1, 2]), "y": ("i", [3, 4])}).set_index(i=["x", "y"]), "reset_index"),
    ],
)
@pytest.mark.filterwarnings("ignore:Duplicate dimension")
def test_what_cannot_be_stored_is_refused(ds, words, suffix, tmp_path):
    with pytest.raises((TypeError, ValueError), match="save: ") as refusal:
        archive.save(ds, tmp_path / f"run{suffix}")
    assert words in str(refusal.value)
    assert not list(tmp_path.iterdir())


def test_attributes_that_cannot_be_stored(suffix, tmp_path):
    for value in (object(), {1}, b"x", np.datetime64(1, "s"), {(1, 2): 3}):
        ds = xr.Dataset({"m": ("x", [1], {"what": value})})
        with pytest.raises(TypeError, match="'what' of variable 'm'"):
            archive.save(ds, tmp_path / f"run{suffix}")


def test_other_programs_can_read_it(sweep, suffix, tmp_path):
    path = archive.save(sweep, tmp_path / f"run{suffix}")
    options = {"engine": "netcdf4"} if suffix == ".nc" else {"engine": "zarr", "consolidated": False}
    with xr.open_dataset(path, **options) as plain:
        for name in ("m_o", "attention", "density", "period", "status", "beta", "step", "epsilon"):
            assert plain[name].dtype == sweep[name].dtype
            np.testing.assert_array_equal(plain[name], sweep[name])
        assert {"epsilon", "kind", "label"} <= set(plain.coords)
        assert plain["period"].attrs["units"] == "step"
        assert list(plain["status"].attrs["flag_values"]) == [0, 1, 2]
        assert plain.attrs["Conventions"] == "CF-1.11"
        assert plain.attrs["history"].startswith("made\n")


def test_netcdf_is_compressed_checked_and_unmasked(sweep, tmp_path):
    with netCDF4.Dataset(archive.save(sweep, tmp_path / "run.nc")) as file:
        for variable in file.variables.values():
            assert "_FillValue" not in variable.ncattrs()
            if variable.ndim:
                filters = variable.filters()
                assert filters["zlib"]
                assert filters["shuffle"]
                assert filters["fletcher32"]
                assert filters["complevel"] == 4
        assert file["status"].getncattr("flag_values").dtype == file["status"].dtype
        assert file["kind"].dtype == "S1"


def test_files_of_other_programs_open(suffix, tmp_path):
    ds = xr.Dataset({"m": ("time", [1.0, 2])}, coords={"time": ("time", [0, 1], {"units": "days since 2000-01-01"})})
    path = tmp_path / f"theirs{suffix}"
    if suffix == ".nc":
        ds.to_netcdf(path)
    else:
        ds.attrs = archive.encode_attrs({"model": {"size": [1]}})
        ds.to_zarr(path, consolidated=False, zarr_format=3)
        ds.attrs = {"model": {"size": [1]}}
    xr.testing.assert_identical(archive.open(path).load(), ds)
