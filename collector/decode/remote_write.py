"""Prometheus remote write 1.0: a snappy block of `prometheus.WriteRequest` → arrays.

The trick: a series is known by the raw bytes of its label fields. Nearly every series looks like

    0a <len> │ 0a.. label 0a.. label ... │ 12 10 09 <8 byte double> 10 <6 byte timestamp>
             └── known bytes? → slot     └── 18 bytes, gathered for all series at once by NumPy

When the leading bytes are exactly those of a known series, the rest is exactly one sample. All
else (new series, several samples, exemplars, zeros, odd times) takes the slow, general road.
"""

from __future__ import annotations

import struct
from dataclasses import replace
from types import ModuleType

import numpy as np
import numpy.typing as npt

from collector.decode import native_histogram
from collector.decode.compression import Plain
from collector.decode.protobuf import (
    BYTES,
    FIXED64,
    VARINT,
    Budget,
    fields,
    malformed,
    signed,
    text,
    varint,
)
from collector.keys import scan
from collector.model import Rejected, Rejection
from collector.readings import Readings, Refused
from collector.series import LONG_KEY, REPEATED, Origin, SeriesBook, short_key

TAIL = 18
"""Bytes of a lone sample: tag, length 16, tag, double, tag, timestamp of 6 varint bytes."""

_LONGEST_LABELS = 256 * 1024
"""Bytes of label fields of a series that are looked at; the limits allow far less."""

_DOUBLE = struct.Struct("<d")
_SHIFTS = np.arange(0, 42, 7, dtype=np.int64)


def decode(
    data: Plain, book: SeriesBook, origin: Origin, *, now_s: float, max_series: int
) -> Readings:
    """Read an uncompressed WriteRequest.

    Raises Rejected: MALFORMED when the bytes are no WriteRequest, TOO_MANY_FIELDS beyond
    `max_series` series.
    """
    loops = scan()
    found = None
    if loops is not None:
        found = _compiled(loops, data, book, origin, now_s, max_series)
    return found or _gathered(data.tobytes(), book, origin, now_s, max_series)


def _compiled(
    loops: ModuleType,
    data: Plain,
    book: SeriesBook,
    origin: Origin,
    now_s: float,
    max_series: int,
) -> Readings | None:
    """What `_gathered` says, by the compiled scan; None when the body is odd as a whole."""
    index = book.index(origin)
    slots, ts_ms, values, others = index.scratch(max_series)
    count, left = loops.write_request(
        data.room, data.length, index.seed, index.table, index.entries, index.known, index.arena,
        max_series, slots, ts_ms, values, others,
    )  # fmt: skip
    if count == loops.ODD:
        return None
    found = Readings(slots[:count].copy(), ts_ms[:count].copy(), values[:count].copy())
    if not left:
        return found
    # Learning pauses, and other bodies are read meanwhile in the same rooms.
    data, others = Plain.of(data.tobytes()), others[:left].copy()
    slow = _Slow(data.tobytes(), book, origin, now_s)
    learnt: list[tuple[int, int, int]] = []
    spans = others[:, :3].tolist()
    usual = [slow.other(start, end, stop, learnt) for start, end, stop in spans]
    known = np.array(learnt, np.int64).reshape(-1, 3)
    index.remember(data.room, known[:, :2].copy(), known[:, 2].copy())
    found = _with_new(found, np.array(usual, np.int64), others)
    return slow.native.joined(slow.with_others(found), slow.exemplars)


def _with_new(
    found: Readings, slots: npt.NDArray[np.int64], others: npt.NDArray[np.int64]
) -> Readings:
    """The samples of series just learnt with those of known ones; a slot of -1 has none."""
    there = slots >= 0
    return Readings(
        np.concatenate([found.slots, slots[there]]),
        np.concatenate([found.ts_ms, others[there, 3]]),
        np.concatenate([found.values, others[there, 4].copy().view(np.float64)]),
    )


def _gathered(
    data: bytes, book: SeriesBook, origin: Origin, now_s: float, max_series: int
) -> Readings:
    slow = _Slow(data, book, origin, now_s)
    slots, tails = _scan(data, slow, max_series)
    where = np.array(tails, np.int64)
    raw = np.frombuffer(data, np.uint8)
    rows = raw[where[:, None] + np.arange(TAIL)] if tails else np.empty((0, TAIL), np.uint8)
    fast = _is_lone_sample(rows)
    for at in where[~fast].tolist():
        slow.series(slow.starts[at], at + TAIL)
    values = rows[fast, 3:11].copy().view("<f8").ravel()
    ts_ms = ((rows[fast, 12:18] & 0x7F).astype(np.int64) << _SHIFTS).sum(axis=1)
    plain = slow.with_others(Readings(np.array(slots, np.int64)[fast], ts_ms, values))
    return slow.native.joined(plain, slow.exemplars)


