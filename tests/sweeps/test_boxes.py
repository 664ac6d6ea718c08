"""Boxes of a sweep, and the rectangles that an extension is made of, against plain counting."""

from __future__ import annotations

import importlib
import itertools
import math
from types import SimpleNamespace

import numpy as np
import pytest
import zarr
from hypothesis import given, settings
from hypothesis import strategies as st

import dmfx
from dmfx.archive.boxes import Boxes
from dmfx.archive.chunks import iterate_chunks
from dmfx.archive.layout import Stored
from dmfx.sweeps.extent import covered, rectangles


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
