"""Finance: the proof that the bill is whole, and every table behind it."""

from __future__ import annotations

from analyzer.cost.shown import shown
from analyzer.reports.bars import bill_bar, tenant_bars
from analyzer.reports.document import Document
from analyzer.reports.page import Bars, Block, Figure, Page
from analyzer.reports.views import blocks


def page(document: Document, most: int) -> Page:
    exact, s = document.statement, shown(document.statement)
    currency = s.terms.currency
    nameless = f", {s.money(s.unattributed)} without a tenant's name" if s.unattributed else ""
    found: list[Block | None] = [
        Bars("", [bill_bar(s)], [(n, n) for n in ("allocated", "idle", "unattributed")], "bill"),
        blocks.proof(s),
        Bars(
            "Dearest tenants",
            tenant_bars(s),
            [
                ("direct", "direct"),
                ("own", "own idle"),
                ("idle", "pool idle"),
                ("shared", "shared fees"),
            ],
        ),
        blocks.changed(exact),
        blocks.resources(s),
        blocks.tenants(s, exact, most),
        blocks.causes(s, most),
        blocks.units(document.accounts, most),
        blocks.oddities(document.accounts),
        blocks.harms(document.accounts, most),
        blocks.notes(s),
    ]
    revenue = sum(line.revenue or 0 for line in s.tenants)
    margin = sum(line.margin or 0 for line in s.tenants)
    return Page(
        title=f"Cost {s.week}",
        headline=document.headline(),
        sentence=f"{s.money(s.bill)} {currency} this week: {s.money(s.allocated)} for"
        f" {len(s.tenants)} tenants, {s.money(s.idle)} idle{nameless}",
        figures=[
            Figure("bill", s.money(s.bill), currency),
            Figure("revenue", s.money(revenue), "of tenants with a price"),
            Figure("margin", s.money(margin), "revenue less cost of those"),
        ],
        blocks=[block for block in found if block is not None],
        footer=blocks.footer(document),
        currency=currency,
    )
