"""The OpenTelemetry Python SDK as a sender: `python otel_python.py URL SECONDS TENANT TEMPORALITY`.

Counts operations of one tenant until its time is over and says at the end how many.
"""

from __future__ import annotations

import sys
import time

from opentelemetry.exporter.otlp.proto.http import Compression
from opentelemetry.exporter.otlp.proto.http.metric_exporter import OTLPMetricExporter
from opentelemetry.sdk.metrics import Counter, MeterProvider
from opentelemetry.sdk.metrics.export import AggregationTemporality, PeriodicExportingMetricReader


def main(url: str, seconds: float, tenant: str, temporality: str) -> int:
    """Operations counted."""
    exporter = OTLPMetricExporter(
        endpoint=url, timeout=300, compression=Compression.Gzip,
        preferred_temporality={Counter: AggregationTemporality[temporality]},
    )  # fmt: skip
    reader = PeriodicExportingMetricReader(
        exporter, export_interval_millis=1000, export_timeout_millis=300_000
    )
    provider = MeterProvider(metric_readers=[reader])
    counter = provider.get_meter("platform").create_counter("partywall_finished_total")
    labels = {"tenant": tenant, "resource": "db:one", "family": "query"}
    counted, until = 0, time.monotonic() + seconds
    while time.monotonic() < until:
        counter.add(3, labels)
        counted += 3
        time.sleep(0.05)
    provider.shutdown(timeout_millis=120_000)
    return counted


if __name__ == "__main__":
    sys.stdout.write(f"{main(sys.argv[1], float(sys.argv[2]), *sys.argv[3:5])}\n")
