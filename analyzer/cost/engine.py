"""One statement from the store: charges of the interval, usage, split, revenue."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from decimal import Decimal

import polars as pl

from analyzer.cost.charges import Charge, charges, monthly
from analyzer.cost.months import Month
from analyzer.cost.settings import CostSettings
from analyzer.cost.split import Split, split
from analyzer.cost.statement import (
    ESTIMATE_BELOW,
    WARN_BELOW,
    Part,
    ResourceLine,
    Statement,
    TenantLine,
)
from analyzer.cost.usage import (
    Resource,
    Tenant,
    Use,
    naive,
    read_operations,
    read_resources,
    read_tenants,
    read_use,
)
from analyzer.cost.weeks import Week
from analyzer.store import Reader
from collector.model import UNKNOWN_TENANT


def make_statement(
    reader: Reader,
    week: Week | Month,
    settings: CostSettings,
    *,
    until: datetime,
    status: str,
    before: Mapping[str, int],
) -> Statement:
    """The statement of a week (or month) up to `until` (its end, or now for an estimate).

    `before` is what each tenant cost the week before, in quanta of the same scale.
    """
    end = min(until, week.end)
    due = charges(settings, week.start, end)
    intervals = {(charge.start, charge.end) for charge in due}
    uses = {interval: read_use(reader, *interval) for interval in intervals}
    resources, tenants = read_resources(reader), read_tenants(reader)
    seconds = _seconds(tenants, uses.values(), week.start, end)
    used = [uses[charge.start, charge.end] for charge in due]
    done = split(due, used, resources, seconds)
    lines = _resource_lines(due, used, done, resources)
    counted, operations = read_operations(reader, week.start, end)
    known = _tenant_lines(due, done, tenants, seconds, settings, (week.start, end), before)
    hours = reader.row("cost_trace", start=naive(week.start), end=naive(end))
    return Statement(
        week=week.id,
        start=week.start,
        end=week.end,
        hours=week.hours,
        measured_hours=int(hours[0]) if hours else 0,
        status=_status(status, lines),
        scale=settings.scale,
        terms=settings,
        tenants=tuple(replace(t, operations=operations.get(t.tenant, 0)) for t in known),
        resources=lines,
        notes=tuple(_notes(due, used, resources, lines)),
        counted=counted,
    )


def _seconds(
    tenants: Mapping[str, Tenant], uses: Iterable[Use], start: datetime, end: datetime
) -> dict[str, int]:
    """Seconds each tenant existed; one that is only known by its usage existed throughout."""
    whole = (end - start) // timedelta(seconds=1)
    found: dict[str, int] = {}
    for use in uses:
        for frame in use.by_resource.values():
            found.update(dict.fromkeys(frame["tenant"], whole))
    for tenant in tenants.values():
        a, b = tenant.present(start, end)
        found[tenant.id] = (b - a) // timedelta(seconds=1)
    found.pop(UNKNOWN_TENANT, None)
    return found


def _tenant_lines(
    due: Sequence[Charge],
    done: Split,
    tenants: Mapping[str, Tenant],
    seconds: Mapping[str, int],
    settings: CostSettings,
    interval: tuple[datetime, datetime],
    before: Mapping[str, int],
) -> tuple[TenantLine, ...]:
    parts, scale = _parts(due, done), settings.scale
    plans = {plan.name: Decimal(plan.price) for plan in settings.plans}
    present = {tenant for tenant, length in seconds.items() if length > 0}
    lines = []
    for tenant in present | parts.keys():
        known = tenants.get(tenant, Tenant(tenant, "", "", None, None, None))
        lines.append(
            TenantLine(
                tenant=tenant,
                name=known.name,
                plan=known.plan,
                parts=tuple(parts.get(tenant, ())),
                revenue=_revenue(known, settings, plans, interval, scale),
                before=before.get(tenant, 0 if before else None),
            )
        )
    return tuple(sorted(lines, key=lambda line: (-line.total, line.tenant)))


def _parts(due: Sequence[Charge], done: Split) -> dict[str, list[Part]]:
    names = pl.DataFrame(
        [(pot, charge.resource) for pot, charge in enumerate(due)],
        schema={"pot": pl.Int64, "resource": pl.String},
        orient="row",
    )
    cells = done.cells.join(names, on="pot").drop("pot")
    summed = cells.group_by("holder", "resource").agg(pl.all().sum()).sort("holder", "resource")
    parts: dict[str, list[Part]] = defaultdict(list)
    for holder, *part in summed.iter_rows():
        parts[holder].append(Part(*part))
    return parts


def _revenue(
    tenant: Tenant,
    settings: CostSettings,
    plans: Mapping[str, Decimal],
    interval: tuple[datetime, datetime],
    scale: int,
) -> int | None:
    price = tenant.monthly(settings.precision)
    price = plans.get(tenant.plan) if price is None else price
    if price is None:
        return None
    a, b = tenant.present(*interval)
    return monthly(price, a, b, scale=scale, zone=settings.zone)


def _resource_lines(
    due: Sequence[Charge], used: Sequence[Use], done: Split, resources: Mapping[str, Resource]
) -> tuple[ResourceLine, ...]:
    rows: dict[str, list[int]] = {}
    coverage: dict[str, float | None] = {}
    for pot, charge in enumerate(due):
        row = rows.setdefault(charge.resource, [0, 0, 0])
        for column, amount in enumerate((charge.quanta, done.idle[pot], done.unattributed[pot])):
            row[column] += amount
        coverage[charge.resource] = _coverage(used[pot].of(charge.resource))
    return tuple(
        ResourceLine(
            resource=name,
            kind=resources[name].kind if name in resources else "",
            bill=bill,
            allocated=bill - idle - unattributed,
            idle=idle,
            unattributed=unattributed,
            coverage=coverage[name],
        )
        for name, (bill, idle, unattributed) in sorted(rows.items())
    )


def _coverage(use: pl.DataFrame) -> float | None:
    """Part of the use (seconds, or operations without them) that has a tenant's name."""
    column = "busy" if use["busy"].sum() else "count"
    whole = int(use[column].sum() or 0)
    if not whole:
        return None
    nameless = use.filter(pl.col("tenant") == UNKNOWN_TENANT)[column].sum()
    return 1 - int(nameless or 0) / whole


def _status(status: str, lines: Sequence[ResourceLine]) -> str:
    """Too much use without a name makes any statement an estimate."""
    named = sum(abs(line.allocated) for line in lines)
    nameless = sum(abs(line.unattributed) for line in lines)
    poor = named < ESTIMATE_BELOW * (named + nameless)
    return "estimate" if poor else status


def _notes(
    due: Sequence[Charge],
    used: Sequence[Use],
    resources: Mapping[str, Resource],
    lines: Sequence[ResourceLine],
) -> list[str]:
    priced = {charge.resource for charge in due}
    busy = {name for use in used for name in use.by_resource}
    notes = [f"{name} has usage but no price: it is not in the bill" for name in busy - priced]
    for charge in due:
        known = resources.get(charge.resource)
        if charge.kind == "capacity" and not (known and known.capacity):
            notes.append(f"{charge.resource} has no known capacity: none of it is called idle")
    notes += [
        f"{line.resource}: only {line.coverage:.1%} of its use has a tenant's name"
        for line in lines
        if line.coverage is not None and line.coverage < WARN_BELOW
    ]
    return sorted(set(notes))
