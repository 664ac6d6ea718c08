"""Boxes, rectangles, records, chunks and what is read of them, against plain counting and against zarr."""

from __future__ import annotations

import contextlib
import importlib
import itertools
import math
import zlib
from types import SimpleNamespace

import numpy as np
import pytest
import xarray as xr
import zarr
from hypothesis import given, settings
from hypothesis import strategies as st

import dmfx
from dmfx.archive.boxes import Boxes
from dmfx.archive.chunkfile import compress, decompress, load_chunk, put_chunk, put_file
from dmfx.archive.chunks import iterate_chunks
from dmfx.archive.layout import Stored, plan
from dmfx.archive.part_values import PartsArray, Source, fill_value
from dmfx.archive.records import RECORDS, Records, working_folder
from dmfx.archive.values import checksum, decode, encode
from dmfx.archive.zarr import ZarrStore
from dmfx.sweeps.extent import covered, rectangles
from dmfx.variables import STATUS

# Boxes


@st.composite
def some_boxes(draw):
    """A few variables with some of the dims, whose chunks divide boxes, as those of stores do."""
    n_dims = draw(st.integers(1, 3))
    dims = ("beta", "gamma", "seed")[:n_dims]
    shape = tuple(draw(st.integers(1, 7)) for _ in dims)
    sizes = tuple(draw(st.integers(1, size)) for size in shape)
    variables = {}
    for number in range(draw(st.integers(1, 3))):
        own = [dim for dim in dims if draw(st.booleans())] or list(dims[:1])
        if draw(st.booleans()):
            own.insert(draw(st.integers(0, len(own))), "step")
        inner = draw(st.integers(0, 5))
        full = tuple(inner if dim == "step" else shape[dims.index(dim)] for dim in own)
        chunks = []
        for dim in own:
            if dim == "step":
                chunks.append(draw(st.integers(1, 3)))
            else:
                box = sizes[dims.index(dim)]
                chunks.append(draw(st.sampled_from([part for part in range(1, box + 1) if box % part == 0])))
        variables[f"v{number}"] = Stored(tuple(own), full, "<f8", tuple(chunks), (f"v{number}",), 0, None)
    return Boxes(dims, shape, sizes, variables)


@given(some_boxes())
@settings(max_examples=150, deadline=None)
def test_boxes(boxes):
    grid = [math.ceil(size / box) for size, box in zip(boxes.shape, boxes.sizes, strict=True)]
    places = list(itertools.product(*map(range, grid)))
    assert boxes.count == len(places)
    assert boxes.points == np.prod(boxes.shape)
    seen = np.zeros(boxes.shape, int)
    for number, place in enumerate(places):
        assert boxes.index(number) == place
        assert boxes.number(place) == number
        region = boxes.region(number)
        assert list(region) == list(boxes.dims)
        cut = tuple(region.values())
        assert boxes.points_of(number) == seen[cut].size > 0
        seen[cut] += 1
        for at, size, part in zip(place, boxes.sizes, cut, strict=True):
            assert part.start == at * size
    assert (seen == 1).all()
    writers = {}
    for number in range(boxes.count):
        pieces = list(boxes.pieces(number))
        assert len(pieces) <= boxes.most_pieces
        region = boxes.region(number)
        for name, index in pieces:
            assert (name, index) not in writers
            writers[name, index] = number
            stored = boxes.variables[name]
            for dim, part in zip(stored.dims, stored.where(index), strict=True):  # a box has all of its chunks
                if dim in region:
                    assert region[dim].start <= part.start < part.stop <= region[dim].stop
    expected = {(name, index) for name, stored in boxes.variables.items() for index in iterate_chunks(stored.grid)}
    assert set(writers) == expected
    for (name, index), number in writers.items():
        assert boxes.box_of(name, index) == number


