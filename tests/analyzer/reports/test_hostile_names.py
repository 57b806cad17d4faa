"""Thirty names that want to be a formula, markup or a script, in every file and in a browser."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterator
from dataclasses import replace
from html.parser import HTMLParser
from pathlib import Path

import pytest
from openpyxl import load_workbook
from playwright.sync_api import sync_playwright
from pypdf import PdfReader

from analyzer.accounts.known import HARM_WEIGHT, read_known
from analyzer.accounts.make import make_accounts
from analyzer.cost.settings import CostSettings, Plan, Price
from analyzer.cost.statement import sha256, to_json
from analyzer.density.fullness import densities
from analyzer.reports.document import VIEWS, Document, for_view
from analyzer.reports.files import render
from analyzer.store.database import Store
from collector.model import TenantId
from tests.analyzer.cost import house
from tests.analyzer.cost.house import WEEK, Hour, add

NAMES = (
    "<script>window.hacked=1</script>",
    "<img src=x onerror=window.hacked=1>",
    "<svg/onload=window.hacked=1>",
    '"><iframe src=javascript:window.hacked=1>',
    "'><a href=javascript:window.hacked=1>x</a>",
    "</title><script>window.hacked=1</script>",
    "</style><style>*{display:none}</style>",
    "<!--",
    "-->",
    "<![CDATA[",
    "{{ 7*7 }}",
    "{% raw %}",
    "${7*7}",
    "#{7*7}",
    '=HYPERLINK("http://evil","x")',
    "=cmd|' /C calc'!A0",
    "+1+1",
    "-2+3",
    "@SUM(1)",
    "\t=1+1",
    "\r=1+1",
    "\n=1+1",
    "'=1+1",
    'a,b;c"d"\ne',
    "../../etc/passwd",
    "\u202egnp.exe",
    "#let x = 1; #panic()",
    "$ sum_1^n $ *b* _i_ `r`",
    "%s%n%x",
    "Ünï – 名前 🙂",
)
ALLOWED = {
    "html", "head", "meta", "title", "style", "body", "p", "h1", "h2", "div", "dl", "dt", "dd",
    "small", "span", "svg", "rect", "table", "caption", "thead", "tbody", "tfoot", "tr", "th", "td",
    "ul", "li", "footer",
}  # fmt: skip


class Tags(HTMLParser):
    def __init__(self) -> None:
        super().__init__()
        self.found: set[str] = set()
        self.attributes: set[str] = set()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.found.add(tag)
        self.attributes.update(name for name, _ in attrs)


@pytest.fixture(scope="module")
def document() -> Iterator[Document]:
    """Every name is a tenant's id and name, a plan and a resource."""
    store = Store.open(None)
    prices = []
    for number, name in enumerate(NAMES):
        house.tenant(store, name, title=name, plan=name)
        add(store, [Hour(at, name, name, 10**9 + number, 5) for at in (1, 2)])
        house.resource(store, name, 1.0)
        prices.append(Price(name, "0.10"))
    terms = CostSettings(prices=tuple(prices), plans=tuple(Plan(name, "10") for name in NAMES))
    before = dict.fromkeys(NAMES, 100000)
    statement = house.statement(store, terms, before=before)
    with store.reader() as reader:
        known = read_known(reader, statement, WEEK.end, HARM_WEIGHT)
    accounts = make_accounts(statement, 1, known, policy="p")
    digest = sha256(to_json(statement))
    yield Document(
        statement, 1, digest, accounts=tuple(accounts),
        rooms=tuple(densities(store, now=WEEK.end)), also=NAMES,
    )  # fmt: skip
    store.close()


def views(document: Document) -> list[Document]:
    whole = [for_view(document, view) for view in VIEWS if view != "account"]
    return [*whole, *(for_view(document, "account", TenantId(name)) for name in NAMES[:6])]


def test_there_are_thirty_and_each_is_in_the_report(document):
    assert len(set(NAMES)) == 30
    assert {line.tenant for line in document.statement.tenants} == set(NAMES)


