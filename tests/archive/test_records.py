"""Records of boxes: what was written comes back, what was damaged is not believed."""

from __future__ import annotations

import zlib

import pytest
import zarr
from hypothesis import given, settings
from hypothesis import strategies as st

import dmfx
from dmfx.archive.records import RECORDS, Records, working_folder


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
