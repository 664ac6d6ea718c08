"""Images with labels from scikit-learn, and from files written here."""

import subprocess
import sys

import numpy as np
import pytest

from dmfx import tokens
from dmfx.tokens.files import DataFileError
from tests import mnist

from .written import idx, pack, pack_cifar, write_cifar, write_mnist


def test_importing_loads_neither_scikit_learn_nor_pooch():
    code = "import sys, dmfx, dmfx.tokens; sys.exit(bool({'sklearn', 'pooch'} & set(sys.modules)))"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


class TestDigits:
    def test_all(self):
        from sklearn.datasets import load_digits

        ds = tokens.digits()
        assert dict(ds.sizes) == {"initial": 1797, "row": 8, "column": 8}
        assert (float(ds.image.min()), float(ds.image.max())) == (0, 1)
        assert np.array_equal(ds.image * 16, load_digits().images)
        assert np.array_equal(ds.label, load_digits().target)

    def test_a_slice_keeps_its_numbers(self):
        part = tokens.digits(examples=slice(100, 110, 3))
        assert part.initial.values.tolist() == [100, 103, 106, 109]
        assert part.identical(tokens.digits().sel(initial=part.initial))

    @pytest.mark.parametrize("examples", [0, -1, 1.5, "all", slice("a", None), slice(None, None, 0), True])
    def test_wrong_examples(self, examples):
        with pytest.raises((TypeError, ValueError), match="digits: examples must be"):
            tokens.digits(examples=examples)

    @pytest.mark.parametrize("examples", [1798, slice(5, 5), slice(1700, 1800), slice(-1798, None), slice(10, 5)])
    def test_examples_that_there_are_not(self, examples):
        with pytest.raises(ValueError, match="examples must be some of the 1797 that there are"):
            tokens.digits(examples=examples)


class TestMnist:
    @pytest.mark.parametrize("packed", [True, False])
    @pytest.mark.parametrize(("split", "prefix"), [("train", "train"), ("test", "t10k")])
    @pytest.mark.parametrize("below", ["", "MNIST/raw"])
    def test_read(self, tmp_path, packed, split, prefix, below):
        images, labels = write_mnist(tmp_path / below, prefix=prefix, packed=packed)
        ds = tokens.mnist(tmp_path, split)
        assert ds.image.dims == ("initial", "row", "column")
        assert ds.image.dtype == np.float64
        assert np.array_equal(ds.image, images / 255)
        assert np.array_equal(ds.label, labels)
        assert str(tmp_path) in ds.attrs["source"]
        assert tokens.mnist(str(tmp_path), split, examples=slice(1, 3)).identical(ds.isel(initial=slice(1, 3)))

    def test_names_with_a_dot(self, tmp_path):
        write_mnist(tmp_path, packed=False)
        for file in list(tmp_path.iterdir()):
            file.rename(tmp_path / file.name.replace("-idx", ".idx"))
        assert tokens.mnist(tmp_path).sizes["initial"] == 5

    def test_all_wrong_arguments_at_once(self, tmp_path):
        with pytest.raises(ValueError, match=r"3 problems: split must be one of 'train', 'test', .* path .* examples"):
            tokens.mnist(tmp_path / "nowhere", "validation", examples=0)
        file = tmp_path / "file"
        file.write_bytes(b"")
        with pytest.raises(ValueError, match=r"path must be a folder, but .* is a file"):
            tokens.mnist(file)
        with pytest.raises(TypeError, match="path must be a folder, or None for a download"):
            tokens.mnist(3)

    def test_missing_files_are_named(self, tmp_path):
        with pytest.raises(FileNotFoundError) as error:
            tokens.mnist(tmp_path, "test")
        for part in (str(tmp_path), "t10k-images-idx3-ubyte.gz", "t10k-labels-idx1-ubyte", "in MNIST/raw below it"):
            assert part in str(error.value)
        write_mnist(tmp_path, prefix="t10k")
        (tmp_path / "t10k-labels-idx1-ubyte.gz").unlink()
        with pytest.raises(FileNotFoundError, match="has no t10k-labels-idx1-ubyte or") as error:
            tokens.mnist(tmp_path, "test")
        assert "t10k-images" not in str(error.value)


def images_file(tmp_path, data, suffix=""):
    write_mnist(tmp_path, packed=False)
    file = tmp_path / "train-images-idx3-ubyte"
    file.unlink()
    file = file.with_name(file.name + suffix)
    file.write_bytes(data)
    return file


WHOLE = idx(np.zeros((5, 28, 28)))
PACKED = pack(WHOLE)


