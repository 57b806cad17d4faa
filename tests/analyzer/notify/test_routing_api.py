from __future__ import annotations

import pytest
from fastapi import FastAPI

from analyzer.api import incidents, routing
from analyzer.api.alerts import router as alerts
from analyzer.api.problems import install
from analyzer.notify import NotifySettings
from analyzer.store.database import Store
from tests.analyzer.journal.cast import at, opened, resolved
from tests.analyzer.notify.asgi import Client
from tests.analyzer.notify.house import LINKS, deliver, listening, ruled, write
from tests.analyzer.notify.receiver import receiver

SETTINGS = NotifySettings(allow=("127.0.0.1/32",))


@pytest.fixture
def client(store: Store) -> Client:
    app = FastAPI()
    install(app)
    for room in (
        routing.router(store, lambda: at(30), lambda: None),
        incidents.router(store, lambda: at(30), LINKS, lambda: None),
        alerts(store, lambda: at(30), SETTINGS),
    ):
        app.include_router(room, prefix="/api/v1")
    return Client(app)


def silence(client: Client, **changes):
    given = {"match": ["resource = db:*"], "author": "ada", "reason": "deploy", **changes}
    return client.post("/api/v1/silences", json=given)


def test_a_silence_is_made_seen_and_expired(store, client):
    write(store, opened(), now=at(1))
    made = silence(client, ends_at="now+2h").json()
    assert (made["state"], made["mutes"], made["ends_at"]) == (
        "active", ["INC-1"], "2026-11-20T14:30:00Z",
    )  # fmt: skip
    (row,) = client.get("/api/v1/incidents").json()
    assert row["muted"] == f"silenced: {made['id']} by ada: deploy"
    assert client.get("/api/v1/incidents/INC-1").json()["muted"].startswith("silenced")
    over = client.post(f"/api/v1/silences/{made['id']}/expire").json()
    assert over["state"] == "expired"
    assert client.get("/api/v1/silences?state=active").json() == []
    assert len(client.get("/api/v1/silences").json()) == 1
    assert client.get("/api/v1/incidents").json()[0]["muted"] is None
    assert client.post(f"/api/v1/silences/{made['id']}/expire").status_code == 409


BAD = [
    ({"match": []}, "match"),
    ({"match": ["colour = red"]}, "match"),
    ({"author": ""}, "author"),
    ({"ends_at": "soon"}, "ends_at"),
    ({"ends_at": "now-1h"}, "ends_at"),
    ({"colour": "red"}, "colour"),
]


@pytest.mark.parametrize(("changes", "field"), BAD)
def test_a_bad_silence_is_refused_by_the_name_of_its_field(client, changes, field):
    answer = silence(client, **changes)
    assert answer.status_code in (400, 422)
    assert field in answer.json()["field"]


def test_routes_are_made_listed_in_order_and_removed(store, client):
    with receiver() as hook:
        listening(store, hook)
        ruled(store)
        wanted = {
            "name": "pages", "match": ["severity = page"], "to": ["hook-*", "boss"],
            "steps": [{"after_s": 600, "to": ["hook-0"]}], "fallback": "mail",
        }  # fmt: skip
        made = client.post("/api/v1/routes", json=wanted)
        assert made.status_code == 201
        assert made.json()["unknown"] == ["boss", "mail"]
        listed = client.get("/api/v1/routes").json()
        assert [each["name"] for each in listed] == ["pages", "default"]
        assert client.post("/api/v1/routes", json=wanted).status_code == 409
        assert client.delete(f"/api/v1/routes/{listed[1]['id']}").status_code == 404
        assert client.delete(f"/api/v1/routes/{made.json()['id']}").status_code == 204
        assert len(client.get("/api/v1/routes").json()) == 1


def test_a_route_to_try_tells_how_often_it_would_have_fired(store, client):
    with receiver() as hook:
        listening(store, hook)
        write(store, opened(), resolved(), now=at(9))
        write(store, opened("INC-2", minute=20), now=at(20))
        draft = {"name": "pages", "match": ["severity = page"], "to": ["hook-0"]}
        found = client.post("/api/v1/routes/backtest", json={"days": 30, "route": draft}).json()
        assert found["sentence"] == "Route 'pages' would have fired 2 times in 30 days."
        assert found["endpoints"] == [{"endpoint": "hook-0", "told": 2, "skipped": {}}]
        assert [each["incident"] for each in found["incidents"]] == ["INC-2", "INC-1"]
        sure = client.post("/api/v1/routes/backtest", json={"min_confidence": 0.99}).json()
        assert (sure["fired"], sure["below_thresholds"]) == (0, 2)
        bad = {**draft, "match": ["colour = red"]}
        assert client.post("/api/v1/routes/backtest", json={"route": bad}).status_code in (400, 422)
        assert len(client.get("/api/v1/deliveries").json()) == 3  # nothing was sent by it


