"""Routes about money: what every tenant costs."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable, Sequence
from dataclasses import asdict
from datetime import datetime
from functools import lru_cache
from typing import Annotated

from fastapi import APIRouter, Query

from analyzer.accounts.make import paid
from analyzer.api.views.cost import (
    CostLeaf,
    CostLine,
    CostPage,
    CostTree,
    CostWhy,
    ResourceCost,
)
from analyzer.cost.book import CostBook, book
from analyzer.cost.months import month_of, parse_period
from analyzer.cost.settings import CostSettings
from analyzer.cost.shown import Same, shown
from analyzer.cost.statement import Statement, TenantLine, Why
from analyzer.cost.weeks import Week, parse_week, week_of
from analyzer.density.fullness import OTHER
from analyzer.store.database import Store
from collector.model import Rejected, Rejection

_LINES = 200
Period = Annotated[
    str | None, Query(description="A week such as 2026-W47, or a month such as 2026-11.")
]
Leaves = Annotated[int, Query(ge=1, le=5_000, description="Leaves, at most.")]
Limit = Annotated[int, Query(ge=1, le=100_000, description="Tenants with a line of their own.")]


def router(
    store: Store,
    clock: Callable[[], datetime],
    settings: CostSettings,
) -> APIRouter:
    """`/costs` and `/costs/tree`."""
    routes = APIRouter()
    held = book(store, settings)

    @routes.get("/costs")
    def costs(week: Period = None, limit: Limit = _LINES) -> CostPage:
        now = clock()
        exact, version = _statement(held, settings.zone, week, now)
        with store.reader() as reader:
            weeks = {str(row[0]) for row in reader.rows("statement_weeks")}
        weeks.add(week_of(now, settings.zone).id)
        return _among(_page(Same(exact), version, limit), weeks, settings.zone)

    @routes.get("/costs/tree")
    def tree(week: Period = None, limit: Leaves = 400) -> CostTree:
        exact, _ = _statement(held, settings.zone, week, clock())
        return cost_tree(exact, limit)

    return routes


def _statement(
    held: CostBook, zone: str, period: str | None, now: datetime
) -> tuple[Statement, int]:
    """The newest version of a closed week; else, as of a month, what has come so far (version 0).

    Raises Rejected: INVALID_FIELD, NOT_FOUND for what has not begun.
    """
    chosen = parse_period(period, zone) if period else week_of(now, zone)
    known = held.closed(chosen.id) if isinstance(chosen, Week) else None
    if known is not None:
        return known.statement, known.version
    if chosen.start > now:
        raise unknown(chosen.id)
    return held.estimate(chosen, now), 0


@lru_cache(maxsize=8)
def _page(same: Same, version: int, limit: int) -> CostPage:
    """A page is made once of a statement: sums over every tenant and resource are in it."""
    return cost_page(same.statement, version, [], limit)


def _among(page: CostPage, weeks: Iterable[str], zone: str) -> CostPage:
    months = {month_of(parse_week(week, zone).start, zone).id for week in weeks}
    update = {"weeks": sorted(weeks, reverse=True), "months": sorted(months, reverse=True)}
    return page.model_copy(update=update)


def cost_page(exact: Statement, version: int, weeks: list[str], limit: int = _LINES) -> CostPage:
    """The statement as the API tells it, at the decimals of its currency; version 0 is an estimate
    that nobody stored. Tenants after the dearest `limit` are one line, `__other__`.
    """
    s = shown(exact)
    return CostPage(
        week=s.week,
        start=s.start,
        end=s.end,
        hours=s.hours,
        zone=s.terms.zone,
        currency=s.terms.currency,
        status=s.status,
        version=version,
        bill=s.money(s.bill),
        allocated=s.money(s.allocated),
        idle=s.money(s.idle),
        unattributed=s.money(s.unattributed),
        coverage=exact.coverage,
        lines=_lines(s, exact, limit),
        resources=[
            ResourceCost(
                resource=line.resource,
                bill=s.money(line.bill),
                allocated=s.money(line.allocated),
                idle=s.money(line.idle),
                unattributed=s.money(line.unattributed),
                coverage=line.coverage,
                kind=line.kind,
                billed=s.money(line.billed) if line.billed or line.estimate is not None else None,
                estimate=None if line.estimate is None else s.money(line.estimate),
                adjustment=None if line.adjustment is None else s.money(line.adjustment),
            )
            for line in s.resources
        ],
        weeks=weeks,
        counted=s.counted,
        reconciled=exact.reconciled,
        notes=list(s.notes),
    )


def _lines(s: Statement, exact: Statement, limit: int) -> list[CostLine]:
    pairs = zip(s.tenants[:limit], exact.tenants, strict=False)
    lines = [_line(s, line, exact, known) for line, known in pairs]
    rest = s.tenants[limit:]
    return [*lines, _rest(s, rest)] if rest else lines


def _rest(s: Statement, lines: Sequence[TenantLine]) -> CostLine:
    """All the others, so that the columns still add up; no change is told of a changing group."""
    parts = [part for line in lines for part in line.parts]
    margins = [line.margin for line in lines if line.margin is not None]
    revenues = [line.revenue for line in lines if line.revenue is not None]
    columns = zip(*map(paid, parts), strict=True)
    direct, own, idle, shared, credit, total = [sum(column) for column in columns] or [0] * 6
    return CostLine(
        tenant=OTHER,
        plan="",
        direct=s.money(direct),
        idle=s.money(idle),
        shared=s.money(shared),
        own=s.money(own),
        credit=s.money(credit),
        total=s.money(total),
        revenue=s.money(sum(revenues)) if revenues else None,
        margin=s.money(sum(margins)) if margins else None,
        share=total / s.bill if s.bill else 0.0,
        change=None,
        names=len(lines),
    )


def _line(s: Statement, line: TenantLine, exact: Statement, known: TenantLine) -> CostLine:
    direct, own, idle, shared, credit, total = paid(line)
    return CostLine(
        tenant=line.tenant,
        plan=line.plan,
        direct=s.money(direct),
        idle=s.money(idle),
        shared=s.money(shared),
        own=s.money(own),
        credit=s.money(credit),
        total=s.money(total),
        revenue=None if line.revenue is None else s.money(line.revenue),
        margin=None if line.margin is None else s.money(line.margin),
        share=line.total / s.bill if s.bill else 0.0,
        # A week that runs is not compared with a whole one.
        change=None if s.status == "estimate" else known.change,
        thousand_direct=exact.per_thousand(known.direct, known.operations),
        thousand_loaded=exact.per_thousand(known.total, known.operations),
        why=None if line.why is None else _why(s, line.why),
    )


def _why(s: Statement, why: Why) -> CostWhy:
    return CostWhy(**{cause: s.money(amount) for cause, amount in asdict(why).items()})


def cost_tree(exact: Statement, limit: int) -> CostTree:
    """What each tenant costs on each resource; leaves after the dearest are one a plan there."""
    s = shown(exact)
    leaves = []
    rest: dict[tuple[str, str], int] = defaultdict(int)
    parts = [(part, line) for line in s.tenants for part in line.parts if paid(part)[-1] > 0]
    parts.sort(key=lambda pair: (-paid(pair[0])[-1], pair[0].resource, pair[1].tenant))
    for part, line in parts[:limit]:
        margin = None if line.margin is None or not line.revenue else line.margin / line.revenue
        leaves.append(
            CostLeaf(
                resource=part.resource, plan=line.plan, tenant=line.tenant,
                cost=s.money(paid(part)[-1]), margin=margin,
            )
        )  # fmt: skip
    for part, line in parts[limit:]:
        rest[part.resource, line.plan] += paid(part)[-1]
    leaves += [
        CostLeaf(resource=resource, plan=plan, tenant=OTHER, cost=s.money(amount), margin=None)
        for (resource, plan), amount in sorted(rest.items())
    ]
    return CostTree(week=s.week, currency=s.terms.currency, leaves=leaves)


def unknown(week: str) -> Rejected:
    return Rejected(Rejection.NOT_FOUND, f"{week[:20]} has no statement yet", field="week")