@pytest.mark.parametrize(
    ("data", "suffix", "said"),
    [
        (b"", "", "it ends within its header, after 0 of 16 bytes"),
        (WHOLE[:9], "", "it ends within its header, after 9 of 16 bytes"),
        (b"PK\x03\x04" + WHOLE[4:], "", r"its magic number is 0x504b0304, not 0x00000803 \(unsigned bytes in 3 dims\)"),
        (idx(np.zeros(5)), "", "its magic number is 0x00000801, not 0x00000803"),
        (b"\x00\x00\x0d\x03" + WHOLE[4:], "", "its magic number is 0x00000d03"),
        (b"\x00\x01", "", "its magic number is 0x0001"),
        (WHOLE[:-1], "", "it is cut off: 3919 bytes of the 3920 that its header says"),
        (WHOLE + b"\n", "", "it has bytes after the 3920 that its header says"),
        (idx(np.zeros((5, 28, 27))), "", "its images have 28 x 27 pixels, not 28 x 28"),
        (idx(np.zeros((0, 28, 28))), "", "it has no items"),
        (WHOLE[:4] + b"\xff\xff\xff\xff" + WHOLE[8:], "", "it is cut off: 3920 bytes of the 3367254359280"),
        (WHOLE, ".gz", "its name ends in .gz, but it is not a gzip file"),
        (b"", ".gz", "its name ends in .gz, but it is not a gzip file"),
        (PACKED[:-20], ".gz", "it cannot be unpacked"),
        (PACKED[:15], ".gz", "it cannot be unpacked"),
        (PACKED[:12] + b"\xff\xff\xff" + PACKED[15:], ".gz", "it cannot be unpacked"),
        (PACKED[:-8] + b"\x00\x00\x00\x00" + PACKED[-4:], ".gz", "it cannot be unpacked"),
        (PACKED + b"more", ".gz", "it cannot be unpacked"),
        (PACKED + pack(b"more"), ".gz", "it has bytes after the 3920 that its header says"),
        (pack(WHOLE[:-1]), ".gz", "it is cut off: 3919 bytes of the 3920"),
        (pack(b"\x1f" + WHOLE[1:]), ".gz", "its magic number is 0x1f000803"),
    ],
)
def test_damaged_idx(tmp_path, data, suffix, said):
    file = images_file(tmp_path, data, suffix)
    with pytest.raises(DataFileError, match=said) as error:
        tokens.mnist(tmp_path)
    assert str(error.value).startswith(f"{file}: ")
    assert "copy it again" in str(error.value)


def test_packed_without_the_name(tmp_path):
    images_file(tmp_path, PACKED)
    assert not tokens.mnist(tmp_path).image.any()


def test_labels_that_do_not_go_with_the_images(tmp_path):
    write_mnist(tmp_path, packed=False)
    file = tmp_path / "train-labels-idx1-ubyte"
    file.write_bytes(idx(np.zeros(4)))
    with pytest.raises(DataFileError, match="it has 4 labels, but train-images-idx3-ubyte has 5 images"):
        tokens.mnist(tmp_path)
    file.write_bytes(idx(np.array([0, 9, 10, 3, 77])))
    with pytest.raises(DataFileError, match="label 2 is 10, not one from 0 to 9"):
        tokens.mnist(tmp_path)


def test_the_file_of_mnist_beside_the_repository():
    ds = mnist.beside()
    assert dict(ds.sizes) == {"initial": 10_000, "row": 28, "column": 28}
    assert ds.label.values[:10].tolist() == [7, 2, 1, 0, 4, 1, 4, 9, 5, 9]
    assert float(ds.image.mean()) == pytest.approx(0.1325, abs=1e-4)


def test_mnist_as_tokens():
    images = mnist.beside(1000).image.values
    patches = tokens.Patches.of(images)
    assert (patches.n_tokens, patches.n_components, patches.grid) == (49, 17, (7, 7))
    clean = patches.encode(images)
    assert np.abs(patches.decode(clean) - images).max() < 1e-14
    assert tokens.overlap(clean, tokens.corrupt(clean, 0.3)).mean() == pytest.approx(0.63, abs=0.005)
    # What the noise adds to the pixels is not cut at their range, unless asked for.
    noisy = patches.decode(tokens.corrupt(clean[:10], 0.3))
    assert noisy.min() < 0
    assert patches.decode(tokens.corrupt(clean[:10], 0.3), clip=True).min() == 0


