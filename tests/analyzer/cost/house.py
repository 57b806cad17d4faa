"""A store with a little usage in it, written straight into the hourly roll-up."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from analyzer.cost.engine import make_statement
from analyzer.cost.settings import CostSettings
from analyzer.cost.statement import Statement
from analyzer.cost.weeks import Week, parse_week
from analyzer.store.database import Store

CAST = ("acme", "globex", "hooli", "initech", "umbrella")
WEEK = parse_week("2026-W47", "UTC")
MONDAY = WEEK.start


@dataclass(frozen=True)
class Hour:
    """One hour of one tenant; `at` counts hours from the Monday of the week."""

    at: int
    tenant: str
    resource: str
    busy_us: int | None = 0
    count: int | None = None
    volume: int | None = None
    family: str = "query"


def sql(store: Store, text: str, *values: object) -> None:
    store._connection.execute(text, list(values))


def add(store: Store, hours: Iterable[Hour], monday: datetime = MONDAY) -> None:
    for h in hours:
        ts = (monday + timedelta(hours=h.at)).replace(tzinfo=None)
        sql(
            store,
            'INSERT INTO hot_1h (ts, window_s, tenant, resource, family, busy_us, "count",'
            " volume) VALUES (?, 3600, ?, ?, ?, ?, ?, ?)",
            ts, h.tenant, h.resource, h.family, h.busy_us, h.count, h.volume,
        )  # fmt: skip


def resource(store: Store, name: str, capacity: float | None, kind: str = "database") -> None:
    sql(
        store,
        "INSERT INTO resources (id, kind, capacity) VALUES (?, ?, ?)",
        name, kind, capacity,
    )  # fmt: skip


def tenant(
    store: Store,
    name: str,
    *,
    plan: str = "",
    title: str = "",
    floor: float | None = None,
    price_minor: int | None = None,
    created_at: datetime | None = None,
    deleted_at: datetime | None = None,
) -> None:
    sql(
        store,
        'INSERT INTO tenants (id, name, plan, "floor", price_minor, created_at, deleted_at)'
        " VALUES (?, ?, ?, ?, ?, ?, ?)",
        name, title, plan, floor, price_minor, plain(created_at), plain(deleted_at),
    )  # fmt: skip


def place(
    store: Store,
    name: str,
    on: str,
    isolation: str = "shared",
    since: datetime = datetime(2026, 1, 1, tzinfo=UTC),
    until: datetime | None = None,
) -> None:
    sql(
        store,
        "INSERT INTO placements (tenant, resource, isolation, from_ts, to_ts)"
        " VALUES (?, ?, ?, ?, ?)",
        name, on, isolation, plain(since), plain(until),
    )  # fmt: skip


def complete_until(store: Store, moment: datetime) -> None:
    sql(store, "DELETE FROM watermark")
    sql(store, "INSERT INTO watermark VALUES (?)", plain(moment))


def empty(store: Store) -> None:
    for table in ("hot_1h", "resources", "tenants", "placements", "statements", "watermark"):
        sql(store, f"DELETE FROM {table}")  # noqa: S608


def plain(moment: datetime | None) -> datetime | None:
    return None if moment is None else moment.astimezone(UTC).replace(tzinfo=None)


def statement(
    store: Store,
    settings: CostSettings,
    week: Week = WEEK,
    until: datetime | None = None,
    before: dict[str, int] | None = None,
) -> Statement:
    with store.reader() as reader:
        return make_statement(
            reader,
            week,
            settings,
            until=until or week.end,
            status="provisional",
            before=before or {},
        )
