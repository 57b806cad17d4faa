"""What would change if a tenant moved: how full both sides are, and what everybody pays."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

import numpy as np
import polars as pl

from analyzer.cost.charges import charges
from analyzer.cost.settings import CostSettings
from analyzer.cost.split import World, split
from analyzer.cost.statement import money
from analyzer.cost.usage import Resource, Use, naive, read_resources, read_use
from analyzer.density.fullness import WEEK
from analyzer.density.load import Floats, p95
from analyzer.density.risk import overload_risk
from analyzer.store.database import Store
from analyzer.store.reader import Reader
from collector.model import Rejected, Rejection

_HOUR_S = 3600
_PAST = timedelta(days=28)


@dataclass(frozen=True, slots=True)
class Side:
    """One resource before and after the move; packing is p95 load over capacity.

    `full_hours` are hours of the week with more load than capacity after the move; `risk_before`
    and `risk_after` the chance that a coming week has such an hour, by days of the last four weeks.
    """

    resource: str
    capacity: float | None
    load_before: float
    load_after: float
    full_hours: int | None
    risk_before: float | None = None
    risk_after: float | None = None

    @property
    def packing_before(self) -> float | None:
        return self.load_before / self.capacity if self.capacity else None

    @property
    def packing_after(self) -> float | None:
        return self.load_after / self.capacity if self.capacity else None


@dataclass(frozen=True, slots=True)
class CostChange:
    """What one tenant pays for the week, as decimal strings."""

    tenant: str
    before: str
    after: str


@dataclass(frozen=True, slots=True)
class WhatIf:
    """`costs` lists the mover, then the tenants whose cost changes, by id; `unchanged` counts those
    who pay the same.
    """

    tenant: str
    source: Side
    target: Side
    costs: tuple[CostChange, ...]
    currency: str
    unchanged: int = 0


def what_if(
    store: Store, *, tenant: str, source: str, target: str, now: datetime, settings: CostSettings
) -> WhatIf:
    """The week before `now`, replayed with `tenant` on `target` instead of `source`.

    Costs are recomputed for everybody with the same prices; hours over capacity are not scaled
    down again, so on an overfull target they are a little too high for those who use it.
    Raises Rejected when the tenant did nothing on `source` or a resource is not known.
    """
    if source == target:
        raise Rejected(
            Rejection.INVALID_FIELD, "target: is the source, name another", field="target"
        )
    with store.reader() as reader:
        resources = read_resources(reader)
        for name in (source, target):
            if name not in resources:
                raise Rejected(
                    Rejection.NOT_FOUND, f"resource {name[:80]!r} is not known", field="resource"
                )
        load, moved = _loads(reader, tenant, source, now)
        use = read_use(reader, now - WEEK, now)
        past = _loads(reader, tenant, source, now, _PAST)
    if not moved.any():
        raise Rejected(Rejection.NOT_FOUND, f"{tenant[:80]!r} did nothing on {source[:80]!r}")
    none = np.zeros(moved.size)
    after = move(use, tenant, source, target)
    costs, unchanged = _costs(tenant, use, after, resources, settings, now)
    return WhatIf(
        tenant=tenant,
        source=_side(resources[source], load.get(source, none), -moved, _months(past, source, -1)),
        target=_side(resources[target], load.get(target, none), moved, _months(past, target, 1)),
        costs=costs,
        currency=settings.currency,
        unchanged=unchanged,
    )


def move(use: Use, tenant: str, source: str, target: str) -> Use:
    """Usage as if the work of `tenant` on `source` had been done on `target`."""
    mine = pl.col("tenant") == tenant
    none = pl.lit(0, pl.Int128)
    work = use.of(source).filter(mine).with_columns(demand=pl.col("busy"), own=none)
    landed = pl.concat([use.of(target), work]).group_by("tenant").agg(pl.all().sum())
    moved = {**use.by_resource, source: use.of(source).filter(~mine), target: landed}
    return replace(use, by_resource=moved)


def _months(
    past: tuple[Mapping[str, Floats], Floats], name: str, sign: int
) -> tuple[Floats, Floats]:
    """Loads of the last weeks before and after the move."""
    loads, mine = past
    before = loads.get(name, np.zeros(mine.size))
    return before, np.maximum(before + sign * mine, 0.0)


def _side(resource: Resource, before: Floats, added: Floats, past: tuple[Floats, Floats]) -> Side:
    after = np.maximum(before + added, 0.0)
    capacity = resource.capacity or None
    full = None if capacity is None else int((after > capacity).sum())
    risks = [overload_risk(loads, capacity) for loads in past]
    return Side(resource.id, capacity, p95(before), p95(after), full, *risks)


def _loads(
    reader: Reader, tenant: str, source: str, now: datetime, back: timedelta = WEEK
) -> tuple[dict[str, Floats], Floats]:
    """Hourly loads of every resource and of the tenant on its source, on one clock."""
    span = {"start": naive(now - back), "end": naive(now)}
    totals = reader.rows("density_totals", hourly=True, window_s=_HOUR_S, **span)
    series = reader.rows("density_series", tenant=tenant, resource=source, **span)
    clock = {ts: index for index, ts in enumerate(sorted({row[1] for row in totals}))}
    loads: dict[str, Floats] = {}
    for name, ts, busy in totals:
        loads.setdefault(name, np.zeros(len(clock)))[clock[ts]] = busy
    mine = np.zeros(len(clock))
    for ts, busy in series:
        mine[clock[ts]] = busy
    return loads, mine


def _costs(
    mover: str,
    before: Use,
    after: Use,
    resources: Mapping[str, Resource],
    settings: CostSettings,
    now: datetime,
) -> tuple[tuple[CostChange, ...], int]:
    old, new = (_paid(use, resources, settings, now) for use in (before, after))
    scale = settings.scale
    everybody = old.keys() | new.keys() | {mover}
    told = sorted(t for t in everybody if old[t] != new[t] or t == mover)
    told.sort(key=lambda t: t != mover)
    changes = tuple(CostChange(t, money(old[t], scale), money(new[t], scale)) for t in told)
    return changes, len(everybody) - len(changes)


def _paid(
    use: Use, resources: Mapping[str, Resource], settings: CostSettings, now: datetime
) -> Counter[str]:
    due = [c for c in charges(settings, now - WEEK, now) if c.kind != "fixed"]
    uses: Sequence[Use] = [use] * len(due)
    cells = split(due, uses, resources, World(settings=settings)).cells
    paid = cells.group_by("holder").agg(
        pl.sum_horizontal("direct", "idle", "shared", "credit").sum()
    )
    return Counter({holder: int(amount) for holder, amount in paid.iter_rows()})
