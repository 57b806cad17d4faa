"""Ten seconds to minutes to hours to days."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from analyzer.ingest import Ingest
from analyzer.store.database import Store
from analyzer.usage import rollup
from analyzer.usage.rollup import RetentionSettings
from collector.model import USAGE_SCHEMA, UsageRows
from tests.analyzer.ingest.door import SPOOL, FakeDoor, _ask

AT = datetime(2026, 1, 5, tzinfo=UTC)
KEEP = RetentionSettings(ten_seconds_h=26, minutes_d=15)


class Usage:
    """A store one can put rows into."""

    def __init__(self, store: Store | None = None) -> None:
        self.store = store or Store.open(None, threads=1)
        self._door = FakeDoor()
        self._number = 0

    def put(self, *rows: dict[str, Any], now: float = 0) -> None:
        """Rows with `at` in seconds after AT, drained `now` seconds after AT."""
        named = {"window_s": 10, "tenant": "acme", "resource": "db:shard-1", "family": "query"}
        whole = [
            {**named, **row, "ts": (AT + timedelta(seconds=row["at"])).replace(tzinfo=None)}
            for row in rows
        ]
        arrays = [pa.array([row.get(f.name) for row in whole], f.type) for f in USAGE_SCHEMA]
        self._number += 1
        self._door.put(self._number, [UsageRows(pa.table(arrays, schema=USAGE_SCHEMA))])
        Ingest(self.store, door=self._door).drain(SPOOL, now=AT + timedelta(seconds=now))

    def roll(self, seconds: float = 10**9, keep: RetentionSettings = KEEP) -> int:
        return rollup.roll_up(self.store, now=AT + timedelta(seconds=seconds), settings=keep)

    def retain(self, seconds: float, keep: RetentionSettings = KEEP) -> int:
        return rollup.retain(self.store, now=AT + timedelta(seconds=seconds), settings=keep)

    def rows(self, grain: str, columns: str = '"count"') -> list[tuple[Any, ...]]:
        sql = f"SELECT {columns} FROM usage_{grain} ORDER BY ts, window_s, tenant, bounds"  # noqa: S608
        return _ask(self.store, sql)

    def total(self, grain: str) -> int:
        return int(_ask(self.store, f'SELECT sum("count") FROM usage_{grain}')[0][0])  # noqa: S608


@pytest.fixture
def usage() -> Iterator[Usage]:
    made = Usage()
    yield made
    made.store.close()


DAY = 86_400


@pytest.mark.parametrize("part", [200_000, 1])
def test_sums_add_up_through_all_grains(usage, monkeypatch, part: int) -> None:
    monkeypatch.setattr("analyzer.usage.rollup._PART", part)
    usage.put(*[{"at": 600 * k, "count": k, "busy_us": 2 * k} for k in range(2 * 144)])
    usage.put({"at": 2 * DAY, "count": 0, "busy_us": 0}, {"at": 2 * DAY + 60, "count": 0})
    usage.roll()
    everything = sum(range(2 * 144))
    for grain in ("10s", "1m", "1h", "1d"):
        found = usage.rows(grain, 'sum("count") OVER (), sum(busy_us) OVER ()')[0]
        assert found == (everything, 2 * everything), grain


def test_lock_waits_add_up_through_all_grains_and_unknown_stays_unknown(usage) -> None:
    usage.put(*[{"at": 600 * k, "blocked_us": k, "tenant": "acme"} for k in range(2 * 144)])
    usage.put(*[{"at": 600 * k, "count": k, "tenant": "globex"} for k in range(2 * 144)])
    usage.put({"at": 2 * DAY, "count": 0}, {"at": 2 * DAY + 60, "count": 0})
    usage.roll()
    for grain in ("10s", "1m", "1h", "1d"):
        found = usage.rows(grain, "tenant, sum(blocked_us) OVER (PARTITION BY tenant)")
        assert dict(found) == {"acme": sum(range(2 * 144)), "globex": None}, grain


def test_gauges_are_averaged_over_the_windows_that_spoke_and_tenant_rows_add_up(usage) -> None:
    usage.put(
        {"at": 0, "waiting": 4.0}, {"at": 0, "waiting": 2.0}, {"at": 20, "waiting": 3.0},
        {"at": 40, "count": 1}, {"at": 300, "count": 1},
    )  # fmt: skip
    usage.roll()
    assert usage.rows("1m", "ts, sum(waiting) OVER (PARTITION BY ts)")[0][1] == pytest.approx(4.5)


def test_rows_of_other_bounds_stay_apart_and_the_mean_is_not_doubled(usage) -> None:
    with usage.store.transaction() as tx:
        tx.load("add_latency_bounds", pa.table({"id": [7], "bounds": [[0.1]]}))
    usage.put({"at": 0, "b00": 3, "waiting": 6.0}, {"at": 300, "count": 1})
    columns = "ts, 10, 'acme', 'db:shard-1', 'query', 7, 5"
    sql = f"INSERT INTO hot_10s (ts, window_s, tenant, resource, family, bounds, b00) SELECT {columns} FROM usage_10s LIMIT 1"  # noqa: S608,E501
    usage.store._connection.execute(sql)
    usage.roll()
    found = usage.rows("1m", "bounds, b00, waiting")
    assert found == [(0, 3, 6.0), (7, 5, None)]


def test_a_mean_is_whole_where_the_bounds_changed_meanwhile(usage) -> None:
    with usage.store.transaction() as tx:
        tx.load("add_latency_bounds", pa.table({"id": [7], "bounds": [[0.1]]}))
    usage.put({"at": 0, "waiting": 4.0}, {"at": 10, "waiting": 2.0}, {"at": 300, "count": 1})
    columns = "ts + INTERVAL 10 SECOND, 10, 'acme', 'db:shard-1', 'query', 7, 3.0"
    sql = f"INSERT INTO hot_10s (ts, window_s, tenant, resource, family, bounds, waiting) SELECT {columns} FROM usage_10s WHERE waiting IS NOT NULL"  # noqa: S608,E501
    usage.store._connection.execute(sql)  # at 10 s once more, and at 20 s
    usage.roll()
    found = dict(usage.rows("1m", "bounds, waiting"))
    assert found == {None: 6 / 3, 7: 6 / 3}, "4, 2 + 3 and 3: 4 a window"


def test_only_complete_windows_are_rolled_up(usage) -> None:
    usage.put({"at": 0, "count": 1}, {"at": 50, "count": 1})
    usage.roll()
    assert (usage.rows("1m"), rollup.watermark(usage.store)) == ([], AT + timedelta(seconds=50))
    usage.put({"at": 60, "count": 1})
    usage.roll()
    assert usage.rows("1m") == [(2,)]


def test_the_watermark_is_the_newest_sample_less_the_grace_but_never_beyond_now(usage) -> None:
    assert rollup.watermark(usage.store) is None
    usage.put({"at": 1000, "count": 1})
    usage.roll(500)
    assert rollup.watermark(usage.store) == AT + timedelta(seconds=490)
    usage.roll(2000)
    assert rollup.watermark(usage.store) == AT + timedelta(seconds=1000)
    usage.roll(100)
    assert rollup.watermark(usage.store) == AT + timedelta(seconds=1000)


def test_nothing_new_is_nothing_done(usage) -> None:
    usage.put({"at": 0, "count": 1}, {"at": DAY, "count": 1})
    assert usage.roll() > 0
    assert usage.roll() == 0


def test_late_rows_redo_their_minute_hour_and_day(usage) -> None:
    usage.put({"at": 0, "count": 1}, {"at": 2 * DAY, "count": 1})
    usage.roll()
    usage.put({"at": 30, "count": 10})
    usage.roll()
    assert [usage.rows(grain)[0] for grain in ("1m", "1h", "1d")] == [(11,)] * 3


def test_retention_keeps_each_grain_as_long_as_it_should(usage) -> None:
    usage.put(*[{"at": DAY * k, "count": 1} for k in range(20)])
    usage.roll()
    usage.retain(DAY * 20)
    oldest = [usage.rows(grain, "ts")[0][0].day for grain in ("10s", "1m", "1h")]
    assert oldest == [24, 10, 5]
    assert usage.retain(DAY * 20) == 0


def test_late_rows_of_a_time_given_up_are_added_once(usage) -> None:
    usage.put({"at": 0, "count": 5}, {"at": 3 * DAY, "count": 1})
    usage.roll()
    usage.retain(3 * DAY)
    usage.put({"at": 0, "count": 2})
    usage.roll()
    usage.put({"at": 20, "count": 1})
    usage.roll()
    assert usage.rows("1m") == [(5,), (2,), (1,)]  # rows of a window add up
    assert (usage.rows("1h")[0], usage.rows("1d")[0]) == ((8,), (8,))


def test_what_is_not_rolled_up_yet_is_not_given_up(usage) -> None:
    usage.put({"at": 0, "count": 5})
    usage.retain(30 * DAY)
    assert usage.total("10s") == 5


def test_ledgers_are_pruned_but_know_how_far_the_data_reaches(usage) -> None:
    for at in (10, 50, 30):
        usage.put({"at": at, "count": 1})
    usage.put({"at": 40, "count": 1}, now=30 * DAY)
    usage.retain(30 * DAY)
    found = _ask(usage.store, "SELECT newest FROM segments ORDER BY newest")
    assert [(newest - AT.replace(tzinfo=None)).seconds for (newest,) in found] == [50, 60]
    usage.roll()
    assert rollup.watermark(usage.store) == AT + timedelta(seconds=50)


def test_after_days_of_standstill_a_drained_segment_is_still_known(usage) -> None:
    """Its file may be there yet (killed before the discard), and this runs before the drain."""
    usage.put({"at": 10, "count": 1})
    usage.put({"at": 30, "count": 2})
    usage.retain(30 * DAY)
    assert _ask(usage.store, "SELECT count(*) FROM segments") == [(2,)]


BAD = [
    (RetentionSettings(ten_seconds_h=0), "retention.ten_seconds_h"),
    (RetentionSettings(grace_s=-1), "retention.grace_s"),
    (RetentionSettings(minutes_d=500), "coarser"),
]


@pytest.mark.parametrize(("settings", "named"), BAD)
def test_settings_that_cannot_be_name_their_key(settings, named) -> None:
    assert any(named in problem for problem in settings.problems())
    assert RetentionSettings().problems() == []


arrivals = st.lists(
    st.lists(
        st.fixed_dictionaries(
            {
                "at": st.integers(0, 3 * 8640).map(lambda k: 10 * k),
                "count": st.integers(0, 100),
                "tenant": st.sampled_from(["acme", "globex"]),
                "window_s": st.sampled_from([10, 10, 60, 300]),
            }
        ),
        min_size=1,
        max_size=8,
    ),
    min_size=1,
    max_size=3,
)


@settings(max_examples=8, deadline=None)
@given(batches=arrivals, retain=st.booleans())
def test_however_late_rows_come_the_days_say_what_was_sent(batches, retain) -> None:
    usage = Usage()
    usage.put({"at": 9 * DAY, "count": 0})
    sent: dict[tuple[datetime, str], int] = {}
    for batch in batches:
        usage.put(*batch)
        usage.roll()
        if retain:
            usage.retain(9 * DAY, RetentionSettings(ten_seconds_h=26, minutes_d=2))
        for row in batch:
            day = AT.replace(tzinfo=None) + timedelta(days=row["at"] // DAY)
            sent[day, row["tenant"]] = sent.get((day, row["tenant"]), 0) + row["count"]
    sql = 'SELECT ts, tenant, sum("count") FROM usage_1d GROUP BY ALL'
    assert {(ts, tenant): n for ts, tenant, n in _ask(usage.store, sql)} == sent
    usage.store.close()


def test_many_tenants_are_summed_in_parts_and_each_once(usage, monkeypatch) -> None:
    rows = [
        {"at": 10 * k, "tenant": f"t{n}", "count": n + 1, "waiting": float(n)}
        for k in range(12)
        for n in range(40)
    ]
    usage.put(*rows)
    monkeypatch.setattr("analyzer.usage.rollup._PART", 100)
    usage.roll()
    found = usage.rows("1m", 'tenant, sum("count") OVER (PARTITION BY tenant), waiting')
    assert len(found) == 40, "the newest minute may still grow"
    assert {(name, int(count)) for name, count, _ in found} == {
        (f"t{n}", 6 * (n + 1)) for n in range(40)
    }
    assert {(name, mean) for name, _, mean in found} == {(f"t{n}", float(n)) for n in range(40)}
