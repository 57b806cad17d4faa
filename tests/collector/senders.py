"""Bodies as real senders write them."""

from __future__ import annotations

import struct
from collections.abc import Iterable, Mapping
from itertools import pairwise
from typing import Any

import cramjam

STALE = struct.unpack("<d", (0x7FF0000000000002).to_bytes(8, "little"))[0]

Labels = Mapping[str, str]
Sample = tuple[float | bytes, int]


def varint(value: int) -> bytes:
    value &= (1 << 64) - 1
    out = bytearray()
    while value >= 0x80:
        out.append(value & 0x7F | 0x80)
        value >>= 7
    return bytes((*out, value))


def field(number: int, payload: bytes) -> bytes:
    return varint(number << 3 | 2) + varint(len(payload)) + payload


def sample(value: float | bytes, ts_ms: int) -> bytes:
    raw = value if isinstance(value, bytes) else struct.pack("<d", value)
    body = b"" if raw == bytes(8) else b"\x09" + raw  # proto3 leaves zeros out
    return body + b"\x10" + varint(ts_ms)


def series(labels: Labels | Iterable[tuple[str, str]], samples: Iterable[Sample]) -> bytes:
    pairs = sorted(labels.items()) if isinstance(labels, Mapping) else labels
    body = b"".join(field(1, field(1, k.encode()) + field(2, v.encode())) for k, v in pairs)
    return body + b"".join(field(2, sample(v, t)) for v, t in samples)


def native(
    ts_ms: int,
    counts: Iterable[float],
    *,
    schema: int = 3,
    first: int = 0,
    floats: bool = False,
    **more: Any,
) -> bytes:
    """A native histogram: adjoining buckets from index `first` on, and what `more` overrides.

    `more`: count, total, zero, hint, start_ms, custom, spans [(offset, length)], negative counts.
    """
    filled = list(counts)
    below = list(more.get("negative", ()))
    zero = more.get("zero", 0)
    count = more.get("count", sum(filled) + sum(below) + zero)
    body = _double(2, count) if floats else b"\x08" + varint(int(count))
    body += _double(3, more.get("total", 0.0)) + b"\x20" + varint(_zigzag(schema))
    body += _double(7, zero) if floats else b"\x30" + varint(int(zero))
    for spans, deltas, absolute, values in ((8, 9, 10, below), (11, 12, 13, filled)):
        places = more.get("spans", [(first, len(filled))]) if spans == 11 else [(0, len(values))]
        for offset, length in places if values else []:
            body += field(spans, b"\x08" + varint(_zigzag(offset)) + b"\x10" + varint(length))
        if floats:
            body += field(absolute, b"".join(struct.pack("<d", value) for value in values))
        else:
            steps = [int(b - a) for a, b in pairwise([0, *values])]
            body += field(deltas, b"".join(varint(_zigzag(step)) for step in steps))
    body += b"\x70" + varint(more.get("hint", 0)) + b"\x78" + varint(ts_ms)
    custom = b"".join(struct.pack("<d", bound) for bound in more.get("custom", ()))
    start = varint(17 << 3) + varint(more["start_ms"]) if "start_ms" in more else b""
    return body + field(16, custom) + start


def _double(number: int, value: float) -> bytes:
    return varint(number << 3 | 1) + struct.pack("<d", value)


def write_request(*entries: bytes) -> bytes:
    return b"".join(field(1, one) for one in entries)


def snappy(body: bytes) -> bytes:
    return bytes(cramjam.snappy.compress_raw(body))


RW1_HEADERS = {
    "Content-Type": "application/x-protobuf",
    "Content-Encoding": "snappy",
    "X-Prometheus-Remote-Write-Version": "0.1.0",
}


class SymbolTable:
    """Builds remote write 2.0 requests."""

    def __init__(self) -> None:
        self._refs = {"": 0}

    def refs(self, labels: Labels) -> list[int]:
        words = [word for pair in sorted(labels.items()) for word in pair]
        return [self._refs.setdefault(word, len(self._refs)) for word in words]

    def series(self, labels: Labels, samples: Iterable[Sample]) -> bytes:
        body = field(1, b"".join(map(varint, self.refs(labels))))
        return body + b"".join(field(2, sample(v, t)) for v, t in samples)

    def native_series(self, labels: Labels, *histograms: bytes, more: bytes = b"") -> bytes:
        body = field(1, b"".join(map(varint, self.refs(labels))))
        return body + b"".join(field(3, one) for one in histograms) + more

    def request(self, *entries: bytes) -> bytes:
        symbols = b"".join(field(4, word.encode()) for word in self._refs)
        return symbols + b"".join(field(5, one) for one in entries)


