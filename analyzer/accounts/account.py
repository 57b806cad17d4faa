"""The stored object of one tenant, week and version: every page, file and message shows this one.

Amounts are decimal strings: `exact` keeps every decimal, `shown` is at the decimals of the currency
and adds up with all others of its week (`analyzer.cost.shown`).
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, fields
from datetime import datetime

import msgspec


@dataclass(frozen=True, slots=True)
class Amount:
    """Money twice: to the last quantum, and as people read it."""

    exact: str
    shown: str


@dataclass(frozen=True, slots=True)
class Columns:
    """direct + own_idle + pool_idle + shared + credit == total, exactly and as shown."""

    direct: Amount
    own_idle: Amount
    pool_idle: Amount
    shared: Amount
    credit: Amount
    total: Amount


@dataclass(frozen=True, slots=True)
class Item:
    """One resource. `share` of everything measured on it, what nobody used included; `unit_price`
    is direct cost over `quantity`; both None where nothing was measured.
    """

    resource: str
    kind: str
    driver: str
    unit: str
    quantity: str
    share: str | None
    unit_price: str | None
    columns: Columns


@dataclass(frozen=True, slots=True)
class Effects:
    """What the change since the week before is made of; the six sum to it."""

    price: Amount
    usage: Amount
    neighbours: Amount
    policy: Amount
    moves: Amount
    restatement: Amount

    def named(self) -> list[tuple[str, Amount]]:
        return [(field.name, getattr(self, field.name)) for field in fields(self)]


@dataclass(frozen=True, slots=True)
class UnitCost:
    """Cost `per` so much of `what`; None (n/a) when `quantity` is 0."""

    what: str
    per: str
    quantity: str
    direct: str | None
    loaded: str | None


@dataclass(frozen=True, slots=True)
class Anomaly:
    """`state`: calm, odd, new or gone. `z` robust deviations from `usual`; `q` is the smallest rate
    of false discoveries at which it would still be called odd.
    """

    state: str
    usual: str
    z: float
    q: float


@dataclass(frozen=True, slots=True)
class Forecast:
    """Of the week after. The interval holds in `nominal` of cases by its making, and held in
    `measured` of the past weeks; `error` is the weighted absolute error of what was foretold for
    the last four weeks (None: nothing was).
    """

    amount: str
    low: str
    high: str
    nominal: float
    measured: float | None
    error: float | None


@dataclass(frozen=True, slots=True)
class Harm:
    """What one incident cost this tenant: minutes hurt, the part of the service lost, money."""

    incident: str
    resource: str
    started_at: datetime
    minutes: float
    lost: float
    cost: Amount


@dataclass(frozen=True, slots=True)
class Account:
    """One tenant, week and version. `margin` is against the price of its plan; `caused` is what its
    incidents cost others. `measured_hours` of `hours` have usage; `coverage` is the part of the
    platform's used cost that has a tenant's name.
    """

    week: str
    version: int
    start: datetime
    end: datetime
    zone: str
    hours: int
    measured_hours: int
    status: str
    coverage: float | None
    currency: str
    decimals: int
    policy: str
    tenant: str
    name: str
    plan: str
    columns: Columns
    items: tuple[Item, ...]
    revenue: Amount | None
    margin: Amount | None
    margin_ratio: float | None
    before: Amount | None
    change: Amount | None
    why: Effects | None
    units: tuple[UnitCost, ...]
    anomaly: Anomaly | None
    forecast: Forecast | None
    harms: tuple[Harm, ...]
    harmed: Amount
    caused: Amount
    percentile: float | None = None
    """Part of the tenants of the same plan that cost less; None where there are under five."""
    weeks: tuple[tuple[str, str], ...] = ()
    """(week, total as shown) of up to eight weeks, this one last."""


def to_json(account: Account) -> str:
    """Canonical: sorted keys, no spaces."""
    return msgspec.json.encode(account, order="sorted").decode()


def from_json(text: str) -> Account:
    """The account `to_json` wrote. Raises msgspec.ValidationError on another shape."""
    return msgspec.json.decode(text, type=Account)


def sha256(content: str) -> str:
    return hashlib.sha256(content.encode()).hexdigest()
