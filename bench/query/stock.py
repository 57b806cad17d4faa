"""The same samples in ours and in the peers, and each ready to be asked.

Ours takes them through its collector and its drain, rolls up and compacts, as in service; only the
clock is told, so that a day passes in a minute. Peers take the very same bodies.
"""

from __future__ import annotations

import json
import shutil
import tempfile
import time
import urllib.parse
import urllib.request
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path

import numpy as np

from analyzer.store.database import Store
from analyzer.upkeep.compaction import CompactionSettings, compact
from analyzer.usage import baseline, questions, rollup
from analyzer.usage.rollup import RetentionSettings
from bench.ingest.bodies import RW1, SERIES, remote_write, values
from bench.ingest.send import Connection
from bench.ingest.servers import SERVERS, Partywall, Server

KEEP = RetentionSettings(ten_seconds_h=24 * 14, minutes_d=15)
IDLE_S = 2.0
AFTER = 3
"""Steps sent after the range asked about, so that it is complete."""


@dataclass(frozen=True, slots=True)
class Plan:
    """`tenants` x 12 series, `hours` of samples every `step_s`, ending at a midnight (UTC), so that
    every unit of time is complete and moves into files."""

    tenants: int
    hours: int
    step_s: int
    body: int = 10_000

    @property
    def end(self) -> datetime:
        now = datetime.fromtimestamp(time.time_ns() / 1e9, UTC) - timedelta(seconds=120)
        return now.replace(hour=0, minute=0, second=0, microsecond=0)

    @property
    def steps(self) -> int:
        return self.hours * 3600 // self.step_s

    @property
    def samples(self) -> int:
        return (self.steps + 1 + AFTER) * self.tenants * SERIES

    @property
    def words(self) -> str:
        return f"{self.tenants:,} tenants x {SERIES} series, {self.hours} h every {self.step_s} s"


@dataclass(slots=True)
class Peer:
    """A server that answers PromQL."""

    server: Server
    asked: int = field(default=0)

    @property
    def name(self) -> str:
        return self.server.name

    def instant(self, promql: str, at: datetime) -> dict[str, float]:
        """Value by tenant (or shard and tenant) at a time."""
        found = self._ask("query", {"query": promql, "time": f"{at.timestamp():.3f}"})
        return {_label(one["metric"]): float(one["value"][1]) for one in found}

    def range(self, promql: str, start: datetime, end: datetime, step_s: int) -> int:
        """How many points a range query answers."""
        given = {
            "query": promql, "start": f"{start.timestamp():.3f}", "end": f"{end.timestamp():.3f}",
            "step": str(step_s),
        }  # fmt: skip
        return sum(len(one["values"]) for one in self._ask("query_range", given))

    def _ask(self, what: str, given: Mapping[str, str]) -> list[dict[str, dict[str, str]]]:
        asked = urllib.parse.urlencode({**given, "nocache": "1", "timeout": "300s"})
        url = f"http://127.0.0.1:{self.server.port}/api/v1/{what}?{asked}"
        with urllib.request.urlopen(url, timeout=300) as answer:
            found: list[dict[str, dict[str, str]]] = json.load(answer)["data"]["result"]
        return found


def _label(metric: Mapping[str, str]) -> str:
    return "/".join(metric[name] for name in ("shard", "tenant") if name in metric)


@dataclass(frozen=True, slots=True)
class Stock:
    """Everything loaded. `store` is ours; times are of the range asked about."""

    plan: Plan
    store: Store
    directory: Path
    peers: Sequence[Peer]
    start: datetime
    end: datetime
    load_s: Mapping[str, float]


@contextmanager
def stocked(plan: Plan, peers: Sequence[str]) -> Iterator[Stock]:
    """Load the plan into ours and the peers named; everything is removed afterwards."""
    directory = Path(tempfile.mkdtemp(prefix="bench-query-"))
    ours = Partywall(directory / "partywall")
    servers = [ours, *(SERVERS[name](directory / name) for name in peers)]
    store: Store | None = None
    end = plan.end
    try:
        for server in servers:
            server.start()
        took = load_into(plan, end, servers)
        for server in servers[1:]:
            server.settle()
        ours.stop()
        store = Store.open(ours.data / "partywall.duckdb")
        ready(store, end)
        found = [Peer(server) for server in servers[1:]]
        start = end - timedelta(hours=plan.hours)
        yield Stock(plan, store, directory, found, start, end, took)
    finally:
        if store is not None:
            store.close()
        for server in servers:
            server.stop()
        shutil.rmtree(directory, ignore_errors=True)


def ready(store: Store, end: datetime) -> None:
    """Roll up, learn and compact, as the jobs do; the clock stands some weeks ahead."""
    rollup.roll_up(store, now=end + timedelta(days=1), settings=KEEP)
    until = rollup.watermark(store)
    assert until is not None
    baseline.refresh(store, until=until)
    questions.learn_expected(store, until=until)
    settings = CompactionSettings(ten_seconds_h=1, minutes_d=1, hours_d=1)
    compact(store, now=end + timedelta(days=30), settings=settings)
    store.checkpoint()


def load_into(plan: Plan, end: datetime, servers: Sequence[Server]) -> dict[str, float]:
    took = dict.fromkeys((server.name for server in servers), 0.0)
    lines = {server.name: _Line(server) for server in servers}
    for body in _bodies(plan, end):
        for name, line in lines.items():
            took[name] += line.post(body)
    began = time.perf_counter()
    servers[0].settle()
    took[servers[0].name] += time.perf_counter() - began
    return took


class _Line:
    """A connection that is opened again when the server tired of waiting for the others."""

    def __init__(self, server: Server) -> None:
        self._server = server
        self._connection: Connection | None = None
        self._last = 0.0

    def post(self, body: bytes) -> float:
        for again in range(3):
            try:
                return self._post(body)
            except (RuntimeError, OSError) as closed:  # the same body twice counts once
                self._connection = None
                if again == 2:
                    raise RuntimeError(f"{self._server.name}: {closed}") from closed
        raise AssertionError

    def _post(self, body: bytes) -> float:
        if self._connection is None or time.monotonic() - self._last > IDLE_S:
            self._connection = Connection(self._server.port, self._server.paths["RW1"], RW1.headers)
        took = self._connection.post(body)
        self._last = time.monotonic()
        return took


def _bodies(plan: Plan, end: datetime) -> Iterator[bytes]:
    each = max(1, plan.body // SERIES)
    blocks = [np.arange(at, min(at + each, plan.tenants)) for at in range(0, plan.tenants, each)]
    templates = [remote_write(block) for block in blocks]
    end_ms = int(end.timestamp() * 1000)
    for step in range(plan.steps + 1 + AFTER):
        ts_ms = end_ms + (step - plan.steps) * plan.step_s * 1000
        for block, template in zip(blocks, templates, strict=True):
            yield RW1.press(template.fill(values(block, step), ts_ms))
