"""Whatever door events come in by, the store holds the same integers of them."""

from __future__ import annotations

import time
from collections import Counter
from datetime import UTC, datetime
from pathlib import Path

import pytest

from analyzer.ingest import Ingest
from analyzer.store.database import Store
from collector.model import BUCKETS
from tests.collector.test_doors import BOUNDS, DOORS, TENANTS, events, expected

Sums = Counter[tuple[tuple[str, str, str], str]]

SUMMED = ("count", "errors", "busy_us", *(f"b{k:02d}" for k in range(BUCKETS)))


def stored(directory: Path) -> tuple[Sums, set[tuple[float, ...]]]:
    """Totals by place and column, and the bounds of the buckets, after a drain and another."""
    store = Store.open(None, threads=1)
    now = datetime.fromtimestamp(time.time_ns() / 1e9, UTC)
    for _ in range(2):
        Ingest(store).drain(directory / "spool", now=now)
    rows = store._connection.execute("FROM usage_10s").to_arrow_table().to_pylist()
    bounds = dict(store.rows("latency_bounds"))
    store.close()
    sums: Sums = Counter()
    for row in rows:
        place = (row["tenant"], row["resource"], row["family"])
        for column in SUMMED:
            sums[place, column] += row[column] or 0
    used = {tuple(bounds[row["bounds"]]) for row in rows if row["bounds"] is not None}
    return Counter({key: value for key, value in sums.items() if value}), used


@pytest.mark.parametrize("door", DOORS)
def test_the_same_events_give_the_same_totals_in_the_store(tmp_path, door) -> None:
    done = events(3)
    door(tmp_path, done, time.time_ns() // 1_000_000)
    sums, bounds = stored(tmp_path)
    assert sums == expected(done)
    assert bounds == {BOUNDS}
    assert {place[0] for place, _ in sums} == set(TENANTS)
