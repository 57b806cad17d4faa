"""What bills say an interval costs: lines matched to resources, in the account's currency."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from decimal import Decimal
from fractions import Fraction

from analyzer.cost.allocation import piece
from analyzer.cost.bills.rules import BillRule, Face, match
from analyzer.cost.bills.shelf import face_of, unmatched_name
from analyzer.cost.charges import CREDIT, UNMATCHED, Charge, Span, merged
from analyzer.cost.settings import CostSettings, Rate, utc
from analyzer.cost.statement import money
from analyzer.cost.usage import aware, naive
from analyzer.store.reader import Reader

_TICK = timedelta(microseconds=1)
_DECIMALS = 26
CREDITS = "credits"
ROUNDING = "rounding adjustments"


@dataclass(frozen=True, slots=True)
class BillsDue:
    """`charges` of bills in an interval, `covered`: when they replace a resource's prices, `scale`
    the decimals that hold them exactly; `notes` what was not counted, and why.
    """

    charges: tuple[Charge, ...] = ()
    covered: Mapping[str, Sequence[Span]] = field(default_factory=dict)
    scale: int = 0
    notes: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class _Group:
    """Lines that look alike: `quanta` at `scale` of `currency`. `own` is when their bill covers the
    resource (None: a charge of another period); `span` when they were incurred (None: all of it
    inside).
    """

    face: Face
    currency: str
    quanta: int
    scale: int
    own: Span | None
    span: Span | None
    rounding: bool
    silent: bool


def bills_due(reader: Reader, start: datetime, end: datetime, settings: CostSettings) -> BillsDue:
    """What the bills that count say of the interval. The sum of an interval's parts is the whole,
    whatever the parts; in a currency without rate, or without the basis, nothing is counted.
    """
    groups, notes = [], set()
    for group in _groups(reader, start, end, settings.basis):
        rate = _rate(group, settings, start)
        if group.silent:
            notes.add(
                f"{unmatched_name(group.face)}: its bill has no {settings.basis} cost and is not "
                "counted, import one that has, or set cost.basis"
            )
        elif rate is None:
            notes.add(
                f"{unmatched_name(group.face)}: billed in {group.currency} and not counted, add a "
                f"[[cost.rate]] of {group.currency} to {settings.currency}"
            )
        else:
            groups.append((group, rate))
    if not groups:
        return BillsDue(notes=tuple(sorted(notes)))
    scale = max(_quantum(group, rate, settings) for group, rate in groups)
    sums: dict[Charge, int] = {}
    covered: dict[str, list[Span]] = {}
    for group, rate in groups:
        own = _quantum(group, rate, settings)
        quanta = _piece(group, rate, own, start, end) * 10 ** (scale - own)
        charge = _charge(group, settings, start, end)
        sums[charge] = sums.get(charge, 0) + quanta
        if group.own is not None and charge.kind not in (UNMATCHED, CREDIT):
            covered.setdefault(charge.resource, []).append((charge.start, charge.end))
    lost = sum(abs(q) for charge, q in sums.items() if charge.kind == UNMATCHED)
    if lost:
        shown = f"{money(lost, scale)} {settings.currency}"
        notes.add(f"{shown} of bills fits no [[bill_rule]]: see the lines of kind unmatched")
    return BillsDue(
        tuple(_sized(charge, quanta) for charge, quanta in sums.items()),
        {resource: merged(spans) for resource, spans in covered.items()},
        scale,
        tuple(sorted(notes)),
    )


def _sized(c: Charge, quanta: int) -> Charge:
    return Charge(
        c.resource, c.kind, c.driver, c.idle, c.start, c.end, quanta, c.over, c.credit, billed=True
    )


def _groups(reader: Reader, start: datetime, end: datetime, basis: str) -> list[_Group]:
    rows = reader.records("bill_due", start=naive(start), end=naive(end))
    return [
        _Group(
            face_of(row), row["currency"], int(row[basis]), row["scale"],
            _span(row["since"], row["covers_to"]), _span(row["start_ts"], row["end_ts"]),
            bool(row["rounding"]), bool(row[f"no_{basis}"]),
        )
        for row in rows
    ]  # fmt: skip


def _span(a: datetime | None, b: datetime | None) -> Span | None:
    start, end = aware(a), aware(b)
    return None if start is None or end is None else (start, end)


def _quantum(group: _Group, rate: Fraction, settings: CostSettings) -> int:
    """Decimals a line is rounded to where an interval cuts it. They hang on nothing but the line,
    so that the parts in statements of different scales still sum to it.
    """
    return max(settings.precision + 2, group.scale + _decimals(rate))


def _piece(group: _Group, rate: Fraction, scale: int, start: datetime, end: datetime) -> int:
    """The quanta of the interval: telescoped, so that the pieces of a line sum to it."""
    whole = Fraction(group.quanta) * rate * 10 ** (scale - group.scale)
    if group.span is None:
        return piece(Fraction(0), whole)
    a, b = group.span
    length = (b - a) // _TICK
    parts = [
        Fraction((min(max(moment, a), b) - a) // _TICK, length) * whole for moment in (start, end)
    ]
    return piece(*parts)


def _charge(group: _Group, settings: CostSettings, start: datetime, end: datetime) -> Charge:
    """Where the lines go; quanta come later, so that equal ones are summed."""
    a, b = group.own or (start, end)
    a, b = max(a, start), min(b, end)
    a, b = (a, b) if a < b else (start, end)
    found = match(group.face, settings.bill_rules)
    credit = group.quanta < 0 or group.face.category == "Credit"
    if found is not None:
        resource, rule = found
        kind, driver, idle, over = _manner(resource, rule, settings)
        return Charge(resource, kind, driver, idle, a, b, 0, over, credit=credit)
    if group.rounding:
        return Charge(ROUNDING, "fixed", "", "retained", start, end, 0)
    if group.face.category == "Credit":
        return Charge(CREDITS, CREDIT, "", "retained", start, end, 0, credit=True)
    name = f"unmatched: {unmatched_name(group.face)}"
    return Charge(name, UNMATCHED, "", "retained", start, end, 0)


def _manner(
    resource: str, rule: BillRule, settings: CostSettings
) -> tuple[str, str, str, tuple[str, ...]]:
    """Kind, driver, idle policy and what it is over: the rule's, else those of the resource's
    price, so that a bill changes what a resource costs and not who pays for it.
    """
    price = next((p for p in settings.prices if p.resource == resource), None)
    kind = rule.kind or (price.kind if price else "capacity")
    alike = price if price and price.kind == kind and not rule.driver else None
    idle = rule.idle or (price.idle if price else "") or settings.idle
    return kind, alike.driver if alike else rule.driver, idle, alike.over if alike else ()


def _rate(group: _Group, settings: CostSettings, moment: datetime) -> Fraction | None:
    if group.currency == settings.currency:
        return Fraction(1)
    at = group.span[0] if group.span else moment
    for rate in settings.rates:
        if rate.currency == group.currency and _holds(rate, at):
            return Fraction(Decimal(rate.rate))
    return None


def _holds(rate: Rate, moment: datetime) -> bool:
    since, until = utc(rate.valid_from), utc(rate.valid_to)
    return (since is None or since <= moment) and (until is None or moment < until)


def _decimals(rate: Fraction) -> int:
    """Decimals of a rate that was written as one."""
    found = 0
    while (rate * 10**found).denominator != 1 and found < _DECIMALS:
        found += 1
    return found
