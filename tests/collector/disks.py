"""Disks that fail, and disks that forget what was not synced."""

from __future__ import annotations

import errno
import os
import random
import shutil
from pathlib import Path

from collector.files import DiskFiles


class FailingFiles(DiskFiles):
    """The call number `fail_at` (from 1) fails as a full disk does; a write may tear first."""

    def __init__(self, fail_at: int, *, times: int = 1) -> None:
        self.calls = 0
        self._fail = range(fail_at, fail_at + times)

    def _turn(self) -> bool:
        self.calls += 1
        return self.calls in self._fail

    def _maybe(self) -> None:
        if self._turn():
            raise OSError(errno.ENOSPC, "No space left on device")

    def create(self, path: Path) -> int:
        self._maybe()
        return super().create(path)

    def write(self, fd: int, data: bytes) -> None:
        if self._turn():
            super().write(fd, data[: len(data) // 2])
            raise OSError(errno.ENOSPC, "No space left on device")
        super().write(fd, data)

    def sync(self, fd: int) -> None:
        self._maybe()
        super().sync(fd)

    def close(self, fd: int) -> None:
        super().close(fd)
        self._maybe()

    def truncate(self, path: Path, length: int) -> None:
        self._maybe()
        super().truncate(path, length)

    def rename(self, old: Path, new: Path) -> None:
        self._maybe()
        super().rename(old, new)

    def remove(self, path: Path) -> None:
        self._maybe()
        super().remove(path)

    def sync_directory(self, path: Path) -> None:
        self._maybe()
        super().sync_directory(path)

    def read(self, path: Path) -> bytes:
        self._maybe()
        return super().read(path)


class CrashFiles(DiskFiles):
    """Remembers how much of each file was synced, and which names the directory has on disk."""

    def __init__(self) -> None:
        self.synced: dict[int, int] = {}
        self.names_on_disk: dict[str, int] = {}
        self._sizes: dict[int, int] = {}
        self._inodes: dict[int, int] = {}

    def create(self, path: Path) -> int:
        fd = super().create(path)
        self._inodes[fd] = os.fstat(fd).st_ino
        self.synced[self._inodes[fd]] = 0
        return fd

    def sync(self, fd: int) -> None:
        super().sync(fd)
        self.synced[self._inodes[fd]] = os.fstat(fd).st_size

    def truncate(self, path: Path, length: int) -> None:
        super().truncate(path, length)
        self.synced[path.stat().st_ino] = length

    def sync_directory(self, path: Path) -> None:
        super().sync_directory(path)
        self.names_on_disk = {p.name: p.stat().st_ino for p in path.iterdir() if p.is_file()}

    def power_cut(self, directory: Path, into: Path, rng: random.Random) -> None:
        """Copy what may be left: synced bytes for sure, of the others any prefix, maybe garbled."""
        into.mkdir(parents=True)
        by_inode = {p.stat().st_ino: p for p in directory.iterdir()}
        for name, inode in self.names_on_disk.items():
            if name.endswith(".lock") or inode not in by_inode:
                continue
            data = bytearray(by_inode[inode].read_bytes())
            sure = self.synced.get(inode, len(data))
            left = rng.randint(sure, len(data))
            for at in range(sure, left):
                if rng.random() < 0.1:
                    data[at] = rng.randrange(256)
            (into / name).write_bytes(data[:left])


def copy(directory: Path, into: Path) -> None:
    """What a killed process leaves: everything it wrote."""
    shutil.copytree(directory, into)
