"""Bills the slow and obvious way: line after line, in fractions. For tests only."""

from __future__ import annotations

from collections import defaultdict
from datetime import datetime
from decimal import Decimal
from fnmatch import fnmatch
from fractions import Fraction

from analyzer.cost.bills.line import Bill, Line
from analyzer.cost.bills.rules import BillRule, Face
from analyzer.cost.settings import CostSettings
from analyzer.cost.weeks import Week
from tests.analyzer.cost.reference import US, Billed, Due, half_up

Span = tuple[datetime, datetime]
Alike = tuple[Face, str, bool, Span, Span | None]


def billed(bill: Bill, week: Week, settings: CostSettings) -> Billed:
    """What a bill that stands alone says of a week."""
    amounts: dict[Alike, Fraction] = defaultdict(Fraction)
    silent: set[tuple[Face, str]] = set()
    ends = _ends(bill)
    for line in bill.lines:
        a, b = line.span
        if not (a < week.end and b > week.start):
            continue
        inside = week.start <= a and b <= week.end
        amount = getattr(line, settings.basis)
        own = _speaks_for(line, ends[_scope(line)])
        key = line.face, line.currency, _rounding(line), (week.start, week.end), own
        if not inside:
            key = (*key[:3], (a, b), own)
        if amount is None:
            silent.add((line.face, line.currency))
        amounts[key] += Fraction(amount or 0)
    exact: dict[Alike, tuple[Decimal, Fraction]] = {}
    for key, amount in amounts.items():
        rate = _rate(key[1], settings)
        if rate is not None and key[:2] not in silent:
            exact[key] = rate, amount
    finest = max((_decimals(rate, bill, settings) for rate, _ in exact.values()), default=0)
    dues: dict[Due, int] = defaultdict(int)
    covered: dict[str, list[Span]] = defaultdict(list)
    for (face, _, rounding, span, own), (rate, amount) in exact.items():
        due = _due(face, amount, rounding, own, week, settings)
        decimals = _decimals(rate, bill, settings)
        part = _part(amount * Fraction(rate) * 10**decimals, span, week)
        dues[due] += part * 10 ** (finest - decimals)
        if own is not None and due.kind not in ("credit", "unmatched"):
            covered[due.resource].append((due.start, due.end))
    found = [
        Due(d.resource, d.kind, d.driver, d.idle, d.start, d.end, quanta, d.over, d.credit)
        for d, quanta in dues.items()
    ]
    return Billed(found, finest, covered)


def _part(quanta: Fraction, span: Span, week: Week) -> int:
    """The week's part of an amount that is spread evenly over its span."""
    a, b = span
    done = [
        Fraction((min(max(moment, a), b) - a) // US, (b - a) // US)
        for moment in (week.start, week.end)
    ]
    return half_up(done[1] * quanta) - half_up(done[0] * quanta)


def _scope(line: Line) -> tuple[str, str, datetime]:
    return line.face.provider, line.account, line.since


def _ends(bill: Bill) -> dict[tuple[str, str, datetime], datetime]:
    """Up to when each account's period is billed: its last use, or else its last line."""
    scopes: dict[tuple[str, str, datetime], list[Line]] = defaultdict(list)
    for line in bill.lines:
        scopes[_scope(line)].append(line)
    found = {}
    for scope, lines in scopes.items():
        used = [line.span[1] for line in lines if line.face.category == "Usage"]
        last = max(used or [line.span[1] for line in lines])
        found[scope] = min(last, max(line.until for line in lines))
    return found


def _speaks_for(line: Line, end: datetime) -> Span | None:
    """When the bill replaces prices; a line of another period replaces nothing."""
    a, b = line.span
    return None if a < line.since or b > line.until else (line.since, end)


def _due(
    face: Face, amount: Fraction, rounding: bool, own: Span | None, week: Week, terms: CostSettings
) -> Due:
    start, end = week.start, week.end
    if own is not None and max(own[0], start) < min(own[1], end):
        start, end = max(own[0], start), min(own[1], end)
    for rule in terms.bill_rules:
        if resource := _fits(rule, face):
            prices = [price for price in terms.prices if price.resource == resource]
            kind = rule.kind or (prices[0].kind if prices else "capacity")
            driver, over = rule.driver, tuple[str, ...]()
            if not driver and prices and prices[0].kind == kind:
                driver, over = prices[0].driver, prices[0].over
            idle = rule.idle or (prices[0].idle if prices else "") or terms.idle
            credit = amount < 0 or face.category == "Credit"
            return Due(resource, kind, driver, idle, start, end, 0, over, credit)
    if rounding:
        return Due("rounding adjustments", "fixed", "", "retained", week.start, week.end, 0)
    if face.category == "Credit":
        return Due("credits", "credit", "", "retained", week.start, week.end, 0, credit=True)
    name = face.service or face.provider or "no service"
    return Due(f"unmatched: {name[:120]}", "unmatched", "", "retained", week.start, week.end, 0)


def _fits(rule: BillRule, face: Face) -> str:
    tags = dict(face.tags)
    seen = {"resource_id": face.resource_id, "resource_name": face.resource_name,
            "service": face.service, "sku": face.sku, "subaccount": face.subaccount,
            "provider": face.provider, "category": face.category}  # fmt: skip
    wanted = [(getattr(rule, name), value) for name, value in seen.items()]
    for tag in rule.tags:
        key, pattern = tag.split("=", 1)
        wanted.append((pattern, tags.get(key, "")))
    if not all(fnmatch(value.lower(), pattern.lower()) for pattern, value in wanted if pattern):
        return ""
    holes = seen | {f"tag:{key}": value for key, value in tags.items()}
    resource = rule.resource
    while "{" in resource:
        before, _, rest = resource.partition("{")
        name, _, after = rest.partition("}")
        if not holes.get(name):
            return ""
        resource = before + holes[name] + after
    return resource[:200]


def _rounding(line: Line) -> bool:
    return "rounding" in line.description[:500].lower()


def _rate(currency: str, settings: CostSettings) -> Decimal | None:
    if currency == settings.currency:
        return Decimal(1)
    return next((Decimal(r.rate) for r in settings.rates if r.currency == currency), None)


def _decimals(rate: Decimal, bill: Bill, settings: CostSettings) -> int:
    """As many as the line and the rate have together, and two more than people write."""
    of_rate = -int(rate.normalize().as_tuple().exponent)
    return max(settings.precision + 2, bill.scale + max(0, of_rate))
