"""Money as bars, drawn to scale."""

from __future__ import annotations

from analyzer.accounts.make import paid
from analyzer.cost.statement import Statement, TenantLine
from analyzer.reports.page import Bar, Segment

_SHOWN_BARS = 12


def bill_bar(s: Statement) -> Bar:
    """Where the bill went, as one bar."""
    amounts = {"allocated": s.allocated, "idle": s.idle, "unattributed": s.unattributed}
    return _bar(s, "bill", amounts, sum(map(abs, amounts.values())), sum(amounts.values()))


def tenant_bars(s: Statement) -> list[Bar]:
    """The dearest tenants, on one scale."""
    top = s.tenants[:_SHOWN_BARS]
    longest = max((sum(_pieces(line).values()) for line in top), default=0)
    return [
        _bar(s, line.name or line.tenant, _pieces(line), longest, line.total)
        for line in top
        if line.total
    ]


def _pieces(line: TenantLine) -> dict[str, int]:
    """What is paid for; a credit has no length."""
    direct, own, idle, shared, _, _ = (max(0, amount) for amount in paid(line))
    return {"direct": direct, "own": own, "idle": idle, "shared": shared}


def _bar(s: Statement, label: str, amounts: dict[str, int], longest: int, total: int) -> Bar:
    segments, x = [], 0.0
    for name, amount in amounts.items():
        width = 100 * abs(amount) / longest if longest else 0.0
        if width:
            segments.append(Segment(name, round(x, 3), round(width, 3), s.money(amount)))
        x += width
    return Bar(label, s.money(total), tuple(segments))
