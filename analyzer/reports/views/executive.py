"""The board: total, change, margin, what comes, why, and what to do about it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import astuple
from decimal import Decimal

from analyzer.accounts.account import Account
from analyzer.cost.shown import shown, shown_amount
from analyzer.cost.statement import Statement
from analyzer.reports.bars import bill_bar
from analyzer.reports.document import Document
from analyzer.reports.page import Bars, Block, Figure, Page, Said, Table
from analyzer.reports.views import blocks
from analyzer.reports.wording import CAUSES, movers, signed

_TOP = 5


def page(document: Document, _most: int) -> Page:
    exact, s = document.statement, shown(document.statement)
    currency = s.terms.currency
    found: list[Block | None] = [
        Bars("", [bill_bar(s)], [(n, n) for n in ("allocated", "idle", "unattributed")], "bill"),
        _changed(exact),
        _least_profitable(s),
        blocks.oddities(document.accounts),
        _noisy(document.accounts),
        _rooms(document),
    ]
    return Page(
        title=f"Cost {s.week}",
        headline=document.headline(),
        sentence=_sentence(s),
        figures=[
            Figure("total", s.money(s.bill), currency),
            *_change(s),
            *_margin(s),
            *_per_tenant(s),
            *_next_week(document.accounts, currency),
            Figure("idle", s.money(s.idle), "paid for, not used"),
        ],
        blocks=[block for block in found if block is not None],
        footer=blocks.footer(document),
        currency=currency,
    )


def _sentence(s: Statement) -> str:
    known = [(t, t.why) for t in s.tenants if t.why is not None]
    if not known:
        return f"{s.money(s.bill)} {s.terms.currency} this week for {len(s.tenants)} tenants"
    sums = [sum(column) for column in zip(*(astuple(why) for _, why in known), strict=True)]
    change = sum(sums)
    if not change:
        return f"{s.money(s.bill)} {s.terms.currency} this week; tenants cost as much as last week"
    cause, amount = max(zip(CAUSES, sums, strict=True), key=lambda part: abs(part[1]))
    return (
        f"{s.money(s.bill)} {s.terms.currency} this week; tenants cost {signed(s, change)},"
        f" most of it {cause} ({signed(s, amount)})"
    )


def _change(s: Statement) -> list[Figure]:
    known = [t for t in s.tenants if t.before is not None]
    before = sum(t.before or 0 for t in known)
    if not before:
        return []
    now = sum(t.total for t in known)
    return [Figure("against last week", _percent(now / before - 1), "cost of all tenants")]


def _percent(change: float) -> str:
    return "unchanged" if abs(change) < 0.0005 else f"{change:+.1%}"


def _margin(s: Statement) -> list[Figure]:
    known = [t for t in s.tenants if t.margin is not None]
    revenue = sum(t.revenue or 0 for t in known)
    if not revenue:
        return []
    margin = sum(t.margin or 0 for t in known)
    return [Figure("gross margin", f"{margin / revenue:.1%}", f"{s.money(margin)} of revenue")]


def _per_tenant(s: Statement) -> list[Figure]:
    costs = sorted(t.total for t in s.tenants if t.total)
    if not costs:
        return []
    return [Figure("cost a tenant", s.money(costs[len(costs) // 2]), "the median tenant")]


def _next_week(accounts: Sequence[Account], currency: str) -> list[Figure]:
    told = [Decimal(a.forecast.amount) for a in accounts if a.forecast]
    if not told:
        return []
    errors = [a.forecast.error for a in accounts if a.forecast and a.forecast.error is not None]
    hint = f"of {len(told)} tenants"
    if errors:
        hint += f"; the median tenant was foretold to {sorted(errors)[len(errors) // 2]:.1%}"
    return [Figure("next week", shown_amount(str(sum(told)), currency), hint)]


def _changed(exact: Statement) -> Said | None:
    found = movers(exact)[:_TOP]
    if not found:
        return None
    return Said("movers", "Who moved most, and why", "", [f"{n} {words}" for n, words in found])


def _least_profitable(s: Statement) -> Table | None:
    known = [t for t in s.tenants if t.margin is not None]
    known.sort(key=lambda t: (t.margin or 0, t.tenant))
    if not known:
        return None
    return Table(
        "least-profitable",
        "Least profitable",
        "Margin is revenue less cost, with idle and shared cost.",
        ("tenant", "plan", "cost", "revenue", "margin"),
        [
            [blocks.name_of(t), t.plan, *blocks.money(s, t.total, t.revenue or 0, t.margin or 0)]
            for t in known[:_TOP]
        ],
        texts=2,
    )


def _noisy(accounts: Sequence[Account]) -> Said | None:
    """What to do, with the money it is about."""
    loud = [a for a in accounts if Decimal(a.caused.exact) > 0]
    loud.sort(key=lambda a: (-Decimal(a.caused.exact), a.tenant))
    if not loud:
        return None
    return Said(
        "actions",
        "Recommended",
        "",
        [
            f"Limit, move or promote {blocks.name_of(a)}: its incidents cost other tenants"
            f" {a.caused.shown} {a.currency} this week"
            for a in loud[:_TOP]
        ],
    )


def _rooms(document: Document) -> Table | None:
    known = [room for room in document.rooms if room.packing is not None]
    known.sort(key=lambda room: (-(room.packing or 0), room.resource))
    if not known:
        return None
    return Table(
        "density",
        "Density",
        "How full the fullest resources were at the 95th percentile of the week.",
        ("resource", "tenants", "full", "room for", "days to full"),
        [
            [
                room.resource,
                str(room.tenants),
                f"{room.packing:.0%}",
                blocks.NONE if room.room is None else str(room.room),
                blocks.NONE if room.days_to_full is None else f"{room.days_to_full:.0f}",
            ]
            for room in known[:_TOP]
        ],
    )
