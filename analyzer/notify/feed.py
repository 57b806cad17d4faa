"""Says again, once a minute, what an Alertmanager must not forget, and reads its silences back
(alerts design §1.3)."""

from __future__ import annotations

import logging
from datetime import datetime, timedelta

from analyzer.notify.channels.alertmanager_api import render_all
from analyzer.notify.clock import stored
from analyzer.notify.endpoints import Endpoint, endpoints
from analyzer.notify.event import Event
from analyzer.notify.outside import read_silences
from analyzer.notify.wire.answer import Verdict, judge
from analyzer.notify.wire.transport import Transport
from analyzer.store.codec import load
from analyzer.store.database import Store

LOG = logging.getLogger(__name__)

EVERY = timedelta(seconds=60)
RESOLVED_FOR = timedelta(minutes=15)
AT_ONCE = 50


def fed(store: Store) -> list[Endpoint]:
    """The endpoints that want to be told again."""
    with store.reader() as reader:
        return [
            each
            for each in endpoints(reader)
            if each.format == "alertmanager_api" and each.state != "disabled"
        ]


def feed(store: Store, to: Endpoint, *, now: datetime, transport: Transport) -> int:
    """Repeat what fires and what ended lately. Returns how many alerts were taken.

    An incident with a change still under way to this endpoint is left out: the repetition must not
    overtake it. Nothing is retried or logged per alert; the next minute says it again.
    """
    since = stored(now - RESOLVED_FOR)
    rows = store.rows("notify_feed", endpoint=to.id, resolved_since=since)
    events = [load(body, Event) for (body,) in rows]
    taken = 0
    for start in range(0, len(events), AT_ONCE):
        part = events[start : start + AT_ONCE]
        message = render_all(part, to.addressee(), now)
        headers = {"Content-Type": message.content_type, "User-Agent": "Partywall"}
        answer = transport.send(message, headers)
        if judge(answer) is not Verdict.DELIVERED:
            LOG.warning("endpoint %s did not take a repetition: %s", to.name, answer.error)
            break
        taken += len(part)
    read_silences(store, to, transport=transport)
    return taken
