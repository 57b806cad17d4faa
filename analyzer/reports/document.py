"""What a renderer is given: a statement, which version it is, and for whose eyes."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from zoneinfo import ZoneInfo

from analyzer.accounts.account import Account
from analyzer.cost.ledger import Stored
from analyzer.cost.statement import Statement, TenantLine
from analyzer.density.fullness import Density
from collector.model import Rejected, Rejection, TenantId

FORMATS = {
    "html": "text/html; charset=utf-8",
    "csv": "text/csv; charset=utf-8",
    "xlsx": "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet",
    "pdf": "application/pdf",
    "focus": "text/csv; charset=utf-8",
    "json": "application/json",
}
"""Formats of the report and the content type of each."""


WHOLE = "finance"
"""The view that has everything, and needs no name."""


def ending(format_: str) -> str:
    """How a file of the format is called after its dot."""
    return "focus.csv" if format_ == "focus" else format_


@dataclass(frozen=True, slots=True)
class Document:
    """`tenant` set: the variant a tenant may see, without neighbours, totals, revenue and margin.

    `corrects`: the final version this one restates, `issued_at` when this one was made.
    `delta` is what the bill changed by since the version before; None for the first. `accounts` are
    those of the statement's tenants, in its order; `rooms` how full the resources are (for `sre`).
    """

    statement: Statement
    version: int
    sha256: str
    delta: str | None = None
    tenant: TenantId | None = None
    view: str = WHOLE
    accounts: Sequence[Account] = ()
    rooms: tuple[Density, ...] = ()
    corrects: Statement | None = None
    issued_at: datetime | None = None
    also: tuple[str, ...] = ()
    """Sentences about other weeks: what was caught up or restated without a report of its own."""

    @property
    def account(self) -> Account | None:
        """Of the one tenant."""
        return next((one for one in self.accounts if one.tenant == self.tenant), None)

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


VIEWS = ("exec", "account", "sre", "finance")
"""For whom: the board, one tenant's account manager, the platform's engineers, finance."""


def document_of(known: Stored, accounts: Sequence[Account] = ()) -> Document:
    """A stored statement for its readers."""
    return Document(
        known.statement,
        known.version,
        known.sha256,
        known.delta,
        accounts=accounts,
        corrects=known.corrects,
        issued_at=known.created_at,
    )


def for_view(document: Document, view: str, tenant: TenantId | None = None) -> Document:
    """The document as one reader wants it. Raises Rejected(INVALID_FIELD) on an unknown view, and
    on the view of an account without a tenant.
    """
    if view and view not in VIEWS:
        raise Rejected(
            Rejection.INVALID_FIELD,
            f"view: {view[:20]!r} is unknown, use one of {', '.join(VIEWS)}",
            field="view",
        )
    if tenant is not None:
        return for_tenant(document, tenant)
    if view == "account":
        raise Rejected(
            Rejection.INVALID_FIELD, "tenant: the account view is of one, name it", field="tenant"
        )
    return replace(document, view=view or document.view)


def for_tenant(document: Document, tenant: TenantId) -> Document:
    """The tenant-facing variant. Raises Rejected(NOT_FOUND) when the week does not know it."""
    own = replace(document, tenant=tenant, view="account")
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
