"""The slow and obvious engine: plain loops over hours, tenants and prices. For tests only."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from datetime import timedelta
from fractions import Fraction

from analyzer.cost.policies import Policy
from analyzer.cost.settings import CostSettings, Price
from analyzer.cost.weeks import Week
from collector.model import UNKNOWN_TENANT
from tests.analyzer.cost.house import Hour

HOUR_US = 3_600_000_000
IDLE = ""


def hand_out(total: int, weights: dict[str, int]) -> dict[str, int]:
    whole = sum(weights.values())
    if not whole:
        return {}
    exact = {t: Fraction(abs(total) * w, whole) for t, w in weights.items()}
    got = {t: int(part) for t, part in exact.items()}
    order = sorted(weights, key=lambda t: (got[t] - exact[t], -weights[t], t))
    for t in order[: abs(total) - sum(got.values())]:
        got[t] += 1
    return {t: part if total > 0 else -part for t, part in got.items()}


Cells = dict[tuple[str, str], tuple[int, int, int]]
Lines = dict[str, tuple[int, int, int]]


def reference(
    hours: Sequence[Hour],
    capacity: dict[str, float],
    week: Week,
    settings: CostSettings,
    plans: dict[str, str] | None = None,
) -> tuple[Cells, Lines]:
    """Of hourly prices: (tenant, resource) -> (direct, idle share, shared: fees and share of the
    nameless), and resource -> (bill, idle, unattributed). Everyone is present all week.
    """
    cells: dict[tuple[str, str], list[int]] = defaultdict(lambda: [0, 0, 0])
    lines: Lines = {}
    length = (week.end - week.start) // timedelta(hours=1)
    plans = plans or {}
    fees = [price for price in settings.prices if price.over]
    for price in settings.prices:
        if price.over:
            continue
        name = price.resource
        bill = int(price.amount * 10**settings.scale) * length
        if price.kind == "fixed":
            _fee(bill, price.resource, _everybody(price.driver, hours, plans), settings, plans,
                 cells, lines)  # fmt: skip
            continue
        weights = dict(_weights(hours, name, capacity.get(name), price.kind))
        counts = _counts(hours, name)
        if not sum(weights.values()) and (counts or price.kind == "usage"):
            weights = counts
        elif price.kind == "capacity" and capacity.get(name):
            spare = int(capacity[name] * HOUR_US) * length - sum(weights.values())
            weights[IDLE] = max(0, spare)
        shares = hand_out(bill, weights)
        idle = shares.pop(IDLE, 0)
        nameless = shares.pop(UNKNOWN_TENANT, 0)
        if not sum(weights.values()):
            idle, nameless = (bill, 0) if price.kind == "capacity" else (0, bill)
        mine = [h for h in hours if h.resource == name and h.tenant != UNKNOWN_TENANT]
        there = {"everyone": set(plans), "here": {h.tenant for h in mine}}
        again = _policy(price.idle or settings.idle, idle, shares, mine, plans, settings, there)
        more = _policy(settings.system, nameless, shares, mine, plans, settings, there)
        for column, part in enumerate((shares, again, more)):
            for t, share in part.items():
                cells[t, name][column] += share
        before = lines.get(name, (0, 0, 0))
        added = (bill, idle - sum(again.values()), nameless - sum(more.values()))
        lines[name] = tuple(a + b for a, b in zip(before, added, strict=True))  # type: ignore[assignment]
    _fees_over(fees, length, settings.scale, cells, lines)
    return {key: (d, i, n) for key, (d, i, n) in cells.items() if d or i or n}, lines


Sums = dict[tuple[str, str], list[int]]


def _everybody(driver: str, hours: Sequence[Hour], plans: dict[str, str]) -> dict[str, int]:
    """Who shares a fee: all alike, or by what they used of everything."""
    if not driver:
        return dict.fromkeys(plans, 1)
    used: dict[str, int] = defaultdict(int)
    for h in hours:
        used[h.tenant] += (h.busy_us if driver == "busy" else h.count) or 0
    return {t: amount for t, amount in used.items() if amount}


def _fee(
    bill: int,
    name: str,
    weights: dict[str, int],
    settings: CostSettings,
    plans: dict[str, str],
    cells: Sums,
    lines: Lines,
) -> None:
    shares = hand_out(bill, weights)
    nameless = shares.pop(UNKNOWN_TENANT, 0)
    if not weights:
        nameless = bill
    more: dict[str, int] = {}
    if settings.system == "proportional":
        more = hand_out(nameless, {t: abs(share) for t, share in shares.items()})
    elif settings.system == "even":
        more = hand_out(nameless, dict.fromkeys(plans, 1))
    for t, share in more.items():
        shares[t] = shares.get(t, 0) + share
    _enter(name, bill, shares, nameless - sum(more.values()), cells, lines)


def _fees_over(fees: list[Price], hours: int, scale: int, cells: Sums, lines: Lines) -> None:
    """Fees over other resources, those first that no waiting fee is over."""
    while fees:
        waiting = {price.resource for price in fees}
        late = {price.resource for price in fees if waiting & set(price.over)}
        ready = next(price.resource for price in fees if price.resource not in late)
        for price in [price for price in fees if price.resource == ready]:
            fees.remove(price)
            bill = int(price.amount * 10**scale) * hours
            paid: dict[str, int] = defaultdict(int)
            for (t, r), parts in cells.items():
                paid[t] += sum(parts) if r in price.over else 0
            shares = hand_out(bill, {t: amount for t, amount in paid.items() if amount > 0})
            _enter(price.resource, bill, shares, bill - sum(shares.values()), cells, lines)


def _enter(
    name: str, bill: int, shares: dict[str, int], unattributed: int, cells: Sums, lines: Lines
) -> None:
    for t, share in shares.items():
        cells[t, name][2] += share
    before = lines.get(name, (0, 0, 0))
    lines[name] = (before[0] + bill, before[1], before[2] + unattributed)


def _policy(
    name: str,
    amount: int,
    direct: dict[str, int],
    mine: Sequence[Hour],
    plans: dict[str, str],
    settings: CostSettings,
    there: dict[str, set[str]],
) -> dict[str, int]:
    """What one pot left over is shared out to."""
    policy = next((p for p in settings.policies if p.name == name), Policy(name, name))
    paid = {t: abs(share) for t, share in direct.items()}
    if policy.how == "proportional":
        return hand_out(amount, paid)
    if policy.how == "capped":
        most = int(abs(sum(paid.values())) * Fraction(policy.cap_percent) / 100)
        return hand_out(max(-most, min(most, amount)), paid)
    if policy.how == "weighted":
        weight = {part.plan: Fraction(part.weight) for part in policy.parts}
        return hand_out(
            amount, {t: int(a * weight.get(plans.get(t, ""), 1) * 10**6) for t, a in paid.items()}
        )
    if policy.how == "by_driver":
        used: dict[str, int] = defaultdict(int)
        for h in mine:
            used[h.tenant] += (h.busy_us if policy.driver == "busy" else h.count) or 0
        return hand_out(amount, {t: u for t, u in used.items() if u})
    if policy.how == "fixed":
        parts = {p.tenant: int(p.weight) for p in policy.parts if p.tenant in there["everyone"]}
        given = hand_out(amount, {**parts, IDLE: 100 - sum(parts.values())})
        given.pop(IDLE)
        return given
    if policy.how == "even":
        return hand_out(amount, dict.fromkeys(there["here"], 1))
    return {}


def _counts(hours: Sequence[Hour], resource: str) -> dict[str, int]:
    found: dict[str, int] = defaultdict(int)
    for h in hours:
        if h.resource == resource and h.count:
            found[h.tenant] += h.count
    return dict(found)


def _weights(
    hours: Sequence[Hour], resource: str, capacity: float | None, kind: str
) -> dict[str, int]:
    by_hour: dict[int, dict[str, int]] = defaultdict(lambda: defaultdict(int))
    for h in hours:
        if h.resource == resource:
            by_hour[h.at][h.tenant] += h.busy_us or 0
    weights: dict[str, int] = defaultdict(int)
    for used in by_hour.values():
        whole = sum(used.values())
        room = int(capacity * HOUR_US) if capacity and kind == "capacity" else whole
        for t, busy in used.items():
            weights[t] += busy * room // whole if whole > room else busy
    return weights
