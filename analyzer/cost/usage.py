"""What the store knows of an interval, in the shape the split needs."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from decimal import Decimal

import polars as pl

from analyzer.store.reader import Reader
from collector.model import UNKNOWN_TENANT, Family

_COUNTED = (Family.REQUEST, Family.QUEUE, Family.QUERY, Family.CACHE)
_DRIVERS = ("demand", "own", "busy", "count", "volume")
_DAY = timedelta(days=1)
_HOUR_US = 3_600_000_000


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
    days = {"low": start, "high": end - _DAY}
    run = _longest_run(sorted({row[0] for row in reader.rows("cost_summed_days", **days)}))
    if run is None:
        yield _by_hours(reader, start, end, None)
        return
    first, after = run
    edges = {"start": start, "first": first, "after": after, "end": end}
    edged = start < first or after < end
    sums = [reader.frame("cost_day_rows", low=first, high=after)]
    if edged:
        sums.append(reader.frame("cost_edge_sums", **edges))
    # After the sums: what came meanwhile may raise a peak, and then the hours are looked at.
    by_hours = {row[0] for row in reader.rows("cost_reserved")}
    by_hours |= _crowded(
        row[1:] for row in reader.rows("cost_summed_days", **days) if first <= row[0] < after
    )
    if edged:
        by_hours |= _crowded(reader.rows("cost_edge_peaks", **edges))
    for rows in sums:
        yield _summed(rows, by_hours)
    if by_hours:
        yield _by_hours(reader, start, end, sorted(by_hours))


def _crowded(peaks: Iterable[tuple[str, int | None, float | None]]) -> set[str]:
    """Resources of which an hour asked for more than there is, or may have."""
    return {
        resource
        for resource, busy_us, capacity in peaks
        if busy_us is not None and capacity is not None and busy_us > capacity * _HOUR_US - 1
    }


def _by_hours(
    reader: Reader, start: datetime, end: datetime, resources: Sequence[str] | None
) -> pl.DataFrame:
    """Of these resources (None: of all), hour by hour."""
    found = reader.frame(
        "cost_use", start=start, end=end, resources=resources, unknown=UNKNOWN_TENANT
    )
    return found.select("resource", "tenant", pl.col(*_DRIVERS).cast(pl.Int128))


def _longest_run(days: Sequence[datetime]) -> tuple[datetime, datetime] | None:
    """The most days that follow each other: the first, and the one after the last."""
    runs: list[tuple[datetime, datetime]] = []
    for day in days:
        if runs and runs[-1][1] == day:
            runs[-1] = (runs[-1][0], day + _DAY)
        else:
            runs.append((day, day + _DAY))
    return max(runs, key=lambda run: run[1] - run[0], default=None)


def _summed(rows: pl.DataFrame, by_hours: set[str]) -> pl.DataFrame:
    """Where no hour was full and nothing reserved, all that was used was asked for."""
    if by_hours:
        rows = rows.filter(~pl.col("resource").is_in(list(by_hours)))
    busy, count, volume = (
        pl.col(name).cast(pl.Int128).clip(0).fill_null(0) for name in ("busy_us", "count", "volume")
    )
    return rows.select(
        "resource", pl.col("tenant").replace("", UNKNOWN_TENANT), demand=busy,
        own=pl.lit(0, pl.Int128), busy=busy, count=count, volume=volume,
    )  # fmt: skip


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
