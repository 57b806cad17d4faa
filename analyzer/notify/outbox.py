"""The outbox: an event is posted in the transaction of the change it tells of."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Any

import msgspec

from analyzer.notify.addressing import Desk, choose, desk
from analyzer.notify.channels import CHANNELS
from analyzer.notify.clock import aware, stored
from analyzer.notify.endpoints import Endpoint
from analyzer.notify.event import Entropy, Event, cut, uuid7
from analyzer.notify.settings import NotifySettings
from analyzer.routing import Choice
from analyzer.store.codec import dump, load
from analyzer.store.database import Store
from analyzer.store.reader import Transaction
from collector.model import Rejected, Rejection

LATE_WAITS = timedelta(seconds=60)
"""How long chat and pagers wait with news of a downtime: its end may be caught up in a moment."""

FURTHEST = timedelta(minutes=70)
"""Nothing is ever planned further ahead: a `Retry-After` counts for an hour at most."""


@dataclass(frozen=True, slots=True)
class Claim:
    """A delivery somebody is about to try. `attempt` counts from 1 and proves who holds it;
    `thread` is what the receiver made of the lane before."""

    delivery: str
    attempt: int
    queued_at: datetime
    replay: bool
    event: Event
    lease_until: datetime
    thread: str = ""


def post(
    tx: Transaction,
    event: Event,
    *,
    choices: Sequence[Choice] | None = None,
    at: Desk | None = None,
    entropy: Entropy = os.urandom,
) -> Event:
    """Write the event with the next number of its lane, and a delivery per endpoint: to be sent, or
    skipped with its reason.

    `choices` are given where the rules do not decide (a test, an escalation); `at` is what routing
    knows, when the caller has read it already. Returns the event as it was written.
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
    if choices is None:
        choices = choose(tx, event, at or desk(tx))
    if choices:
        tx.execute(
            "notify_deliveries_insert",
            ids=[f"dlv_{uuid7(event.created_at, entropy)}" for _ in choices],
            event=event.id,
            endpoints=[each.endpoint for each in choices],
            states=["pending" if each.sends else "skipped" for each in choices],
            errors=["" if each.sends else cut(each.detail) for each in choices],
            reasons=[each.reason.value for each in choices],
            lane=event.lane,
            seq=event.seq,
            now=now,
        )
    return event


def claim(
    store: Store, endpoint: Endpoint, *, now: datetime, lease: timedelta, limit: int
) -> list[Claim]:
    """Take the due heads of the endpoint's lanes, oldest first, for `lease`."""
    with store.transaction() as tx:
        channel = CHANNELS.get(endpoint.format)
        if channel is not None and channel.supersedes:
            tx.execute("notify_supersede", endpoint=endpoint.id)
        patience = LATE_WAITS if channel is not None and channel.supersedes else timedelta(0)
        rows = tx.rows(
            "notify_claimable",
            endpoint=endpoint.id,
            now=stored(now),
            patience=stored(now - patience),
            limit=limit,
        )
        claims = [each for row in rows if (each := _claimed(tx, row, now + lease)) is not None]
        ids = [taken.delivery for taken in claims]
        if ids:
            tx.execute("notify_claim", ids=ids, lease_until=stored(now + lease))
        if channel is None or channel.understood is None:
            return claims
        lanes = [each.event.lane for each in claims]
        threads = dict(tx.rows("notify_threads", endpoint=endpoint.id, lanes=lanes))
    return [replace(each, thread=threads.get(each.event.lane, "")) for each in claims]


def _claimed(tx: Transaction, row: tuple[Any, ...], until: datetime) -> Claim | None:
    """An event that cannot be read any more dies alone; its lane goes on without it."""
    delivery, attempt, queued_at, replayed, body = row
    try:
        event = load(body, Event)
    except (ValueError, msgspec.ValidationError) as broken:
        tx.execute("notify_bury", id=delivery, error=cut(f"the event is unreadable: {broken}"))
        return None
    return Claim(delivery, attempt + 1, aware(queued_at), replayed, event, until)


def replan(store: Store, *, now: datetime, jumped: bool) -> None:
    """Make due what a clock ahead of `now` had planned; `jumped`: it was set back just now."""
    furthest = stored(now + FURTHEST)
    longest = stored(now) if jumped else furthest
    with store.transaction() as tx:
        tx.execute("notify_replan", now=stored(now), longest=longest, furthest=furthest)
        tx.execute("notify_release", longest=longest)


def replay(store: Store, delivery: str, *, now: datetime) -> None:
    """Send it again under the same id. Raises NOT_FOUND, or CONFLICT while it is on its way."""
    with store.transaction() as tx:
        _replay(tx, delivery, now)


def replay_many(store: Store, ids: Sequence[str], *, now: datetime) -> int:
    """Send these again, all or none, each lane in its order. Raises as `replay`."""
    with store.transaction() as tx:
        for delivery in dict.fromkeys(ids):
            _replay(tx, delivery, now)
    return len(dict.fromkeys(ids))


def replay_failed(store: Store, since: datetime, *, now: datetime) -> int:
    """Send again all that died since then, each lane in its order. Returns how many."""
    with store.transaction() as tx:
        rows = tx.rows("notify_failed_since", since=stored(since))
        for (delivery,) in rows:
            tx.execute("notify_replay", id=delivery, now=stored(now))
    return len(rows)


def prune(store: Store, settings: NotifySettings, *, now: datetime) -> None:
    """Forget attempts and finished deliveries older than `keep_days`."""
    before = stored(now - timedelta(days=settings.keep_days))
    with store.transaction() as tx:
        tx.execute("notify_prune_attempts", before=before)
        tx.execute("notify_prune_deliveries", before=before)
        tx.execute("notify_prune_threads")


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
