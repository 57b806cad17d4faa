"""`python -m bench.ingest.pages`: the same pages of text scraped by each server in turn.

A page server in this process answers every scrape with the next step of its series; each server is
told to scrape it once a second. CPU is what the server's processes used between two steps, by the
samples that it fetched between them; the first pages, on which all series are new, are left out.
"""

from __future__ import annotations

import argparse
import shutil
import statistics
import tempfile
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import numpy as np

from bench.ingest.bodies import SERIES, labels_of, values
from bench.ingest.servers import CONFIG, Partywall, Prometheus, Server, VictoriaMetrics
from partywall import ports

SETTLE_S, MEASURE_S = 8.0, 15.0


class Pages:
    """Targets of `tenants` x 12 series each; `fetched` counts the samples of all their pages."""

    def __init__(self, targets: int, tenants: int, steps: int = 8) -> None:
        self.samples = tenants * SERIES
        self.fetched = 0
        self._lock = threading.Lock()
        self._asked = [0] * targets
        self._pages = [
            [page(np.arange(at * tenants, (at + 1) * tenants), step) for step in range(steps)]
            for at in range(targets)
        ]
        pages = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_GET(self) -> None:
                body = pages.next(int(self.path.rpartition("/")[2]))
                self.send_response(200)
                self.send_header("Content-Type", "text/plain; version=0.0.4")
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, format: str, *args: object) -> None:  # noqa: A002
                """Nobody reads it."""

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.port = int(self._server.server_address[1])
        threading.Thread(target=self._server.serve_forever, daemon=True).start()

    def next(self, target: int) -> bytes:
        """The page of the next step: counters go on for as long as there are pages, then reset."""
        with self._lock:
            step = self._asked[target] % len(self._pages[target])
            self._asked[target] += 1
            self.fetched += self.samples
        return self._pages[target][step]

    def paths(self) -> list[str]:
        return [f"/metrics/{number}" for number in range(len(self._pages))]

    def close(self) -> None:
        self._server.shutdown()
        self._server.server_close()


def page(tenants: np.ndarray, step: int) -> bytes:
    """One page of the text format, families together as client libraries write them."""
    numbers = values(tenants, step)
    lines: dict[str, list[str]] = {}
    for tenant, row in zip(tenants.tolist(), numbers.tolist(), strict=True):
        for labels, number in zip(labels_of(tenant), row, strict=True):
            name = labels["__name__"]
            shown = [
                f'{key}="{value}"'
                for key, value in sorted(labels.items())
                if key not in ("__name__", "instance", "job")
            ]
            text = f"{name}{{{','.join(shown)}}} {number:.17g}\n"
            lines.setdefault(name, [f"# TYPE {name} untyped\n"]).append(text)
    return "".join("".join(one) for one in lines.values()).encode()


class Scraper(Server):
    """A server that is told to scrape these pages."""

    pages: Pages


class _Ours(Scraper, Partywall):
    def start(self) -> None:
        config = self.directory / "partywall.toml"
        self.data = self.directory / "data"
        text = CONFIG.format(data=self.data, port=self.port, api=ports.free_port())
        for path in self.pages.paths():
            url = f"http://127.0.0.1:{self.pages.port}{path}"
            text += f'[[scrape]]\nname = "{path}"\nurl = "{url}"\ninterval_s = 1\ntimeout_s = 1\n'
        config.write_text(text)
        self._serve(config)


def _jobs(pages: Pages) -> str:
    return "scrape_configs:\n" + "".join(
        f"  - {{job_name: 'j{number}', metrics_path: {path}, scrape_interval: 1s, "
        f"scrape_timeout: 1s, static_configs: [{{targets: ['127.0.0.1:{pages.port}']}}]}}\n"
        for number, path in enumerate(pages.paths())
    )


class _Victoria(Scraper, VictoriaMetrics):
    def start(self) -> None:
        config = self.directory / "scrape.yml"
        config.write_text(_jobs(self.pages))
        self._serve(f"-promscrape.config={config}", "-promscrape.maxScrapeSize=100MB")


class _Prometheus(Scraper, Prometheus):
    def start(self) -> None:
        self._serve(_jobs(self.pages))


KINDS: tuple[type[Scraper], ...] = (_Ours, _Victoria, _Prometheus)


def run(kind: type[Scraper], pages: Pages) -> float:
    """Samples a CPU second of one server, from empty."""
    directory = Path(tempfile.mkdtemp(prefix="bench-pages-"))
    server = kind(directory / kind.name)
    server.pages = pages
    try:
        server.start()
        time.sleep(SETTLE_S)
        used, fetched = server.cpu_s(), pages.fetched
        time.sleep(MEASURE_S)
        return (pages.fetched - fetched) / (server.cpu_s() - used)
    finally:
        server.stop()
        shutil.rmtree(directory, ignore_errors=True)


def compare(targets: int, tenants: int, reps: int) -> None:
    """Every installed server in turn, and our ratio to each."""
    pages = Pages(targets, tenants)
    kinds = [kind for kind in KINDS if not kind.program or shutil.which(kind.program)]
    found: dict[str, list[float]] = {kind.name: [] for kind in kinds}
    try:
        for _ in range(reps):
            for kind in kinds:
                found[kind.name].append(run(kind, pages))
    finally:
        pages.close()
    print(f"{targets} targets x {tenants:,} tenants x {SERIES} series, once a second")
    print("| server | samples/CPU-s | all runs | partywall's beside it |")
    print("|---|---|---|---|")
    for name, rates in found.items():
        each = ", ".join(f"{rate / 1000:,.0f}" for rate in rates)
        pairs = zip(found["partywall"], rates, strict=True)
        beside = statistics.median(ours / theirs for ours, theirs in pairs)
        print(f"| {name} | {statistics.median(rates) / 1000:,.0f} k | {each} | {beside:.2f}x |")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--targets", type=int, default=8)
    parser.add_argument("--tenants", type=int, default=2_000, help="of a target")
    parser.add_argument("--reps", type=int, default=3)
    args = parser.parse_args()
    compare(args.targets, args.tenants, args.reps)


if __name__ == "__main__":
    main()
