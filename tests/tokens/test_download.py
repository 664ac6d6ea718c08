"""Downloads from a server of the test's own: once, with the right checksum, or refused."""

import functools
import hashlib
import http.server
import threading

import numpy as np
import pytest

from dmfx import tokens
from dmfx.tokens import download
from dmfx.tokens.files import DataFileError
from tests.mnist import FOLDER, beside

from .written import pack_cifar, write_cifar, write_mnist


@pytest.fixture
def server(tmp_path):
    """A folder, its address, and the requests that were made of it."""
    folder, requests = tmp_path / "served", []
    folder.mkdir()

    class Handler(http.server.SimpleHTTPRequestHandler):
        def log_message(self, format, *args):
            requests.append(self.path)

    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), functools.partial(Handler, directory=folder)) as httpd:
        thread = threading.Thread(target=httpd.serve_forever)
        thread.start()
        yield folder, f"http://127.0.0.1:{httpd.server_address[1]}/", requests
        httpd.shutdown()
        thread.join()


@pytest.fixture
def cache(tmp_path, monkeypatch):
    import pooch

    monkeypatch.setattr(pooch, "os_cache", lambda project: tmp_path / "cache" / project)
    return tmp_path / "cache" / "dmfx"


@pytest.fixture
def mnist(server, cache, monkeypatch):
    """A server with the four files of a small MNIST."""
    folder, address, _ = server
    for prefix in ("train", "t10k"):
        write_mnist(folder, prefix=prefix)
    sums = {file.name: f"sha256:{hashlib.sha256(file.read_bytes()).hexdigest()}" for file in folder.iterdir()}
    monkeypatch.setattr(download, "MNIST", sums)
    monkeypatch.setattr(download, "MNIST_MIRRORS", (address,))
    return server


def test_once(mnist, cache):
    folder, _, requests = mnist
    ds = tokens.mnist(split="test")
    assert sorted(requests) == ["/t10k-images-idx3-ubyte.gz", "/t10k-labels-idx1-ubyte.gz"]
    assert ds.identical(tokens.mnist(split="test"))
    assert len(requests) == 2
    assert ds.drop_attrs().identical(tokens.mnist(folder, "test").drop_attrs())
    assert sorted(file.name for file in (cache / "mnist").iterdir()) == [path[1:] for path in sorted(requests)]


def test_a_damaged_copy_in_the_cache_is_fetched_again(mnist, cache):
    _, _, requests = mnist
    before = tokens.mnist()
    file = cache / "mnist" / "train-images-idx3-ubyte.gz"
    file.write_bytes(file.read_bytes()[:-1])
    assert tokens.mnist().identical(before)
    assert len(requests) == 3


def test_another_checksum_is_refused(mnist, cache):
    folder, address, _ = mnist
    (folder / "train-labels-idx1-ubyte.gz").write_bytes(b"something else")
    with pytest.raises(DataFileError, match="does not have the checksum sha256:") as error:
        tokens.mnist()
    assert f"{address}train-labels-idx1-ubyte.gz" in str(error.value)
    assert not (cache / "mnist" / "train-labels-idx1-ubyte.gz").exists()


def test_the_next_mirror(mnist, cache, monkeypatch):
    _, address, _ = mnist
    monkeypatch.setattr(download, "MNIST_MIRRORS", (f"{address}moved/", address))
    assert tokens.mnist().sizes["initial"] == 5


def test_no_network(cache, monkeypatch):
    # Port 9 (discard) of this machine: nobody answers.
    monkeypatch.setattr(download, "MNIST_MIRRORS", ("http://127.0.0.1:9/a/", "http://127.0.0.1:9/b/"))
    with pytest.raises(ConnectionError) as error:
        tokens.mnist()
    text = str(error.value)
    assert "\n" not in text
    for part in (
        "mnist: train-images-idx3-ubyte.gz could not be downloaded",
        "http://127.0.0.1:9/a/train-images-idx3-ubyte.gz: ConnectionError",
        "http://127.0.0.1:9/b/train-images-idx3-ubyte.gz",
        f"put train-images-idx3-ubyte.gz by hand into {cache / 'mnist'}",
        "mnist(path=...)",
    ):
        assert part in text


def test_put_by_hand(mnist, cache, monkeypatch):
    folder, _, requests = mnist
    (cache / "mnist").mkdir(parents=True)
    for file in folder.iterdir():
        (cache / "mnist" / file.name).write_bytes(file.read_bytes())
    monkeypatch.setattr(download, "MNIST_MIRRORS", ("http://127.0.0.1:9/",))
    assert tokens.mnist().sizes["initial"] == 5
    assert requests == []


def test_cifar(server, cache, tmp_path, monkeypatch):
    folder, address, requests = server
    images, labels = write_cifar(tmp_path / "files")["test"]
    archive = folder / "cifar-10-binary.tar.gz"
    pack_cifar(tmp_path / "files", archive)
    monkeypatch.setattr(download, "CIFAR10", {archive.name: f"md5:{hashlib.md5(archive.read_bytes()).hexdigest()}"})
    monkeypatch.setattr(download, "CIFAR10_MIRRORS", (address,))
    for _ in range(2):
        ds = tokens.cifar10(split="test")
        assert np.array_equal(ds.image, images / 255)
        assert np.array_equal(ds.label, labels)
    assert requests == ["/cifar-10-binary.tar.gz"]


def test_checksums_are_whole():
    lengths = {"sha256": 64, "md5": 32}
    for checksum in (download.MNIST | download.CIFAR10).values():
        kind, digits = checksum.split(":")
        assert len(digits) == lengths[kind]
        assert set(digits) <= set("0123456789abcdef")


def test_checksum_of_the_file_beside_the_repository():
    beside(1)
    for file in FOLDER.glob("*.gz"):
        assert download.MNIST[file.name] == f"sha256:{hashlib.sha256(file.read_bytes()).hexdigest()}"
