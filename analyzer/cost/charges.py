"""From a price to the whole quanta it costs between two instants."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from fractions import Fraction
from functools import lru_cache
from zoneinfo import ZoneInfo

from analyzer.allocation import piece
from analyzer.cost.settings import CostSettings, Price, utc
from analyzer.cost.weeks import local_midnight

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_HOUR = timedelta(hours=1)
_TICK = timedelta(microseconds=1)


@dataclass(frozen=True, slots=True)
class Charge:
    """One price over one interval: `quanta` to be split over those who used it."""

    resource: str
    kind: str
    driver: str
    idle: str
    start: datetime
    end: datetime
    quanta: int


def charges(settings: CostSettings, start: datetime, end: datetime) -> list[Charge]:
    """What every price costs between two instants; a price not valid then is left out."""
    found, scale = [], settings.scale
    for price in settings.prices:
        a = max(start, utc(price.valid_from) or start)
        b = min(end, utc(price.valid_to) or end)
        if a < b:
            quanta = cost_between(price, a, b, scale=scale, zone=settings.zone)
            policy = price.idle or settings.idle
            found.append(Charge(price.resource, price.kind, price.driver, policy, a, b, quanta))
    return found


def cost_between(price: Price, a: datetime, b: datetime, *, scale: int, zone: str) -> int:
    """Quanta of a price from `a` to `b`."""
    if price.per_hour:
        return _hourly(price.amount, a, b, scale)
    return monthly(price.amount, a, b, scale=scale, zone=zone)


def _hourly(amount: Decimal, a: datetime, b: datetime, scale: int) -> int:
    rate = Fraction(amount) * 10**scale
    return piece(rate * _hours(a), rate * _hours(b))


def _hours(moment: datetime) -> Fraction:
    return Fraction((moment - _EPOCH) // _TICK, _HOUR // _TICK)


@lru_cache(maxsize=4096)
def monthly(amount: Decimal, a: datetime, b: datetime, *, scale: int, zone: str) -> int:
    """Quanta of a monthly amount from `a` to `b`: whole months cost exactly the amount."""
    rate = Fraction(amount) * 10**scale
    return piece(rate * _months(a, zone), rate * _months(b, zone))


def _months(moment: datetime, zone: str) -> Fraction:
    """Calendar months of the zone since year 0, the running one by its elapsed part."""
    local = moment.astimezone(ZoneInfo(zone))
    start = local_midnight(date(local.year, local.month, 1), zone)
    following = (local.year + local.month // 12, local.month % 12 + 1)
    length = local_midnight(date(*following, 1), zone) - start
    elapsed = max(timedelta(), moment - start)
    return 12 * local.year + local.month + Fraction(elapsed // _TICK, length // _TICK)
