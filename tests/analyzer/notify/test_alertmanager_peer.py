"""Debian's Alertmanager is fed, and its own webhook comes back as an annotation."""

from __future__ import annotations

import shutil
import subprocess
import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import httpx
import pytest

from analyzer.api.inbound import read_annotations
from analyzer.model import IncidentState
from analyzer.notify import EndpointSettings, HttpTransport
from analyzer.notify.feed import fed, feed
from analyzer.notify.outside import OutsideSilence, outside_silences
from partywall import ports
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
    port = ports.free_port()
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


def silenced_there(store, settings, alertmanager: str, now: datetime) -> list[tuple[str, str, str]]:
    """Somebody silences our incident in Alertmanager; the minute after we know of it."""
    until = now + timedelta(hours=2)
    made = httpx.post(
        f"{alertmanager}/api/v2/silences",
        json={
            "matchers": [{"name": "incident", "value": "INC-1", "isRegex": False, "isEqual": True}],
            "startsAt": now.isoformat(),
            "endsAt": until.isoformat(),
            "createdBy": "ada",
            "comment": "shard moves tonight",
        },
        trust_env=False,
    )
    assert made.is_success
    (to,) = fed(store)

    def read() -> list[OutsideSilence]:
        feed(store, to, now=now, transport=HttpTransport(settings))
        return outside_silences(store, "INC-1", now=now)

    found = wait_for(read)
    assert abs(found[0].until - until) < timedelta(seconds=1)
    assert found[0].silence == made.json()["silenceID"]
    return [(each.where, each.author, each.comment) for each in found]


def expire(alertmanager: str) -> None:
    for silence in httpx.get(f"{alertmanager}/api/v2/silences", trust_env=False).json():
        httpx.delete(f"{alertmanager}/api/v2/silence/{silence['id']}", trust_env=False)


def test_an_alertmanager_is_fed_and_tells_the_end(alertmanager, sink, store):
    # Alertmanager judges endsAt by its own clock, so this incident happens now.
    now = datetime.now(UTC)  # noqa: TID251
    feed = EndpointSettings("am", f"{alertmanager}/api/v2/alerts", "alertmanager_api")
    settings = listening(store, feed)
    write(store, opened(started_at=now - timedelta(minutes=2)), now=now)
    assert deliver(store, settings, now).delivered == 1
    assert silenced_there(store, settings, alertmanager, now) == [
        ("am", "ada", "shard moves tonight")
    ]
    expire(alertmanager)
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
