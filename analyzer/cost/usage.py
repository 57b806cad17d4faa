"""What the store knows of an interval, in the shape the split needs."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from decimal import Decimal

import polars as pl

from analyzer.store.reader import Reader
from collector.model import UNKNOWN_TENANT, Family

_COUNTED = (Family.REQUEST, Family.QUEUE, Family.QUERY, Family.CACHE)
_DRIVERS = ("demand", "own", "busy", "count", "volume")
_DAY = timedelta(days=1)


@dataclass(frozen=True, slots=True)
class Tenant:
    """A tenant of the registry; `monthly` overrides the price of its plan."""

    id: str
    name: str
    plan: str
    price_minor: int | None
    created_at: datetime | None
    deleted_at: datetime | None

    def monthly(self, precision: int) -> Decimal | None:
        """Its own agreed price per month, in units of the currency."""
        return None if self.price_minor is None else Decimal(self.price_minor).scaleb(-precision)

    def present(self, start: datetime, end: datetime) -> tuple[datetime, datetime]:
        """The part of the interval in which it existed (start == end: none)."""
        a = max(start, self.created_at or start)
        b = min(end, self.deleted_at or end)
        return (a, b) if a < b else (start, start)


@dataclass(frozen=True, slots=True)
class Resource:
    """`capacity` in seconds of the resource per second; None when unknown."""

    id: str
    kind: str
    capacity: float | None


@dataclass(frozen=True, slots=True)
class Use:
    """Per resource a frame (tenant, demand, own, busy, count, volume as i128); seconds placed.
    `own` is the part of `demand` that was reserved and not used.
    """

    by_resource: Mapping[str, pl.DataFrame]
    placed: Mapping[str, Mapping[str, int]]

    def of(self, resource: str) -> pl.DataFrame:
        return self.by_resource.get(resource, NOTHING)


NOTHING = pl.DataFrame(schema={"tenant": pl.String, **dict.fromkeys(_DRIVERS, pl.Int128)})


def read_use(reader: Reader, start: datetime, end: datetime) -> Use:
    """Usage between two instants, from the hourly roll-up (hours that begin inside).

    Whole days are read from the daily one where no hour of theirs asks for more than the sum does.
    """
    bounds = {"start": naive(start), "end": naive(end)}
    frame = (
        pl.concat(_drivers(reader, bounds["start"], bounds["end"]))
        .group_by("resource", "tenant")
        .agg(pl.col(*_DRIVERS).sum())
        .sort("resource", "tenant")
    )
    parts = frame.partition_by("resource", as_dict=True, include_key=False)
    placed: dict[str, dict[str, int]] = {}
    for resource, tenant, seconds in reader.rows("cost_presence", **bounds):
        placed.setdefault(resource, {})[tenant] = seconds
    return Use({str(key[0]): part for key, part in parts.items()}, placed)


def _drivers(reader: Reader, start: datetime, end: datetime) -> Iterator[pl.DataFrame]:
    """Frames (resource, tenant and the drivers) that add up to the interval."""
    found = reader.rows("cost_summed_days", low=start, high=end - _DAY)
    days = sorted({day for day, *_ in found})
    by_hours = {
        resource
        for _, resource, busy_us, capacity in found
        if capacity is not None and busy_us > capacity * 3_600_000_000 - 1
    }
    if days:
        by_hours.update(row[0] for row in reader.rows("cost_reserved"))
        yield _of_days(reader.frame("cost_day_rows", low=days[0], high=days[-1]), days, by_hours)
    low, high = (start, end) if by_hours else _left_over(days, start, end)
    if low < high or not days:
        hours = reader.frame(
            "cost_use", start=start, end=end, low=low, high=high, days=days,
            resources=list(by_hours), unknown=UNKNOWN_TENANT,
        )  # fmt: skip
        yield hours.select("resource", "tenant", pl.col(*_DRIVERS).cast(pl.Int128))


def _of_days(rows: pl.DataFrame, days: Sequence[datetime], by_hours: set[str]) -> pl.DataFrame:
    """Where no hour was full and nothing reserved, all that was used was asked for."""
    if by_hours or _DAY * len(days) <= days[-1] - days[0]:
        known = pl.col("ts").is_in(days) & ~pl.col("resource").is_in(list(by_hours))
        rows = rows.filter(known)
    busy, count, volume = (
        pl.col(name).cast(pl.Int128).clip(0).fill_null(0) for name in ("busy_us", "count", "volume")
    )
    return rows.select(
        "resource", pl.col("tenant").replace("", UNKNOWN_TENANT), demand=busy,
        own=pl.lit(0, pl.Int128), busy=busy, count=count, volume=volume,
    )  # fmt: skip


def _left_over(
    days: Sequence[datetime], start: datetime, end: datetime
) -> tuple[datetime, datetime]:
    """[start, end) without the days at its beginning and at its end."""
    known = set(days)
    while start in known:
        start += _DAY
    while start < end and end - _DAY in known:
        end -= _DAY
    return start, end


def read_operations(reader: Reader, start: datetime, end: datetime) -> tuple[str, dict[str, int]]:
    """What unit costs are told of, and how many each tenant did: requests where they are counted,
    else jobs, else queries, else cache operations; ("", {}) when nothing is.
    """
    rows = reader.rows("cost_operations", start=naive(start), end=naive(end))
    found: dict[str, dict[str, int]] = {}
    for family, tenant, operations in rows:
        found.setdefault(family, {})[tenant] = int(operations)
    chosen = next((family.value for family in _COUNTED if family in found), "")
    return chosen, found.get(chosen, {})


def read_tenants(reader: Reader, start: datetime, end: datetime) -> dict[str, Tenant]:
    """The registry by id. Who used something between the two instants was there since then, even
    where it was registered later: a platform is often older than its entry.
    """
    first = dict(reader.rows("cost_first_use", start=naive(start), end=naive(end)))
    rows = reader.rows("cost_tenants")
    return {
        ident: Tenant(
            ident, name, plan, price, _earlier(aware(created), aware(first.get(ident))), aware(gone)
        )
        for ident, name, plan, price, created, gone in rows
    }


def _earlier(created: datetime | None, used: datetime | None) -> datetime | None:
    return created if created is None or used is None else min(created, used)


def read_resources(reader: Reader) -> dict[str, Resource]:
    """Known resources by id."""
    return {r[0]: Resource(r[0], r[1] or "", r[2]) for r in reader.rows("cost_resources")}


def naive(moment: datetime) -> datetime:
    """As the store keeps time: UTC without zone."""
    return moment.astimezone(UTC).replace(tzinfo=None)


def aware(moment: datetime | None) -> datetime | None:
    return None if moment is None else moment.replace(tzinfo=UTC)
