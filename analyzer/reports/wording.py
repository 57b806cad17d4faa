"""What a report says in sentences: what changed and why, and what a thousand operations cost."""

from __future__ import annotations

import re
from dataclasses import astuple

from analyzer.cost.shown import shown
from analyzer.cost.statement import Statement, TenantLine

_MOVERS = 10
_TURNING = re.compile("[\u200e\u200f\u061c\u202a-\u202e\u2066-\u2069]")
CAUSES = ("prices", "own use", "neighbours", "policy", "moves", "restatement")
"""What people call the parts of `Why`, in its order."""

_COUNTED = {
    "request": "requests",
    "queue": "jobs",
    "query": "queries",
    "cache": "cache operations",
}


def change_words(line: TenantLine) -> str:
    """The week-over-week change as people say it; nothing when the week before is not known."""
    change = line.change
    if change is None:
        return "new" if line.before == 0 and line.total else ""
    if abs(change) < 0.0005:
        return "unchanged"
    return f"{'up' if change > 0 else 'down'} {abs(change):.1%}"


def why_words(s: Statement, line: TenantLine) -> str:
    """`+45.50: neighbours +20.27, own use +16.57, prices +8.66`, the largest first; of a line as
    displayed, so the parts add up. Empty when nothing is known or nothing changed.
    """
    why = line.why
    if why is None or line.before is None or line.total == line.before:
        return ""
    named = list(zip(CAUSES, astuple(why), strict=True))
    said = sorted((part for part in named if part[1]), key=lambda part: -abs(part[1]))
    reasons = ", ".join(f"{name} {signed(s, amount)}" for name, amount in said)
    return f"{signed(s, line.total - line.before)}: {reasons}"


def movers(exact: Statement) -> list[tuple[str, str]]:
    """Tenants whose cost changed most, with the reasons."""
    s = shown(exact)
    known = [line for line in s.tenants if why_words(s, line)]
    known.sort(key=lambda line: (-abs(line.total - (line.before or 0)), line.tenant))
    return [(spoken_name(line), why_words(s, line)) for line in known[:_MOVERS]]


def spoken_name(line: TenantLine) -> str:
    """The name inside a sentence: without marks that would turn the words after it around."""
    return _TURNING.sub("", line.name or line.tenant)


def counted_words(s: Statement) -> str:
    """What unit costs are told of: requests, jobs, queries."""
    return _COUNTED.get(s.counted, "operations")


def unit_costs(exact: Statement, line: TenantLine) -> tuple[str, str] | None:
    """Cost of 1,000 operations of an exact line: direct, and with idle and shared cost."""
    direct = exact.per_thousand(line.direct, line.operations)
    loaded = exact.per_thousand(line.total, line.operations)
    return None if direct is None or loaded is None else (direct, loaded)


def signed(s: Statement, amount: int) -> str:
    return f"{'+' if amount > 0 else ''}{s.money(amount)}"
