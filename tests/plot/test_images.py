"""Pictures of what runs look like: every image is in its place, with its overlap over it."""

import holoviews as hv
import numpy as np
import pytest

import dmfx
from dmfx import plot
from dmfx.plot.images import _sparser

PATCHES = dmfx.tokens.Patches((6, 4), patch=2)


@pytest.fixture(scope="module")
def clean():
    return PATCHES.encode(np.random.default_rng(0).random((3, 6, 4)))


@pytest.fixture(scope="module")
def ds(clean):
    net = dmfx.VectorAttention(dmfx.couplings.hebbian(clean), clean)
    names = ["target_overlap", "tokens"]
    return dmfx.denoising(net, clean, beta=1.0, gamma=[0.0, 1.0], steps=3, variables=names).compute()


def tiles(picture, n_rows, n_columns, shape):
    """Images of a picture whose sizes are multiples of a number of pixels, the upper left first."""
    pixels = picture.dimension_values(2, flat=False)[::-1]
    known = np.isfinite(pixels)
    rows, columns = np.flatnonzero(known.any(axis=1)), np.flatnonzero(known.any(axis=0))
    found = pixels[np.ix_(rows, columns)]
    height, width = rows.size // n_rows, columns.size // n_columns
    assert (height % shape[0], width % shape[1]) == (0, 0)
    found = found.reshape(n_rows, height, n_columns, width).transpose(0, 2, 1, 3)
    return found[:, :, :: height // shape[0], :: width // shape[1]]


def test_images_and_overlaps_are_in_their_places(ds, clean, options):
    part = ds.isel(gamma=0)
    image, labels = plot.images(part, PATCHES, clean=clean, steps=[3, 0])
    found = tiles(image, 3, 3, (6, 4))
    np.testing.assert_allclose(found[:, 0], PATCHES.decode(clean))
    for place, step in ((1, 3), (2, 0)):
        tokens = part.tokens.sel(step=step).squeeze().values
        np.testing.assert_allclose(found[:, place], PATCHES.decode(tokens, clip=True), atol=1e-12)
    texts = labels.dimension_values(2).reshape(3, 2)
    expected = part.target_overlap.squeeze().sel(step=[3, 0]).values
    assert texts.tolist() == [[f"{value:.2f}".replace("-", "−") for value in row] for row in expected]
    across, up = (labels.dimension_values(dim).reshape(3, 2) for dim in (0, 1))
    assert (np.diff(across, axis=1) > 0).all()
    assert (np.diff(up, axis=0) < 0).all()
    ticks = options(plot.images(part, PATCHES, clean=clean, steps=[3, 0]))
    assert [name for _, name in ticks["xticks"]] == ["clean", "3", "0"]
    assert [name for _, name in ticks["yticks"]] == ["initial = 0", "initial = 1", "initial = 2"]


def test_rows_are_all_points(ds, options):
    picture = plot.images(ds.isel(initial=[0, 2]), PATCHES)
    names = [name for _, name in options(picture)["yticks"]]
    assert names == ["γ = 0,\ninitial = 0", "γ = 0,\ninitial = 2", "γ = 1,\ninitial = 0", "γ = 1,\ninitial = 2"]


def test_names_of_ablations_are_folded_where_there_is_room(ds, options):
    several = ds.isel(initial=0).rename(gamma="ablation").assign_coords(ablation=["none", "uniform_attention"])
    names = [name for _, name in options(plot.images(several, PATCHES))["yticks"]]
    assert names == ["ablation =\nnone", "ablation =\nuniform\nattention"]


def test_the_clean_example_is_that_of_the_label(ds, clean):
    image, _ = plot.images(ds.isel(initial=[2, 0], gamma=0), PATCHES, clean=clean, steps=0)
    np.testing.assert_allclose(tiles(image, 2, 2, (6, 4))[:, 0], PATCHES.decode(clean[[2, 0]]))
    image, _ = plot.images(ds.isel(gamma=0), PATCHES, clean=clean[1], steps=0)
    np.testing.assert_allclose(tiles(image, 3, 2, (6, 4))[:, 0], np.repeat(PATCHES.decode(clean[1])[None], 3, axis=0))


def test_final_tokens_alone(ds):
    (image, labels), end = plot.images(ds.drop_vars("tokens"), PATCHES), ds.final_tokens
    found = tiles(image, 6, 1, (6, 4))[:, 0]
    np.testing.assert_allclose(found, PATCHES.decode(end.values, clip=True).reshape(6, 6, 4), atol=1e-12)
    expected = ds.target_overlap.isel(step=-1).values.ravel()
    assert labels.dimension_values(2).tolist() == [f"{value:.2f}" for value in expected]


def test_runs_of_simulate_have_no_overlap_to_write(ds, clean):
    run = dmfx.simulate(ds.dmft.model, beta=1.0, gamma=0.0, steps=2, initial="patterns", variables="tokens")
    _, labels = plot.images(run, PATCHES)
    assert len(labels) == 0


def test_runs_without_a_result_leave_their_place_empty(ds):
    part = ds.isel(gamma=0, initial=[0, 1])
    tokens = part.tokens.where(part.initial != 0)
    overlap = part.target_overlap.where(part.initial != 0)
    image, labels = plot.images(part.assign(tokens=tokens, target_overlap=overlap), PATCHES, steps=[1])
    assert tiles(image, 1, 1, (6, 4)).shape == (1, 1, 6, 4)
    assert labels.dimension_values(2).tolist()[0] == "–"


def test_colours(tmp_path):
    patches = dmfx.tokens.Patches((4, 4, 3), patch=2)
    tokens = patches.encode(np.random.default_rng(0).random((2, 4, 4, 3)))
    net = dmfx.VectorAttention(dmfx.couplings.hebbian(tokens), tokens)
    picture = dmfx.denoising(net, tokens, beta=1.0, gamma=0.0, steps=1).dmft.plot.images(patches, clean=tokens)
    assert isinstance(next(iter(picture)), hv.RGB)
    for name in ("a.png", "a.html"):
        assert plot.save(picture, tmp_path / name).stat().st_size > 5_000


def test_is_drawn_in_both_ways(ds, clean, tmp_path):
    picture = ds.dmft.plot.images(PATCHES, clean=clean, size=40)
    for name in ("a.png", "a.html"):
        assert plot.save(picture, tmp_path / name).stat().st_size > 10_000


def test_steps_that_get_sparser():
    assert _sparser(3).tolist() == [0, 1, 2]
    for count in (9, 10, 15, 201, 10_001):
        places = _sparser(count)
        assert (places[0], places[-1], places.size) == (0, count - 1, 8)
        assert (np.diff(places) > 0).all()


@pytest.mark.parametrize(
    ("change", "kwargs", "error", "expected"),
    [
        (lambda ds: None, {}, TypeError, "ds must be a Dataset"),
        (lambda ds: ds[["status"]], {}, ValueError, "ask for the variable tokens"),
        (lambda ds: ds.drop_vars("tokens"), {"steps": [1]}, ValueError, "steps goes with the variable tokens"),
        (lambda ds: ds, {"encoder": object()}, TypeError, "encoder must be an encoder with a method decode"),
        (lambda ds: ds, {"steps": [0, 9]}, ValueError, "steps must be labels of step (0 to 3), not 9"),
        (lambda ds: ds, {"steps": []}, ValueError, "steps must be from 1 to 24 labels, not 0"),
        (lambda ds: ds, {"variable": "overlap"}, ValueError, "variable must be one of 'target_overlap'"),
        (lambda ds: ds, {"size": 3}, ValueError, "size must be a whole number of at least 16"),
        (lambda ds: ds, {"clean": np.ones((2, 2))}, ValueError, "clean must be unit vectors of shape (n, 6, 5)"),
        (lambda ds: ds, {"clean": "two"}, ValueError, "clean must have an example for each label of initial, to 2"),
        (lambda ds: ds.isel(initial=[]), {}, ValueError, "ds has 0 runs"),
        (lambda ds: ds.isel(initial=[0] * 13), {}, ValueError, "26 runs, and from 1 to 24 can be drawn: select some"),
        (lambda ds: ds.drop_vars("gamma"), {}, ValueError, "ds must have coordinates along gamma"),
    ],
)
def test_wrong_arguments(ds, clean, change, kwargs, error, expected):
    kwargs = {"encoder": PATCHES} | kwargs
    if isinstance(kwargs.get("clean"), str):
        kwargs["clean"] = clean[:2]
    with pytest.raises(error, match=r"^plot\.images: ") as caught:
        plot.images(change(ds), **kwargs)
    assert expected in str(caught.value)
