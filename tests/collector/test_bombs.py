"""Bodies made to hurt: each is refused within a second and without taking memory."""

from __future__ import annotations

import asyncio
import gzip
import io
import struct
import threading
import time
from collections.abc import Callable, Mapping, MutableMapping
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest

from collector import series as series_room
from collector import wire
from collector.app import Collector
from collector.config import LimitSettings
from collector.readings import Readings
from collector.series import SeriesBook
from collector.wire import Receive
from tests.collector.rooms import client, collector, readings
from tests.collector.senders import (
    RW1_HEADERS,
    RW2_HEADERS,
    field,
    series,
    snappy,
    varint,
    write_request,
)

NOW = time.time_ns() // 1_000_000
MIB = 1 << 20
NAMED = {"__name__": "partywall_finished_total", "tenant": "acme", "resource": "db:shard-1"}
NDJSON = {"Content-Type": "application/x-ndjson", "Content-Encoding": "gzip"}
JSON = {"Content-Type": "application/json", "Content-Encoding": "gzip"}
PROTOBUF = {"Content-Type": "application/x-protobuf", "Content-Encoding": "gzip"}
STREAM = {"Content-Type": "application/vnd.apache.arrow.stream"}


def pressed(body: bytes) -> bytes:
    return gzip.compress(body, 1)


def otlp(points: bytes) -> bytes:
    gauge = field(2, field(1, b"partywall.waiting") + field(5, points))
    return pressed(field(1, field(2, gauge)))


def otlp_json(inner: bytes) -> bytes:
    head = b'{"resourceMetrics":[{"scopeMetrics":[{"metrics":[{"name":"x",'
    return pressed(head + inner + b"}]}]}]}")


def wide_histograms() -> bytes:
    """Each point of 29 labels of 3 kB would unfold to 1024 series."""
    label = [field(9, field(1, b"k%d" % k) + field(2, field(1, b"v" * 3000))) for k in range(29)]
    counts = field(6, (1).to_bytes(8, "little") * 1024)
    bounds = field(7, b"".join(struct.pack("<d", k + 1.0) for k in range(1023)))
    times = b"\x19" + (NOW * 10**6).to_bytes(8, "little") + b"\x21" + (1024).to_bytes(8, "little")
    point = field(1, b"".join(label) + times + counts + bounds)
    histogram = field(2, field(1, b"partywall.latency") + field(9, point * 100 + b"\x10\x02"))
    return pressed(field(1, field(2, histogram * 101)))


def fan_out() -> bytes:
    entry = field(5, field(1, b"\x01" * 60) + field(2, b"\x10" + varint(NOW)))
    return snappy(field(4, b"") + field(4, b"x" * 2000) + entry * 90_000)


def beyond_the_symbols() -> bytes:
    entry = field(5, field(1, b"\x7f\x7f") + field(2, b"\x10" + varint(NOW)))
    return snappy(field(4, b"") + entry * 50_000)


def zstd_stream() -> bytes:
    table = pa.table({"ts": pa.array([0.0] * 3_000_000)})
    sink = io.BytesIO()
    options = pa.ipc.IpcWriteOptions(compression="zstd")
    with pa.ipc.new_stream(sink, table.schema, options=options) as writer:
        writer.write_table(table)
    return sink.getvalue()


