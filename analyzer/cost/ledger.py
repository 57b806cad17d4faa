"""The stored statements, newest version of each week."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from analyzer.cost.rounding import nearest
from analyzer.cost.settings import CostSettings
from analyzer.cost.statement import Statement, from_json
from analyzer.cost.usage import aware
from analyzer.cost.weeks import Week
from analyzer.store.reader import Reader

RESTATED = "restated"
"""Status of a version that says something else than a final one did."""


@dataclass(frozen=True, slots=True)
class Stored:
    """The newest version of a week, as the ledger keeps it. `corrects`: the version before, when
    that one was final: what was issued is not taken back, it is corrected.
    """

    statement: Statement
    version: int
    delta: str | None
    created_at: datetime
    sha256: str
    trace: str
    corrects: Statement | None = None


def stored(reader: Reader, week: str, version: int | None = None) -> Stored | None:
    """A version of a week (the newest), or None when it has none."""
    row = reader.row("statement_latest", week=week, version=version)
    if row is None:
        return None
    created = aware(row[7])
    statement = from_json(row[10])
    before = None
    if statement.status == RESTATED:
        before = reader.row("statement_of_version", week=week, version=row[1] - 1)
    corrects = from_json(before[0]) if before else None
    return Stored(statement, row[1], row[6], created or row[7], row[8], row[9], corrects)


def cost_before(reader: Reader, week: Week, settings: CostSettings) -> dict[str, int]:
    """What each tenant cost the week before, in quanta of these settings; empty if unknown."""
    return costs_of(week_before(reader, week, settings), settings)


def week_before(reader: Reader, week: Week, settings: CostSettings) -> Statement | None:
    """The statement of the week before, if it is in the same currency."""
    last = stored(reader, week.previous().id)
    if last is None or last.statement.terms.currency != settings.currency:
        return None
    return last.statement


def first_told(reader: Reader, week: str, settings: CostSettings) -> Statement | None:
    """The first version of a week, if it is in the same currency: what people were told of it."""
    row = reader.row("statement_first", week=week)
    first = from_json(row[0]) if row else None
    return first if first and first.terms.currency == settings.currency else None


def costs_of(last: Statement | None, settings: CostSettings) -> dict[str, int]:
    """What each tenant cost, in quanta of these settings."""
    if last is None:
        return {}
    unit = 10 ** max(0, last.scale - settings.scale)
    finer = 10 ** max(0, settings.scale - last.scale)
    return {line.tenant: nearest(line.total * finer, unit) for line in last.tenants}
