"""One tenant's account: in its own words, without neighbours, shard totals, revenue and margin."""

from __future__ import annotations

from decimal import Decimal

from analyzer.accounts.account import Account
from analyzer.accounts.make import paid
from analyzer.cost.shown import shown
from analyzer.reports.document import Document
from analyzer.reports.page import Figure, Page, Said, Table
from analyzer.reports.views import blocks
from analyzer.reports.wording import (
    CAUSES,
    change_words,
    counted_words,
    spoken_name,
    unit_costs,
    why_words,
)


def page(document: Document, _most: int) -> Page:
    exact, s = document.statement, shown(document.statement)
    line = next(t for t in s.tenants if t.tenant == document.tenant)
    known = next(t for t in exact.tenants if t.tenant == document.tenant)
    account, currency = document.account, s.terms.currency
    change = change_words(known)
    parts = Table(
        "parts",
        "Resources",
        "Direct is what was used, own idle what was reserved and not used, pool idle a share of"
        " spare capacity, shared a share of fees all pay.",
        ("resource", *blocks.COLUMNS),
        [[p.resource, *blocks.money(s, *paid(p))] for p in line.parts],
        ["all", *blocks.money(s, *paid(line))],
    )
    found = [parts]
    said: list[Said] = []
    if why := why_words(s, line):
        said.append(
            Said(
                "why",
                "What changed",
                "",
                [
                    f"Against the week before {why}. Neighbours are all others on the same"
                    " resources: when they use less, more of the cost is yours."
                ],
            )
        )
    if units := unit_costs(exact, known):
        said.append(
            Said(
                "units",
                "",
                "",
                [
                    f"1,000 {counted_words(s)} cost {units[0]} {currency} directly, {units[1]}"
                    f" with idle and shared cost; {known.operations:,} in the week."
                ],
            )
        )
    if account is not None:
        found += _tables(account)
        said += _said(account)
    return Page(
        title=f"Cost {s.week}",
        headline=document.headline(),
        sentence=f"{spoken_name(line)}: {s.money(line.total)} {currency} this week"
        + (f", {change}" if change else ""),
        figures=_figures(account) if account else [],
        blocks=[*found, *said],
        footer=blocks.footer(document),
        currency=currency,
    )


def _figures(account: Account) -> list[Figure]:
    found = [Figure("cost", account.columns.total.shown, account.currency)]
    if account.revenue is not None:
        found.append(Figure("plan price", account.revenue.shown, f"plan {account.plan or 'none'}"))
    if account.forecast is not None:
        told = account.forecast
        found.append(
            Figure(
                "next week",
                told.amount,
                f"{told.low} to {told.high} in {told.nominal:.0%} of cases"
                + (f"; last month off by {told.error:.1%}" if told.error is not None else ""),
            )
        )
    if account.percentile is not None:
        found.append(
            Figure("against its plan", f"{account.percentile:.0%}", "of its plan cost less")
        )
    return found


def _tables(account: Account) -> list[Table]:
    found = [
        Table(
            "drivers",
            "What it is measured by",
            "Quantity used or reserved, and what one unit of it cost.",
            ("resource", "driver", "unit", "quantity", "unit price"),
            [
                [i.resource, i.driver, i.unit, _short(i.quantity), _price(i.unit_price)]
                for i in account.items
            ],
            texts=3,
        ),
        Table(
            "unit-costs",
            "Unit economics",
            "Direct cost, and with idle and shared cost; n/a where there was nothing to divide by.",
            ("per", "quantity", "direct", "loaded"),
            [
                [u.per, u.quantity, u.direct or blocks.NONE, u.loaded or blocks.NONE]
                for u in account.units
            ],
        ),
    ]
    if len(account.weeks) > 1:
        found.append(
            Table("trend", "Trend", "Total of each week.", ("week", "cost"), list(account.weeks))
        )
    if account.why is not None and account.before is not None:
        found.append(
            Table(
                "causes",
                "Why it changed",
                "Last week, as it was told, plus the six causes is this week.",
                ("last week", *CAUSES, "this week"),
                [
                    [
                        account.before.shown,
                        *(amount.shown for _, amount in account.why.named()),
                        account.columns.total.shown,
                    ]
                ],
                texts=0,
            )
        )
    if account.harms:
        found.append(
            Table(
                "incidents",
                "Incidents",
                "Minutes hurt, times the part of the service lost, times what a minute is worth.",
                ("incident", "resource", "began", "minutes", "lost", "cost"),
                [
                    [
                        *(h.incident, h.resource, f"{h.started_at:%a %d %b %H:%M} UTC"),
                        *(f"{h.minutes:.1f}", f"{h.lost:.0%}", h.cost.shown),
                    ]
                    for h in account.harms
                ],
                ["all", "", "", "", "", account.harmed.shown],
                texts=3,
            )
        )
    return found


def _said(account: Account) -> list[Said]:
    if account.anomaly is None or account.anomaly.state == "calm":
        return []
    said = blocks.anomaly_words(account, with_name=False)
    return [Said("anomalies", "Unusual", "", [said])]


def _short(quantity: str) -> str:
    if not Decimal(quantity):
        return ""
    whole, dot, part = quantity.partition(".")
    return f"{int(whole):,}{dot}{part[:3]}".rstrip(".")


def _price(price: str | None) -> str:
    if price is None:
        return blocks.NONE
    return price.rstrip("0").rstrip(".") if "." in price else price
