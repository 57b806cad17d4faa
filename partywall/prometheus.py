"""Remote write 1.0 as a sender: usage windows become the counters a platform would expose."""

from __future__ import annotations

import struct
from collections.abc import Mapping

import cramjam
import pyarrow as pa

from collector.model import LATENCY_BOUNDS

Labels = tuple[tuple[str, str], ...]

METERS: Mapping[str, str] = {
    "arrived": "partywall_arrived_total",
    "count": "partywall_finished_total",
    "errors": "partywall_errors_total",
    "busy_s": "partywall_busy_seconds_total",
    "latency_sum_s": "partywall_latency_seconds_sum",
}
"""Columns of a usage row that are sent as counters."""

_BOUNDS = (*(repr(bound) for bound in LATENCY_BOUNDS), "+Inf")


class Counters:
    """Cumulative values of every series ever seen: they only grow, as a platform's do."""

    def __init__(self) -> None:
        self._values: dict[Labels, float] = {}

    def add(self, table: pa.Table) -> None:
        """Count the rows of one window (columns of the native door)."""
        for row in table.to_pylist():
            own = tuple((name, row[name]) for name in ("family", "resource", "tenant"))
            for column, name in METERS.items():
                self._grow(name, own, row[column])
            passed = 0
            for bound, inside in zip(_BOUNDS, row["latency_buckets"], strict=True):
                passed += inside
                le = (own[0], ("le", bound), *own[1:])
                self._grow("partywall_latency_seconds_bucket", le, passed)

    def values(self) -> list[tuple[Labels, float]]:
        """Every series with its value now."""
        return list(self._values.items())

    def _grow(self, name: str, labels: Labels, by: float) -> None:
        key = (("__name__", name), *labels)
        self._values[key] = self._values.get(key, 0.0) + by

    def request(self, table: pa.Table, at_ms: int) -> bytes:
        """Count one window and give the body to send for it, as of `at_ms`.

        A series seen for the first time is sent with a zero 1 ms before the window, so that its
        first window counts.
        """
        known = set(self._values)
        self.add(table)
        before = at_ms - 10_001
        zeros = [series(key, before, 0.0) for key in self._values if key not in known]
        return body([*zeros, *(series(key, at_ms, value) for key, value in self._values.items())])


def body(messages: list[bytes]) -> bytes:
    """A compressed WriteRequest of encoded series."""
    return bytes(cramjam.snappy.compress_raw(b"".join(_block(1, one) for one in messages)))


def series(labels: Labels, at_ms: int, value: float) -> bytes:
    """One TimeSeries with one sample."""
    pairs = b"".join(
        _block(1, _block(1, name.encode()) + _block(2, text.encode())) for name, text in labels
    )
    sample = b"\x09" + struct.pack("<d", value) + b"\x10" + _varint(at_ms)
    return pairs + _block(2, sample)


def _block(field: int, content: bytes) -> bytes:
    return bytes([field << 3 | 2]) + _varint(len(content)) + content


def _varint(value: int) -> bytes:
    out = bytearray()
    while value > 0x7F:
        out.append(value & 0x7F | 0x80)
        value >>= 7
    out.append(value)
    return bytes(out)
