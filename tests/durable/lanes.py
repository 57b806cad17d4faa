"""Senders that know what they were promised: each resends a body until it is acknowledged."""

from __future__ import annotations

import http.client
import json
import threading
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field

from tests.collector import senders

TENANTS = 16
NAME = "partywall_finished_total"
STEP_MS = 20
"""Between two readings of a series."""

Body = tuple[str, dict[str, str], bytes]


@dataclass
class Lane:
    """One door: body number `k` brings `each` new readings for each of its tenants.

    `acknowledged` counts bodies; after the last of them the counters stand at
    `acknowledged * each`, by what a receiver promised.
    """

    door: str
    each: int
    body: Callable[[Lane, int], Body]
    base_ms: int
    acknowledged: int = 0
    refused: int = 0
    trouble: Counter[str] = field(default_factory=Counter)

    def tenant(self, number: int) -> str:
        return f"{self.door}-{number:02d}"

    @property
    def samples(self) -> int:
        """Readings that were acknowledged."""
        return self.acknowledged * self.each * TENANTS

    @property
    def expected(self) -> dict[str, int]:
        """Operations of each tenant, by what was acknowledged."""
        return {self.tenant(n): self.acknowledged * self.each for n in range(TENANTS)}

    def times(self, k: int) -> range:
        """Milliseconds of the readings of body `k`: each lane walks on from `base_ms`."""
        begins = self.base_ms + k * self.each * STEP_MS
        return range(begins, begins + self.each * STEP_MS, STEP_MS)

    def labels(self, number: int) -> dict[str, str]:
        return {"tenant": self.tenant(number), "resource": "db:one", "family": "query"}

    def send(self, port: int, over: threading.Event) -> None:
        """Send body after body until `over`; the last is sent until it is acknowledged."""
        connection = http.client.HTTPConnection("127.0.0.1", port, timeout=20)
        tries = 0
        while not (over.is_set() and tries == 0):
            path, headers, body = self.body(self, self.acknowledged)
            tries += 1
            if tries > 10_000:
                raise TimeoutError(f"{self.door}: body {self.acknowledged} is never taken")
            try:
                connection.request("POST", path, body, headers)
                response = connection.getresponse()
                response.read()
            except (OSError, http.client.HTTPException) as error:
                self.trouble[type(error).__name__] += 1
                connection.close()
                over.wait(0.02) if not over.is_set() else threading.Event().wait(0.02)
                continue
            if response.status in {200, 204}:
                self.acknowledged, tries = self.acknowledged + 1, 0
            elif response.status == 503:
                self.trouble["503"] += 1
                threading.Event().wait(0.05)
            else:
                raise AssertionError(f"{self.door}: {response.status}")
        connection.close()


def lanes(base_ms: int) -> list[Lane]:
    """A lane for each door."""
    return [
        Lane("rw1", 32, _remote_write, base_ms),
        Lane("rw2", 32, _remote_write_2, base_ms),
        Lane("otlp", 4, _otlp_delta, base_ms),
        Lane("rows", 4, _rows, base_ms),
    ]


def _counters(lane: Lane, k: int) -> list[tuple[dict[str, str], list[tuple[float, int]]]]:
    """Counters that grow by one a reading; the very first reading is their zero."""
    zero = [(0.0, lane.base_ms - STEP_MS)] if k == 0 else []
    readings = [(float(k * lane.each + j + 1), at) for j, at in enumerate(lane.times(k))]
    return [({"__name__": NAME, **lane.labels(n)}, zero + readings) for n in range(TENANTS)]


def _remote_write(lane: Lane, k: int) -> Body:
    request = senders.write_request(*(senders.series(*one) for one in _counters(lane, k)))
    return "/api/v1/write", dict(senders.RW1_HEADERS), senders.snappy(request)


def _remote_write_2(lane: Lane, k: int) -> Body:
    table = senders.SymbolTable()
    request = table.request(*[table.series(*one) for one in _counters(lane, k)])
    return "/api/v1/write", dict(senders.RW2_HEADERS), senders.snappy(request)


def _otlp_delta(lane: Lane, k: int) -> Body:
    points = [
        senders.otlp_point(lane.labels(n), at, at - STEP_MS, asInt="1")
        for n in range(TENANTS)
        for at in lane.times(k)
    ]
    data = {"dataPoints": points, "aggregationTemporality": 1, "isMonotonic": True}
    request = senders.otlp_request([{"name": NAME, "unit": "1", "sum": data}], {})
    headers = {"Content-Type": "application/x-protobuf"}
    return "/v1/metrics", headers, senders.otlp_protobuf(request)


def _rows(lane: Lane, k: int) -> Body:
    lines = [
        json.dumps({"ts": at / 1000, "count": 1, "window_s": 1, **lane.labels(n)})
        for n in range(TENANTS)
        for at in lane.times(k)
    ]
    headers = {"Content-Type": "application/x-ndjson", "X-Partywall-Batch": f"rows-{k}"}
    return "/api/v1/usage", headers, "\n".join(lines).encode()