BOMBS: dict[str, tuple[str, Mapping[str, str], Callable[[], bytes]]] = {
    "empty series": ("/api/v1/write", RW1_HEADERS, lambda: snappy(b"\x0a\x00" * 8_400_000)),
    "a claim of 4 GiB": ("/api/v1/write", RW1_HEADERS, lambda: b"\xff\xff\xff\xff\x0f" + b"x"),
    "a claim of 32 MiB": ("/api/v1/write", RW1_HEADERS, lambda: varint(32 * MIB) + b"x" * 99),
    "zstd": ("/api/v1/write", {**RW1_HEADERS, "Content-Encoding": "zstd"}, lambda: b"x" * 99),
    "a label of 30 MB": (
        "/api/v1/write",
        RW1_HEADERS,
        lambda: snappy(write_request(series({**NAMED, "a": "x" * 30_000_000}, [(1.0, NOW)]))),
    ),
    "a series of 900,000 samples": (
        "/api/v1/write",
        RW1_HEADERS,
        lambda: snappy(write_request(series(NAMED, [(1.0, NOW)] * 900_000))),
    ),
    "symbols that fan out": ("/api/v1/write", RW2_HEADERS, fan_out),
    "references beyond the symbols": ("/api/v1/write", RW2_HEADERS, beyond_the_symbols),
    "gzipped zeros": ("/api/v1/usage", NDJSON, lambda: pressed(bytes(80 * MIB))),
    "nested lists": ("/api/v1/usage", NDJSON, lambda: pressed(b"[" * 8_000_000)),
    "a long list": ("/api/v1/usage", NDJSON, lambda: pressed(b'{"a":[' + b"0," * 15_000_000)),
    "a long number": ("/api/v1/usage", NDJSON, lambda: pressed(b'{"ts":' + b"9" * 9_000_000)),
    "bad rows": ("/api/v1/usage", NDJSON, lambda: pressed(b"{}\n" * 99_000)),
    "zstd in Arrow": ("/api/v1/usage", STREAM, zstd_stream),
    "nested objects": ("/v1/metrics", JSON, lambda: pressed(b'{"a":' * 400_000)),
    "empty points in JSON": (
        "/v1/metrics",
        JSON,
        lambda: otlp_json(b'"gauge":{"dataPoints":[%b{}]}' % (b"{}," * 499_000)),
    ),
    "a long list in JSON": (
        "/v1/metrics",
        JSON,
        lambda: otlp_json(
            b'"histogram":{"dataPoints":[{"bucketCounts":[%b0]}]}' % (b"0," * 15_000_000)
        ),
    ),
    "empty fields": (
        "/v1/metrics",
        PROTOBUF,
        lambda: pressed(field(1, b"\x12\x00" * 8_000_000)),
    ),
    "empty points": ("/v1/metrics", PROTOBUF, lambda: otlp(b"\x0a\x00" * 199_000)),
    "wide histograms": ("/v1/metrics", PROTOBUF, wide_histograms),
}


def memory_mib(name: str) -> float:
    for line in Path("/proc/self/status").read_text().splitlines():
        if line.startswith(name):
            return int(line.split()[1]) / 1024
    raise AssertionError(name)


@pytest.mark.parametrize("name", BOMBS)
def test_a_bomb_is_refused_quickly_and_in_little_memory(tmp_path, name) -> None:
    path, headers, make = BOMBS[name]
    body = make()

    async def run() -> tuple[int, float, float]:
        app = collector(tmp_path)
        async with client(app) as http:
            await http.post("/api/v1/usage", content=b"{}")
            Path("/proc/self/clear_refs").write_text("5")  # the peak is counted from here
            before, began = memory_mib("VmRSS"), time.process_time()
            answer = await http.post(path, content=body, headers=headers)
            took, peak = time.process_time() - began, memory_mib("VmHWM")
        app.close()
        return answer.status_code, took, peak - before

    status, cpu_s, grown_mib = asyncio.run(run())
    assert 400 <= status < 500
    assert status != 429
    assert cpu_s < 1.5  # CPU time, so that a busy machine does not matter; a second on a free one
    assert grown_mib <= 70


def test_long_labels_are_not_kept(tmp_path) -> None:
    async def run() -> int:
        app = collector(tmp_path)
        async with client(app) as http:
            for number in range(20):
                labels = {"__name__": "nope", "n": str(number), "a": "x" * 2000}
                body = snappy(write_request(series(labels, [(1.0, NOW)])))
                await http.post("/api/v1/write", content=body, headers=RW1_HEADERS)
        tables = app.intake._book._tables.values()
        app.close()
        return sum(len(key) for table in tables for key in table)

    assert asyncio.run(run()) == 20 * 32


def test_a_body_of_very_many_new_series_is_learnt_in_several_goes(tmp_path, monkeypatch) -> None:
    monkeypatch.setattr(series_room, "MOST_NEW", 10)
    body = snappy(write_request(*(series({**NAMED, "n": str(n)}, [(1.0, NOW)]) for n in range(25))))

    async def run() -> list[int]:
        app = collector(tmp_path)
        async with client(app) as http:
            answers = [
                await http.post("/api/v1/write", content=body, headers=RW1_HEADERS)
                for _ in range(3)
            ]
        app.close()
        return [answer.status_code for answer in answers]

    assert asyncio.run(run()) == [503, 503, 204]
    assert len(readings(tmp_path)) == 25


