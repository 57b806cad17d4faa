"""Which weeks need a statement: those that ended without one, those that changed since, and those
that became final. Read from the ledger itself, so that nothing missed stays missed."""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta

from analyzer.cost.ledger import stored
from analyzer.cost.settings import CostSettings
from analyzer.cost.statement import sha256
from analyzer.cost.usage import aware, naive
from analyzer.cost.weeks import Week, parse_week, week_of
from analyzer.store.database import Store
from analyzer.store.reader import Reader

log = logging.getLogger(__name__)

_RESTATED_WITHIN = timedelta(days=35)
"""How long usage may still change a week, and how long a week waits for the bills of its rules."""

_CHECK_EVERY = timedelta(hours=1)

_BILLS = "|bills:"


def watermark(reader: Reader) -> datetime | None:
    """Up to where usage is complete."""
    row = reader.row("cost_watermark")
    return aware(row[0]) if row else None


def weeks_due(store: Store, settings: CostSettings) -> list[Week]:
    """Weeks with data that ended before the watermark and have no statement, oldest first."""
    with store.reader() as reader:
        complete = watermark(reader)
        if complete is None:
            return []
        known = {row[0] for row in reader.rows("statement_weeks")}
        weeks = _weeks_of([row[0] for row in reader.rows("cost_days")], settings.zone)
        late = [w for w in sorted(weeks) if w.end <= complete and w.id not in known]
        return [week for week in late if trace(reader, week, settings)[0]]


def _weeks_of(days: Sequence[date], zone: str) -> set[Week]:
    """Weeks that UTC days touch: a day at the edge may touch two."""
    starts = [datetime(day.year, day.month, day.day, tzinfo=UTC) for day in days]
    last = timedelta(hours=24) - timedelta(microseconds=1)
    return {week_of(moment, zone) for day in starts for moment in (day, day + last)}


def weeks_stale(
    store: Store, now: datetime, settings: CostSettings
) -> list[tuple[Week, CostSettings]]:
    """Recent weeks whose usage changed since, or that are old enough to be final; hourly.

    They keep the prices and the zone they were made with.
    """
    if not _check_is_due(store, now):
        return []
    with store.reader() as reader:
        found = [_stale(reader, row, now, settings) for row in reader.records("statement_weeks")]
    return [week for week in found if week is not None]


def _check_is_due(store: Store, now: datetime) -> bool:
    with store.transaction() as tx:
        row = tx.row("report_checked_at")
        checked = aware(row[0]) if row else None
        if checked is not None and checked <= now < checked + _CHECK_EVERY:
            return False
        tx.execute("report_check_forget")
        tx.execute("report_check_add", at=naive(now))
    return True


def _stale(
    reader: Reader, record: Mapping[str, object], now: datetime, settings: CostSettings
) -> tuple[Week, CostSettings] | None:
    week = parse_week(str(record["week"]), str(record["zone"]))
    ripe = record["status"] == "provisional" and status(reader, week, settings, now) == "final"
    hours, found = trace(reader, week, settings)
    if not ripe and not _changed(str(record["trace"]), found, old=now > _too_old(week)):
        return None
    last = stored(reader, week.id)
    if last is None:
        return None
    if hours < last.statement.measured_hours:
        log.warning("%s keeps its statement: usage it was made from is gone", week.id)
        return None
    return week, replace(
        last.statement.terms,
        final_after_days=settings.final_after_days,
        basis=settings.basis,
        rates=settings.rates,
        bill_rules=settings.bill_rules,
    )


def _too_old(week: Week) -> datetime:
    return week.end + _RESTATED_WITHIN


def _changed(before: str, after: str, *, old: bool) -> bool:
    """Whether usage or bills changed; of an old week only what bills say may still change."""
    if old:
        return before.partition(_BILLS)[2] != after.partition(_BILLS)[2]
    return before != after


def status(reader: Reader, week: Week, settings: CostSettings, now: datetime) -> str:
    """A week is final after its days; one that waits for bills when they cover it, or too late."""
    if now < week.end + timedelta(days=settings.final_after_days):
        return "provisional"
    if not settings.bill_rules or now >= _too_old(week):
        return "final"
    row = reader.row("bill_closed_to")
    since, until = (aware(row[0]), aware(row[1])) if row else (None, None)
    covered = since is not None and until is not None and since <= week.start and week.end <= until
    return "final" if covered else "provisional"


def trace(reader: Reader, week: Week, settings: CostSettings) -> tuple[int, str]:
    """Hours measured, and a fingerprint of the usage and bills a statement is made from."""
    interval = {"start": naive(week.start), "end": naive(week.end)}
    row = reader.row("cost_trace", **interval)
    bills = reader.row("bill_trace", **interval)
    hours, found = (row[0], row[1]) if row else (0, "")
    if bills and bills[0]:
        said = repr((bills[0], settings.bill_rules, settings.rates, settings.basis))
        found += _BILLS + sha256(said)[:16]
    return hours, found
