"""Tells when a budget is used up: of the whole bill, of a plan, of a tenant; by week or month.

What is spent is the running estimate of the same engine that makes the reports. Each part of a
budget (`at`) is told once a period, in the transaction that remembers it.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal, InvalidOperation

from analyzer.cost.book import CostBook
from analyzer.cost.months import month_of
from analyzer.cost.shown import shown_amount
from analyzer.cost.statement import Statement
from analyzer.cost.weeks import week_of
from analyzer.model import EventType
from analyzer.notify.announce import announce
from analyzer.notify.clock import stored
from analyzer.notify.event import Links
from analyzer.store.database import Store
from analyzer.store.reader import Transaction

PERIODS = ("week", "month")


@dataclass(frozen=True, slots=True)
class Budget:
    """A `[[budget]]`: `limit` (a decimal, in the account's currency) a `period` (week or month).

    Of one `tenant`, of all tenants of a `plan`, or with neither of the whole bill. `at` are the
    parts of it that are told, 1.0 being all of it.
    """

    name: str
    limit: str
    period: str = "month"
    tenant: str = ""
    plan: str = ""
    at: tuple[float, ...] = (1.0,)

    def problems(self) -> list[str]:
        """Everything wrong with it, as "key: what, remedy"."""
        where = f"budget {self.name!r}"
        found = [] if self.name.strip() else ["budget.name: missing, give the budget a name"]
        if self.period not in PERIODS:
            found.append(f"{where}.period: {self.period!r} is unknown, use week or month")
        if not _positive(self.limit):
            found.append(f'{where}.limit: {self.limit[:40]!r} is no amount, write it like "250.00"')
        if self.tenant and self.plan:
            found.append(f"{where}.plan: stands beside tenant, keep one of them")
        if not self.at or not all(0 < part <= 10 for part in self.at):
            found.append(f"{where}.at: must hold parts above 0 and up to 10, such as [0.8, 1.0]")
        return found

    @property
    def whose(self) -> str:
        """In words: `acme`, `plan free`, `the whole platform`."""
        return self.tenant or (f"plan {self.plan}" if self.plan else "the whole platform")


@dataclass(frozen=True, slots=True)
class Spent:
    """How far a budget is used; amounts in the account's currency."""

    budget: Budget
    period: str
    amount: Decimal
    currency: str

    @property
    def part(self) -> float:
        return float(self.amount / Decimal(self.budget.limit))


def problems(budgets: Sequence[Budget]) -> list[str]:
    """Everything wrong with the list."""
    found = [problem for budget in budgets for problem in budget.problems()]
    names = [budget.name for budget in budgets]
    twice = sorted({name for name in names if names.count(name) > 1})
    return [*found, *(f"budget.name: {name!r} is used twice, rename one" for name in twice)]


def spent(budget: Budget, statement: Statement) -> Spent:
    """What of the statement counts for the budget."""
    quanta = sum(
        line.total
        for line in statement.tenants
        if budget.tenant in ("", line.tenant) and budget.plan in ("", line.plan)
    )
    whole = not budget.tenant and not budget.plan
    amount = Decimal(statement.money(statement.bill if whole else quanta))
    return Spent(budget, statement.week, amount, statement.terms.currency)


def watch_budgets(
    store: Store, held: CostBook, budgets: Sequence[Budget], *, now: datetime, zone: str,
    links: Links,
) -> list[Spent]:  # fmt: skip
    """Tell what was exceeded since. Returns what was told."""
    told = []
    for period in PERIODS:
        mine = [budget for budget in budgets if budget.period == period]
        if mine:
            span = week_of(now, zone) if period == "week" else month_of(now, zone)
            statement = held.estimate(span, now)
            told += _tell_all(store, [spent(budget, statement) for budget in mine], now, links)
    return told


def _tell_all(store: Store, found: Sequence[Spent], now: datetime, links: Links) -> list[Spent]:
    news = list(_news(store, found))
    if news:
        with store.transaction() as tx:
            for each, part in news:
                _tell(tx, each, part, now, links)
    return [each for each, _ in news]


def _news(store: Store, found: Sequence[Spent]) -> Iterator[tuple[Spent, float]]:
    """The highest part newly reached of each budget: who jumps over two is told of one."""
    for each in found:
        rows = store.rows("budgets_told", period=each.period)
        known = max((part for name, part in rows if name == each.budget.name), default=0.0)
        reached = [part for part in each.budget.at if known < part <= each.part]
        if reached:
            yield each, max(reached)


def _tell(tx: Transaction, each: Spent, part: float, now: datetime, links: Links) -> None:
    budget = each.budget
    tx.execute("budget_tell", budget=budget.name, period=each.period, part=part, now=stored(now))
    amount = shown_amount(str(each.amount), each.currency)
    url = links.tenant(budget.tenant) if budget.tenant else f"{links.base}/cost"
    announce(
        tx,
        EventType.BUDGET_EXCEEDED,
        subject=budget.name,
        summary=f"Budget {budget.name}: {budget.whose} has cost {amount} {each.currency} "
        f"in {each.period}, {each.part:.0%} of {budget.limit}.",
        url=url,
        now=now,
        links=links,
        facts={
            "budget": budget.name,
            "whose": budget.whose,
            "period": each.period,
            "spent": str(each.amount),
            "limit": budget.limit,
            "currency": each.currency,
            "part": f"{part:g}",
        },
    )


def _positive(text: str) -> bool:
    try:
        value = Decimal(text)
    except InvalidOperation:
        return False
    return value.is_finite() and value > 0
