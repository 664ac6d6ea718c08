"""``dmfx reproduce transient_memories``: how long networks hold images."""

import json

import numpy as np
import pytest

import dmfx
from dmfx.reproduce import find_figure, make_figure
from dmfx.reproduce.transient_memories import (
    BETA,
    GAMMA,
    NOISE,
    STARTS,
    STEPS,
    STORED,
    draw_memories,
    memories,
    trained,
)


@pytest.fixture(scope="module")
def every():
    images = dmfx.tokens.digits().image
    return dmfx.tokens.Patches.of(images, patch=2, constant=0.25).encode(images)


@pytest.fixture(scope="module")
def few():
    """Two networks, some runs, few steps."""
    return memories((10, 100), starts=20, steps=10).compute()


def test_runs_of_the_largest_network(few, every):
    """Each part is what its own function says of the same runs."""
    net = trained(every[:100])
    assert few.dmft.model == net
    point = {"beta": BETA, "gamma": GAMMA, "steps": 10, "variables": "target_overlap"}
    kinds = {
        "stored": dmfx.free_running(net, every[:20], **point),
        "test": dmfx.free_running(net, every[1000:1020], **point),
        "corrupted": dmfx.denoising(net, every[:20], **point, noise=NOISE),
    }
    assert few["start"].values.tolist() == list(kinds)
    for kind, runs in kinds.items():
        assert np.array_equal(few["target_overlap"].sel(start=kind).squeeze(), runs["target_overlap"].squeeze()), kind


def test_a_run_is_identified_by_the_nearest_image_that_is_stored(few, every):
    assert few["identified"].dims == ("beta", "gamma", "seed", "stored", "initial", "step")
    small = few["identified"].sel(stored=10).squeeze()
    assert np.isnan(small.isel(initial=slice(10, None))).all()
    runs = dmfx.simulate(trained(every[:10]), beta=BETA, gamma=GAMMA, steps=10, initial=range(10)).squeeze()
    nearest = runs["overlap"].argmax("pattern").values
    assert np.array_equal(small.values[:10, 1:], nearest == np.arange(10)[:, None])
    assert (few["identified"].isel(step=0).fillna(1) == 1).all()


def test_few_images_are_held_better_than_many(few):
    held = few["identified"].mean("initial").squeeze()
    assert float(held.sel(stored=10, step=10)) == 1
    assert float(held.sel(stored=100, step=10)) < 0.8 < float(held.sel(stored=100, step=1))


def test_the_rows_of_images(few, every):
    clean = {0: every[4], 1: every[4], 2: every[1004]}
    first = few["tokens"].squeeze().isel(step=0).values
    for row, image in clean.items():
        assert np.array_equal(first[row], image)
    assert np.array_equal(first[3], dmfx.tokens.corrupt(every[4], NOISE, numbers=[4])[0])
    shown = few["shown_overlap"].squeeze()
    ends = few["tokens"].squeeze().isel(step=-1).values
    assert np.allclose(shown[:3, -1], [dmfx.tokens.overlap(ends[row], image) for row, image in clean.items()])
    assert shown[4, -1] == pytest.approx(dmfx.tokens.overlap(ends[4], every[:100]).max(), abs=1e-12)


def test_how_much_images_are_alike(few, every):
    overlap = np.array([[(a * b).sum(axis=-1).mean() for a in every[:100]] for b in every[:100]])
    overlap -= 2 * np.eye(100)
    assert np.allclose(few["similarity_value"].sel(similarity="largest"), overlap.max(axis=1))
    assert np.allclose(few["similarity_value"].sel(similarity="mean"), (overlap.sum(axis=1) + 1) / 99)


def test_the_archive_stands_alone(few, tmp_path):
    few.dmft.save(tmp_path / "few.nc")
    again = dmfx.open(tmp_path / "few.nc")
    assert again.load().equals(few)
    assert again.dmft.model == few.dmft.model
    assert dmfx.tokens.Patches.from_spec(json.loads(again.attrs["dmfx_encoder"])).n_tokens == 16
    assert again.attrs["history"].count("dmfx.free_running(") >= 1
    picture = draw_memories(again)
    assert len(picture) == 4
    rows = next(iter(picture)).opts.get("plot", backend="matplotlib").kwargs["yticks"]
    assert [name for _, name in rows][1:] == ["one of\n100 stored", "test image", "stored, with\nnoise 0.3", "random"]


@pytest.mark.slow
def test_made_in_files(tmp_path):
    """All of it, as the shell makes it: half a minute on one core."""
    figure = find_figure("transient_memories")
    assert figure.stem == "damico_negri_2024_transient_memories"
    paths = make_figure(figure, tmp_path)
    assert {path.suffix for path in paths} == {".nc", ".png", ".html"}
    assert all(path.stat().st_size > 50_000 for path in paths)
    ds = dmfx.open(tmp_path / "damico_negri_2024_transient_memories.nc").load()
    assert ds.attrs["title"].endswith("(D'Amico & Negri 2024, transient_memories)")
    assert tuple(ds["stored"].values) == STORED
    assert (ds.sizes["initial"], ds.sizes["step"]) == (STARTS, STEPS + 1)
