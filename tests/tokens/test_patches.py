"""Images to tokens and back."""

import json

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dmfx import tokens
from dmfx.tokens import Patches


@st.composite
def encoders(draw):
    small = st.integers(1, 4)
    patch = draw(small), draw(small)
    channels = draw(st.sampled_from([(), (1,), (3,)]))
    shape = (patch[0] * draw(small), patch[1] * draw(small), *channels)
    low = draw(st.sampled_from([0.0, -2.0, -1e6, 1.0]))
    return Patches(
        shape, patch, draw(st.sampled_from([1.0, 0.01, 30.0])), (low, low + draw(st.sampled_from([1.0, 5.0])))
    )


@settings(max_examples=60, deadline=None)
@given(encoders(), st.integers(1, 3), st.integers(0, 2**32 - 1))
def test_round_trip(patches, n, seed):
    rng = np.random.default_rng(seed)
    images = rng.uniform(*patches.pixel_range, (n, *patches.image_shape))
    images[0] = rng.choice(patches.pixel_range, patches.image_shape)  # the ends of the range too
    x = patches.encode(images)
    assert x.shape == (n, patches.n_tokens, patches.n_components)
    assert np.abs((x**2).sum(axis=-1) - 1).max() < 1e-14
    assert (x[..., -1] >= patches.lowest_last * (1 - 1e-12)).all()
    scale = max(map(abs, patches.pixel_range))
    assert np.abs(patches.decode(x) - images).max() < 1e-14 * scale
    clipped = patches.decode(x, clip=True)
    assert clipped.min() >= patches.pixel_range[0]
    assert clipped.max() <= patches.pixel_range[1]
    rebuilt = Patches.from_spec(json.loads(json.dumps(patches.spec())))
    assert rebuilt == patches
    assert hash(rebuilt) == hash(patches)
    assert rebuilt.encode(images).tobytes() == x.tobytes()


def test_by_hand():
    image = np.arange(16.0).reshape(4, 4) / 16
    x = Patches((4, 4), 2, constant=2.0).encode(image[None])
    for token, (row, column) in enumerate([(0, 0), (0, 2), (2, 0), (2, 2)]):
        vector = np.array([*image[row, column : column + 2], *image[row + 1, column : column + 2], 2.0])
        assert x[0, token] == pytest.approx(vector / np.linalg.norm(vector), abs=1e-15)


def test_channels_lie_side_by_side():
    image = np.arange(12.0).reshape(2, 2, 3) / 12
    x = Patches((2, 2, 3), 2).encode(image)
    assert x[0, 0, :-1] / x[0, 0, -1] == pytest.approx(image.ravel())


def test_patches_of_two_lengths():
    patches = Patches((6, 8), (3, 2))
    assert patches.grid == (2, 4)
    images = np.random.default_rng(0).random((2, 6, 8))
    x = patches.encode(images)
    assert x[1, 5, :-1] / x[1, 5, -1] == pytest.approx(images[1, 3:6, 2:4].ravel())


def test_bytes_are_scaled():
    images = np.random.default_rng(0).integers(0, 256, (3, 8, 8), dtype=np.uint8)
    patches = Patches.of(images)
    assert patches == Patches((8, 8))
    assert patches.encode(images).tobytes() == patches.encode(images / 255).tobytes()
    assert patches.decode(patches.encode(images)) == pytest.approx(images / 255, abs=1e-15)


def test_an_image_does_not_know_the_others():
    images = np.random.default_rng(0).random((5, 8, 8))
    patches = Patches.of(images)
    together = patches.encode(images)
    for image, x in zip(images, together, strict=True):
        assert patches.encode(image)[0].tobytes() == x.tobytes()