@given(some_boxes())
@settings(max_examples=80, deadline=None)
def test_boxes_of_a_row_make_a_rectangle(boxes):
    """Boxes whose numbers follow each other in a row are computed in one go: together they are a rectangle."""
    rows = {}
    for number in range(boxes.count):
        rows.setdefault(boxes.row(number), []).append(number)
    for numbers in rows.values():
        first, last = boxes.region(numbers[0]), boxes.region(numbers[-1])
        region = {dim: slice(first[dim].start, last[dim].stop) for dim in boxes.dims}
        inside = np.zeros(boxes.shape, bool)
        inside[tuple(region.values())] = True
        own = np.zeros(boxes.shape, bool)
        for number in numbers:
            own[tuple(boxes.region(number).values())] = True
        assert numbers == list(range(numbers[0], numbers[0] + len(numbers)))
        np.testing.assert_array_equal(own, inside)


@pytest.mark.parametrize("size", [7, 6, 5, 1])
def test_chunks_of_large_boxes_divide_them(tmp_path, monkeypatch, size):
    """Where a box is too large for a chunk it has several, and none that is also another's."""
    for name in ("dmfx.sweeps.store", "dmfx.archive.layout"):
        monkeypatch.setattr(importlib.import_module(name), "STORED_BYTES", 700)
    arguments = {"beta": np.linspace(1, 2, 16), "gamma": 220.0, "steps": 11, "transient": 5}
    net = dmfx.SelfAttention.paper()
    ds = dmfx.sweep(net, store=tmp_path / "run.zarr", chunks={"beta": size}, progress=False, **arguments)
    expected = dmfx.simulate(net, **arguments)
    for name in ("m_o_semantic", "attention", "final_attention", "status"):
        np.testing.assert_array_equal(ds[name], expected[name])
    assert dmfx.check(tmp_path / "run.zarr") == []
    assert zarr.open_group(tmp_path / "run.zarr", mode="r")["attention"].chunks[0] in (size, 3, 2, 1)


# Rectangles


@given(
    st.lists(st.integers(0, 5), min_size=0, max_size=3).flatmap(
        lambda shape: st.lists(st.booleans(), min_size=math.prod(shape), max_size=math.prod(shape)).map(
            lambda flat: np.array(flat, bool).reshape(shape)
        )
    )
)
@settings(max_examples=200, deadline=None)
def test_rectangles_cover_exactly_and_once(mask):
    count = np.zeros(mask.shape, int)
    for axes in rectangles(mask):
        assert all(len(axis) for axis in axes)
        if mask.ndim:
            count[np.ix_(*axes)] += 1
        else:
            count += 1
    np.testing.assert_array_equal(count, mask.astype(int))


@pytest.mark.parametrize("more", [(2, 0, 0), (2, 1, 0), (1, 1, 1)])
def test_rectangles_are_few(more):
    """As many as dims that have grown."""
    mask = np.ones([4 + each for each in more], bool)
    mask[:4, :4, :4] = False
    assert len(list(rectangles(mask))) == sum(each > 0 for each in more)


def test_covered():
    def part(**labels):
        return SimpleNamespace(labels=lambda dim: np.array(labels[dim]))

    labels = {"beta": np.array([3.0, 1.0, 2.0]), "seed": np.array([0, 1])}
    parts = [part(beta=[1.0, 2.0], seed=[0]), part(beta=[3.0], seed=[0, 1])]
    np.testing.assert_array_equal(covered(parts, labels, ("beta", "seed")), [[1, 1], [1, 0], [1, 0]])


# Records


@pytest.fixture
def records(tmp_path):
    for folder in ("tmp", "failures"):
        (working_folder(tmp_path) / folder).mkdir(parents=True)
    return Records(tmp_path, 5)


def put(records, box, checksums, failures=()):
    records.put(box, checksums, failures, working_folder(records.group) / "tmp")


@given(box=st.integers(0, 2**40), checksums=st.lists(st.integers(0, 2**32 - 1), max_size=5))
@settings(max_examples=30, deadline=None)
def test_records_come_back(tmp_path_factory, box, checksums):
    records = Records(tmp_path_factory.mktemp("records"), 5)
    (working_folder(records.group) / "tmp").mkdir(parents=True)
    assert records.get(box) is None
    put(records, box, checksums)
    found = records.get(box)
    assert found.checksums.tolist() == checksums
    assert found.failed == 0
    assert records.numbers() == {box}
    assert records.failures(box) == []
    records.drop(box)
    assert records.get(box) is None
    assert records.numbers() == set()
    records.drop(box)


