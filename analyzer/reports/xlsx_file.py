"""The report as a workbook: sheets proof, resources, tenants, parts. No formulas, no links."""

from __future__ import annotations

import io
import re
from collections.abc import Sequence
from dataclasses import astuple
from datetime import datetime
from decimal import Decimal
from typing import Any

import xlsxwriter

from analyzer.accounts.account import Account
from analyzer.accounts.make import paid
from analyzer.cost.shown import shown
from analyzer.cost.statement import Statement, TenantLine
from analyzer.reports.document import Document
from analyzer.reports.views import page_of
from analyzer.reports.wording import CAUSES, change_words, unit_costs

Cell = str | Decimal | None

_DECIMAL = re.compile(r"-?[0-9]+(\.[0-9]+)?")

_INERT = {
    "in_memory": True,
    "strings_to_formulas": False,
    "strings_to_urls": False,
    "strings_to_numbers": False,
}
_EPOCH = datetime(2000, 1, 1)  # noqa: DTZ001 - the same statement is the same bytes


def render_xlsx(document: Document) -> bytes:
    """Amounts are numbers that add up at the decimals of the currency; names are always text."""
    out = io.BytesIO()
    with xlsxwriter.Workbook(out, _INERT) as book:
        book.set_properties({"title": document.headline(), "created": _EPOCH})
        for name, head, rows in _sheets(document):
            _write(book, document, name, head, rows)
    return out.getvalue()


def _pages(document: Document) -> list[tuple[str, Sequence[str], list[list[Cell]]]]:
    """Tables of a view as sheets; only columns of numbers hold numbers, whatever names say."""
    return [
        (
            table.id,
            table.head,
            [
                [_number(cell) if i >= table.texts else cell for i, cell in enumerate(row)]
                for row in table.rows
            ],
        )
        for table in page_of(document).tables()
    ]


def _number(cell: str) -> Cell:
    return Decimal(cell) if _DECIMAL.fullmatch(cell) else cell


def _sheets(document: Document) -> list[tuple[str, Sequence[str], list[list[Cell]]]]:
    if document.view in ("exec", "sre"):
        return _pages(document)
    s = shown(document.statement)
    own = [line for line in s.tenants if line.tenant == document.tenant]
    parts = ("tenant", "resource", "direct", "own idle", "pool idle", "shared", "credit", "total")
    if document.tenant is not None:
        return [("cost", parts, _parts(s, own)), *_pages(document)]
    spent = ("resource", "kind", "allocated", "idle", "unattributed", "bill")
    earned = (
        "tenant", "name", "plan", *parts[2:], "revenue", "margin", "change", "operations",
        "per 1,000 direct", "per 1,000 loaded", *CAUSES, "forecast", "forecast low",
        "forecast high", "unusual", "harmed",
    )  # fmt: skip
    return [
        ("proof", spent[2:], [_proof(s)]),
        ("resources", spent, _resources(s)),
        ("tenants", earned, _tenants(s, document)),
        ("parts", parts, _parts(s, s.tenants)),
        *(page for page in _pages(document) if page[0] in ("causes", "unit-costs", "incidents")),
    ]


def _amounts(s: Statement, *quanta: int | None) -> list[Cell]:
    return [None if amount is None else Decimal(s.money(amount)) for amount in quanta]


def _proof(s: Statement) -> list[Cell]:
    return _amounts(s, s.allocated, s.idle, s.unattributed, s.bill)


def _resources(s: Statement) -> list[list[Cell]]:
    return [
        [r.resource, r.kind, *_amounts(s, r.allocated, r.idle, r.unattributed, r.bill)]
        for r in s.resources
    ]


def _tenants(s: Statement, document: Document) -> list[list[Cell]]:
    exact = document.statement
    accounts = {account.tenant: account for account in document.accounts}
    return [
        [
            *(t.tenant, t.name, t.plan),
            *_amounts(s, *paid(t), t.revenue, t.margin),
            change_words(before),
            *_facts(s, t, exact, before),
            *_told(accounts.get(t.tenant)),
        ]
        for t, before in zip(s.tenants, exact.tenants, strict=True)
    ]


def _facts(s: Statement, line: TenantLine, exact: Statement, known: TenantLine) -> list[Cell]:
    costs = unit_costs(exact, known)
    units: list[Cell] = [Decimal(cost) for cost in costs] if costs else [None, None]
    why = (None,) * len(CAUSES) if line.why is None else astuple(line.why)
    return [Decimal(known.operations), *units, *_amounts(s, *why)]


def _told(account: Account | None) -> list[Cell]:
    """What comes, what is unusual, what incidents cost."""
    if account is None:
        return [None] * 5
    told = account.forecast
    foretold = (
        [Decimal(text) for text in (told.amount, told.low, told.high)] if told else [None] * 3
    )
    odd = account.anomaly.state if account.anomaly else None
    return [*foretold, odd, Decimal(account.harmed.shown)]


def _parts(s: Statement, lines: Sequence[TenantLine]) -> list[list[Cell]]:
    return [[t.tenant, p.resource, *_amounts(s, *paid(p))] for t in lines for p in t.parts]


def _write(
    book: Any, document: Document, name: str, head: Sequence[str], rows: list[list[Cell]]
) -> None:
    sheet = book.add_worksheet(name)
    bold = book.add_format({"bold": True})
    formats = {n: book.add_format({"num_format": f"0.{'0' * n}" if n else "0"}) for n in range(31)}
    sheet.write_string(0, 0, document.headline(), bold)
    for column, word in enumerate(head):
        sheet.write_string(2, column, word, bold)
    for number, row in enumerate(rows, start=3):
        for column, cell in enumerate(row):
            if isinstance(cell, Decimal):
                sheet.write_number(number, column, cell, formats[min(_decimals(cell), 30)])
            elif cell is not None:
                sheet.write_string(number, column, cell)
    sheet.set_column(0, len(head), 16)
    sheet.freeze_panes(3, 1)


def _decimals(cell: Decimal) -> int:
    return max(0, -int(cell.as_tuple().exponent))