def _scan(data: bytes, slow: _Slow, max_series: int) -> tuple[list[int], list[int]]:
    """Slot and start of the last 18 bytes of every series that looks like the usual ones.

    A hit is provisional: the caller checks the 18 bytes of all hits at once.
    """
    known = slow.known.get
    starts = slow.starts
    slots: list[int] = []
    tails: list[int] = []
    keep_slot, keep_tail = slots.append, tails.append
    at, end, count = 0, len(data), 0
    while at < end:
        if data[at] != 0x0A:
            at = _skip_field(data, at, end)
            continue
        try:  # lengths of two bytes are the rule: reading them here halves the time
            low, high = data[at + 1], data[at + 2]
        except IndexError:  # the very end of the body: an empty series, or a torn one
            low = high = 0
        if low >= 0x80 > high:
            length, start = low & 0x7F | high << 7, at + 3
        else:
            length, start = varint(data, at + 1, end)
        at = start + length
        count += 1
        if at > end or count > max_series:
            raise _cut_short(start) if at > end else _too_many(max_series)
        tail = at - TAIL
        usual = start < tail <= start + LONG_KEY and data[tail] == 0x12
        slot = known(data[start:tail]) if usual else None
        if slot is None:
            slow.series(start, at)
        else:
            keep_slot(slot)
            keep_tail(tail)
            starts[tail] = start
    return slots, tails


def _skip_field(data: bytes, at: int, end: int) -> int:
    """Metadata and unknown fields of the request are passed over."""
    *_, stop = next(fields(data, at, end))
    if stop:
        return stop
    _, after_tag = varint(data, at, end)
    return varint(data, after_tag, end)[1]


def _cut_short(at: int) -> Rejected:
    return malformed(f"protobuf: the series at byte {at} reaches beyond the body")


def _too_many(limit: int) -> Rejected:
    return Rejected(Rejection.TOO_MANY_FIELDS, f"more than {limit} series in a body: split it")


def _is_lone_sample(rows: npt.NDArray[np.uint8]) -> npt.NDArray[np.bool_]:
    fine: npt.NDArray[np.bool_] = (
        (rows[:, 0] == 0x12)
        & (rows[:, 1] == 16)
        & (rows[:, 2] == 0x09)
        & (rows[:, 11] == 0x10)
        & (rows[:, 12:17] >= 0x80).all(axis=1)
        & (rows[:, 17] < 0x80)
    )
    return fine


