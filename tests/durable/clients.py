"""Real senders, each with one tenant of its own, and what each of them knows it has sent."""

from __future__ import annotations

import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import httpx

from partywall import lifeline, ports

NAME = "partywall_finished_total"
PEERS = Path(__file__).parents[1] / "peers"


@contextmanager
def platform() -> Iterator[int]:
    """GET /<tenant> is the metrics page of that tenant: a counter that grows with the clock."""

    class Page(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            tenant, count = self.path.strip("/"), int((time.monotonic() - began) * 50)
            labels = f'tenant="{tenant}",resource="db:one",family="query"'
            body = f"# TYPE {NAME} counter\n{NAME}{{{labels}}} {count}\n".encode()
            self.send_response(200)
            self.send_header("Content-Type", "text/plain; version=0.0.4")
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, format: str, *args: object) -> None:  # noqa: A002
            """Nothing to say."""

    began = time.monotonic()
    server = ThreadingHTTPServer(("127.0.0.1", 0), Page)
    server.daemon_threads = True
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        yield server.server_address[1]
    finally:
        server.shutdown()
        server.server_close()


@contextmanager
def running(log: Path, *command: str) -> Iterator[subprocess.Popen[bytes]]:
    """A process of ours that ends with the block, or with us."""
    with log.open("wb") as said:
        process = subprocess.Popen(
            command, stdout=said, stderr=said, preexec_fn=lifeline.die_with_parent
        )
    try:
        yield process
    finally:
        process.terminate()
        try:
            process.wait(15)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


@dataclass(frozen=True, slots=True)
class Scraper:
    """A sender that scrapes; `truth` is the base of an API that has every sample it took."""

    tenant: str
    truth: str
    log: Path

    def taken(self) -> set[int]:
        """Timestamps (ms) of every sample it has taken so far."""
        given = {"query": f'{NAME}{{tenant="{self.tenant}"}}[1h]'}
        answer = httpx.get(self.truth + "/api/v1/query", params=given, trust_env=False, timeout=20)
        answer.raise_for_status()
        found = answer.json()["data"]["result"]
        return {round(float(at) * 1000) for one in found for at, _ in one["values"]}


_PROMETHEUS = """
global: {{scrape_interval: 1s, scrape_timeout: 1s}}
scrape_configs:
  - {{job_name: platform, metrics_path: /{tenant}, static_configs: [{{targets: ["127.0.0.1:{target}"]}}]}}
remote_write:
  - url: {url}/api/v1/write
    protobuf_message: {message}
    queue_config: {{batch_send_deadline: 1s, max_backoff: 1s, min_shards: 1, max_shards: 1}}
"""  # noqa: E501
# One shard: when Prometheus reshards while nothing gets through for a minute, it gives up what the
# old shards held ("context canceled"): a loss of its own, which the how-to tells of.
MESSAGES = {1: "prometheus.WriteRequest", 2: "io.prometheus.write.v2.Request"}


@contextmanager
def prometheus(
    directory: Path, program: str, tenant: str, target: int, url: str, *, message: str = ""
) -> Iterator[Scraper]:
    """A Prometheus that scrapes a page a second; its own database is the truth."""
    directory.mkdir()
    text = _PROMETHEUS.format(tenant=tenant, target=target, url=url, message=message)
    if not message:  # an old one knows only 1.0 and refuses the key
        text = "\n".join(line for line in text.splitlines() if "protobuf_message" not in line)
    (directory / "prometheus.yml").write_text(text)
    listen = f"127.0.0.1:{ports.free_port()}"
    options = [
        f"--config.file={directory / 'prometheus.yml'}", f"--web.listen-address={listen}",
        f"--storage.tsdb.path={directory / 'tsdb'}",
    ]  # fmt: skip
    with running(directory / "log", program, *options):
        yield Scraper(tenant, f"http://{listen}", directory / "log")


@contextmanager
def vmagent(
    directory: Path, program: str, tenant: str, target: int, url: str, control: str
) -> Iterator[Scraper]:
    """A vmagent that scrapes a page a second and also sends to `control`, which is the truth."""
    directory.mkdir()
    page = f"metrics_path: /{tenant}, static_configs: [{{targets: ['127.0.0.1:{target}']}}]"
    job = f"{{job_name: platform, scrape_interval: 1s, scrape_timeout: 1s, {page}}}"
    (directory / "scrape.yml").write_text(f"scrape_configs: [{job}]\n")
    options = [
        f"-promscrape.config={directory / 'scrape.yml'}", "-promscrape.noStaleMarkers",
        f"-httpListenAddr=127.0.0.1:{ports.free_port()}",
        f"-remoteWrite.tmpDataPath={directory / 'queue'}",
        f"-remoteWrite.url={url}/api/v1/write", f"-remoteWrite.url={control}/api/v1/write",
    ]  # fmt: skip
    with running(directory / "log", program, *options):
        yield Scraper(tenant, control, directory / "log")


@dataclass(frozen=True, slots=True)
class Counter:
    """A sender that counts what its own program does and ends by itself."""

    tenant: str
    process: subprocess.Popen[bytes]
    log: Path
    delta: bool

    def counted(self, timeout_s: float) -> int:
        """Operations, once it has ended. Raises TimeoutExpired when it does not."""
        self.process.wait(timeout_s)
        return int(self.log.read_text().strip().splitlines()[-1])


@contextmanager
def otel_python(
    directory: Path, tenant: str, seconds: float, url: str, *, delta: bool
) -> Iterator[Counter]:
    """The OpenTelemetry Python SDK. It gives up on a body after six tries: of deltas what was in
    it stays missing, a cumulative counter makes it good with the next body."""
    directory.mkdir()
    command = [sys.executable, str(PEERS / "otel_python.py"), url + "/v1/metrics"]
    said = [str(seconds), tenant, "DELTA" if delta else "CUMULATIVE"]
    with running(directory / "log", *command, *said) as process:
        yield Counter(tenant, process, directory / "log", delta)


@contextmanager
def otel_js(
    directory: Path, program: str, tenant: str, seconds: float, url: str
) -> Iterator[Counter]:
    """The OpenTelemetry JavaScript SDK, sending cumulative JSON: it gives up on a body after a few
    tries, and the next one makes it good."""
    directory.mkdir()
    command = [program, str(PEERS / "otel_js" / "send.mjs"), url + "/v1/metrics"]
    with running(directory / "log", *command, str(seconds), tenant) as process:
        yield Counter(tenant, process, directory / "log", delta=False)