def test_a_flood_that_cannot_be_remembered_is_refused_and_not_asked_for_again(
    tmp_path, monkeypatch
) -> None:
    monkeypatch.setattr(series_room, "MOST_NEW", 10)
    flood = (series({"__name__": "nope", "n": str(n)}, [(1.0, NOW)]) for n in range(50))
    body = snappy(write_request(series(NAMED, [(1.0, NOW)]), *flood))

    async def run() -> int:
        app = collector(tmp_path, limits=LimitSettings(series_total=8))
        async with client(app) as http:
            answer = await http.post("/api/v1/write", content=body, headers=RW1_HEADERS)
        app.close()
        return answer.status_code

    assert asyncio.run(run()) == 400
    assert len(readings(tmp_path)) == 1


def test_while_a_body_is_read_the_collector_answers_others(tmp_path) -> None:
    go = threading.Event()

    def slow(_: SeriesBook) -> Readings:
        go.wait(10)
        nothing = np.zeros(0, np.int64)
        return Readings(nothing, nothing, np.zeros(0))

    async def run() -> int:
        app = collector(tmp_path)
        reading = asyncio.create_task(app.intake.samples(slow, now_ms=NOW))
        async with client(app) as http:
            answer = await http.get("/healthz")
            assert not reading.done()
            go.set()
            await reading
        app.close()
        return answer.status_code

    assert asyncio.run(run()) == 200


def test_what_the_spool_cannot_take_is_not_charged_to_its_tenant(tmp_path) -> None:
    body = snappy(write_request(series(NAMED, [(1.0, NOW)])))

    async def run() -> tuple[int, int]:
        app = collector(tmp_path)
        app.spool.close()
        async with client(app) as http:
            answer = await http.post("/api/v1/write", content=body, headers=RW1_HEADERS)
        return answer.status_code, len(app.intake._budgets)

    assert asyncio.run(run()) == (503, 0)


async def told(app: Collector, receive: Receive) -> tuple[int, bytes]:
    """What the collector answers to a usage body that comes in this way."""
    scope = {"type": "http", "method": "POST", "path": "/api/v1/usage", "headers": []}
    sent: list[MutableMapping[str, Any]] = []

    async def send(message: MutableMapping[str, Any]) -> None:
        sent.append(message)

    await app(scope, receive, send)
    return sent[0]["status"], sent[1]["body"]


def test_a_body_that_drips_is_given_up(tmp_path, monkeypatch) -> None:
    monkeypatch.setattr(wire, "BODY_S", 0.1)

    async def drip() -> MutableMapping[str, Any]:
        await asyncio.sleep(0.01)
        return {"type": "http.request", "body": b"{", "more_body": True}

    async def run() -> tuple[int, bytes]:
        app = collector(tmp_path)
        answer = await told(app, drip)
        assert app._bodies._held == 0
        app.close()
        return answer

    status, body = asyncio.run(run())
    assert status == 503
    assert b"longer than" in body


def test_a_crowd_of_bodies_does_not_take_the_memory(tmp_path) -> None:
    """Each is within its limit, and none is ever complete."""

    async def run() -> list[int]:
        app = collector(tmp_path, limits=LimitSettings(body_bytes=1000))
        gone = asyncio.Event()

        def one() -> Receive:
            parts = iter([b"x" * 900])

            async def receive() -> MutableMapping[str, Any]:
                for part in parts:
                    return {"type": "http.request", "body": part, "more_body": True}
                await gone.wait()
                return {"type": "http.request", "body": b""}

            return receive

        held = [asyncio.create_task(told(app, one())) for _ in range(30)]
        await asyncio.sleep(0.05)
        refused = [task.result()[0] for task in held if task.done()]
        gone.set()
        await asyncio.gather(*held)
        assert app._bodies._held == 0
        app.close()
        return refused

    assert asyncio.run(run()) == [503] * 13
