"""Damage to stores of sweeps, finished and unfinished: found, named, and nothing else."""

from __future__ import annotations

import re

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import dmfx
from dmfx import archive
from dmfx.archive.layout import CHECKSUMS
from dmfx.archive.records import RECORDS
from dmfx.sweeps.store import unseal
from dmfx.variables import STATUS
from tests.archive.damage import ONE_BYTE, flip, found_if_flipped


def _sweep(store, betas, steps, **arguments):
    net = dmfx.SelfAttention(dmfx.weights.segments(3, 4))
    return dmfx.sweep(
        net, store=store, beta=betas, gamma=[100.0, 220.0], steps=steps, chunks=1, progress=False,
        variables=["m_o_semantic"], **arguments,
    )  # fmt: skip


@pytest.fixture(scope="module")
def swept(tmp_path_factory):
    """The store of a sweep that is finished and was extended, one that is not, and how they open."""
    folder = tmp_path_factory.mktemp("swept")
    finished = folder / "finished.zarr"
    _sweep(finished, [0.5, 1.2], 20)
    _sweep(finished, [0.5, 1.2, 1.3], 30)
    unfinished = folder / "unfinished.zarr"
    _sweep(unfinished, [0.5, 1.2], 20)
    unseal(unfinished)
    for piece in (f"{RECORDS}/c/2", "m_o_semantic/c.1.0.0.0.0", "status/c.1.0.0"):
        (unfinished / piece).unlink()
    found = {}
    for path in (finished, unfinished):
        files = sorted(file for file in path.rglob("*") if file.is_file())
        content = {file: file.read_bytes() for file in files if file.name not in ("lock", "sessions.jsonl")}
        found[path.stem] = path, content, archive.open(path).load()
    return found


@pytest.mark.parametrize("state", ["finished", "unfinished"])
def test_sound_stores_of_sweeps(swept, state):
    path, _, expected = swept[state]
    assert archive.check(path) == []
    assert (expected["status"] == STATUS.index("missing")).any() == (state == "unfinished")


@pytest.mark.parametrize("state", ["finished", "unfinished"])
def test_flipped_byte_in_the_store_of_a_sweep(swept, state):
    path, content, expected = swept[state]

    described = [file for file in content if file.name == "zarr.json"]
    computed = [file for file in content if file not in described]

    @settings(**{**ONE_BYTE, "max_examples": 25})
    @given(st.data())
    def flip(data):
        file = data.draw(st.one_of(st.sampled_from(computed), st.sampled_from(described)))
        position = data.draw(st.integers(0, len(content[file]) - 1))
        found = found_if_flipped(path, file, position, data.draw(st.integers(1, 255)), expected)
        assert found or state == "unfinished"

    flip()
    assert archive.check(path) == []


@pytest.mark.parametrize("state", ["finished", "unfinished"])
def test_missing_and_truncated_files_of_the_store_of_a_sweep(swept, state, tmp_path):
    path, content, _ = swept[state]
    assert len(list(path.glob("dmfx_part_*"))) == (2 if state == "finished" else 0)
    rng = np.random.default_rng(1)
    for file in rng.choice(list(content), 12, replace=False):
        for damaged in (None, content[file][: rng.integers(len(content[file]))]):
            file.unlink()
            if damaged is not None:
                file.write_bytes(damaged)
            found = archive.check(path)
            file.write_bytes(content[file])
            assert len({each.where for each in found}) == len(found)
            where = file.relative_to(path).as_posix()
            # A box that has no record was not computed, and what it wrote does not count.
            unknown = (
                (damaged is None and re.fullmatch(f"{RECORDS}/c/[013]", where))
                or "/c.1.0" in where
                or where == f"{CHECKSUMS}/c/0"
            )
            assert found or (state == "unfinished" and unknown), where
    assert archive.check(path) == []


def test_damages_of_sweeps_are_named(swept):
    path, content, _ = swept["finished"]
    damaged = {
        path / "m_o_semantic/c.1.0.0.0.0": "chunk (1, 0, 0, 0, 0) of m_o_semantic",
        path / "dmfx_part_1/status/c.0.1.0": "chunk (0, 1, 0) of dmfx_part_1/status",
        path / f"dmfx_part_2/{RECORDS}/c/1": f"chunk (1,) of dmfx_part_2/{RECORDS}",
        path / "dmfx_part_1/beta/zarr.json": "dmfx_part_1/beta/zarr.json",
    }
    for file in damaged:
        flip(file) if file.name != "zarr.json" else file.write_bytes(b"{")
    found = {each.where for each in archive.check(path)}
    for file in damaged:
        file.write_bytes(content[file])
    assert found == set(damaged.values())
