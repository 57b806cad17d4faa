"""The period ledger: every week that ended gets its statement, once a version, however often asked.

The timetable only pokes `close_weeks`; what is due is read from the ledger itself, so a week missed
while the service was down is caught up, and a clock change cannot send one twice.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from decimal import Decimal
from fractions import Fraction
from pathlib import Path

import pyarrow as pa

from analyzer.accounts.known import HARM_WEIGHT, enter, read_known, stored_accounts
from analyzer.accounts.make import make_accounts
from analyzer.accounts.packed import Packed
from analyzer.cost.change import explained
from analyzer.cost.engine import make_statement
from analyzer.cost.ledger import (
    RESTATED,
    Stored,
    cost_before,
    costs_of,
    first_told,
    stored,
    week_before,
)
from analyzer.cost.policy_version import policy_version, under
from analyzer.cost.settings import CostSettings
from analyzer.cost.shown import shown, shown_amount
from analyzer.cost.statement import ResourceLine, Statement, sha256, to_json
from analyzer.cost.usage import naive
from analyzer.cost.weeks import Week, parse_week
from analyzer.density.fullness import densities
from analyzer.reports import due
from analyzer.reports.document import Document, document_of, for_view
from analyzer.reports.files import Written, write_report
from analyzer.store.codec import dump
from analyzer.store.database import Store
from analyzer.store.reader import Reader, Transaction
from collector.model import Rejected, Rejection, TenantId

log = logging.getLogger(__name__)

AT_ONCE = 8
"""Weeks closed in one call: after a long outage the rest follows in the next."""


@dataclass(frozen=True, slots=True)
class Report:
    """One version of a week's report. `delta` is the change of the bill since the version before.

    `changed` names tenants whose cost changed since then; `figures` are the amounts as shown, by
    name; `sha256` is the hash of the stored statement.
    """

    week: str
    version: int
    status: str
    created_at: datetime
    total: str
    currency: str
    delta: str | None
    files: tuple[Written, ...]
    changed: tuple[TenantId, ...] = ()
    figures: tuple[tuple[str, str], ...] = ()
    sha256: str = ""


Tell = Callable[[Transaction, Report], object]


def close_weeks(
    store: Store,
    *,
    now: datetime,
    settings: CostSettings,
    directory: Path,
    formats: Sequence[str] = ("html", "csv"),
    tell: Tell | None = None,
) -> list[Report]:
    """Write what is due: new weeks oldest first, then weeks that changed or became final.

    Answers the versions written by this call; `tell` is called for each in the transaction that
    enters it, so that nobody is told twice or never. A week that cannot be written is logged and
    tried again next time; it does not hold up the others.
    """
    if not settings.prices:
        return []
    ended = due.weeks_due(store, settings)[:AT_ONCE]
    stale = [] if ended else due.weeks_stale(store, now, settings)
    written = []
    for week, terms in [*((week, settings) for week in ended), *stale]:
        try:
            report = _close(store, week, terms, now, formats, directory, tell)
        except (OSError, ArithmeticError, ValueError, Rejected):
            log.exception("could not write the cost report of %s", week.id)
            continue
        if report is not None:
            written.append(report)
    return written


def _close(
    store: Store,
    week: Week,
    settings: CostSettings,
    now: datetime,
    formats: Sequence[str],
    directory: Path,
    tell: Tell | None,
) -> Report | None:
    """Make, write and enter one version; None when it would say what the last one says."""
    with store.reader() as reader:
        last = stored(reader, week.id)
        trace = due.trace(reader, week, settings)[1]
        earlier = week_before(reader, week, settings)
        told = costs_of(first_told(reader, week.previous().id, settings) or earlier, settings)
        status = due.status(reader, week, settings, now)
        statement = _named(_made(reader, week, settings, status, told, earlier), last)
    content = to_json(statement)
    digest = sha256(content)
    if last is not None and last.sha256 == digest:
        return None
    version = last.version + 1 if last else 1
    accounts = accounts_of(store, statement, version, week.end, HARM_WEIGHT)
    document = Document(
        statement,
        version,
        digest,
        _delta(last, statement),
        accounts=accounts,
        corrects=last.statement if last and statement.status == RESTATED else None,
        issued_at=now,
    )
    files = write_report(document, formats, directory)
    report = Report(
        week=week.id,
        version=document.version,
        status=statement.status,
        created_at=now,
        total=shown_amount(statement.money(statement.bill), settings.currency),
        currency=settings.currency,
        delta=document.delta,
        files=tuple(files),
        changed=_changed(last, statement),
        figures=_figures(statement),
        sha256=digest,
    )
    with store.transaction() as tx:
        _enter(tx, document, content, trace, now, files)
        enter(tx, accounts)
        if tell is not None:
            tell(tx, report)
    return report


def _made(
    reader: Reader,
    week: Week,
    settings: CostSettings,
    status: str,
    told: Mapping[str, int],
    earlier: Statement | None,
) -> Statement:
    """The statement with its reasons; made twice where last week had other rules for idle cost."""

    def make(terms: CostSettings) -> Statement:
        return make_statement(reader, week, terms, until=week.end, status=status, before=told)

    statement = make(settings)
    if earlier is None or policy_version(earlier.terms) == policy_version(settings):
        return explained(statement, earlier)
    old = under(settings, earlier.terms)
    return explained(statement, earlier, under_old_policy=make(old) if old != settings else None)


def accounts_of(
    store: Store, statement: Statement, version: int, until: datetime, weight: Fraction
) -> Packed:
    """One account a tenant of a statement that was just made."""
    with store.reader() as reader:
        known = read_known(reader, statement, until, weight)
    policy = policy_version(statement.terms)
    return Packed(make_accounts(statement, version, known, policy=policy))


def _named(statement: Statement, last: Stored | None) -> Statement:
    """A final week that says something else now is restated; one that does not keeps its name."""
    if last is None or statement.status != "final":
        return statement
    if last.statement.status not in ("final", RESTATED):
        return statement
    same = replace(statement, status=last.statement.status)
    return same if sha256(to_json(same)) == last.sha256 else replace(same, status=RESTATED)


def _enter(
    tx: Transaction,
    document: Document,
    content: str,
    trace: str,
    now: datetime,
    files: Sequence[Written],
) -> None:
    statement = document.statement
    tx.execute(
        "statement_add",
        week=statement.week,
        version=document.version,
        status=statement.status,
        zone=statement.terms.zone,
        currency=statement.terms.currency,
        bill=statement.money(statement.bill),
        delta=document.delta,
        created_at=naive(now),
        sha256=document.sha256,
        trace=trace,
        content=content,
    )
    terms = dump(statement.terms)
    tx.execute("policy_note", version=sha256(terms)[:12], at=naive(now), content=terms)
    adjusted = [line for line in statement.resources if line.estimate is not None]
    if adjusted:
        tx.load(
            "adjustment_add",
            _adjustments(statement, adjusted),
            week=statement.week,
            version=document.version,
            currency=statement.terms.currency,
            at=naive(now),
        )
    for file in files:
        tx.execute(
            "report_file_add",
            week=statement.week,
            version=document.version,
            tenant="",
            format=file.format,
            path=str(file.path),
            sha256=file.sha256,
        )


def _figures(statement: Statement) -> tuple[tuple[str, str], ...]:
    s = shown(statement)
    return (
        ("allocated", s.money(s.allocated)),
        ("idle", s.money(s.idle)),
        ("unattributed", s.money(s.unattributed)),
        ("tenants", str(len(s.tenants))),
    )


def _adjustments(s: Statement, lines: Sequence[ResourceLine]) -> pa.Table:
    """What bills said of each resource against the price sheet."""
    return pa.table(
        {
            "resource": [line.resource for line in lines],
            "estimate": [s.money(line.estimate or 0) for line in lines],
            "billed": [s.money(line.billed) for line in lines],
            "adjustment": [s.money(line.adjustment or 0) for line in lines],
        }
    )


def _delta(last: Stored | None, statement: Statement) -> str | None:
    if last is None:
        return None
    now, before = (Decimal(s.money(s.bill)) for s in (statement, last.statement))
    return f"{now - before:f}"


def _changed(last: Stored | None, statement: Statement) -> tuple[TenantId, ...]:
    if last is None:
        return ()
    before, after = (
        {line.tenant: Decimal(s.money(line.total)) for line in s.tenants}
        for s in (last.statement, statement)
    )
    both = sorted(before.keys() | after.keys())
    return tuple(TenantId(t) for t in both if before.get(t, 0) != after.get(t, 0))


def build_report(
    store: Store,
    week: str,
    tenant: TenantId | None,
    formats: Sequence[str],
    directory: Path,
    *,
    settings: CostSettings,
    now: datetime,
    view: str = "",
) -> list[Path]:
    """Files of one week for the command line: the stored version, or an estimate made now.

    Raises Rejected on an unknown week, tenant or format, OSError when it cannot be written.
    """
    with store.reader() as reader:
        found = stored(reader, week)
        document = (
            document_of(found, stored_accounts(reader, week, found.version))
            if found
            else _estimate(reader, week, settings, now)
        )
    if not found:
        accounts = accounts_of(store, document.statement, 0, now, HARM_WEIGHT)
        document = replace(document, accounts=accounts)
    document = replace(document, rooms=tuple(densities(store, now=now)))
    document = for_view(document, view, tenant)
    return [file.path for file in write_report(document, formats, directory)]


def _estimate(reader: Reader, week_id: str, settings: CostSettings, now: datetime) -> Document:
    week = parse_week(week_id, settings.zone)
    if week.start >= now or not settings.prices:
        raise Rejected(
            Rejection.NOT_FOUND,
            f"{week_id} has no statement: it has not begun, or no prices are configured",
            field="week",
        )
    statement = make_statement(
        reader,
        week,
        settings,
        until=now,
        status="estimate",
        before=cost_before(reader, week, settings),
    )
    return Document(statement, 0, sha256(to_json(statement)))
