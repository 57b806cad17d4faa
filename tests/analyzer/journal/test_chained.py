"""A flood in a queue that fills the database behind it: one incident told, cause first."""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

import pytest
from fastapi import FastAPI

from analyzer.api import incidents
from analyzer.config import AnalyzerSettings, ResourceSettings
from analyzer.journal import records
from analyzer.model import Action, IncidentState
from analyzer.notify.event import Links
from analyzer.notify.history import rehearsed
from analyzer.notify.rules import policy
from analyzer.notify.settings import EndpointSettings
from analyzer.routing.rehearsal import Thresholds
from collector.model import Family, ResourceId, ResourceKind
from collector.receivers.simulated import Platform, Shared, Surge
from tests.analyzer.notify.asgi import Client
from tests.analyzer.road import WINDOW, Road

QUEUE, MAIN = ResourceId("queue:jobs"), ResourceId("db:main")
SHARED = (
    Shared(QUEUE, ResourceKind.QUEUE, Family.QUEUE, 6, 0.40, 0.4),
    Shared(MAIN, ResourceKind.DATABASE, Family.QUERY, 8, 0.50, 0.012),
)
SINK = EndpointSettings("sink", "http://127.0.0.1:9/hook")


@pytest.fixture(scope="module")
def told(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Road]:
    """The flood ends in the queue a while before the database is calm again."""
    today = datetime.now(UTC)  # noqa: TID251 - the collector refuses what is older than two weeks
    noon = today.replace(hour=12, minute=0, second=0, microsecond=0) - timedelta(days=1)
    settings = AnalyzerSettings(
        data=tmp_path_factory.mktemp("chain"),
        resources=tuple(ResourceSettings(s.id, s.kind, s.cores) for s in SHARED),
        endpoints=(SINK,),
    )
    road = Road(settings.data, noon, Platform(14, shared=SHARED), settings)
    road.history(35)
    noisy = road.platform.middling(QUEUE, 4)
    begins = road.begins + 3 * WINDOW
    road.surges += [
        Surge(noisy, QUEUE, begins, begins + 24 * WINDOW, to=1.3),
        Surge(noisy, MAIN, begins + 4 * WINDOW, begins + 40 * WINDOW, to=1.3),
    ]
    road.live(80)
    yield road
    road.analyzer.close()


def events(road: Road) -> list[tuple[str, str]]:
    rows = road.analyzer.store._connection.execute(
        "SELECT incident, type FROM events WHERE type LIKE 'incident.%' ORDER BY seq"
    ).fetchall()
    return [(lane, kind) for lane, kind in rows]


def test_one_incident_is_told_and_ends_with_its_last_part(told):
    found = {one.resource: one for one in records.incidents(told.analyzer.store)}
    head, part = found[QUEUE], found[MAIN]
    assert part.part_of == head.id
    assert [link.resource for link in head.chain] == [QUEUE, MAIN]
    heard = events(told)
    assert {lane for lane, _ in heard} == {head.id}
    assert [kind for _, kind in heard] == [
        "incident.opened", "incident.updated", "incident.resolved",
    ]  # fmt: skip
    assert head.state is part.state is IncidentState.RESOLVED
    assert head.ended_at is not None
    assert part.ended_at is not None
    assert head.ended_at >= part.ended_at


def test_only_the_incident_that_is_told_asks_for_a_limit(told):
    found = {one.resource: one for one in records.incidents(told.analyzer.store)}
    throttles = [
        one for one in records.decisions(told.analyzer.store) if one.action is Action.THROTTLE
    ]
    assert {one.incident for one in throttles} == {found[QUEUE].id}


def test_lists_tell_it_once_and_the_page_leads_from_part_to_whole(told):
    app = FastAPI()
    store = told.analyzer.store
    app.include_router(incidents.router(store, told.clock, Links(), lambda: None))
    ask = Client(app)
    (row,) = ask.request("GET", "/incidents").json()
    both = ask.request("GET", "/incidents?parts=true").json()
    assert len(both) == 2
    assert "reaches db:main" in row["sentence"]
    page = ask.request("GET", f"/incidents/{row['id']}").json()
    assert [link["resource"] for link in page["chain"]] == [QUEUE, MAIN]
    assert any("It reached db:main" in sentence for sentence in page["explanation"])
    (part,) = [one for one in both if one["part_of"] == row["id"]]
    page = ask.request("GET", f"/incidents/{part['id']}").json()
    assert f"It is part of {row['id']}, which is told for both." in page["explanation"]


def test_a_webhook_carries_the_chain(told):
    rows = told.analyzer.store._connection.execute(
        "SELECT body FROM events WHERE type = 'incident.updated'"
    ).fetchall()
    bodies = [json.loads(body) for (body,) in rows]
    chains = [[link["resource"] for link in body["incident"]["chain"]] for body in bodies]
    assert [QUEUE, MAIN] in chains


def test_a_route_is_tried_on_what_was_told_not_on_its_parts(told):
    with told.analyzer.store.reader() as reader:
        found = rehearsed(
            reader, policy(reader), Thresholds(),
            since=told.begins - timedelta(days=1), until=told.begins, now=told.begins,
        )  # fmt: skip
    assert (len(found.judged), found.below) == (1, 0)