RW2_HEADERS = {
    "Content-Type": "application/x-protobuf;proto=io.prometheus.write.v2.Request",
    "Content-Encoding": "snappy",
    "X-Prometheus-Remote-Write-Version": "2.0.0",
}


def _pairs(labels: Labels) -> list[dict[str, object]]:
    return [{"key": k, "value": {"stringValue": v}} for k, v in labels.items()]


def otlp_request(metrics: list[dict[str, object]], resource: Labels) -> dict[str, object]:
    """An `ExportMetricsServiceRequest` in OTLP/JSON form."""
    return {
        "resourceMetrics": [
            {"resource": {"attributes": _pairs(resource)}, "scopeMetrics": [{"metrics": metrics}]}
        ]
    }


def otlp_point(labels: Labels, ts_ms: int, start_ms: int, **values: object) -> dict[str, object]:
    """A data point; 64-bit numbers as text, as the JSON mapping says."""
    times = {"timeUnixNano": f"{ts_ms}000000", "startTimeUnixNano": f"{start_ms}000000"}
    return {"attributes": _pairs(labels), **times, **values}


Json = Mapping[str, Any]


def otlp_protobuf(request: Json) -> bytes:
    """The same request on the wire (the kinds of metric our tests use)."""
    return b"".join(
        field(
            1,
            field(1, _attributes(1, one["resource"]["attributes"]))
            + b"".join(
                field(2, b"".join(field(2, _metric(m)) for m in scope["metrics"]))
                for scope in one["scopeMetrics"]
            ),
        )
        for one in request["resourceMetrics"]
    )


def _attributes(number: int, pairs: list[Json]) -> bytes:
    return b"".join(
        field(
            number,
            field(1, p["key"].encode()) + field(2, field(1, p["value"]["stringValue"].encode())),
        )
        for p in pairs
    )


def _fixed(number: int, value: int) -> bytes:
    return varint(number << 3 | 1) + value.to_bytes(8, "little")


def _metric(metric: Json) -> bytes:
    head = field(1, metric["name"].encode()) + field(3, metric.get("unit", "").encode())
    for name, number in (
        ("gauge", 5),
        ("sum", 7),
        ("histogram", 9),
        ("exponentialHistogram", 10),
        ("summary", 11),
    ):
        if name in metric:
            data = metric[name]
            body = b"".join(field(1, _data_point(p, number)) for p in data["dataPoints"])
            body += b"\x10" + varint(data.get("aggregationTemporality", 0))
            body += b"\x18\x01" if data.get("isMonotonic") else b""
            return head + field(number, body)
    return head


def _data_point(point: Json, which: int) -> bytes:
    body = _fixed(2, int(point["startTimeUnixNano"])) + _fixed(3, int(point["timeUnixNano"]))
    body += _attributes({5: 7, 7: 7, 9: 9, 10: 1, 11: 7}[which], point["attributes"])
    if "asDouble" in point:
        body += varint(4 << 3 | 1) + struct.pack("<d", point["asDouble"])
    if "asInt" in point:
        body += _fixed(6, int(point["asInt"]) & (1 << 64) - 1)
    if "count" in point:
        body += _fixed(4, int(point["count"]))
    if "sum" in point:
        body += varint(5 << 3 | 1) + struct.pack("<d", point["sum"])
    if "bucketCounts" in point:
        counts = [int(count) for count in point["bucketCounts"]]
        body += field(6, b"".join(count.to_bytes(8, "little") for count in counts))
        body += field(7, b"".join(struct.pack("<d", b) for b in point["explicitBounds"]))
    if "positive" in point:
        side = point["positive"]
        counts = [int(count) for count in side["bucketCounts"]]
        body += b"\x30" + varint(_zigzag(point["scale"])) + _fixed(7, int(point["zeroCount"]))
        inner = b"\x08" + varint(_zigzag(side["offset"]))
        body += field(8, inner + field(2, b"".join(map(varint, counts))))
    flags = point.get("flags", 0)
    return body + (varint({5: 8, 7: 8, 9: 10, 10: 10, 11: 8}[which] << 3) + varint(flags))


def _zigzag(value: int) -> int:
    return value << 1 ^ value >> 63 if value < 0 else value << 1
