"""Known keys of one origin as arrays: raw bytes → slot for the compiled scan.

Only a shadow of the book's own table: whatever is missing here is found there and put here again,
so it may forget at any time. See `collector.loops.scan` for what the arrays hold.
"""

from __future__ import annotations

import hashlib
import secrets
from collections.abc import Sequence
from types import ModuleType

import numpy as np
import numpy.typing as npt

from collector.loops import compiled

Bytes = npt.NDArray[np.uint8]
Ints = npt.NDArray[np.int64]
Words = npt.NDArray[np.uint64]
Group = tuple[Sequence[int], int, bool]
"""Slots, how many of them are buckets, and whether the last is a sum."""

SCAN = "collector.loops.scan"
POINTS = "collector.loops.points"
PAGES = "collector.loops.pages"
PAD = 8
"""Bytes readable behind the last one of a body or of the arena: both are read in words."""

MOST_BYTES = 1 << 30
MOST_SYMBOL_BYTES = 1 << 26
"""All symbols are forgotten when they are more: a sender may invent new ones with every body."""

MOST_SYMBOLS = 200_000
"""Of one body; one with more is read without the loops."""

MOST_MEMBERS = 1 << 23
MOST_CONTEXTS = 100_000

LAST_NUMBER = (1 << 32) - 1
FORGOTTEN = -1


def scan() -> ModuleType | None:
    """The compiled loops, None while there are none."""
    return compiled(SCAN)


def point_loops() -> ModuleType | None:
    """Those for OTLP; an index needs the others as well."""
    return compiled(POINTS) if scan() is not None else None


def page_loops() -> ModuleType | None:
    """Those for pages of text; an index needs the others as well."""
    return compiled(PAGES) if scan() is not None else None


class KeyIndex:
    """Hash table, entries and arena, growing. Not thread safe."""

    def __init__(self) -> None:
        self.seed = np.uint64(secrets.randbits(64))
        self._scratch = _room(0)
        self.clear()

    def clear(self) -> None:
        """Forget everything."""
        self.table: Words = np.zeros((1 << 10, 2), np.uint64)
        self.entries: Ints = np.zeros((1 << 9, 3), np.int64)
        self.arena: Bytes = np.zeros(1 << 16, np.uint8)
        self.known = self.used = 0

    def scratch(self, most: int) -> tuple[Ints, Ints, npt.NDArray[np.float64], Ints]:
        """Room for `most` slots, times, values and others, the same again and again: to be copied
        from. Fresh memory would cost more than what is written into it.
        """
        if len(self._scratch[0]) < most:
            self._scratch = _room(most)
        return self._scratch

    def remember(self, room: Bytes, spans: Ints, slots: Ints) -> None:
        """The bytes room[start:stop] of each span (columns 0 and 1) mean the slot."""
        loops = scan()
        assert loops is not None
        more = int((spans[:, 1] - spans[:, 0]).sum())
        if self.used + more > MOST_BYTES:
            return
        self._reserve(loops, len(slots), more)
        self.known, self.used = loops.remember(
            room, spans, slots, self.seed, self.table, self.entries, self.known, self.arena,
            self.used,
        )  # fmt: skip

    def forget(self, slots: Ints) -> None:
        """These slots mean something else from now on."""
        mine = self.entries[: self.known, 2]
        mine[np.isin(mine, slots)] = FORGOTTEN
        if np.count_nonzero(mine == FORGOTTEN) * 2 > self.known:
            self.clear()

    def _reserve(self, loops: ModuleType, keys: int, size: int) -> None:
        while self.known + keys > len(self.entries):
            self.entries = np.concatenate([self.entries, np.zeros_like(self.entries)])
        rows = len(self.table)
        while 2 * (self.known + keys) > rows:
            rows *= 2
        if rows > len(self.table):
            table = np.zeros((rows, 2), np.uint64)
            loops.rehash(self.table, table)
            self.table = table
        if self.used + size + PAD > len(self.arena):
            grown = np.zeros(max(2 * len(self.arena), self.used + size + PAD), np.uint8)
            grown[: self.used] = self.arena[: self.used]
            self.arena = grown


class SymbolIndex(KeyIndex):
    """Symbols of remote write 2.0 → numbers that are never given twice."""

    def __init__(self) -> None:
        super().__init__()
        self.given = 0
        self.found: Ints = np.empty((1 << 10, 3), np.int64)

    def room(self, size: int) -> Ints:
        """Room for the symbols of a body of `size` bytes, the same again and again."""
        most = min(size // 2, MOST_SYMBOLS)  # an empty one takes two bytes
        if len(self.found) < most:
            self.found = np.empty((most, 3), np.int64)
        return self.found

    def number(self, room: Bytes, spans: Ints) -> bool:
        """Give the bytes room[start:stop] of each span a number. False when there are no more."""
        if self.given + len(spans) > LAST_NUMBER:
            return False
        if self.used > MOST_SYMBOL_BYTES:
            self.clear()
        self.remember(room, spans, np.arange(self.given, self.given + len(spans)))
        self.given += len(spans)
        return True


class PointIndex(KeyIndex):
    """Keys of OTLP data points → groups of slots. See `collector.loops.points`."""

    def clear(self) -> None:
        """Forget everything."""
        super().clear()
        self.groups: Ints = np.zeros((1 << 9, 3), np.int64)
        self.members: Ints = np.zeros(1 << 10, np.int64)
        self._owner: Ints = np.zeros(1 << 10, np.int64)
        self._grouped = self._filled = 0

    def learn(self, room: Bytes, spans: Ints, groups: Sequence[Group]) -> None:
        """The bytes room[start:stop] of each span mean the group."""
        if self._filled > MOST_MEMBERS:
            self.clear()
        first = self._grouped
        for slots, buckets, summed in groups:
            end = self._filled + len(slots)
            self._grow(end)
            self.members[self._filled : end] = slots
            self._owner[self._filled : end] = self._grouped
            self.groups[self._grouped] = self._filled, buckets, summed
            self._filled, self._grouped = end, self._grouped + 1
        self.remember(room, spans, np.arange(first, self._grouped))

    def forget(self, slots: Ints) -> None:
        """These slots mean something else from now on."""
        gone = np.isin(self.members[: self._filled], slots)
        super().forget(np.unique(self._owner[: self._filled][gone]))

    def _grow(self, members: int) -> None:
        while members > len(self.members):
            self.members = np.concatenate([self.members, np.zeros_like(self.members)])
            self._owner = np.concatenate([self._owner, np.zeros_like(self._owner)])
        if self._grouped == len(self.groups):
            self.groups = np.concatenate([self.groups, np.zeros_like(self.groups)])


class Contexts:
    """Numbers that are never given twice, for what stands above data points."""

    def __init__(self) -> None:
        self._numbers: dict[bytes, int] = {}
        self._given = 0

    def number(self, context: bytes) -> int:
        """The number of a context; another one when it was forgotten meanwhile."""
        key = hashlib.blake2b(context, digest_size=16).digest()
        found = self._numbers.get(key)
        if found is None:
            if len(self._numbers) >= MOST_CONTEXTS:
                self._numbers.clear()
            found = self._numbers[key] = self._given
            self._given += 1
        return found


def _room(most: int) -> tuple[Ints, Ints, npt.NDArray[np.float64], Ints]:
    slots, ts_ms, others = (np.empty(shape, np.int64) for shape in (most, most, (most, 5)))
    return slots, ts_ms, np.empty(most), others
