"""Routes about money and room: costs, reports, density."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import asdict
from datetime import datetime, timedelta
from pathlib import Path
from typing import Annotated

from fastapi import APIRouter, Query, Response

from analyzer.api import views
from analyzer.cost.book import CostBook, book
from analyzer.cost.settings import CostSettings
from analyzer.cost.shown import shown, shown_amount
from analyzer.cost.statement import Statement, TenantLine, Why, sha256, to_json
from analyzer.cost.usage import aware
from analyzer.cost.weeks import Week, parse_week, week_of
from analyzer.density import OTHER, Density, held_densities
from analyzer.reports.document import FORMATS, Document, document_of, ending, for_tenant
from analyzer.reports.files import render
from analyzer.store import Store
from collector.model import Rejected, Rejection, TenantId

_LINES = 200
Limit = Annotated[int, Query(ge=1, le=100_000, description="Tenants with a line of their own.")]

_ESTIMATED = timedelta(days=14)
"""How long ago a week without statement may have ended to be estimated all the same."""


def router(
    store: Store,
    clock: Callable[[], datetime],
    settings: CostSettings,
    directory: Path,
) -> APIRouter:
    """`/costs`, `/reports`, `/reports/{week}` and `/density`. `directory` holds the files."""
    routes = APIRouter()
    held, rooms = book(store, settings), held_densities(store)

    @routes.get("/costs")
    def costs(week: str | None = None, limit: Limit = _LINES) -> views.CostPage:
        now = clock()
        chosen = parse_week(week, settings.zone) if week else week_of(now, settings.zone)
        with store.reader() as reader:
            weeks = {str(row[0]) for row in reader.rows("statement_weeks")}
        weeks.add(week_of(now, settings.zone).id)
        known = held.closed(chosen.id)
        if known is not None:
            return cost_page(known.statement, known.version, sorted(weeks, reverse=True), limit)
        if chosen.start > now:
            raise _unknown(chosen.id)
        return cost_page(held.estimate(chosen, now), 0, sorted(weeks, reverse=True), limit)

    @routes.get("/reports")
    def reports() -> list[views.ReportView]:
        with store.reader() as reader:
            return [_report(row, directory) for row in reader.records("report_list")]

    @routes.get("/reports/{week}", response_class=Response)
    def report(week: str, format: str = "html", tenant: str | None = None) -> Response:  # noqa: A002
        whole = _document(held, parse_week(week, settings.zone), clock(), settings)
        document = for_tenant(whole, TenantId(tenant)) if tenant else whole
        return _file(document, format)

    @routes.get("/density")
    def density() -> list[views.DensityRow]:
        return [_density(row) for row in rooms.get(clock())]

    return routes


def _document(held: CostBook, week: Week, now: datetime, settings: CostSettings) -> Document:
    """The stored statement, or an estimate (version 0) of a week that has begun."""
    known = held.closed(week.id)
    if known is not None:
        return document_of(known)
    if week.start > now or week.end < now - _ESTIMATED or not settings.prices:
        raise _unknown(week.id)
    estimate = held.estimate(week, now)
    return Document(estimate, 0, sha256(to_json(estimate)))


def cost_page(
    exact: Statement, version: int, weeks: list[str], limit: int = _LINES
) -> views.CostPage:
    """The statement as the API tells it, at the decimals of its currency; version 0 is an estimate
    that nobody stored. Tenants after the dearest `limit` are one line, `__other__`.
    """
    s = shown(exact)
    return views.CostPage(
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
            views.ResourceCost(
                resource=line.resource,
                bill=s.money(line.bill),
                allocated=s.money(line.allocated),
                idle=s.money(line.idle),
                unattributed=s.money(line.unattributed),
                coverage=line.coverage,
            )
            for line in s.resources
        ],
        weeks=weeks,
        counted=s.counted,
    )


def _lines(s: Statement, exact: Statement, limit: int) -> list[views.CostLine]:
    pairs = zip(s.tenants[:limit], exact.tenants, strict=False)
    lines = [_line(s, line, exact, known) for line, known in pairs]
    rest = s.tenants[limit:]
    return [*lines, _rest(s, rest)] if rest else lines


def _rest(s: Statement, lines: Sequence[TenantLine]) -> views.CostLine:
    """All the others, so that the columns still add up; no change is told of a changing group."""
    parts = [part for line in lines for part in line.parts]
    margins = [line.margin for line in lines if line.margin is not None]
    revenues = [line.revenue for line in lines if line.revenue is not None]
    direct, idle, shared, total = (
        sum(getattr(part, column) for part in parts)
        for column in ("direct", "idle", "shared", "total")
    )
    return views.CostLine(
        tenant=OTHER,
        plan="",
        direct=s.money(direct),
        idle=s.money(idle),
        shared=s.money(shared),
        total=s.money(total),
        revenue=s.money(sum(revenues)) if revenues else None,
        margin=s.money(sum(margins)) if margins else None,
        share=total / s.bill if s.bill else 0.0,
        change=None,
        names=len(lines),
    )


def _line(s: Statement, line: TenantLine, exact: Statement, known: TenantLine) -> views.CostLine:
    return views.CostLine(
        tenant=line.tenant,
        plan=line.plan,
        direct=s.money(line.direct),
        idle=s.money(line.idle),
        shared=s.money(line.shared),
        total=s.money(line.total),
        revenue=None if line.revenue is None else s.money(line.revenue),
        margin=None if line.margin is None else s.money(line.margin),
        share=line.total / s.bill if s.bill else 0.0,
        # A week that runs is not compared with a whole one.
        change=None if s.status == "estimate" else known.change,
        thousand_direct=exact.per_thousand(known.direct, known.operations),
        thousand_loaded=exact.per_thousand(known.total, known.operations),
        why=None if line.why is None else _why(s, line.why),
    )


def _why(s: Statement, why: Why) -> views.CostWhy:
    return views.CostWhy(
        price=s.money(why.price), usage=s.money(why.usage), neighbours=s.money(why.neighbours)
    )


def _report(row: dict[str, object], directory: Path) -> views.ReportView:
    return views.ReportView.model_validate(
        {
            "week": row["week"],
            "version": row["version"],
            "status": row["status"],
            "created_at": aware(row["created_at"]),  # type: ignore[arg-type]
            "total": shown_amount(str(row["bill"]), str(row["currency"])),
            "currency": row["currency"],
            "formats": row["formats"] or [],
            "path": str(directory / str(row["week"]) / f"v{row['version']}"),
        }
    )


def _file(document: Document, format_: str) -> Response:
    data = render(document, format_)
    name = f"{document.statement.week}-v{document.version}.{ending(format_)}"
    kind = "inline" if format_ == "html" else "attachment"
    headers = {
        "Content-Disposition": f'{kind}; filename="{name}"',
        "Content-Security-Policy": "default-src 'none'; style-src 'unsafe-inline'",
        "X-Content-Type-Options": "nosniff",
    }
    return Response(data, media_type=FORMATS[format_], headers=headers)


def _density(row: Density) -> views.DensityRow:
    plain = asdict(row)
    plain["shares"] = [{"tenant": tenant, "share": share} for tenant, share in row.shares]
    return views.DensityRow.model_validate(plain)


def _unknown(week: str) -> Rejected:
    return Rejected(Rejection.NOT_FOUND, f"{week[:20]} has no statement yet", field="week")
