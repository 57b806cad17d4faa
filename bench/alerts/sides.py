"""The two sides: ours with its timetable and store, and Alertmanager with `group_wait: 0s`."""

from __future__ import annotations

import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Protocol

import httpx

from analyzer.app import DELIVER_EVERY_S
from analyzer.jobs import Job, Timetable
from analyzer.journal import transitions
from analyzer.model import Transition, TransitionType
from analyzer.notify import (
    EndpointSettings,
    HttpTransport,
    Links,
    NotifySettings,
    Sender,
    sync_endpoints,
)
from analyzer.notify.rules import ConfiguredRules, sync_rules
from analyzer.routing.rules import RoutingSettings
from analyzer.store.database import Store
from partywall import ports
from tests.analyzer.journal.cast import incident

BINARY = shutil.which("prometheus-alertmanager")


@dataclass(frozen=True)
class Sink:
    """A receiver in its own process."""

    port: int

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}/hook"

    def got(self) -> dict[str, float]:
        """First arrival by incident, in Unix seconds."""
        found: dict[str, float] = {}
        for at, name in httpx.get(self.url, trust_env=False, timeout=60).json():
            found.setdefault(name, at)
        return found


@contextmanager
def sink(delay_s: float = 0.0) -> Iterator[Sink]:
    words = [sys.executable, "-m", "bench.alerts.sink", str(delay_s)]
    process = subprocess.Popen(words, stdout=subprocess.PIPE, text=True)
    try:
        assert process.stdout is not None
        yield Sink(int(process.stdout.readline()))
    finally:
        process.kill()
        process.wait()


class Side(Protocol):
    """Tells the receivers of incidents that open."""

    name: str

    def open(self, names: Sequence[str]) -> None: ...


class Ours:
    """The journal, the outbox and the sender under the production timetable."""

    name = "partywall"

    def __init__(self, store: Store) -> None:
        self._store = store

    def open(self, names: Sequence[str]) -> None:
        now = datetime.now(UTC)
        changes = [
            Transition(
                TransitionType.OPENED, now,
                replace(incident(name), started_at=now, updated_at=now, detected_at=now), "bench",
            )
            for name in names
        ]  # fmt: skip
        with self._store.transaction() as tx:
            transitions.record(tx, changes, [], now=now, links=Links())


@contextmanager
def ours(sinks: Sequence[Sink], *, running: bool = True) -> Iterator[tuple[Ours, Timetable]]:
    """`running` False: the timetable is not started yet, so that messages pile up first."""
    settings = NotifySettings(
        endpoints=tuple(EndpointSettings(f"hook-{n}", s.url) for n, s in enumerate(sinks)),
        allow=("127.0.0.1/32",),
    )
    with tempfile.TemporaryDirectory() as folder:
        store = Store.open(Path(folder) / "p.duckdb")
        sync_endpoints(store, settings, datetime.now(UTC))
        rules = ConfiguredRules(RoutingSettings(storm_openings=0, repeat_s=0))
        sync_rules(store, rules, datetime.now(UTC))
        sender = Sender(store, settings, HttpTransport(settings))
        timetable = Timetable([Job("deliver", DELIVER_EVERY_S, sender.tick)])
        if running:
            timetable.start()
        try:
            yield Ours(store), timetable
        finally:
            timetable.stop()
            sender.close()
            store.close()


class Alertmanager:
    """Fed over `POST /api/v2/alerts`; every alert is a group of its own."""

    name = "alertmanager"

    def __init__(self, url: str) -> None:
        self._url = url
        self._http = httpx.Client(trust_env=False, timeout=30)

    def open(self, names: Sequence[str]) -> None:
        now = datetime.now(UTC)
        end = now + timedelta(hours=1)
        alerts = [
            {
                "labels": {"alertname": "NoisyNeighbour", "incident": name, "resource": "db:1"},
                "annotations": {"summary": "acme slows 3 tenants on db:shard-3 by 2.6 times."},
                "startsAt": now.isoformat(),
                "endsAt": end.isoformat(),
            }
            for name in names
        ]
        self._http.post(f"{self._url}/api/v2/alerts", json=alerts).raise_for_status()


@contextmanager
def alertmanager(sinks: Sequence[Sink]) -> Iterator[Alertmanager]:
    receivers = "\n".join(
        f"  - name: r{n}\n    webhook_configs: [{{url: '{s.url}', send_resolved: false}}]"
        for n, s in enumerate(sinks)
    )
    ways = "\n".join(f"    - {{receiver: r{n}, continue: true}}" for n in range(len(sinks)))
    config = (
        "route:\n  receiver: r0\n  group_by: ['...']\n  group_wait: 0s\n  group_interval: 1m\n"
        f"  routes:\n{ways}\nreceivers:\n{receivers}\n"
    )
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        (folder / "am.yml").write_text(config)
        port = ports.free_port()
        log = stack.enter_context((folder / "log").open("wb"))
        process = subprocess.Popen(
            [
                str(BINARY), f"--config.file={folder / 'am.yml'}", f"--storage.path={folder}",
                f"--web.listen-address=127.0.0.1:{port}", "--cluster.listen-address=",
            ],
            stdout=log, stderr=log,
        )  # fmt: skip
        try:
            url = f"http://127.0.0.1:{port}"
            _wait_ready(url)
            yield Alertmanager(url)
        finally:
            process.terminate()
            process.wait(10)


def _wait_ready(url: str) -> None:
    for _ in range(400):
        try:
            if httpx.get(f"{url}/-/ready", trust_env=False).is_success:
                return
        except httpx.TransportError:
            pass
        time.sleep(0.05)
    raise TimeoutError("Alertmanager does not start")
