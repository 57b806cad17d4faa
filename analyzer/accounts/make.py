"""From a statement to one account a tenant. Pure: what the store knows comes in as `Known`."""

from __future__ import annotations

from bisect import bisect_left
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import astuple, dataclass
from decimal import ROUND_HALF_EVEN, Context, Decimal
from fractions import Fraction
from functools import lru_cache

from analyzer.accounts.account import (
    Account,
    Amount,
    Anomaly,
    Columns,
    Effects,
    Forecast,
    Harm,
    Item,
    UnitCost,
)
from analyzer.accounts.anomaly import Course, anomalies
from analyzer.accounts.forecast import forecast
from analyzer.accounts.harm import Loss
from analyzer.accounts.known import Known, Past
from analyzer.cost.rounding import nearest
from analyzer.cost.shown import Same, shown
from analyzer.cost.statement import Part, Statement, TenantLine, Why, money
from analyzer.cost.usage import Use
from analyzer.cost.weeks import parse_week
from collector.model import Family

_LEAST_UNITS = 5
_LEAST_OF_BILL = Fraction(1, 1000)
_TREND_WEEKS = 8
_TOLD_WEEKS = 4
_LEAST_PEERS = 5
_GIGABYTE = 10**9
_MONTH_HOURS = Fraction(146_097, 400) * 24 / 12
_SIX = Context(prec=6, rounding=ROUND_HALF_EVEN)
_STORAGE = "storage:"
"""Resources whose rows say, once an hour, how many bytes a tenant holds (`volume`)."""

_UNITS = {
    "demand": ("DB time or reservation", "s"),
    "busy": ("busy time", "s"),
    "count": ("operations", "operations"),
    "volume": ("volume", "units"),
    "present": ("time present", ""),
}


@dataclass(frozen=True, slots=True)
class _Measured:
    """By resource: its driver, what each tenant used, the sum of that, its kind."""

    drivers: Mapping[str, str]
    amounts: Mapping[str, Mapping[str, int]]
    sums: Mapping[str, int]
    kinds: Mapping[str, str]


def make_accounts(
    statement: Statement, version: int, known: Known, *, policy: str
) -> Iterator[Account]:
    """One account for each line of the statement, in its order; made when asked for."""
    s = shown(statement)
    drivers = _drivers(statement, known.use)
    amounts = {name: _measured(known.use, name, driver) for name, driver in drivers.items()}
    measured = _Measured(
        drivers,
        amounts,
        {name: sum(each.values()) for name, each in amounts.items()},
        {line.resource: line.kind for line in statement.resources},
    )
    odd = _anomalies(statement, known)
    suffered: dict[str, list[Loss]] = defaultdict(list)
    caused: dict[str, Fraction] = defaultdict(Fraction)
    for loss in known.losses:
        suffered[loss.tenant].append(loss)
        for tenant, part in loss.blame:
            caused[tenant] += Fraction(part) * loss.cost
    both = zip(statement.tenants, s.tenants, strict=True)
    rank = _percentiles(statement)
    for exact, seen in both:
        yield _account(
            (statement, s),
            (exact, seen),
            version,
            policy,
            known,
            _items((statement, s), (exact, seen), measured),
            odd.get(exact.tenant),
            suffered[exact.tenant],
            round(caused[exact.tenant]),
            rank.get(exact.tenant),
        )


def _account(
    weeks: tuple[Statement, Statement],
    lines: tuple[TenantLine, TenantLine],
    version: int,
    policy: str,
    known: Known,
    items: tuple[Item, ...],
    odd: Anomaly | None,
    losses: Sequence[Loss],
    caused: int,
    percentile: float | None,
) -> Account:
    s, (line, seen) = weeks[0], lines
    past = known.past.get(line.tenant, ())
    total = _both(weeks, line.total, seen.total)
    return Account(
        week=s.week,
        version=version,
        start=s.start,
        end=s.end,
        zone=s.terms.zone,
        hours=s.hours,
        measured_hours=s.measured_hours,
        status=s.status,
        coverage=_coverage(Same(s)),
        currency=s.terms.currency,
        decimals=s.terms.precision,
        policy=policy,
        tenant=line.tenant,
        name=line.name,
        plan=line.plan,
        columns=_columns(weeks, line, seen),
        items=items,
        revenue=_optional(weeks, line.revenue, seen.revenue),
        margin=_optional(weeks, line.margin, seen.margin),
        margin_ratio=None
        if line.margin is None or not line.revenue
        else round(line.margin / line.revenue, 6),
        before=_optional(weeks, line.before, seen.before),
        change=None
        if line.before is None or seen.before is None
        else _both(weeks, line.total - line.before, seen.total - seen.before),
        why=None if line.why is None or seen.why is None else _why(weeks, line.why, seen.why),
        units=tuple(_units(s, line, known)),
        anomaly=odd,
        forecast=_forecast(s, line, past),
        harms=tuple(_harm(weeks, loss) for loss in losses),
        harmed=_rounded(weeks, sum(loss.cost for loss in losses)),
        caused=_rounded(weeks, caused),
        percentile=percentile,
        weeks=(*((p.week, p.shown) for p in past[1 - _TREND_WEEKS :]), (s.week, total.shown)),
    )


