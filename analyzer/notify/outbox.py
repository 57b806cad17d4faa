"""The outbox: an event is posted in the transaction of the change it tells of."""

from __future__ import annotations

import os
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from fnmatch import fnmatchcase

from analyzer.codec import dump, load
from analyzer.notify.channels import CHANNELS
from analyzer.notify.clock import aware, stored
from analyzer.notify.endpoints import Endpoint, endpoints
from analyzer.notify.event import Entropy, Event, uuid7
from analyzer.store import Store, Transaction
from collector.model import Rejected, Rejection


@dataclass(frozen=True, slots=True)
class Claim:
    """A delivery somebody is about to try. `attempt` counts from 1 and proves who holds it."""

    delivery: str
    attempt: int
    queued_at: datetime
    replay: bool
    event: Event
    lease_until: datetime


def post(
    tx: Transaction, event: Event, *, only: str | None = None, entropy: Entropy = os.urandom
) -> Event:
    """Write the event with the next number of its lane, and a delivery per endpoint that wants it.

    `only` is the one endpoint of a test message. Returns the event as it was written.
    """
    row = tx.row("notify_next_seq", lane=event.lane)
    event = replace(event, seq=row[0] if row else 1)
    now = stored(event.created_at)
    tx.execute(
        "notify_event_insert",
        id=event.id,
        type=event.type,
        lane=event.lane,
        seq=event.seq,
        incident=event.incident.id if event.incident else None,
        ts=stored(event.at),
        created_at=now,
        test=event.test,
        body=dump(event),
    )
    for endpoint in endpoints(tx):
        if _wanted(endpoint, event, only):
            tx.execute(
                "notify_delivery_insert",
                id=f"dlv_{uuid7(event.created_at, entropy)}",
                event=event.id,
                endpoint=endpoint.id,
                lane=event.lane,
                seq=event.seq,
                now=now,
            )
    return event


def _wanted(endpoint: Endpoint, event: Event, only: str | None) -> bool:
    if only is not None:
        return endpoint.id == only
    if endpoint.state == "disabled" or event.lane == endpoint.lane:
        return False
    return not endpoint.events or any(fnmatchcase(event.type, p) for p in endpoint.events)


def claim(
    store: Store, endpoint: Endpoint, *, now: datetime, lease: timedelta, limit: int
) -> list[Claim]:
    """Take the due heads of the endpoint's lanes, oldest first, for `lease`."""
    with store.transaction() as tx:
        if CHANNELS[endpoint.format].supersedes:
            tx.execute("notify_supersede", endpoint=endpoint.id)
        rows = tx.rows("notify_claimable", endpoint=endpoint.id, now=stored(now), limit=limit)
        claims = [
            Claim(delivery, attempt + 1, aware(queued_at), replay, load(body, Event), now + lease)
            for delivery, attempt, queued_at, replay, body in rows
        ]
        ids = [taken.delivery for taken in claims]
        if ids:
            tx.execute("notify_claim", ids=ids, lease_until=stored(now + lease))
    return claims


def replay(store: Store, delivery: str, *, now: datetime) -> None:
    """Send it again under the same id. Raises NOT_FOUND, or CONFLICT while it is on its way."""
    with store.transaction() as tx:
        _replay(tx, delivery, now)


def replay_failed(store: Store, since: datetime, *, now: datetime) -> int:
    """Send again all that died since then, each lane in its order. Returns how many."""
    with store.transaction() as tx:
        rows = tx.rows("notify_failed_since", since=stored(since))
        for (delivery,) in rows:
            tx.execute("notify_replay", id=delivery, now=stored(now))
    return len(rows)


def _replay(tx: Transaction, delivery: str, now: datetime) -> None:
    found = tx.records(
        "notify_deliveries", id=delivery, state=None, endpoint=None, incident=None, limit=1
    )
    if not found:
        raise Rejected(Rejection.NOT_FOUND, f"there is no delivery {delivery}", field="id")
    if found[0]["state"] in ("pending", "in_flight"):
        raise Rejected(Rejection.CONFLICT, "the delivery is still on its way", field="id")
    if found[0]["endpoint"] is None:
        raise Rejected(Rejection.CONFLICT, "its endpoint was deleted", field="id")
    tx.execute("notify_replay", id=delivery, now=stored(now))
