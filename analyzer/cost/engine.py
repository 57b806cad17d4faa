"""One statement from the store: charges of the interval, usage, split, revenue."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from datetime import datetime, timedelta

import polars as pl

from analyzer.cost.bills.due import bills_due
from analyzer.cost.charges import CREDIT, UNMATCHED, Charge, charges, estimates
from analyzer.cost.months import Month
from analyzer.cost.revenue import Revenue, read_plans
from analyzer.cost.settings import CostSettings
from analyzer.cost.split import Split, World, split
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
from analyzer.store.reader import Reader
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
    bills = bills_due(reader, week.start, end, settings)
    scale = max(settings.scale, bills.scale)
    due = [
        *charges(settings, week.start, end, scale, bills.covered),
        *(replace(c, quanta=c.quanta * 10 ** (scale - bills.scale)) for c in bills.charges),
    ]
    intervals = {(charge.start, charge.end) for charge in due}
    uses = {interval: read_use(reader, *interval) for interval in intervals}
    resources, tenants = read_resources(reader), read_tenants(reader, week.start, end)
    plans = read_plans(reader)
    seconds = _seconds(tenants, uses.values(), week.start, end)
    used = [uses[charge.start, charge.end] for charge in due]
    names = {tenant.id: tenant.plan for tenant in tenants.values()}
    done = split(due, used, resources, World(seconds, names, settings))
    lines = _resource_lines(due, used, done, resources, estimates(settings, bills.covered, scale))
    counted, operations = read_operations(reader, week.start, end)
    revenue = Revenue(settings, plans, (week.start, end), scale)
    shift = 10 ** (scale - settings.scale)
    known = _tenant_lines(
        due, done, tenants, seconds, revenue, {t: cost * shift for t, cost in before.items()}
    )
    hours = reader.row("cost_trace", start=naive(week.start), end=naive(end))
    return Statement(
        week=week.id,
        start=week.start,
        end=week.end,
        hours=week.hours,
        measured_hours=int(hours[0]) if hours else 0,
        status=_status(status, lines),
        scale=scale,
        terms=settings,
        tenants=tuple(replace(t, operations=operations.get(t.tenant, 0)) for t in known),
        resources=lines,
        notes=(*_notes(due, used, resources, lines), *bills.notes),
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
    revenue: Revenue,
    before: Mapping[str, int],
) -> tuple[TenantLine, ...]:
    parts = _parts(due, done)
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
                revenue=revenue.of(known),
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


def _resource_lines(
    due: Sequence[Charge],
    used: Sequence[Use],
    done: Split,
    resources: Mapping[str, Resource],
    estimated: Mapping[str, int],
) -> tuple[ResourceLine, ...]:
    rows: dict[str, list[int]] = {}
    kinds: dict[str, str] = {}
    coverage: dict[str, float | None] = {}
    for pot, charge in enumerate(due):
        row = rows.setdefault(charge.resource, [0, 0, 0, 0])
        billed = charge.quanta if charge.billed else 0
        for column, amount in enumerate(
            (charge.quanta, done.idle[pot], done.unattributed[pot], billed)
        ):
            row[column] += amount
        coverage[charge.resource] = _coverage(used[pot].of(charge.resource))
        kinds[charge.resource] = charge.kind if charge.kind in (UNMATCHED, CREDIT) else ""
    return tuple(
        ResourceLine(
            resource=name,
            kind=resources[name].kind if name in resources else kinds[name],
            bill=bill,
            allocated=bill - idle - unattributed,
            idle=idle,
            unattributed=unattributed,
            coverage=coverage[name],
            billed=billed,
            estimate=estimated.get(name),
        )
        for name, (bill, idle, unattributed, billed) in sorted(rows.items())
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
    """Too much use without a name makes any statement an estimate. What no bill rule gives to a
    resource is no use: it is shown, and counts for itself.
    """
    mapped = [line for line in lines if line.kind not in (UNMATCHED, CREDIT)]
    named = sum(abs(line.allocated) for line in mapped)
    nameless = sum(abs(line.unattributed) for line in mapped)
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
    for charge in (charge for charge in due if not charge.over):
        known = resources.get(charge.resource)
        if charge.kind == "capacity" and not (known and known.capacity):
            notes.append(f"{charge.resource} has no known capacity: none of it is called idle")
    notes += [
        f"{line.resource}: only {line.coverage:.1%} of its use has a tenant's name"
        for line in lines
        if line.coverage is not None and line.coverage < WARN_BELOW
    ]
    return sorted(set(notes))
