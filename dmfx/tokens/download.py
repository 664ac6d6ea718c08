"""Files of data sets from the network: fetched once, checked by a checksum, kept in the cache of the user."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path

from dmfx.tokens.files import DataFileError

__all__ = ["CIFAR10", "MNIST", "fetch", "fetch_all"]

MNIST_MIRRORS = (
    "https://ossci-datasets.s3.amazonaws.com/mnist/",
    "https://storage.googleapis.com/cvdf-datasets/mnist/",
)
CIFAR10_MIRRORS = ("https://www.cs.toronto.edu/~kriz/",)

#: Checksums as published: those of MNIST by its mirrors' users alike, that of CIFAR-10 on its own page.
MNIST = {
    "train-images-idx3-ubyte.gz": "sha256:440fcabf73cc546fa21475e81ea370265605f56be210a4024d2ca8f203523609",
    "train-labels-idx1-ubyte.gz": "sha256:3552534a0a558bbed6aed32b30c495cca23d567ec52cac8be1a0730e8010255c",
    "t10k-images-idx3-ubyte.gz": "sha256:8d422c7b0a1c1c79245a5bcf07fe86e33eeafee792b84584aec276f5a2dbc4e6",
    "t10k-labels-idx1-ubyte.gz": "sha256:f7ae60f92e00ec6debd23a6088c31dbd2371eca3ffa0defaefb259924204aec6",
}
CIFAR10 = {"cifar-10-binary.tar.gz": "md5:c32a1d4ab5d03f1284b67883e8d87530"}


def fetch_all(call: str, name: str, mirrors: Sequence[str], checksums: dict[str, str]) -> Path:
    """The folder in the cache that has all these files, after fetching what it had not."""
    for file, checksum in checksums.items():
        folder = fetch(call, name, mirrors, file, checksum).parent
    return folder


def fetch(call: str, name: str, mirrors: Sequence[str], file: str, checksum: str) -> Path:
    """One file, from the cache or from the first mirror that has it right.

    Parameters
    ----------
    call
        The function that the user called, which takes ``path``; it starts the message.
    name
        Of the data set, and of its folder in the cache.
    mirrors
        Addresses of folders.
    file, checksum
        Name of the file, and algorithm and sum of what it must have.

    Raises
    ------
    ConnectionError
        If no mirror can be reached.
    DataFileError
        If a mirror can be reached, but none has the file with this checksum.
    """
    import pooch

    folder = Path(pooch.os_cache("dmfx")) / name
    failures, reached = [], False
    for mirror in mirrors:
        try:
            return Path(pooch.retrieve(mirror + file, checksum, file, folder, progressbar=sys.stderr.isatty()))
        except OSError as error:
            failures.append(f"{mirror + file}: {_short(error)}")
        except ValueError:  # what pooch raises for another checksum
            reached = True
            failures.append(f"{mirror + file}: what it sent does not have the checksum {checksum}")
    advice = (
        f"put {file} by hand into {folder}, or into a folder of your own and call {call}(path=...) with that folder"
    )
    raise (DataFileError if reached else ConnectionError)(
        f"{call}: {file} could not be downloaded: {'; '.join(failures)}; {advice}"
    )


def _short(error: OSError) -> str:
    """What went wrong in few words: messages of connections repeat the address and what each layer said."""
    text = str(error).splitlines()[0] if str(error) else ""
    return f"{type(error).__name__}: {text}" if 0 < len(text) <= 100 else type(error).__name__
