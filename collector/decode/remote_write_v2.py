"""Prometheus remote write 2.0: `io.prometheus.write.v2.Request`, labels as symbol references.

A series is known by its symbols joined; to the compiled scan (`collector.loops.scan`) by their
numbers, since nearly every symbol is known from the bodies before. References are checked and
counted before anything is joined: 55 kB of references to one long symbol would otherwise become
gigabytes.
"""

from __future__ import annotations

import struct
from dataclasses import replace
from types import ModuleType

import numpy as np
import numpy.typing as npt

from collector.config import LimitSettings
from collector.decode import native_histogram
from collector.decode.compression import Plain
from collector.decode.protobuf import (
    BYTES,
    FIXED64,
    MOST_BAD,
    VARINT,
    Budget,
    fields,
    malformed,
    signed,
    text,
    varint,
)
from collector.keys import PAD, SymbolIndex, scan
from collector.model import Rejected, Rejection
from collector.readings import Readings, Refused
from collector.series import REPEATED, Origin, SeriesBook, short_key

_ZERO = struct.pack("<d", 0.0)
_APART = b"\xff"  # in no UTF-8 text
_KEY_ROOM = 1 << 23
"""Bytes for the keys of the series of a body that are not known: four a reference."""

Ints = npt.NDArray[np.int64]


def decode(
    data: Plain, book: SeriesBook, origin: Origin, *, now_s: float, limits: LimitSettings
) -> Readings:
    """Read an uncompressed Request; a bad series is refused, the others are kept.

    Raises Rejected: MALFORMED when the bytes are no Request, TOO_MANY_FIELDS when it would unfold
    beyond the limits.
    """
    loops = scan()
    found = None
    if loops is not None:
        found = _compiled(loops, data, book, origin, now_s, limits)
    return found or _general(data.tobytes(), book, origin, now_s, limits)


def _compiled(
    loops: ModuleType,
    data: Plain,
    book: SeriesBook,
    origin: Origin,
    now_s: float,
    limits: LimitSettings,
) -> Readings | None:
    """What `_general` says, by the compiled scan; None when the body is odd as a whole."""
    named = _symbols(loops, data, book.symbols)
    if named is None:
        return None
    index, most = book.index(origin), limits.series_per_request
    slots, ts_ms, values, others = index.scratch(most)
    start_ms = np.empty(most, np.int64)
    room = np.zeros(min(4 * data.length, _KEY_ROOM) + PAD, np.uint8)
    count, left, began = loops.write_request_v2(
        data.room, data.length, named, len(named), index.seed, index.table, index.entries,
        index.known, index.arena, most, 2 * limits.labels, room[:-PAD], slots, ts_ms, values,
        start_ms, others,
    )  # fmt: skip
    if count == loops.ODD:
        return None
    starts = start_ms[:count].copy() if began else None
    found = Readings(slots[:count].copy(), ts_ms[:count].copy(), values[:count].copy(), starts)
    if not left:
        return found
    # Learning pauses, and other bodies are read meanwhile in the same rooms.
    text, spans = data.tobytes(), others[:left, :4].tolist()
    reader = _Reader(text, book, origin, now_s, limits)
    reader.symbols = [text[start:stop] for start, stop in named[:, :2].tolist()]
    learnt: list[tuple[int, int, int]] = []
    for start, stop, first, last in spans:
        slot = reader.series(start, stop)
        if last > first and slot >= 0 and book.is_kept(slot):
            learnt.append((first, last, slot))
    known = np.array(learnt, np.int64).reshape(-1, 3)
    index.remember(room, known[:, :2].copy(), known[:, 2].copy())
    return reader.readings(found)


