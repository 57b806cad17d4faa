"""Finished rows from the native door."""

from __future__ import annotations

from datetime import datetime
from typing import Any

import pyarrow as pa
import pytest

from analyzer.ingest import Drained, Ingest
from collector.model import LATENCY_BOUNDS, USAGE_SCHEMA, UsageRows
from tests.analyzer.ingest.door import NOW, SPOOL, FakeDoor, _ask, sums

AT = datetime(2026, 1, 5, 12, 0)  # noqa: DTZ001 - the store keeps UTC without zone


def table(*rows: dict[str, Any], bounds: list[list[float] | None] | None = None) -> pa.Table:
    named = {"ts": AT, "window_s": 10, "tenant": "acme", "resource": "db:shard-1"}
    whole = [{"family": "request", **named, **row} for row in rows]
    columns = {f.name: pa.array([row.get(f.name) for row in whole], f.type) for f in USAGE_SCHEMA}
    made = pa.table(list(columns.values()), schema=USAGE_SCHEMA)
    if bounds is None:
        return made
    return made.append_column("latency_bounds", pa.array(bounds, pa.list_(pa.float64())))


def drain(store, *frames: UsageRows, generation: str = "g1") -> Drained:
    door = FakeDoor()
    for number, frame in enumerate(frames):
        door.put(number, [frame], generation)
    return Ingest(store, door=door).drain(SPOOL, now=NOW)


def test_rows_arrive_as_they_are(store) -> None:
    drained = drain(store, UsageRows(table({"count": 5, "busy_us": 7, "waiting": 2.5})))
    assert (drained.rows, drained.newest) == (
        1,
        datetime.fromisoformat("2026-01-05T12:00:10+00:00"),
    )
    totals = sums(store)
    assert (totals["count"], totals["busy_us"], totals["waiting"], totals["errors"]) == (
        5,
        7,
        2.5,
        None,
    )


def test_lock_waits_arrive_and_rows_spooled_before_they_were_known_do_too(store) -> None:
    new = table({"count": 1, "blocked_us": 3, "blocking_us": 4})
    old = table({"count": 2}).drop_columns(["blocked_us", "blocking_us"])
    drain(store, UsageRows(new), UsageRows(old))
    found = _ask(store, 'SELECT "count", blocked_us, blocking_us FROM usage_10s ORDER BY "count"')
    assert found == [(1, 3, 4), (2, None, None)]


def test_a_batch_counts_once_however_often_it_comes(store) -> None:
    batch = UsageRows(table({"count": 5}), "batch-1")
    first = drain(store, batch, batch)
    again = drain(store, batch, UsageRows(table({"count": 1}), "batch-2"), generation="g2")
    assert (first.repeated, again.repeated, sums(store)["count"]) == (1, 1, 6)


def test_rows_without_a_batch_id_always_count(store) -> None:
    drain(store, UsageRows(table({"count": 5})), UsageRows(table({"count": 5})))
    assert sums(store)["count"] == 10


def test_ten_windows_of_a_second_say_what_one_of_ten_says(store) -> None:
    seconds = [
        {"ts": AT.replace(second=k), "window_s": 1, "count": 3, "waiting": 4.0} for k in range(10)
    ]
    drain(store, UsageRows(table(*seconds)))
    found = _ask(store, "SELECT DISTINCT ts, window_s FROM usage_10s")
    totals = sums(store)
    assert (found, totals["count"]) == ([(AT, 10)], 30)
    assert totals["waiting"] == pytest.approx(4.0)


def test_longer_windows_stay_as_they_are(store) -> None:
    at = AT.replace(second=15)
    drain(store, UsageRows(table({"ts": at, "window_s": 60, "count": 3})))
    assert _ask(store, "SELECT ts, window_s FROM usage_10s") == [(at, 60)]


def test_bounds_of_their_own_get_an_id_and_the_default_is_0(store) -> None:
    rows = table(
        {"b00": 1, "b01": 2}, {"b00": 4}, {"b00": 5}, {"count": 1},
        bounds=[[0.1, 0.5], None, list(LATENCY_BOUNDS), [0.1, 0.5]],
    )  # fmt: skip
    drain(store, UsageRows(rows))
    assert _ask(store, "SELECT bounds FROM usage_10s ORDER BY b00, bounds") == [
        (1,),
        (0,),
        (0,),
        (None,),
    ]
    assert _ask(store, "SELECT bounds FROM latency_bounds WHERE id = 1") == [([0.1, 0.5],)]
    drain(store, UsageRows(table({"b00": 9}, bounds=[[0.1, 0.5]])), generation="g2")
    assert _ask(store, "SELECT bounds FROM usage_10s WHERE b00 = 9") == [(1,)]


BAD_BOUNDS = [[0.5, 0.1], [0.1, 0.1], [float("inf")], [], [float(k) for k in range(40)]]


@pytest.mark.parametrize("bounds", BAD_BOUNDS, ids=["falling", "equal", "infinite", "none", "many"])
def test_buckets_under_impossible_bounds_are_unknown_and_the_rest_counts(store, bounds) -> None:
    drain(store, UsageRows(table({"count": 5, "b00": 5}, bounds=[bounds])))
    totals = sums(store)
    assert (totals["count"], totals["b00"]) == (5, None)


def test_a_row_without_a_window_is_dropped_alone(store) -> None:
    drained = drain(store, UsageRows(table({"window_s": 0, "count": 9}, {"count": 1})))
    assert (drained.invalid, sums(store)["count"]) == (1, 1)


def test_columns_not_sent_are_unknown(store) -> None:
    few = table({"count": 5}).select(["ts", "window_s", "tenant", "resource", "family", "count"])
    drain(store, UsageRows(few))
    totals = sums(store)
    assert (totals["count"], totals["errors"]) == (5, None)
