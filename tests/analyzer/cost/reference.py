"""The slow and obvious engine: plain loops over hours, tenants and prices. For tests only."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from datetime import timedelta
from fractions import Fraction

from analyzer.cost.settings import CostSettings
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


def reference(
    hours: Sequence[Hour], capacity: dict[str, float], week: Week, settings: CostSettings
) -> tuple[dict[tuple[str, str], tuple[int, int]], dict[str, tuple[int, int, int]]]:
    """Of hourly capacity and usage prices: (tenant, resource) -> (direct, idle share), and
    resource -> (bill, idle, unattributed). Everyone is present all week.
    """
    cells: dict[tuple[str, str], list[int]] = defaultdict(lambda: [0, 0])
    lines: dict[str, tuple[int, int, int]] = {}
    length = (week.end - week.start) // timedelta(hours=1)
    for price in settings.prices:
        name = price.resource
        bill = int(price.amount * 10**settings.scale) * length
        weights = dict(_weights(hours, name, capacity.get(name), price.kind))
        if price.kind == "capacity" and capacity.get(name):
            spare = int(capacity[name] * HOUR_US) * length - sum(weights.values())
            weights[IDLE] = max(0, spare)
        shares = hand_out(bill, weights)
        idle = shares.pop(IDLE, 0)
        nameless = shares.pop(UNKNOWN_TENANT, 0)
        if not sum(weights.values()):
            idle, nameless = (bill, 0) if price.kind == "capacity" else (0, bill)
        again: dict[str, int] = {}
        if (price.idle or settings.idle) == "proportional":
            again = hand_out(idle, {t: abs(s) for t, s in shares.items()})
        if (price.idle or settings.idle) == "even" and price.kind == "capacity":
            users = {h.tenant for h in hours if h.resource == name} - {UNKNOWN_TENANT}
            again = hand_out(idle, dict.fromkeys(users, 1))
        for t, share in shares.items():
            cells[t, name][0] += share
        for t, share in again.items():
            cells[t, name][1] += share
        before = lines.get(name, (0, 0, 0))
        added = (bill, idle - sum(again.values()), nameless)
        lines[name] = tuple(a + b for a, b in zip(before, added, strict=True))  # type: ignore[assignment]
    return {key: (d, i) for key, (d, i) in cells.items() if d or i}, lines


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
