"""Bodies as real senders write them."""

from __future__ import annotations

import struct
from collections.abc import Iterable, Mapping

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

    def request(self, *entries: bytes) -> bytes:
        symbols = b"".join(field(4, word.encode()) for word in self._refs)
        return symbols + b"".join(field(5, one) for one in entries)


RW2_HEADERS = {
    "Content-Type": "application/x-protobuf;proto=io.prometheus.write.v2.Request",
    "Content-Encoding": "snappy",
    "X-Prometheus-Remote-Write-Version": "2.0.0",
}