def _symbols(loops: ModuleType, data: Plain, index: SymbolIndex) -> Ints | None:
    """Start, stop and number of every symbol, those met first among them; None when the body is
    odd, or a symbol is no text."""
    for _ in range(2):
        count, unknown = loops.symbols(
            data.room, data.length, index.seed, index.table, index.entries, index.known,
            index.arena, index.room(data.length),
        )  # fmt: skip
        if count == loops.ODD:
            return None
        named: Ints = index.room(0)[:count]
        if not unknown:
            return named.copy()
        spans = named[named[:, 2] < 0, :2].copy()
        try:
            for start, stop in spans.tolist():
                data.room[start:stop].tobytes().decode()
        except UnicodeDecodeError:
            return None
        if not index.number(data.room, spans):
            return None
    return None  # there was no room for all of them


def _general(
    data: bytes, book: SeriesBook, origin: Origin, now_s: float, limits: LimitSettings
) -> Readings:
    reader = _Reader(data, book, origin, now_s, limits)
    entries: list[tuple[int, int]] = []
    for number, wire, start, stop in fields(data, 0, len(data)):
        reader.budget.spend()
        if number == 4 and wire == BYTES:
            reader.add_symbol(start, stop)
        elif number == 5 and wire == BYTES:
            entries.append((start, stop))
            if len(entries) > limits.series_per_request:
                raise _too_many(f"more than {limits.series_per_request} series")
    if reader.symbols and reader.symbols[0]:
        raise malformed("remote write 2.0: the first symbol must be empty")
    for start, stop in entries:
        reader.series(start, stop)
    return reader.readings()


def _too_many(what: str) -> Rejected:
    return Rejected(Rejection.TOO_MANY_FIELDS, f"{what} in a body: split it")