REASONS = [{"beta": 1.5, "seed": 0, "reason": "ValueError: β is too large"}, {"beta": 2.0, "seed": 0, "reason": "?"}]


def test_no_flipped_bit_is_believed(records):
    put(records, 3, [1, 2, 2**32 - 1], REASONS)
    assert records.get(3).failed == 2
    assert records.failures(3) == REASONS
    for path in (records.path(3), records.failures_path(3)):
        content = path.read_bytes()
        for position in range(len(content)):
            for bit in (0, 3, 7):
                damaged = bytearray(content)
                damaged[position] ^= 1 << bit
                path.write_bytes(damaged)
                found = records.get(3)
                # Some bits of a compressed frame mean nothing
                assert found is None or (found.failed, found.checksums.tolist()) == (2, [1, 2, 2**32 - 1])
                assert found is None or path == records.path(3)
                assert records.failures(3) in ([], REASONS)
        for cut in range(len(content)):
            path.write_bytes(content[:cut])
            assert records.get(3) is None
            assert records.failures(3) == []
        path.write_bytes(content)
    assert records.get(3).failed == 2


def test_record_of_another_box_is_not_believed(records):
    put(records, 3, [1, 2])
    records.path(4).write_bytes(records.path(3).read_bytes())
    assert records.get(4) is None
    assert Records(records.group, 6).get(3) is None


def test_reasons_go_when_the_box_is_computed(records):
    put(records, 3, [1], REASONS)
    put(records, 3, [1])
    assert records.get(3).failed == 0
    assert records.failures(3) == []
    assert not records.failures_path(3).exists()


def test_records_are_an_array_that_zarr_reads(tmp_path):
    store = tmp_path / "run.zarr"
    dmfx.sweep(
        dmfx.SelfAttention.paper(), store=store, beta=[1.0, 1.1, 1.2], gamma=220.0, steps=3, chunks=2, progress=False
    )
    array = zarr.open_group(store, mode="r")[RECORDS]
    words = array[...].view("<u4").reshape(3, -1)  # two boxes, and what no box writes
    assert words[:, 1].tolist() == [0, 1, 2]
    assert [zlib.crc32(row[:-1].tobytes()) for row in words] == words[:, -1].tolist()


# Chunks


VALUES = {
    "float64": np.linspace(-1, 1, 35).reshape(7, 5),
    "float32": np.linspace(-1, 1, 35, dtype="f4").reshape(7, 5),
    "float16": np.linspace(-1, 1, 35).astype("f2").reshape(7, 5),
    "nan": np.where(np.arange(35) % 3, np.nan, -0.0).reshape(7, 5),
    "int8": np.arange(35, dtype="i1").reshape(7, 5) - 20,
    "uint64": np.arange(35, dtype="u8").reshape(7, 5) * 2**58,
    "complex": (np.arange(35) + 1j * np.arange(35)[::-1]).reshape(7, 5),
    "bool": (np.arange(35) % 2 == 0).reshape(7, 5),
    "text": np.array([["", "β", "a long word", "x", "zz"]] * 7),
    "bytes": np.array([[b"", b"ab", b"abc", b"x", b"zz"]] * 7),
    "times": np.arange(35).astype("m8[s]").reshape(7, 5),
    "big-endian": np.arange(35, dtype=">i4").reshape(7, 5),
    "scalar": np.array(3.5),
    "long": np.arange(1000.0) ** 2,
    "transposed": np.arange(35.0).reshape(5, 7).T,
}


def stored_as(values, chunks, flat=False):
    """The layout of one variable in such chunks, and the arrays of its group."""
    dims = tuple("abc"[: values.ndim])
    layout, arrays, attrs = plan(xr.Dataset({"v": (dims, values)}))
    stored = layout.variables["v"]
    own = chunks[: values.ndim] if values.ndim != 1 else (300,)
    stored = Stored(stored.dims, stored.shape, stored.dtype, own, stored.parts, stored.width, None, flat)
    tail = (stored.width,) if stored.width else ()
    arrays = {
        name: type(each)(each.dims, each.shape, (*own, *tail), each.dtype, each.attrs, each.text, flat)
        for name, each in arrays.items()
        if name in stored.parts
    }
    return stored, arrays, attrs


