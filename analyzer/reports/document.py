"""What a renderer is given: a statement, which version it is, and for whose eyes."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import datetime
from zoneinfo import ZoneInfo

from analyzer.cost.ledger import Stored
from analyzer.cost.statement import Statement, TenantLine
from collector.model import Rejected, Rejection, TenantId

FORMATS = {
    "html": "text/html; charset=utf-8",
    "csv": "text/csv; charset=utf-8",
    "xlsx": "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet",
    "pdf": "application/pdf",
    "focus": "text/csv; charset=utf-8",
}
"""Formats of the report and the content type of each."""


def ending(format_: str) -> str:
    """How a file of the format is called after its dot."""
    return "focus.csv" if format_ == "focus" else format_


@dataclass(frozen=True, slots=True)
class Document:
    """`tenant` set: the variant a tenant may see, without neighbours, totals, revenue and margin.

    `delta` is what the bill changed by since the version before; None for the first.
    """

    statement: Statement
    version: int
    sha256: str
    delta: str | None = None
    tenant: TenantId | None = None

    @property
    def line(self) -> TenantLine | None:
        """The one line of the tenant-facing variant."""
        lines = self.statement.tenants
        return next((line for line in lines if line.tenant == self.tenant), None)

    def headline(self) -> str:
        """Period, zone, hours, status, version and coverage in one line."""
        s = self.statement
        parts = [
            f"{s.week}, {local(s.start, s.terms.zone)} to {local(s.end, s.terms.zone)}"
            f" {s.terms.zone}, {s.hours} h",
            s.status,
            f"version {self.version}",
            f"{s.measured_hours} of {s.hours} h measured",
        ]
        if self.tenant is None:
            parts.append(coverage_words(s.coverage))
        return " · ".join(parts)


def document_of(known: Stored, tenant: TenantId | None = None) -> Document:
    """A stored statement for its readers, or for one tenant (Rejected when it has no line)."""
    whole = Document(known.statement, known.version, known.sha256, known.delta)
    return whole if tenant is None else for_tenant(whole, tenant)


def for_tenant(document: Document, tenant: TenantId) -> Document:
    """The tenant-facing variant. Raises Rejected(NOT_FOUND) when the week does not know it."""
    own = replace(document, tenant=tenant)
    if own.line is None:
        raise Rejected(
            Rejection.NOT_FOUND,
            f"tenant {tenant[:80]!r} has no line in {document.statement.week}",
            field="tenant",
        )
    return own


def local(moment: datetime, zone: str) -> str:
    """`Mon 19 Oct 2026 00:00` in the zone of the account."""
    return moment.astimezone(ZoneInfo(zone)).strftime("%a %d %b %Y %H:%M")


def coverage_words(coverage: float | None) -> str:
    if coverage is None:
        return "no use measured"
    return f"{coverage:.1%} of the used cost has a tenant's name"