def test_windows_once_and_weekly(client):
    once = client.post(
        "/api/v1/maintenance",
        json={"name": "move", "match": ["resource = db:*"], "starts_at": "now-5m",
              "ends_at": "now+1h"},
    ).json()  # fmt: skip
    weekly = client.post(
        "/api/v1/maintenance",
        json={"name": "vacuum", "match": ["resource = db:*"], "days": ["sat"], "at": "02:00",
              "minutes": 90, "zone": "Europe/Berlin"},
    ).json()  # fmt: skip
    assert (once["state"], weekly["state"]) == ("open", "planned")
    assert weekly["next_start"] == "2026-11-21T01:00:00Z"
    assert len(client.get("/api/v1/maintenance").json()) == 2
    assert client.delete(f"/api/v1/maintenance/{once['id']}").status_code == 204
    assert (
        client.post("/api/v1/maintenance", json={"name": "x", "match": ["tenant = a"]})
        .json()["detail"]
        .startswith("maintenance 'x': needs starts_at")
    )


def test_inhibitions_of_the_api(client):
    wanted = {"source": ["kind = degraded"], "target": ["kind = capacity"]}
    made = client.post("/api/v1/inhibitions", json=wanted).json()
    assert made["equal"] == ["resource"]
    assert [e["id"] for e in client.get("/api/v1/inhibitions").json()] == [made["id"]]
    assert client.delete(f"/api/v1/inhibitions/{made['id']}").status_code == 204


def test_many_are_replayed_in_order_under_their_ids(store, client):
    with receiver() as hook:
        settings = listening(store, hook)
        write(store, opened(), resolved(), now=at(9))
        deliver(store, settings, at(9))
        ids = [each["id"] for each in client.get("/api/v1/deliveries").json()]
        assert client.post("/api/v1/deliveries/replay", json={"ids": ids}).json() == {"replayed": 2}
        deliver(store, settings, at(31))
        kinds = ["incident.opened", "incident.resolved"] * 2
        assert [got.json["type"] for got in hook.got] == kinds
        assert [got.id for got in hook.got[:2]] == [got.id for got in hook.got[2:]]
        assert {got.headers.get("x-partywall-replay") for got in hook.got[2:]} == {"1"}
        unknown = {"ids": [ids[0], "dlv_none"]}
        assert client.post("/api/v1/deliveries/replay", json=unknown).status_code == 404
        assert client.post("/api/v1/deliveries/replay", json={}).status_code in (400, 422)


def test_a_skipped_message_can_be_sent_after_all(store, client):
    with receiver() as hook:
        settings = listening(store, hook)
        silence(client, starts_at="2026-11-20T12:00:00Z", ends_at="now+1h")
        write(store, opened(), now=at(1))
        (row,) = client.get("/api/v1/deliveries?state=skipped").json()
        assert row["reason"] == "silenced"
        client.post(f"/api/v1/deliveries/{row['id']}/replay")
        assert deliver(store, settings, at(31)).delivered == 1
        story = client.get("/api/v1/incidents/INC-1").json()["timeline"]
        assert "delivered" in [each["what"] for each in story]


def test_the_timeline_says_why_nobody_was_told(store, client):
    with receiver() as hook:
        listening(store, hook)
        silence(client, starts_at="2026-11-20T12:00:00Z", ends_at="now+1h")
        write(store, opened(), now=at(1))
        story = client.get("/api/v1/incidents/INC-1").json()["timeline"]
        (line,) = [each["detail"] for each in story if each["what"] == "not told"]
        assert line.startswith("hook-0 of incident.opened, silenced: sil_")


def test_a_past_incident_is_fired_as_a_test(store, client):
    with receiver() as hook:
        settings = listening(store, hook)
        write(store, opened(), now=at(1))
        deliver(store, settings, at(1))
        silence(client)
        (row,) = client.get("/api/v1/endpoints").json()
        path = f"/api/v1/endpoints/{row['id']}/test"
        sent = client.post(path, json={"incident": "INC-1"}).json()
        assert sent["state"] == "delivered"
        assert hook.got[-1].json["test"] is True
        assert hook.got[-1].json["incident"]["id"] == "INC-1"