class _Reader:
    def __init__(
        self, data: bytes, book: SeriesBook, origin: Origin, now_s: float, limits: LimitSettings
    ) -> None:
        self.symbols: list[bytes] = []
        self.budget = Budget()
        self._data = data
        self._book = book
        self._known = book.table(origin)
        self._origin = origin
        self._now_s = now_s
        self._limits = limits
        self._joined_bytes = self._bad = 0
        self._longest = max(limits.label_name_bytes, limits.label_value_bytes)
        self._slots: list[int] = []
        self._ts_ms: list[int] = []
        self._start_ms: list[int] = []
        self._values: list[bytes] = []
        self._refused: dict[Rejection, Refused] = {}
        self._exemplars: list[int] = []
        self._native = native_histogram.Unfolded(book, origin.claim, now_s)

    def add_symbol(self, start: int, stop: int) -> None:
        """The next entry of the symbol table."""
        text(self._data, start, stop)
        self.symbols.append(self._data[start:stop])

    def series(self, start: int, stop: int) -> int:
        """Read the TimeSeries in data[start:stop]; its slot, -1 when it has none of its own."""
        refs: list[int] = []
        found: list[tuple[int, int, bytes]] = []
        natives: list[tuple[int, int]] = []
        created = exemplars = 0
        for number, wire, first, last in fields(self._data, start, stop):
            self.budget.spend()
            if number == 1:
                refs += self._refs(wire, first, last)
            elif number == 2 and wire == BYTES:
                found.append(self._sample(first, last))
            elif number == 3 and wire == BYTES:
                natives.append((first, last))
            elif number == 4:
                exemplars += 1
            elif number == 6 and wire == VARINT:
                created = signed(first)  # what Prometheus 3 sends, before start_timestamp
        if natives:
            self._take_natives(refs, natives, created, exemplars)
        if found or (exemplars and not natives):
            return self._take(refs, found, created, 0 if natives else exemplars)
        return -1

    def _take(
        self, refs: list[int], found: list[tuple[int, int, bytes]], created: int, exemplars: int
    ) -> int:
        try:
            slot = self._slot(refs)
        except Rejected as rejected:
            self._refuse(rejected, len(found) or 1)
            return -1
        self._exemplars += [slot] * exemplars
        for ts_ms, start_ms, value in found:
            self._slots.append(slot)
            self._ts_ms.append(ts_ms)
            self._start_ms.append(start_ms or created)
            self._values.append(value)
        return slot

    def _take_natives(
        self, refs: list[int], natives: list[tuple[int, int]], created: int, exemplars: int
    ) -> None:
        try:
            parts, key = self._named(refs)
        except Rejected as rejected:
            self._refuse(rejected, len(natives))
            return

        def labels() -> dict[str, str]:
            return _labels(parts)

        for first, last in natives:
            try:
                one = native_histogram.read(self._data, first, last)
                self._native.add(one, key, labels, created)
            except Rejected as rejected:
                self._refuse(rejected, 1)
        if exemplars:
            self._exemplars += [self._native.slot(key, labels)] * exemplars

    def _refs(self, wire: int, first: int, last: int) -> list[int]:
        if wire == VARINT:
            return [first]
        if last - first > 10 * 2 * self._limits.labels:
            return [-1]  # far too many, whatever they are
        refs = []
        while first < last:
            ref, first = varint(self._data, first, last)
            refs.append(ref)
        return refs

    def _sample(self, start: int, stop: int) -> tuple[int, int, bytes]:
        ts_ms, start_ms, value = 0, 0, _ZERO
        for number, wire, first, last in fields(self._data, start, stop):
            if number == 1 and wire == FIXED64:
                value = self._data[first:last]
            elif number == 2 and wire == VARINT:
                ts_ms = signed(first)
            elif number == 3 and wire == VARINT:
                start_ms = signed(first)
        return ts_ms, start_ms, value

    def _named(self, refs: list[int]) -> tuple[list[bytes], bytes]:
        """Names and values of the labels in turn, and all of it joined."""
        parts = self._looked_up(refs)
        key = _APART.join(parts)
        self._joined_bytes += len(key)
        if self._joined_bytes > self._limits.decoded_bytes:
            raise _too_many("labels of more bytes than allowed")
        return parts, short_key(key)

    def _slot(self, refs: list[int]) -> int:
        parts, key = self._named(refs)
        slot = self._known.get(key)
        if slot is None:
            slot = self._book.learn(self._origin, key, _labels(parts), now_s=self._now_s)
        return slot

    def _looked_up(self, refs: list[int]) -> list[bytes]:
        if len(refs) > 2 * self._limits.labels or -1 in refs:
            detail = f"more labels than the {self._limits.labels} allowed: drop some"
            raise Rejected(Rejection.LABEL_LIMIT, detail)
        if len(refs) % 2 or (refs and max(refs) >= len(self.symbols)):
            detail = "labels_refs is odd in length, or refers beyond the symbols"
            raise Rejected(Rejection.INVALID_FIELD, detail, field="labels_refs")
        parts = [self.symbols[ref] for ref in refs]
        if parts and max(map(len, parts)) > self._longest:
            raise Rejected(Rejection.LABEL_LIMIT, f"a label is longer than {self._longest} bytes")
        return parts

    def _refuse(self, why: Rejected, count: int) -> None:
        if why.reason in {Rejection.TOO_MANY_FIELDS, Rejection.MALFORMED}:
            raise why
        first = self._refused.get(why.reason) or Refused(why.reason, 0, why.detail, None, why.field)
        self._refused[why.reason] = replace(first, count=first.count + count)
        self._bad += 1
        if self._bad > MOST_BAD:
            raise _too_many(f"more than {MOST_BAD} series that cannot be read")

    def readings(self, before: Readings | None = None) -> Readings:
        """Everything read, after what was read before; `start_ms` only when some sample has one."""
        starts = np.array(self._start_ms, np.int64)
        found = Readings(
            np.array(self._slots, np.int64),
            np.array(self._ts_ms, np.int64),
            np.frombuffer(b"".join(self._values), "<f8"),
            starts if starts.any() else None,
            tuple(self._refused.values()),
        )
        return self._native.joined(before.followed_by(found) if before else found, self._exemplars)


def _labels(parts: list[bytes]) -> dict[str, str]:
    labels: dict[str, str] = {}
    for name, value in zip(parts[::2], parts[1::2], strict=True):
        key = name.decode()
        if key in labels:
            labels[REPEATED] = key
        labels[key] = value.decode()
    return labels
