"""One stored object, seven ways to show it: the numbers read back out of each are its own."""

from __future__ import annotations

import asyncio
import csv
import io
import json
from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import httpx
import pytest
from fastapi import FastAPI
from openpyxl import load_workbook
from pypdf import PdfReader

from analyzer.accounts.account import Account, from_json, to_json
from analyzer.accounts.known import stored_account, stored_accounts
from analyzer.api import money, reports
from analyzer.api.views.cost import CostPage
from analyzer.app import tell_report
from analyzer.cost.ledger import stored
from analyzer.cost.settings import CostSettings, Plan, Price
from analyzer.cost.weeks import Week
from analyzer.notify.clock import stored as plain
from analyzer.notify.event import Links
from analyzer.reports import close_weeks
from analyzer.reports.csv_file import inert
from analyzer.reports.document import VIEWS, Document, document_of, for_view
from analyzer.reports.files import render
from analyzer.store.codec import dump
from analyzer.store.database import Store
from collector.model import TenantId
from tests.analyzer.accounts.cast import incident
from tests.analyzer.cost import house
from tests.analyzer.cost.house import WEEK, Hour, add
from tests.analyzer.reports.test_files import Tables

HOUR_US = 3_600_000_000
CAST = ("acme", "globex", "initech", "umbrella")
TERMS = CostSettings(
    currency="EUR",
    prices=(
        Price("db:shard-1", "0.4321", idle="proportional"),
        Price("db:own", "0.1", idle="retained"),
        Price("queue:exports", per_month="73.31", kind="usage", driver="count"),
        Price("storage:blobs", per_month="20", kind="usage", driver="volume"),
        Price("support", per_month="100", kind="fixed"),
    ),
    plans=(Plan("pro", "60"),),
)


@dataclass
class Closed:
    store: Store
    week: Week
    app: FastAPI
    document: Document
    facts: dict[str, str]

    def get(self, path: str) -> Any:
        async def ask() -> httpx.Response:
            transport = httpx.ASGITransport(self.app)
            async with httpx.AsyncClient(transport=transport, base_url="http://a") as client:
                return await client.get(path)

        return asyncio.run(ask()).json()

    def account(self, tenant: str) -> Account:
        with self.store.reader() as reader:
            found = stored_account(reader, self.week.id, tenant)
        assert found is not None
        return found


@pytest.fixture(scope="module")
def closed(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Closed]:
    """Six weeks; in the last one acme harms globex and initech."""
    store = Store.open(None)
    house.resource(store, "db:shard-1", 2)
    house.resource(store, "db:own", 1)
    house.resource(store, "queue:exports", None, "queue")
    for number, name in enumerate(CAST):
        house.tenant(store, name, plan="" if name == "umbrella" else "pro", title=name.title())
        house.place(store, name, "db:shard-1")
        week = WEEK
        for age in range(6):
            busy = HOUR_US // 8 + number * 7_000_000 * (age + 3)
            add(
                store,
                [
                    *(Hour(at, name, "db:shard-1", busy, 20 + at) for at in range(0, 160, 4)),
                    *(Hour(at, name, "app", None, 40, family="request") for at in (3, 9)),
                    *(
                        Hour(at, name, "queue:exports", 10**6, 5 + number, family="queue")
                        for at in ((2, 8) if number else ())
                    ),
                    Hour(1, name, "storage:blobs", None, None, 10**12 * (number + 1)),
                ],
                week.start,
            )
            week = week.previous()
    case = incident(minutes=90)
    _write_down(store, case)
    house.complete_until(store, WEEK.end + timedelta(hours=1))
    now = WEEK.end + timedelta(hours=2)
    told: dict[str, str] = {}

    def tell(tx: Any, report: Any) -> None:
        event = tell_report(tx, report, now, Links())
        told.clear()
        told.update(_facts(tx, event))

    done = close_weeks(
        store, now=now, settings=TERMS, directory=tmp_path_factory.mktemp("r"), tell=tell
    )
    assert [report.week for report in done][-1] == WEEK.id
    app = FastAPI()
    app.include_router(money.router(store, lambda: now, TERMS))
    app.include_router(reports.router(store, lambda: now, TERMS, Path("r")))
    with store.reader() as reader:
        known = stored(reader, WEEK.id)
        assert known is not None
        document = document_of(known, stored_accounts(reader, WEEK.id, known.version))
    yield Closed(store, WEEK, app, document, told)
    store.close()


def _write_down(store: Store, case: Any) -> None:
    with store.transaction() as tx:
        tx.execute(
            "journal_incident_insert",
            id=case.id, resource=case.resource, kind=case.kind.value, state=case.state.value,
            severity="page", started_at=plain(case.started_at), updated_at=plain(case.updated_at),
            detected_at=plain(case.detected_at), ended_at=plain(case.ended_at), seq=1,
            aggressors=["acme"], victims=["globex", "initech"], withdrawn=False, body=dump(case),
            part_of=None,
        )  # fmt: skip


