"""Test-fire: a ping, or any past incident marked as a test, on the road real messages take."""

from __future__ import annotations

import random
from dataclasses import replace
from datetime import datetime, timedelta

from analyzer.model import EventType
from analyzer.notify.addressing import directly
from analyzer.notify.channels import render
from analyzer.notify.channels.message import Addressee, Message
from analyzer.notify.clock import stored
from analyzer.notify.endpoints import Endpoint
from analyzer.notify.event import Event, Links, event_id
from analyzer.notify.outbox import Claim, post
from analyzer.notify.sender import Clock, attempt
from analyzer.notify.settings import NotifySettings
from analyzer.notify.settle import settle
from analyzer.notify.wire.transport import Transport
from analyzer.store.codec import load
from analyzer.store.database import Store
from analyzer.store.reader import Reader, Transaction
from collector.model import Rejected, Rejection


def fire(
    store: Store,
    to: Endpoint,
    clock: Clock,
    transport: Transport,
    settings: NotifySettings,
    *,
    incident: str | None = None,
) -> str:
    """Send one test message now, once, without a retry. Returns the delivery's id.

    Raises NOT_FOUND when `incident` was never sent to anybody.
    """
    now = clock()
    links = Links(settings.external_url)
    with store.transaction() as tx:
        event = _past(tx, incident, now) if incident else _ping(to.name, links, now)
        event = post(tx, event, choices=directly([to.id]))
        taken = _taken(tx, event, now, timedelta(seconds=settings.lease_s))
    tried = attempt(taken, to, clock, transport)
    settle(store, to.id, [tried], now=clock(), chance=random.random, give_up=timedelta(0))
    return taken.delivery


def preview(
    reader: Reader,
    to: Addressee,
    style: str,
    *,
    now: datetime,
    links: Links,
    incident: str | None = None,
) -> tuple[Event, Message | None]:
    """What `to` would be sent: of a past incident, else of the newest one, else a ping.

    Raises NOT_FOUND when `incident` was never written down.
    """
    if incident:
        event = _past(reader, incident, now)
    else:
        row = reader.row("notify_latest_incident_event")
        event = load(row[0], Event) if row else _ping(to.name, links, now)
    return event, render(event, to, style)


def _ping(name: str, links: Links, now: datetime) -> Event:
    made = event_id(now)
    return Event(
        id=made,
        type=EventType.TEST_PING.value,
        lane=f"test:{made}",
        seq=0,
        at=now,
        created_at=now,
        summary=f"Partywall can reach {name}.",
        url=links.base,
        links=links,
        test=True,
    )


def _past(reader: Reader, incident: str, now: datetime) -> Event:
    row = reader.row("notify_last_event_of_incident", incident=incident)
    if row is None:
        raise Rejected(Rejection.NOT_FOUND, f"nobody was ever told of {incident}", field="incident")
    made = event_id(now)
    past = load(row[0], Event)
    return replace(past, id=made, lane=f"test:{made}", created_at=now, test=True)


def _taken(tx: Transaction, event: Event, now: datetime, lease: timedelta) -> Claim:
    """Claimed in the transaction that wrote it, so that the background sender leaves it alone."""
    row = tx.row("notify_delivery_of_event", event=event.id)
    if row is None:
        raise Rejected(Rejection.NOT_FOUND, "the endpoint was deleted meanwhile", field="id")
    tx.execute("notify_claim", ids=[row[0]], lease_until=stored(now + lease))
    return Claim(row[0], 1, now, replay=False, event=event, lease_until=now + lease)
