"""Small disks that fill up, break and become read-only when they are told to, and are gone after the test."""

from __future__ import annotations

import contextlib
import os
import shutil
import subprocess
from collections.abc import Iterable, Iterator
from pathlib import Path

import psutil

from tests.sweeps.chaos import Process

__all__ = ["Disk", "Ext4", "Inodes", "Quota", "Tmpfs", "lacking"]

#: Name of the file, or the folder, that fills a disk.
BALLAST = "ballast"


#: Bytes of a disk that may be filled.
MOST_BYTES = 2**30


def lacking(kind: type[Disk]) -> str | None:
    """Why a kind of disk cannot be had here, None if it can."""
    if kind is Quota:
        return None
    if os.geteuid() != 0:
        return f"{kind.__name__}: only root may mount a disk"
    missing = [name for name in kind.commands if shutil.which(name) is None]
    return f"{kind.__name__}: the command {missing[0]} is missing (apt-get install e2fsprogs)" if missing else None


class Disk:
    """A disk of its own in a folder."""

    options: tuple[str, ...] = ()
    commands: tuple[str, ...] = ()

    def __init__(self, folder: Path):
        self.folder = folder

    @contextlib.contextmanager
    def there(self) -> Iterator[Disk]:
        """Mount it, and take it away at the end."""
        self.folder.mkdir()
        self.mount()
        try:
            yield self
        finally:
            self.unmount()

    def mount(self) -> None:
        """Put it in its place."""
        _run("mount", *self.options, str(self.folder))

    def unmount(self) -> None:
        """Take it away; at once by name where somebody still has a file open, and in fact when that is closed."""
        if subprocess.run(["umount", str(self.folder)], capture_output=True).returncode:
            _run("umount", "-l", str(self.folder))

    def fill(self, writers: Iterable[Process]) -> None:
        """Leave no room."""
        if shutil.disk_usage(self.folder).total > MOST_BYTES:
            raise OSError(f"{self.folder} is no small disk: it is not filled")
        with open(self.folder / BALLAST, "wb", buffering=0) as file:
            for size in (2**16, 1):
                with contextlib.suppress(OSError):
                    while file.write(bytes(size)):
                        pass

    def free(self, writers: Iterable[Process]) -> None:
        """Undo it."""
        (self.folder / BALLAST).unlink()


class Tmpfs(Disk):
    """In memory."""

    options = ("-t", "tmpfs", "-o", "size=24m", "dmfx-test")


class Small(Disk):
    """Too small for anything."""

    options = ("-t", "tmpfs", "-o", "size=1m", "dmfx-test")


class Inodes(Disk):
    """One that has room for a number of files, whatever their size."""

    options = ("-t", "tmpfs", "-o", "size=200m,nr_inodes=3000", "dmfx-test")

    def fill(self, writers: Iterable[Process]) -> None:
        (self.folder / BALLAST).mkdir()
        with contextlib.suppress(OSError):
            for number in range(5000):
                (self.folder / BALLAST / str(number)).touch()

    def free(self, writers: Iterable[Process]) -> None:
        for file in (self.folder / BALLAST).iterdir():
            file.unlink()
        (self.folder / BALLAST).rmdir()


class Ext4(Disk):
    """In a file; becomes read-only when it finds an error, as that of a computer does."""

    commands = ("mkfs.ext4", "e2fsck", "chattr")

    def __init__(self, folder: Path):
        super().__init__(folder)
        self._image = folder.with_suffix(".img")

    def mount(self) -> None:
        if not self._image.exists():
            with self._image.open("wb") as file:
                file.truncate(48 * 2**20)
            _run("mkfs.ext4", "-q", "-F", "-b", "1024", "-m", "0", "-N", "20000", str(self._image))
        _run("mount", "-o", "loop,errors=remount-ro", str(self._image), str(self.folder))

    def fail(self) -> None:
        """Find an error. What the disk has not written yet is lost."""
        device = Path(_run("findmnt", "-n", "-o", "SOURCE", str(self.folder)).strip()).name
        Path("/sys/fs/ext4", device, "trigger_fs_error").write_text("1")

    def repair(self) -> None:
        """What one does then."""
        _run("umount", str(self.folder))
        for _ in range(3):  # exit status 1: it was repaired, and may have more to find
            if subprocess.run(["e2fsck", "-f", "-y", str(self._image)], capture_output=True).returncode == 0:
                break
        self.mount()

    def flush(self) -> None:
        """Write all that is still in memory, as happens after some seconds."""
        _run("sync", "-f", str(self.folder))

    def protect(self, *, remount: bool) -> None:
        """Make all of it read-only; ``remount``: where no file is open, otherwise file by file."""
        _run(*(("mount", "-o", "remount,ro") if remount else ("chattr", "-R", "+i")), str(self.folder))

    def unprotect(self, *, remount: bool) -> None:
        """Undo it."""
        _run(*(("mount", "-o", "remount,rw") if remount else ("chattr", "-R", "-i")), str(self.folder))


class Quota(Disk):
    """No disk, but a limit for each writer on the size of a file, which needs no root."""

    def mount(self) -> None:
        pass

    def unmount(self) -> None:
        pass

    def fill(self, writers: Iterable[Process]) -> None:
        for writer in writers:
            psutil.Process(writer.pid).rlimit(psutil.RLIMIT_FSIZE, (64, psutil.RLIM_INFINITY))

    def free(self, writers: Iterable[Process]) -> None:
        for writer in writers:
            psutil.Process(writer.pid).rlimit(psutil.RLIMIT_FSIZE, (psutil.RLIM_INFINITY, psutil.RLIM_INFINITY))


def _run(*command: str) -> str:
    done = subprocess.run(command, capture_output=True, text=True)
    if done.returncode:
        raise OSError(f"{' '.join(command)}: {done.stderr}")
    return done.stdout
