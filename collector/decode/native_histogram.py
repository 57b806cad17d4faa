"""Native histograms of Prometheus → the samples a classic histogram would have been.

Exponential buckets (schema -4 to 8) become cumulative counts at the default latency bounds, custom
buckets (schema -53) at their own, as far as a usage row has room for them; `_count` and `_sum` come
as they are. So the same catalog rules and the same counter rules hold as for every other door, and
a platform may change from classic to native without a break in what is counted.

The message is the same in remote write 1.0 and 2.0. Counts are integers with deltas between
buckets, or doubles; spans (gap to the last one, length) say which buckets they are:

    schema 0   spans (-1, 2) (1, 1)   deltas 3 -1 4
               bucket     -1        0        2
               holds    (¼, ½]   (½, 1]   (2, 4]
               count       3        2        6
"""

from __future__ import annotations

import bisect
import itertools
import math
import struct
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field, replace

import numpy as np

from collector.decode.exponential import bounds_in, folded
from collector.decode.protobuf import BYTES, FIXED64, VARINT, fields, malformed, signed, varint
from collector.model import BUCKETS, Rejected, Rejection
from collector.readings import Readings
from collector.series import IGNORED, Origin, SeriesBook, short_key
from collector.tenancy import Claim

CUSTOM = -53
_SCHEMAS = frozenset({CUSTOM, *range(-4, 9)})
_GAUGE = 3
_STALE_BITS = 0x7FF0000000000002
STALE = struct.unpack("<d", _STALE_BITS.to_bytes(8, "little"))[0]

MAX_BUCKETS = 4096
"""Of one histogram; schema 8 takes 256 for each power of two."""

MAX_HISTOGRAMS = 8_000
"""Of one body: each becomes up to 34 samples and costs a tenth of a millisecond."""

_DRIFT = 1e-6
"""Sums of doubles differ by their order."""

Buckets = tuple[tuple[int, float], ...]
LabelsOf = Callable[[], dict[str, str]]
"""Reads the labels of a series: asked only when it is new."""


@dataclass(slots=True)
class _Side:
    """The buckets of one sign: spans (offset, length), and deltas or counts."""

    spans: list[tuple[int, int]] = field(default_factory=list)
    deltas: list[int] = field(default_factory=list)
    counts: list[float] = field(default_factory=list)

    def buckets(self) -> Iterator[tuple[int, float]]:
        """Index and count of each bucket. Raises Rejected when spans and counts differ."""
        counts: Sequence[float] = list(itertools.accumulate(self.deltas)) or self.counts
        if sum(length for _, length in self.spans) != len(counts):
            total = sum(length for _, length in self.spans)
            raise _invalid(f"spans of {total} buckets with {len(counts)} counts")
        if any(not count >= 0 for count in counts):
            raise _invalid("a bucket with a negative count")
        return zip(self._places(), counts, strict=True)

    def _places(self) -> Iterator[int]:
        at = 0
        for number, (offset, length) in enumerate(self.spans):
            if number and offset < 0:
                raise _invalid("spans that overlap")
            at += offset
            yield from range(at, at + length)
            at += length


@dataclass(frozen=True, slots=True)
class Histogram:
    """One native histogram at one time. `total` NaN: unknown; `stale`: the series ends."""

    ts_ms: int
    start_ms: int
    schema: int
    count: float
    total: float
    zero: float
    positive: tuple[tuple[int, float], ...]
    custom: tuple[float, ...]
    gauge: bool
    stale: bool

    def samples(self, unit_s: float) -> Iterator[tuple[str, str, float]]:
        """Suffix of the name, `le` ("" for none) and value of each classic sample.

        `unit_s` is the metric's unit in seconds: it places the default bounds.
        """
        if self.stale:
            yield "_count", "", STALE
            yield "_sum", "", STALE
            return
        fits = self.schema == CUSTOM and len(self.custom) < BUCKETS
        bounds = self.custom if fits else bounds_in(unit_s)
        for bound, below in zip(bounds, itertools.accumulate(self._disjoint(bounds)), strict=False):
            yield "_bucket", repr(float(bound)), below
        yield "_bucket", "+Inf", self.count
        yield "_count", "", self.count
        if math.isfinite(self.total):
            yield "_sum", "", self.total

    def _disjoint(self, bounds: Sequence[float]) -> list[float]:
        if self.schema != CUSTOM:
            return folded(self.schema, self.positive, self.zero, bounds=bounds)
        ends = (*self.custom, math.inf)
        counts: list[float] = [0] * (len(bounds) + 1)
        for index, count in self.positive:
            counts[bisect.bisect_left(bounds, ends[index])] += count
        return counts