class TestOf:
    def test_range_of_the_images(self):
        assert Patches.of(np.array([[[-1.0, 3.0]]]), 1).pixel_range == (-1, 3)
        assert Patches.of(np.full((1, 2, 2), 0.3), 1).pixel_range == (0, 1)
        assert Patches.of(np.full((1, 2, 2), 7.0), 1).pixel_range == (0, 7)
        assert Patches.of(np.full((1, 2, 2), -7.0), 1).pixel_range == (-7, 0)

    def test_colours(self):
        patches = Patches.of(np.zeros((2, 32, 32, 3)), patch=(4, 8), constant=0.5)
        assert patches == Patches((32, 32, 3), (4, 8), 0.5)
        assert (patches.grid, patches.n_tokens, patches.n_components) == ((8, 4), 32, 97)

    def test_bytes_that_became_floats(self):
        with pytest.raises(
            ValueError, match=r"pixels from 0 to 255, far beyond 0 to 1: divide bytes by 255, or make Pat"
        ):
            Patches.of(np.linspace(0, 255, 64).reshape(1, 8, 8))
        with pytest.raises(ValueError, match="from -11 to 0, far beyond"):
            Patches.of(np.linspace(-11, 0, 64).reshape(1, 8, 8))
        assert Patches.of(np.linspace(-10, 10, 64).reshape(1, 8, 8)).pixel_range == (-10, 10)

    def test_a_dataset(self):
        ds = tokens.digits(examples=slice(3))
        with pytest.raises(TypeError, match=r"images must be an array .*, such as ds\.image, not a Dataset"):
            Patches.of(ds)
        with pytest.raises(TypeError, match="such as the variable that holds them, not a Dataset"):
            Patches.of(ds[["label"]])

    def test_wrong_images(self):
        with pytest.raises(ValueError, match=r"Patches.of: images must be an array of shape \(n, rows, columns\) or"):
            Patches.of(np.zeros((8, 8)))
        with pytest.raises(ValueError, match="image 1 has nan at row 0, column 0; so have images 2"):
            Patches.of(np.array([0, np.nan, np.nan])[:, None, None] * np.ones((2, 2)))


class TestTokensOfNoImage:
    patches = Patches((2, 2), 2)

    def test_direction_only(self):
        x = tokens.normalise([[[1.0, 2.0, 0.0, 2.0, -1.0]]])
        image = self.patches.decode(x)[0].ravel()
        assert image / image[0] == pytest.approx([1, 2, 0, 2])
        assert np.isfinite(image).all()
        # As bright as it can be without negative last component: pixels / √(1 - x_last²) of the brightest image.
        assert np.linalg.norm(image) == pytest.approx(np.sqrt(9 / 10) / self.patches.lowest_last, rel=1e-4)

    def test_continuous_where_the_last_component_becomes_too_small(self):
        lowest = self.patches.lowest_last
        assert lowest == pytest.approx(1 / np.sqrt(5))
        below, above = (
            self.patches.decode(tokens.normalise([[[1.0, 0, 0, 0, last / np.sqrt(1 - last**2)]]]))
            for last in (lowest * (1 - 1e-3), lowest * (1 + 1e-3))
        )
        assert below == pytest.approx(above, rel=3e-3)

    def test_clip(self):
        x = tokens.normalise([[[1.3, -0.5, 0.5, 1.0, 1.0]]])
        assert self.patches.decode(x).ravel() == pytest.approx([1.3, -0.5, 0.5, 1])
        assert self.patches.decode(x, clip=True).ravel() == pytest.approx([1, 0, 0.5, 1])

    def test_length_does_not_matter(self):
        x = tokens.normalise(np.random.default_rng(0).normal(size=(3, 1, 5)))
        assert self.patches.decode(7 * x) == pytest.approx(self.patches.decode(x), rel=1e-12)

    def test_nan_gives_a_patch_of_nan(self):
        patches = Patches((2, 4), 2)
        x = patches.encode(np.full((1, 2, 4), 0.5))
        x[0, 1, 0] = np.inf
        image = patches.decode(x)[0]
        assert np.isnan(image[:, 2:]).all()
        assert image[:, :2] == pytest.approx(0.5)

    def test_any_dims_before(self):
        images = np.random.default_rng(0).random((6, 2, 2))
        x = self.patches.encode(images).reshape(2, 3, 1, 5)
        assert self.patches.decode(x).shape == (2, 3, 2, 2)
        assert self.patches.decode(x[0, 0]).shape == (2, 2)
        assert self.patches.decode(x)[1, 2] == pytest.approx(images[5])


