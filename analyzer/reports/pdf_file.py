"""The report as PDF, set by typst. Names reach the page as data, so no markup in them works."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from importlib import resources

import typst

from analyzer.cost.shown import shown
from analyzer.cost.statement import Statement, TenantLine
from analyzer.reports.document import Document
from analyzer.reports.html_file import Bar, bill_bar, tenant_bars
from analyzer.reports.wording import (
    change_words,
    counted_words,
    movers,
    spoken_name,
    unit_costs,
    why_words,
)

_UNIT_ROWS = 40
_ROWS = 250
"""Tenants with a row of their own; the rest is one row, so that the columns still add up."""


@dataclass(frozen=True, slots=True)
class Section:
    """One table: the first `texts` columns are text; `widths` in parts of the page, 0 as needed."""

    title: str
    caption: str
    head: Sequence[str]
    rows: Sequence[Sequence[str]]
    total: Sequence[str]
    widths: Sequence[int]
    texts: int = 1


def render_pdf(document: Document) -> bytes:
    """The same statement is the same bytes."""
    template = resources.files("analyzer.reports").joinpath("templates/report.typ")
    data = json.dumps(_tenant(document) if document.line else _platform(document))
    made = typst.compile(
        template.read_bytes(), sys_inputs={"data": data}, format="pdf", timestamp=0
    )
    return bytes(made)


def _common(document: Document, sentence: str) -> dict[str, object]:
    s = document.statement
    return {
        "title": f"Cost {s.week}",
        "headline": document.headline(),
        "sentence": sentence,
        "footer": f"Amounts in {s.terms.currency}, rounded so that rows and columns add up;"
        f" CSV and FOCUS keep every decimal. Statement {document.sha256[:16]}",
        "bars": [],
        "legend": [],
        "changes": [],
        "notes": [],
    }


def _platform(document: Document) -> dict[str, object]:
    s = shown(document.statement)
    sentence = (
        f"{s.money(s.bill)} {s.terms.currency}: {s.money(s.allocated)} for"
        f" {len(s.tenants)} tenants, {s.money(s.idle)} idle"
    )
    bars: list[Bar] = [bill_bar(s), *tenant_bars(s)]
    return _common(document, sentence) | {
        "bars": [asdict(bar) for bar in bars],
        "legend": ["direct", "idle", "shared", "unattributed"],
        "tables": [asdict(t) for t in _sections(s, document.statement)],
        "changes": [f"{name} {words}" for name, words in movers(document.statement)],
        "notes": list(s.notes),
    }


def _tenant(document: Document) -> dict[str, object]:
    s = shown(document.statement)
    line = next((t for t in s.tenants if t.tenant == document.tenant), None)
    assert line is not None
    sentence = f"{spoken_name(line)}: {s.money(line.total)} {s.terms.currency} this week"
    table = Section(
        "Resources",
        "Direct is what was used or reserved; idle and shared are parts of what all pay.",
        ("resource", "direct", "idle", "shared", "total"),
        [[p.resource, *_money(s, p.direct, p.idle, p.shared, p.total)] for p in line.parts],
        ["all", *_money(s, line.direct, line.idle, line.shared, line.total)],
        (3, 1, 1, 1, 1),
    )
    exact = next(t for t in document.statement.tenants if t.tenant == line.tenant)
    units = unit_costs(document.statement, exact)
    why = why_words(s, line)
    said = [f"Against the week before {why}"] if why else []
    if units:
        said.append(
            f"1,000 {counted_words(s)} cost {units[0]} {s.terms.currency} directly,"
            f" {units[1]} with idle and shared cost"
        )
    return _common(document, sentence) | {"tables": [asdict(table)], "changes": said}


def _sections(s: Statement, exact: Statement) -> list[Section]:
    found = [_proof(s), _resources(s), _tenants(s, exact)]
    return [*found, _units(exact)] if exact.counted else found


def _units(exact: Statement) -> Section:
    rows = []
    for line in exact.tenants[:_UNIT_ROWS]:
        costs = unit_costs(exact, line)
        if costs:
            rows.append([line.name or line.tenant, f"{line.operations:,}", *costs])
    words = counted_words(exact)
    return Section(
        f"Cost of 1,000 {words}",
        "Direct is what was used or reserved; the last column has idle and shared cost too.",
        ("tenant", words, "direct", "with idle and shared"),
        rows,
        [],
        (3, 1, 1, 1),
    )


def _proof(s: Statement) -> Section:
    return Section(
        "Proof",
        "The bill is what was allocated, left idle, or could not be attributed.",
        ("allocated", "idle", "unattributed", "bill"),
        [_money(s, s.allocated, s.idle, s.unattributed, s.bill)],
        [],
        (1, 1, 1, 1),
        texts=0,
    )


def _resources(s: Statement) -> Section:
    return Section(
        "Resources",
        "Where the money was spent.",
        ("resource", "kind", "allocated", "idle", "unattributed", "bill"),
        [
            [r.resource, r.kind, *_money(s, r.allocated, r.idle, r.unattributed, r.bill)]
            for r in s.resources
        ],
        ["all", "", *_money(s, s.allocated, s.idle, s.unattributed, s.bill)],
        (3, 0, 2, 2, 2, 2),
        texts=2,
    )


def _tenants(s: Statement, exact: Statement) -> Section:
    rows = [_row(s, *both) for both in zip(s.tenants[:_ROWS], exact.tenants, strict=False)]
    rest = s.tenants[_ROWS:]
    if rest:
        rows.append([f"{len(rest)} more", "", *_sums(s, rest), ""])
    return Section(
        "Tenants",
        "Margin is revenue less cost; tenants that pay nothing have none.",
        ("tenant", "plan", "direct", "idle", "shared", "total", "revenue", "margin", "change"),
        rows,
        ["all", "", *_sums(s, s.tenants), ""],
        (3, 0, 2, 2, 2, 2, 2, 2, 2),
        texts=2,
    )


def _row(s: Statement, t: TenantLine, exact: TenantLine) -> list[str]:
    amounts = _money(s, t.direct, t.idle, t.shared, t.total)
    paid = ["–" if a is None else s.money(a) for a in (t.revenue, t.margin)]
    return [t.name or t.tenant, t.plan, *amounts, *paid, change_words(exact)]


def _sums(s: Statement, lines: Sequence[TenantLine]) -> list[str]:
    parts = [(t.direct, t.idle, t.shared, t.total, t.revenue or 0, t.margin or 0) for t in lines]
    return _money(s, *(sum(column) for column in zip(*parts, strict=True))) if parts else [""] * 6


def _money(s: Statement, *quanta: int) -> list[str]:
    return [s.money(amount) for amount in quanta]