def read(data: bytes, start: int, stop: int) -> Histogram:
    """The histogram in data[start:stop].

    Raises Rejected: INVALID_FIELD when it contradicts itself, NEGATIVE when it counted something
    below zero, MALFORMED when it is no histogram.
    """
    reader = _Reader(data)
    for number, wire, first, last in fields(data, start, stop):
        reader.field(number, wire, first, last)
    return reader.histogram()


class _Reader:
    """Collects the fields of one histogram; their numbers are those of `prompb/types.proto`."""

    def __init__(self, data: bytes) -> None:
        self._data = data
        self._varints = dict.fromkeys((1, 4, 6, 14, 15, 17), 0)
        self._doubles = dict.fromkeys((2, 3, 5, 7), 0.0)
        self._sides = {8: _Side(), 11: _Side()}
        self._custom: list[float] = []
        self._left = 3 * MAX_BUCKETS
        self._stale = False

    def field(self, number: int, wire: int, first: int, last: int) -> None:
        """Take one field."""
        self._spend(1)
        if number in self._varints and wire == VARINT:
            self._varints[number] = first
        elif number in self._doubles and wire == FIXED64:
            raw = self._data[first:last]
            self._doubles[number] = struct.unpack("<d", raw)[0]
            self._stale |= number == 3 and int.from_bytes(raw, "little") == _STALE_BITS
        elif number in {8, 11} and wire == BYTES:
            self._sides[number].spans.append(self._span(first, last))
        elif number in {9, 12}:
            self._sides[number - 1].deltas += map(_zigzag, self._numbers(wire, first, last))
        elif number in {10, 13}:
            self._sides[number - 2].counts += self._floats(wire, first, last)
        elif number == 16:
            self._custom += self._floats(wire, first, last)

    def histogram(self) -> Histogram:
        """All fields, checked against each other."""
        whole, parts = self._varints, self._doubles
        schema = _zigzag(whole[4])
        if self._stale:
            return self._made(schema, 0, math.nan, 0, ())
        if schema not in _SCHEMAS:
            raise _invalid(f"schema {schema} is unknown, use -4 to 8 or {CUSTOM}")
        count, zero = whole[1] or parts[2], whole[6] or parts[7]
        positive = tuple(self._sides[11].buckets())
        below = sum(n for _, n in self._sides[8].buckets())
        if not (count >= 0 and zero >= 0 and math.isfinite(count)):
            raise _invalid("a negative or infinite count")
        self._check_sum(count, zero + below + sum(n for _, n in positive))
        if schema == CUSTOM:
            self._check_custom(positive, zero + below)
        elif below:
            raise Rejected(
                Rejection.NEGATIVE,
                f"native histogram: {below:g} observations below zero: no duration is",
                field="histograms",
            )
        return self._made(schema, count, parts[3], zero, positive)

    def _made(
        self, schema: int, count: float, total: float, zero: float, positive: Buckets
    ) -> Histogram:
        whole = self._varints
        return Histogram(
            signed(whole[15]),
            signed(whole[17]),
            schema,
            count,
            total,
            zero,
            positive,
            tuple(self._custom),
            gauge=whole[14] == _GAUGE,
            stale=self._stale,
        )

    def _check_sum(self, count: float, counted: float) -> None:
        """Where NaN was observed (the sum then is NaN, too) it is in the count, in no bucket."""
        missing = count - counted
        drift = 0.0 if self._varints[1] else _DRIFT * max(count, 1.0)
        allowed = math.inf if math.isnan(self._doubles[3]) else drift
        if not -drift <= missing <= allowed:
            raise _invalid(f"buckets of {counted:g} observations, the count says {count:g}")

    def _check_custom(self, positive: Buckets, elsewhere: float) -> None:
        bounds = self._custom
        if elsewhere:
            raise _invalid("custom buckets beside a zero bucket or negative ones")
        if not all(map(math.isfinite, bounds)) or any(
            b <= a for a, b in itertools.pairwise(bounds)
        ):
            raise _invalid("custom_values that do not rise, or are not finite")
        if bounds and bounds[0] < 0:
            raise _invalid("custom_values below zero: no duration is")
        if any(not 0 <= index <= len(bounds) for index, _ in positive):
            raise _invalid("a custom bucket beyond custom_values")

    def _span(self, first: int, last: int) -> tuple[int, int]:
        offset = length = 0
        for number, wire, start, _ in fields(self._data, first, last):
            if number == 1 and wire == VARINT:
                offset = _zigzag(start)
            elif number == 2 and wire == VARINT:
                length = start
        self._spend(length)
        return offset, length

    def _numbers(self, wire: int, first: int, last: int) -> list[int]:
        if wire == VARINT:
            return [first]
        found = []
        while first < last:
            value, first = varint(self._data, first, last)
            found.append(value)
            self._spend(1)
        return found

    def _floats(self, wire: int, first: int, last: int) -> Sequence[float]:
        if wire not in {BYTES, FIXED64} or (last - first) % 8:
            raise malformed("native histogram: a list of doubles of broken length")
        self._spend((last - first) // 8)
        found: tuple[float, ...] = struct.unpack_from(f"<{(last - first) // 8}d", self._data, first)
        return found

    def _spend(self, entries: int) -> None:
        self._left -= entries
        if self._left < 0:
            raise _invalid(f"more than {MAX_BUCKETS} buckets")


class Unfolded:
    """The samples of all native histograms of a body, each with the number of its histogram."""

    def __init__(self, book: SeriesBook, claim: Claim, now_s: float) -> None:
        self._book = book
        self._origin = Origin("native_histogram", claim)
        self._known = book.table(self._origin)
        self._now_s = now_s
        self._slots: list[int] = []
        self._ts_ms: list[int] = []
        self._start_ms: list[int] = []
        self._values: list[bytes] = []
        self._owner: list[int] = []
        self._histograms = 0

    def slot(self, key: bytes, labels: LabelsOf, suffix: str = "_count", le: str = "") -> int:
        """The book's slot of one classic series of a histogram, known by `key`."""
        whole = short_key(b"%b\xff%b\xff%b" % (key, suffix.encode(), le.encode()))
        slot = self._known.get(whole)
        if slot is None:
            every = labels()
            every.pop("le", None)
            if name := every.get("__name__"):
                every["__name__"] = name + suffix
            if le:
                every["le"] = le
            slot = self._book.learn(self._origin, whole, every, now_s=self._now_s)
        return slot

    def add(self, one: Histogram, key: bytes, labels: LabelsOf, created_ms: int = 0) -> None:
        """Take one histogram of the series `key`.

        Raises Rejected: TOO_MANY_FIELDS when there were too many, INVALID_FIELD for a gauge.
        """
        if self._histograms >= MAX_HISTOGRAMS:
            detail = f"more than {MAX_HISTOGRAMS} native histograms in a body: split it"
            raise Rejected(Rejection.TOO_MANY_FIELDS, detail)
        count, total = self.slot(key, labels), self.slot(key, labels, "_sum")
        bucket = self.slot(key, labels, "_bucket", "+Inf")
        columns = self._book.columns
        if all(columns.state[slot] == IGNORED for slot in (count, total, bucket)):
            self._put(one, count, one.count, created_ms)  # no meter of ours: one stands for all
        elif one.gauge:
            raise _invalid("a gauge cannot be counted up, send a counter histogram")
        else:
            for suffix, le, value in one.samples(float(columns.scale[total])):
                self._put(one, self.slot(key, labels, suffix, le), value, created_ms)
        self._histograms += 1

    def _put(self, one: Histogram, slot: int, value: float, created_ms: int) -> None:
        self._slots.append(slot)
        self._ts_ms.append(one.ts_ms)
        self._start_ms.append(one.start_ms or created_ms)
        self._values.append(struct.pack("<d", value))
        self._owner.append(self._histograms)

    def joined(self, plain: Readings, exemplars: Sequence[int]) -> Readings:
        """The plain samples of the body, and after them these; `exemplars` are their slots."""
        plain = replace(plain, exemplars=np.array(exemplars, np.int64))
        if not self._histograms:
            return plain
        count = len(plain.slots)
        starts = np.zeros(count, np.int64) if plain.start_ms is None else plain.start_ms
        starts = np.concatenate([starts, np.array(self._start_ms, np.int64)])
        return replace(
            plain,
            slots=np.concatenate([plain.slots, np.array(self._slots, np.int64)]),
            ts_ms=np.concatenate([plain.ts_ms, np.array(self._ts_ms, np.int64)]),
            values=np.concatenate([plain.values, np.frombuffer(b"".join(self._values), "<f8")]),
            start_ms=starts if starts.any() else None,
            owner=np.concatenate([np.full(count, -1), np.array(self._owner, np.int64)]),
        )


def _zigzag(value: int) -> int:
    return (value >> 1) ^ -(value & 1)


def _invalid(detail: str) -> Rejected:
    return Rejected(Rejection.INVALID_FIELD, f"native histogram: {detail}", field="histograms")
