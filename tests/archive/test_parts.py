"""Arrays that are read from several parts, against plain copies."""

from __future__ import annotations

import numpy as np
import pytest
import xarray as xr
from hypothesis import given, settings
from hypothesis import strategies as st

from dmfx.archive.chunkfile import put_chunk
from dmfx.archive.chunks import iterate_chunks
from dmfx.archive.part_values import PartsArray, Source, fill_value
from dmfx.archive.zarr import ZarrStore
from dmfx.variables import STATUS
from tests.archive.test_chunk_files import stored_as


@pytest.fixture(scope="module")
def in_parts(tmp_path_factory):
    """An array of which one part is in one group, another in a second one, some of it nowhere; and a plain copy."""
    folder = tmp_path_factory.mktemp("parts")
    whole = np.random.default_rng(1).normal(size=(9, 2, 6))
    pieces = {"one": [0, 2, 3, 8], "two": [7, 1, 5]}  # 4 and 6 are in none
    expected, sources = np.full(whole.shape, np.nan), []
    for name, places in pieces.items():
        part = whole[places]
        stored, arrays, attrs = stored_as(part, (2, 2, 4))
        ZarrStore(folder / f"{name}.zarr").create(arrays, attrs)
        crcs = np.full(stored.grid, -1, np.int64)
        for index in iterate_chunks(stored.grid):
            if name == "two" and index == (1, 0, 0):  # not computed yet
                continue
            crcs[index] = put_chunk(folder / f"{name}.zarr", stored, index, part[stored.where(index)], folder)
            where = stored.where(index)
            expected[np.ix_(np.array(places)[where[0]], range(2), np.arange(6)[where[2]])] = part[where]
        offsets = np.full(9, -1)
        offsets[places] = np.arange(len(places))
        every = (offsets, np.arange(2), np.arange(6))
        sources.append(Source(folder / f"{name}.zarr", "v", stored, crcs, every, (0, 0, 0)))
    return PartsArray("v", whole.shape, np.dtype(float), sources), expected


def outer(size):
    """Indexers along an axis: integers, slices, arrays."""
    arrays = st.lists(st.integers(0, size - 1), max_size=2 * size).map(lambda each: np.array(each, dtype=np.int64))
    # xarray cannot do with slices that go backwards over nothing.
    slices = st.slices(size).filter(lambda each: (each.step or 1) > 0 or len(range(size)[each]) > 0)
    return st.one_of(st.integers(-size, size - 1), slices, arrays)


@given(key=st.tuples(outer(9), outer(2), outer(6)))
@settings(max_examples=150, deadline=None)
def test_parts_are_indexed_as_arrays_are(in_parts, key):
    array, expected = in_parts
    var = xr.Variable(("a", "b", "c"), xr.core.indexing.LazilyIndexedArray(array))
    oracle = xr.Variable(("a", "b", "c"), expected)
    found = var[key]
    np.testing.assert_array_equal(found.values, oracle[key].values)
    assert found.dims == oracle[key].dims


@given(data=st.data())
@settings(max_examples=40, deadline=None)
def test_stretches_are_indexed_as_arrays_are(in_parts, data):
    """Parts that are each one position along a dim that they do not have."""
    array, _ = in_parts
    expected = np.stack([_of_source(each) for each in array.sources], axis=1)
    sources = [
        Source(s.group, s.name, s.stored, s.checksums, (s.offsets[0], None, *s.offsets[1:]), (0, number, 0, 0))
        for number, s in enumerate(array.sources)
    ]
    stretched = PartsArray("v", expected.shape, np.dtype(float), sources)
    key = data.draw(st.tuples(*map(outer, expected.shape)))
    found = xr.Variable(tuple("asbc"), xr.core.indexing.LazilyIndexedArray(stretched))[key]
    np.testing.assert_array_equal(found.values, xr.Variable(tuple("asbc"), expected)[key].values)


def _of_source(source):
    axes = [np.arange(9), np.arange(2), np.arange(6)]
    out = np.full((9, 2, 6), np.nan)
    source.read(axes, out)
    return out


def test_what_stands_where_nothing_has_been_computed():
    assert fill_value("status", np.dtype("i1")) == STATUS.index("missing")
    assert fill_value("classify_status", np.dtype("i1")) == STATUS.index("missing")
    assert np.isnan(fill_value("m_o", np.dtype("f4")))
    assert np.isnan(fill_value("m", np.dtype(complex)).imag)
    assert (fill_value("n", np.dtype("i8")), fill_value("n", np.dtype("u2"))) == (-1, 0)
    assert fill_value("n", np.dtype("?")) is False
    assert fill_value("n", np.dtype("U3")) == ""
