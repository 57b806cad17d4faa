"""Usage read by days where they say enough is the usage read by hours."""

from __future__ import annotations

from datetime import datetime, timedelta

import polars as pl
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from analyzer.cost.usage import Use, read_use
from analyzer.store.database import Store
from analyzer.store.reader import Reader
from analyzer.usage import rollup
from analyzer.usage.rollup import RetentionSettings
from tests.analyzer.cost import house
from tests.analyzer.cost.house import CAST, MONDAY, WEEK, Hour, add, place, resource, tenant

HOUR_US = 3_600_000_000
SHARDS = ("db:shard-1", "db:shard-2", "db:shard-3")


@pytest.fixture
def store(shelf: Store) -> Store:
    clear(shelf)
    return shelf


def clear(store: Store) -> None:
    house.empty(store)
    for table in ("usage_1d", "peaks_1d", "dirty", "segments"):
        house.sql(store, f"DELETE FROM {table}")  # noqa: S608


def sum_days(store: Store, days: list[int], until: datetime = WEEK.end) -> None:
    """As the job does when these days of the week (0: Monday) are dirty."""
    for day in days:
        at = house.plain(MONDAY + timedelta(days=day))
        house.sql(store, "INSERT INTO dirty VALUES ('1d', ?)", at)
    newest = house.plain(until + timedelta(hours=1))
    house.sql(store, "INSERT INTO segments (id, newest) VALUES ('s', ?)", newest)
    rollup.roll_up(store, now=until + timedelta(hours=1), settings=RetentionSettings())


def used(store: Store, start: datetime = MONDAY, end: datetime = WEEK.end) -> Use:
    with store.reader() as reader:
        return read_use(reader, start, end)


def said(use: Use) -> dict[str, list[tuple[object, ...]]]:
    return {name: frame.rows() for name, frame in use.by_resource.items()}


hours = st.lists(
    st.builds(
        Hour,
        at=st.integers(0, 167),
        tenant=st.sampled_from([*CAST, ""]),
        resource=st.sampled_from(SHARDS),
        busy_us=st.integers(0, HOUR_US) | st.none(),
        count=st.integers(0, 1 << 60) | st.none(),
        volume=st.integers(0, 1 << 60) | st.none(),
        family=st.sampled_from(["query", "request"]),
    ),
    max_size=30,
)


@settings(
    max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(
    hours=hours,
    days=st.sets(st.integers(0, 6)),
    capacity=st.sampled_from([None, 0.3, 0.8, 1.0, 4.0]),
    floor=st.sampled_from([None, 0.5]),
    since=st.sampled_from([0, 5, 24, 30, 100]),
    until=st.sampled_from([168, 167, 150, 144, 101]),
)
def test_days_and_hours_say_the_same(store, hours, days, capacity, floor, since, until) -> None:
    clear(store)
    resource(store, SHARDS[0], capacity)
    resource(store, SHARDS[1], capacity)
    tenant(store, "acme", floor=floor)
    place(store, "acme", SHARDS[1])
    place(store, "hooli", SHARDS[0])
    add(store, hours)
    interval = (MONDAY + timedelta(hours=since), MONDAY + timedelta(hours=until))
    by_hours = said(used(store, *interval))
    sum_days(store, sorted(days))
    assert said(used(store, *interval)) == by_hours


def test_hours_are_not_read_where_days_say_it_all(store) -> None:
    resource(store, SHARDS[0], 1.0)
    add(store, [Hour(h, "acme", SHARDS[0], HOUR_US // 2, 10, 20) for h in range(168)])
    sum_days(store, list(range(7)))
    before = said(used(store))
    house.sql(store, "DELETE FROM hot_1h")
    assert said(used(store)) == before
    assert before[SHARDS[0]] == [("acme", 84 * HOUR_US, 0, 84 * HOUR_US, 1680, 3360)]


def test_a_week_of_another_zone_reads_only_its_edges_by_the_hour(store) -> None:
    """Its days begin at 23:00 UTC; full hours at its edges are scaled down all the same."""
    resource(store, SHARDS[0], 1.0)
    week = (MONDAY - timedelta(hours=1), WEEK.end - timedelta(hours=1))
    busy = [Hour(h, "acme", SHARDS[0], HOUR_US // 2) for h in range(-1, 167)]
    add(store, busy)
    sum_days(store, list(range(7)))
    at = house.plain(MONDAY + timedelta(days=1))
    rest = house.plain(MONDAY + timedelta(days=2))
    house.sql(store, "DELETE FROM hot_1h WHERE ts >= ? AND ts < ?", at, rest)
    assert said(used(store, *week))[SHARDS[0]][0][1:4] == (84 * HOUR_US, 0, 84 * HOUR_US)
    add(store, [Hour(at, "globex", SHARDS[0], HOUR_US) for at in (-1, 166)])
    house.sql(store, "DELETE FROM peaks_1d")
    by_hours = said(used(store, *week))
    sum_days(store, list(range(6)))
    assert said(used(store, *week)) == by_hours


def test_an_hour_that_fills_up_late_is_scaled_down(store) -> None:
    resource(store, SHARDS[0], 1.0)
    add(store, [Hour(3, name, SHARDS[0], HOUR_US) for name in ("acme",)])
    sum_days(store, [0])
    assert said(used(store))[SHARDS[0]][0][1] == HOUR_US
    add(store, [Hour(3, "globex", SHARDS[0], HOUR_US)])
    sum_days(store, [0])
    rows = said(used(store))[SHARDS[0]]
    assert [(row[0], row[1]) for row in rows] == [("acme", HOUR_US // 2), ("globex", HOUR_US // 2)]


def test_what_comes_between_sums_and_peaks_is_scaled_down(store, monkeypatch) -> None:
    resource(store, SHARDS[0], 1.0)
    add(store, [Hour(3, "acme", SHARDS[0], HOUR_US)])
    sum_days(store, [0])
    frame = Reader.frame

    def late(reader: Reader, name: str, /, **given: object) -> pl.DataFrame:
        found = frame(reader, name, **given)
        if name == "cost_day_rows":
            add(store, [Hour(3, "globex", SHARDS[0], HOUR_US)])
            sum_days(store, [0])
        return found

    monkeypatch.setattr(Reader, "frame", late)
    rows = said(used(store))[SHARDS[0]]
    assert [(row[0], row[1]) for row in rows] == [("acme", HOUR_US // 2), ("globex", HOUR_US // 2)]


def test_peaks_go_with_their_hours(store) -> None:
    add(store, [Hour(h, "acme", SHARDS[0], HOUR_US) for h in range(48)])
    sum_days(store, [0, 1])
    assert summed(store) == [0, 1]
    rollup.retain(store, now=MONDAY + timedelta(days=401), settings=RetentionSettings())
    assert summed(store) == [1]


def summed(store: Store) -> list[int]:
    week = {"low": house.plain(MONDAY), "high": house.plain(WEEK.end)}
    monday = house.plain(MONDAY)
    return sorted((row[0] - monday).days for row in store.rows("cost_summed_days", **week))
