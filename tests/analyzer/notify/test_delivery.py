from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import datetime
from typing import Any

import pytest

from analyzer import journal
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
from analyzer.store import Store
from tests.analyzer.journal.cast import at, opened, resolved
from tests.analyzer.notify.receiver import Receiver, receiver

LINKS = Links("https://partywall.example")


@pytest.fixture
def store() -> Iterator[Store]:
    store = Store.open(None)
    yield store
    store.close()


def listening(store: Store, *receivers: Receiver, **changes: Any) -> NotifySettings:
    settings = NotifySettings(
        endpoints=tuple(EndpointSettings(f"hook-{n}", r.url) for n, r in enumerate(receivers)),
        allow=("127.0.0.1/32",),
        **changes,
    )
    sync_endpoints(store, settings, at(0))
    return settings


def write(
    store: Store, *transitions: Transition, now: datetime, decisions: Sequence[Decision] = ()
) -> list[EventId]:
    with store.transaction() as tx:
        return journal.record(tx, transitions, decisions, now=now, links=LINKS)


def deliver(store: Store, settings: NotifySettings, now: datetime) -> Delivered:
    return deliver_due(
        store, now=now, transport=HttpTransport(settings), settings=settings, chance=lambda: 0.5
    )


def test_one_opened_and_one_resolved_message_arrive_in_order(store):
    with receiver() as hook:
        settings = listening(store, hook)
        write(store, opened(), resolved(), now=at(9))
        assert deliver(store, settings, at(9)).delivered == 2
        assert [got.json["type"] for got in hook.got] == ["incident.opened", "incident.resolved"]
        assert [got.json["status"] for got in hook.got] == ["firing", "resolved"]
        assert [got.json["seq"] for got in hook.got] == [1, 2]
