"""Bills over HTTP, and the command that sends them."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest
from fastapi import FastAPI
from typer.testing import CliRunner

from analyzer.api import bills, money
from analyzer.api.problems import install
from analyzer.api.views.bills import BillDetail, BillLineView, BillView
from analyzer.api.views.cost import CostPage
from analyzer.cost.bills.rules import BillRule
from analyzer.cost.settings import CostSettings, Price
from analyzer.reports import close_weeks
from analyzer.store.database import Store
from partywall import cli, client, session
from partywall.commands.bills import packed
from partywall.failures import Failure
from tests.analyzer.cost import house
from tests.analyzer.cost.bills.paper import focus, row
from tests.analyzer.cost.house import WEEK, Hour, add

TERMS = CostSettings(
    prices=(Price("db:shard-1", "1"),), bill_rules=(BillRule("db:shard-1", resource_id="db-1"),)
)
NOW = WEEK.end
BILL = focus(
    row("150", charge=("2026-11-16", "2026-11-23")), row("7", service="S3", resource=""), row("one")
)


class Web:
    """Asks an app without a socket."""

    def __init__(self, store: Store) -> None:
        self._app = FastAPI()
        self._app.include_router(bills.router(store, lambda: NOW, TERMS))
        self._app.include_router(money.router(store, lambda: NOW, TERMS))
        install(self._app)

    def ask(self, method: str, path: str, content: bytes | None = None) -> httpx.Response:
        async def run() -> httpx.Response:
            transport = httpx.ASGITransport(self._app)
            async with httpx.AsyncClient(transport=transport, base_url="http://a") as web:
                return await web.request(method, path, content=content)

        return asyncio.run(run())


@pytest.fixture
def store() -> Iterator[Store]:
    store = Store.open(None)
    house.resource(store, "db:shard-1", 1)
    add(store, [Hour(0, "acme", "db:shard-1", 3_600_000_000)])
    house.complete_until(store, NOW)
    yield store
    store.close()


@pytest.fixture
def web(store: Store) -> Web:
    return Web(store)


def test_a_preview_keeps_nothing_and_an_import_once(web):
    seen = BillDetail.model_validate(web.ask("POST", "/bills?preview=true", BILL).json())
    assert (seen.state, seen.id, seen.lines, seen.bad, seen.totals[0].billed) == (
        "preview", "", 2, 1, "157",
    )  # fmt: skip
    assert web.ask("GET", "/bills").json() == []
    kept = BillDetail.model_validate(web.ask("POST", "/bills?name=nov.csv", BILL).json())
    assert (kept.state, kept.known, kept.matches) == ("counted", False, seen.matches)
    again = BillDetail.model_validate(web.ask("POST", "/bills", BILL).json())
    assert (again.id, again.known) == (kept.id, True)
    (one,) = [BillView.model_validate(b) for b in web.ask("GET", "/bills").json()]
    assert (one.name, one.shape) == ("nov.csv", "focus-1.0")
    assert [(b.row, b.what) for b in kept.bad_rows] == [(4, "BilledCost: 'one' is not an amount")]


def test_lines_are_told_with_their_resource_and_the_unmatched_alone(web):
    ident = web.ask("POST", "/bills", BILL).json()["id"]
    found = web.ask("GET", f"/bills/{ident}/lines").json()
    lines = [BillLineView.model_validate(x) for x in found]
    told = [(x.row, x.resource, x.billed) for x in lines]
    assert told == [
        (2, "db:shard-1", "150"),
        (3, "", "7"),
    ]
    lost = web.ask("GET", f"/bills/{ident}/lines?matched=false").json()
    assert [x["service"] for x in lost] == ["S3"]


def test_a_withdrawn_bill_counts_no_more(web):
    ident = web.ask("POST", "/bills", BILL).json()["id"]
    assert web.ask("POST", f"/bills/{ident}/withdraw").json()["state"] == "withdrawn"
    assert web.ask("POST", f"/bills/{ident}/withdraw").status_code == 409
    assert web.ask("GET", "/bills/none").status_code == 404


def test_what_is_no_bill_is_a_problem_that_says_so(web):
    answer = web.ask("POST", "/bills", b"a,b\n")
    assert answer.status_code == 400
    assert (answer.json()["id"], answer.json()["field"]) == ("invalid-field", "bill")
    assert web.ask("POST", "/bills").json()["id"] == "malformed-body"


def test_a_body_without_end_is_cut_off(web, monkeypatch):
    monkeypatch.setattr(bills, "MAX_BODY", 100)
    assert web.ask("POST", "/bills", BILL).status_code == 413


def test_the_cost_page_tells_estimate_bill_and_what_is_unmatched(web, store, tmp_path):
    before = CostPage.model_validate(web.ask("GET", "/costs?week=2026-W47").json())
    assert (before.bill, before.reconciled, before.resources[0].adjustment) == ("168.00", 0.0, None)
    web.ask("POST", "/bills", BILL)
    close_weeks(store, now=NOW, settings=TERMS, directory=tmp_path)
    page = CostPage.model_validate(Web(store).ask("GET", "/costs?week=2026-W47").json())
    by_name = {r.resource: r for r in page.resources}
    shard, lost = by_name["db:shard-1"], by_name["unmatched: S3"]
    assert (shard.estimate, shard.billed, shard.adjustment) == ("168.00", "150.00", "-18.00")
    assert (lost.kind, lost.unattributed) == ("unmatched", "7.00")
    assert (page.bill, page.reconciled) == ("157.00", 1.0)
    (told,) = web.ask("GET", "/adjustments?resource=db:shard-1").json()
    assert (told["week"], told["version"], told["adjustment"]) == ("2026-W47", 1, "-18.0000")


def test_the_command_sends_a_folder_as_one_bill(web, tmp_path, monkeypatch):
    (tmp_path / "a.csv").write_bytes(focus(row("1")))
    (tmp_path / "b.csv").write_bytes(focus(row("2")))
    (tmp_path / ".hidden").write_text("x")

    def answer(request: httpx.Request) -> httpx.Response:
        path = request.url.raw_path.decode().removeprefix("/api/v1")
        found = web.ask(request.method, path, request.content)
        return httpx.Response(found.status_code, content=found.content)

    transport = httpx.MockTransport(answer)
    real = client.Client

    def faked(base: str, token: str = "", timeout_s: float = 10) -> client.Client:
        return real(base, token, transport=transport)

    monkeypatch.setattr(client, "Client", faked)
    monkeypatch.setattr(session, "target", lambda *_: session.Target("http://a", ""))
    args = ["bills", "import", str(tmp_path), "-o", "json", "--api", "http://a"]
    result = CliRunner().invoke(cli.tree, args)
    assert result.exit_code == 0, result.output
    told = json.loads(result.stdout)
    assert (told["lines"], told["totals"][0]["billed"]) == (2, "3")
    listed = CliRunner().invoke(cli.tree, ["bills", "list", "--api", "http://a"])
    assert told["id"] in listed.stdout
    assert "counted" in listed.stdout


def test_a_folder_without_files_is_told(tmp_path):
    with pytest.raises(Failure, match="no bill"):
        packed([tmp_path])
    assert packed([Path(__file__)])[0] == "test_bills_api.py"
