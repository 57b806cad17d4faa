"""Every parser that reads bytes of strangers, as one function each: reads, refuses, never more.

`python -m tests.fuzz.parsers` writes the seeds of the corpus anew.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

from collector.config import LimitSettings, TenancySettings
from collector.decode import (
    exposition,
    native_histogram,
    otlp,
    otlp_json,
    otlp_scan,
    remote_write,
    remote_write_v2,
)
from collector.decode.compression import Plain, Unpacker, inflate
from collector.decode.usage import Reading, Rows, decode_arrow, decode_ndjson
from collector.model import Rejected
from collector.readings import Readings
from collector.series import LearntEnough, Origin
from collector.tenancy import ANYONE, Resolver
from tests.collector.books import book
from tests.collector.decode.test_arrow import stream
from tests.collector.senders import (
    STALE,
    SymbolTable,
    field,
    native,
    otlp_point,
    otlp_request,
    series,
    snappy,
    varint,
    write_request,
)
from tests.collector.senders import otlp_protobuf as wire

CORPUS = Path(__file__).parent / "corpus"
T = 1_795_000_000_000
LIMITS = LimitSettings()
MEMORY = 4 * 1024 * 1024


def _remote_write(data: bytes) -> None:
    origin = Origin("fuzz")
    known = book()
    for _ in range(2):  # the second time the series are known: the fast road
        body = Plain.of(data)
        _check(remote_write.decode(body, known, origin, now_s=T / 1000, max_series=10_000))


def _remote_write_v2(data: bytes) -> None:
    origin = Origin("fuzz")
    known = book()
    for _ in range(2):
        body = Plain.of(data)
        _check(remote_write_v2.decode(body, known, origin, now_s=T / 1000, limits=LIMITS))


def _otlp_protobuf(data: bytes) -> None:
    known = book()
    for _ in range(2):
        _check(otlp_scan.read(data, known, ANYONE, frozenset({"tenant"}), LIMITS, now_s=T / 1000))


def _otlp_json(data: bytes) -> None:
    points = otlp_json.points(data)
    _check(otlp.read(points, book(), ANYONE, frozenset({"tenant"}), LIMITS, now_s=T / 1000))


def _exposition(data: bytes) -> None:
    for openmetrics in (False, True):
        origin = Origin("fuzz")
        given = {"now_ms": T, "max_series": 10_000, "openmetrics": openmetrics}
        _check(exposition.decode(data, book(), origin, **given))  # type: ignore[arg-type]


def _ndjson(data: bytes) -> None:
    _check_rows(decode_ndjson(data, _reading()))


def _arrow(data: bytes) -> None:
    _check_rows(decode_arrow(data, _reading()))


def _native_histogram(data: bytes) -> None:
    one = native_histogram.read(data, 0, len(data))
    assert len(list(one.samples(1.0))) <= 34


def _compression(data: bytes) -> None:
    with suppress(Rejected):
        assert Unpacker().unsnap(data, MEMORY).length <= MEMORY
    assert len(inflate(data, "gzip", MEMORY)) <= MEMORY


def _reading() -> Reading:
    names = Resolver(TenancySettings())
    return Reading(
        tenant=lambda name: names.tenant(name, ANYONE),
        resource=names.resource,
        limits=LimitSettings(decoded_bytes=MEMORY),
        now_ms=T,
    )


def _check(found: Readings) -> None:
    count = len(found.slots)
    assert len(found.ts_ms) == len(found.values) == count
    assert found.start_ms is None or len(found.start_ms) == count
    assert found.owner is None or len(found.owner) == count
    assert all(one.count > 0 for one in found.refused)


def _check_rows(found: Rows) -> None:
    found.table.validate(full=True)
    assert all(one.count > 0 for one in found.refused)


PARSERS: dict[str, Callable[[bytes], None]] = {
    "remote_write": _remote_write,
    "remote_write_v2": _remote_write_v2,
    "otlp_protobuf": _otlp_protobuf,
    "otlp_json": _otlp_json,
    "exposition": _exposition,
    "ndjson": _ndjson,
    "arrow": _arrow,
    "native_histogram": _native_histogram,
    "compression": _compression,
}


def read(parser: str, data: bytes) -> None:
    """Raises whatever is a bug: anything but a refusal."""
    with suppress(Rejected, LearntEnough):
        PARSERS[parser](data)


# --- seeds --------------------------------------------------------------------------------------

_NAMED = {"__name__": "partywall_latency_seconds", "tenant": "acme", "resource": "db:x"}
_COUNTED = {**_NAMED, "__name__": "partywall_finished_total"}


def _seeds() -> dict[str, list[bytes]]:
    histogram = native(T, [3, 2, 6], zero=1, total=2.5, start_ms=T - 9)
    custom = native(T, [3, 2], schema=-53, custom=[0.1])
    floats = native(T, [1.5, 2.0], floats=True, hint=3, negative=[1.0])
    table = SymbolTable()
    two = table.request(
        table.series(_COUNTED, [(1.0, T), (STALE, T + 1)]) + b"\x30" + varint(T - 9),
        table.native_series(_NAMED, histogram, custom, more=field(4, b"\x08\x01")),
    )
    one = write_request(
        series(_COUNTED, [(1.0, T)]),
        series({**_COUNTED, "n": "2"}, [(0.0, T), (STALE, T + 1)]),
        series(_NAMED, []) + field(4, histogram) + field(3, b"\x10\x01"),
    )
    metrics = _otlp_metrics()
    message = otlp_request(metrics, {"service.name": "api"})
    text = (
        b"# TYPE partywall_waiting gauge\n"
        b'partywall_waiting{tenant="acme",resource="db:x"} 3 1795000000000\n'
        b'{"partywall_waiting",tenant="a\\"b"} NaN # {trace="x"} 1\n# EOF\n'
    )
    row = {"ts": T / 1000, "tenant": "acme", "resource": "db:x", "family": "query", "count": 3}
    lines = json.dumps({**row, "latency_buckets": [1, 2], "latency_bounds": [0.1]}).encode()
    return {
        "remote_write": [one, write_request(series(_COUNTED, [(1.0, T)])), field(3, b"\x08\x01")],
        "remote_write_v2": [two, table.request()],
        "otlp_protobuf": [wire(message)],
        "otlp_json": [json.dumps(message).encode()],
        "arrow": [stream(2, None), stream(2, "lz4")],
        "exposition": [text],
        "ndjson": [lines, lines + b"\n\n{}\n" + lines],
        "native_histogram": [histogram, custom, floats],
        "compression": [snappy(one)],
    }


def _otlp_metrics() -> list[dict[str, object]]:
    labels = {"tenant.id": "acme", "resource": "db:x"}
    buckets = {"count": "3", "sum": 0.3, "bucketCounts": ["1", "2"], "explicitBounds": [0.1]}
    scaled = {
        "count": "4", "sum": 0.5, "scale": 3, "zeroCount": "1",
        "positive": {"offset": -4, "bucketCounts": ["1", "2"]},
    }  # fmt: skip
    kinds: tuple[tuple[str, dict[str, object]], ...] = (
        ("gauge", {"asInt": "-3"}),
        ("sum", {"asDouble": 2.5}),
        ("histogram", buckets),
        ("exponentialHistogram", scaled),
        ("summary", {"count": "3", "sum": 0.3}),
    )
    found: list[dict[str, object]] = []
    for kind, values in kinds:
        point = {**otlp_point(labels, T, T - 9), **values}
        data = {"dataPoints": [point], "aggregationTemporality": 1, "isMonotonic": True}
        found.append({"name": f"partywall.{kind}", "unit": "s", kind: data})
    return found


def write_seeds() -> None:
    """Write every seed to its folder of the corpus."""
    for parser, bodies in _seeds().items():
        folder = CORPUS / parser
        folder.mkdir(parents=True, exist_ok=True)
        for number, body in enumerate(bodies):
            (folder / f"seed-{number}").write_bytes(body)


if __name__ == "__main__":
    write_seeds()
