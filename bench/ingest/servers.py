"""The servers measured: ours as two processes, and the peers that are installed."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import time
import urllib.request
from collections.abc import Mapping
from pathlib import Path
from typing import ClassVar

from partywall import lifeline, ports

_TICK = os.sysconf("SC_CLK_TCK")


class Server:
    """One or more processes and where they take bodies."""

    name = ""
    program = ""
    paths: ClassVar[Mapping[str, str]] = {}

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        self.port = ports.free_port()
        self.processes: list[subprocess.Popen[bytes]] = []
        directory.mkdir(parents=True)

    def start(self) -> None:
        raise NotImplementedError

    def settle(self) -> None:
        """Return when everything acknowledged is where it stays. Peers flush every 5 s."""
        time.sleep(6)

    def stop(self) -> None:
        for process in self.processes:
            process.send_signal(signal.SIGTERM)
        for process in self.processes:
            try:
                process.wait(30)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()

    def cpu_s(self) -> float:
        """User and system seconds of all processes."""
        return sum(self.cpu_of_each())

    def cpu_of_each(self) -> list[float]:
        found = []
        for process in self.processes:
            stat = Path(f"/proc/{process.pid}/stat").read_text().rpartition(")")[2].split()
            found.append((int(stat[11]) + int(stat[12])) / _TICK)
        return found

    def peak_mb(self) -> list[float]:
        """The largest resident size each process ever had, in MB."""
        return [
            int(line.split()[1]) / 1000
            for process in self.processes
            for line in Path(f"/proc/{process.pid}/status").read_text().splitlines()
            if line.startswith("VmHWM")
        ]

    def _run(self, *command: str, pipe: bool = False) -> subprocess.Popen[bytes]:
        with (self.directory / f"{len(self.processes)}.log").open("wb") as log:
            process = subprocess.Popen(
                command, stdout=subprocess.PIPE if pipe else log, stderr=log,
                stdin=subprocess.PIPE if pipe else subprocess.DEVNULL,
                preexec_fn=lifeline.die_with_parent,
            )  # fmt: skip
        self.processes.append(process)
        return process

    def _wait(self, url: str) -> None:
        for _ in range(2400):
            try:
                with urllib.request.urlopen(url, timeout=1):
                    return
            except OSError:
                time.sleep(0.05)
        raise RuntimeError(f"{self.name} does not answer at {url}")


CONFIG = """
[service]
data = "{data}"
[collector]
listen = "127.0.0.1:{port}"
[analyzer]
listen = "127.0.0.1:{api}"
[limits]
series_total = 3000000
"""


class Partywall(Server):
    """The collector as it is shipped, and the analyzer's drain into its store."""

    name = "partywall"
    paths: ClassVar[Mapping[str, str]] = {
        "RW1": "/api/v1/write",
        "RW2": "/api/v1/write",
        "OTLP": "/v1/metrics",
    }
    command = ("-m", "bench.ingest.drain")

    def start(self) -> None:
        config = self.directory / "partywall.toml"
        self.data = self.directory / "data"
        config.write_text(CONFIG.format(data=self.data, port=self.port, api=ports.free_port()))
        self._serve(config)

    def _serve(self, config: Path) -> None:
        self._run(sys.executable, "-m", "partywall", "collect", "--config", str(config))
        self._wait(f"http://127.0.0.1:{self.port}/readyz")
        self._analyze(config)
        self._warm()

    def _warm(self) -> None:
        """Compiled parts are loaded in the background when the collector starts."""
        url = f"http://127.0.0.1:{self.port}/metrics"
        for _ in range(1200):
            with urllib.request.urlopen(url, timeout=5) as answer:
                text = answer.read().decode()
            if "partywall_decode_compiled" not in text or "partywall_decode_compiled 1" in text:
                return
            time.sleep(0.05)

    def _analyze(self, config: Path) -> None:
        self._drain = self._run(sys.executable, *self.command, str(config), pipe=True)
        assert self._drain.stdout is not None
        assert self._drain.stdout.readline() == b"ready\n"

    def settle(self) -> None:
        """Until the spool is empty (each file goes after its commit), and checkpointed."""
        spool = self.data / "spool"
        while any(name.endswith((".open", ".seg")) for name in os.listdir(spool)):
            time.sleep(0.02)
        assert self._drain.stdin is not None
        assert self._drain.stdout is not None
        self._drain.stdin.write(b"checkpoint\n")
        self._drain.stdin.flush()
        assert self._drain.stdout.readline() == b"done\n"


