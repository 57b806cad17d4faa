"""`ExportMetricsServiceRequest` on the wire → `Point`s. Field numbers as in metrics.proto."""

from __future__ import annotations

import struct
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any

from collector.decode.otlp import MAX_BUCKETS, Exponential, Metric, Point, kind_of
from collector.decode.protobuf import BYTES, FIXED64, fields, malformed, signed, text, varint
from collector.model import Rejected, Rejection

_DOUBLE = struct.Struct("<d")
GAUGE, SUM, HISTOGRAM, _EXPONENTIAL, _SUMMARY = 5, 7, 9, 10, 11
_ATTRIBUTES = {GAUGE: 7, SUM: 7, HISTOGRAM: 9, _EXPONENTIAL: 1, _SUMMARY: 7}
_FLAGS = {GAUGE: 8, SUM: 8, HISTOGRAM: 10, _EXPONENTIAL: 10, _SUMMARY: 8}
_NO_VALUE = 1

MAX_ENTRIES = 200_000
"""Two bytes make an empty message; each costs us a hundred."""

Message = dict[int, list[tuple[int, int, int]]]


@dataclass(frozen=True, slots=True)
class Body:
    """The data of a metric, at data[start:stop]: a Gauge, a Sum ... (`which`, its field)."""

    name: str
    unit: str
    which: int
    start: int
    stop: int

    def metric(self, temporality: int, *, monotonic: bool) -> Metric:
        """The head of its points; only a sum says whether it is monotonic."""
        rises = self.which != SUM or monotonic
        kind = kind_of(temporality, level=self.which == GAUGE, monotonic=rises)
        return Metric(self.name, self.unit, kind, monotonic=rises)


Spans = Sequence[tuple[int, int]]


def points(data: bytes) -> Iterator[Point]:
    """All data points of a request. Raises Rejected(MALFORMED)."""
    for spans, bodies in resources(data):
        resource = attributes_of(data, spans)
        for body in bodies:
            yield from points_of(data, body, resource)


def resources(data: bytes) -> Iterator[tuple[Spans, Iterator[Body]]]:
    """The messages that tell of a resource, and what was measured there."""
    for _, at, end in _message(data, 0, len(data)).get(1, []):
        found = _message(data, at, end)
        yield [entry[1:] for entry in found.get(1, [])], _bodies(data, found.get(2, []))


def _bodies(data: bytes, scopes: list[tuple[int, int, int]]) -> Iterator[Body]:
    for _, first, last in scopes:
        for _, start, stop in _message(data, first, last).get(2, []):
            head = _message(data, start, stop)
            name, unit = (_text(data, head.get(number)) for number in (1, 3))
            for which in _ATTRIBUTES:
                for _, at, end in head.get(which, []):
                    yield Body(name, unit, which, at, end)


def attributes_of(data: bytes, resource: Spans) -> dict[str, str]:
    """The attributes of a resource."""
    found: dict[str, str] = {}
    for first, last in resource:
        found |= _attributes(data, _message(data, first, last).get(1, []))
    return found


def points_of(data: bytes, body: Body, resource: dict[str, str]) -> Iterator[Point]:
    """The points of a metric."""
    found = _message(data, body.start, body.stop)
    temporality = 2 if body.which == _SUMMARY else _number(found.get(2))
    metric = body.metric(temporality, monotonic=bool(_number(found.get(3))))
    for _, start, stop in found.get(1, []):
        yield point_of(data, start, stop, metric, body.which, resource)


def _message(data: bytes, at: int, end: int) -> Message:
    found: Message = {}
    for number, wire, start, stop in fields(data, at, end):
        entries = found.setdefault(number, [])
        entries.append((wire, start, stop))
        if len(entries) > MAX_ENTRIES:
            raise Rejected(Rejection.TOO_MANY_FIELDS, f"more than {MAX_ENTRIES} of field {number}")
    return found


def point_of(
    data: bytes, start: int, stop: int, metric: Metric, which: int, resource: dict[str, str]
) -> Point:
    """The point in data[start:stop]."""
    return _point(data, _message(data, start, stop), metric, which, resource)