def test_html_has_only_its_own_tags_and_no_handlers(document):
    for one in views(document):
        tags = Tags()
        tags.feed(render(one, "html").decode())
        assert tags.found <= ALLOWED
        assert not any(name.startswith("on") or name in ("href", "src") for name in tags.attributes)


def test_a_browser_runs_and_fetches_nothing_and_shows_the_names(document, tmp_path: Path):
    if not Path("/usr/bin/chromium").exists():
        pytest.skip("no system Chromium: apt-get install chromium")
    asked: list[str] = []
    with sync_playwright() as driver:
        chromium = driver.chromium.launch(
            executable_path="/usr/bin/chromium", args=["--no-sandbox", "--disable-gpu"]
        )
        page = chromium.new_page()
        page.on("request", lambda request: asked.append(request.url))
        page.on("dialog", lambda dialog: pytest.fail(dialog.message))
        for number, one in enumerate(views(document)[:4]):
            file = tmp_path / f"{number}.html"
            file.write_bytes(render(one, "html"))
            page.goto(file.as_uri())
            assert page.evaluate("window.hacked") is None
            assert page.evaluate("document.scripts.length") == 0
            assert page.locator("h1").is_visible()
        page.goto((tmp_path / "2.html").as_uri())
        whole = " ".join(page.inner_text("body").split())
        for name in ("<script>window.hacked=1</script>", "{{ 7*7 }}", "=HYPERLINK", "Ünï – 名前"):
            assert name in whole
        chromium.close()
    assert all(url.startswith("file://") for url in asked)


def test_no_cell_of_a_workbook_is_a_formula_or_a_link(document):
    for one in views(document):
        book = load_workbook(io.BytesIO(render(one, "xlsx")))
        for sheet in book:
            cells = [cell for row in sheet.iter_rows() for cell in row]
            assert {cell.data_type for cell in cells} <= {"s", "n"}
            assert not any(cell.hyperlink for cell in cells)
            assert not sheet.title.startswith("=")


@pytest.mark.parametrize("format_", ["csv", "focus"])
def test_no_cell_of_a_csv_begins_a_formula(document, format_):
    for one in views(document):
        text = render(one, format_).decode()
        rows = list(csv.reader(io.StringIO(text, newline="")))
        assert len({len(row) for row in rows}) == 1  # no name makes a column or a row
        for row in rows:
            for cell in row:
                number = cell[1:].replace(".", "").isdigit()
                assert number or not cell.startswith(("=", "+", "-", "@", "\t", "\r", "\n"))


def test_the_pdf_is_set_and_says_the_markup_as_text(document):
    text = "".join(
        page.extract_text()
        for page in PdfReader(io.BytesIO(render(for_view(document, "finance"), "pdf"))).pages
    ).replace("\n", "")
    for name in ("#panic()", "sum_1^n", "{{ 7*7 }}"):
        assert name.replace(" ", "") in text.replace(" ", "")


def test_no_name_becomes_a_path(document):
    from analyzer.reports.delivery.parcel import parcel

    for name in NAMES:
        packed = parcel(for_view(document, "account", TenantId(name)), ("csv",))
        for piece in packed.pieces:
            assert ".." not in piece.path
            assert piece.path.count("/") == 3
            assert piece.path.isascii()


def test_a_mail_of_each_name_has_one_subject_and_one_recipient(document):
    from email import message_from_bytes, policy

    from analyzer.reports.delivery.letter import letter
    from analyzer.reports.delivery.parcel import parcel
    from analyzer.reports.delivery.settings import DeliverySettings

    board = DeliverySettings(
        "b", "mail", "smtp://x", formats=("csv",), sender="p@example.com",
        recipients=("a@example.com",),
    )  # fmt: skip
    for name in NAMES:
        one = replace(for_view(document, "account", TenantId(name)), also=())
        message = letter(parcel(one, ("csv",)), board, "a@example.com", "https://x")
        mail = message_from_bytes(message.body, policy=policy.default)
        assert mail.get_all("Subject") is not None
        assert len(mail.get_all("Subject") or []) == 1
        assert mail["To"] == "a@example.com"
        assert mail["Bcc"] is None
