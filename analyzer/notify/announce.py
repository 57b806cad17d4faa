"""News that is about no incident: a report is ready, a source went stale."""

from __future__ import annotations

import os
from collections.abc import Mapping
from datetime import datetime

from analyzer.model import EventType
from analyzer.notify.event import Entropy, Event, EventId, Links, cut, event_id
from analyzer.notify.outbox import post
from analyzer.store.reader import Transaction


def announce(
    tx: Transaction,
    kind: EventType,
    *,
    subject: str,
    summary: str,
    url: str,
    now: datetime,
    links: Links,
    facts: Mapping[str, str] | None = None,
    entropy: Entropy = os.urandom,
) -> EventId:
    """Tell every endpoint that wants `kind`, in the caller's transaction.

    News of one `subject` (a week, a source) stays in order; `facts` are shown as they are.
    """
    event = Event(
        id=event_id(now, entropy),
        type=kind.value,
        lane=f"{kind.value}:{subject}",
        seq=0,
        at=now,
        created_at=now,
        summary=cut(summary, 1000),
        url=url,
        facts=tuple((facts or {}).items()),
        links=links,
    )
    return post(tx, event, entropy=entropy).id
