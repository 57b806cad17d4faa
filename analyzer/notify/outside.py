"""Reads back what an Alertmanager silenced, so that the incident's page can say so."""

from __future__ import annotations

import json
import logging
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from urllib.parse import quote

from analyzer.notify.channels.alertmanager_api import NAME
from analyzer.notify.channels.message import Message
from analyzer.notify.clock import aware, stored
from analyzer.notify.endpoints import Endpoint
from analyzer.notify.event import cut
from analyzer.notify.wire.answer import Verdict, judge
from analyzer.notify.wire.transport import Transport
from analyzer.store.database import Store

LOG = logging.getLogger(__name__)

MOST = 2_000_000
"""Bytes of an answer that are read."""

MAX_SILENCES = 50


@dataclass(frozen=True, slots=True)
class OutsideSilence:
    """A silence over an incident in a system that we feed; `where` is our endpoint's name."""

    where: str
    silence: str
    until: datetime
    author: str
    comment: str
    url: str


def read_silences(store: Store, to: Endpoint, *, transport: Transport) -> int:
    """Ask the endpoint's Alertmanager which of our alerts are silenced, and keep the answer.

    Returns how many silences there are. What cannot be read leaves the last answer as it was.
    """
    base = to.url.split("/api/v2/", 1)[0]
    alerts = _ask(
        f"{base}/api/v2/alerts?silenced=true&inhibited=true&filter="
        + quote(f'alertname="{NAME}"', safe=""),
        transport,
    )
    if not isinstance(alerts, list):
        return 0
    held = [pair for alert in alerts for pair in _silenced(alert)]
    known = {silence for _, silence in held}
    found = {name: _ask(f"{base}/api/v2/silence/{quote(name, safe='')}", transport)
             for name in sorted(known)[:MAX_SILENCES]}  # fmt: skip
    with store.transaction() as tx:
        tx.execute("outside_forget", endpoint=to.id)
        for incident, name in held:
            silence = found.get(name)
            if isinstance(silence, Mapping) and (until := _moment(silence.get("endsAt"))):
                tx.execute(
                    "outside_keep",
                    endpoint=to.id,
                    incident=incident,
                    silence=name,
                    until=stored(until),
                    author=cut(str(silence.get("createdBy", ""))),
                    comment=cut(str(silence.get("comment", ""))),
                    url=f"{base}/#/silences/{quote(name, safe='')}",
                )
    return len(known)


def outside_silences(store: Store, incident: str, *, now: datetime) -> list[OutsideSilence]:
    """Those over the incident that still hold, by the name of the endpoint."""
    rows = store.rows("outside_silences", incident=incident, now=stored(now))
    return [
        OutsideSilence(where, silence, aware(until), author, comment, url)
        for where, silence, until, author, comment, url in rows
    ]


def _ask(url: str, transport: Transport) -> Any:
    answer = transport.send(
        Message(url, b"", method="GET", reads=MOST), {"User-Agent": "Partywall"}
    )
    if judge(answer) is not Verdict.DELIVERED:
        LOG.warning("silences cannot be read: %s", answer.error)
        return None
    try:
        return json.loads(answer.body)
    except ValueError:
        LOG.warning("silences cannot be read: the answer is no JSON")
        return None


def _silenced(alert: object) -> list[tuple[str, str]]:
    """(incident, silence) of one alert."""
    if not isinstance(alert, Mapping):
        return []
    labels, status = alert.get("labels"), alert.get("status")
    incident = labels.get("incident") if isinstance(labels, Mapping) else None
    names = status.get("silencedBy") if isinstance(status, Mapping) else None
    if not isinstance(incident, str) or not isinstance(names, list):
        return []
    return [(incident, name) for name in names if isinstance(name, str) and name.isprintable()]


def _moment(text: object) -> datetime | None:
    try:
        at = datetime.fromisoformat(str(text))
    except ValueError:
        return None
    return at if at.tzinfo else None