class TestCifar:
    @pytest.mark.parametrize("below", ["", "cifar-10-batches-bin"])
    def test_files(self, tmp_path, below):
        written = write_cifar(tmp_path / below)
        for split, (images, labels) in written.items():
            ds = tokens.cifar10(tmp_path, split)
            assert ds.image.dims == ("initial", "row", "column", "channel")
            assert ds.channel.values.tolist() == ["red", "green", "blue"]
            assert np.array_equal(ds.image, images / 255)
            assert np.array_equal(ds.label, labels)
        patches = tokens.Patches.of(ds.image)
        assert patches.encode(ds.image).shape == (3, 64, 49)
        assert patches.decode(patches.encode(ds.image)) == pytest.approx(ds.image.values, abs=1e-14)

    def test_archive(self, tmp_path):
        written = write_cifar(tmp_path / "files")
        pack_cifar(tmp_path / "files", tmp_path / "cifar-10-binary.tar.gz")
        for split, (images, labels) in written.items():
            ds = tokens.cifar10(tmp_path, split)
            assert np.array_equal(ds.image, images / 255)
            assert np.array_equal(ds.label, labels)
        assert tokens.cifar10(tmp_path, examples=slice(2, 7)).initial.values.tolist() == [2, 3, 4, 5, 6]

    def test_missing_files_are_named(self, tmp_path):
        with pytest.raises(FileNotFoundError, match=r"cifar10: .* has no test_batch.bin .* nor cifar-10-binary.tar.gz"):
            tokens.cifar10(tmp_path, "test")
        write_cifar(tmp_path)
        (tmp_path / "data_batch_2.bin").unlink()
        (tmp_path / "data_batch_4.bin").unlink()
        with pytest.raises(FileNotFoundError, match=r"has no data_batch_2.bin; no data_batch_4.bin \(looked for here"):
            tokens.cifar10(tmp_path)

    @pytest.mark.parametrize(
        ("change", "said"),
        [
            (lambda data: b"", "it is empty"),
            (lambda data: data[:-1], "not a whole number of records of 3073 bytes: 3072 are left after 2 records"),
            (lambda data: data + b"\n", "1 are left after 3 records"),
            (lambda data: data[:3073] + b"\x0a" + data[3074:], "record 1 has the label 10, not one from 0 to 9"),
        ],
    )
    def test_damaged_file(self, tmp_path, change, said):
        write_cifar(tmp_path / "files")
        file = tmp_path / "files" / "data_batch_3.bin"
        file.write_bytes(change(file.read_bytes()))
        with pytest.raises(DataFileError, match=said) as error:
            tokens.cifar10(tmp_path / "files")
        assert str(file) in str(error.value)
        pack_cifar(tmp_path / "files", tmp_path / "cifar-10-binary.tar.gz")
        with pytest.raises(DataFileError, match=f"cifar-10-binary.tar.gz, data_batch_3.bin: .*{said}"):
            tokens.cifar10(tmp_path)

    @pytest.mark.parametrize(
        ("change", "said"),
        [
            (lambda data: data[: len(data) // 2], "cannot be unpacked"),
            (lambda data: data[:100] + bytes(50) + data[150:], "cannot be unpacked"),
            (lambda data: data[:-300] + bytes([data[-300] ^ 1]) + data[-299:], "cannot be unpacked"),
            (lambda data: data[:-8] + bytes([data[-8] ^ 1]) + data[-7:], "cannot be unpacked .CRC check failed"),
            (lambda data: pack(b"no archive" * 100), "cannot be unpacked"),
            (lambda data: b"", "not a gzip file"),
            (lambda data: b"no archive" * 100, "not a gzip file"),
        ],
    )
    def test_damaged_archive(self, tmp_path, change, said):
        write_cifar(tmp_path / "files")
        archive = tmp_path / "cifar-10-binary.tar.gz"
        pack_cifar(tmp_path / "files", archive)
        archive.write_bytes(change(archive.read_bytes()))
        with pytest.raises(DataFileError, match=said):
            tokens.cifar10(tmp_path)

    def test_archive_without_a_file(self, tmp_path):
        write_cifar(tmp_path / "files")
        pack_cifar(
            tmp_path / "files", tmp_path / "cifar-10-binary.tar.gz", leave_out=("data_batch_5.bin", "test_batch.bin")
        )
        with pytest.raises(DataFileError, match=r"cifar-10-binary.tar.gz: it has no data_batch_5.bin"):
            tokens.cifar10(tmp_path)
        with pytest.raises(DataFileError, match=r"it has no test_batch\.bin"):
            tokens.cifar10(tmp_path, "test")

    def test_wrong_arguments(self):
        with pytest.raises(ValueError, match=r"cifar10: 2 problems: split .* path must be a folder"):
            tokens.cifar10("/no/such/folder", "all")
