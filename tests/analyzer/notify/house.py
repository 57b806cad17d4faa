"""Shortcuts every test of this room shares: write a change, send what is due."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any

from analyzer.journal import transitions
from analyzer.model import Decision, Transition
from analyzer.notify import (
    Delivered,
    EndpointSettings,
    HttpTransport,
    Links,
    NotifySettings,
    deliver_due,
    sync_endpoints,
)
from analyzer.notify.event import EventId
from analyzer.notify.rules import ConfiguredRules, sync_rules
from analyzer.notify.wire.transport import Transport
from analyzer.store.database import Store
from tests.analyzer.journal.cast import at
from tests.analyzer.notify.receiver import Receiver

LINKS = Links("https://partywall.example")


def listening(
    store: Store, *receivers: Receiver | EndpointSettings, **changes: Any
) -> NotifySettings:
    """Endpoints hook-0, hook-1 ... for the receivers, loopback allowed."""
    settings = NotifySettings(
        endpoints=tuple(
            r if isinstance(r, EndpointSettings) else EndpointSettings(f"hook-{n}", r.url)
            for n, r in enumerate(receivers)
        ),
        **{"allow": ("127.0.0.1/32",), **changes},
    )
    sync_endpoints(store, settings, at(0))
    return settings


def ruled(store: Store, **rules: Any) -> None:
    """The rules a configuration file would hold; see ConfiguredRules."""
    sync_rules(store, ConfiguredRules(**rules), at(0))


def write(
    store: Store, *changes: Transition, now: datetime, decisions: Sequence[Decision] = ()
) -> list[EventId]:
    with store.transaction() as tx:
        return transitions.record(tx, changes, decisions, now=now, links=LINKS)


def deliver(
    store: Store, settings: NotifySettings, now: datetime, transport: Transport | None = None
) -> Delivered:
    """One round with the jitter in the middle."""
    return deliver_due(
        store,
        now=now,
        transport=transport or HttpTransport(settings),
        settings=settings,
        chance=lambda: 0.5,
    )


def states(store: Store) -> list[str]:
    """States of all deliveries, oldest first."""
    records = store.records(
        "notify_deliveries", id=None, state=None, endpoint=None, incident=None, limit=1000
    )
    return [record["state"] for record in reversed(records)]


def reasons(store: Store) -> list[str]:
    """Reasons of all deliveries, oldest first."""
    records = store.records(
        "notify_deliveries", id=None, state=None, endpoint=None, incident=None, limit=1000
    )
    return [record["reason"] for record in reversed(records)]
