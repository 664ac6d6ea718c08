"""Images with labels: scikit-learn's digits, MNIST and CIFAR-10."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import xarray as xr

from dmfx.memory import check_memory
from dmfx.tokens import cifar, download
from dmfx.tokens.files import damaged, find_first
from dmfx.tokens.idx import read_idx
from dmfx.validation import Problems

__all__ = ["cifar10", "digits", "mnist"]

#: How the names of MNIST's files start.
PREFIXES = {"train": "train", "test": "t10k"}
MNIST_SHAPE = (28, 28)
CLASSES = 10


def digits(*, examples: int | slice | None = None) -> xr.Dataset:
    """The 1,797 handwritten digits of 8 x 8 pixels that come with scikit-learn; no files and no network are needed.

    Parameters
    ----------
    examples
        Which: the first so many, or a slice; by default all.

    Returns
    -------
    xr.Dataset
        ``image`` (initial, row, column), from 0 to 1, and ``label`` (initial); ``initial`` is the number of the
        example in the whole set.

    Raises
    ------
    TypeError, ValueError
        For wrong arguments, all of them named in one message.

    References
    ----------
    .. [1] Alpaydin & Kaynak, Optical Recognition of Handwritten Digits, UCI Machine Learning Repository (1998).

    Examples
    --------
    >>> ds = dmfx.tokens.digits(examples=100)
    >>> dmfx.tokens.Patches.of(ds.image, patch=2).encode(ds.image).shape
    (100, 16, 5)
    """
    problems = Problems("digits")
    _check_examples(problems, examples)
    problems.raise_any()
    from sklearn.datasets import load_digits

    found = load_digits()
    return _dataset("digits", found.images, found.target, 16.0, examples, "scikit-learn's digits")


def mnist(
    path: str | os.PathLike[str] | None = None, split: str = "train", *, examples: int | slice | None = None
) -> xr.Dataset:
    """MNIST: handwritten digits of 28 x 28 pixels, 60,000 for training and 10,000 for tests [1]_.

    Parameters
    ----------
    path
        Folder with the files, packed by gzip or not, in it or in ``MNIST/raw`` below it:
        ``train-images-idx3-ubyte``, ``train-labels-idx1-ubyte`` and the same with ``t10k``. None downloads them, once,
        to the cache of the user, and checks them by their checksums.
    split
        "train" or "test".
    examples
        Which: the first so many, or a slice; by default all.

    Returns
    -------
    xr.Dataset
        ``image`` (initial, row, column), from 0 to 1, and ``label`` (initial); ``initial`` is the number of the
        example in the file.

    Raises
    ------
    TypeError, ValueError
        For wrong arguments, all of them named in one message, and for a damaged file (`DataFileError`).
    FileNotFoundError
        If the folder has not got the files.
    ConnectionError
        If they cannot be downloaded.

    Notes
    -----
    Any files of this format, size and names can be read from ``path``, such as those of Fashion-MNIST.

    References
    ----------
    .. [1] LeCun, Bottou, Bengio & Haffner, Proc. IEEE 86, 2278 (1998).
    """
    problems = Problems("mnist")
    split = problems.choice("split", split, PREFIXES)
    folder = _check_folder(problems, path)
    _check_examples(problems, examples)
    problems.raise_any()
    stems = [f"{PREFIXES[split]}-{what}" for what in ("images-idx3-ubyte", "labels-idx1-ubyte")]
    if folder is None:
        sums = {f"{stem}.gz": download.MNIST[f"{stem}.gz"] for stem in stems}
        folder = download.fetch_all("mnist", "mnist", download.MNIST_MIRRORS, sums)
        source = "MNIST, downloaded"
    else:
        source = f"MNIST, {folder}"
    images_file, labels_file = _find_all("mnist", folder, {stem: _idx_names(stem) for stem in stems}, "MNIST/raw")
    images, labels = read_idx(images_file, MNIST_SHAPE), read_idx(labels_file, ())
    if len(images) != len(labels):
        raise damaged(labels_file, f"it has {len(labels)} labels, but {images_file.name} has {len(images)} images")
    if (labels >= CLASSES).any():
        bad = int(np.argmax(labels >= CLASSES))
        raise damaged(labels_file, f"label {bad} is {labels[bad]}, not one from 0 to {CLASSES - 1}")
    return _dataset("mnist", images, labels, 255.0, examples, f"{source}, {split}")


def cifar10(
    path: str | os.PathLike[str] | None = None, split: str = "train", *, examples: int | slice | None = None
) -> xr.Dataset:
    """CIFAR-10: photographs of 32 x 32 pixels in colour, 50,000 for training and 10,000 for tests [1]_.

    Parameters
    ----------
    path
        Folder with the files of the binary version, in it or in ``cifar-10-batches-bin`` below it:
        ``data_batch_1.bin`` to ``data_batch_5.bin`` and ``test_batch.bin``; or ``cifar-10-binary.tar.gz``, which has
        them all. None downloads that (170 MB), once, to the cache of the user, and checks it by its checksum.
    split
        "train" or "test".
    examples
        Which: the first so many, or a slice; by default all (1.2 GB for training).

    Returns
    -------
    xr.Dataset
        ``image`` (initial, row, column, channel), from 0 to 1, channels red, green, blue, and ``label`` (initial);
        ``initial`` is the number of the example in the files.

    Raises
    ------
    TypeError, ValueError
        For wrong arguments, all of them named in one message, and for a damaged file (`DataFileError`).
    FileNotFoundError
        If the folder has not got the files.
    ConnectionError
        If they cannot be downloaded.

    References
    ----------
    .. [1] Krizhevsky, Learning multiple layers of features from tiny images, University of Toronto (2009).
    """
    problems = Problems("cifar10")
    split = problems.choice("split", split, cifar.FILES)
    folder = _check_folder(problems, path)
    _check_examples(problems, examples)
    problems.raise_any()
    names = cifar.FILES[split]
    source = f"CIFAR-10, {folder}, {split}"
    if folder is None:
        folder = download.fetch_all("cifar10", "cifar10", download.CIFAR10_MIRRORS, download.CIFAR10)
        source = f"CIFAR-10, downloaded, {split}"
    archive = folder / cifar.ARCHIVE
    inner = folder / cifar.INNER_FOLDER
    if archive.is_file() and find_first(folder, names) is None and find_first(inner, names) is None:
        batches, missing = cifar.read_archive(archive, names)
        if missing:
            raise damaged(archive, f"it has no {' and no '.join(missing)}")
    else:
        hint = f", nor {cifar.ARCHIVE} here; the binary version is needed, not the one for Python"
        wanted = {name: (name,) for name in names}
        batches = [cifar.read_batch(file) for file in _find_all("cifar10", folder, wanted, cifar.INNER_FOLDER, hint)]
    images, labels = (np.concatenate(parts) for parts in zip(*batches, strict=True))
    ds = _dataset("cifar10", images, labels, 255.0, examples, source)
    return ds.assign_coords(channel=["red", "green", "blue"])


def _idx_names(stem: str) -> tuple[str, ...]:
    """Names that a file of MNIST goes by."""
    dotted = stem.replace("-idx", ".idx")
    return stem, f"{stem}.gz", dotted, f"{dotted}.gz"


def _find_all(call: str, folder: Path, wanted: dict[str, Sequence[str]], below: str, hint: str = "") -> list[Path]:
    """The file of each kind, in a folder or one below it, or an error that names what was looked for and where."""
    found = {name: find_first(folder, names) or find_first(folder / below, names) for name, names in wanted.items()}
    missing = [", ".join(wanted[name]) for name, file in found.items() if file is None]
    if missing:
        looked = "; no ".join(names.replace(", ", " or ") for names in missing)
        raise FileNotFoundError(f"{call}: {folder} has no {looked} (looked for here and in {below} below it){hint}")
    return list(found.values())


def _check_folder(problems: Problems, path: object) -> Path | None:
    if path is None:
        return None
    if not isinstance(path, (str, os.PathLike)):
        problems.add("path", "a folder, or None for a download", path, is_type=True)
        return None
    folder = Path(path).expanduser()
    if not folder.is_dir():
        what = "is a file" if folder.exists() else "does not exist"
        problems.say(f"path must be a folder, but {os.fspath(path)} {what}")
    return folder


def _check_examples(problems: Problems, examples: object) -> None:
    """Record what is wrong with it for any number of examples there are."""
    if isinstance(examples, slice):
        parts = (examples.start, examples.stop, examples.step)
        if not all(part is None or isinstance(part, (int, np.integer)) for part in parts) or examples.step == 0:
            problems.say(f"examples must be a slice of whole numbers, not {examples}")
    elif examples is not None:
        problems.count("examples", examples)


def _dataset(
    call: str, images: np.ndarray, labels: np.ndarray, white: float, examples: int | slice | None, source: str
) -> xr.Dataset:
    """The examples asked for, as labelled data."""
    n = len(images)
    part = examples if isinstance(examples, slice) else slice(None if examples is None else int(examples))
    numbers = np.arange(n)[part]
    problems = Problems(call)
    # A slice of Python would quietly give less than was asked for.
    if len(numbers) == 0 or any(bound is not None and not -n <= bound <= n for bound in (part.start, part.stop)):
        asked = f"{part.start or 0} to {n if part.stop is None else part.stop}"
        problems.say(f"examples must be some of the {n} that there are, but asks for {asked}")
    check_memory(problems, "the images", 8.0 * len(numbers) * images[0].size, "read fewer with examples")
    problems.raise_any()
    dims = ("initial", "row", "column", "channel")[: images.ndim]
    ds = xr.Dataset(
        {"image": (dims, images[part] / white), "label": ("initial", labels[part].astype(np.int64))},
        {"initial": numbers},
        {"source": source},
    )
    ds["image"].attrs = {"long_name": "brightness", "units": "1"}
    ds["label"].attrs = {"long_name": "class"}
    return ds
