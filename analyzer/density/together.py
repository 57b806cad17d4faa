"""Which resources are busy at the same time, and how full each was week by week.

Tenants of resources that peak together gain nothing by sharing one; those that peak apart do.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

import numpy as np

from analyzer.cost.usage import naive, read_resources
from analyzer.density.load import Floats, p95
from analyzer.store.reader import Reader

HOUR_S = 3600
_LEAST_HOURS = 24

Span = tuple[str, datetime, datetime]
"""A resource and from when to when it was in an incident."""


@dataclass(frozen=True, slots=True)
class Together:
    """`correlation` is Pearson's r of the hourly loads, NaN where a load never changed.
    `common` is p95(a + b) / (p95(a) + p95(b)): 1 where they peak together, a half where apart.
    """

    resources: tuple[str, ...]
    correlation: Floats
    common: Floats
    hours: int


@dataclass(frozen=True, slots=True)
class ResourceWeek:
    """A resource in one ISO week (UTC): its packing and how long it was in incidents."""

    resource: str
    week: str
    packing: float
    incident_hours: float


def together(loads: Mapping[str, Floats], most: int) -> Together:
    """Of the `most` busiest resources; loads are of the same hours, one array a resource."""
    ranked = sorted(loads, key=lambda name: (-p95(loads[name]), name))[:most]
    n = len(ranked)
    hours = len(loads[ranked[0]]) if ranked else 0
    if not ranked or hours < _LEAST_HOURS:
        return Together((), np.zeros((0, 0)), np.zeros((0, 0)), hours)
    table = np.stack([loads[name] for name in ranked])
    away = table - table.mean(axis=1, keepdims=True)
    length = np.sqrt((away**2).sum(axis=1))
    with np.errstate(invalid="ignore", divide="ignore"):
        r = (away @ away.T) / np.outer(length, length)
    alone = np.array([p95(row) for row in table])
    common = np.ones((n, n))
    for i in range(n):
        for j in range(i):
            apart = alone[i] + alone[j]
            common[i, j] = common[j, i] = p95(table[i] + table[j]) / apart if apart else np.nan
    return Together(tuple(ranked), np.clip(r, -1, 1), common, hours)


def by_week(
    rows: Iterable[tuple[str, datetime, float]],
    capacity: Mapping[str, float],
    incidents: Sequence[Span],
) -> list[ResourceWeek]:
    """From (resource, hour, load). Resources of unknown capacity are left out; hours without any
    load count as idle, from the first hour any resource was seen in that week.
    """
    loads: dict[tuple[str, str], list[float]] = {}
    hours: dict[str, set[datetime]] = {}
    for resource, ts, busy in rows:
        week = _week(ts)
        hours.setdefault(week, set()).add(ts)
        if capacity.get(resource):
            loads.setdefault((resource, week), []).append(busy)
    burnt = _burnt(incidents)
    return [
        ResourceWeek(
            resource,
            week,
            p95(np.asarray(busy + [0.0] * (len(hours[week]) - len(busy)))) / capacity[resource],
            burnt.get((resource, week), 0.0),
        )
        for (resource, week), busy in sorted(loads.items())
    ]


def _week(at: datetime) -> str:
    year, number, _ = at.isocalendar()
    return f"{year}-W{number:02d}"


def _burnt(incidents: Sequence[Span]) -> dict[tuple[str, str], float]:
    found: dict[tuple[str, str], float] = {}
    for resource, start, end in incidents:
        at = start
        while at < end:
            midnight = at.replace(hour=0, minute=0, second=0, microsecond=0)
            until = min(end, midnight + timedelta(days=8 - at.isoweekday()))
            key = resource, _week(at)
            found[key] = found.get(key, 0.0) + (until - at) / timedelta(hours=1)
            at = until
    return found


def read_together(reader: Reader, now: datetime, *, weeks: int, most: int) -> Together:
    """From the hours of the last weeks before `now`."""
    rows = _hours(reader, now, weeks)
    places = {ts: k for k, ts in enumerate(sorted({ts for _, ts, _ in rows}))}
    loads: dict[str, Floats] = {}
    for resource, ts, busy in rows:
        loads.setdefault(resource, np.zeros(len(places)))[places[ts]] = busy
    return together(loads, most)


def read_weeks(
    reader: Reader, now: datetime, *, weeks: int, incidents: Sequence[Span]
) -> list[ResourceWeek]:
    """Every resource of known capacity in each of the last weeks, the running one included."""
    capacity = {name: r.capacity for name, r in read_resources(reader).items() if r.capacity}
    return by_week(_hours(reader, now, weeks), capacity, incidents)


def _hours(reader: Reader, now: datetime, weeks: int) -> list[tuple[str, datetime, float]]:
    start = naive(now - timedelta(weeks=weeks)).replace(minute=0, second=0, microsecond=0)
    rows = reader.rows("density_totals", start=start, end=naive(now), hourly=True, window_s=HOUR_S)
    return [(str(resource), ts, float(busy)) for resource, ts, busy in rows]
