"""Prices, plans and policies of the account: the `[cost]` part of the configuration."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from datetime import UTC, datetime
from decimal import Decimal, InvalidOperation
from zoneinfo import ZoneInfo

from babel.numbers import UnknownCurrencyError, get_currency_precision, validate_currency

KINDS = ("capacity", "usage", "fixed")
DRIVERS = ("", "busy", "count", "volume")
POLICIES = ("retained", "proportional", "even")
MAX_SCALE = 12


@dataclass(frozen=True, slots=True)
class Price:
    """What a resource costs, per hour or per calendar month (exactly one), as a decimal string.

    `capacity`: paid whether used or not, so part of it may be idle. `usage`: all of it goes to its
    users. `fixed`: shared by every tenant by the time it was there. `driver` is what users are
    measured by: busy (seconds of the resource), count (operations) or volume; empty picks busy, and
    volume for a usage price of a cache. `idle` overrides the account's policy for idle cost.
    """

    resource: str
    per_hour: str = ""
    per_month: str = ""
    kind: str = "capacity"
    driver: str = ""
    idle: str = ""
    valid_from: datetime | None = None
    valid_to: datetime | None = None

    @property
    def amount(self) -> Decimal:
        return Decimal(self.per_hour or self.per_month)


@dataclass(frozen=True, slots=True)
class Plan:
    """What a tenant of this plan pays per calendar month."""

    name: str
    price: str = "0"


@dataclass(frozen=True, slots=True)
class CostSettings:
    """Money of the account. A week becomes final `final_after_days` after it ended."""

    currency: str = "USD"
    zone: str = "UTC"
    prices: tuple[Price, ...] = ()
    plans: tuple[Plan, ...] = ()
    idle: str = "retained"
    final_after_days: int = 7

    @property
    def precision(self) -> int:
        """Decimals of the currency as people write it (USD 2, JPY 0, KWD 3)."""
        return get_currency_precision(self.currency)

    @property
    def scale(self) -> int:
        """Decimals of the quantum: two finer than the currency and no coarser than any price."""
        written = [_decimals(price.per_hour or price.per_month) for price in self.prices]
        written += [_decimals(plan.price) for plan in self.plans]
        return min(MAX_SCALE, max([self.precision + 2, *written]))

    def problems(self) -> list[str]:
        """Everything wrong, each as "key: what, remedy"."""
        found = [*_currency(self.currency), *_zone(self.zone)]
        if self.idle not in POLICIES:
            found.append(f"cost.idle: {self.idle!r} is unknown, use one of {', '.join(POLICIES)}")
        if self.final_after_days < 0:
            found.append("cost.final_after_days: is negative, use 0 or more")
        for number, price in enumerate(self.prices):
            found += _price(f"cost.price[{number}]", price)
        for number, plan in enumerate(self.plans):
            found += _amount(f"plan[{number}].price", plan.price, negative=False)
        names = Counter(plan.name for plan in self.plans)
        found += [f"plan: {n!r} is given twice, keep one" for n, c in names.items() if c > 1]
        return found


def _decimals(text: str) -> int:
    try:
        exponent = Decimal(text).as_tuple().exponent
    except InvalidOperation:
        return 0
    return max(0, -exponent) if isinstance(exponent, int) else 0


def _currency(code: str) -> list[str]:
    try:
        validate_currency(code)
    except UnknownCurrencyError:
        return [f"cost.currency: {code!r} is unknown, use an ISO 4217 code such as EUR"]
    return []


def _zone(name: str) -> list[str]:
    try:
        ZoneInfo(name)
    except (KeyError, OSError, ValueError):
        return [f"cost.zone: {name!r} is unknown, use an IANA name such as Europe/Berlin"]
    return []


def _price(key: str, price: Price) -> list[str]:
    found = []
    if not price.resource:
        found.append(f"{key}.resource: is empty, name the resource the price is for")
    if bool(price.per_hour) == bool(price.per_month):
        found.append(f"{key}: give exactly one of per_hour and per_month")
    for name in ("per_hour", "per_month"):
        if text := getattr(price, name):
            found += _amount(f"{key}.{name}", text, negative=True)
    for name, value, known in (
        ("kind", price.kind, KINDS),
        ("driver", price.driver, DRIVERS),
        ("idle", price.idle, ("", *POLICIES)),
    ):
        if value not in known:
            words = ", ".join(word for word in known if word)
            found.append(f"{key}.{name}: {value!r} is unknown, use one of {words}")
    if price.kind == "capacity" and price.driver not in ("", "busy"):
        found.append(f"{key}.driver: a capacity price is driven by busy, or make its kind usage")
    return found + _validity(key, price)


def _validity(key: str, price: Price) -> list[str]:
    start, end = utc(price.valid_from), utc(price.valid_to)
    if start and end and start >= end:
        return [f"{key}.valid_to: is not after valid_from, swap or correct them"]
    return []


def _amount(key: str, text: str, *, negative: bool) -> list[str]:
    try:
        value = Decimal(text)
    except InvalidOperation:
        return [f'{key}: {text[:40]!r} is not a decimal number, write it like "0.48"']
    if not value.is_finite() or abs(value) >= Decimal(10) ** 12:
        return [f"{key}: {text[:40]!r} is out of range, stay below 10^12"]
    if value < 0 and not negative:
        return [f"{key}: {text[:40]!r} is negative, use 0 or more"]
    if _decimals(text) > MAX_SCALE:
        return [f"{key}: has more than {MAX_SCALE} decimals, round it"]
    return []


def utc(moment: datetime | None) -> datetime | None:
    """An aware UTC instant; a time written without zone is taken as UTC."""
    if moment is None:
        return None
    return moment.replace(tzinfo=UTC) if moment.tzinfo is None else moment.astimezone(UTC)
