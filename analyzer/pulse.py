"""How the analyzer itself is doing: what the last cycle did, and numbers for `/metrics`."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from datetime import datetime

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram
from prometheus_client.core import GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from analyzer.cycle import Cycled
from analyzer.notify.metrics import outbox_numbers
from analyzer.notify.settle import Outcome
from analyzer.store.database import Store


@dataclass(frozen=True, slots=True)
class Beat:
    """The state after the newest cycle. `data_version` grows when a page may look different."""

    data_version: int = 0
    cycle_at: datetime | None = None
    took_s: float = 0.0
    until: datetime | None = None
    failures: int = 0  # in a row
    error: str = ""


class Pulse:
    """Written by the cycle, read by everyone. Values are replaced whole, never changed in place."""

    def __init__(self, registry: CollectorRegistry) -> None:
        self._lock = threading.Lock()
        self._beat = Beat()
        self.registry = registry
        self._cycle = Histogram(
            "partywall_cycle_seconds", "Time one cycle took", registry=registry,
            buckets=(0.01, 0.03, 0.1, 0.3, 1, 3, 10, 30),
        )  # fmt: skip
        self._failed = Counter("partywall_cycle_failures", "Cycles that failed", registry=registry)
        self._samples = Counter("partywall_drained_samples", "Samples drained", registry=registry)
        self._rows = Counter("partywall_drained_rows", "Usage rows written", registry=registry)
        self._segments = Counter("partywall_drained_segments", "Segments done", registry=registry)
        self._moves = Counter(
            "partywall_incident_transitions", "Changes of incidents", ["type"], registry=registry
        )
        self._age = Gauge(
            "partywall_watermark_age_seconds", "Age of the newest complete window",
            registry=registry,
        )  # fmt: skip

        self._results = Counter(
            "partywall_deliveries", "Attempts to deliver by endpoint and result",
            ["endpoint", "result"], registry=registry,
        )  # fmt: skip
        self._delivery = Histogram(
            "partywall_delivery_seconds", "From an event to its arrival", registry=registry,
            buckets=(0.1, 0.3, 1, 3, 10, 30, 60, 300, 900, 3600),
        )  # fmt: skip

    @property
    def beat(self) -> Beat:
        return self._beat

    def cycled(self, cycled: Cycled, *, at: datetime, took_s: float) -> None:
        """A cycle went well."""
        self._cycle.observe(took_s)
        self._samples.inc(cycled.drained.samples)
        self._rows.inc(cycled.drained.rows)
        self._segments.inc(cycled.drained.segments)
        for judged in cycled.judged:
            for move in judged.transitions:
                self._moves.labels(move.type.value).inc()
        if cycled.until is not None:
            self._age.set((at - cycled.until).total_seconds())
        with self._lock:
            version = self._beat.data_version + int(cycled.changed)
            self._beat = Beat(version, at, took_s, cycled.until)

    def failed(self, error: BaseException, *, at: datetime) -> None:
        """A cycle raised; the next one tries again."""
        self._failed.inc()
        with self._lock:
            failures = self._beat.failures + 1
            said = f"{type(error).__name__}: {error}"[:300]
            self._beat = replace(self._beat, cycle_at=at, failures=failures, error=said)

    def attempted(self, outcome: Outcome) -> None:
        """An attempt to deliver ended."""
        self._results.labels(outcome.endpoint, outcome.result.value).inc()
        if outcome.seconds is not None:
            self._delivery.observe(outcome.seconds)

    def touched(self) -> None:
        """Somebody changed something through the API."""
        with self._lock:
            self._beat = replace(self._beat, data_version=self._beat.data_version + 1)


class OutboxMetrics(Collector):
    """The outbox in numbers, read from the store at each scrape."""

    def __init__(self, store: Store, clock: Callable[[], datetime]) -> None:
        self._store = store
        self._clock = clock

    def describe(self) -> list[Metric]:
        """Nothing to announce, so that registering asks the store for nothing."""
        return []

    def collect(self) -> Iterator[Metric]:
        numbers = outbox_numbers(self._store, now=self._clock())
        for name, text, value in (
            ("partywall_outbox_depth", "Deliveries waiting or on their way", numbers.depth),
            ("partywall_outbox_oldest_seconds", "Age of the oldest of them", numbers.oldest_s),
            ("partywall_dead_letters", "Deliveries given up", numbers.dead),
        ):
            yield GaugeMetricFamily(name, text, value)
