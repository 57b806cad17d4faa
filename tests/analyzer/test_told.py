"""What happens is told: from usage through the real rooms to a receiver, in order and once."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from datetime import timedelta
from typing import Any

import httpx
import pytest
from standardwebhooks import Webhook

from analyzer.app import api
from analyzer.cost.settings import CostSettings, Price
from analyzer.decisions.decide import DecisionPolicy
from analyzer.journal.budgets import Budget
from analyzer.notify import EndpointSettings, NotifySettings
from analyzer.notify.settings import new_secret
from collector.model import ResourceId
from collector.receivers.simulated import Surge
from tests.analyzer.notify.receiver import Receiver, receiver
from tests.analyzer.road import WINDOW, Road

SHARD = ResourceId("db:shard-1")
SECRET = new_secret(b"s" * 32)


@pytest.fixture
def hook() -> Iterator[Receiver]:
    with receiver() as hook:
        yield hook


@pytest.fixture
def road(tmp_path, hook) -> Iterator[Road]:
    laid = Road.lay(
        tmp_path,
        tenants=16,
        cost=CostSettings(prices=(Price(SHARD, per_hour="5"),)),
        budgets=(Budget("everything", "0.01", "week"),),
        endpoints=(EndpointSettings("hook", hook.url, secret=SECRET),),
        notify=NotifySettings(allow=("127.0.0.1/32",)),
    )
    laid.history(35)
    yield laid
    laid.close()


def ask(road: Road, method: str, path: str, body: dict[str, Any] | None = None) -> Any:
    async def sent() -> httpx.Response:
        transport = httpx.ASGITransport(app=api(road.analyzer, road.clock))
        async with httpx.AsyncClient(transport=transport, base_url="http://analyzer") as http:
            return await http.request(method, f"/api/v1{path}", json=body)

    answer = asyncio.run(sent())
    assert answer.status_code < 300, answer.text
    return answer.json()


def run(road: Road, name: str) -> None:
    (job,) = (job for job in road.analyzer.jobs() if job.name == name)
    job.run(road.clock.now)


def told(road: Road, hook: Receiver) -> list[str]:
    """Everything due is sent; the types of all messages so far."""
    road.analyzer.sender.tick(road.clock.now)
    road.analyzer.sender.wait()
    return [got.json["type"] for got in hook.got]


def test_the_life_of_an_incident_its_decision_and_a_budget_is_told_in_order(road, hook):
    noisy = road.platform.middling(SHARD, 3)
    begins = road.begins + 2 * WINDOW
    road.surges.append(Surge(noisy, SHARD, begins, begins + 12 * WINDOW))
    road.live(12)
    (incident,) = ask(road, "GET", "/incidents?state=firing")
    (decision,) = ask(road, "GET", "/decisions?state=proposed")
    ask(road, "POST", f"/incidents/{incident['id']}/acknowledge", {"by": "ada"})
    ask(road, "POST", f"/decisions/{decision['id']}/approve", {"by": "ada"})
    (entry,) = ask(road, "GET", "/policy")["entries"]
    assert (entry["decision"], entry["mode"]) == (decision["id"], "enforce")
    assert ask(road, "GET", f"/decisions/{decision['id']}")["state"] == "active"
    told(road, hook)
    road.live(14)
    ended = ask(road, "GET", f"/decisions/{decision['id']}")
    assert (ended["state"], ended["outcome"]) == (
        "verified",
        "the victims recovered under the limit",
    )
    run(road, "budgets")
    told(road, hook)
    lane = [got.json for got in hook.got if got.json["type"] != "budget.exceeded"]
    kinds = [body["type"] for body in lane if body["type"] != "incident.updated"]
    assert kinds == [
        "incident.opened",
        "decision.proposed",
        "incident.acknowledged",
        "decision.approved",
        "decision.active",
        "incident.resolved",
        "decision.verified",
    ]
    assert [body["seq"] for body in lane] == list(range(1, len(lane) + 1))
    (spent,) = (got.json for got in hook.got if got.json["type"] == "budget.exceeded")
    assert spent["facts"]["budget"] == "everything"
    assert len({got.id for got in hook.got}) == len(hook.got)
    key = Webhook(SECRET)
    for got in hook.got:
        signed = got.headers["webhook-signature"]
        assert key.sign(got.id, road_time(got), got.body.decode()) == signed


def test_a_move_is_told_when_the_registry_shows_it_and_when_the_old_place_stayed_calm(
    tmp_path, hook
):
    road = Road.lay(
        tmp_path,
        tenants=16,
        decisions=DecisionPolicy(repeats=1, promote_after=9, dwell_s=60),
        endpoints=(EndpointSettings("hook", hook.url, secret=SECRET),),
        notify=NotifySettings(allow=("127.0.0.1/32",)),
    )
    road.history(35)
    noisy = road.platform.middling(SHARD, 3)
    begins = road.begins + 2 * WINDOW
    road.surges.append(Surge(noisy, SHARD, begins, begins + 8 * WINDOW))
    road.live(8)
    proposed = ask(road, "GET", "/decisions?state=proposed")
    (move,) = (one for one in proposed if one["action"] == "move")

    def state() -> tuple[str, str]:
        found = ask(road, "GET", f"/decisions/{move['id']}")
        return found["state"], found["outcome"]

    ask(road, "POST", f"/decisions/{move['id']}/approve", {"by": "ada"})
    road.live(1)
    assert state()[0] == "approved"
    ask(road, "POST", "/tenants", {"id": noisy, "resources": ["db:shard-2"], "left": [SHARD]})
    road.live(1)
    assert state() == ("active", f"{noisy} is on db:shard-2")
    road.live(4)
    assert state()[0] == "active"
    road.live(4)
    assert state() == ("verified", f"no incident by {noisy} on {SHARD} for 1 min")
    told(road, hook)
    mine = [got.json for got in hook.got if got.json.get("decision", {}).get("id") == move["id"]]
    assert [body["type"] for body in mine] == [
        "decision.proposed",
        "decision.approved",
        "decision.active",
        "decision.verified",
    ]
    road.close()


def road_time(got: Any) -> Any:
    from datetime import UTC, datetime

    return datetime.fromtimestamp(int(got.headers["webhook-timestamp"]), UTC)


def test_a_source_that_falls_silent_is_told_and_that_it_is_back(road, hook):
    jobs = {job.name: job for job in road.analyzer.jobs()}
    road.live(1)
    jobs["sources"].run(road.clock.now)  # the start: nobody is called silent for a while
    road.clock.now += timedelta(minutes=5)
    jobs["sources"].run(road.clock.now)
    first = told(road, hook)
    assert set(first) == {"source.stale"}
    assert {got.json["facts"]["state"] for got in hook.got} == {"stale"}
    jobs["sources"].run(road.clock.now)
    assert told(road, hook) == first
