"""Data files written as their formats say."""

import gzip
import io
import struct
import tarfile

import numpy as np


def pack(data):
    """The same bytes at any time: they name tests, of which all processes must find the same."""
    return gzip.compress(data, mtime=0)


def idx(array: np.ndarray) -> bytes:
    """The IDX format of unsigned bytes."""
    return struct.pack(f">BBBB{array.ndim}I", 0, 0, 8, array.ndim, *array.shape) + array.astype(np.uint8).tobytes()


def digits(n: int, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    """Images and labels in the shapes of MNIST."""
    rng = np.random.default_rng(seed)
    return rng.integers(0, 256, (n, 28, 28), dtype=np.uint8), rng.integers(0, 10, n, dtype=np.uint8)


def write_mnist(folder, n=5, prefix="train", packed=True, seed=0):
    """Both files of one split; returns images and labels."""
    images, labels = digits(n, seed)
    folder.mkdir(parents=True, exist_ok=True)
    for name, array in ((f"{prefix}-images-idx3-ubyte", images), (f"{prefix}-labels-idx1-ubyte", labels)):
        data = idx(array)
        (folder / (name + ".gz" * packed)).write_bytes(pack(data) if packed else data)
    return images, labels


def cifar_batch(n: int, seed: int) -> tuple[bytes, np.ndarray, np.ndarray]:
    """One batch of the binary version of CIFAR-10: its bytes, images (n, row, column, channel), labels."""
    rng = np.random.default_rng(seed)
    images, labels = rng.integers(0, 256, (n, 32, 32, 3), dtype=np.uint8), rng.integers(0, 10, n, dtype=np.uint8)
    records = []
    for image, label in zip(images, labels, strict=True):
        records.append(bytes([label]) + b"".join(image[:, :, channel].tobytes() for channel in range(3)))
    return b"".join(records), images, labels


def write_cifar(folder, n=3):
    """All six files; returns images and labels by split."""
    folder.mkdir(parents=True, exist_ok=True)
    found = {"train": [], "test": []}
    names = [f"data_batch_{k}.bin" for k in range(1, 6)] + ["test_batch.bin"]
    for seed, name in enumerate(names):
        data, *arrays = cifar_batch(n, seed)
        (folder / name).write_bytes(data)
        found["test" if name.startswith("test") else "train"].append(arrays)
    return {split: [np.concatenate(parts) for parts in zip(*batches, strict=True)] for split, batches in found.items()}


def pack_cifar(folder, archive, leave_out=()):
    """The archive as it is published: the files in a folder of their own."""
    with tarfile.open(archive, "w:gz") as tar:
        for file in sorted(folder.iterdir()):
            if file.name not in leave_out:
                tar.add(file, f"cifar-10-batches-bin/{file.name}")
        readme = tarfile.TarInfo("cifar-10-batches-bin/readme.html")
        tar.addfile(readme, io.BytesIO())