class TestWrong:
    def test_all_parameters_at_once(self):
        with pytest.raises(ValueError, match=r"4 problems: image_shape .* patch .* constant .* pixel_range"):
            Patches((8,), (1, 2, 3), 0, (1, 1))

    @pytest.mark.parametrize(
        ("shape", "patch", "said"),
        [
            ((8, 9), 4, "patch must divide the image, but 4 columns do not divide 9"),
            ((7, 9), 4, "2 problems: .* 4 rows do not divide 7; .* 4 columns do not divide 9"),
            ((8, 8), (16, 2), "patch must not be larger than the image, but has 16 rows of 8"),
            ((8, 8), 0, "patch must be a number of pixels or"),
            ((8, 8), 2.5, "patch must be a number of pixels or"),
            ((8, 8), [4], "patch must be a number of pixels or"),
            ((8, 8, 0), 4, "image_shape must be"),
            ((8, 8, 3, 1), 4, "image_shape must be"),
            (8, 4, "image_shape must be"),
        ],
    )
    def test_shapes(self, shape, patch, said):
        with pytest.raises(ValueError, match=said):
            Patches(shape, patch)

    def test_types(self):
        with pytest.raises(TypeError, match=r"4 problems: image_shape .* patch .* constant .* pixel_range"):
            Patches("8x8", "four", "1", "all")

    def test_images_of_another_shape(self):
        patches = Patches((8, 8), 4)
        for images in (np.zeros((3, 8, 7)), np.zeros((3, 8, 8, 1)), np.zeros(8), np.zeros((0, 8, 8))):
            with pytest.raises(
                ValueError, match=r"Patches.encode: images must be an array of shape \(n, 8, 8\), or \(8"
            ):
                patches.encode(images)
        with pytest.raises(ValueError, match=r"but image 1 has shape \(8, 7\)"):
            patches.encode([np.zeros((8, 8)), np.zeros((8, 7)), np.zeros((8, 8))])

    def test_bad_pixels_by_image(self):
        images = np.zeros((9, 8, 8))
        images[2, 3, 4] = np.nan
        images[1:, 0, 0] = 255
        with pytest.raises(
            ValueError,
            match=r"2 problems: images must have finite pixels, but image 2 has nan at row 3, column 4; images must "
            r"have pixels from 0 to 1, but image 1 has 255 at row 0, column 0; so have images 2, 3, 4, 5, 6 and 2 more",
        ):
            Patches((8, 8), 4).encode(images)

    @pytest.mark.parametrize("dtype", [np.int64, bool, complex, "U3"])
    def test_other_numbers(self, dtype):
        with pytest.raises(TypeError, match="images must be floats, or uint8, which is scaled"):
            Patches((8, 8), 4).encode(np.ones((2, 8, 8)).astype(dtype))

    def test_masked_images(self):
        with pytest.raises(TypeError, match="images must be floats"):
            Patches((2, 2), 1).encode(np.ma.masked_less(np.ones((1, 2, 2)), 2))

    def test_tokens(self):
        patches = Patches((8, 8), 4)
        with pytest.raises(
            ValueError, match=r"real numbers of shape \(\.\.\., 4, 17\), not an array of shape \(3, 4, 16\)"
        ):
            patches.decode(np.ones((3, 4, 16)))
        x = np.ones((3, 4, 17))
        x[2, 1] = 0
        with pytest.raises(ValueError, match=r"zero vectors, but some are: index \(2, 1\)"):
            patches.decode(x)
        with pytest.raises(TypeError, match=r"2 problems: tokens must .* clip must be True or False"):
            patches.decode("x", clip=1)

    def test_spec(self):
        spec = Patches((8, 8)).spec()
        for wrong in ({}, spec | {"kind": "codebook"}, {k: v for k, v in spec.items() if k != "patch"}, "spec"):
            with pytest.raises(ValueError, match=r"spec must be what spec\(\) gave"):
                Patches.from_spec(wrong)


def test_frozen():
    with pytest.raises(AttributeError):
        Patches((8, 8)).constant = 2.0
