"""Numbers read back out of the files are those of the stored statement; names do no harm."""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Iterator
from dataclasses import replace
from decimal import Decimal
from html.parser import HTMLParser
from typing import Any

import pytest
from openpyxl import load_workbook
from pypdf import PdfReader

from analyzer.cost.settings import CostSettings, Plan, Price
from analyzer.cost.shown import shown
from analyzer.cost.statement import Statement, Why, sha256, to_json
from analyzer.reports.csv_file import inert
from analyzer.reports.document import Document, for_tenant
from analyzer.reports.files import render
from analyzer.reports.wording import movers
from analyzer.store.database import Store
from collector.model import UNKNOWN_TENANT, TenantId
from tests.analyzer.cost import house
from tests.analyzer.cost.house import Hour, add

HOSTILE = (
    "<script>alert(1)</script>",
    "=HYPERLINK(\"http://evil\",\"x\")",
    "+1+cmd|' /C calc'!A0",
    "@SUM(1)",
    "-2+3",
    "\t=1",
    "{{ 7*7 }}",
    "a,b\"c\nd",
    "../../etc/passwd",
    "\u202egnp.exe",
)  # fmt: skip


class Tables(HTMLParser):
    """Cells of every table by its id, row by row."""

    def __init__(self) -> None:
        super().__init__()
        self.tables: dict[str, list[list[str]]] = {}
        self.tags: set[str] = set()
        self._rows: list[list[str]] = []
        self._in_cell = False

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.add(tag)
        if tag == "table":
            self._rows = self.tables.setdefault(dict(attrs).get("id") or "", [])
        elif tag == "tr":
            self._rows.append([])
        elif tag in ("td", "th"):
            self._rows[-1].append("")
            self._in_cell = True

    def handle_endtag(self, tag: str) -> None:
        if tag in ("td", "th"):
            self._in_cell = False

    def handle_data(self, data: str) -> None:
        if self._in_cell:
            self._rows[-1][-1] += data


@pytest.fixture(scope="module")
def statement() -> Iterator[Statement]:
    store = Store.open(None)
    for number, name in enumerate(("acme", "globex", *HOSTILE)):
        house.tenant(store, f"t{number}", title=name, plan="pro" if number % 2 else "")
        add(store, [Hour(number, f"t{number}", "db:shard-1", 10**9 + number * 37)])
        add(store, [Hour(number, f"t{number}", "cache:1", 10**7 * number)])
    add(store, [Hour(3, UNKNOWN_TENANT, "db:shard-1", 10**8)])
    add(store, [Hour(3, "=cmd", "db:shard-1", 10**8)])
    house.resource(store, "db:shard-1", 1)
    terms = CostSettings(
        currency="EUR",
        prices=(
            Price("db:shard-1", "0.4321", idle="proportional"),
            Price("db:shard-2", "0.1"),
            Price("cache:1", per_month="73.31", kind="usage"),
            Price("=evil", per_month="-5", kind="fixed"),
        ),
        plans=(Plan("pro", "10"),),
    )
    before = {"t0": 1_000, "t1": 80_000_000}
    yield house.statement(store, terms, before=before)
    store.close()


@pytest.fixture(scope="module")
def document(statement: Statement) -> Document:
    return Document(statement, 2, sha256(to_json(statement)), "-3.1200")


def parsed(document: Document) -> Tables:
    tables = Tables()
    tables.feed(render(document, "html").decode())
    return tables


def test_the_html_shows_the_numbers_of_the_statement(document, statement):
    tables = parsed(document).tables
    s = shown(statement)
    money = s.money
    assert tables["proof"][1] == [*map(money, (s.allocated, s.idle, s.unattributed, s.bill))]
    cells = [row[2:9] for row in tables["tenants"][1:-1]]
    assert cells == [
        [
            *map(money, (t.direct - t.own_idle, t.own_idle, t.idle, t.shared, t.credit, t.total)),
            "–" if t.revenue is None else money(t.revenue),
        ]
        for t in s.tenants
    ]
    assert [row[2:6] for row in tables["resources"][1:-1]] == [
        [*map(money, (r.allocated, r.idle, r.unattributed, r.bill))] for r in s.resources
    ]


@pytest.mark.parametrize(("table", "first", "last"), [("resources", 2, 5), ("tenants", 2, 7)])
def test_tables_add_up_as_shown_in_both_directions(document, statement, table, first, last):
    rows = parsed(document).tables[table][1:]
    scale = statement.terms.precision
    numbers = [[int(cell.replace(".", "")) for cell in row[first : last + 1]] for row in rows]
    assert all(
        "." in cell and len(cell.split(".")[1]) == scale for cell in rows[0][first : last + 1]
    )
    assert all(sum(row[:-1]) == row[-1] for row in numbers)
    assert [sum(column) for column in zip(*numbers[:-1], strict=True)] == numbers[-1]


def test_the_csv_holds_the_numbers_of_the_statement(document, statement):
    rows = list(csv.DictReader(io.StringIO(render(document, "csv").decode(), newline="")))
    s, money = statement, statement.money
    (whole,) = [row for row in rows if row["record"] == "statement"]
    assert whole["bill"] == money(s.bill)
    tenants = [row for row in rows if row["record"] == "tenant"]
    assert [(row["tenant"], row["total"], row["margin"]) for row in tenants] == [
        (inert(t.tenant), money(t.total), "" if t.margin is None else money(t.margin))
        for t in s.tenants
    ]
    parts = [row["total"] for row in rows if row["record"] == "part"]
    assert parts == [money(part.total) for t in s.tenants for part in t.parts]


