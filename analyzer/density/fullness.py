"""How full each shared resource is, how well sharing pays, and how much more would fit.

Loads are seconds of the resource per second; p95 is the nearest rank over the windows of a week.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import lru_cache

import numpy as np

from analyzer.cost.held import Held
from analyzer.cost.usage import Resource, naive, read_resources
from analyzer.density.dimensions import (
    TIME,
    Dimension,
    binding,
    dimensions,
    read_limits,
    read_measures,
)
from analyzer.density.load import Floats, one_lost, p95
from analyzer.store.database import Store
from analyzer.store.reader import Reader

WEEK = timedelta(days=7)
OTHER = "__other__"

_TREND = timedelta(days=28)
_TREND_DAYS = 7
_FAR_DAYS = 3650.0
_SHOWN = 12
_LORENZ = 21
_HOURS = 168
_HOUR_S = 3600
_HOLD = timedelta(seconds=10)
_HOLD_A_TENANT = timedelta(milliseconds=20)
_HOLD_MOST = timedelta(hours=1)
_MINUTE_S = 60


@dataclass(frozen=True, slots=True)
class Work:
    """What one tenant did on one resource in the week. `p95` is a load."""

    tenant: str
    busy_s: float
    operations: float
    p95: float


@dataclass(frozen=True, slots=True)
class Density:
    """Formulas in `measure`. None: cannot be said (no capacity, no load, no trend)."""

    resource: str
    kind: str
    capacity: float | None
    tenants: int
    active_tenants: int
    p95_load: float
    packing: float | None
    headroom: float | None
    multiplexing_gain: float | None
    effective_tenants: float | None
    gini: float | None
    top_tenant: str | None
    top_share: float | None
    room: int | None
    days_to_full: float | None
    shares: tuple[tuple[str, float], ...]
    n1_headroom: float | None = None
    binding: str | None = None
    dimensions: tuple[Dimension, ...] = ()
    reservation: float | None = None
    lorenz: tuple[float, ...] = ()


def densities(store: Store, *, now: datetime) -> list[Density]:
    """Every known or used resource over the week before `now`, by name."""
    with store.reader() as reader:
        resources = read_resources(reader)
        work, totals = _week(reader, now)
        daily = _daily_peaks(reader, now)
        placed: dict[str, set[str]] = {}
        for resource, tenant in reader.rows("density_placed", now=naive(now)):
            placed.setdefault(resource, set()).add(tenant)
        measures, limits = read_measures(reader, **_span(now)), read_limits(reader)
        reserved = {r: float(f) for r, f in reader.rows("density_reserved", now=naive(now))}
    kinds = {name: r.kind for name, r in resources.items()}
    lost = one_lost(totals, kinds)
    capacity = {name: r.capacity for name, r in resources.items() if r.capacity}
    beside = dimensions(measures, limits, capacity, kinds)
    return [
        measure(
            resources.get(name, Resource(name, "", None)),
            work.get(name, []),
            totals.get(name, np.zeros(0)),
            daily.get(name, np.zeros(0)),
            placed=placed.get(name, set()),
            lost=lost.get(name),
            beside=beside.get(name, ()),
            reserved=reserved.get(name, 0.0),
        )
        for name in sorted(resources.keys() | work.keys())
    ]


@lru_cache(maxsize=4)
def held_densities(store: Store) -> Held[list[Density]]:
    """`densities`, kept the longer the more tenants they have: an hour at 180,000."""
    return Held(lambda now: densities(store, now=now), _hold)


def _hold(rows: Sequence[Density]) -> timedelta:
    return min(_HOLD_MOST, _HOLD + sum(row.active_tenants for row in rows) * _HOLD_A_TENANT)


def measure(
    resource: Resource,
    work: Sequence[Work],
    totals: Floats,
    daily: Floats,
    *,
    placed: set[str],
    lost: float | None = None,
    beside: Sequence[Dimension] = (),
    reserved: float = 0.0,
) -> Density:
    """Density of one resource from the work of its tenants and its total load per window.

    packing = p95(total) / K; headroom = 1 - packing; multiplexing gain = sum of the tenants' own
    p95 over p95(total); effective tenants = 1 / sum of squared shares (Herfindahl);
    room = floor(headroom K / median p95 of active tenants). `daily` are daily p95 loads, oldest
    first; days to full follow their Theil-Sen slope. `lost` is the p95 load when the resource of
    the kind whose loss would hurt most is gone (its work shared out evenly), `beside` the
    dimensions beside time, `reserved` the load that contracts grant; the fullest dimension binds.
    """
    active = [w for w in work if w.operations > 0 or w.busy_s > 0]
    peak, capacity = p95(totals), resource.capacity or None
    packing = peak / capacity if capacity else None
    shares = _shares(active)
    headroom = None if packing is None else 1 - packing
    n1 = None if lost is None or not capacity else 1 - lost / capacity
    known = (*(() if packing is None else (Dimension(TIME, packing, n1),)), *beside)
    return Density(
        resource=resource.id,
        kind=resource.kind,
        capacity=capacity,
        tenants=len(placed | {w.tenant for w in active}),
        active_tenants=len(active),
        p95_load=peak,
        packing=packing,
        headroom=headroom,
        multiplexing_gain=sum(w.p95 for w in active) / peak if peak else None,
        effective_tenants=1 / sum(s * s for _, s in shares) if shares else None,
        gini=gini([share for _, share in shares]),
        top_tenant=shares[0][0] if shares else None,
        top_share=shares[0][1] if shares else None,
        room=_room(active, headroom, capacity),
        days_to_full=_days_to_full(daily, capacity),
        shares=_shown(shares),
        n1_headroom=n1,
        binding=binding(known),
        dimensions=known,
        reservation=reserved / capacity if capacity and reserved else None,
        lorenz=lorenz([share for _, share in shares]),
    )


def gini(shares: Sequence[float]) -> float | None:
    """0: everyone takes the same; towards 1: one takes all."""
    if not shares:
        return None
    ordered = np.sort(np.asarray(shares))
    n = ordered.size
    ranks = 2 * np.arange(1, n + 1) - n - 1
    return max(0.0, float(ranks @ ordered / (n * ordered.sum())))


def hours_of_week(
    reader: Reader, resource: str, now: datetime, most: int = 20
) -> tuple[list[str], Floats]:
    """Mean load of the largest tenants at each of the 168 hours of the week, over four weeks."""
    weeks = _TREND // WEEK
    rows = reader.rows(
        "density_hours_of_week",
        resource=resource,
        start=naive(now - _TREND),
        end=naive(now),
        limit=most,
        weeks=weeks,
    )
    loads: dict[str, Floats] = {}
    for tenant, hour, busy in rows:
        loads.setdefault(tenant, np.zeros(_HOURS))[hour] = busy
    names = sorted(loads, key=lambda name: (-float(loads[name].sum()), name))
    return names, np.asarray([loads[name] for name in names])


def lorenz(shares: Sequence[float]) -> tuple[float, ...]:
    """Part of the load that the smallest 0 %, 5 %, ... 100 % of the tenants take; empty of none."""
    if not shares:
        return ()
    summed = np.concatenate([[0.0], np.cumsum(np.sort(np.asarray(shares)))])
    at = np.linspace(0, len(shares), _LORENZ)
    return tuple(round(float(v), 6) for v in np.interp(at, np.arange(summed.size), summed))


def theil_sen(values: Floats) -> float:
    """Median slope of all pairs, per step: one odd day does not bend it."""
    i, j = np.triu_indices(values.size, 1)
    return float(np.median((values[j] - values[i]) / (j - i)))


def _shares(active: Sequence[Work]) -> list[tuple[str, float]]:
    whole = sum(w.busy_s for w in active)
    if not whole:
        return []
    ranked = sorted(active, key=lambda w: (-w.busy_s, w.tenant))
    return [(w.tenant, w.busy_s / whole) for w in ranked if w.busy_s > 0]


def _shown(shares: Sequence[tuple[str, float]]) -> tuple[tuple[str, float], ...]:
    rest = sum(share for _, share in shares[_SHOWN:])
    return (*shares[:_SHOWN], *(((OTHER, rest),) if rest else ()))


def _room(active: Sequence[Work], headroom: float | None, capacity: float | None) -> int | None:
    typical = float(np.median([w.p95 for w in active])) if active else 0.0
    if headroom is None or not capacity or typical <= 0:
        return None
    return max(0, math.floor(headroom * capacity / typical))


def _days_to_full(daily: Floats, capacity: float | None) -> float | None:
    if not capacity or daily.size < _TREND_DAYS:
        return None
    slope = theil_sen(daily)
    now = float(np.median(daily[-_TREND_DAYS:]))
    if now >= capacity:
        return 0.0
    days = (capacity - now) / slope if slope > 0 else math.inf
    return days if days <= _FAR_DAYS else None


def _week(reader: Reader, now: datetime) -> tuple[dict[str, list[Work]], dict[str, Floats]]:
    span = {"start": naive(now - WEEK), "end": naive(now)}
    hours = _count(reader, "density_hours", span)
    hourly = hours >= 2
    windows = hours if hourly else _count(reader, "density_minutes", span)
    shape = {"hourly": hourly, "window_s": _HOUR_S if hourly else _MINUTE_S}
    nth = windows - math.ceil(0.95 * windows) + 1
    work: dict[str, list[Work]] = {}
    for resource, *rest in reader.rows("density_tenants", nth=nth, **shape, **span):
        work.setdefault(resource, []).append(Work(*rest))
    return work, _by_resource(reader.rows("density_totals", **shape, **span), windows)


def _span(now: datetime) -> dict[str, datetime]:
    return {"start": naive(now - WEEK), "end": naive(now)}


def _count(reader: Reader, query: str, span: Mapping[str, datetime]) -> int:
    row = reader.row(query, **span)
    return int(row[0]) if row else 0


def _by_resource(rows: Sequence[tuple[str, datetime, float]], windows: int) -> dict[str, Floats]:
    """Loads per resource; windows in which it was not seen count as idle."""
    loads: dict[str, list[float]] = {}
    for resource, _, busy in rows:
        loads.setdefault(resource, []).append(busy)
    return {
        name: np.asarray(values + [0.0] * (windows - len(values))) for name, values in loads.items()
    }


def _daily_peaks(reader: Reader, now: datetime) -> dict[str, Floats]:
    """p95 of each whole UTC day, oldest first, for the trend."""
    midnight = naive(now).replace(hour=0, minute=0, second=0, microsecond=0)
    rows = reader.rows(
        "density_totals",
        start=midnight - _TREND,
        end=midnight,
        hourly=True,
        window_s=_HOUR_S,
    )
    days: dict[str, dict[object, list[float]]] = {}
    for resource, ts, busy in rows:
        days.setdefault(resource, {}).setdefault(ts.date(), []).append(busy)
    return {
        name: np.asarray([p95(np.asarray(loads)) for _, loads in by_day.items()])
        for name, by_day in days.items()
    }
