"""A store with closed weeks to deliver."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime, timedelta
from pathlib import Path

from analyzer.cost.settings import CostSettings, Plan, Price
from analyzer.cost.weeks import Week
from analyzer.reports import close_weeks
from analyzer.store.database import Store
from tests.analyzer.cost import house
from tests.analyzer.cost.house import WEEK, Hour, add

TERMS = CostSettings(prices=(Price("db:shard-1", "1"),), plans=(Plan("pro", "30"),))
BUSY = 600_000_000
TWO = ("acme", "globex")


def weeks(count: int, first: Week = WEEK) -> list[Week]:
    found = [first]
    while len(found) < count:
        found.append(found[-1].next())
    return found


@contextmanager
def closed(count: int, directory: Path, names: tuple[str, ...] = TWO) -> Iterator[Store]:
    """`count` weeks from 2026-W47 on, all closed."""
    store = Store.open(None)
    house.resource(store, "db:shard-1", 1)
    for name in names:
        house.tenant(store, name, plan="pro")
    for week in weeks(count):
        use(store, week, names)
    close(store, weeks(count)[-1].end + timedelta(hours=1), directory)
    yield store
    store.close()


def use(store: Store, week: Week, names: tuple[str, ...] = TWO) -> None:
    add(
        store,
        [Hour(at, name, "db:shard-1", BUSY, 4) for at in range(6) for name in names],
        week.start,
    )


def close(store: Store, now: datetime, directory: Path) -> None:
    house.complete_until(store, now)
    while close_weeks(store, now=now, settings=TERMS, directory=directory):
        pass


def states(store: Store) -> list[tuple[str, int, str, str, str]]:
    """(week, version, delivery, recipient, state), oldest week first."""
    rows = store.rows("report_deliveries", limit=10_000)
    return sorted((w, v, d, r, s) for w, v, d, _, r, s, *_ in rows)
