"""A source's silence is told once, and its return once."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime, timedelta

import pytest

from analyzer.journal import sources
from analyzer.journal.sources import Change, changes
from analyzer.notify import EndpointSettings, NotifySettings, sync_endpoints
from analyzer.notify.event import Links
from analyzer.store.database import Store
from tests.analyzer.journal.cast import at

DB = "db:shard-1"
LONG_AGO = at(-600)


@pytest.fixture
def store() -> Iterator[Store]:
    store = Store.open(None)
    sink = EndpointSettings("sink", "https://sink.example/hook")
    sync_endpoints(store, NotifySettings(endpoints=(sink,)), at(0))
    yield store
    store.close()


def heard(store: Store, minute: float) -> None:
    """A window of usage that ends at `minute`."""
    begun = (at(minute) - timedelta(seconds=10)).replace(tzinfo=None)
    for table in ("hot_10s", "hot_1m"):
        text = f"INSERT INTO {table} (ts, window_s, tenant, resource) VALUES (?, 10, 'acme', ?)"  # noqa: S608
        store._connection.execute(text, [begun, DB])


def told(store: Store, now: datetime, up_since: datetime = LONG_AGO) -> list[Change]:
    return sources.watch(store, now=now, up_since=up_since, links=Links())


@pytest.mark.parametrize(
    ("last", "known", "minute", "said"),
    [
        (0, None, 3, []),
        (0, None, 3.1, [True]),
        (0, 0, 9, []),
        (8, 0, 9, [False]),
        (4, 0, 9, []),
        (9, None, 4, []),
    ],
    ids=["three minutes", "longer", "told already", "back", "back and gone", "clock set back"],
)
def test_silence_begins_after_three_minutes_and_ends_with_fresh_usage(last, known, minute, said):
    before = {} if known is None else {DB: at(known)}
    found = changes({DB: at(last)}, before, now=at(minute))
    assert [change.silent for change in found] == said


def test_silence_is_told_once_and_the_return_once_over_restarts(store):
    heard(store, 0)
    assert [c.silent for m in (1, 3, 4, 5, 30) for c in told(store, at(m))] == [True]
    heard(store, 31)
    assert [c.silent for m in (31, 32) for c in told(store, at(m))] == [False]
    assert [c.silent for m in (35, 36) for c in told(store, at(m))] == [True]
    assert store.rows("notify_depth")[0][0] == 3


def test_after_a_start_the_spool_is_given_time(store):
    heard(store, 0)
    assert told(store, at(60), up_since=at(59)) == []
    assert len(told(store, at(63), up_since=at(59))) == 1


def test_what_was_silent_for_a_day_is_gone_and_no_news(store):
    heard(store, 0)
    assert told(store, at(24 * 60 + 5)) == []