def test_the_first_line_says_period_zone_hours_status_version_and_coverage(document):
    first = document.headline()
    for words in (
        "2026-W47",
        "Mon 16 Nov 2026 00:00",
        "UTC",
        "168 h",
        "provisional",
        "version 2",
        "%",
    ):
        assert words in first
    assert f'<p class="period">{first}'.replace("'", "&#39;") in render(document, "html").decode()


def test_hostile_names_are_inert_in_html(document):
    tables = parsed(document)
    assert "script" not in tables.tags
    names = {row[0] for row in tables.tables["tenants"][1:-1]}
    assert set(HOSTILE) <= names


def test_hostile_names_are_inert_in_csv(document):
    reader = csv.reader(io.StringIO(render(document, "csv").decode(), newline=""))
    numbers = set("0123456789.")
    for row in reader:
        for cell in row:
            amount = cell.removeprefix("-") and set(cell.removeprefix("-")) <= numbers
            assert amount or not cell.startswith(("=", "+", "-", "@", "\t", "\r"))


@pytest.mark.parametrize("format_", ["html", "csv"])
def test_a_tenant_sees_nobody_else_and_no_margin(document, statement, format_):
    s = statement if format_ == "csv" else shown(statement)
    line = next(t for t in s.tenants if t.tenant == "t1")
    text = render(for_tenant(document, TenantId("t1")), format_).decode()
    own = {a for p in (line, *line.parts) for a in (p.direct, p.idle, p.shared, p.total)}
    assert s.money(line.total) in text
    assert line.revenue is not None
    assert line.margin is not None
    others = [t.total for t in s.tenants if t.total not in own]
    assert len(others) > 5
    for secret in (line.revenue, line.margin, s.bill, s.idle, *others):
        assert not re.search(rf"(?<![\d.]){re.escape(s.money(secret))}(?!\d)", text)
    assert "acme" not in text
    assert "-3.1200" not in text


@pytest.mark.parametrize("format_", ["html", "csv", "xlsx", "pdf"])
def test_the_same_document_is_the_same_bytes(document, format_):
    assert render(document, format_) == render(document, format_)


def workbook(document: Document) -> dict[str, list[tuple[Any, ...]]]:
    book = load_workbook(io.BytesIO(render(document, "xlsx")))
    return {s.title: [tuple(c.value for c in row) for row in s.iter_rows(min_row=4)] for s in book}


def test_the_pdf_and_the_workbook_say_why_a_cost_changed(document, statement):
    why = Why(-79_000_000, 40_000, 0)
    line = replace(statement.tenants[0], operations=4_000, before=10, why=why)
    line = replace(line, why=Why(line.total - 10 - 40_000, 40_000, 0))
    known = replace(statement, counted="request", tenants=(line, *statement.tenants[1:]))
    s = shown(known)
    text = pdf_text(replace(document, statement=known))
    (said,) = [words for _, words in movers(known)]
    assert said in " ".join(text.split())  # though the first name turns text around
    assert "1,000 requests" in " ".join(text.split())
    assert known.per_thousand(line.total, 4_000) in text
    row = workbook(replace(document, statement=known))["tenants"][0]
    assert row[12] == 4_000
    shown_why = s.tenants[0].why
    assert shown_why is not None
    assert [round(value * 100) for value in row[15:18]] == [
        shown_why.price, shown_why.usage, shown_why.neighbours,
    ]  # fmt: skip


def test_the_workbook_holds_the_numbers_of_the_statement(document, statement):
    sheets, s = workbook(document), shown(statement)

    def quanta(value: float) -> int:
        return round(Decimal(str(value)).scaleb(s.scale))

    assert [quanta(v) for v in sheets["proof"][0]] == [s.allocated, s.idle, s.unattributed, s.bill]
    assert [(row[0], quanta(row[8])) for row in sheets["tenants"]] == [
        (t.tenant, t.total) for t in s.tenants
    ]
    assert sum(quanta(row[7]) for row in sheets["parts"]) == s.allocated


def test_hostile_names_are_text_in_the_workbook(document):
    book = load_workbook(io.BytesIO(render(document, "xlsx")))
    cells = [cell for row in book["tenants"].iter_rows(min_row=4) for cell in row]
    assert {cell.data_type for cell in cells} <= {"s", "n"}
    assert not any(cell.hyperlink for cell in cells)


def pdf_text(document: Document) -> str:
    reader = PdfReader(io.BytesIO(render(document, "pdf")))
    return "\n".join(page.extract_text() for page in reader.pages)


def test_the_pdf_shows_every_total_of_the_statement(document, statement):
    text, s = pdf_text(document), shown(statement)
    for amount in (s.bill, s.idle, *(t.total for t in s.tenants)):
        assert s.money(amount) in text
    assert "<script>alert(1)</script>" in text.replace("\n", "")


def test_the_pdf_of_a_tenant_shows_nobody_else(document, statement):
    text = pdf_text(for_tenant(document, TenantId("t1")))
    s = shown(statement)
    line = next(t for t in s.tenants if t.tenant == "t1")
    own = {s.money(a) for a in (line.direct, line.idle, line.shared, line.total)}
    own |= {s.money(a) for p in line.parts for a in (p.direct, p.idle, p.shared, p.total)}
    assert set(re.findall(r"(?<![\d.])-?\d+\.\d\d(?!\d)", text)) == own
    assert s.money(s.bill) not in own


def test_the_html_needs_nothing_from_elsewhere(document):
    text = render(document, "html").decode()
    assert not {"link", "script", "img", "iframe"} & parsed(document).tags
    assert "url(" not in text
    assert "src=" not in text
    assert "<svg" in text
