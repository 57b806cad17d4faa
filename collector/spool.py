"""The durable queue between collector and analyzer: a directory of segments.

`append` returns only when its frames are on disk. One thread writes: it takes everything that is
waiting, writes it, calls fdatasync once, and lets all of those appends return (group commit).
Segments are called `<generation>-<number>.open` while written and `.seg` once sealed.

After a disk failure nobody knows what the file holds, so the group fails, the segment is cut back
to what was synced, and a new generation begins: the series of the old one must be declared again.
"""

from __future__ import annotations

import asyncio
import logging
import os
import re
import secrets
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from pathlib import Path

from collector import segments
from collector.config import SpoolSettings
from collector.files import DiskFiles, Files
from collector.model import Frame, Rejected, Rejection, SegmentId

log = logging.getLogger(__name__)

_STAMP = "%Y%m%dT%H%M%S.%fZ"
_NAME = re.compile(r"(?P<stamp>\d{8}T\d{6}\.\d{6}Z)-[0-9a-f]{8}-\d{8}\.(?:seg|open)")


class Spool:
    """Writes segments. Safe to append to from several coroutines of one loop, or threads.

    Raises Rejected(UNAVAILABLE) from the constructor when the directory cannot be used or another
    collector owns it.
    """

    def __init__(self, settings: SpoolSettings, *, files: Files | None = None) -> None:
        self._settings = settings
        self._files = files or DiskFiles()
        self._directory = settings.directory
        self._wake = threading.Condition()
        self._waiting: list[tuple[bytes, Future[None]]] = []
        self._waiting_bytes = 0
        self._closing = False
        self._restarting = False
        self._seal_wanted = 0
        self._sealed_count = 0
        self._broken_until = 0.0
        self._leftovers = True
        self._fd: int | None = None
        self._path = self._directory
        self._number = 0
        self._written = self._synced = 0
        self._sealed_at = 0.0
        self._lock = self._own_directory()
        self._undrained = self._sealed_bytes()
        self._generation = self._new_generation()
        self._thread = threading.Thread(target=self._run, name="spool", daemon=True)
        self._thread.start()

    @property
    def generation(self) -> str:
        """Changes when series must be declared anew, with sids from 0."""
        return self._generation

    @property
    def undrained_bytes(self) -> int:
        """Bytes of sealed segments nobody has drained yet, as of the last seal."""
        return self._undrained

    @property
    def healthy(self) -> bool:
        """Whether an append has a chance now."""
        return self._refusal() is None

    def check(self) -> None:
        """Raises Rejected when an append would be refused now."""
        with self._wake:
            refusal = self._refusal()
        if refusal is not None:
            raise refusal

    async def append(self, frames: Sequence[Frame], *, generation: str | None = None) -> None:
        """Return once the frames are on disk.

        Raises Rejected: OVERLOADED when the analyzer is too far behind, UNAVAILABLE when the disk
        fails, the spool is closed, or `generation` is no longer the current one.
        """
        await asyncio.wrap_future(self.enqueue(frames, generation=generation))

    def enqueue(self, frames: Sequence[Frame], *, generation: str | None = None) -> Future[None]:
        """`append` for callers without a loop: the future ends when the frames are on disk."""
        data = segments.encode(frames)
        done: Future[None] = Future()
        done.set_running_or_notify_cancel()  # who gives up waiting takes no declaration along
        if not frames:
            done.set_result(None)
            return done
        with self._wake:
            refusal = self._refusal()
            if refusal is None and generation not in (None, self._generation):
                refusal = _unavailable("the spool began a new generation, send again")
            if refusal is not None:
                raise refusal
            self._waiting.append((data, done))
            self._waiting_bytes += len(data)
            self._wake.notify_all()
        return done

    def restart_generation(self) -> None:
        """Seal and begin a new generation soon; appends are refused for that moment."""
        with self._wake:
            self._restarting = True
            self._wake.notify_all()

    def seal(self) -> None:
        """Return once everything appended so far is in sealed segments (or the disk failed)."""
        with self._wake:
            self._seal_wanted += 1
            wanted = self._seal_wanted
            self._wake.notify_all()
            self._wake.wait_for(lambda: self._sealed_count >= wanted or not self._thread.is_alive())

    def close(self) -> None:
        """Write what waits, seal, and let go of the directory. Twice is once."""
        with self._wake:
            if self._closing:
                return
            self._closing = True
            self._wake.notify_all()
        self._thread.join()
        with suppress(OSError):
            self._files.close(self._lock)

    def _refusal(self) -> Rejected | None:
        limits = self._settings
        if self._closing or not self._thread.is_alive():
            return _unavailable("the spool is closed")
        if self._restarting:
            return _unavailable("the spool is beginning a new generation")
        if time.monotonic() < self._broken_until:
            return _unavailable("the spool's disk failed a moment ago")
        if self._undrained > limits.undrained_bytes or self._waiting_bytes > limits.pending_bytes:
            return Rejected(
                Rejection.OVERLOADED,
                f"{self._undrained} bytes wait for the analyzer: start it, or raise the limit",
                retry_after_s=10,
            )
        return None

    def _own_directory(self) -> int:
        try:
            self._files.make_directory(self._directory)
            return self._files.lock(self._directory / "collector.lock")
        except OSError as error:
            detail = f"spool {self._directory}: {error.strerror}; is another collector running?"
            raise _unavailable(detail) from error

    def _new_generation(self) -> str:
        """Sorts after every generation on disk, even when the clock went back."""
        now = datetime.fromtimestamp(time.time_ns() / 1e9, UTC)
        found = [m["stamp"] for name in self._names() if (m := _NAME.fullmatch(name))]
        if hasattr(self, "_generation"):
            found.append(self._generation.partition("-")[0])
        if found:
            last = datetime.strptime(max(found), _STAMP).replace(tzinfo=UTC)
            now = max(now, last + timedelta(microseconds=1))
        return f"{now.strftime(_STAMP)}-{secrets.token_hex(4)}"

    def _names(self) -> list[str]:
        with suppress(OSError):
            return self._files.names(self._directory)
        return []

    def _sealed_bytes(self) -> int:
        total = 0
        for name in self._names():
            if name.endswith(".seg"):
                with suppress(OSError):  # the analyzer may remove it meanwhile
                    total += self._files.size(self._directory / name)
        return total

    # What follows runs on the spool's own thread.

    def _run(self) -> None:
        try:
            self._guard(self._recover)
            while self._step():
                pass
        finally:
            with self._wake:
                self._closing = True
                group = self._take()
                self._wake.notify_all()
            for _, done in group:
                done.set_exception(_unavailable("the spool is closed"))

    def _step(self) -> bool:
        """One turn: commit what waits, seal what is due. False when there is no more to do."""
        with self._wake:
            if not (self._waiting or self._wants_seal()):
                self._wake.wait(self._pause())
            group, closing = self._take(), self._closing
            wanted, seal, restarting = self._seal_wanted, self._wants_seal(), self._restarting
        if group:
            self._commit(group)
        if seal or self._due():
            self._guard(self._seal)
        self._undrained = self._sealed_bytes() if self._overfull() else self._undrained
        with self._wake:
            self._sealed_count = wanted
            if restarting:
                self._begin_generation()
            self._wake.notify_all()
            return not closing

    def _wants_seal(self) -> bool:
        return self._closing or self._restarting or self._seal_wanted > self._sealed_count

    def _take(self) -> list[tuple[bytes, Future[None]]]:
        group, self._waiting, self._waiting_bytes = self._waiting, [], 0
        return group

    def _pause(self) -> float | None:
        if self._fd is not None:
            return max(self._sealed_at + self._settings.seal_s - time.monotonic(), 0.0)
        return 0.5 if self._overfull() else None

    def _overfull(self) -> bool:
        return self._undrained > self._settings.undrained_bytes

    def _due(self) -> bool:
        if self._fd is None:
            return False
        age = time.monotonic() - self._sealed_at
        return age >= self._settings.seal_s or self._written >= self._settings.seal_bytes

    def _commit(self, group: list[tuple[bytes, Future[None]]]) -> None:
        try:
            self._write(b"".join(data for data, _ in group))
        except OSError as error:
            self._fail(error, group)
            return
        for _, done in group:
            done.set_result(None)

    def _write(self, data: bytes) -> None:
        if self._leftovers:
            self._recover()
        if self._fd is None:
            self._open()
        assert self._fd is not None
        self._files.write(self._fd, data)
        self._written += len(data)
        self._files.sync(self._fd)
        self._synced = self._written

    def _open(self) -> None:
        self._number += 1
        self._path = self._directory / f"{self._generation}-{self._number:08d}.open"
        self._written = self._synced = 0
        self._fd = self._files.create(self._path)
        self._files.write(self._fd, segments.MAGIC)
        self._files.sync_directory(self._directory)
        self._written = self._synced = len(segments.MAGIC)
        self._sealed_at = time.monotonic()

    def _seal(self) -> None:
        if self._fd is None:
            return
        fd, self._fd = self._fd, None
        self._leftovers = True  # until the rename is done
        self._files.close(fd)
        self._files.rename(self._path, self._path.with_suffix(".seg"))
        self._files.sync_directory(self._directory)
        self._leftovers = False
        self._undrained = self._sealed_bytes()

    def _recover(self) -> None:
        """Cut the torn tail of every segment a dead run left open, and seal it."""
        for name in sorted(self._files.names(self._directory)):
            if name.endswith(".open") and _NAME.fullmatch(name):
                self._recover_one(self._directory / name)
        self._leftovers = False

    def _recover_one(self, path: Path) -> None:
        data = self._files.read(path)
        whole = segments.whole_length(data)
        if whole < len(data):
            log.warning("spool: cut a torn tail of %d bytes off %s", len(data) - whole, path.name)
        if whole:
            self._files.truncate(path, whole)
            self._files.rename(path, path.with_suffix(".seg"))
        else:
            self._files.remove(path)
        self._files.sync_directory(self._directory)

    def _guard(self, action: Callable[[], None]) -> None:
        try:
            action()
        except OSError as error:
            self._fail(error, [])

    def _fail(self, error: OSError, group: list[tuple[bytes, Future[None]]]) -> None:
        log.error("spool: %s failed (%s); beginning a new generation", self._directory, error)
        with self._wake:
            self._broken_until = time.monotonic() + self._settings.retry_s
            self._begin_generation()
            self._leftovers = True
            group = group + self._take()
        self._abandon()
        for _, done in group:
            done.set_exception(_unavailable(f"the spool's disk failed: {error.strerror}"))

    def _begin_generation(self) -> None:
        self._generation = self._new_generation()
        self._number = 0
        self._restarting = False

    def _abandon(self) -> None:
        """Leave the open segment to `_recover`, cut back to what was acknowledged."""
        fd, self._fd = self._fd, None
        if fd is not None:
            with suppress(OSError):
                self._files.truncate(self._path, self._synced)
            with suppress(OSError):
                self._files.close(fd)


