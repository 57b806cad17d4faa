"""`python -m bench.fairness`: what the others notice while one tenant floods with new series.

Five quiet senders, each on a connection of its own, send 200 known series every 50 ms. Stretches in
which nobody else sends and stretches in which one more connection brings new series, 1,000 a body
and back to back, take turns on one collector. Printed are the quiet senders' times from the last
byte sent to the answer. A 503 would be sent again after 0.2 s and stands in the figures; any other
refusal ends the run. `--checkout` measures the collector of another checkout.
"""

from __future__ import annotations

import argparse
import os
import struct
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import cramjam
import numpy as np

from bench.ingest.bodies import varint
from bench.ingest.send import Connection
from bench.ingest.servers import CONFIG, Partywall
from partywall import ports

QUIET, SAMPLES, BEAT_S, CALM_S, EACH = 5, 200, 0.05, 10.0, 1000
HEADERS = {"Content-Type": "application/x-protobuf", "Content-Encoding": "snappy"}


class Collector(Partywall):
    """The collector alone, with room for the flood."""

    def start(self) -> None:
        config = self.directory / "partywall.toml"
        text = CONFIG.format(
            data=self.directory / "data", port=self.port, api=ports.free_port()
        ).replace("[limits]", "[limits]\nactive_series = 2000000")
        config.write_text(text)
        self._run(sys.executable, "-P", "-m", "partywall", "collect", "--config", str(config))
        self._wait(f"http://127.0.0.1:{self.port}/readyz")
        self._warm()


def body(tenant: str, numbers: range) -> bytes:
    """One sample of each series of a tenant, as remote write 1.0."""
    now = varint(time.time_ns() // 1_000_000)
    sample = b"\x09" + struct.pack("<d", 1.0) + b"\x10" + now
    parts = []
    for number in numbers:
        labels = {
            "__name__": "partywall_finished_total",
            "instance": f"10.4.0.{number % 251}:9100",
            "n": str(number),
            "shard": f"shard-{number % 16:02d}",
            "tenant": tenant,
        }
        one = b"".join(
            _field(0x0A, _field(0x0A, k.encode()) + _field(0x12, v.encode()))
            for k, v in labels.items()
        )
        parts.append(_field(0x0A, one + _field(0x12, sample)))
    return bytes(cramjam.snappy.compress_raw(b"".join(parts)))


def _field(tag: int, payload: bytes) -> bytes:
    return bytes((tag,)) + varint(len(payload)) + payload


def stretch(port: int, flood: Iterator[bytes] | None) -> tuple[list[float], float]:
    """Seconds to each quiet answer, and how long the stretch took."""
    acks_s: list[float] = []
    failures: list[Exception] = []
    over = threading.Event()

    def quiet(number: int) -> None:
        try:
            connection = Connection(port, "/api/v1/write", HEADERS)
            time.sleep(BEAT_S * number / QUIET)
            while not over.is_set():
                acks_s.append(connection.post(body(f"quiet-{number}", range(SAMPLES))))
                time.sleep(BEAT_S)
            connection.close()
        except (OSError, RuntimeError) as error:
            failures.append(error)

    threads = [threading.Thread(target=quiet, args=(n,)) for n in range(QUIET)]
    for one in threads:
        one.start()
    began = time.perf_counter()
    if flood is None:
        time.sleep(CALM_S)
    else:
        loud = Connection(port, "/api/v1/write", HEADERS)
        for part in flood:
            loud.post(part)
        loud.close()
    took_s = time.perf_counter() - began
    over.set()
    for one in threads:
        one.join()
    if failures:
        raise failures[0]
    return acks_s, took_s


def measure(server: Collector, rounds: int, series: int) -> str:
    """One line of the table."""
    calm: list[float] = []
    loud: list[float] = []
    rates = []
    stretch(server.port, None)  # the quiet series are learnt
    for number in range(rounds):
        share = series // rounds
        begins = range(number * share, (number + 1) * share, EACH)
        bodies = [body("umbrella", range(at, at + EACH)) for at in begins]
        calm += stretch(server.port, None)[0]
        answers, took_s = stretch(server.port, iter(bodies))
        loud += answers
        rates.append(share / took_s)
    (p50, p99), (loud50, loud99) = (np.quantile(one, (0.5, 0.99)) * 1000 for one in (calm, loud))
    return (
        f"calm p50 {p50:.1f} p99 {p99:.1f} ms ({len(calm)} bodies); "
        f"flood p50 {loud50:.1f} p99 {loud99:.1f} ms ({len(loud)} bodies); "
        f"ratio p50 {loud50 / p50:.2f} p99 {loud99 / p99:.2f}; "
        f"{np.mean(rates):,.0f} new series a second"
    )


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else "")
    parser.add_argument("--rounds", type=int, default=4)
    parser.add_argument("--series", type=int, default=250_000)
    parser.add_argument("--checkout", type=Path, help="of the collector to measure")
    args = parser.parse_args()
    if args.checkout:
        os.environ["PYTHONPATH"] = str(args.checkout.resolve())
    with tempfile.TemporaryDirectory() as folder:
        server = Collector(Path(folder) / "collector")
        try:
            server.start()
            print(measure(server, args.rounds, args.series), flush=True)
        finally:
            server.stop()


if __name__ == "__main__":
    main()
