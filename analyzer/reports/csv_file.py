"""The report as one tidy CSV: every row says in `record` what it is about."""

from __future__ import annotations

import csv
import io

from analyzer.cost.statement import ResourceLine, Statement, TenantLine
from analyzer.reports.document import Document

COLUMNS = (
    "record", "week", "version", "status", "zone", "start", "end", "hours", "currency", "decimals",
    "tenant", "name", "plan", "resource", "kind", "bill", "allocated", "direct", "idle", "shared",
    "unattributed", "total", "revenue", "margin", "before", "change", "coverage",
    "counted", "operations", "per_1000_direct", "per_1000_loaded", "by_price", "by_usage",
    "by_neighbours",
)  # fmt: skip

_FORMULA = ("=", "+", "-", "@", "\t", "\r", "\n")


def render_csv(document: Document) -> bytes:
    """Records `statement`, `resource`, `tenant`, `part`; for a tenant only its own two.

    Every decimal is kept, however many the currency has; `decimals` says how many.
    """
    out = io.StringIO(newline="")
    writer = csv.DictWriter(out, COLUMNS, restval="", lineterminator="\r\n")
    writer.writeheader()
    common = _common(document)
    for row in _rows(document):
        writer.writerow({**common, **row})
    return out.getvalue().encode()


def inert(text: str) -> str:
    """Text that no spreadsheet takes for a formula."""
    return f"'{text}" if text.startswith(_FORMULA) else text


def _common(document: Document) -> dict[str, str]:
    s = document.statement
    return {
        "week": s.week,
        "version": str(document.version),
        "status": s.status,
        "zone": s.terms.zone,
        "start": s.start.isoformat().replace("+00:00", "Z"),
        "end": s.end.isoformat().replace("+00:00", "Z"),
        "hours": str(s.hours),
        "currency": s.terms.currency,
        "decimals": str(s.scale),
    }


def _rows(document: Document) -> list[dict[str, str]]:
    s = document.statement
    if document.line is not None:
        return [_tenant(s, document.line, facing=True), *_parts(s, document.line)]
    rows = [_totals(s), *(_resource(s, line) for line in s.resources)]
    rows += [_tenant(s, line, facing=False) for line in s.tenants]
    return rows + [part for line in s.tenants for part in _parts(s, line)]


def _totals(s: Statement) -> dict[str, str]:
    return {
        "record": "statement",
        "bill": s.money(s.bill),
        "allocated": s.money(s.allocated),
        "idle": s.money(s.idle),
        "unattributed": s.money(s.unattributed),
        "coverage": _ratio(s.coverage),
    }


def _resource(s: Statement, line: ResourceLine) -> dict[str, str]:
    return {
        "record": "resource",
        "resource": inert(line.resource),
        "kind": line.kind,
        "bill": s.money(line.bill),
        "allocated": s.money(line.allocated),
        "idle": s.money(line.idle),
        "unattributed": s.money(line.unattributed),
        "coverage": _ratio(line.coverage),
    }


def _tenant(s: Statement, line: TenantLine, *, facing: bool) -> dict[str, str]:
    row = {
        "record": "tenant",
        "tenant": inert(line.tenant),
        "name": inert(line.name),
        "plan": inert(line.plan),
        "direct": s.money(line.direct),
        "idle": s.money(line.idle),
        "shared": s.money(line.shared),
        "total": s.money(line.total),
        "before": "" if line.before is None else s.money(line.before),
        "change": _ratio(line.change),
    }
    row |= _units(s, line)
    if line.why is not None:
        row["by_price"] = s.money(line.why.price)
        row["by_usage"] = s.money(line.why.usage)
        row["by_neighbours"] = s.money(line.why.neighbours)
    if not facing:
        row["revenue"] = "" if line.revenue is None else s.money(line.revenue)
        row["margin"] = "" if line.margin is None else s.money(line.margin)
    return row


def _units(s: Statement, line: TenantLine) -> dict[str, str]:
    if not s.counted:
        return {}
    return {
        "counted": s.counted,
        "operations": str(line.operations),
        "per_1000_direct": s.per_thousand(line.direct, line.operations) or "",
        "per_1000_loaded": s.per_thousand(line.total, line.operations) or "",
    }


def _parts(s: Statement, line: TenantLine) -> list[dict[str, str]]:
    return [
        {
            "record": "part",
            "tenant": inert(line.tenant),
            "resource": inert(part.resource),
            "direct": s.money(part.direct),
            "idle": s.money(part.idle),
            "shared": s.money(part.shared),
            "total": s.money(part.total),
        }
        for part in line.parts
    ]


def _ratio(value: float | None) -> str:
    return "" if value is None else f"{value:.6f}"
