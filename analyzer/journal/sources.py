"""Says when a source falls silent and when it is heard again, once each.

Silence is judged by the clock, not by data: when all sources are silent no new window ever comes.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta

from analyzer.model import EventType
from analyzer.notify.announce import announce
from analyzer.notify.clock import aware, stored
from analyzer.notify.event import Links
from analyzer.store.database import Store
from analyzer.store.reader import Transaction

SILENT_AFTER = timedelta(minutes=3)
FRESH = timedelta(minutes=15)
HEARD_WITHIN = timedelta(days=1)
"""A resource silent for longer is taken as gone, not as broken."""


@dataclass(frozen=True, slots=True)
class Change:
    """A resource that fell silent or came back; `heard` is the end of its newest window."""

    resource: str
    silent: bool
    heard: datetime


def changes(
    heard: Mapping[str, datetime], told: Mapping[str, datetime], *, now: datetime
) -> list[Change]:
    """`heard`: when each resource of the last day was heard last; `told`: whose silence people know
    of, and since when. A clock set back makes nobody silent.
    """
    fell = [
        Change(resource, silent=True, heard=last)
        for resource, last in heard.items()
        if resource not in told and now - last > SILENT_AFTER
    ]
    back = [
        Change(resource, silent=False, heard=heard[resource])
        for resource, since in told.items()
        if resource in heard and heard[resource] > since and now - heard[resource] <= SILENT_AFTER
    ]
    return fell + back


def watch(store: Store, *, now: datetime, up_since: datetime, links: Links) -> list[Change]:
    """Tell what changed, in the transaction that remembers it.

    After a start the spool may hold what came meanwhile, so for a while nobody is called silent.
    """
    with store.reader() as reader:
        since, fresh = stored(now - HEARD_WITHIN), stored(now - FRESH)
        rows = reader.rows("heard_last", since=since, fresh=fresh)
        heard = {name: aware(at) for name, at in rows}
        told = {name: aware(at) for name, at in reader.rows("silent_sources")}
    settling = timedelta(0) <= now - up_since < SILENT_AFTER
    found = [c for c in changes(heard, told, now=now) if not (c.silent and settling)]
    if found:
        with store.transaction() as tx:
            for change in found:
                _tell(tx, change, now, links)
    return found


def _tell(tx: Transaction, change: Change, now: datetime, links: Links) -> None:
    tx.execute("silent_remove", resource=change.resource)
    if change.silent:
        tx.execute("silent_add", resource=change.resource, since=stored(change.heard))
    last = f"{change.heard:%Y-%m-%d %H:%M:%S} UTC"
    summary = (
        f"Nothing is heard of {change.resource} since {last}: nobody on it is judged."
        if change.silent
        else f"{change.resource} is heard again."
    )
    announce(
        tx,
        EventType.SOURCE_STALE,
        subject=change.resource,
        summary=summary,
        url=links.resource(change.resource),
        now=now,
        links=links,
        facts={
            "resource": change.resource,
            "state": "stale" if change.silent else "back",
            "heard": change.heard.isoformat(),
        },
    )