def _facts(tx: Any, event: Any) -> dict[str, str]:
    row = tx._cursor.execute("SELECT body FROM events WHERE id = ?", [event]).fetchone()
    return dict(json.loads(row[0])["facts"])


def paid(account: Account) -> list[str]:
    c = account.columns
    return [one.shown for one in (c.direct, c.own_idle, c.pool_idle, c.shared, c.credit, c.total)]


def exact(account: Account) -> list[str]:
    c = account.columns
    return [one.exact for one in (c.direct, c.own_idle, c.pool_idle, c.shared, c.credit, c.total)]


def mine(closed: Closed, tenant: str) -> Document:
    return for_view(closed.document, "account", TenantId(tenant))


@pytest.mark.parametrize("tenant", CAST)
def test_the_columns_of_an_account_sum_to_its_total_exactly_and_as_shown(closed, tenant):
    account = closed.account(tenant)
    for amounts in (exact(account), paid(account)):
        assert sum(map(Decimal, amounts[:-1])) == Decimal(amounts[-1])
    for item in account.items:
        c = item.columns
        parts = (c.direct, c.own_idle, c.pool_idle, c.shared, c.credit)
        assert sum(Decimal(one.shown) for one in parts) == Decimal(c.total.shown)
    assert from_json(to_json(account)) == account


@pytest.mark.parametrize("tenant", CAST)
def test_the_six_causes_sum_to_the_change(closed, tenant):
    account = closed.account(tenant)
    assert account.why is not None
    assert account.change is not None
    for kind in ("exact", "shown"):
        parts = [Decimal(getattr(amount, kind)) for _, amount in account.why.named()]
        assert sum(parts) == Decimal(getattr(account.change, kind))


@pytest.mark.parametrize("tenant", CAST)
def test_the_page_and_the_paper_show_the_account(closed, tenant):
    account = closed.account(tenant)
    tables = Tables()
    tables.feed(render(mine(closed, tenant), "html").decode())
    assert tables.tables["parts"][-1][1:] == paid(account)
    assert [row[-1] for row in tables.tables["causes"][1:]] == [account.columns.total.shown]
    units = {row[0]: row[2:] for row in tables.tables["unit-costs"][1:]}
    assert units == {u.per: [u.direct or "n/a", u.loaded or "n/a"] for u in account.units}
    reader = PdfReader(io.BytesIO(render(mine(closed, tenant), "pdf")))
    words = " ".join(page.extract_text() for page in reader.pages).split()
    for amount in (*paid(account), account.before.shown, account.harmed.shown):
        if Decimal(amount):
            assert amount in words
    assert account.forecast is not None
    assert account.forecast.amount in words


@pytest.mark.parametrize("tenant", CAST)
def test_the_csv_and_focus_hold_the_exact_amounts(closed, tenant):
    account = closed.account(tenant)
    for document in (mine(closed, tenant), closed.document):
        rows = list(csv.DictReader(io.StringIO(render(document, "csv").decode(), newline="")))
        (row,) = [r for r in rows if r["record"] == "tenant" and r["tenant"] == inert(tenant)]
        names = ("direct", "own_idle", "idle", "shared", "credit", "total")
        assert [row[name] for name in names] == exact(account)
        assert row["harmed"] == account.harmed.exact
        assert account.forecast is not None
        assert row["forecast"] == account.forecast.amount
        assert row["by_neighbours"] == account.why.neighbours.exact
        parts = [r for r in rows if r["record"] == "part" and r["tenant"] == inert(tenant)]
        assert [(r["quantity"], r["unit_price"]) for r in parts] == [
            (item.quantity, item.unit_price or "") for item in account.items
        ]
        focus = csv.DictReader(io.StringIO(render(document, "focus").decode(), newline=""))
        own = [r for r in focus if r["AllocatedResourceId"] == f"tenant/{tenant}"]
        assert sum(Decimal(r["BilledCost"]) for r in own) == Decimal(account.columns.total.exact)


@pytest.mark.parametrize("tenant", CAST)
def test_the_workbook_shows_the_account(closed, tenant):
    account = closed.account(tenant)
    book = load_workbook(io.BytesIO(render(mine(closed, tenant), "xlsx")))
    rows = [[cell.value for cell in row] for row in book["cost"].iter_rows(min_row=4)]
    sums = [sum(Decimal(str(row[i])) for row in rows) for i in range(2, 8)]
    assert sums == [Decimal(amount) for amount in paid(account)]
    whole = load_workbook(io.BytesIO(render(closed.document, "xlsx")))["tenants"]
    (row,) = [r for r in whole.iter_rows(min_row=4, values_only=True) if r[0] == tenant]
    assert [Decimal(str(v)) for v in row[3:9]] == [Decimal(amount) for amount in paid(account)]


