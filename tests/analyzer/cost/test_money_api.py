from __future__ import annotations

import asyncio
from collections.abc import Iterator
from datetime import datetime, timedelta
from decimal import Decimal
from pathlib import Path

import httpx
import pytest
from fastapi import FastAPI

from analyzer.accounts.packed import Packed
from analyzer.api import density, reports
from analyzer.api.money import cost_page, cost_tree, router
from analyzer.api.problems import install
from analyzer.api.views.cost import CostPage
from analyzer.api.views.reports import ReportView
from analyzer.api.views.resources import DensityRow
from analyzer.cost.book import CostBook, book, costs_so_far
from analyzer.cost.settings import CostSettings, Plan, Price
from analyzer.cost.shown import shown
from analyzer.cost.statement import Part, ResourceLine, Statement, TenantLine
from analyzer.reports import close_weeks
from analyzer.reports.ledger import accounts_of
from analyzer.store.database import Store
from tests.analyzer.cost import house
from tests.analyzer.cost.house import MONDAY, WEEK, Hour, add

TERMS = CostSettings(prices=(Price("db:shard-1", "1"),), plans=(Plan("pro", "30"),))
NOW = WEEK.end + timedelta(hours=12)


class Client:
    """Asks an app without a socket."""

    def __init__(self, app: FastAPI) -> None:
        self._app = app

    def get(self, path: str) -> httpx.Response:
        return asyncio.run(self._get(path))

    async def _get(self, path: str) -> httpx.Response:
        transport = httpx.ASGITransport(self._app)
        async with httpx.AsyncClient(transport=transport, base_url="http://analyzer") as client:
            return await client.get(path)


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Store]:
    store = Store.open(None)
    house.resource(store, "db:shard-1", 1)
    house.tenant(store, "acme", plan="pro")
    for monday in (MONDAY, WEEK.end):
        add(store, [Hour(at, "acme", "db:shard-1", 10**9, 4) for at in range(8)], monday)
    house.complete_until(store, NOW)
    close_weeks(store, now=NOW, settings=TERMS, directory=tmp_path_factory.mktemp("reports"))
    yield store
    store.close()


@pytest.fixture(scope="module")
def client(store: Store) -> Client:
    def clock() -> datetime:
        return NOW

    app = FastAPI()
    app.include_router(router(store, clock, TERMS))
    app.include_router(density.router(store, clock))
    app.include_router(reports.router(store, clock, TERMS, Path("reports")))
    install(app)
    return Client(app)


def test_a_month_is_a_page_of_its_own(client):
    page = CostPage.model_validate(client.get("/costs?week=2026-11").json())
    assert (page.week, page.status, page.version) == ("2026-11", "estimate", 0)
    assert page.months == ["2026-11"]
    assert (page.hours, page.end - page.start) == (720, timedelta(days=30))
    elapsed = (NOW - page.start) // timedelta(hours=1)
    assert Decimal(page.bill) == elapsed  # one an hour, so far
    assert sum(Decimal(one.total) for one in page.lines) == Decimal(page.allocated)
    leaves = client.get("/costs/tree?week=2026-11").json()["leaves"]
    assert sum(Decimal(leaf["cost"]) for leaf in leaves) == Decimal(page.allocated)
    assert client.get("/costs?week=2031-01").status_code == 404
    for wrong in ("2026-13", "2026-00", "2026-1", "november"):
        assert client.get(f"/costs?week={wrong}").status_code == 400


def test_the_tree_sums_to_what_is_allocated_whatever_is_gathered(client):
    found = client.get("/costs/tree?week=2026-W47").json()
    page = CostPage.model_validate(client.get("/costs?week=2026-W47").json())
    assert sum(Decimal(leaf["cost"]) for leaf in found["leaves"]) == Decimal(page.allocated)
    assert [leaf["tenant"] for leaf in found["leaves"]] == ["acme"]
    assert client.get("/costs/tree?week=2030-W01").status_code == 404
    exact = many_tenants()
    few, all_of_them = cost_tree(exact, 2), cost_tree(exact, 1_000)
    s = shown(exact)
    for tree in (few, all_of_them):
        assert sum(Decimal(leaf.cost) for leaf in tree.leaves) == Decimal(s.money(s.allocated))
    assert [leaf.tenant for leaf in few.leaves[:2]] == [
        leaf.tenant for leaf in all_of_them.leaves[:2]
    ]
    assert {leaf.tenant for leaf in few.leaves[2:]} == {"__other__"}


def test_the_running_week_is_an_estimate_that_adds_up(client):
    page = CostPage.model_validate(client.get("/costs").json())
    assert (page.week, page.status, page.version, page.bill) == (
        "2026-W48",
        "estimate",
        0,
        "12.00",
    )
    assert (page.allocated, page.idle, page.unattributed) == ("2.22", "9.78", "0.00")
    assert page.weeks == ["2026-W48", "2026-W47"]


