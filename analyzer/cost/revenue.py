"""What a tenant pays: its plans over time, each at the prices of its time."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from decimal import Decimal

from analyzer.cost.charges import Span, monthly
from analyzer.cost.settings import CostSettings
from analyzer.cost.usage import Tenant, aware, naive
from analyzer.store.database import Store
from analyzer.store.reader import Reader

_EVER = datetime.max.replace(tzinfo=UTC)


@dataclass(frozen=True, slots=True)
class Leg:
    """A plan and an own price (minor units per month, over the plan's) of a tenant, from when."""

    plan: str
    price_minor: int | None
    start: datetime


def note_plans(store: Store, now: datetime) -> None:
    """Write down whose plan or price changed; the timetable asks often, so that a change is known
    to the minute.
    """
    with store.transaction() as tx:
        tx.execute("plan_note", at=naive(now))


def read_plans(reader: Reader) -> Mapping[str, Sequence[Leg]]:
    """Plans of every tenant over time, oldest first."""
    found: dict[str, list[Leg]] = {}
    for tenant, plan, price_minor, since in reader.rows("plan_history"):
        start = aware(since)
        assert start is not None
        found.setdefault(tenant, []).append(Leg(plan, price_minor, start))
    return found


@dataclass(frozen=True, slots=True)
class Revenue:
    """Of an interval, in quanta of `scale`: monthly prices telescoped, leg by leg."""

    settings: CostSettings
    history: Mapping[str, Sequence[Leg]]
    interval: Span
    scale: int

    def of(self, tenant: Tenant) -> int | None:
        """What a tenant paid; None when a plan it had then has no price."""
        found = 0
        start, end = tenant.present(*self.interval)
        for leg, a, b in self._legs(tenant, start, end):
            price = self._paid(leg, a, b)
            if price is None:
                return None
            found += price
        return found

    def _legs(
        self, tenant: Tenant, start: datetime, end: datetime
    ) -> Iterator[tuple[Leg, datetime, datetime]]:
        """The plans of an interval. Before the first that was noted, that one is taken to hold; a
        tenant without any has the plan it has now.
        """
        legs = self.history.get(tenant.id) or [Leg(tenant.plan, tenant.price_minor, start)]
        ends = [*(leg.start for leg in legs[1:]), _EVER]
        for number, (leg, until) in enumerate(zip(legs, ends, strict=True)):
            a = start if number == 0 else max(start, leg.start)
            b = min(end, until)
            if a < b or (start == end and until == _EVER):
                yield leg, a, max(a, b)

    def _paid(self, leg: Leg, a: datetime, b: datetime) -> int | None:
        zone, scale = self.settings.zone, self.scale
        if leg.price_minor is not None:
            own = Decimal(leg.price_minor).scaleb(-self.settings.precision)
            return monthly(own, a, b, scale=scale, zone=zone)
        prices = [plan for plan in self.settings.plans if plan.name == leg.plan]
        if not prices:
            return None
        spans = [(Decimal(plan.price), *plan.clipped(a, b)) for plan in prices]
        return sum(monthly(p, x, y, scale=scale, zone=zone) for p, x, y in spans if x < y)