@lru_cache(maxsize=4)
def _coverage(same: Same) -> float | None:
    """One figure in every account of a week."""
    coverage = same.statement.coverage
    return None if coverage is None else round(coverage, 6)


def _percentiles(s: Statement) -> dict[str, float]:
    """Where each tenant stands among those of its plan; small groups would tell of each other."""
    plans: dict[str, list[TenantLine]] = defaultdict(list)
    for line in s.tenants:
        plans[line.plan].append(line)
    found = {}
    for lines in plans.values():
        if len(lines) >= _LEAST_PEERS:
            totals = sorted(line.total for line in lines)
            for line in lines:
                found[line.tenant] = round(bisect_left(totals, line.total) / (len(totals) - 1), 4)
    return found


def _both(weeks: tuple[Statement, Statement], exact: int, seen: int) -> Amount:
    if not exact and not seen:
        return _nothing(weeks[0].scale, weeks[1].scale)
    return Amount(money(exact, weeks[0].scale), money(seen, weeks[1].scale))


@lru_cache(maxsize=16)
def _nothing(scale: int, shown_scale: int) -> Amount:
    """Most columns of most lines."""
    return Amount(money(0, scale), money(0, shown_scale))


def _rounded(weeks: tuple[Statement, Statement], exact: int) -> Amount:
    """An amount outside the table."""
    s, seen = weeks
    return _both(weeks, exact, nearest(exact, 10 ** (s.scale - seen.scale)))


def _optional(
    weeks: tuple[Statement, Statement], exact: int | None, seen: int | None
) -> Amount | None:
    return None if exact is None or seen is None else _both(weeks, exact, seen)


def paid(of: Part | TenantLine) -> tuple[int, int, int, int, int, int]:
    """direct, own idle, pool idle, shared, credit, total: the columns of every table."""
    return (of.direct - of.own_idle, of.own_idle, of.idle, of.shared, of.credit, of.total)


def _columns(
    weeks: tuple[Statement, Statement], exact: Part | TenantLine, seen: Part | TenantLine
) -> Columns:
    direct, own, idle, shared, credit, total = paid(exact)
    direct_, own_, idle_, shared_, credit_, total_ = paid(seen)
    first = _both(weeks, direct, direct_)
    return Columns(
        first,
        _both(weeks, own, own_),
        _both(weeks, idle, idle_),
        _both(weeks, shared, shared_),
        _both(weeks, credit, credit_),
        first if (total, total_) == (direct, direct_) else _both(weeks, total, total_),
    )


def _why(weeks: tuple[Statement, Statement], exact: Why, seen: Why) -> Effects:
    return Effects(*(_both(weeks, *two) for two in zip(astuple(exact), astuple(seen), strict=True)))


def _drivers(s: Statement, use: Use) -> dict[str, str]:
    """What each resource was measured by; only where all its prices agree."""
    found: dict[str, set[str]] = defaultdict(set)
    kinds = {line.resource: line.kind for line in s.resources}
    for price in s.terms.prices:
        mine = use.of(price.resource)
        if price.kind == "fixed":
            driver = price.driver or "present"
        elif price.kind == "capacity":
            driver = "demand" if mine["demand"].sum() or not mine["count"].sum() else "count"
        else:
            cache = kinds.get(price.resource) == "cache"
            driver = price.driver or ("volume" if cache else "busy")
            driver = driver if mine[driver].sum() else "count"
        found[price.resource].add(driver)
    return {name: drivers.pop() for name, drivers in found.items() if len(drivers) == 1}


