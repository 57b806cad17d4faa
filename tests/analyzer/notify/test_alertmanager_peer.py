"""Debian's Alertmanager is fed, and its own webhook comes back as an annotation."""

from __future__ import annotations

import shutil
import socket
import subprocess
import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import httpx
import pytest

from analyzer.api.inbound import read_annotations
from analyzer.model import IncidentState
from analyzer.notify import EndpointSettings
from tests.analyzer.journal.cast import opened, resolved
from tests.analyzer.notify.house import deliver, listening, write
from tests.analyzer.notify.receiver import Receiver, receiver

BINARY = shutil.which("prometheus-alertmanager")
pytestmark = [
    pytest.mark.peer,
    pytest.mark.skipif(BINARY is None, reason="needs prometheus-alertmanager (apt)"),
]


@pytest.fixture
def sink() -> Iterator[Receiver]:
    with receiver() as sink:
        yield sink


@pytest.fixture
def alertmanager(tmp_path: Path, sink: Receiver) -> Iterator[str]:
    config = tmp_path / "am.yml"
    config.write_text(
        "route: {receiver: w, group_by: [alertname, incident], group_wait: 0s,"
        " group_interval: 1s}\n"
        f"receivers: [{{name: w, webhook_configs: [{{url: '{sink.url}'}}]}}]\n"
    )
    with socket.create_server(("127.0.0.1", 0)) as probe:
        port = probe.getsockname()[1]
    with (tmp_path / "log").open("wb") as log:
        process = subprocess.Popen(
            [
                str(BINARY),
                f"--config.file={config}",
                f"--storage.path={tmp_path}",
                f"--web.listen-address=127.0.0.1:{port}",
                "--cluster.listen-address=",
            ],
            stdout=log,
            stderr=log,
        )
    try:
        url = f"http://127.0.0.1:{port}"
        wait_for(lambda: answers(f"{url}/-/ready"))
        yield url
    finally:
        process.terminate()
        process.wait(10)


def answers(url: str) -> bool:
    try:
        return httpx.get(url, trust_env=False).is_success
    except httpx.TransportError:
        return False


def wait_for(what, seconds: float = 20):
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        if found := what():
            return found
        time.sleep(0.05)
    raise AssertionError("waited in vain")


def test_an_alertmanager_is_fed_and_tells_the_end(alertmanager, sink, store):
    # Alertmanager judges endsAt by its own clock, so this incident happens now.
    now = datetime.now(UTC)  # noqa: TID251
    feed = EndpointSettings("am", f"{alertmanager}/api/v2/alerts", "alertmanager_api")
    settings = listening(store, feed)
    write(store, opened(started_at=now - timedelta(minutes=2)), now=now)
    assert deliver(store, settings, now).delivered == 1
    (alert,) = httpx.get(f"{alertmanager}/api/v2/alerts", trust_env=False).json()
    assert alert["labels"]["incident"] == "INC-1"
    assert alert["annotations"]["tenant"] == "acme"
    wait_for(lambda: sink.got)
    end = resolved()
    over = opened(
        started_at=now - timedelta(minutes=2), state=IncidentState.RESOLVED, ended_at=now
    ).incident
    write(store, type(end)(end.type, now, over, "calm"), now=now)
    assert deliver(store, settings, now).delivered == 1
    wait_for(lambda: [got for got in sink.got if got.json["status"] == "resolved"])
    told = [read_annotations(got.json, now=now)[0] for got in sink.got]
    assert [each.title for each in told] == [
        "PartywallIncident firing",
        "PartywallIncident resolved",
    ]
    assert {each.resource for each in told} == {"db:shard-3"}