def _point(
    data: bytes, found: Message, metric: Metric, which: int, resource: dict[str, str]
) -> Point:
    point = Point(
        metric,
        resource,
        _attributes(data, found.get(_ATTRIBUTES[which], [])),
        _fixed(data, found.get(3)) // 1_000_000,
        _fixed(data, found.get(2)) // 1_000_000,
        stale=bool(_number(found.get(_FLAGS[which])) & _NO_VALUE),
    )
    if which in {GAUGE, SUM}:
        return replace(point, value=_value(data, found))
    point = replace(point, count=_fixed(data, found.get(4)), total=_double(data, found.get(5)))
    if which == _SUMMARY:
        return point
    if which == _EXPONENTIAL:
        return replace(point, exponential=_exponential(data, found))
    counts = tuple(value for (value,) in _packed(data, found.get(6), "<Q"))
    bounds = tuple(value for (value,) in _packed(data, found.get(7), "<d"))
    return replace(point, counts=counts, bounds=bounds)


def _double(data: bytes, entries: list[tuple[int, int, int]] | None) -> float | None:
    if not entries or entries[-1][0] != FIXED64:
        return None
    return float(_DOUBLE.unpack_from(data, entries[-1][1])[0])


def _value(data: bytes, found: Message) -> float:
    if (value := _double(data, found.get(4))) is not None:
        return value
    whole = _fixed(data, found.get(6))
    return float(signed(whole))


def _exponential(data: bytes, found: Message) -> Exponential:
    offset, counts = _side(data, found.get(8, []))
    _, below = _side(data, found.get(9, []))
    scale, zero = _zigzag(_number(found.get(6))), _fixed(data, found.get(7))
    return Exponential(scale, zero, offset, tuple(counts), sum(below))


def _side(data: bytes, entries: list[tuple[int, int, int]]) -> tuple[int, list[int]]:
    """Offset and counts of the buckets of one sign."""
    offset, counts = 0, list[int]()
    for _, first, last in entries:
        side = _message(data, first, last)
        offset = _zigzag(_number(side.get(1)))
        for wire, start, stop in side.get(2, []):
            if len(counts) > MAX_BUCKETS or stop - start > 10 * MAX_BUCKETS:
                raise malformed(f"otlp: more than {MAX_BUCKETS} exponential buckets")
            counts += _varints(data, start, stop) if wire == BYTES else [start]
    return offset, counts


def _varints(data: bytes, at: int, end: int) -> list[int]:
    found = []
    while at < end:
        value, at = varint(data, at, end)
        found.append(value)
    return found


def _packed(
    data: bytes, entries: list[tuple[int, int, int]] | None, form: str
) -> Iterator[tuple[Any, ...]]:
    for _, start, stop in entries or []:
        if (stop - start) % 8:
            raise malformed("otlp: a packed field of broken length")
        yield from struct.iter_unpack(form, data[start:stop])


def _attributes(data: bytes, entries: list[tuple[int, int, int]]) -> dict[str, str]:
    found = {}
    for _, first, last in entries:
        pair = _message(data, first, last)
        values = pair.get(2, [])
        found[_text(data, pair.get(1))] = _any(data, *values[-1][1:]) if values else ""
    return found


def _any(data: bytes, at: int, end: int) -> str:
    for number, _, start, stop in fields(data, at, end):
        if number == 1:
            return text(data, start, stop)
        if number == 2:
            return "true" if start else "false"
        if number == 3:
            return str(signed(start))
        if number == 4 and stop - start == 8:
            return repr(_DOUBLE.unpack_from(data, start)[0])
    return ""


def _text(data: bytes, entries: list[tuple[int, int, int]] | None) -> str:
    return text(data, *entries[-1][1:]) if entries and entries[-1][0] == BYTES else ""


def _number(entries: list[tuple[int, int, int]] | None) -> int:
    return entries[-1][1] if entries and entries[-1][0] == 0 else 0


def _fixed(data: bytes, entries: list[tuple[int, int, int]] | None) -> int:
    if not entries or entries[-1][0] != 1:
        return 0
    return int.from_bytes(data[entries[-1][1] : entries[-1][2]], "little")


def _zigzag(value: int) -> int:
    return (value >> 1) ^ -(value & 1)