def _measured(use: Use, resource: str, driver: str) -> Mapping[str, int]:
    """Tenant to quantity; seconds present have no quantity here."""
    frame = use.of(resource)
    if driver not in frame.columns:
        return {}
    return {tenant: int(amount) for tenant, amount in frame.select("tenant", driver).iter_rows()}


def _items(
    weeks: tuple[Statement, Statement],
    lines: tuple[TenantLine, TenantLine],
    measured: _Measured,
) -> tuple[Item, ...]:
    found = []
    for exact, seen in zip(lines[0].parts, lines[1].parts, strict=True):
        driver = measured.drivers.get(exact.resource, "")
        words, unit = _UNITS.get(driver, ("", ""))
        amounts = measured.amounts.get(exact.resource, {})
        mine, everyone = amounts.get(lines[0].tenant, 0), measured.sums.get(exact.resource, 0)
        micro = 10**6 if unit == "s" else 1
        quantity = Decimal(mine) / micro
        price = _unit_price(weeks[0], exact.direct, quantity) if mine else None
        found.append(
            Item(
                resource=exact.resource,
                kind=measured.kinds.get(exact.resource, ""),
                driver=words,
                unit=unit,
                quantity=f"{quantity:f}",
                share=f"{Decimal(mine) / everyone:.6f}" if everyone else None,
                unit_price=price,
                columns=_columns(weeks, exact, seen),
            )
        )
    return tuple(found)


def _unit_price(s: Statement, direct: int, quantity: Decimal) -> str:
    """To six significant digits: a byte costs very little."""
    price = Decimal(direct).scaleb(-s.scale) / quantity
    return f"{_SIX.plus(price):f}"


def _units(s: Statement, line: TenantLine, known: Known) -> Iterator[UnitCost]:
    """Per 1,000 requests, per 1,000 jobs, per gigabyte held for a month."""
    for what, family in (("requests", Family.REQUEST), ("jobs", Family.QUEUE)):
        count = known.operations.get(family.value, {}).get(line.tenant, 0)
        yield UnitCost(
            what,
            f"1,000 {what}",
            str(count),
            s.per_thousand(line.direct, count),
            s.per_thousand(line.total, count),
        )
    yield _storage(s, line, known)


def _storage(s: Statement, line: TenantLine, known: Known) -> UnitCost:
    parts = [part for part in line.parts if part.resource.startswith(_STORAGE)]
    held = sum(_measured(known.use, part.resource, "volume").get(line.tenant, 0) for part in parts)
    months = Fraction(held, _GIGABYTE) / _MONTH_HOURS
    decimals = s.terms.precision + 2

    def per(quanta: int) -> str | None:
        if not held:
            return None
        exact = Fraction(quanta) * Fraction(10) ** (decimals - s.scale) / months
        return money(round(exact), decimals)

    direct, loaded = sum(p.direct for p in parts), sum(p.total for p in parts)
    return UnitCost("storage", "GB-month", f"{float(months):.6f}", per(direct), per(loaded))


def _anomalies(s: Statement, known: Known) -> dict[str, Anomaly]:
    unit = 10.0**-s.scale
    courses = {
        line.tenant: Course([p.cost for p in known.past.get(line.tenant, ())], line.total * unit)
        for line in s.tenants
    }
    if not known.past or s.status == "estimate":
        return {}
    least = max(_LEAST_UNITS, float(s.bill * _LEAST_OF_BILL) * unit)
    return anomalies(courses, least_change=least)


def _forecast(s: Statement, line: TenantLine, past: Sequence[Past]) -> Forecast | None:
    """Of the week after; a week that runs is not in it."""
    if s.status == "estimate":
        return None
    costs = [*(p.cost for p in past), float(Decimal(line.total).scaleb(-s.scale))]
    weeks = [*(p.week for p in past), s.week]
    told = [
        (p.foretold, costs[at + 1])
        for at, p in enumerate(past)
        if p.foretold is not None and parse_week(p.week, "UTC").next().id == weeks[at + 1]
    ]
    return forecast(costs, told[-_TOLD_WEEKS:], decimals=s.terms.precision)


def _harm(weeks: tuple[Statement, Statement], loss: Loss) -> Harm:
    return Harm(
        loss.incident,
        loss.resource,
        loss.started_at,
        loss.minutes,
        loss.lost,
        _rounded(weeks, loss.cost),
    )
