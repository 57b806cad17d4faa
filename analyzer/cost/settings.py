"""Prices, plans and policies of the account: the `[cost]` part of the configuration."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from decimal import Decimal, InvalidOperation
from graphlib import CycleError, TopologicalSorter
from itertools import pairwise
from zoneinfo import ZoneInfo

from babel.numbers import UnknownCurrencyError, get_currency_precision, validate_currency

from analyzer.cost.bills.rules import BillRule
from analyzer.cost.policies import POLICIES, Policy, policy_named, policy_problems

KINDS = ("capacity", "usage", "fixed")
DRIVERS = ("", "busy", "count", "volume")
BASES = ("billed", "effective")
KEPT = ("retained", "proportional")
MAX_SCALE = 12
_LONG = datetime.min.replace(tzinfo=UTC)
_EVER = datetime.max.replace(tzinfo=UTC)


@dataclass(frozen=True, slots=True)
class Price:
    """What a resource costs, per hour or per calendar month (exactly one), as a decimal string.

    `capacity`: paid whether used or not, so part of it may be idle. `usage`: all of it goes to its
    users. `fixed`: shared by every tenant by the time it was there; with `over`, by what
    the tenants of these resources pay for them. `driver` is what users are measured by: busy
    (seconds of the resource), count (operations) or volume; empty picks busy, and volume for a
    usage price of a cache. `idle` overrides the account's policy for idle cost.
    """

    resource: str
    per_hour: str = ""
    per_month: str = ""
    kind: str = "capacity"
    driver: str = ""
    idle: str = ""
    over: tuple[str, ...] = ()
    valid_from: datetime | None = None
    valid_to: datetime | None = None

    @property
    def amount(self) -> Decimal:
        return Decimal(self.per_hour or self.per_month)


@dataclass(frozen=True, slots=True)
class Plan:
    """What a tenant of this plan pays per calendar month. When the price changes, end the old one
    with `valid_to` and add the new one with `valid_from`.
    """

    name: str
    price: str = "0"
    valid_from: datetime | None = None
    valid_to: datetime | None = None

    def clipped(self, a: datetime, b: datetime) -> tuple[datetime, datetime]:
        """The part of an interval in which this price holds (start >= end: none)."""
        return max(a, utc(self.valid_from) or a), min(b, utc(self.valid_to) or b)


@dataclass(frozen=True, slots=True)
class Rate:
    """What one unit of `currency` is worth in the account's currency; `source` says who says so.
    A bill in a currency without a rate is shown and not counted: currencies are never mixed.
    """

    currency: str
    rate: str
    source: str
    valid_from: datetime | None = None
    valid_to: datetime | None = None


@dataclass(frozen=True, slots=True)
class CostSettings:
    """Money of the account. A week becomes final `final_after_days` after it ended; with bill rules
    not before bills cover it, or 35 days have passed. `basis` says which cost of a bill counts,
    billed or effective. `idle` says who pays for unused capacity, `system` for use without a
    tenant's name, `credits` (retained or proportional) who gets a credit that names no resource.
    """

    currency: str = "USD"
    zone: str = "UTC"
    prices: tuple[Price, ...] = ()
    plans: tuple[Plan, ...] = ()
    idle: str = "retained"
    final_after_days: int = 7
    basis: str = "billed"
    system: str = "retained"
    credits: str = "retained"
    policies: tuple[Policy, ...] = ()
    rates: tuple[Rate, ...] = ()
    bill_rules: tuple[BillRule, ...] = ()

    @property
    def precision(self) -> int:
        """Decimals of the currency as people write it (USD 2, JPY 0, KWD 3)."""
        return get_currency_precision(self.currency)

    @property
    def scale(self) -> int:
        """Decimals of the quantum: two finer than the currency and no coarser than any price. A
        statement with bills in it may have a finer one.
        """
        written = [_decimals(price.per_hour or price.per_month) for price in self.prices]
        written += [_decimals(plan.price) for plan in self.plans]
        return min(MAX_SCALE, max([self.precision + 2, *written]))

    def policy(self, name: str) -> Policy:
        """A policy by its name: one of `[[cost.policy]]`, or a built-in one."""
        return policy_named(name, self.policies)

    def problems(self) -> list[str]:
        """Everything wrong, each as "key: what, remedy"."""
        found = [*_currency(self.currency), *_zone(self.zone), *policy_problems(self.policies)]
        known = (*POLICIES, *(policy.name for policy in self.policies))
        for key, value, words in (
            ("idle", self.idle, known),
            ("system", self.system, known),
            ("credits", self.credits, KEPT),
            ("basis", self.basis, BASES),
        ):
            if value not in words:
                found.append(f"cost.{key}: {value!r} is unknown, use one of {', '.join(words)}")
        if self.final_after_days < 0:
            found.append("cost.final_after_days: is negative, use 0 or more")
        for number, price in enumerate(self.prices):
            found += _price(f"cost.price[{number}]", price, known)
        for number, rate in enumerate(self.rates):
            found += _rate(f"cost.rate[{number}]", rate)
        for number, rule in enumerate(self.bill_rules):
            found += rule.problems(f"bill_rule[{number}]", KINDS, DRIVERS, known)
        return [*found, *_plans(self.plans), *_circles(self.prices)]


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


def _plans(plans: Sequence[Plan]) -> list[str]:
    found = []
    for number, plan in enumerate(plans):
        found += _amount(f"plan[{number}].price", plan.price, negative=False)
        found += _validity(f"plan[{number}]", plan)
    names = Counter(plan.name for plan in plans)
    for name in (name for name, times in names.items() if times > 1):
        same = sorted(
            (p for p in plans if p.name == name), key=lambda p: utc(p.valid_from) or _LONG
        )
        for one, after in pairwise(same):
            if (utc(one.valid_to) or _EVER) > (utc(after.valid_from) or _LONG):
                found.append(f"plan: {name!r} is given twice for one time, keep one")
    return found


def _rate(key: str, rate: Rate) -> list[str]:
    found = [*_amount(f"{key}.rate", rate.rate, negative=False), *_validity(key, rate)]
    if not rate.source:
        found.append(f"{key}.source: is empty, say where the rate comes from")
    if not rate.currency:
        found.append(f"{key}.currency: is empty, name the currency of the bill")
    return found


def _circles(prices: Sequence[Price]) -> list[str]:
    """`over` may go down a chain of resources and must not come back."""
    over = {p.resource: set(p.over) for p in prices if p.over}
    found = [
        f"cost.price[{n}].over: is for fixed prices, make its kind fixed"
        for n, price in enumerate(prices)
        if price.over and price.kind != "fixed"
    ]
    try:
        tuple(TopologicalSorter(over).static_order())
    except CycleError as circle:
        names = " over ".join(circle.args[1])
        found.append(f"cost.price: {names} is a circle, take one `over` out of it")
    return found


def _price(key: str, price: Price, policies: Sequence[str]) -> list[str]:
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
        ("idle", price.idle, ("", *policies)),
    ):
        if value not in known:
            words = ", ".join(word for word in known if word)
            found.append(f"{key}.{name}: {value!r} is unknown, use one of {words}")
    if price.kind == "capacity" and price.driver not in ("", "busy"):
        found.append(f"{key}.driver: a capacity price is driven by busy, or make its kind usage")
    return found + _validity(key, price)


def _validity(key: str, price: Price | Plan | Rate) -> list[str]:
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