def test_a_closed_week_is_the_stored_statement(client):
    page = CostPage.model_validate(client.get("/costs?week=2026-W47").json())
    assert (page.status, page.version, page.bill) == ("provisional", 1, "168.00")
    assert page.lines[0].revenue == "7.00"


def test_the_report_list_names_week_version_and_formats(client):
    (report,) = [ReportView.model_validate(item) for item in client.get("/reports").json()]
    assert (report.week, report.version, report.total) == ("2026-W47", 1, "168.00")
    assert report.formats == ["csv", "html"]


@pytest.mark.parametrize(
    ("query", "kind", "start"),
    [("", "text/html", b"<!doctype"), ("?format=csv", "text/csv", b"record,"),
     ("?format=focus", "text/csv", b"AllocatedMethodDetails,"),
     ("?tenant=acme", "text/html", b"<!doctype")],
)  # fmt: skip
def test_a_report_comes_with_its_content_type(client, query, kind, start):
    answer = client.get(f"/reports/2026-W47{query}")
    assert answer.status_code == 200
    assert answer.headers["content-type"].startswith(kind)
    assert answer.content.startswith(start)


@pytest.mark.parametrize(
    ("path", "status"),
    [("/costs?week=today", 400), ("/costs?week=2027-W01", 404), ("/reports/2026-W40", 404),
     ("/reports/..", 404), ("/reports/2026-W47?format=exe", 400),
     ("/reports/2026-W47?tenant=globex", 404)],
)  # fmt: skip
def test_what_is_not_there_is_a_problem_with_its_status(client, path, status):
    assert client.get(path).status_code == status


def test_the_report_of_the_running_week_is_an_estimate(client):
    answer = client.get("/reports/2026-W48?format=csv")
    assert answer.status_code == 200
    assert b"2026-W48,0,estimate" in answer.content


def test_density_answers_rows(client):
    (row,) = [DensityRow.model_validate(item) for item in client.get("/density").json()]
    assert (row.resource, row.active_tenants) == ("db:shard-1", 1)


def test_costs_so_far_are_those_of_the_cost_page(client, store):
    (line,) = client.get("/costs").json()["lines"]
    cost = costs_so_far(store, NOW, TERMS)["acme"]
    assert (cost.cost, cost.revenue, cost.margin) == (
        line["total"],
        line["revenue"],
        line["margin"],
    )


def test_without_prices_nobody_has_a_cost(store):
    assert costs_so_far(store, NOW, CostSettings()) == {}


def many_tenants() -> Statement:
    parts = (Part("db", 12_345, 5_550, 1),)
    tenants = tuple(TenantLine(f"t{n}", "", "", parts, 99_999 if n % 2 else None) for n in range(7))
    paid = sum(t.total for t in tenants)
    line = ResourceLine("db", "", paid, paid, 0, 0, None)
    return Statement("2026-W47", MONDAY, WEEK.end, 168, 168, "final", 4, TERMS, tenants, (line,))


def test_lines_after_the_limit_are_one_line_and_the_page_still_adds_up():
    exact = many_tenants()
    page, whole = cost_page(exact, 1, [], 3), cost_page(exact, 1, [])
    assert [(line.tenant, line.names) for line in page.lines] == [
        ("t0", 1), ("t1", 1), ("t2", 1), ("__other__", 4),
    ]  # fmt: skip
    assert len(whole.lines) == 7
    for column in ("direct", "idle", "shared", "total", "revenue", "margin"):
        sums = [
            sum(Decimal(getattr(line, column) or 0) for line in shown_page.lines)
            for shown_page in (page, whole)
        ]
        assert sums[0] == sums[1]
    assert sum(Decimal(line.total) for line in page.lines) == Decimal(page.allocated)


@pytest.mark.parametrize("limit", ["0", "-1", "x", "100001"])
def test_a_limit_out_of_range_is_a_problem(client, limit):
    assert client.get(f"/costs?limit={limit}").status_code in (400, 422)


def test_what_was_renewed_ahead_is_what_a_reader_gets(store):
    kept = book(store, TERMS)
    kept.refresh(NOW)
    week = WEEK.next()
    assert kept.estimate(week, NOW) is kept.estimate(week, NOW + timedelta(seconds=5))
    CostBook(store, CostSettings()).refresh(NOW)


def test_accounts_of_a_running_week_are_made_once_of_an_estimate(client, monkeypatch):
    made = []

    def counted(store: Store, statement: Statement, *rest: object) -> Packed:
        made.append(statement.week)
        return accounts_of(store, statement, *rest)  # type: ignore[arg-type]

    monkeypatch.setattr(reports, "accounts_of", counted)
    first, second = (client.get("/reports/2026-W48?format=csv").content for _ in range(2))
    one = client.get("/reports/2026-W48/accounts/acme").json()
    assert (first == second, one["tenant"], one["version"]) == (True, "acme", 0)
    assert len(made) <= 1
    assert client.get("/reports/2026-W48/accounts/nobody").status_code == 404
    client.get("/reports/2026-W47?format=csv")
    assert len(made) <= 1  # a closed week has them stored