def _unavailable(detail: str) -> Rejected:
    return Rejected(Rejection.UNAVAILABLE, detail, retry_after_s=5)


def sealed(directory: Path) -> list[Path]:
    """Sealed segments, oldest first; [] when the directory does not exist."""
    if not directory.is_dir():
        return []
    return sorted(
        directory / name
        for name in os.listdir(directory)
        if name.endswith(".seg") and _NAME.fullmatch(name)
    )


def segment_id(path: Path) -> SegmentId:
    """`<generation>-<number>`: sorts in writing order."""
    return SegmentId(path.stem)


def generation_of(segment: SegmentId) -> str:
    """The generation a segment belongs to."""
    return segment.rpartition("-")[0]


def read_segment(path: Path) -> Iterator[Frame]:
    """The frames of a segment in order, up to the first that is damaged.

    Raises ValueError after them when there is one: a sealed segment has no torn tail, so what
    follows was acknowledged, and the file must not be removed.
    """
    data = path.read_bytes()
    whole = 0
    for frames, end in segments.read(data):
        yield from frames
        whole = end
    if whole < len(data):
        raise ValueError(f"{len(data) - whole} of {len(data)} bytes are damaged or follow damage")


def discard(path: Path) -> None:
    """Remove a drained segment; one that is gone already is fine."""
    path.unlink(missing_ok=True)