class _Slow:
    """The general road: one series at a time, any field order."""

    def __init__(self, data: bytes, book: SeriesBook, origin: Origin, now_s: float) -> None:
        self.data = data
        self.known = book.table(origin)
        self.starts: dict[int, int] = {}
        self.slots: list[int] = []
        self.ts_ms: list[int] = []
        self.values: list[bytes] = []
        self.exemplars: list[int] = []
        self.refused: dict[Rejection, Refused] = {}
        self.native = native_histogram.Unfolded(book, origin.claim, now_s)
        self._budget = Budget()
        self._book = book
        self._origin = origin
        self._now_s = now_s

    def other(self, start: int, end: int, stop: int, learnt: list[tuple[int, int, int]]) -> int:
        """The slot of a series the index does not hold, where its labels end at `end` and a sample
        is all that follows; -1 when it had to be read field by field. `learnt` takes its span.
        """
        if start < end <= start + LONG_KEY:
            key = self.data[start:end]
            slot = self.known.get(key)
            if slot is None and (labels := _usual_labels(key)):
                slot = self._book.learn(self._origin, key, labels, now_s=self._now_s)
            if slot is not None:
                if self._book.is_kept(slot):
                    learnt.append((start, end, slot))
                return slot
        self.series(start, stop)
        return -1

    def series(self, start: int, stop: int) -> None:
        """Read the TimeSeries in data[start:stop]."""
        data = self.data
        spans: list[tuple[int, int]] = []
        found: list[tuple[int, bytes]] = []
        natives: list[tuple[int, int]] = []
        exemplars = 0
        for number, wire, first, last in fields(data, start, stop):
            self._budget.spend()
            if number == 1 and wire == BYTES:
                spans.append((first, last))
            elif number == 2 and wire == BYTES:
                found.append(self._sample(first, last))
            elif number == 3:
                exemplars += 1
            elif number == 4 and wire == BYTES:
                natives.append((first, last))
        if sum(last - first for first, last in spans) > _LONGEST_LABELS:
            count = len(found) + len(natives) or 1
            self._refuse(Rejection.LABEL_LIMIT, count, "the labels are too long", "labels")
            return
        if natives:
            self._native(spans, natives, exemplars)
        if found or (exemplars and not natives):
            self._keep(slot := self._slot(spans), found)
            self.exemplars += [slot] * (0 if natives else exemplars)

    def _native(
        self, spans: list[tuple[int, int]], natives: list[tuple[int, int]], exemplars: int
    ) -> None:
        key = self._key(spans)

        def labels() -> dict[str, str]:
            return self._labels(spans)

        for first, last in natives:
            try:
                self.native.add(native_histogram.read(self.data, first, last), key, labels)
            except Rejected as why:
                if why.reason in {Rejection.MALFORMED, Rejection.TOO_MANY_FIELDS}:
                    raise
                self._refuse(why.reason, 1, why.detail, why.field)
        if exemplars:
            self.exemplars += [self.native.slot(key, labels)] * exemplars

    def with_others(self, found: Readings) -> Readings:
        """What was found, and what the general road read."""
        slots, ts_ms, values = found.slots, found.ts_ms, found.values
        if self.slots:
            slots = np.concatenate([slots, np.array(self.slots, np.int64)])
            ts_ms = np.concatenate([ts_ms, np.array(self.ts_ms, np.int64)])
            slow_values = np.frombuffer(b"".join(self.values), "<f8")  # bytes: NaN bits survive
            values = np.concatenate([values, slow_values])
        return Readings(slots, ts_ms, values, None, tuple(self.refused.values()))

    def _keep(self, slot: int, found: list[tuple[int, bytes]]) -> None:
        for ts_ms, value in found:
            self.slots.append(slot)
            self.ts_ms.append(ts_ms)
            self.values.append(value)

    def _slot(self, spans: list[tuple[int, int]]) -> int:
        key = short_key(self._key(spans))
        slot = self.known.get(key)
        if slot is None:
            labels = self._labels(spans)
            slot = self._book.learn(self._origin, key, labels, now_s=self._now_s)
        return slot

    def _key(self, spans: list[tuple[int, int]]) -> bytes:
        return b"".join(_label_field(self.data[first:last]) for first, last in spans)

    def _labels(self, spans: list[tuple[int, int]]) -> dict[str, str]:
        """Label names and values; a repeated name is told to the book under `REPEATED`."""
        labels: dict[str, str] = {}
        for first, last in spans:
            name, value = _short_label(self.data[first:last]) or self._label(first, last)
            if name in labels:
                labels[REPEATED] = name
            labels[name] = value
        return labels

    def _label(self, first: int, last: int) -> tuple[str, str]:
        name = value = ""
        for number, wire, start, stop in fields(self.data, first, last):
            if number == 1 and wire == BYTES:
                name = text(self.data, start, stop)
            elif number == 2 and wire == BYTES:
                value = text(self.data, start, stop)
        return name, value

    def _sample(self, start: int, stop: int) -> tuple[int, bytes]:
        """Timestamp and the 8 bytes of the value; proto3 leaves zeros out."""
        ts_ms, value = 0, _DOUBLE.pack(0.0)
        for number, wire, first, last in fields(self.data, start, stop):
            if number == 1 and wire == FIXED64:
                value = self.data[first:last]
            elif number == 2 and wire == VARINT:
                ts_ms = signed(first)
        return ts_ms, value

    def _refuse(self, reason: Rejection, count: int, what: str, field: str) -> None:
        first = self.refused.get(reason) or Refused(reason, 0, what, field=field)
        self.refused[reason] = replace(first, count=first.count + count)


def _usual_labels(key: bytes) -> dict[str, str] | None:
    """The labels in fields as nearly every sender writes them: each length in one byte, name before
    value, no name twice. None where one is not like that.
    """
    labels: dict[str, str] = {}
    at, end, count = 0, len(key), 0
    try:
        text = key.decode("ascii")
        while at < end:
            size, name = key[at + 1], key[at + 3]
            middle = at + 4 + name
            stop = middle + 2 + key[middle + 1]
            if (
                key[at] != 0x0A or key[at + 2] != 0x0A or key[middle] != 0x12
                or size >= 0x80 or stop != at + 2 + size or stop > end
            ):  # fmt: skip
                return None
            labels[text[at + 4 : middle]] = text[middle + 2 : stop]
            at, count = stop, count + 1
    except (UnicodeDecodeError, IndexError):  # lengths of two bytes are no ASCII either
        return None
    return labels if len(labels) == count else None


def _short_label(body: bytes) -> tuple[str, str] | None:
    """Name and value of a label whose lengths take one byte each: nearly every one."""
    if len(body) < 4 or body[0] != 0x0A or body[1] >= 0x80:
        return None
    middle = body[1] + 2
    if middle + 2 > len(body) or body[middle] != 0x12 or body[middle + 1] != len(body) - middle - 2:
        return None
    try:
        return body[2:middle].decode(), body[middle + 2 :].decode()
    except UnicodeDecodeError:
        return None


def _label_field(body: bytes) -> bytes:
    """The field of one label as senders write it, so that the fast road finds it again."""
    length, head = len(body), [0x0A]
    if length < 0x80:
        return b"\x0a" + bytes((length,)) + body
    while length >= 0x80:
        head.append(length & 0x7F | 0x80)
        length >>= 7
    return bytes((*head, length)) + body
