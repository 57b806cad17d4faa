"""No 2xx before the covering fdatasync: read off the system calls of a real collector."""

from __future__ import annotations

import http.client
import json
import shutil
import subprocess
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.collector import senders
from tests.durable.serving import Serving
from tests.durable.trace import CALLS, Call, answers, calls, uncovered

ROUNDS, CONNECTIONS = 12, 3


def mark(number: int, door: int) -> str:
    return f"mark-{number:06d}-{door}"


def bodies(number: int) -> list[tuple[str, dict[str, str], bytes]]:
    """One request for each door; every one brings a tenant of its own, named by its mark."""
    now_ms = time.time_ns() // 1_000_000
    name, common = "partywall_finished_total", {"resource": "db:one", "family": "query"}
    labels = [{"__name__": name, "tenant": mark(number, door), **common} for door in range(4)]
    one = senders.write_request(senders.series(labels[0], [(float(number), now_ms)]))
    table = senders.SymbolTable()
    two = table.request(table.series(labels[1], [(float(number), now_ms)]))
    attributes = {"tenant": mark(number, 2), **common}
    point = senders.otlp_point(attributes, now_ms, now_ms - 1000, asInt=str(number + 1))
    data = {"dataPoints": [point], "aggregationTemporality": 2, "isMonotonic": True}
    metrics = senders.otlp_request([{"name": name, "unit": "1", "sum": data}], {})
    row = {"ts": now_ms / 1000, "count": 1, "tenant": mark(number, 3), **common}
    return [
        ("/api/v1/write", senders.RW1_HEADERS, senders.snappy(one)),
        ("/api/v1/write", senders.RW2_HEADERS, senders.snappy(two)),
        ("/v1/metrics", {"Content-Type": "application/x-protobuf"}, senders.otlp_protobuf(metrics)),
        ("/api/v1/usage", {"Content-Type": "application/x-ndjson"}, json.dumps(row).encode()),
    ]


def send(port: int, first: int) -> None:
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=20)
    for number in range(first, first + ROUNDS):
        for door, (path, headers, body) in enumerate(bodies(number)):
            headers = {"User-Agent": mark(number, door), **headers}
            connection.request("POST", path, body, headers)
            response = connection.getresponse()
            assert response.read() is not None
            assert response.status in {200, 204}, response.status
    connection.close()


def traced(tmp_path: Path, broken: str) -> list[Call]:
    """What a collector did while three connections sent through four doors."""
    strace = shutil.which("strace")
    if strace is None:
        pytest.skip("no strace on PATH: apt-get install strace, or run .ci/run")
    log = tmp_path / "strace.txt"
    serving = Serving(tmp_path / "data", broken=broken)
    serving.start()
    with watched(strace, serving, log):
        threads = [
            threading.Thread(target=send, args=(serving.port, k * 1000)) for k in range(CONNECTIONS)
        ]
        for one in threads:
            one.start()
        for one in threads:
            one.join(60)
    return list(calls(log.read_text("utf-8", "replace").splitlines()))


@contextmanager
def watched(strace: str, serving: Serving, log: Path) -> Iterator[None]:
    """Trace the collector; at the end it is stopped, and with it the tracer."""
    tracer = subprocess.Popen(
        [
            strace, "-f", "-y", "-s", "65536", "-e", f"trace={CALLS}", "-o", str(log),
            "-p", str(serving.pid),
        ],
        stderr=subprocess.PIPE, text=True,
    )  # fmt: skip
    assert tracer.stderr is not None
    with tracer.stderr as said:
        try:
            assert "attached" in said.readline()
            yield
        finally:
            serving.end()
            tracer.wait(20)


def test_no_door_answers_before_what_it_took_is_synced(tmp_path):
    seen = traced(tmp_path, "")

    assert len(answers(seen)) == ROUNDS * CONNECTIONS * 4
    assert uncovered(seen) == []


@pytest.mark.parametrize("broken", ["unsynced", "early"])
def test_a_collector_that_promises_too_early_is_caught(tmp_path, broken):
    seen = traced(tmp_path, broken)

    assert len(uncovered(seen)) > len(answers(seen)) / 2
