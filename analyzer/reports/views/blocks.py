"""What several views show alike."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import astuple

from analyzer.accounts.account import Account
from analyzer.accounts.make import paid
from analyzer.cost.policy_version import policy_version
from analyzer.cost.shown import shown_amount
from analyzer.cost.statement import Statement, TenantLine
from analyzer.reports.document import Document
from analyzer.reports.page import Said, Table
from analyzer.reports.wording import CAUSES, change_words, counted_words, movers, unit_costs

DASH = "–"
NONE = "n/a"
COLUMNS = ("direct", "own idle", "pool idle", "shared", "credit", "total")


def footer(document: Document) -> list[str]:
    """Policy, content hash, what it supersedes."""
    s = document.statement
    said = [
        f"Amounts in {s.terms.currency}, rounded so that columns and rows add up;"
        " CSV and FOCUS keep every decimal.",
        f"Policy {policy_version(s.terms)}.",
        f"Statement sha256 {document.sha256}.",
    ]
    if document.delta is not None and document.tenant is None:
        delta = shown_amount(document.delta, s.terms.currency)
        said.append(f"Supersedes version {document.version - 1}, the bill changed by {delta}.")
    elif document.delta is not None:
        said.append(f"Supersedes version {document.version - 1}.")
    return said


def money(s: Statement, *quanta: int) -> list[str]:
    return [s.money(amount) for amount in quanta]


def name_of(line: TenantLine | Account) -> str:
    return line.name or line.tenant


def proof(s: Statement) -> Table:
    return Table(
        "proof",
        "Proof",
        "The bill is what was allocated, left idle, or could not be attributed.",
        ("allocated", "idle", "unattributed", "bill"),
        [money(s, s.allocated, s.idle, s.unattributed, s.bill)],
        texts=0,
    )


def resources(s: Statement) -> Table:
    return Table(
        "resources",
        "Resources",
        "Coverage is the part of a resource's use that has a tenant's name.",
        ("resource", "kind", "allocated", "idle", "unattributed", "bill", "coverage"),
        [
            [
                r.resource,
                r.kind,
                *money(s, r.allocated, r.idle, r.unattributed, r.bill),
                DASH if r.coverage is None else f"{r.coverage:.1%}",
            ]
            for r in s.resources
        ],
        ["all", "", *money(s, s.allocated, s.idle, s.unattributed, s.bill), ""],
        texts=2,
    )


def tenants(s: Statement, exact: Statement, most: int) -> Table:
    counted = (f"1,000 {counted_words(s)}, direct", "loaded") if s.counted else ()
    rows = [
        _tenant(s, seen, exact, line)
        for seen, line in zip(s.tenants[:most], exact.tenants, strict=False)
    ]
    rest = s.tenants[most:]
    blank = [""] * (1 + len(counted))
    if rest:
        rows.append([f"{len(rest)} more", "", *_sums(s, rest), *blank])
    return Table(
        "tenants",
        "Tenants",
        "Margin is revenue less cost; tenants that pay nothing have none.",
        ("tenant", "plan", *COLUMNS, "revenue", "margin", "change", *counted),
        rows,
        ["all", "", *_sums(s, s.tenants), *blank],
        texts=2,
    )


def _tenant(s: Statement, t: TenantLine, exact: Statement, line: TenantLine) -> list[str]:
    earned = [DASH if a is None else s.money(a) for a in (t.revenue, t.margin)]
    row = [name_of(t), t.plan, *money(s, *paid(t)), *earned, change_words(line)]
    return row + list((unit_costs(exact, line) or (NONE, NONE)) if s.counted else ())


def _sums(s: Statement, lines: Sequence[TenantLine]) -> list[str]:
    parts = [(*paid(t), t.revenue or 0, t.margin or 0) for t in lines]
    return money(s, *(sum(column) for column in zip(*parts, strict=True))) if parts else [""] * 8


def causes(s: Statement, most: int) -> Table | None:
    """The weekly change of every tenant, split."""
    known = [
        (t, [t.before, *astuple(t.why), t.total])
        for t in s.tenants
        if t.why is not None and t.before is not None
    ]
    if not known:
        return None
    known.sort(key=lambda one: (-abs(one[1][-1] - one[1][0]), one[0].tenant))
    sums = [sum(column) for column in zip(*(amounts for _, amounts in known), strict=True)]
    return Table(
        "causes",
        "Why costs changed",
        "Last week, as it was told, plus the six causes is this week; exactly.",
        ("tenant", "last week", *CAUSES, "this week"),
        [[name_of(t), *money(s, *amounts)] for t, amounts in known[:most]],
        ["all", *money(s, *sums)] if len(known) <= most else (),
    )


def changed(exact: Statement) -> Said | None:
    found = movers(exact)
    if not found:
        return None
    return Said(
        "movers",
        "What changed",
        "Against the week before: by prices, a tenant's own use, its neighbours (when others use"
        " less, more of a resource is its own), policy, moves, and restatement.",
        [f"{name} {words}" for name, words in found],
    )


def units(accounts: Sequence[Account], most: int) -> Table | None:
    """Unit economics: n/a where a tenant did none of it."""
    if not accounts:
        return None
    return Table(
        "unit-costs",
        "Unit economics",
        "Direct cost, and with idle and shared cost; n/a where there was nothing to divide by.",
        ("tenant", *(f"{u.per}{word}" for u in accounts[0].units for word in (" direct", ""))),
        [
            [name_of(a), *(cost or NONE for u in a.units for cost in (u.direct, u.loaded))]
            for a in accounts[:most]
        ],
    )


def oddities(accounts: Sequence[Account]) -> Said | None:
    odd = [a for a in accounts if a.anomaly and a.anomaly.state != "calm"]
    if not odd:
        return None
    return Said(
        "anomalies",
        "Unusual costs",
        "Against each tenant's own last eight weeks; of those called odd at most 5 % are chance.",
        [anomaly_words(a, with_name=True) for a in odd[:20]],
    )


def anomaly_words(account: Account, *, with_name: bool) -> str:
    """One sentence about an unusual cost."""
    odd = account.anomaly
    assert odd is not None
    who = f"{name_of(account)}: " if with_name else ""
    if odd.state != "odd":
        return f"{who}{odd.state} this week"
    usual = shown_amount(odd.usual, account.currency)
    return f"{who}{account.columns.total.shown} instead of usually {usual} (z {odd.z:+.1f})"


def harms(accounts: Sequence[Account], most: int) -> Table | None:
    """What incidents cost their victims."""
    rows = [
        [name_of(a), h.incident, h.resource, f"{h.minutes:.1f}", f"{h.lost:.0%}", h.cost.shown]
        for a in accounts
        for h in a.harms
    ]
    if not rows:
        return None
    return Table(
        "incidents",
        "Cost of incidents",
        "Minutes hurt, times the part of the service lost, times what a minute of it is worth.",
        ("tenant", "incident", "resource", "minutes", "lost", "cost"),
        rows[:most],
        texts=3,
    )


def notes(s: Statement) -> Said | None:
    return Said("notes", "To know", "", list(s.notes)) if s.notes else None