@pytest.mark.parametrize("flat", [True, False], ids=["flat", "folders"])
@pytest.mark.parametrize("chunks", [(7, 5), (3, 2), (1, 5), (4, 4)], ids=str)
@pytest.mark.parametrize("kind", VALUES)
def test_chunks_are_those_that_zarr_writes(tmp_path, kind, chunks, flat):
    values = VALUES[kind]
    stored, arrays, attrs = stored_as(values, chunks, flat)
    groups = {name: ZarrStore(tmp_path / f"{name}.zarr") for name in ("own", "zarr")}
    for store in groups.values():
        store.create(arrays, attrs)
    (tmp_path / "aside").mkdir()
    own = groups["own"].path
    for index in iterate_chunks(stored.grid):
        crc = put_chunk(own, stored, index, values[stored.where(index)], tmp_path / "aside")
        parts, found = load_chunk(own, stored, index)
        again = decode(parts, np.dtype(stored.dtype))
        assert crc == found == checksum(encode(values[stored.where(index)], np.dtype(stored.dtype), stored.width))
        assert again.dtype == values.dtype
        assert again.tobytes() == np.ascontiguousarray(values[stored.where(index)]).tobytes()
    assert list((tmp_path / "aside").iterdir()) == []
    encoded = encode(values, np.dtype(stored.dtype), stored.width)
    other = zarr.open_group(groups["zarr"].path, mode="a")
    for name, part in zip(stored.parts, encoded, strict=True):
        other[name][...] = part
        np.testing.assert_array_equal(zarr.open_group(own, mode="r")[name][...], part)
    with xr.open_zarr(own, consolidated=False, decode_times=False, mask_and_scale=False) as opened:
        for name, part in zip(stored.parts, encoded, strict=True):
            np.testing.assert_array_equal(opened[name].values.reshape(part.shape) if part.ndim else opened[name], part)
    for name in stored.parts:
        files = _files(own / name)
        theirs = _files(groups["zarr"].path / name)
        # zarr leaves out chunks that are all zero
        assert theirs.keys() <= files.keys()
        for path, content in theirs.items():
            assert files[path] == content, path
        for path in files.keys() - theirs.keys():
            assert not any(decompress(files[path]))


def _files(folder):
    return {str(each.relative_to(folder)): each.read_bytes() for each in folder.rglob("*") if each.is_file()}


def test_compressed_form_notices_damage():
    content = np.random.default_rng(0).integers(0, 5, 5000, dtype="u1").tobytes()
    packed = compress(content)
    assert decompress(packed) == content
    for position in range(0, len(packed), 37):
        damaged = bytearray(packed)
        damaged[position] ^= 16
        with contextlib.suppress(ValueError, RuntimeError):
            assert decompress(bytes(damaged)) == content


def test_files_are_put_whole_or_not_at_all(tmp_path):
    aside = tmp_path / "aside"
    aside.mkdir()
    put_file(tmp_path / "a" / "b" / "c", b"one", aside)
    put_file(tmp_path / "a" / "b" / "c", b"two", aside)
    assert (tmp_path / "a" / "b" / "c").read_bytes() == b"two"
    with pytest.raises(OSError, match="directory"):
        put_file(tmp_path / "a", b"three", aside)
    assert list(aside.iterdir()) == []


def test_chunks_of_the_wrong_size_are_refused(tmp_path):
    stored, arrays, attrs = stored_as(VALUES["float64"], (3, 2))
    ZarrStore(tmp_path / "x.zarr").create(arrays, attrs)
    put_chunk(tmp_path / "x.zarr", stored, (0, 0), VALUES["float64"][:3, :2], tmp_path)
    path = tmp_path / "x.zarr" / "v" / "c" / "0" / "0"
    for content in (b"", b"\0", path.read_bytes()[:-1], compress(b"12345678"), compress(bytes(200))):
        path.write_bytes(content)
        with pytest.raises((ValueError, RuntimeError)):
            load_chunk(tmp_path / "x.zarr", stored, (0, 0))
    with pytest.raises(OSError, match="No such file"):
        load_chunk(tmp_path / "x.zarr", stored, (1, 0))


# Reading of several parts


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
