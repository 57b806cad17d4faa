"""From a price to the whole quanta it costs between two instants."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from fractions import Fraction
from functools import lru_cache
from zoneinfo import ZoneInfo

from analyzer.cost.allocation import piece
from analyzer.cost.settings import CostSettings, Price, utc
from analyzer.cost.weeks import local_midnight

UNMATCHED = "unmatched"
"""Kind of a charge for lines of a bill that no rule gives to a resource."""

CREDIT = "credit"
"""Kind of a charge for credits that name no resource."""

Span = tuple[datetime, datetime]

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_HOUR = timedelta(hours=1)
_TICK = timedelta(microseconds=1)


@dataclass(frozen=True, slots=True)
class Charge:
    """One price over one interval: `quanta` to be split over those who used it. `over` names the
    resources whose payers share a fixed charge; `credit` ones are shown in a column of their own;
    `billed` ones come from a provider's bill.
    """

    resource: str
    kind: str
    driver: str
    idle: str
    start: datetime
    end: datetime
    quanta: int
    over: tuple[str, ...] = ()
    credit: bool = False
    billed: bool = False


def charges(
    settings: CostSettings,
    start: datetime,
    end: datetime,
    scale: int | None = None,
    covered: Mapping[str, Sequence[Span]] | None = None,
) -> list[Charge]:
    """What every price costs between two instants; a price not valid then is left out, and so are
    the spans in which a bill covers its resource. `scale` is that of the quanta, of the settings if
    not given.
    """
    scale = settings.scale if scale is None else scale
    found = []
    for price in settings.prices:
        for a, b in _outside(_valid(price, start, end), (covered or {}).get(price.resource, ())):
            quanta = cost_between(price, a, b, scale=scale, zone=settings.zone)
            policy = price.idle or settings.idle
            found.append(
                Charge(price.resource, price.kind, price.driver, policy, a, b, quanta, price.over)
            )
    return found


def estimates(
    settings: CostSettings, covered: Mapping[str, Sequence[Span]], scale: int
) -> dict[str, int]:
    """What the price sheet says of the spans in which bills cover a resource."""
    found = dict.fromkeys(covered, 0)
    for price in settings.prices:
        for start, end in covered.get(price.resource, ()):
            a, b = _valid(price, start, end)
            if a < b:
                cost = cost_between(price, a, b, scale=scale, zone=settings.zone)
                found[price.resource] += cost
    return found


def merged(spans: Iterable[Span]) -> list[Span]:
    """Spans in order, those that touch made one."""
    found: list[Span] = []
    for a, b in sorted(spans):
        if found and a <= found[-1][1]:
            found[-1] = (found[-1][0], max(b, found[-1][1]))
        else:
            found.append((a, b))
    return found


def _valid(price: Price, start: datetime, end: datetime) -> Span:
    return max(start, utc(price.valid_from) or start), min(end, utc(price.valid_to) or end)


def _outside(span: Span, taken: Sequence[Span]) -> list[Span]:
    """What of a span is not taken; the taken ones are in order and apart."""
    at, end = span
    found = []
    for a, b in taken:
        if at < min(a, end):
            found.append((at, min(a, end)))
        at = max(at, b)
    if at < end:
        found.append((at, end))
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
