"""What the store knows besides the statement: use, operations, past weeks, incidents."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import Decimal
from fractions import Fraction

import pyarrow as pa

from analyzer.accounts.account import Account, from_json
from analyzer.accounts.harm import Loss, losses
from analyzer.accounts.packed import Packed
from analyzer.cost.charges import monthly
from analyzer.cost.settings import CostSettings
from analyzer.cost.statement import Statement
from analyzer.cost.usage import Use, naive, read_tenants, read_use
from analyzer.cost.weeks import parse_week
from analyzer.model import Incident, Kind
from analyzer.store.codec import load
from analyzer.store.reader import Reader, Transaction

PAST_WEEKS = 12
_MONTH = timedelta(days=28)
_MANY = 10_000

HARM_WEIGHT = Fraction(1)
"""What a minute lost to a neighbour counts, in minutes of the service."""


@dataclass(frozen=True, slots=True)
class Past:
    """One earlier week of a tenant, in units of the currency; `foretold` is the forecast of the
    week after it.
    """

    week: str
    cost: float
    shown: str
    foretold: float | None


@dataclass(frozen=True, slots=True)
class Known:
    """`operations`: family to tenant to how many; `past`: tenant to its earlier weeks, oldest
    first; `losses` of all tenants in the week.
    """

    use: Use
    operations: Mapping[str, Mapping[str, int]]
    past: Mapping[str, Sequence[Past]]
    losses: Sequence[Loss]


def read_known(reader: Reader, statement: Statement, until: datetime, weight: Fraction) -> Known:
    """Everything an account of the week says besides its statement."""
    start, end = statement.start, min(until, statement.end)
    operations: dict[str, dict[str, int]] = {}
    for family, tenant, count in reader.rows("cost_operations", start=naive(start), end=naive(end)):
        operations.setdefault(family, {})[tenant] = int(count)
    return Known(
        use=read_use(reader, start, end),
        operations=operations,
        past=read_past(reader, statement),
        losses=week_losses(reader, statement, end, weight),
    )


def read_past(reader: Reader, statement: Statement) -> dict[str, list[Past]]:
    """The newest version of each week before, of those in the same currency."""
    week, weeks = parse_week(statement.week, statement.terms.zone), []
    for _ in range(PAST_WEEKS):
        week = week.previous()
        weeks.append(week.id)
    found: dict[str, list[Past]] = {}
    rows = reader.rows("account_past", weeks=weeks, currency=statement.terms.currency)
    for tenant, week_id, cost, shown, foretold in rows:
        told = float(foretold) if foretold else None
        found.setdefault(tenant, []).append(Past(week_id, float(cost), shown, told))
    return found


def week_losses(
    reader: Reader, statement: Statement, end: datetime, weight: Fraction
) -> list[Loss]:
    """What incidents cost whom in the week."""
    costs = {line.tenant: line.total for line in statement.tenants}
    minutes = max(1, int((end - statement.start).total_seconds() // 60))
    worth: dict[str, Fraction] = {
        line.tenant: Fraction(max(line.revenue or 0, 0) or max(costs[line.tenant], 0), minutes)
        for line in statement.tenants
    }
    return losses(
        _incidents(reader, statement.start, end), statement.start, end, worth, weight=weight
    )


def incident_losses(
    reader: Reader, incident: Incident, now: datetime, settings: CostSettings, weight: Fraction
) -> list[Loss]:
    """What one incident cost, at the victims' plan prices (or what they cost last week)."""
    worth: dict[str, Fraction] = {}
    tenants = read_tenants(reader, incident.started_at, now)
    scale = settings.scale
    plans = {plan.name: Decimal(plan.price) for plan in settings.plans}
    costs = {row[0]: Decimal(row[1]) for row in reader.rows("account_newest_totals")}
    for harm in incident.finding.victims:
        known = tenants.get(harm.tenant)
        price = known.monthly(settings.precision) if known else None
        price = plans.get(known.plan) if known and price is None else price
        if price:
            month = monthly(price, now - _MONTH, now, scale=scale, zone=settings.zone)
            worth[harm.tenant] = Fraction(month, _MONTH // timedelta(minutes=1))
        elif harm.tenant in costs:
            week = Fraction(costs[harm.tenant]) * 10**scale
            worth[harm.tenant] = week / (7 * 24 * 60)
    return losses([incident], incident.started_at, now, worth, weight=weight)


def _incidents(reader: Reader, start: datetime, end: datetime) -> list[Incident]:
    rows = reader.rows(
        "journal_incidents", states=None, kind=Kind.NOISY_NEIGHBOUR.value, resource=None,
        tenant=None, from_ts=naive(start), to_ts=naive(end), limit=_MANY, parts=True,
    )  # fmt: skip
    return [load(row[0], Incident) for row in rows]


def enter(tx: Transaction, accounts: Packed) -> None:
    """Write the accounts of one version of a week."""
    for chunk in accounts.table.to_batches():
        tx.load("account_add", pa.Table.from_batches([chunk]))


def stored_accounts(reader: Reader, week: str, version: int) -> list[Account]:
    """All accounts of one version, dearest first; empty when none was kept."""
    return [from_json(row[0]) for row in reader.rows("accounts_of", week=week, version=version)]


def stored_account(reader: Reader, week: str, tenant: str) -> Account | None:
    """The newest version of one tenant's account."""
    row = reader.row("account_of", week=week, tenant=tenant)
    return from_json(row[0]) if row else None
