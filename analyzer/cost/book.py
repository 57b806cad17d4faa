"""Statements ready to be shown: closed weeks from the ledger, the running week estimated so far."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import lru_cache

from analyzer.cost.engine import make_statement
from analyzer.cost.held import Held
from analyzer.cost.ledger import Stored, cost_before, stored
from analyzer.cost.months import Month
from analyzer.cost.settings import CostSettings
from analyzer.cost.shown import shown
from analyzer.cost.statement import Statement
from analyzer.cost.weeks import Week, week_of
from analyzer.store.database import Store

_HOLD = timedelta(seconds=10)
_HOLD_A_TENANT = timedelta(milliseconds=20)
_KEPT = 8
_ESTIMATES = 3


@dataclass(frozen=True, slots=True)
class TenantCost:
    """Of the running week so far, as decimal strings; no margin for a tenant that pays nothing."""

    cost: str
    revenue: str | None
    margin: str | None
    currency: str


@dataclass(frozen=True, slots=True)
class _Estimate:
    statement: Statement
    costs: Mapping[str, TenantCost]

    def hold(self) -> timedelta:
        """The longer the more it costs to make: 210 s at 10,000 tenants."""
        return _HOLD + len(self.statement.tenants) * _HOLD_A_TENANT


class CostBook:
    """Keeps what was read or made, for any number of threads."""

    def __init__(self, store: Store, settings: CostSettings) -> None:
        self._store = store
        self._settings = settings
        self._estimates: dict[str, Held[_Estimate]] = {}
        self._closed: dict[tuple[str, int], Stored] = {}

    def closed(self, week: str) -> Stored | None:
        """The newest version of a closed week."""
        with self._store.reader() as reader:
            row = reader.row("statement_version", week=week)
            key = (week, row[0] if row and row[0] else 0)
            if key[1] and key not in self._closed:
                found = stored(reader, week)
                while len(self._closed) >= _KEPT:
                    self._closed.pop(next(iter(self._closed)), None)
                if found is not None:
                    self._closed[key] = found
        return self._closed.get(key)

    def estimate(self, week: Week | Month, now: datetime) -> Statement:
        """A week without statement, or a month, as far as it has come."""
        return self._held(week).get(now).statement

    def so_far(self, now: datetime) -> Mapping[str, TenantCost]:
        """Cost of each tenant in the running week."""
        if not self._settings.prices:
            return {}
        return self._held(week_of(now, self._settings.zone)).get(now).costs

    def refresh(self, now: datetime) -> None:
        """Make ready what people ask for: the running week, the one before, months asked for."""
        if not self._settings.prices:
            return
        week = week_of(now, self._settings.zone)
        self._held(week).refresh(now)
        for held in [one for name, one in self._estimates.items() if name != week.id]:
            held.refresh(now)
        before = self.closed(week.previous().id)
        if before is not None:
            shown(before.statement)

    def _held(self, week: Week | Month) -> Held[_Estimate]:
        held = self._estimates.get(week.id)
        if held is None:
            hold = _Estimate.hold if isinstance(week, Week) else _hold_a_month
            held = Held(lambda now: self._make(week, now), hold)
            others = list(self._estimates.items())[: _ESTIMATES - 1]
            self._estimates = {week.id: held, **dict(others)}
        return held

    def _make(self, week: Week | Month, now: datetime) -> _Estimate:
        with self._store.reader() as reader:
            statement = make_statement(
                reader,
                week,
                self._settings,
                until=now,
                status="estimate" if isinstance(week, Week) or now < week.end else "provisional",
                before=cost_before(reader, week, self._settings) if isinstance(week, Week) else {},
            )
        return _Estimate(statement, _costs(shown(statement)))


def _hold_a_month(made: _Estimate) -> timedelta:
    """Four times a week's hours are read for it."""
    return 4 * made.hold()


@lru_cache(maxsize=4)
def book(store: Store, settings: CostSettings) -> CostBook:
    """The one book of a store, shared by everyone who asks."""
    return CostBook(store, settings)


def costs_so_far(store: Store, now: datetime, settings: CostSettings) -> Mapping[str, TenantCost]:
    """Cost of each tenant in the running week; empty when no prices are configured."""
    return book(store, settings).so_far(now)


def _costs(s: Statement) -> dict[str, TenantCost]:
    return {
        line.tenant: TenantCost(
            s.money(line.total),
            None if line.revenue is None else s.money(line.revenue),
            None if line.margin is None else s.money(line.margin),
            s.terms.currency,
        )
        for line in s.tenants
    }