class Whole(Partywall):
    """As above, but the whole analyzer: roll-ups, judgement and the API too."""

    name = "partywall, all of it"

    def _analyze(self, config: Path) -> None:
        self._run(sys.executable, "-m", "partywall", "analyze", "--config", str(config))
        time.sleep(4)

    def settle(self) -> None:
        spool = self.data / "spool"
        while any(name.endswith((".open", ".seg")) for name in os.listdir(spool)):
            time.sleep(0.02)
        time.sleep(6)


class VictoriaMetrics(Server):
    """Debian's single-node server."""

    name = "victoria-metrics"
    program = "victoria-metrics"
    paths: ClassVar[Mapping[str, str]] = {"RW1": "/api/v1/write"}

    def start(self) -> None:
        self._serve()

    def _serve(self, *options: str) -> None:
        self._run(
            self.program, f"-storageDataPath={self.directory / 'data'}",
            f"-httpListenAddr=127.0.0.1:{self.port}", "-retentionPeriod=12",
            "-loggerLevel=ERROR", *options,
        )  # fmt: skip
        self._wait(f"http://127.0.0.1:{self.port}/health")


class Prometheus(Server):
    """Debian's server with its remote-write receiver."""

    name = "prometheus"
    program = "prometheus"
    paths: ClassVar[Mapping[str, str]] = {"RW1": "/api/v1/write"}

    def start(self) -> None:
        self._serve("global: {scrape_interval: 1h}\n")

    def _serve(self, settings: str) -> None:
        self._start(settings)

    def _start(self, settings: str, *options: str) -> None:
        config = self.directory / "prometheus.yml"
        config.write_text(settings)
        self._run(
            self.program, f"--config.file={config}",
            f"--web.listen-address=127.0.0.1:{self.port}",
            f"--storage.tsdb.path={self.directory / 'data'}", "--web.enable-remote-write-receiver",
            "--log.level=error", *options,
        )  # fmt: skip
        self._wait(f"http://127.0.0.1:{self.port}/-/ready")


NEWER = Path(__file__).parents[2] / ".peers"
"""Where `make peers` puts newer versions: VictoriaMetrics with OTLP, Prometheus with remote write
2.0 (Debian builds that without OTLP)."""


class NewerVictoriaMetrics(VictoriaMetrics):
    name = "victoria-metrics, newer"
    program = str(NEWER / "victoria-metrics/usr/bin/victoria-metrics")
    paths: ClassVar[Mapping[str, str]] = {"OTLP": "/opentelemetry/v1/metrics"}


class NewerPrometheus(Prometheus):
    name = "prometheus, newer"
    program = str(NEWER / "prometheus/usr/bin/prometheus")
    paths: ClassVar[Mapping[str, str]] = {"RW2": "/api/v1/write"}

    def _serve(self, settings: str) -> None:
        """With the form that it does not take unasked."""
        self._start(
            settings,
            "--web.remote-write-receiver.accepted-protobuf-messages=io.prometheus.write.v2.Request",
        )  # fmt: skip


SERVERS: dict[str, type[Server]] = {
    "partywall": Partywall,
    "whole": Whole,
    "victoria-metrics": VictoriaMetrics,
    "prometheus": Prometheus,
    "victoria-metrics, newer": NewerVictoriaMetrics,
    "prometheus, newer": NewerPrometheus,
}


def installed() -> list[str]:
    """Names of the servers that can be started here."""
    return [
        name for name, kind in SERVERS.items() if not kind.program or shutil.which(kind.program)
    ]
