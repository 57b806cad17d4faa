"""What the collector says of itself on /metrics."""

from __future__ import annotations

from contextlib import suppress

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, generate_latest
from prometheus_client.exposition import CONTENT_TYPE_PLAIN_0_0_4

from collector.model import Rejected


class CollectorMetrics:
    """A registry of its own: two collectors in one process (tests) do not meet."""

    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        self.samples = self._counter("partywall_received_samples", "Samples on disk.")
        self.rows = self._counter("partywall_received_rows", "Usage rows on disk.")
        self.ignored = self._counter(
            "partywall_ignored_samples", "Samples of metrics that no meter names."
        )
        self.discarded = self._counter(
            "partywall_discarded_samples", "Samples and rows refused.", "reason"
        )
        self.discarded_bodies = self._counter(
            "partywall_discarded_bodies", "Requests of which nothing was taken.", "reason"
        )
        self.oddities = self._counter(
            "partywall_odd_points", "Points taken that cannot be meant so.", "kind"
        )
        self.requests = self._counter(
            "partywall_requests", "Ingest requests by status.", "receiver", "status"
        )
        self.seconds = Histogram(
            "partywall_request_duration_seconds",
            "Time from complete body to answer, the disk included.",
            ["receiver"],
            registry=self.registry,
        )
        self.scrapes = self._counter("partywall_scrapes", "Scrapes by result.", "target", "result")
        self.scrape_up = Gauge(
            "partywall_scrape_up",
            "1 when the last scrape of the target succeeded.",
            ["target"],
            registry=self.registry,
        )
        self.scrape_samples = Gauge(
            "partywall_scrape_samples",
            "Samples taken of the target's last page.",
            ["target"],
            registry=self.registry,
        )
        self.scrape_seconds = Gauge(
            "partywall_scrape_duration_seconds",
            "Time the last scrape of the target took.",
            ["target"],
            registry=self.registry,
        )
        self.discovered = Gauge(
            "partywall_discovered_targets",
            "Targets of the last list of a job that could be read.",
            ["job"],
            registry=self.registry,
        )
        self.discovery_failures = self._counter(
            "partywall_discovery_failures", "Lists of targets that could not be read.", "job"
        )
        self.probe_up = Gauge(
            "partywall_probe_up",
            "1 while the database answers.",
            ["probe"],
            registry=self.registry,
        )
        self.probe_seconds = self._counter(
            "partywall_probe_seconds",
            "Seconds at work, by whether a tenant is known for them (tenant) or not (nobody).",
            "probe",
            "owner",
        )
        self.probe_lost = self._counter(
            "partywall_probe_lost_windows",
            "Windows given up because the spool took none for long.",
            "probe",
        )
        self.series = Gauge(
            "partywall_known_series", "Series held in memory.", registry=self.registry
        )
        self.compiled = Gauge(
            "partywall_decode_compiled",
            "Whether bodies are read by compiled loops (1) or by their NumPy form (0).",
            registry=self.registry,
        )
        self.overrides_healthy = Gauge(
            "partywall_overrides_healthy",
            "1 when limits.overrides could be read; else the limits before it stay in force.",
            registry=self.registry,
        )
        self.undrained = Gauge(
            "partywall_spool_undrained_bytes",
            "Bytes of sealed segments the analyzer has not drained.",
            registry=self.registry,
        )

    def _counter(self, name: str, text: str, *labels: str) -> Counter:
        return Counter(name, text, labels, registry=self.registry)

    def scraped(self, target: str, *, up: bool, seconds: float) -> None:
        """Count a scrape."""
        self.scrape_up.labels(target).set(up)
        self.scrape_seconds.labels(target).set(seconds)
        self.scrapes.labels(target, "up" if up else "down").inc()

    def forget_target(self, target: str) -> None:
        """A target that is scraped no more says nothing more."""
        for gauge in (self.scrape_up, self.scrape_seconds, self.scrape_samples):
            with suppress(KeyError):
                gauge.remove(target)
        for result in ("up", "down"):
            with suppress(KeyError):
                self.scrapes.remove(target, result)

    def refused(self, rejected: Rejected) -> None:
        """Count a body of which nothing was taken."""
        self.discarded_bodies.labels(rejected.reason.value).inc()

    def page(self) -> tuple[bytes, str]:
        """The exposition and its media type."""
        return generate_latest(self.registry), CONTENT_TYPE_PLAIN_0_0_4