@pytest.mark.parametrize("tenant", CAST)
def test_the_api_shows_the_account_and_the_cost_page_agrees(closed, tenant):
    account = closed.account(tenant)
    got = closed.get(f"/reports/{closed.week.id}/accounts/{tenant}")
    assert got["columns"]["total"] == {
        "exact": account.columns.total.exact, "shown": account.columns.total.shown,
    }  # fmt: skip
    page = CostPage.model_validate(closed.get(f"/costs?week={closed.week.id}"))
    (line,) = [one for one in page.lines if one.tenant == tenant]
    assert [line.direct, line.own, line.idle, line.shared, line.credit, line.total] == paid(account)


def test_the_webhook_tells_the_numbers_of_the_statement(closed):
    page = CostPage.model_validate(closed.get(f"/costs?week={closed.week.id}"))
    assert closed.facts["bill"] == page.bill
    for name in ("allocated", "idle", "unattributed"):
        assert closed.facts[name] == getattr(page, name)
    assert closed.facts["sha256"] == closed.document.sha256


def test_an_account_knows_its_units_its_past_and_what_was_foretold(closed):
    account = closed.account("globex")
    assert [unit.what for unit in account.units] == ["requests", "jobs", "storage"]
    requests, jobs, storage = account.units
    assert (requests.quantity, jobs.quantity) == ("80", "12")
    assert Decimal(storage.quantity) == pytest.approx(Decimal("2.738"), abs=Decimal("0.001"))
    direct = Decimal(str(storage.direct))
    blobs = next(i for i in account.items if i.resource == "storage:blobs").columns.direct.exact
    assert direct == pytest.approx(Decimal(blobs) / Decimal(storage.quantity), rel=Decimal("0.001"))
    assert closed.account("acme").units[1].loaded is None  # no job: n/a
    assert len(account.weeks) == 6
    assert account.forecast is not None
    assert account.forecast.error is not None
    assert account.anomaly is not None


def test_an_incident_costs_each_victim_and_the_aggressor_is_told_of_it(closed):
    victims = [closed.account(name) for name in ("globex", "initech")]
    assert all(Decimal(a.harmed.exact) > 0 for a in victims)
    assert [h.incident for h in victims[0].harms] == ["INC-1"]
    assert victims[0].harms[0].minutes == 90
    caused = Decimal(closed.account("acme").caused.exact)
    assert caused == sum(Decimal(a.harmed.exact) for a in victims)
    assert closed.account("umbrella").harms == ()


@pytest.mark.parametrize("format_", ["html", "pdf", "csv", "xlsx", "focus", "json"])
def test_a_tenant_is_told_of_nobody_else_and_of_no_margin(closed, format_):
    document = mine(closed, "globex")
    data = render(document, format_)
    if format_ == "pdf":
        data = "".join(p.extract_text() for p in PdfReader(io.BytesIO(data)).pages).encode()
    if format_ == "xlsx":
        book = load_workbook(io.BytesIO(data))
        cells = [c.value for sheet in book for row in sheet.iter_rows() for c in row]
        data = "\n".join(str(cell) for cell in cells).encode()
    text = data.decode().lower()
    for other in ("acme", "initech", "umbrella"):
        assert other not in text
    account = closed.account("globex")
    assert account.margin is not None
    assert account.margin.shown not in text
    assert account.margin.exact not in text


@pytest.mark.parametrize("view", [v for v in VIEWS if v != "account"])
@pytest.mark.parametrize("format_", ["html", "pdf", "xlsx"])
def test_every_view_begins_with_its_period_and_ends_with_its_policy(closed, view, format_):
    document = for_view(closed.document, view)
    data = render(document, format_)
    head = document.headline()
    for word in ("2026-W47", "UTC, 168 h", "provisional", "version 1", "h measured", "coverage"):
        assert word in head or word == "coverage"
    if format_ == "html":
        text = data.decode()
        assert text.index('class="period"') < text.index("<h1>")
        assert head.replace("'", "&#39;") in text
        assert document.sha256 in text
    elif format_ == "xlsx":
        assert load_workbook(io.BytesIO(data)).worksheets[0]["A1"].value == head
    else:
        text = " ".join(PdfReader(io.BytesIO(data)).pages[0].extract_text().split())
        assert text.startswith(head[:40])


def test_a_restated_week_says_what_it_supersedes(closed):
    again = replace(closed.document, version=2, delta="-3.1200")
    text = render(again, "html").decode()
    assert "Supersedes version 1, the bill changed by -3.12." in text
    own = render(for_view(again, "account", TenantId("globex")), "html").decode()
    assert "Supersedes version 1." in own
    assert "-3.12" not in own
